# SPDX-License-Identifier: Apache-2.0
"""Where in its steps a message is."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["STEPS", "Steps"]

#: Cycles of a message, and so the least from one to the next.
STEPS = 8
#: Step in which a message waits.
_WAITS = 4


class Steps(wiring.Component):
    """Count the steps of a message; one whose new order is to come waits for it in step 1.

    Members
    -------
    lead : In(1)
        First half of a replace is there, its new order is not.
    start : In(1), take : In(1)
        A message, or the second half of one, is there; an order loses shares by it.
    whole : In(1), cut : In(1)
        Its last byte is there; the packet has ended before that.
    free : In(1)
        The event before has been told.
    at : Out(STEPS)
        The step, one bit each; none in step 0.
    awaits : Out(1)
        A replace waits for its new order.
    waited : Out(1)
        In step 4: not its first cycle.
    goes : Out(1)
        In step 4: its last cycle.
    busy : Out(1)
        A message is under way.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **dict.fromkeys(("lead", "start", "take", "whole", "cut", "free"), In(1)),
                "at": Out(STEPS),
                **dict.fromkeys(("awaits", "waited", "goes", "busy"), Out(1)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        step, awaits, open_ = Signal(range(STEPS)), self.awaits, Signal()
        m.d.comb += [
            self.busy.eq(step != 0),
            self.goes.eq((step == _WAITS) & (~open_ | self.whole) & self.free),
            *(self.at[n].eq(step == n) for n in range(1, STEPS)),
        ]
        with m.If(self.lead | self.start):
            m.d.sync += open_.eq(~self.whole)
        with m.Elif(self.whole):
            m.d.sync += open_.eq(0)
        with m.If(~self.busy):
            with m.If(self.lead | (self.start & self.take & ~awaits)):
                m.d.sync += [step.eq(1), awaits.eq(self.lead)]
            with m.Elif(self.start):
                m.d.sync += step.eq(2)
        with m.Elif(awaits & self.start):
            m.d.sync += [awaits.eq(0), step.eq(2)]
        with m.Elif(step == _WAITS):
            m.d.sync += self.waited.eq(~self.goes)
            with m.If(self.goes):
                m.d.sync += step.eq(_WAITS + 1)
        with m.Elif(~awaits):
            m.d.sync += step.eq(step + 1)
        with m.If(self.cut & open_ & self.busy):
            m.d.sync += [step.eq(0), awaits.eq(0), self.waited.eq(0), open_.eq(0)]
        return m
