# SPDX-License-Identifier: Apache-2.0
"""State by row, read by a token two clocks before it is written anew."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import FEW, SweptMemory

__all__ = ["VETOES", "Rows"]

#: Parts of a veto, each a register of its own: any of them takes a write back.
VETOES = 3


class Rows(wiring.Component):
    """One row of state for each symbol or slot, read and written by tokens in passing.

    ::

        -1 address   0 row leaves the memory   1 `row1`   2 `row2`; what it becomes
         3 that is written, from a register

    Tokens that write are two clocks apart, and so are those that need what is written: `row1` and
    `row2` hold what all tokens but the one directly before this one have written. Whether the one
    in stage 3 has written is known from a veto that comes from all of the gate; what needs sums or
    comparisons is therefore found of both rows that `row1` may be (`judged`).

    Parameters
    ----------
    layout : StructLayout
        A row; all zero after reset.
    depth : int
        Rows.
    spaced : bool
        No token comes before all ahead of it have written; nothing is forwarded.
    stands : bool
        In a spaced build, `index` stands from three clocks ahead of the token until it has passed:
        so does what left the memory, in one register for all stages.

    Members
    -------
    index : In
        Row of the token that is in stage 0 with the next clock.
    row1, row2 : Out(layout)
        Row of the tokens in stages 1 and 2.
    held1, written1 : Out(layout)
        `row1` without what the token in stage 3 writes; what it writes.
    stored0 : Out(layout)
        Row of the token in stage 0, without what the one in stage 3 writes.
    same0, same1 : Out(1)
        The token in stage 3 writes the row of the one in stage 0, in stage 1.
    index2 : Out
        Number of the row in stage 2.
    write2 : In(1), veto2 : In(VETOES), write_index2 : In, new2 : In(layout)
        In stage 2: a row and what it becomes; a veto takes the write back.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(
        self, layout: data.StructLayout, depth: int, spaced: bool = False, stands: bool = False
    ) -> None:
        self.layout, self.depth, self.spaced = layout, depth, spaced
        self.stands = spaced and stands
        bits = (depth - 1).bit_length()
        super().__init__(
            {
                "index": In(bits),
                "stored0": Out(layout),
                "row1": Out(layout),
                "held1": Out(layout),
                "written1": Out(layout),
                "same0": Out(1),
                "same1": Out(1),
                "row2": Out(layout),
                "index2": Out(bits),
                "write2": In(1),
                "veto2": In(VETOES),
                "write_index2": In(bits),
                "new2": In(layout),
                "init_done": Out(1),
            }
        )

    def judged(self, judge: Callable[[Any, bool], Value]) -> Value:
        """What is found in stage 1, of both rows and then chosen.

        Parameters
        ----------
        judge : callable
            Finding by row, and by whether that is what the token in stage 3 writes.
        """
        if self.spaced:
            return judge(self.held1, False)
        return Mux(self.same1, judge(self.written1, True), judge(self.held1, False))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        few = self.depth <= FEW and not self.spaced
        # A row read in the clock of its write is taken from the register it is written from.
        m.submodules.rows = rows = SweptMemory(
            self.layout,
            self.depth,
            forwarded=True,
            style="distributed" if few else "block",
            at_once=few,
            cleared=True,
        )
        index0, index1 = Signal.like(self.index), Signal.like(self.index)
        written = data.StructLayout({"write": 1, "index": len(self.index), "row": self.layout})
        three = Signal(written, name="written3")
        # Whether what is in `three` is the row of the token in this stage.
        again0, again1, writes3 = Signal(), Signal(), Signal()
        veto3 = Signal(VETOES)
        m.d.comb += [
            rows.read_addr.eq(index0 if few else self.index),
            writes3.eq(three.write & ~veto3.any()),
            rows.write_en.eq(writes3),
            rows.write_addr.eq(three.index),
            rows.write_data.eq(three.row),
            self.init_done.eq(rows.done),
            *([] if self.stands else [self.stored0.eq(rows.read_data)]),
            self.written1.eq(three.row),
            self.row1.eq(Mux(self.same1, three.row, self.held1)),
        ]
        if not self.spaced:
            m.d.comb += [
                self.same0.eq(again0 & ~veto3.any()),
                self.same1.eq(again1 & ~veto3.any()),
            ]
        if not (few or self.spaced):
            # The memory was read in the clock of a write that was in `three` then.
            four, again = Signal(self.layout, name="held4"), Signal()
            m.d.sync += [four.eq(three.row), again.eq(writes3 & (three.index == self.index))]
            with m.If(again):
                m.d.comb += self.stored0.eq(four)
        write = self.write2 & rows.done
        m.d.sync += [
            three.write.eq(write),
            veto3.eq(self.veto2),
            three.index.eq(self.write_index2),
            three.row.eq(self.new2),
        ]
        if self.stands:
            # Block RAM takes half a clock of the part such a build is for.
            m.d.sync += self.stored0.eq(rows.read_data)
            m.d.comb += [
                self.index2.eq(self.index),
                self.held1.eq(self.stored0),
                self.row2.eq(self.row1),
            ]
        else:
            m.d.sync += [
                index0.eq(self.index),
                index1.eq(index0),
                self.index2.eq(index1),
                again0.eq(write & (self.write_index2 == self.index)),
                again1.eq(write & (self.write_index2 == index0)),
                self.held1.eq(Mux(self.same0, three.row, self.stored0)),
                self.row2.eq(self.row1),
            ]
        with m.If(~rows.done):
            m.d.sync += three.row.eq(0)  # what the memory is swept with
        return m
