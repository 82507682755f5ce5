# SPDX-License-Identifier: Apache-2.0
"""Between the widths of a memory's or a DMA's beats and those of batches and packets."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.batch import BATCH_BEAT, PACKET_BEAT

__all__ = ["Narrow", "Widen", "axis_beat"]


def axis_beat(width: int) -> data.StructLayout:
    """A beat of an AXI stream: data, a bit for each byte that counts, the end of a packet."""
    return data.StructLayout({"data": width, "keep": width // 8, "last": 1})


class Widen(wiring.Component):
    """Beats of a narrow stream to the 16-byte beats of batches.

    A beat of the batch is torn where a byte of it does not count or the packet ends within it.

    Parameters
    ----------
    width : int
        Bits of the stream: 32 or 64.

    Members
    -------
    i : In(stream(axis_beat(width)))
        From the host.
    o : Out(stream(BATCH_BEAT))
        One beat for each 128 / width, or where the packet ends.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(
            {"i": In(stream.Signature(axis_beat(width))), "o": Out(stream.Signature(BATCH_BEAT))}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        parts = 128 // self.width
        at, whole = Signal(range(parts)), self.i.p.keep.all()
        ends = self.i.p.last | (at == parts - 1)
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.o.p.data.word_select(at, self.width).eq(self.i.p.data),
                self.o.p.last.eq(self.i.p.last),
                self.o.p.torn.eq(((at != 0) & self.o.p.torn) | ~whole | (at != parts - 1) & ends),
                self.o.valid.eq(ends),
                at.eq(Mux(ends, 0, at + 1)),
            ]
        return m


class Narrow(wiring.Component):
    """Packets of 64-byte beats on a narrow stream, lowest bits first.

    Parameters
    ----------
    width : int
        Bits of the stream; divides 512.

    Members
    -------
    i : In(stream(PACKET_BEAT))
        Packets.
    o : Out(stream(axis_beat(width)))
        The same on the stream; every byte counts.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(
            {"i": In(stream.Signature(PACKET_BEAT)), "o": Out(stream.Signature(axis_beat(width)))}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        parts = 512 // self.width
        at = Signal(range(parts))
        ends = at == parts - 1
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.p.data.eq(self.i.p.data.word_select(at, self.width)),
            self.o.p.keep.eq((1 << self.width // 8) - 1),
            self.o.p.last.eq(self.i.p.last & ends),
            self.i.ready.eq(self.o.ready & ends),
        ]
        with m.If(self.i.valid & self.o.ready):
            m.d.sync += at.eq(Mux(ends, 0, at + 1))
        return m
