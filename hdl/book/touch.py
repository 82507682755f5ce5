# SPDX-License-Identifier: Apache-2.0
"""What is visible of a side: its first levels, and the quantity of the first N."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.ladder import rung_layout
from hdl.book.row import key_to_price
from hdl.config import BuildConfig
from hdl.types import SideState, flow, level_layout, side_layout, token_layout

__all__ = ["LATENCY", "Touch"]

#: Cycles from a row to what is visible of it.
LATENCY = 1
#: Most quantities added before the register.
FAN_IN = 3


def add_up(terms: Sequence[Value], width: int) -> Value:
    """Sum of some numbers, modulo 2^width, with one carry chain whatever their count.

    Three numbers are made two, the sums without carries and the carries, until two are left.
    """
    left = [term | Const(0, width) for term in terms]
    while len(left) > 2:
        a, b, c, *rest = left
        carries = (a & b) | (a & c) | (b & c)
        left = [*rest, a ^ b ^ c, Cat(Const(0, 1), carries[: width - 1])]
    return sum(left)[:width] if len(left) > 1 else left[0]


class Touch(wiring.Component):
    """Show the first levels of a KNOWN side, add up the first N, find the largest of them.

    Latency is `LATENCY` cycle, throughput one token a cycle. Half of the additions come after the
    register.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(rung_layout))
        Rows.
    levels_n : In(4)
        N, at most the levels that are visible.
    ahead : Out(8)
        Symbol of the token that comes out with the next clock.
    o_valid, token, side, touched : Out
        The token, its side as it is to be shown, and whether that is new.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(rung_layout(config))),
                "levels_n": In(4),
                "ahead": Out(8),
                "o_valid": Out(1),
                "token": Out(token_layout(config)),
                "side": Out(side_layout(config)),
                "touched": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, row, status = self.config, self.i.p, self.i.p.status
        known = status.state == SideState.KNOWN

        shown, side = Signal(side_layout(config)), self.side
        m.d.comb += [
            shown.n.eq(self.levels_n),
            shown.state.eq(status.state),
            shown.depth.eq(Mux(known, status.depth, 0)),
            shown.bounded.eq(known & status.bounded),
            shown.sum.eq(0),
            shown.weighted.eq(0),
            shown.wall.eq(0),
        ]
        horizon = key_to_price(row.horizon, row.token.side)
        m.d.comb += shown.horizon.eq(Mux(known & status.bounded, horizon, 0))
        counted, weighted, walls = [], [], []
        for at in range(config.view_levels):
            held = known & status.held[at]
            m.d.comb += [
                shown.levels[at].price.eq(Mux(held, key_to_price(row.keys[at], row.token.side), 0)),
                shown.levels[at].qty.eq(Mux(held, row.qtys[at], 0)),
            ]
            counted.append(Mux(held & (self.levels_n > at), row.qtys[at], 0))
            weighted.append(shown.levels[at].qty << (config.view_levels - 1 - at))
            wall = Signal(level_layout(config), name=f"wall{at}")
            m.d.comb += [
                wall.qty.eq(counted[at]),
                wall.price.eq(Mux(self.levels_n > at, shown.levels[at].price, 0)),
            ]
            walls.append(wall)

        later = Signal(side_layout(config))

        def halves(terms: Sequence[Value], width: int, name: str) -> Value:
            """Sum of some numbers, half of the additions before a register."""
            groups = -(-len(terms) // FAN_IN)
            partials = []
            for at in range(groups):
                partial = Signal(width, name=f"{name}{at}")
                m.d.sync += partial.eq(add_up(terms[at::groups], width))
                partials.append(partial)
            return add_up(partials, width)

        def larger(levels: list[Signal], name: str) -> list[Signal]:
            """The larger of each two neighbours, the better of equals."""
            kept = []
            for at in range(0, len(levels), 2):
                pair = levels[at : at + 2]
                winner = Signal(level_layout(config), name=f"{name}{at // 2}")
                m.d.comb += winner.eq(Mux(pair[-1].qty > pair[0].qty, pair[-1], pair[0]))
                kept.append(winner)
            return kept

        total = halves(counted, config.sum_bits, "partial")
        heavy = halves(weighted, config.weighted_bits, "weight")
        left = []
        for at, wall in enumerate(larger(larger(walls, "pair"), "four")):
            left.append(Signal(level_layout(config), name=f"wall_left{at}"))
            m.d.sync += left[-1].eq(wall)
        while len(left) > 1:
            left = larger(left, f"of{len(left)}_")
        m.d.sync += [
            later.eq(shown),
            self.token.eq(row.token),
            self.o_valid.eq(self.i.valid),
            self.touched.eq(row.touched),
        ]
        m.d.comb += [
            self.ahead.eq(row.token.symbol),
            side.eq(later),
            side.sum.eq(total),
            side.weighted.eq(heavy),
            side.wall.eq(left[0]),
        ]
        return m
