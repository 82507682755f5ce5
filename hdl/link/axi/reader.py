# SPDX-License-Identifier: Apache-2.0
"""Reads a batch from memory."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.batch import BATCH_BEAT

__all__ = ["READ_PORTS", "Reader"]

#: Beats of a burst at most: 1 KiB, and none crosses a multiple of that.
BURST = 16
_BEAT_BYTES, _UNITS = 64, 4
#: Bursts under way at most.
_AHEAD = 2
_INCREMENT = 1
#: Members of a memory port's reading half, 512 bits wide.
READ_PORTS = {
    "arid": Out(1),
    "araddr": Out(64),
    "arlen": Out(8),
    "arsize": Out(3),
    "arburst": Out(2),
    "arvalid": Out(1),
    "arready": In(1),
    "rid": In(1),
    "rdata": In(512),
    "rresp": In(2),
    "rlast": In(1),
    "rvalid": In(1),
    "rready": Out(1),
}


class Reader(wiring.Component):
    """Bursts of 64-byte beats, told as the 16-byte units of a batch, one a cycle.

    What the memory answers with an error is torn.

    Members
    -------
    those of `READ_PORTS` : master
    start : In(1)
        Begin at `source` with `units`; ignored while a batch is being read.
    source : In(64)
        Byte address, taken as a multiple of 64.
    units : In(32)
        16-byte units; the last of them ends the batch.
    o : Out(stream(BATCH_BEAT))
        The units.
    fault : Out(1)
        An error of the memory, or a start that was ignored; one cycle each.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **READ_PORTS,
                "start": In(1),
                "source": In(64),
                "units": In(32),
                "o": Out(stream.Signature(BATCH_BEAT)),
                "fault": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        place = Signal(58)  # beats from address 0
        wanted, left = Signal(31), Signal(32)  # beats to ask for, units to tell
        ahead = Signal(range(_AHEAD + 1))
        beat, torn, full, at = Signal(512), Signal(), Signal(), Signal(range(_UNITS))

        # Ask.
        to_edge, burst = Signal(range(BURST + 1)), Signal(range(BURST + 1))
        asks, ends = Signal(), Signal()
        m.d.comb += [
            to_edge.eq(BURST - place[: (BURST - 1).bit_length()]),
            burst.eq(Mux(wanted < to_edge, wanted[: len(burst)], to_edge)),
            asks.eq((wanted != 0) & (ahead < _AHEAD) & (~self.arvalid | self.arready)),
            ends.eq(self.rvalid & self.rready & self.rlast),
            self.arsize.eq((_BEAT_BYTES - 1).bit_length()),
            self.arburst.eq(_INCREMENT),
        ]
        with m.If(self.arready):
            m.d.sync += self.arvalid.eq(0)
        with m.If(asks):
            m.d.sync += [
                self.arvalid.eq(1),
                self.araddr.eq(place << 6),
                self.arlen.eq(burst - 1),
                place.eq(place + burst),
                wanted.eq(wanted - burst),
            ]
        m.d.sync += ahead.eq(ahead + asks - ends)

        # Tell.
        last = left == 1
        spent = self.o.ready & (last | (at == _UNITS - 1))
        m.d.comb += [
            self.rready.eq(~full | spent),
            self.o.valid.eq(full),
            self.o.p.data.eq(beat.word_select(at, 128)),
            self.o.p.torn.eq(torn),
            self.o.p.last.eq(last),
        ]
        with m.If(full & self.o.ready):
            m.d.sync += [left.eq(left - 1), at.eq(at + 1)]
            with m.If(spent):
                m.d.sync += [full.eq(0), at.eq(0)]
        with m.If(self.rvalid & self.rready):
            m.d.sync += [beat.eq(self.rdata), torn.eq(self.rresp[1]), full.eq(1)]

        idle = left == 0
        m.d.comb += self.fault.eq(
            (self.rvalid & self.rready & self.rresp[1]) | (self.start & ~idle & (self.units != 0))
        )
        with m.If(self.start & idle):
            m.d.sync += [
                place.eq(self.source[6:]),
                left.eq(self.units),
                wanted.eq((self.units + (_UNITS - 1)) >> 2),
            ]
        return m
