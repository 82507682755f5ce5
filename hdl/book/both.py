# SPDX-License-Identifier: Apache-2.0
"""Both sides of a symbol, of which each token brings its own."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory

__all__ = ["BothSides"]


class BothSides(wiring.Component):
    """Put a token's side beside the other one of its symbol, as the last token of that left it.

    ::

        -2 address   -1 the row leaves the memory, or what is newer   0 `side` arrives
        1 `sides`; the side is written back

    The memory has one row for each side. What is missing in it is what the three tokens just ahead
    leave; it is forwarded, of the two older ones as the row leaves the memory. Which of them is of
    the other side is known a clock before.

    Latency is 1 cycle, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    layout : StructLayout
        What is told of a side; all zero after reset.

    Members
    -------
    ahead : In
        Row of the token that is in stage 0 two clocks later: side, then symbol.
    valid, row, side : In
        In stage 0: there is a token, its row, and what it brings of that side.
    coming : Out
        In stage 0: bid and ask of its symbol.
    sides : Out
        The same in stage 1.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig, layout: data.StructLayout) -> None:
        self.config, self.layout = config, layout
        sides = data.StructLayout({"bid": layout, "ask": layout})
        super().__init__(
            {
                "ahead": In(config.row_bits),
                "valid": In(1),
                "row": In(config.row_bits),
                "side": In(layout),
                "coming": Out(sides),
                "sides": Out(sides),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bits = self.layout.size
        m.submodules.rows = rows = SweptMemory(bits, self.config.rows, forwarded=True, early=True)
        at = data.StructLayout({"valid": 1, "row": self.config.row_bits})
        soon, newer = Signal.like(self.ahead), Signal(at)
        older, stored = (Signal(bits, name=name, reset_less=True) for name in ("older", "stored"))
        sides = [Signal(bits, name=f"sides{at}", reset_less=True) for at in range(2)]
        by_newest, by_newer, by_older = (
            Signal(name=name) for name in ("by_newest", "by_newer", "by_older")
        )
        wanted, other_row = self.ahead ^ 1, soon ^ 1
        newest = rows.written  # in the memory with the next clock
        own, other = self.side.as_value(), Mux(by_newest, newest, stored)
        forwards = Const(not self.config.spaced, 1)
        m.d.comb += [
            rows.read_addr.eq(wanted),
            rows.write_en.eq(self.valid),
            rows.write_addr.eq(self.row),
            rows.write_data.eq(own),
            self.coming.bid.eq(Mux(self.row[0], other, own)),
            self.coming.ask.eq(Mux(self.row[0], own, other)),
            self.sides.bid.eq(sides[0]),
            self.sides.ask.eq(sides[1]),
            self.init_done.eq(rows.done),
        ]
        m.d.sync += [
            soon.eq(self.ahead),
            newer.valid.eq(self.valid),
            newer.row.eq(self.row),
            older.eq(newest),
            by_newest.eq(forwards & self.valid & (self.row == other_row)),
            by_newer.eq(forwards & self.valid & (self.row == wanted)),
            by_older.eq(forwards & newer.valid & (newer.row == wanted)),
            stored.eq(Mux(by_newer, newest, Mux(by_older, older, rows.read_data))),
        ]
        with m.If(self.valid | forwards):  # in a spaced build they stand until the next
            m.d.sync += [sides[0].eq(self.coming.bid), sides[1].eq(self.coming.ask)]
        return m
