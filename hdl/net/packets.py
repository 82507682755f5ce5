# SPDX-License-Identifier: Apache-2.0
"""A queue of whole payloads behind a source that cannot be held up."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_layout, payload_stream
from hdl.net.beat import BEAT_BYTES
from hdl.net.registers import FILTERS, pulses
from hdl.types import flow

__all__ = ["PacketQueue"]


class PacketQueue(wiring.Component):
    """Keep payloads until they are whole; what is lost on the way is told in its place.

    A payload leaves only when its last beat is here. One that ends with `error`, or for which there
    is no room, is dropped whole; in its place leaves a single beat with `last`, `error` and its
    tag, so that who is behind knows of the loss before anything later of that tag. Losses of a tag
    with nothing kept between them share one such beat.

    Latency is 3 cycles from the last beat in to the first beat out of an empty queue. Throughput is
    a beat a cycle.

    Parameters
    ----------
    depth : int
        Beats, a power of two; `hdl.net.registers.FILTERS` of them are kept free to tell losses.

    Members
    -------
    i : In(flow(payload_layout(8)))
        Payloads. There are at most `FILTERS` different tags.
    o : Out(payload_stream(8))
        Whole payloads and losses.
    counts : Out
        Pulse of the counter: a payload for which there was no room.

    Raises
    ------
    ValueError
        `depth` is no power of two, or less than 32.
    """

    def __init__(self, depth: int = 1024) -> None:
        if depth < 32 or depth & (depth - 1):
            raise ValueError(f"depth: expected a power of two from 32 on, was {depth}")
        self.depth = depth
        super().__init__(
            {
                "i": In(flow(payload_layout(BEAT_BYTES))),
                "o": Out(payload_stream(BEAT_BYTES)),
                "counts": Out(pulses("overflow")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        given, depth = self.i.p, self.depth
        layout = given.shape()
        m.submodules.beats = beats = memory.Memory(
            shape=layout, depth=depth, init=[], attrs={"ram_style": "block"}
        )
        write, read = beats.write_port(), beats.read_port()
        bits = (depth - 1).bit_length()
        kept, at, taken = Signal(bits + 1), Signal(bits + 1), Signal(bits + 1)
        # `kept`: behind the last whole payload; `at`: behind the last beat written.

        lost = data.StructLayout({"known": 1, "tag": 8})
        told = [Signal(lost, name=f"told_{n}") for n in range(FILTERS)]
        known = Cat(each.known & (each.tag == given.tag) for each in told)
        dropping, full, drop = Signal(), Signal(), Signal()
        m.d.comb += [
            full.eq((at - taken)[: bits + 1] >= depth - FILTERS),
            drop.eq(self.i.valid & ~dropping & (full | (given.last & given.error))),
            self.counts.overflow.eq(self.i.valid & ~dropping & full),
            write.addr.eq(at[:bits]),
            write.data.eq(given),
            write.en.eq(self.i.valid & ~dropping & ~drop),
        ]
        with m.If(drop):
            m.d.sync += [dropping.eq(~given.last), at.eq(kept)]
            with m.If(~known.any()):
                m.d.comb += [
                    write.en.eq(1),
                    write.addr.eq(kept[:bits]),
                    write.data.data.eq(0),
                    write.data.count.eq(1),
                    write.data.last.eq(1),
                    write.data.error.eq(1),
                ]
                m.d.sync += [kept.eq(kept + 1), at.eq(kept + 1)]
                m.d.sync += [told[0].known.eq(1), told[0].tag.eq(given.tag)]
                m.d.sync += [b.eq(a) for a, b in pairwise(told)]
        with m.Elif(self.i.valid & dropping):
            m.d.sync += dropping.eq(~given.last)
        with m.Elif(self.i.valid):
            m.d.sync += at.eq(at + 1)
            with m.If(given.last):
                m.d.sync += [kept.eq(at + 1), *(each.known.eq(0) for each in told)]

        # The memory's output, then a register, then the port; all three move together.
        moves, here = Signal(), Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            read.en.eq(moves),
            read.addr.eq(taken[:bits]),
        ]
        with m.If(moves):
            m.d.sync += [
                here.eq(taken != kept),
                taken.eq(Mux(taken != kept, taken + 1, taken)),
                self.o.valid.eq(here),
                self.o.p.eq(read.data),
            ]
        return m
