# SPDX-License-Identifier: Apache-2.0
"""State by row that a token reads complete, however close behind another it comes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import SweptMemory

__all__ = ["Rows"]

#: Up to so many rows are kept in distributed memory, which is as fast and never as wide.
FEW = 32


class Rows(wiring.Component):
    """One row of state for each symbol or slot, read and written by every token in passing.

    ::

        -1 address   0 row leaves the memory   1 `row1`   2 `row2`; what is written

    `row2` holds all that tokens before this one have written; `row1` all but what the token
    directly before it writes in this very clock.

    Parameters
    ----------
    layout : StructLayout
        A row; all zero after reset.
    depth : int
        Rows.

    Members
    -------
    index : In
        Row of the token that is in stage 0 with the next clock.
    row1, row2 : Out(layout)
        Row of the tokens in stages 1 and 2.
    index2 : Out
        Number of the row in stage 2.
    write2 : In(1), write_index2 : In, new2 : In(layout)
        In stage 2: a row and what it becomes.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, layout: data.StructLayout, depth: int) -> None:
        self.layout, self.depth = layout, depth
        bits = (depth - 1).bit_length()
        super().__init__(
            {
                "index": In(bits),
                "row1": Out(layout),
                "row2": Out(layout),
                "index2": Out(bits),
                "write2": In(1),
                "write_index2": In(bits),
                "new2": In(layout),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        style = "distributed" if self.depth <= FEW else "block"
        m.submodules.rows = rows = SweptMemory(self.layout, self.depth, style=style)
        index0, index1 = Signal.like(self.index), Signal.like(self.index)
        written3, index3, new3 = Signal(), Signal.like(self.index), Signal(self.layout)
        m.d.comb += [
            rows.read_addr.eq(self.index),
            rows.write_en.eq(self.write2),
            rows.write_addr.eq(self.write_index2),
            rows.write_data.eq(self.new2),
            self.init_done.eq(rows.done),
        ]
        m.d.sync += [
            index0.eq(self.index),
            index1.eq(index0),
            self.index2.eq(index1),
            written3.eq(self.write2),
            index3.eq(self.write_index2),
            new3.eq(self.new2),
        ]
        older = Mux(written3 & (index3 == index0), new3, rows.read_data)
        m.d.sync += [
            self.row1.eq(Mux(self.write2 & (self.write_index2 == index0), self.new2, older)),
            self.row2.eq(Mux(self.write2 & (self.write_index2 == index1), self.new2, self.row1)),
        ]
        return m
