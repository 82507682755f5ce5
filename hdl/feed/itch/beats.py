# SPDX-License-Identifier: Apache-2.0
"""Bytes of a frame, as many at a time as are wanted."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_stream

__all__ = ["BeatReader"]


class BeatReader(wiring.Component):
    """Hand out the bytes of the beat at hand, some in each cycle, never those of two beats.

    Latency is none: what is taken is shown in the same cycle.

    Parameters
    ----------
    width : int
        Bytes in a beat, a power of two.

    Members
    -------
    i : In(payload_stream)
        Frames. A beat is taken with its last byte.
    take : In, step : In(1)
        Number of bytes that are taken, 1 to `here`, and whether they are.
    turn : In
        Lane in which the byte shown in lane 0 stood.
    clear : In(1)
        The next frame may begin.
    here : Out
        Bytes of this beat that are left.
    at : Out
        Lane of the first of them.
    lanes : Out
        The beat, turned by `turn`.
    ends : Out(1)
        What is taken ends the frame.
    torn : Out(1)
        The frame has ended with an error.
    over : Out(1)
        The frame's last byte is taken.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        at_bits = (width - 1).bit_length()
        super().__init__(
            {
                "i": In(payload_stream(width)),
                "take": In(width.bit_length()),
                "step": In(1),
                "turn": In(at_bits),
                "clear": In(1),
                "here": Out(width.bit_length()),
                "at": Out(at_bits),
                "lanes": Out(8 * width),
                "ends": Out(1),
                "torn": Out(1),
                "over": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat, rest = self.i.p, Signal()
        m.d.comb += [
            self.lanes.eq(Cat(beat.data, beat.data) >> Cat(Const(0, 3), self.turn)),
            self.here.eq(beat.count - self.at),
            rest.eq(self.take == self.here),
            self.i.ready.eq(self.step & rest),
            self.ends.eq(rest & beat.last),
            self.torn.eq(self.i.valid & self.i.ready & beat.last & beat.error),
        ]
        with m.If(self.step & self.i.valid):
            m.d.sync += self.at.eq(Mux(rest, 0, self.at + self.take))
        with m.If(self.clear):
            m.d.sync += self.over.eq(0)
        with m.Elif(self.step & self.i.valid & self.ends):
            m.d.sync += self.over.eq(1)
        return m
