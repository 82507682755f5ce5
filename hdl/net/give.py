# SPDX-License-Identifier: Apache-2.0
"""Gives a packet on from its slot, without the messages that were given before."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_stream
from hdl.net.beat import BEAT_BYTES, big_endian
from hdl.net.line import HEADER_BYTES, LENGTH_BYTES

__all__ = ["Give", "job_layout"]

_BODY_BEAT = 2  # the first beat with bytes of messages, in its upper half
HALF = BEAT_BYTES // 2  # the rest of the header, in its lower half


class _State(enum.Enum, shape=3):  # type: ignore[call-arg]
    IDLE = 0
    WALK = 1  # messages are skipped
    FETCH = 2  # the first beat of the rest is read
    SEND = 3


def job_layout(slots: int, slot_bytes: int) -> data.StructLayout:
    """What is to be given on."""
    return data.StructLayout(
        {
            "line": 1,
            "slot": max(1, (slots - 1).bit_length()),
            "bytes": slot_bytes.bit_length(),  # of the packet in the slot
            "session": 80,
            "first": 64,  # sequence number of the first message that leaves
            "count": 16,  # messages that leave
            "skip": 16,  # messages before them in the packet
            "gap": 1,  # nothing is in a slot: say that these messages are lost
            "tag": 8,
        }
    )


class Give(wiring.Component):
    """Give on MoldUDP64 packets, or their header alone with `error` for messages that are lost.

    A packet whose first messages are to be skipped is walked, six cycles a message, and leaves with
    a header of its own. If a length leads past the packet's end, its messages leave as lost.

    Latency is 3 cycles from the job to the first beat of a packet without skipped messages.
    Throughput is a beat a cycle, and 2 cycles between packets.

    Parameters
    ----------
    slots, slot_bytes : int
        Of each line's store.

    Members
    -------
    job : In(stream(job_layout))
        What is to be given on.
    o : Out(payload_stream(8))
        Packets.
    read_en, read_addr, read_data
        A beat of a slot of `line`, one cycle after `read_en`.
    line : Out(1)
        Line whose slot is read.
    done : Out(1)
        The slot that is named on `line` and `slot` has been read.
    slot : Out
        Slot that is read.
    trimmed, broken : Out(1)
        Pulses: a packet leaves without its first messages; a packet cannot be walked.
    lost : Out(16)
        With `broken`: messages that are lost with it.
    """

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slot_beats = slot_bytes // BEAT_BYTES
        job = job_layout(slots, slot_bytes)
        super().__init__(
            {
                "job": In(stream.Signature(job)),
                "o": Out(payload_stream(BEAT_BYTES)),
                "read_en": Out(1),
                "read_addr": Out((slots * self.slot_beats - 1).bit_length()),
                "read_data": In(64),
                "line": Out(1),
                "slot": Out(job.members["slot"]),
                "done": Out(1),
                "trimmed": Out(1),
                "broken": Out(1),
                "lost": Out(16),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        job, state = Signal(self.job.p.shape()), Signal(_State)
        held, limit, size = Signal(), Signal(len(job.bytes)), Signal(len(job.bytes))
        offset, step = Signal(17), Signal(3)  # byte of the packet that is looked at
        fetch, low, high = Signal(range(2 * self.slot_beats)), Signal(64), Signal(64)
        window, length, beyond = Signal(64), Signal(16), Signal(18)
        shifts = Cat(low, high)
        with m.Switch(offset[:3]):
            for n in range(BEAT_BYTES):
                with m.Case(n):
                    m.d.comb += window.eq(shifts[8 * n : 8 * n + 64])
        beat_bits = (self.slot_beats - 1).bit_length()
        m.d.comb += [
            self.line.eq(job.line),
            self.slot.eq(job.slot),
            self.lost.eq(job.count),
            self.job.ready.eq(state == _State.IDLE),
            self.read_addr.eq(Cat(fetch[:beat_bits], job.slot)),
        ]

        at = Signal(range(self.slot_beats + 1))  # beat that is sent
        moves, last = Signal(), Signal()
        m.d.comb += [moves.eq(~self.o.valid | self.o.ready), last.eq(at == size[3:])]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.sync += [
                    job.eq(self.job.p),
                    held.eq(~self.job.p.gap),
                    step.eq(0),
                    at.eq(0),
                    offset.eq(HEADER_BYTES),
                    fetch.eq(_BODY_BEAT),
                    size.eq(HEADER_BYTES - 1),
                ]
                with m.If(self.job.valid):
                    m.d.sync += state.eq(
                        Mux(
                            self.job.p.gap,
                            _State.SEND,
                            Mux(self.job.p.skip.any(), _State.WALK, _State.FETCH),
                        )
                    )
                with m.If(~self.job.p.skip.any()):
                    m.d.sync += offset.eq(HEADER_BYTES - HALF)
            with m.Case(_State.WALK):
                m.d.sync += [step.eq(Mux(step == 5, 0, step + 1)), fetch.eq(fetch + 1)]
                with m.Switch(step):
                    with m.Case(0, 1):
                        m.d.comb += self.read_en.eq(1)
                        m.d.sync += [
                            high.eq(self.read_data),
                            limit.eq(job.bytes - Cat(0, job.count)),
                        ]
                    with m.Case(2):
                        m.d.sync += [low.eq(high), high.eq(self.read_data)]
                    with m.Case(3):
                        m.d.sync += [length.eq(big_endian(window, 0, 2)), job.skip.eq(job.skip - 1)]
                    with m.Case(4):
                        m.d.sync += beyond.eq(offset + length + LENGTH_BYTES)
                    with m.Case(5):
                        m.d.sync += [offset.eq(beyond), fetch.eq(beyond[3:])]
                        with m.If(beyond > limit):
                            m.d.comb += self.broken.eq(1)
                            m.d.sync += [job.gap.eq(1), state.eq(_State.SEND)]
                        with m.Elif(job.skip == 0):
                            m.d.comb += self.trimmed.eq(1)
                            m.d.sync += [
                                offset.eq(beyond - HALF),
                                fetch.eq((beyond - HALF)[3:]),
                                state.eq(_State.FETCH),
                            ]
            with m.Case(_State.FETCH):
                m.d.comb += self.read_en.eq(1)
                m.d.sync += [
                    fetch.eq(fetch + 1),
                    size.eq(job.bytes - offset + (HEADER_BYTES - HALF - 1)),
                    state.eq(_State.SEND),
                ]
            with m.Case(_State.SEND):
                with m.If(moves):
                    m.d.comb += [self.read_en.eq(1), self.done.eq(last & held)]
                    m.d.sync += [
                        fetch.eq(fetch + 1),
                        high.eq(self.read_data),
                        low.eq(high),
                        at.eq(at + 1),
                        self.o.valid.eq(1),
                        self.o.p.tag.eq(job.tag),
                        self.o.p.last.eq(last),
                        self.o.p.error.eq(last & job.gap),
                        self.o.p.count.eq(Mux(last, size[:3] + 1, BEAT_BYTES)),
                        self.o.p.data.eq(window),
                    ]
                    session, first, count = (
                        Cat(value[8 * n : 8 * n + 8] for n in reversed(range(len(value) // 8)))
                        for value in (job.session, job.first, job.count)
                    )
                    header = Cat(session, first, count)
                    with m.Switch(at):
                        for n in range(_BODY_BEAT):
                            with m.Case(n):
                                m.d.sync += self.o.p.data.eq(header[64 * n : 64 * n + 64])
                        with m.Case(_BODY_BEAT):
                            m.d.sync += self.o.p.data[: 8 * HALF].eq(header[64 * _BODY_BEAT :])
                    with m.If(last):
                        m.d.sync += state.eq(_State.IDLE)
        return m
