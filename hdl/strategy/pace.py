# SPDX-License-Identifier: Apache-2.0
"""How long ago a symbol was acted on: no entry too soon, no exit while one is working."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.signal.rows import StateRows

__all__ = ["Pace"]


class Pace(wiring.Component):
    """Times of the last order and of the last exit of each symbol (``docs/signals.md``, exits).

    ::

        0 how long ago   1 `paused`, `busy`; what was decided moves the times

    Throughput one event of a symbol in two clocks.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the event that is in stage 0 two clocks later.
    symbol, now_us, pause_us, retry_us : In
        Of the event, with two settings, in stage 0.
    reported : In(1)
        A report has come since the event before, in stage 0.
    usable : In(1)
        It is a usable event, in stage 1.
    ordered, left : In(1)
        An order is wanted, and it is an exit; in stage 1, from `paused` and `busy` at once.
    paused : Out(1)
        The last order was less than `pause_us` ago, in stage 1.
    busy : Out(1)
        An exit is working, in stage 1.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(8),
                "symbol": In(8),
                "now_us": In(64),
                "pause_us": In(32),
                "retry_us": In(32),
                "reported": In(1),
                "usable": In(1),
                "ordered": In(1),
                "left": In(1),
                "paused": Out(1),
                "busy": Out(1),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        times = data.StructLayout({"ordered": 1, "order_us": 64, "working": 1, "exit_us": 64})
        m.submodules.rows = rows = StateRows(self.config, times, loop=2)
        last, after = rows.row, rows.after

        def later(value: Value, name: str) -> Signal:
            held = Signal(value.shape(), name=name)
            m.d.sync += held.eq(value)
            return held

        # Stage 0.
        live = last.working & ~self.reported
        since_order, since_exit = self.now_us - last.order_us, self.now_us - last.exit_us
        m.d.sync += [
            self.paused.eq(last.ordered & (since_order[:64] < self.pause_us)),
            self.busy.eq(live & (since_exit[:64] < self.retry_us)),
        ]

        # Stage 1.
        now1, live1 = later(self.now_us, "now1"), later(live, "live1")
        ordered1 = later(last.ordered, "ordered1")
        order_us1, exit_us1 = later(last.order_us, "order_us1"), later(last.exit_us, "exit_us1")
        m.d.comb += [
            rows.ahead.eq(self.ahead),
            rows.symbol.eq(later(self.symbol, "symbol1")),
            rows.write.eq(self.usable),
            after.ordered.eq(ordered1 | self.ordered),
            after.order_us.eq(Mux(self.ordered, now1, order_us1)),
            after.working.eq(live1 | self.left),
            after.exit_us.eq(Mux(self.left, now1, exit_us1)),
            self.init_done.eq(rows.init_done),
        ]
        return m
