# SPDX-License-Identifier: Apache-2.0
"""A frame is kept until its end says that it may be believed."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.registers import counts
from hdl.feed.payload import payload_layout, payload_stream

__all__ = ["FrameHold"]


class FrameHold(wiring.Component):
    """Pass on whole, sound frames; drop the others without a trace but a count.

    A frame leaves without a pause of its own between its beats. One that is marked as damaged, or
    that does not fit into the buffer, is forgotten and counted.

    Latency is 3 cycles from the last beat of a frame to its first one at the output. Throughput is
    one beat a cycle.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    i : In(payload_stream)
        Frames.
    o : Out(payload_stream)
        Frames that may be believed; `error` is 0.
    empty : Out(1)
        No frame is held, whole or not.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(payload_stream(config.width)),
                "o": Out(payload_stream(config.width)),
                "empty": Out(1),
                "counts": Out(counts("mold_damaged", "mold_oversize")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        depth = config.frame_bytes // config.width
        bits = (depth - 1).bit_length()
        layout = payload_layout(config.width)
        m.submodules.beats = beats = memory.Memory(
            shape=layout, depth=depth, init=[], attrs={"ram_style": "block"}
        )
        write, read = beats.write_port(), beats.read_port()

        # Pointers have one bit more than an address: equal ones are an empty buffer.
        put, kept, got = Signal(bits + 1), Signal(bits + 1), Signal(bits + 1)
        refused = Signal()  # the frame under way does not fit, and is let go by
        full = (put - got)[: bits + 1] == depth
        alone = kept == got  # what is in the buffer belongs to the frame under way
        fits = ~full & ~refused
        took = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~full | alone | refused),
            write.en.eq(took & fits),
            write.addr.eq(put),
            write.data.eq(self.i.p),
            write.data.error.eq(0),
            self.counts.mold_damaged.eq(took & self.i.p.last & self.i.p.error & fits),
            self.counts.mold_oversize.eq(took & self.i.p.last & ~fits),
        ]
        with m.If(took):
            with m.If(self.i.p.last):
                sound = fits & ~self.i.p.error
                m.d.sync += [
                    put.eq(Mux(sound, put + 1, kept)),
                    kept.eq(Mux(sound, put + 1, kept)),
                    refused.eq(0),
                ]
            with m.Else():
                m.d.sync += [put.eq(Mux(fits, put + 1, put)), refused.eq(~fits)]

        # The memory's output and one register behind it hold a beat each, and a third takes what
        # is read when both have to wait.
        asked, shown, spare = Signal(), Signal(), Signal(layout)
        has_spare = Signal()
        free = Signal()
        waiting = Cat(asked, has_spare, shown & ~self.o.ready)
        m.d.comb += [
            read.en.eq(1),
            read.addr.eq(got),
            # at most two beats are between the memory and the output's consumer
            free.eq((waiting[0].as_unsigned() + waiting[1] + waiting[2]) < Const(2)),
            self.o.valid.eq(shown),
            self.empty.eq((put == got) & ~refused & ~asked & ~shown & ~has_spare),
        ]
        m.d.sync += asked.eq(0)
        with m.If((got != kept) & free):
            m.d.sync += [asked.eq(1), got.eq(got + 1)]
        with m.If(~shown | self.o.ready):
            m.d.sync += [
                shown.eq(has_spare | asked),
                self.o.p.eq(Mux(has_spare, spare, read.data)),
                has_spare.eq(has_spare & asked),
            ]
            with m.If(has_spare & asked):
                m.d.sync += spare.eq(read.data)
        with m.Elif(asked):
            m.d.sync += [spare.eq(read.data), has_spare.eq(1)]
        return m
