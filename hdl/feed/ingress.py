# SPDX-License-Identifier: Apache-2.0
"""One stream for records and for frames of a feed, told apart and kept in order."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.payload import payload_stream
from hdl.feed.sbe.sequence import note_layout
from hdl.records import IN_RECORD, InFlag, InKind, Protocol
from hdl.types import count_layout

__all__ = ["BEAT_BYTES", "Ingress"]

#: Bytes of a beat, those of a record.
BEAT_BYTES = 16
_HOLD, _START = int(InFlag.HOLD), int(InFlag.START)


class _State(enum.Enum, shape=2):  # type: ignore[call-arg]
    RECORDS = 0
    BYTES = 1  # of a frame, to its decoder
    REFUSED = 2  # the FRAME itself is handed on, malformed
    SKIP = 3  # bytes of a frame nobody takes


class Ingress(wiring.Component):
    """Hand records on, and the bytes behind a FRAME to the decoder of its protocol.

    A record behind a frame waits until the records of the frame have left. A FRAME that breaks a
    rule, or names a protocol this build has not, is handed on like any record, which the pipeline
    counts as malformed and marks its symbol for; its bytes are skipped.

    Latency of a record is 0 cycles, throughput one record or 16 bytes a cycle. `i.ready` is no
    function of `i.valid` nor of what is on `i`.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(stream(in record))
        Records, and beats of 16 bytes behind each FRAME.
    o : Out(stream(in record))
        Records, those of frames in the place of the frame.
    sbe : Out(payload_stream(16)), hold : Out(1)
        Frames of protocol SBE, and flag HOLD of the frame.
    decoded : In(stream(in record)), at_rest : In(1)
        Records of the decoders, and that there are none.
    note : Out(note_layout)
        What a record that passes says of its book's update id.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        record = stream.Signature(IN_RECORD.layout())
        super().__init__(
            {
                "i": In(record),
                "o": Out(record),
                "sbe": Out(payload_stream(BEAT_BYTES)),
                "hold": Out(1),
                "decoded": In(record),
                "at_rest": In(1),
                "note": Out(note_layout()),
                "counts": Out(count_layout("frames", "frames_refused", "sbe_starts")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        record = self.i.p
        count, tag = Signal(5), Signal(8)  # of the frame: bytes of its last beat, connection
        state, refused = Signal(_State), Signal(IN_RECORD.layout())
        beats, final = Signal(28), Signal()  # still to come
        is_frame = record.kind == InKind.FRAME
        open_ = (state == _State.RECORDS) & self.at_rest

        # A FRAME: what is right about it, and how many beats follow.
        starts, good = Signal(), Signal()
        length = record.value[:32]
        many = (length + (BEAT_BYTES - 1))[4:]
        m.d.comb += [
            starts.eq((record.flags & _START) != 0),
            good.eq(
                (record.tag == Protocol.SBE)
                & (1 if self.config.sbe else 0)
                & (record.flags == Mux(starts, _START, record.flags & _HOLD))
                & (record.price_ticks == 0)
                & (record.symbol < self.config.symbols)
                & Mux(starts, ~record.value[63], (record.value[32:] == 0) & (length != 0))
            ),
        ]

        # Records pass, or those of a decoder do.
        m.d.comb += [
            self.o.p.eq(self.decoded.p),
            self.o.valid.eq(self.decoded.valid),
            self.decoded.ready.eq(self.o.ready),
            self.sbe.valid.eq(self.i.valid & (state == _State.BYTES)),
            self.sbe.p.eq(Cat(record, Mux(final, count, BEAT_BYTES), final, tag, Const(0, 1))),
        ]
        with m.If(open_):
            m.d.comb += [
                self.o.p.eq(record),
                self.o.valid.eq(self.i.valid & ~is_frame),
                self.i.ready.eq(self.o.ready),
            ]
        passed, framed = self.i.valid & self.i.ready & open_, Signal()
        m.d.comb += framed.eq(passed & is_frame)

        with m.If(framed):
            rest = length[:4]
            m.d.sync += [
                refused.eq(record),
                beats.eq(Mux(starts, 0, many)),
                final.eq(many == 1),
                count.eq(Mux(rest == 0, BEAT_BYTES, rest)),
            ]
            with m.If(~good):
                m.d.sync += state.eq(_State.REFUSED)
            with m.Elif(~starts):
                m.d.sync += [
                    state.eq(_State.BYTES),
                    tag.eq(record.symbol),
                    self.hold.eq((record.flags & _HOLD) != 0),
                ]
        with m.Switch(state):
            with m.Case(_State.BYTES):
                m.d.comb += self.i.ready.eq(self.sbe.ready)
            with m.Case(_State.REFUSED):
                m.d.comb += [self.o.valid.eq(1), self.o.p.eq(refused)]
                with m.If(self.o.ready):
                    m.d.sync += state.eq(Mux(beats == 0, _State.RECORDS, _State.SKIP))
            with m.Case(_State.SKIP):
                m.d.comb += self.i.ready.eq(1)
        with m.If(self.i.valid & self.i.ready & ((state == _State.BYTES) | (state == _State.SKIP))):
            m.d.sync += [beats.eq(beats - 1), final.eq(beats == 2)]
            with m.If(final):
                m.d.sync += state.eq(_State.RECORDS)

        note = self.note
        ends = (record.kind == InKind.EVENT_END) & (record.flags == int(InFlag.BOOK))
        lost = (record.kind == InKind.CLEAR) & ((record.flags & int(InFlag.GAP)) != 0)
        begins = is_frame & starts & good
        m.d.comb += [
            note.en.eq(passed & (ends | lost | begins)),
            note.symbol.eq(record.symbol),
            note.synced.eq(~lost),
            note.id.eq(record.value),
            self.counts.frames.eq(framed & good & ~starts),
            self.counts.frames_refused.eq(framed & ~good),
            self.counts.sbe_starts.eq(framed & good & starts),
        ]
        return m
