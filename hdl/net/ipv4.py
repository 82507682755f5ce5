# SPDX-License-Identifier: Apache-2.0
"""IPv4: the header is judged and taken off, options included."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.beat import BEAT, BEAT_BYTES, big_endian
from hdl.net.registers import FILTER, FILTERS, pulses
from hdl.types import flow

__all__ = ["VERDICT", "Ipv4"]

PROTOCOL_UDP = 17

#: What the header says of its datagram.
VERDICT = data.StructLayout(
    {
        "header": 1,  # version, header length or total length cannot be
        "checksum": 1,  # the header's checksum is wrong
        "fragment": 1,
        "protocol": 1,  # not UDP
        "hits": FILTERS,  # filters that name its destination
        "bytes": 16,  # of what the datagram carries
    }
)


class Ipv4(wiring.Component):
    """Take off the IPv4 header and say what is wrong with it.

    Latency is 3 cycles from the beat with the last byte of what leaves, so that the verdict stands
    when the first beat does; throughput a beat a cycle.

    Members
    -------
    i : In(flow(BEAT))
        Datagrams from byte 0 of a beat on.
    o : Out(flow(BEAT))
        What they carry, from byte 0 of a beat on, and padding. None is empty.
    verdict : Out(VERDICT)
        About the frame whose first beat is on `o`; valid in that cycle.
    filters : In
        Destinations that are looked for.
    counts : Out
        Pulse of the counter: the frame ends within its IPv4 header or right behind it.
    idle : Out(1)
        No frame is open and nothing is left over.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(flow(BEAT)),
                "o": Out(flow(BEAT)),
                "verdict": Out(VERDICT),
                "filters": In(data.ArrayLayout(FILTER, FILTERS)),
                "counts": Out(pulses("drop_ip_truncated")),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat, word = self.i.p, self.i.p.data
        before, at = Signal(64), Signal(4)  # `at`: number of the beat, 8 for all from there on
        words, end, half = Signal(4, init=5), Signal(3), Signal()
        # The header has `words` words; its last byte is in beat `end`, in its middle if `half`.
        m.d.comb += [end.eq((words - 1)[1:]), half.eq(words[0])]

        header, fragment, protocol, total = Signal(), Signal(), Signal(), Signal(16)
        hits = Signal(FILTERS)
        with m.If(self.i.valid):
            m.d.sync += [before.eq(word), at.eq(Mux(beat.last, 0, Mux(at == 8, 8, at + 1)))]
            with m.If(at == 0):
                m.d.sync += [
                    words.eq(Mux(word[:4] < 5, 5, word[:4])),
                    header.eq((word[4:8] != 4) | (word[:4] < 5)),
                    total.eq(big_endian(word, 2, 2)),
                    fragment.eq((big_endian(word, 6, 2) & 0x3FFF) != 0),
                ]
            with m.If(at == 1):
                m.d.sync += protocol.eq(word[8:16] != PROTOCOL_UDP)
            with m.If(at == 2):
                address = big_endian(word, 0, 4)
                m.d.sync += hits.eq(Cat(each.on & (each.group == address) for each in self.filters))

        inside, final, behind = Signal(), Signal(), Signal()
        m.d.comb += [
            final.eq((at == end) & (at >= 2)),
            inside.eq((at < 2) | (at <= end)),
            behind.eq((at > end) & (at > 2)),
        ]

        # One's complement sum of the header: words of a beat, all of them, folded, compared.
        parts = [big_endian(word, first, 2) for first in range(0, BEAT_BYTES, 2)]
        some, total_sum, folded = Signal(18), Signal(21), Signal(17)
        came, begins, closed, closed_2 = Signal(), Signal(), Signal(), Signal()
        length = Signal(17)
        judged = Signal(VERDICT)
        m.d.sync += [
            came.eq(self.i.valid & inside),
            begins.eq(at == 0),
            some.eq(parts[0] + parts[1] + Mux(final & half, 0, parts[2] + parts[3])),
            closed.eq(self.i.valid & final),
            closed_2.eq(closed),
        ]
        with m.If(came):
            m.d.sync += total_sum.eq(Mux(begins, 0, total_sum) + some)
        m.d.sync += folded.eq(total_sum[:16] + total_sum[16:])
        with m.If(closed):
            # The next frame's header may be on its way by the time this one's is judged.
            m.d.sync += [
                length.eq(total - Cat(0, 0, words)),
                judged.header.eq(header),
                judged.fragment.eq(fragment),
                judged.protocol.eq(protocol),
                judged.hits.eq(hits),
            ]
        m.d.sync += [
            self.verdict.eq(judged),
            self.verdict.header.eq(judged.header | length[16]),
            self.verdict.bytes.eq(length[:16]),
            self.verdict.checksum.eq(folded != 0xFFFF),
        ]

        rest, rest_error, rest_count = Signal(), Signal(), Signal(4)
        over = half & (beat.count > 4)
        ends = self.i.valid & beat.last
        leaves = data.StructLayout({"valid": 1, "beat": BEAT})
        stages = [Signal(leaves, name=f"stage_{n}") for n in range(3)]
        first = stages[0].beat
        m.d.comb += self.counts.drop_ip_truncated.eq(ends & ~beat.error & ~behind & ~(final & over))
        m.d.sync += [
            rest.eq(ends & (final | behind) & over),
            rest_error.eq(beat.error),
            rest_count.eq(beat.count - 4),
            stages[0].valid.eq(rest | (self.i.valid & behind)),
            first.data.eq(Mux(rest | half, Cat(before[32:], word[:32]), word)),
            first.last.eq(rest | (beat.last & ~over)),
            first.error.eq(Mux(rest, rest_error, beat.last & ~over & beat.error)),
            first.count.eq(BEAT_BYTES),
            *(later.eq(sooner) for sooner, later in pairwise(stages)),
        ]
        with m.If(rest):
            m.d.sync += first.count.eq(rest_count)
        with m.Elif(beat.last & ~over):
            m.d.sync += first.count.eq(Mux(half, beat.count + 4, beat.count))
        m.d.comb += [
            self.o.valid.eq(stages[-1].valid),
            self.o.p.eq(stages[-1].beat),
            self.idle.eq((at == 0) & ~rest & ~Cat(stage.valid for stage in stages).any()),
        ]
        return m
