# SPDX-License-Identifier: Apache-2.0
"""Controls on the data an order rests on: book, spread, volatility, clocks."""

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind, ViewReason
from hdl.risk.limits import limit_layout
from hdl.risk.price import beyond
from hdl.risk.rows import Rows
from hdl.risk.sums import over
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
    `paused`, `clock` belong to stage 2 of the gate, `spread` to stage 1 and after it.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0 with the next clock.
    valid1, valid2 : In(1), intent1, intent2 : In(intent_layout)
        Tokens in stages 1 and 2.
    limits1, limits2 : In(limit_layout)
        Their limits.
    clock_step, clock_drift_us : In(32)
        Registers.
    spread, paused, clock : Out(1)
        What refuses an order in stage 2.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "symbol": In(8),
                "valid1": In(1),
                "valid2": In(1),
                "intent1": In(intent_layout(config)),
                "intent2": In(intent_layout(config)),
                "limits1": In(limit_layout()),
                "limits2": In(limit_layout()),
                "clock_step": In(32),
                "clock_drift_us": In(32),
                **dict.fromkeys(("spread", "paused", "clock"), Out(1)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = Rows(pause_layout(), self.config.symbols)
        row1, new = rows.row1, rows.new2
        one, two, limits = self.intent1, self.intent2, self.limits2
        m.d.comb += [
            rows.index.eq(self.symbol[: len(rows.index)]),
            rows.write_index2.eq(rows.index2),
            self.init_done.eq(rows.init_done),
        ]
        m.d.sync += self.spread.eq(
            over(m, [one.ask_price, -one.bid_price], self.limits1.max_spread, 34)
        )

        # A mid that moves too far from where its window began pauses the symbol.
        moved, elapsed_us, until_us = Signal(signed(34)), Signal(64), Signal(65)
        known, paused, marks = Signal(), Signal(), Signal()
        m.d.sync += [
            moved.eq(one.mid2 - row1.mid2),
            elapsed_us.eq(one.now_us - row1.since_us),
            known.eq(row1.known),
            paused.eq(one.now_us < row1.until_us),
            until_us.eq(one.now_us + self.limits1.pause_us),
            marks.eq(self.valid1 & one.book & bbo_valid(one.reasons)),
        ]
        within = known & (elapsed_us <= limits.pause_window_us)
        trips = Signal()
        m.d.comb += [
            trips.eq(marks & within & beyond(moved, limits.pause_ticks << 1)),
            self.paused.eq(paused | trips),
            rows.write2.eq(marks),
            new.eq(rows.row2),
        ]
        with m.If(trips | ~within):
            m.d.comb += [new.known.eq(1), new.mid2.eq(two.mid2), new.since_us.eq(two.now_us)]
        with m.If(trips):
            m.d.comb += new.until_us.eq(until_us)

        # Both clocks are taken as equal at each TIMER.
        device, device_base = Signal(96), Signal(64)
        stream_base, told = Signal(64), Signal()
        stream_us, device_us, told2 = Signal(64), Signal(64), Signal()
        m.d.sync += [
            device.eq(device + self.clock_step),
            stream_us.eq(one.now_us - stream_base),
            device_us.eq(device[32:] - device_base),
            told2.eq(told),
        ]
        with m.If(self.valid1 & (one.kind == InKind.TIMER)):
            m.d.sync += [told.eq(1), stream_base.eq(one.now_us), device_base.eq(device[32:])]
        m.d.comb += self.clock.eq(
            ~told2
            | over(m, [stream_us, -device_us], self.clock_drift_us, 66)
            | over(m, [device_us, -stream_us], self.clock_drift_us, 66)
        )
        return m
