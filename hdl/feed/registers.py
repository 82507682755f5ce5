# SPDX-License-Identifier: Apache-2.0
"""Registers and counters of the feed decoders."""

from hdl.regs.register import Access, Register

__all__ = ["COUNTERS", "REGISTERS"]

COUNTERS: tuple[tuple[str, str], ...] = (
    ("frames", "frames taken by a decoder"),
    ("frames_refused", "FRAME records that break a rule or name a protocol this build has not"),
    ("sbe_starts", "update ids of snapshots sent as records"),
    ("sbe_messages", "frames the SBE decoder has finished"),
    ("sbe_diffs", "SBE depth diffs taken"),
    ("sbe_snapshots", "SBE depth snapshots taken"),
    ("sbe_trades", "SBE trades messages taken"),
    ("sbe_tickers", "SBE best bid and ask messages taken"),
    ("sbe_short", "SBE messages refused: the frame ends inside them"),
    ("sbe_long", "SBE messages refused: the frame goes on after them"),
    ("sbe_damaged", "SBE messages refused: the frame is damaged or cut"),
    ("sbe_schema", "SBE messages refused: another schema id"),
    ("sbe_template", "SBE messages refused: a template the decoder does not know"),
    ("sbe_version", "SBE messages refused: a version older than the decoder's"),
    ("sbe_block", "SBE messages refused: a root or group block shorter than the schema's"),
    ("sbe_tag", "SBE messages refused: a connection without a symbol or scale"),
    ("sbe_exponent", "SBE messages refused: exponents other than the symbol's"),
    ("sbe_root", "SBE messages refused: a negative time or id, or ids out of order"),
    ("sbe_unsynced", "SBE depth diffs dropped: the symbol waits for a snapshot"),
    ("sbe_stale", "SBE depth diffs and snapshots dropped: older than the book"),
    ("sbe_gap", "SBE depth diffs refused: updates before them are missing"),
    ("sbe_value", "SBE messages refused: a price or quantity that is no whole tick or lot"),
    ("sbe_levels", "levels made from SBE messages"),
    ("sbe_trades_refused", "trades left out: no whole tick or lot, no quantity, a wrong field"),
    ("sbe_marks", "symbols marked as gap because of a refused SBE message"),
    ("sbe_bbo_checked", "best bid and ask messages compared with a view of the same update id"),
    ("sbe_bbo_mismatch", "comparisons that differed"),
)

REGISTERS: tuple[Register, ...] = (
    Register("build_feeds", 32, Access.RO, "decoders of this build: bit 0 SBE, bit 1 ITCH"),
    Register("sbe_enable", 1, Access.RW, "shadow: the connection's messages are decoded"),
    Register("sbe_price_exponent", 8, Access.RW, "shadow: exponent of prices, two's complement"),
    Register("sbe_price_shift", 6, Access.RW, "shadow: s, a tick is odd x 2^s mantissas"),
    Register("sbe_price_inverse", 64, Access.RW, "shadow: inverse of odd modulo 2^64"),
    Register("sbe_price_bound", 64, Access.RW, "shadow: greatest whole quotient, (2^64 - 1) / odd"),
    Register("sbe_qty_exponent", 8, Access.RW, "shadow: exponent of quantities"),
    Register("sbe_qty_shift", 6, Access.RW, "shadow: s, a lot is odd x 2^s mantissas"),
    Register("sbe_qty_inverse", 64, Access.RW, "shadow: inverse of odd modulo 2^64"),
    Register("sbe_qty_bound", 64, Access.RW, "shadow: greatest whole quotient, (2^64 - 1) / odd"),
    Register(
        "sbe_commit", 32, Access.WO, "symbol number: its SBE scale becomes the shadow, all at once"
    ),
)
