# SPDX-License-Identifier: Apache-2.0
"""What is visible of a side: its first levels, and the quantity of the first N."""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from operator import or_

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.ladder import rung_layout
from hdl.book.row import key_to_price, only
from hdl.config import BuildConfig
from hdl.sums import compress
from hdl.types import SideState, flow, side_layout, token_layout

__all__ = ["LATENCY", "Touch"]

#: Cycles from a row to what is visible of it.
LATENCY = 1
#: Numbers whose sum is the quantity of the first N, between the two halves of the addition.
PARTIALS = 3


def exceeds(levels: Sequence[tuple[Value, Value]]) -> dict[tuple[int, int], Value]:
    """Whether the second of two levels counts and is larger than the first, for every two.

    Parameters
    ----------
    levels : sequence of (counts, qty)
        Levels, best first. That a level counts implies that those before it do.
    """
    return {
        (first, second): levels[second][0] & (levels[second][1] > levels[first][1])
        for first, second in combinations(range(len(levels)), 2)
    }


def largest(levels: Sequence[tuple[Value, Value]], after: dict[tuple[int, int], Value]) -> Value:
    """What belongs to the largest level that counts, the first of equals; else 0.

    Parameters
    ----------
    levels : sequence of (counts, value)
        Levels, best first.
    after : dict
        Of `exceeds`.
    """
    found: list[Value] = []
    for at, (counts, value) in enumerate(levels):
        beats = [after[first, at] for first in range(at)]
        stands = [~after[at, second] for second in range(at + 1, len(levels))]
        found.append(only(Cat(counts, *beats, *stands).all(), value))
    return reduce(or_, found)


class Touch(wiring.Component):
    """Show the first levels of a KNOWN side, add up the first N, find the largest of them.

    Latency is `LATENCY` cycle, throughput one token a cycle. Half of the additions come after the
    register. Before it every two quantities are compared, behind it the largest is chosen.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(rung_layout))
        Rows.
    o_valid, token, row, side : Out
        The token, its row, and that side as it is to be shown.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(rung_layout(config))),
                "o_valid": Out(1),
                "token": Out(token_layout(config)),
                "row": Out(config.row_bits),
                "side": Out(side_layout(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, row, status = self.config, self.i.p, self.i.p.status
        known = status.state == SideState.KNOWN

        shown, side = Signal(side_layout(config)), self.side
        m.d.comb += [
            shown.n.eq(status.n),
            shown.state.eq(status.state),
            shown.depth.eq(only(known, status.depth)),
            shown.bounded.eq(known & status.bounded),
            shown.sum.eq(0),
            shown.weighted.eq(0),
            shown.wall.eq(0),
        ]
        horizon = key_to_price(row.horizon, row.token.side)
        m.d.comb += shown.horizon.eq(only(known & status.bounded, horizon))
        counted, weighted, walls = [], [], []
        for at in range(config.view_levels):
            held = row.shown[at]
            m.d.comb += [
                shown.levels[at].price.eq(only(held, key_to_price(row.keys[at], row.token.side))),
                shown.levels[at].qty.eq(only(held, row.qtys[at])),
            ]
            counted.append(only(row.counted[at], row.qtys[at]))
            weighted.append(shown.levels[at].qty << (config.view_levels - 1 - at))
            walls.append((row.counted[at], row.qtys[at]))

        later = Signal(side_layout(config), reset_less=True)

        def halves(terms: Sequence[Value], width: int, name: str) -> Value:
            """Sum of some numbers, half of the additions before a register."""
            partials = []
            for at, term in enumerate(compress(terms, width, PARTIALS)):
                partial = Signal(width, name=f"{name}{at}", reset_less=True)
                m.d.sync += partial.eq(term)
                partials.append(partial)
            return sum(compress(partials, width, 2))[:width]

        total = halves(counted, config.sum_bits, "partial")
        heavy = halves(weighted, config.weighted_bits, "weight")
        stood = Signal(config.view_levels, reset_less=True)
        m.d.sync += stood.eq(row.counted)
        after: dict[tuple[int, int], Value] = {}
        for pair, larger in exceeds(walls).items():
            after[pair] = Signal(name=f"after_{pair[0]}_{pair[1]}", reset_less=True)
            m.d.sync += after[pair].eq(larger)
        levels = [(stood[at], later.levels[at].as_value()) for at in range(config.view_levels)]
        m.d.sync += [
            later.eq(shown),
            self.token.eq(row.token),
            self.o_valid.eq(self.i.valid),
            self.row.eq(row.row),
        ]
        m.d.comb += [
            side.eq(later),
            side.sum.eq(total),
            side.weighted.eq(heavy),
            side.wall.eq(largest(levels, after)),
        ]
        return m
