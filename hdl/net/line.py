# SPDX-License-Identifier: Apache-2.0
"""One of two lines: its packets in slots of block RAM until they are given on."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_layout
from hdl.net.beat import BEAT_BYTES, big_endian
from hdl.net.registers import pulses
from hdl.types import flow

__all__ = ["END_OF_SESSION", "HEADER_BYTES", "LineStore", "arrival_layout", "reserve_of"]

#: Bytes of a MoldUDP64 header: session 10, sequence number 8, message count 2.
HEADER_BYTES = 20
#: Message count that ends a session; such a packet has no messages.
END_OF_SESSION = 0xFFFF
#: Bytes of a message block's length.
LENGTH_BYTES = 2


def arrival_layout(slots: int, slot_bytes: int) -> data.StructLayout:
    """A packet that has come and stands in a slot."""
    return data.StructLayout(
        {
            "slot": max(1, (slots - 1).bit_length()),
            "session": 80,
            "first": 64,  # sequence number of its first message
            "end": 64,  # of the first message behind it
            "bytes": slot_bytes.bit_length(),
        }
    )


def reserve_of(slots: int) -> int:
    """Free slots at which packets are waited for no longer: they take what comes meanwhile."""
    return slots // 4 if slots >= 8 else int(slots > 2)


class LineStore(wiring.Component):
    """Put each MoldUDP64 packet into a free slot, check its header, and say that it is there.

    Refused and counted: a packet with `error`, shorter than its header, longer than a slot, with
    more messages than its bytes can hold, or with sequence numbers past 2^64 (`malformed`); one for
    which no slot is free, or that comes while the one before is still waiting at `arrival`
    (`overflow`). The line is never held up.

    Latency is 2 cycles from the last beat to `arrival`.

    Parameters
    ----------
    slots : int
        Packets that are kept.
    slot_bytes : int
        Longest packet, a power of two.

    Members
    -------
    i : In(flow(payload_layout(8)))
        Payloads of the line; those with another tag are passed over.
    tag : In(8)
        Tag of the line's packets.
    arrival : Out(stream)
        Packets that have come, in their order.
    release : In(slots)
        Slots that are free again.
    full : Out(1)
        At most `reserve_of` slots are free, and nothing is on its way to `arrival`.
    read_en, read_addr, read_data
        A beat of a slot, one cycle after `read_en`; slot number above beat number.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slots, self.slot_bytes = slots, slot_bytes
        self.slot_beats = slot_bytes // BEAT_BYTES
        layout = arrival_layout(slots, slot_bytes)
        super().__init__(
            {
                "i": In(flow(payload_layout(BEAT_BYTES))),
                "tag": In(8),
                "arrival": Out(stream.Signature(layout)),
                "release": In(slots),
                "full": Out(1),
                "read_en": In(1),
                "read_addr": In((slots * self.slot_beats - 1).bit_length()),
                "read_data": Out(64),
                "counts": Out(pulses("packets", "malformed", "overflow", "heartbeats")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat, counts, slots = self.i.p, self.counts, self.slots
        m.submodules.beats = beats = memory.Memory(
            shape=64, depth=slots * self.slot_beats, init=[], attrs={"ram_style": "block"}
        )
        write, read = beats.write_port(), beats.read_port()
        at, slot, free = (
            Signal(range(self.slot_beats + 1)),
            Signal(range(slots)),
            Signal(range(slots)),
        )
        busy, skipping, into = Signal(slots), Signal(), Signal(range(slots))
        for n in reversed(range(slots)):
            with m.If(~busy[n]):
                m.d.comb += free.eq(n)
        here, starts, long, refused, came = Signal(), Signal(), Signal(), Signal(), Signal()
        spare = Signal(slots)
        m.d.comb += spare.eq(~busy)
        m.d.comb += [
            here.eq(self.i.valid & (beat.tag == self.tag)),
            starts.eq(at == 0),
            into.eq(Mux(starts, free, slot)),
            long.eq(at == self.slot_beats),
            refused.eq(here & ~skipping & starts & busy.all()),
            self.full.eq(~came & (sum(spare) <= reserve_of(slots))),
            read.en.eq(self.read_en),
            read.addr.eq(self.read_addr),
            self.read_data.eq(read.data),
            write.en.eq(here & ~skipping & ~long),
            write.addr.eq(Cat(at[: (self.slot_beats - 1).bit_length()], into)),
            write.data.eq(beat.data),
        ]

        header = Signal(data.StructLayout({"session": 80, "first": 64, "count": 16}))
        length, damaged, came_slot = Signal(16), Signal(), Signal(range(slots))
        freed = Signal(slots)
        m.d.sync += [came.eq(0), busy.eq(busy & ~self.release & ~freed)]
        with m.If(here):
            m.d.sync += skipping.eq((skipping | refused) & ~beat.last)
        with m.If(here & ~skipping & ~refused):
            m.d.sync += [
                at.eq(Mux(beat.last, 0, Mux(long, at, at + 1))),
                slot.eq(into),
                came.eq(beat.last),
                came_slot.eq(into),
                length.eq(Cat(beat.count, 0) + (at << 3)),
                damaged.eq(beat.error | long),
            ]
            with m.Switch(at):
                with m.Case(0):
                    m.d.sync += header.session[16:].eq(big_endian(beat.data, 0, 8))
                with m.Case(1):
                    m.d.sync += [
                        header.session[:16].eq(big_endian(beat.data, 0, 2)),
                        header.first[16:].eq(big_endian(beat.data, 2, 6)),
                    ]
                with m.Case(2):
                    m.d.sync += [
                        header.first[:16].eq(big_endian(beat.data, 0, 2)),
                        header.count.eq(big_endian(beat.data, 2, 2)),
                    ]
            with m.If(beat.last):
                m.d.sync += busy.eq((busy & ~self.release & ~freed) | (1 << into))

        # One cycle later the whole header stands, and no beat of the next packet has touched it.
        silent, messages, end, wrong, held = Signal(), Signal(16), Signal(65), Signal(), Signal()
        m.d.comb += [
            silent.eq((header.count == 0) | (header.count == END_OF_SESSION)),
            messages.eq(Mux(silent, 0, header.count)),
            end.eq(header.first + messages),
            wrong.eq(
                damaged
                | (length < HEADER_BYTES)
                | (LENGTH_BYTES * messages + HEADER_BYTES > length)
                | end[64]
            ),
            held.eq(self.arrival.valid & ~self.arrival.ready),
            freed.eq(Mux(came & (wrong | held), 1 << came_slot, 0)),
            counts.malformed.eq(came & wrong),
            counts.overflow.eq(refused | (came & ~wrong & held)),
            counts.packets.eq(came & ~wrong & ~held),
            counts.heartbeats.eq(counts.packets & silent),
        ]
        with m.If(self.arrival.ready):
            m.d.sync += self.arrival.valid.eq(0)
        with m.If(counts.packets):
            m.d.sync += [
                self.arrival.valid.eq(1),
                self.arrival.p.slot.eq(came_slot),
                self.arrival.p.session.eq(header.session),
                self.arrival.p.first.eq(header.first),
                self.arrival.p.end.eq(end),
                self.arrival.p.bytes.eq(length),
            ]
        return m
