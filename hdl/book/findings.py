# SPDX-License-Identifier: Apache-2.0
"""What a token has found by comparing, on its way to the decision."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.row import grouped, moved_bits, shift_layout, shift_of, steps_layout
from hdl.config import BuildConfig

__all__ = ["Findings", "found_layout", "mover_layout"]


def mover_layout(moves: data.StructLayout) -> data.StructLayout:
    """A token ahead: how it moves the row, and how its key is to that of the one that follows.

    Its moves do nothing where it is on another row.
    """
    return data.StructLayout({"moves": moves, "better": 1, "equal": 1})


def found_layout(config: BuildConfig) -> data.StructLayout:
    """What a decision asks of a row. Places that hold nothing are clear."""
    return data.StructLayout(
        {
            "better": config.levels + 1,  # place holds a key smaller than the token's
            "equal": config.levels + 1,  # or equal to it; the last place is the horizon's
            "reached": 2,  # the last level and the horizon: whether one or the other
            "hits": -(-config.levels // 4),  # `grouped` levels that are equal
            "worse": -(-(config.levels - 1) // 4),  # and not better, up to the one before the last
            "worst": 1,  # the last level is not better
        }
    )


class Findings(wiring.Component):
    """Move findings by two tokens ahead, and gather what is asked over all places.

    A block of its own for the sake of the clock: mapped alone it is as shallow as it can be, as
    part of the ladder as deep as the longest sum of the book.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    better, equal : In(K + 1)
        How the key of each place is to the token's, before both tokens ahead.
    third, second : In(mover_layout)
        The token three ahead, whose moves come first, and the one two ahead.
    follows : In(1)
        What the row holds is as of the token two ahead, not as of the one three ahead.
    newest, held : In(K + 1)
        Places that hold something, as of either.
    found : Out(found_layout)
        As of the token two ahead.

    Latency
    -------
    One cycle.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        places = config.levels + 1
        super().__init__(
            {
                "better": In(places),
                "equal": In(places),
                "third": In(mover_layout(shift_layout(config))),
                "second": In(mover_layout(steps_layout(config))),
                "follows": In(1),
                "newest": In(places),
                "held": In(places),
                "found": Out(found_layout(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        levels = self.config.levels
        there, better, equal = Signal(levels + 1), self.better, self.equal
        m.d.comb += there.eq(Mux(self.follows, self.newest, self.held))
        second: Any = Signal(shift_layout(self.config))
        m.d.comb += second.eq(shift_of(self.second.moves))
        for mover, shift in ((self.third, self.third.moves), (self.second, second)):
            better = moved_bits(better, shift, mover.better)
            equal = moved_bits(equal, shift, mover.equal)
        is_equal, is_worse = equal & there, ~better & there
        m.d.sync += self.found.eq(
            Cat(
                better & there,
                is_equal,
                ((better | equal) & there)[levels - 1 :],
                grouped(is_equal[:levels]),
                grouped(is_worse[: levels - 1]),
                is_worse[levels - 1],
            )
        )
        return m
