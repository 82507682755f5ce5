# SPDX-License-Identifier: Apache-2.0
"""MoldUDP64: packets in, messages in order out."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.feed.itch.beats import BeatReader
from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.header import MoldHeader
from hdl.feed.itch.messages import END_OF_SESSION, HEADER_BYTES
from hdl.feed.itch.registers import counts
from hdl.feed.payload import payload_stream

__all__ = ["MoldSplitter", "message_layout"]


def message_layout(width: int) -> data.StructLayout:
    """Bytes of one message in one beat: byte n of the message is in lane n modulo `width`."""
    return data.StructLayout(
        {
            "lanes": 8 * width,  # lane 0 lowest
            "start": 16,  # number of the first byte in this beat
            "end": 17,  # number after its last
            "length": 16,  # of the message
            "sequence": 64,  # number of the message in the session
            "last": 1,  # the message is whole with this beat
            "cut": 1,  # the packet ends here, the message does not
        }
    )


class MoldSplitter(wiring.Component):
    """Check a packet's place in the session and pass on its messages, each once.

    The first packet after a reset names the session. Messages taken before are ignored. A message
    number above the one expected, another session and a packet that may not be believed are losses:
    `lost` is told, and nothing more is passed on until `fence` falls.

    Latency is none: bytes of a message leave in the cycle in which they come. Besides the beats of
    its bytes a message takes 2 cycles at most, a packet 3.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    i : In(payload_stream)
        Packets, one a frame. Ready depends on what the beat holds.
    o : Out(stream(message_layout))
        Messages; none is empty.
    first : In(64)
        Register `itch_first`.
    halt : In(1)
        No packet may begin.
    fence : In(1)
        Symbols are being made invalid: no message may begin.
    lost : Out(1)
        Messages are lost for good.
    resting : Out(1)
        No packet is under way.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(payload_stream(config.width)),
                "o": Out(stream.Signature(message_layout(config.width))),
                "first": In(64),
                "halt": In(1),
                "fence": In(1),
                "lost": Out(1),
                "resting": Out(1),
                "counts": Out(
                    counts(
                        *("mold_packets", "mold_heartbeats", "mold_ends", "mold_gaps", "mold_old"),
                        *("mold_sessions", "mold_runts", "mold_truncated", "mold_trailing"),
                        *("mold_damaged", "itch_lengths"),
                    )
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat, out, counts = self.i.p, self.o.p, self.counts
        m.submodules.beats = beats = BeatReader(self.config.width)
        m.submodules.header = header = MoldHeader(self.config.width)
        connect(m, flipped(self.i), beats.i)

        turn = Signal(len(beats.turn))  # where byte 0 of the message stood in its beat
        done = Signal(17)  # bytes of header or message that are done
        length = Signal(16)
        number, owed = Signal(64), Signal(16)  # of the message; messages left in the packet
        left = Signal(17)

        here, take, step, over = beats.here, beats.take, beats.step, beats.over
        lanes, fresh = beats.lanes, header.fresh
        reading_length = Signal()
        m.d.comb += [
            beats.turn.eq(Mux(reading_length, beats.at, turn)),
            header.lanes.eq(lanes),
            header.done.eq(done),
            header.first.eq(self.first),
            header.number.eq(number),
        ]
        with m.If(beats.torn):
            m.d.comb += [self.lost.eq(1), counts.mold_damaged.eq(1)]

        def pass_message():
            m.d.sync += [number.eq(number + 1), owed.eq(owed - 1)]
            m.d.comb += [header.passed.eq(1), counts.mold_old.eq(~fresh)]

        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += [
                    self.resting.eq((done == 0) & ~over),
                    left.eq(HEADER_BYTES - done[:5]),
                    take.eq(Mux(left < here, left, here)),
                    step.eq(~(self.halt & self.resting)),
                ]
                with m.If(self.i.valid & step):
                    m.d.comb += header.write.eq(1)
                    m.d.sync += done.eq(done + take)
                    with m.If(left <= here):
                        m.next = "COMPARE"
                    with m.Elif(beats.ends):
                        m.d.comb += [counts.mold_runts.eq(1), beats.clear.eq(1)]
                        m.d.sync += done.eq(0)
            with m.State("COMPARE"):
                m.next = "JUDGE"
            # A frame may become a loss in its last beat: that is told first.
            with m.State("JUDGE"), m.If(~self.fence):
                with m.If(~header.joined):
                    m.d.comb += header.join.eq(1)
                    m.next = "COMPARE"
                with m.Else():
                    m.d.sync += [number.eq(header.sequence), owed.eq(header.count)]
                    m.next = "LENGTH"
                    with m.If(~header.same):
                        m.d.comb += [counts.mold_sessions.eq(1), self.lost.eq(1)]
                        m.next = "SKIP"
                    with m.Else():
                        with m.If(header.ahead):
                            m.d.comb += [counts.mold_gaps.eq(1), self.lost.eq(1)]
                            m.d.comb += header.jump.eq(1)
                        with m.If(header.count == 0):
                            m.d.comb += counts.mold_heartbeats.eq(1)
                            m.next = "TRAILING"
                        with m.Elif(header.count == END_OF_SESSION):
                            m.d.comb += counts.mold_ends.eq(1)
                            m.next = "TRAILING"
                        with m.Else():
                            m.d.comb += counts.mold_packets.eq(1)
            with m.State("LENGTH"):
                m.d.comb += [reading_length.eq(1), take.eq(Mux(here < 2, here, 2))]
                with m.If(owed == 0):
                    m.next = "TRAILING"
                with m.Elif(over):
                    m.d.comb += counts.mold_truncated.eq(1)
                    m.next = "REST"
                with m.Elif(~self.fence):
                    m.d.comb += step.eq(1)
                    with m.If(self.i.valid):
                        m.d.sync += [
                            length.eq(Cat(lanes[8:16], lanes[:8])),
                            turn.eq(beats.at + 2),
                            done.eq(0),
                        ]
                        m.next = "BYTES"
                        with m.If(here < 2):
                            m.next = "LOW"
                        with m.Elif(lanes[:16] == 0):
                            m.next = "EMPTY"
            with m.State("LOW"):
                m.d.comb += [reading_length.eq(1), take.eq(1)]
                with m.If(over):
                    m.d.comb += counts.mold_truncated.eq(1)
                    m.next = "REST"
                with m.Else():
                    m.d.comb += step.eq(1)
                    with m.If(self.i.valid):
                        m.d.sync += [length[:8].eq(lanes[:8]), turn.eq(1)]
                        m.next = "BYTES"
                        with m.If((length[8:] == 0) & (lanes[:8] == 0)):
                            m.next = "EMPTY"
            with m.State("EMPTY"):
                pass_message()
                m.d.comb += [counts.itch_lengths.eq(fresh), self.lost.eq(fresh)]
                m.next = "LENGTH"
            with m.State("BYTES"):
                m.d.comb += [
                    left.eq(length - done),
                    take.eq(Mux(left < here, left, here)),
                    self.o.valid.eq(self.i.valid & fresh & ~over),
                    step.eq((self.o.ready | ~fresh) & ~over),
                ]
                with m.If(over):
                    m.d.comb += counts.mold_truncated.eq(1)
                    m.next = "REST"
                with m.Elif(self.i.valid & step):
                    m.d.sync += done.eq(done + take)
                    with m.If(left <= here):
                        pass_message()
                        m.next = "LENGTH"
                    with m.Elif(beats.ends):
                        m.d.comb += counts.mold_truncated.eq(1)
                        m.next = "REST"
            with m.State("TRAILING"):
                m.d.comb += counts.mold_trailing.eq(~over)
                m.next = "SKIP"
            with m.State("SKIP"):
                m.d.comb += [take.eq(here), step.eq(~over)]
                with m.If(over | (self.i.valid & beat.last)):
                    m.next = "REST"
            with m.State("REST"):
                m.d.comb += beats.clear.eq(1)
                m.d.sync += [done.eq(0), turn.eq(0)]
                m.next = "HEAD"

        m.d.comb += [
            out.lanes.eq(lanes),
            out.start.eq(done),
            out.end.eq(done + take),
            out.length.eq(length),
            out.sequence.eq(number),
            out.last.eq(left <= here),
            out.cut.eq((left > here) & beat.last),
        ]
        return m
