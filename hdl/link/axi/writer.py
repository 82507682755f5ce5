# SPDX-License-Identifier: Apache-2.0
"""Writes packets to memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.batch import MOST_RECORDS, PACKET_BEAT

__all__ = ["WRITE_PORTS", "Writer"]

_BEAT_BYTES = 64
_INCREMENT = 1
#: Members of a memory port's writing half, 512 bits wide.
WRITE_PORTS = {
    "awid": Out(1),
    "awaddr": Out(64),
    "awlen": Out(8),
    "awsize": Out(3),
    "awburst": Out(2),
    "awvalid": Out(1),
    "awready": In(1),
    "wdata": Out(512),
    "wstrb": Out(64),
    "wlast": Out(1),
    "wvalid": Out(1),
    "wready": In(1),
    "bid": In(1),
    "bresp": In(2),
    "bvalid": In(1),
    "bready": Out(1),
}


class Writer(wiring.Component):
    """One write of 64 bytes for each beat, in order, at once.

    A run ends with the packet that ends an answer, or with one behind which no other whole one
    would fit; it is over when the memory has acknowledged every write.

    Members
    -------
    those of `WRITE_PORTS` : master
    start : In(1)
        Begin at `target`; ends at once where there is no room for a packet, or with `nothing`.
    target : In(64)
        Byte address, taken as a multiple of 64.
    room : In(32)
        Beats that fit there.
    nothing : In(1)
        With `start`: there will be no packet.
    i : In(stream(PACKET_BEAT))
        Packets; held up while there is no run.
    finished : Out(1)
        The run is over; one cycle.
    fault : Out(1)
        A write failed; one cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **WRITE_PORTS,
                "start": In(1),
                "target": In(64),
                "room": In(32),
                "nothing": In(1),
                "i": In(stream.Signature(PACKET_BEAT)),
                "finished": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        place, room = Signal(58), Signal(32)
        running, closing, under_way = Signal(), Signal(), Signal(32)
        takes, told = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(
                running & ~closing & (~self.awvalid | self.awready) & (~self.wvalid | self.wready)
            ),
            takes.eq(self.i.valid & self.i.ready),
            told.eq(self.bvalid & self.bready),
            self.bready.eq(1),
            self.awsize.eq((_BEAT_BYTES - 1).bit_length()),
            self.awburst.eq(_INCREMENT),
            self.wlast.eq(1),
            self.wstrb.eq(~0),
            self.fault.eq(told & self.bresp[1]),
            self.finished.eq(running & closing & (under_way == 0)),
        ]
        with m.If(self.awready):
            m.d.sync += self.awvalid.eq(0)
        with m.If(self.wready):
            m.d.sync += self.wvalid.eq(0)
        with m.If(takes):
            m.d.sync += [
                self.awvalid.eq(1),
                self.awaddr.eq(place << 6),
                self.wvalid.eq(1),
                self.wdata.eq(self.i.p.data),
                place.eq(place + 1),
                room.eq(room - 1),
                closing.eq(self.i.p.last & (self.i.p.done | (room <= MOST_RECORDS + 1))),
            ]
        m.d.sync += under_way.eq(under_way + takes - told)
        with m.If(self.finished):
            m.d.sync += running.eq(0)
        with m.If(self.start):
            m.d.sync += [
                running.eq(1),
                closing.eq((self.room <= MOST_RECORDS) | self.nothing),
                place.eq(self.target[6:]),
                room.eq(self.room),
            ]
        return m
