# SPDX-License-Identifier: Apache-2.0
"""Controls on the data an order rests on: book, spread, volatility, clocks."""

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind, ViewReason
from hdl.risk.limits import limit_layout
from hdl.risk.rows import Rows
from hdl.risk.sums import above, below, over, total_of
from hdl.types import intent_layout

__all__ = ["Data", "bbo_valid", "pause_layout"]


def bbo_valid(reasons: Value) -> Value:
    """Whether best bid and offer are valid in spite of a view's reasons."""
    hidden = ~int(ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE) & 0xFF
    return (reasons & hidden) == 0


def pause_layout() -> data.StructLayout:
    """What is kept of a symbol's mid."""
    return data.StructLayout({"known": 1, "mid2": 33, "since_us": 64, "until_us": 65})


class Data(wiring.Component):
    """Spread, moves of the mid, and stream time against the device's clock.

    Only book events change what is kept of a symbol, and they are two clocks apart.
    `paused` is of the token in stage 2 of the gate, `spread1` and `clock1` of the one in stage 1.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0 with the next clock.
    valid1 : In(1), i, intent1, intent2 : In(intent_layout)
        Tokens in stages 0, 1 and 2, and whether there is one in stage 1.
    limits0, limits1 : In(limit_layout)
        Limits of those in stages 0 and 1.
    clock_step, clock_drift_us : In(32)
        Registers.
    spread1, paused, clock1 : Out(1)
        What refuses an order.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "symbol": In(8),
                "valid1": In(1),
                "i": In(intent_layout(config)),
                "intent1": In(intent_layout(config)),
                "intent2": In(intent_layout(config)),
                "limits0": In(limit_layout()),
                "limits1": In(limit_layout()),
                "clock_step": In(32),
                "clock_drift_us": In(32),
                **dict.fromkeys(("spread1", "paused", "clock1"), Out(1)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = Rows(
            pause_layout(), self.config.symbols, self.config.spaced, stands=True
        )
        row1, new = rows.row1, rows.new2
        one, two = self.intent1, self.intent2
        m.d.comb += [
            rows.index.eq(self.symbol[: len(rows.index)]),
            rows.write_index2.eq(rows.index2),
            self.init_done.eq(rows.init_done),
        ]
        m.d.comb += self.spread1.eq(
            over(m, [one.ask_price, -one.bid_price], self.limits1.max_spread, 34)
        )

        # A mid that moves too far from where its window began pauses the symbol.
        limits0, limits1 = self.limits0, self.limits1
        low, high = Signal(signed(36)), Signal(signed(36))
        began, until_us = Signal(signed(65)), Signal(65)
        within, far, paused, marks = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            low.eq(self.i.mid2 - (limits0.pause_ticks << 1)),
            high.eq(self.i.mid2 + (limits0.pause_ticks << 1)),
            began.eq(self.i.now_us - limits0.pause_window_us),
            within.eq(row1.known & ~below(row1.since_us, began)),
            far.eq(below(row1.mid2, low) | below(high, row1.mid2)),
            paused.eq(above(row1.until_us, one.now_us)),
            until_us.eq(one.now_us + limits1.pause_us),
            marks.eq(self.valid1 & one.book & bbo_valid(one.reasons)),
        ]
        trips = Signal()
        m.d.comb += [
            trips.eq(marks & within & far),
            self.paused.eq(paused | trips),
            rows.write2.eq(marks),
            new.eq(rows.row2),
        ]
        with m.If(trips | ~within):
            m.d.comb += [new.known.eq(1), new.mid2.eq(two.mid2), new.since_us.eq(two.now_us)]
        with m.If(trips):
            m.d.comb += new.until_us.eq(until_us)

        # Both clocks are taken as equal at each TIMER: what lies between them then is the base.
        device, told = Signal(96), Signal()
        apart, base = Signal(signed(65)), Signal(signed(65))
        drift = self.clock_drift_us
        m.d.sync += [
            device.eq(device + self.clock_step),
            apart.eq(self.i.now_us - device[32:]),
        ]
        m.d.comb += self.clock1.eq(
            ~told
            | total_of(m, [drift, base], [apart], 67)[-1]
            | total_of(m, [drift, apart], [base], 67)[-1]
        )
        with m.If(self.valid1 & (one.kind == InKind.TIMER)):
            m.d.sync += [told.eq(1), base.eq(apart)]
        return m
