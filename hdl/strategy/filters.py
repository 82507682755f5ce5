# SPDX-License-Identifier: Apache-2.0
"""Filters: what must hold before an entry, whatever the rules say."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.signal.average import MOST_DECAY
from hdl.signal.vector import signal_row
from hdl.strategy.settings import settings_layout
from hdl.types import view_layout

__all__ = ["COST_BITS", "Filters"]

#: Width of the cost of an entry, 1/4096 tick.
COST_BITS = 46


class Filters(wiring.Component):
    """Filters that a view decides by itself (``docs/signals.md``, before entry).

    Edge, pause and flat are judged with the entry; what the edge is compared with is made here. ::

        0 spread, products, level   1 compare   2 `holds`

    Throughput one view a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view, row : In
        View and settings, in stage 0.
    state : In(signal_row)
        State behind the features before this event, in stage 0.
    holds : Out(1)
        Spread, cancels, volatility and liquidity hold or are off, in stage 2.
    high : Out(1)
        Volatility is high, in stage 2.
    cost : Out
        256 x (16 x spread + costs), in stage 2.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "view": In(view_layout(config)),
                "row": In(settings_layout()),
                "state": In(signal_row(config)),
                "holds": Out(1),
                "high": Out(1),
                "cost": Out(COST_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        row, bid, ask, state = self.row, self.view.bid, self.view.ask, self.state

        def later(value: Value, name: str) -> Signal:
            kept = Signal(value.shape(), name=name)
            m.d.sync += kept.eq(value)
            return kept

        # Stage 0.
        spread1 = later(
            (ask.levels[0].price - bid.levels[0].price)[: self.config.price_bits], "spread1"
        )
        share = 256 - row.cancel_share
        if self.config.spaced:
            share = later(share, "share")  # settings stand before their view
        left1 = later(state.flow.removed * share, "left1")
        traded1 = later(state.flow.traded, "traded1")
        decay = Mux(row.average_decay > MOST_DECAY, MOST_DECAY, row.average_decay)
        motion = state.motion
        level1 = later(Mux(row.volatility_source, motion.moves, motion.ranges) >> decay, "level1")
        deep1 = later((bid.sum >= row.liquidity_lots) & (ask.sum >= row.liquidity_lots), "deep1")
        settings1 = {
            name: later(row[name], f"{name}1")
            for name in (
                "filters",
                "spread_ticks",
                "edge_cost",
                "volatility_high",
                "volatility_extreme",
            )
        }

        # Stage 1.
        on = settings1["filters"]
        holds = Cat(
            ~on[0] | (spread1 <= settings1["spread_ticks"]),
            ~on[2] | (left1 <= (traded1 << 8)),
            ~on[3] | (level1 < settings1["volatility_extreme"]),
            ~on[4] | deep1,
        )
        held2 = later(holds, "held2")
        m.d.comb += self.holds.eq(held2.all())
        m.d.sync += [
            self.high.eq(on[3] & (level1 >= settings1["volatility_high"])),
            self.cost.eq(((spread1 << 4) + settings1["edge_cost"]) << 8),
        ]
        return m
