# SPDX-License-Identifier: Apache-2.0
"""Registers and counters of the ITCH feed, parts of the table in `hdl.regs.table`."""

from amaranth.lib import data

from hdl.regs.register import Access, Register

__all__ = ["COUNTERS", "REGISTERS", "counts"]

REGISTERS: tuple[Register, ...] = (
    Register(
        "itch_status",
        32,
        Access.RO,
        "bit 0: tables are swept, frames are taken; bit 1: updates were lost, all symbols invalid; "
        "bits 8 to 15: code of the last system event",
    ),
    Register(
        "itch_restart", 32, Access.WO, "any value: tables and session forgotten, locates stay"
    ),
    Register(
        "itch_locate",
        32,
        Access.WO,
        "bits 0 to 15: stock locate; 16 to 23: its symbol; 31: it is selected, else forgotten",
    ),
    Register(
        "itch_first", 64, Access.RW, "number of the first message; 0: that of the first packet"
    ),
    Register(
        "itch_midnight_us", 64, Access.RW, "midnight of the session, microseconds since the epoch"
    ),
    Register(
        "itch_policy",
        3,
        Access.RW,
        "bit 0: an unknown reference leaves its symbol valid; bit 1: messages P give no trades; "
        "bit 2: events of symbols that do not trade are evaluated",
    ),
)

COUNTERS: tuple[tuple[str, str], ...] = (
    ("mold_packets", "packets with messages"),
    ("mold_heartbeats", "packets without messages"),
    ("mold_ends", "packets that end a session"),
    ("mold_gaps", "packets that begin after the message expected"),
    ("mold_old", "messages taken before, ignored"),
    ("mold_sessions", "packets of another session, refused"),
    ("mold_runts", "frames too short for a header"),
    ("mold_truncated", "packets that end before their last message does"),
    ("mold_trailing", "packets with bytes after their last message"),
    ("mold_damaged", "frames marked as damaged, refused"),
    ("mold_oversize", "frames longer than the buffer, refused"),
    ("itch_messages", "messages taken"),
    ("itch_skipped", "messages of types that are not needed"),
    ("itch_foreign", "messages of unknown types, skipped"),
    ("itch_lengths", "messages of another length than their type has, refused"),
    ("itch_systems", "system events"),
    ("itch_directories", "entries of the stock directory"),
    ("itch_states", "trading actions of selected symbols"),
    ("itch_unselected", "order messages and prints of symbols not selected"),
    ("itch_adds", "orders put into the table, those of replaces too"),
    ("itch_takes", "orders reduced, removed or replaced"),
    ("itch_prints", "trades told"),
    ("itch_fields", "messages with an impossible field, refused"),
    ("itch_unknown", "messages about an order that is not in the table"),
    ("itch_excess", "messages that take more shares than the order has, refused"),
    ("itch_duplicates", "orders that were in the table, refused"),
    ("itch_order_full", "orders without room in the order table"),
    ("itch_level_full", "orders without room for their level, or with too many shares for it"),
    ("itch_breaks", "symbols made invalid one at a time"),
    ("itch_losses", "times all symbols were made invalid"),
)


def counts(*names: str) -> data.StructLayout:
    """One pulse per counter; each name must be one of `COUNTERS`."""
    if unknown := set(names) - {name for name, _ in COUNTERS}:
        raise ValueError(f"counters: expected names of the ITCH table, was {sorted(unknown)}")
    return data.StructLayout({name: 1 for name in names})
