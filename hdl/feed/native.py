# SPDX-License-Identifier: Apache-2.0
"""Decoder of tickgate's own 16-byte records."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import IN_FLAGS_BY_KIND, IN_RECORD, InFlag, InKind
from hdl.types import count_layout, flow, token_layout

__all__ = ["TickDecoder"]

#: Rules of a well-formed record, in the order in which a breach is counted.
MALFORMED = ("kind", "symbol", "flags", "reserved", "price", "qty", "frame")
_REPORTS = (InKind.ACK, InKind.FILL, InKind.CANCEL, InKind.REJECT)
_TAGGED = (*_REPORTS, InKind.CANCELLING)
_STEERING = (InKind.RECONCILE, InKind.CREDIT, InKind.DAY, InKind.REARM, InKind.CANCELLING)
_HARMLESS = (*_REPORTS, InKind.HEARTBEAT, InKind.TIMER, *_STEERING)
_PRICED = (InKind.LEVEL, InKind.TRADE)
_PRICE_FREE = (*_REPORTS, InKind.REFILL_END, InKind.RECONCILE)
_QTY_POSITIVE = (InKind.TRADE, InKind.FILL, InKind.CANCEL, InKind.REJECT)
_QTY_ZERO = (
    *(InKind.CLEAR, InKind.REFILL_BEGIN, InKind.REFILL_END, InKind.HEARTBEAT),
    *(InKind.DAY, InKind.REARM, InKind.CANCELLING),
)
_QTY_FREE = (InKind.EVENT_BEGIN, InKind.EVENT_END, InKind.TIMER, InKind.CREDIT)


class TickDecoder(wiring.Component):
    """Check a record, keep the frame and stream time, hand on a token.

    A malformed record becomes a token of kind 0 that names no level; it carries `poison` where
    it may have been an update of its symbol's book.

    Latency is 1 cycle, throughput one record a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(in record))
        Admitted records.
    o : Out(flow(token_layout))
        Tokens, one for each record. In a spaced build the last one stands.
    ahead : Out(9)
        Side and symbol of the record that is on `i`, before it is checked: the row its token is
        about, one cycle early.
    own : In(1)
        The record is a CLEAR the fabric made to reset its symbol: it is not one of the records that
        came in, and closes the symbol's frame.
    cycle : In(64)
        Cycle counter.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(IN_RECORD.layout(), always_ready=True)),
                "o": Out(flow(token_layout(config))),
                "ahead": Out(9),
                "own": In(1),
                "cycle": In(64),
                "counts": Out(
                    count_layout(
                        "records_in",
                        *(f"malformed_{name}" for name in MALFORMED),
                        *("events_unclosed", "trades", "heartbeats", "timers", "reports"),
                        "reconciles",
                    )
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        record, counts = self.i.p, self.counts
        token = Signal(self.o.p.shape())
        qty_bits = self.config.qty_bits

        frame = Signal(data.StructLayout({"open": 1, "symbol": 8, "time_us": 64, "cycle": 32}))
        now_us = Signal(64)

        def is_one_of(kinds: tuple[InKind, ...], name: str) -> Signal:
            found = Signal(name=f"is_{name}")
            m.d.comb += found.eq(Cat(record.kind == kind for kind in kinds).any())
            return found

        flag = {name: Signal(name=f"flag_{name.name}") for name in InFlag}
        for bit, is_set in flag.items():
            m.d.comb += is_set.eq((record.flags & int(bit)) != 0)
        known = tuple(kind for kind in InKind if kind is not InKind.FRAME)
        kind_known = is_one_of(known, "known")
        symbol_known = record.symbol < self.config.symbols
        flags_wrong = Signal()
        with m.Switch(record.kind):
            for kind, allowed in IN_FLAGS_BY_KIND.items():
                with m.Case(int(kind)):
                    m.d.comb += flags_wrong.eq((record.flags & (0xFF ^ int(allowed))) != 0)

        price_zero = record.price_ticks == 0
        price_free = is_one_of(_PRICE_FREE, "price_free") & ~(
            (record.kind == InKind.REFILL_END) & flag[InFlag.WHOLE]
        )
        price_wrong = record.price_ticks[self.config.price_bits :].any() | Mux(
            is_one_of(_PRICED, "priced"), price_zero, ~price_zero & ~price_free
        )

        qty_zero = record.value == 0
        qty_big = record.value[qty_bits:].any()
        refill_level = (record.kind == InKind.LEVEL) & flag[InFlag.REFILL]
        qty_wrong = Mux(
            is_one_of(_QTY_ZERO, "qty_zero"),
            ~qty_zero,
            ~is_one_of(_QTY_FREE, "qty_free")
            & (qty_big | (qty_zero & (is_one_of(_QTY_POSITIVE, "qty_positive") | refill_level))),
        )
        needs_frame = ((record.kind == InKind.LEVEL) & ~flag[InFlag.REFILL]) | (
            record.kind == InKind.EVENT_END
        )
        in_frame = frame.open & (frame.symbol == record.symbol)

        wrong = Signal(len(MALFORMED))
        first_wrong = Signal(len(MALFORMED))
        m.d.comb += [
            wrong.eq(
                Cat(
                    ~kind_known,
                    ~symbol_known,
                    flags_wrong,
                    (record.tag != 0) & ~is_one_of(_TAGGED, "tagged"),
                    price_wrong,
                    qty_wrong,
                    needs_frame & ~in_frame,
                )
            ),
            first_wrong.eq(wrong & (~wrong + 1)[: len(MALFORMED)]),
        ]
        good = self.i.valid & ~wrong.any()
        begins = good & (record.kind == InKind.EVENT_BEGIN)
        ends = good & (record.kind == InKind.EVENT_END)
        ticks = begins | (good & (record.kind == InKind.TIMER))

        with m.If(ticks & (record.value > now_us)):
            m.d.sync += now_us.eq(record.value)
        with m.If(begins):
            m.d.sync += [
                frame.open.eq(1),
                frame.symbol.eq(record.symbol),
                frame.time_us.eq(record.value),
                frame.cycle.eq(self.cycle),
            ]
        with m.If(ends | (self.i.valid & self.own & in_frame)):
            m.d.sync += frame.open.eq(0)

        age = Signal(64)
        m.d.comb += [
            self.ahead.eq(Cat(flag[InFlag.SIDE], record.symbol)),
            age.eq(now_us - frame.time_us),
            counts.records_in.eq(self.i.valid & ~self.own),
            counts.events_unclosed.eq(begins & frame.open),
            counts.trades.eq(good & (record.kind == InKind.TRADE)),
            counts.heartbeats.eq(good & (record.kind == InKind.HEARTBEAT)),
            counts.timers.eq(good & (record.kind == InKind.TIMER)),
            counts.reports.eq(good & is_one_of(_REPORTS, "report")),
            counts.reconciles.eq(good & (record.kind == InKind.RECONCILE)),
        ]
        for at, name in enumerate(MALFORMED):
            m.d.comb += counts[f"malformed_{name}"].eq(self.i.valid & first_wrong[at])

        # The time of a token is that after its own record.
        m.d.comb += [self.o.p.eq(token), self.o.p.now_us.eq(now_us)]
        m.d.sync += self.o.valid.eq(self.i.valid)
        found = [
            token.kind.eq(Mux(wrong.any(), 0, record.kind)),
            token.poison.eq(wrong.any() & symbol_known & ~is_one_of(_HARMLESS, "harmless")),
            token.symbol.eq(Mux(symbol_known, record.symbol, 0)),
            token.side.eq(flag[InFlag.SIDE]),
            token.book.eq(flag[InFlag.BOOK] & ends),
            token.tag.eq(record.tag),
            token.adopt.eq(flag[InFlag.WHOLE]),
            token.refill.eq(flag[InFlag.REFILL]),
            token.whole.eq(flag[InFlag.WHOLE]),
            token.gap.eq(flag[InFlag.GAP]),
            token.resync.eq(flag[InFlag.RESYNC]),
            token.forget.eq(self.own),
            token.price.eq(record.price_ticks),
            token.value.eq(record.value),
            token.age_us.eq(Mux(age[32:].any(), Const(0xFFFFFFFF, 32), age[:32])),
            token.cycle_first.eq(frame.cycle),
            token.cycle_cause.eq(self.cycle[:16]),
        ]
        if self.config.spaced:
            with m.If(self.i.valid):  # it stands while it passes all stages
                m.d.sync += found
        else:
            m.d.sync += found
        return m
