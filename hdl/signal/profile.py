# SPDX-License-Identifier: Apache-2.0
"""How quantity lies over the first levels of a book: weighted sums and walls."""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import combinations
from operator import or_

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.both import BothSides
from hdl.book.row import only
from hdl.config import BuildConfig
from hdl.sums import halves
from hdl.types import first_layout, flow, profile_layout, profiles_layout, side_layout

__all__ = ["Profile"]


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


def largest(levels: Sequence[tuple[Value, Value]], after: Mapping[tuple[int, int], Value]) -> Value:
    """What belongs to the largest level that counts, the first of equals; else 0.

    Parameters
    ----------
    levels : sequence of (counts, value)
        Levels, best first.
    after : mapping
        Of `exceeds`.
    """
    found: list[Value] = []
    for at, (counts, value) in enumerate(levels):
        beats = [after[first, at] for first in range(at)]
        stands = [~after[at, second] for second in range(at + 1, len(levels))]
        found.append(only(Cat(counts, *beats, *stands).all(), value))
    return reduce(or_, found)


class Profile(wiring.Component):
    """Weighted sum of the visible levels, and the largest of the first N, of both sides.

    ::

        0 the row: compare every two quantities, half of the sum
        1 the side as it is shown: choose the largest, the other half
        2 both sides, with the view

    Latency is 2 cycles from a row, as of `Touch` and `ViewAssembler` together; throughput one token
    a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(first_layout))
        Quantities of the first levels of each row, as it leaves the ladder.
    side : In(side_layout)
        That row a clock later, as it is shown.
    ahead : In
        Row of the token whose row comes with the next clock.
    o : Out(profiles_layout)
        Of the token's symbol, with its view.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(first_layout(config))),
                "side": In(side_layout(config)),
                "ahead": In(config.row_bits),
                "o": Out(profiles_layout(config)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, row, visible = self.config, self.i.p, range(self.config.view_levels)
        m.submodules.both = both = BothSides(config, profile_layout(config))

        weighted = [
            only(row.shown[at], row.qtys[at]) << (config.view_levels - 1 - at) for at in visible
        ]
        counted, after = Signal(config.view_levels, reset_less=True), {}
        m.d.sync += counted.eq(row.counted)
        for pair, larger in exceeds([(row.counted[at], row.qtys[at]) for at in visible]).items():
            after[pair] = Signal(name=f"after_{pair[0]}_{pair[1]}", reset_less=True)
            m.d.sync += after[pair].eq(larger)
        levels = [(counted[at], self.side.levels[at].as_value()) for at in visible]
        own_row, valid = Signal.like(row.row), Signal()
        m.d.sync += [own_row.eq(row.row), valid.eq(self.i.valid)]
        m.d.comb += [
            both.ahead.eq(self.ahead),
            both.valid.eq(valid),
            both.row.eq(own_row),
            both.side.weighted.eq(halves(m, weighted, config.weighted_bits, "weight")),
            both.side.wall.eq(largest(levels, after)),
            self.o.eq(both.sides),
            self.init_done.eq(both.init_done),
        ]
        return m
