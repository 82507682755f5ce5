# SPDX-License-Identifier: Apache-2.0
"""UDP: the datagram's verdict, its port and length; what is left is payload."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_layout
from hdl.net.beat import BEAT, BEAT_BYTES, big_endian
from hdl.net.ipv4 import VERDICT
from hdl.net.registers import FILTER, FILTERS, pulses
from hdl.types import flow

__all__ = ["Udp"]

#: Reasons judged with the UDP header, in the order in which they count.
_HEADER = ("ip_header", "ip_checksum", "fragment", "protocol", "udp_truncated", "udp_length")
_REASONS = (*_HEADER, "group", "empty")


class Udp(wiring.Component):
    """Refuse the datagram under its first reason, or cut out its payload and tag it.

    The lengths say where the payload ends; what a short frame was filled up with is dropped. The
    last beat of a payload leaves with the last beat of its frame, because only then is it known
    whether the frame is whole: `error` is set when it is not.

    Latency is 2 cycles from the beat with the last byte of what leaves, throughput a beat a cycle.
    The UDP checksum is not looked at: the MAC checks the frame.

    Members
    -------
    i : In(flow(BEAT))
        UDP datagrams from byte 0 of a beat on, and padding.
    verdict : In(VERDICT)
        What the IPv4 header says of the frame whose first beat is on `i`.
    filters : In
        Destinations that are looked for; of several that match, the first gives the tag.
    o : Out(flow(payload_layout(8)))
        Payloads.
    counts : Out
        One pulse per counter. A frame the MAC marked counts as nothing here.
    idle : Out(1)
        No frame is open.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(flow(BEAT)),
                "verdict": In(VERDICT),
                "filters": In(data.ArrayLayout(FILTER, FILTERS)),
                "o": Out(flow(payload_layout(BEAT_BYTES))),
                "counts": Out(
                    pulses("packets", "drop_truncated", *(f"drop_{name}" for name in _REASONS))
                ),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        given, out, counts = self.i.p, self.o.p, self.counts
        word, verdict = given.data, self.verdict

        # First the header is judged while its beat moves on to `beat`.
        inside = Signal()
        beat, valid, is_header = Signal(BEAT), Signal(), Signal()
        wrong, matches, length = Signal(len(_HEADER)), Signal(FILTERS), Signal(16)
        m.d.sync += [valid.eq(self.i.valid), beat.eq(given), is_header.eq(~inside)]
        with m.If(self.i.valid):
            m.d.sync += inside.eq(~given.last)
        with m.If(self.i.valid & ~inside):
            claimed = big_endian(word, 4, 2)
            m.d.sync += [
                length.eq(claimed),
                matches.eq(
                    verdict.hits & Cat(each.port == big_endian(word, 2, 2) for each in self.filters)
                ),
                wrong.eq(
                    Cat(
                        *(verdict[name] for name in ("header", "checksum", "fragment", "protocol")),
                        given.last & (given.count < BEAT_BYTES),
                        (claimed != verdict.bytes) | (claimed[3:] == 0),
                    )
                ),
            ]

        reasons, first = Signal(len(_REASONS)), Signal(len(_REASONS))
        m.d.comb += [
            reasons.eq(Cat(wrong, ~matches.any(), length == 8)),
            first.eq(reasons & (~reasons + 1)[: len(_REASONS)]),
        ]
        good, left, tag = Signal(), Signal(16), Signal(8)
        ended = Signal()  # the payload is all here, its last beat waits for the frame's
        whole, short = Signal(), Signal()
        m.d.comb += [
            whole.eq((left[3:] == 0) | (left == BEAT_BYTES)),
            short.eq(beat.last & (~whole | (beat.count < left[:4]))),
        ]

        tags = Array(each.tag for each in self.filters)
        at = Signal(range(FILTERS))
        for n in reversed(range(FILTERS)):
            with m.If(matches[n]):
                m.d.comb += at.eq(n)

        refused_at_end = Signal(len(_REASONS))  # reason of the frame that is under way
        m.d.sync += self.o.valid.eq(0)
        counting = valid & beat.last & ~beat.error
        with m.If(valid & is_header):
            m.d.sync += [
                good.eq(~reasons.any()),
                refused_at_end.eq(first),
                left.eq(length - 8),
                tag.eq(tags[at]),
                ended.eq(0),
            ]
            for name, bit in zip(_REASONS, first, strict=True):
                m.d.comb += counts[f"drop_{name}"].eq(counting & bit)
            with m.If(~reasons.any()):  # the frame ends, and its payload has not begun
                m.d.comb += counts.drop_truncated.eq(counting)
        with m.Elif(valid & ~good):
            for name, bit in zip(_REASONS, refused_at_end, strict=True):
                m.d.comb += counts[f"drop_{name}"].eq(counting & bit)
        with m.Elif(valid & ended):
            m.d.sync += [
                self.o.valid.eq(beat.last),
                out.last.eq(1),
                out.error.eq(beat.error),
            ]
            m.d.comb += counts.packets.eq(counting)
        with m.Elif(valid):
            m.d.comb += [
                counts.packets.eq(counting & ~short),
                counts.drop_truncated.eq(counting & short),
            ]
            m.d.sync += [
                self.o.valid.eq(~whole | beat.last),
                out.data.eq(beat.data),
                out.count.eq(Mux(short, beat.count, Mux(whole, left[:4], BEAT_BYTES))),
                out.last.eq(beat.last),
                out.error.eq(beat.last & (beat.error | short)),
                left.eq(left - BEAT_BYTES),
                ended.eq(whole),
            ]
        m.d.sync += out.tag.eq(tag)
        m.d.comb += self.idle.eq(~inside & ~valid & ~self.o.valid)
        return m
