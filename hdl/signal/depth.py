# SPDX-License-Identifier: Apache-2.0
"""Features of the book as it stands: spread, imbalances, walls, liquidity."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.signal.average import DECAY_BITS, GROWTH_BITS, Average
from hdl.signal.catalogue import FEATURE_BITS
from hdl.signal.log import LOG_BITS, curved, log_layout, normalise, straight
from hdl.types import view_layout

__all__ = ["DEPTH_FEATURES", "Depth", "depth_row"]

DEPTH_FEATURES = (
    "spread",
    "imbalance_1",
    "imbalance_n",
    "imbalance_weighted",
    "wall_bid",
    "wall_ask",
    "wall_bid_distance",
    "wall_ask_distance",
    "liquidity",
)


def depth_row(config: BuildConfig) -> data.StructLayout:
    """What is kept of a symbol: the average of both sides' sums."""
    return data.StructLayout({"liquidity": config.sum_bits + 1 + GROWTH_BITS})


class Depth(wiring.Component):
    """What one view says by itself (``docs/signals.md``, book and walls).

    A ratio is a difference of logarithms: an imbalance of 1.0 is twice as much on the bids. ::

        0 leading ones; spread, total   1 logarithms; `after`   2 differences   3 features

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view : In(view_layout)
        In stage 0.
    before : In(depth_row)
        State in stage 0.
    begun : In(1)
        There was a usable event, in stage 0.
    decay : In(4)
        k of averages, at most 8, in stage 0.
    after : Out(depth_row)
        State that follows a usable event, in stage 1.
    best_bid, best_ask : Out(log_layout)
        Quantities at the touch, in stage 1.
    spread1 : Out
        a - b, ticks, in stage 1.
    features : Out
        In stage 3, by name.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        row = depth_row(config)
        super().__init__(
            {
                "view": In(view_layout(config)),
                "before": In(row),
                "begun": In(1),
                "decay": In(DECAY_BITS),
                "after": Out(row),
                "best_bid": Out(log_layout()),
                "best_ask": Out(log_layout()),
                "spread1": Out(config.price_bits),
                "features": Out(
                    data.StructLayout({name: signed(FEATURE_BITS) for name in DEPTH_FEATURES})
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, features = self.config, self.features
        bid, ask, profile = self.view.bid, self.view.ask, self.view.profile

        def later(value: Value, name: str) -> Signal:
            held = Signal(value.shape(), name=name)
            m.d.sync += held.eq(value)
            return held

        # Stages 0 and 1: logarithms of what stands in the view.
        logs: dict[str, list[Signal]] = {}
        for name, pick in (
            ("best", lambda side, _: side.levels[0].qty),
            ("sum", lambda side, _: side.sum),
            ("weighted", lambda _, lies: lies.weighted),
            ("wall", lambda _, lies: lies.wall.qty),
        ):
            logs[name] = []
            for side, shown, lies in (("bid", bid, profile.bid), ("ask", ask, profile.ask)):
                seen = Signal(log_layout(), name=f"{name}_{side}1")
                m.d.sync += seen.eq(normalise(m, pick(shown, lies), f"{name}_{side}0"))
                log = Signal(LOG_BITS, name=f"{name}_{side}2")
                m.d.sync += log.eq(curved(m, seen, f"{name}_{side}_curve"))
                logs[name].append(log)
                if name == "best":
                    m.d.comb += getattr(self, f"best_{side}").eq(seen)

        # Stages 0 to 2: distances.
        m.d.sync += self.spread1.eq(ask.levels[0].price - bid.levels[0].price)
        apart = {"spread": self.spread1}
        for side, shown, wall in (("bid", bid, profile.bid.wall), ("ask", ask, profile.ask.wall)):
            behind = shown.levels[0].price - wall.price
            distance = later(
                Mux(wall.qty.any(), behind if side == "bid" else -behind, 0)[: config.price_bits],
                f"wall_{side}_distance1",
            )
            apart[f"wall_{side}_distance"] = distance
        for name, distance in apart.items():
            seen = Signal(log_layout(), name=f"{name}2")
            m.d.sync += [
                seen.eq(normalise(m, distance, f"{name}_ones")),
                features[name].eq(straight(seen)),
            ]

        # Stages 0 to 2: liquidity against its average.
        total1 = later(bid.sum + ask.sum, "total1")
        total2 = Signal(log_layout())
        m.d.sync += total2.eq(normalise(m, total1, "total_ones"))
        m.submodules.liquidity = liquidity = Average(len(total1), by_table=True)
        m.d.comb += [
            liquidity.decay.eq(self.decay),
            liquidity.before.eq(self.before.liquidity),
            liquidity.begun.eq(self.begun),
            liquidity.x.eq(total1),
            self.after.liquidity.eq(liquidity.after),
        ]

        # Stage 2.
        m.d.sync += features.liquidity.eq(curved(m, total2, "total_curve") - liquidity.level)
        for name, (one, other) in {
            "imbalance_1": logs["best"],
            "imbalance_n": logs["sum"],
            "imbalance_weighted": logs["weighted"],
            "wall_bid": (logs["wall"][0], logs["sum"][0]),
            "wall_ask": (logs["wall"][1], logs["sum"][1]),
        }.items():
            m.d.sync += features[name].eq(one - other)
        return m
