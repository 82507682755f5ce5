# SPDX-License-Identifier: Apache-2.0
"""Rules: what speaks for a buy, what for a sell."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.product import later_product
from hdl.signal.average import FRACTION_BITS
from hdl.signal.flow import flow_row
from hdl.signal.tape import tape_row
from hdl.strategy.settings import settings_layout
from hdl.types import view_layout

__all__ = ["RULES", "Rules"]

#: Rules that need no model, in the order of their bits.
RULES = ("imbalance", "vwap", "flow", "wall")


class Rules(wiring.Component):
    """Votes of the rules (``docs/signals.md``, rules); each ratio by cross-multiplying.

    ::

        0 products   1 compare; reach of the VWAP rule   2 votes

    Throughput one view a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view, row : In
        View and settings, in stage 0.
    ofi2, distance2, volume2 : In
        Leaky order flow, D and V of this event, in stage 2.
    on, buy, sell : Out(4)
        Rules that are on, and their votes, in stage 2.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "view": In(view_layout(config)),
                "row": In(settings_layout()),
                "ofi2": In(flow_row(config)["ofi"].shape),
                "distance2": In(tape_row(config)["distance"].shape),
                "volume2": In(tape_row(config)["over"].shape),
                "on": Out(len(RULES)),
                "buy": Out(len(RULES)),
                "sell": Out(len(RULES)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        row, bid, ask, tape = self.row, self.view.bid, self.view.ask, self.view.trades

        def later(value: Value, name: str) -> Signal:
            kept = Signal(value.shape(), name=name)
            m.d.sync += kept.eq(value)
            return kept

        def product(lots: Value, factor: Value, name: str) -> Value:
            return later_product(m, lots, factor, f"{name}1", self.config.spaced)

        def ratios(
            bid_lots: Value, ask_lots: Value, num: Value, den: Value, name: str
        ) -> tuple[Value, Value]:
            """Whether the first is num / den of the second, and the other way round; stage 2."""
            parts = {
                f"{side}_{by}": product(lots, factor, f"{name}_{side}_{by}")
                for side, lots in (("bid", bid_lots), ("ask", ask_lots))
                for by, factor in (("num", num), ("den", den))
            }
            return (
                later(parts["bid_den"] >= parts["ask_num"], f"{name}_bid2"),
                later(parts["ask_den"] >= parts["bid_num"], f"{name}_ask2"),
            )

        # Depth imbalance, and trades that agree with the flow of orders.
        imbalance = ratios(bid.sum, ask.sum, row.imbalance_num, row.imbalance_den, "imbalance")
        bought, sold = tape.buy_volume, tape.sell_volume
        trades = ratios(bought, sold, row.flow_num, row.flow_den, "trades")
        traded = [
            later(later(volume.any(), f"{name}1"), f"{name}2")
            for name, volume in (("bought", bought), ("sold", sold))
        ]
        least = later(later(row.flow_lots, "flow_lots1"), "flow_lots2") << FRACTION_BITS
        flow_buy = traded[0] & trades[0] & (self.ofi2 >= least)
        flow_sell = traded[1] & trades[1] & (self.ofi2 + least <= 0)

        # The mid against the VWAP.
        volume1 = later(bought + sold, "volume1")
        reach = later(volume1 * later(row.vwap_half_ticks, "vwap_half_ticks1"), "reach2")
        some = self.volume2.any()
        vwap_buy = some & (self.distance2 + reach <= 0)
        vwap_sell = some & (self.distance2 >= reach)

        # Walls.
        walls = []
        lies = self.view.profile
        for name, side, wall in (("bid", bid, lies.bid.wall), ("ask", ask, lies.ask.wall)):
            behind = side.levels[0].price - wall.price
            apart = (behind > row.wall_ticks) | (behind < -row.wall_ticks)
            near = later(wall.qty.any() & ~apart, f"wall_{name}_near1")
            own = product(wall.qty, row.wall_den, f"wall_{name}_own")
            share = product(side.sum, row.wall_num, f"wall_{name}_share")
            walls.append(later(near & (own >= share), f"wall_{name}2"))
        invert = later(later(row.wall_invert, "wall_invert1"), "wall_invert2")
        bid_wall, ask_wall = walls[0] & ~walls[1], walls[1] & ~walls[0]
        conditions = {
            "imbalance": imbalance,
            "vwap": (vwap_buy, vwap_sell),
            "flow": (flow_buy, flow_sell),
            "wall": (Mux(invert, ask_wall, bid_wall), Mux(invert, bid_wall, ask_wall)),
        }

        # Stage 2.
        on, buys, sells = [], [], []
        for name in RULES:
            sides = later(later(row[f"{name}_sides"], f"{name}_sides1"), f"{name}_sides2")
            buy, sell = (sides[n] & conditions[name][n] for n in range(2))
            on.append(sides.any())
            buys.append(buy & ~sell)
            sells.append(sell & ~buy)
        m.d.comb += [self.on.eq(Cat(on)), self.buy.eq(Cat(buys)), self.sell.eq(Cat(sells))]
        return m
