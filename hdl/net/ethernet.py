# SPDX-License-Identifier: Apache-2.0
"""Ethernet II: frames are bounded, checked for their station and type, and lose their header."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.net.beat import BEAT, BEAT_BYTES, big_endian
from hdl.net.registers import pulses
from hdl.types import flow

__all__ = ["Ethernet", "FrameGuard"]

TYPE_IPV4, TYPE_VLAN = 0x0800, 0x8100
#: First 25 bits of the MAC address of every IPv4 group, 01:00:5e and a 0.
GROUP_PREFIX = 0x01005E << 1


class FrameGuard(wiring.Component):
    """Whatever the MAC sends, what leaves are whole frames of bounded length.

    A frame longer than the build allows is cut there, marked, and its rest swallowed. A byte count
    other than 8, or 1 to 8 in the last beat, marks its frame. What is marked is counted here, and
    by no block behind.

    Latency is 1 cycle, throughput a beat a cycle.

    Parameters
    ----------
    frame_bytes : int
        Longest frame, a multiple of 8.

    Members
    -------
    i, o : flow(BEAT)
        Beats.
    counts : Out
        One pulse per counter.
    idle : Out(1)
        No frame is open.

    Raises
    ------
    ValueError
        `frame_bytes` is no multiple of 8 from 64 to 16384.
    """

    def __init__(self, frame_bytes: int = 1520) -> None:
        if frame_bytes % BEAT_BYTES or not 64 <= frame_bytes <= 16384:
            raise ValueError(
                f"frame_bytes: expected a multiple of 8 from 64 to 16384, was {frame_bytes}"
            )
        self.beats = frame_bytes // BEAT_BYTES
        super().__init__(
            {
                "i": In(flow(BEAT)),
                "o": Out(flow(BEAT)),
                "counts": Out(pulses("frames", "drop_oversize", "drop_error")),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat, out = self.i.p, self.o.p
        at = Signal(range(self.beats + 1))
        cut, odd = Signal(), Signal()
        over, wrong, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            over.eq(at == self.beats),
            wrong.eq(Mux(beat.last, (beat.count == 0) | (beat.count > 8), beat.count != 8)),
            ends.eq(beat.last | over),
            self.counts.frames.eq(self.i.valid & beat.last),
            self.counts.drop_oversize.eq(self.i.valid & ~cut & over),
            self.counts.drop_error.eq(
                self.i.valid & ~cut & ~over & beat.last & (beat.error | wrong | odd)
            ),
            self.idle.eq((at == 0) & ~cut & ~self.o.valid),
        ]
        m.d.sync += [
            self.o.valid.eq(self.i.valid & ~cut),
            out.data.eq(beat.data),
            out.count.eq(Mux(wrong, BEAT_BYTES, beat.count)),
            out.last.eq(ends),
            out.error.eq(ends & (over | beat.error | wrong | odd)),
        ]
        with m.If(self.i.valid):
            m.d.sync += [
                cut.eq((cut | over) & ~beat.last),
                at.eq(Mux(cut | ends, 0, at + 1)),
                odd.eq(~cut & ~ends & (odd | wrong)),
            ]
        return m


class Ethernet(wiring.Component):
    """Take off the Ethernet header, with at most one VLAN tag, and hand on what it carries if IPv4.

    Latency is 1 cycle from the beat with the last byte of what leaves, throughput a beat a cycle:
    a beat left over at the end leaves while the next frame's header comes in.

    Members
    -------
    i : In(flow(BEAT))
        Frames of `FrameGuard`.
    o : Out(flow(BEAT))
        IPv4 datagrams and what is behind them, from byte 0 of a beat on. None is empty.
    mac : In(48), mac_check : In(1)
        Station address; with `mac_check` set only frames for it or for an IPv4 group are taken.
    counts : Out
        One pulse per counter. A marked frame counts as nothing here.
    idle : Out(1)
        No frame is open and nothing is left over.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(flow(BEAT)),
                "o": Out(flow(BEAT)),
                "mac": In(48),
                "mac_check": In(1),
                "counts": Out(pulses("drop_runt", "drop_mac", "drop_type")),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat, out = self.i.p, self.o.p
        before, at = Signal(64), Signal(2)  # `at`: number of the beat, 3 for all from there on
        kept = {name: Signal(name=f"kept_{name}") for name in ("mine", "tagged", "ipv4")}
        mine, tagged, ipv4 = Signal(), Signal(), Signal()
        address = big_endian(beat.data, 0, 6)
        outer, inner = big_endian(beat.data, 4, 2), big_endian(beat.data, 0, 2)
        in_group = address[23:] == GROUP_PREFIX
        m.d.comb += [
            mine.eq(kept["mine"]),
            tagged.eq(kept["tagged"]),
            ipv4.eq(kept["ipv4"]),
        ]
        with m.If(at == 0):
            m.d.comb += mine.eq(~self.mac_check | (address == self.mac) | in_group)
        with m.If(at == 1):
            m.d.comb += [tagged.eq(outer == TYPE_VLAN), ipv4.eq(outer == TYPE_IPV4)]
        with m.If((at == 2) & tagged):
            m.d.comb += ipv4.eq(inner == TYPE_IPV4)

        # The datagram begins at byte 6 of beat 1, behind a tag at byte 2 of beat 2.
        behind, over, begun, some = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            behind.eq(Mux(tagged, at == 3, at >= 2)),
            begun.eq(Mux(tagged, at >= 2, at >= 1)),
            over.eq(beat.count > Mux(tagged, 2, 6)),
            some.eq(behind | (begun & over)),
        ]
        ends = self.i.valid & beat.last
        refused = Signal()
        m.d.comb += [
            refused.eq(~mine | ~ipv4),
            self.counts.drop_runt.eq(ends & ~beat.error & ~some),
            self.counts.drop_mac.eq(ends & ~beat.error & some & ~mine),
            self.counts.drop_type.eq(ends & ~beat.error & some & mine & ~ipv4),
        ]

        rest, rest_tagged, rest_error, rest_count = Signal(), Signal(), Signal(), Signal(4)
        m.d.sync += [
            self.o.valid.eq(rest | (self.i.valid & behind & ~refused)),
            rest.eq(ends & begun & over & ~refused),
            rest_tagged.eq(tagged),
            rest_error.eq(beat.error),
            rest_count.eq(beat.count - Mux(tagged, 2, 6)),
            out.data.eq(
                Mux(
                    Mux(rest, rest_tagged, tagged),
                    Cat(before[16:], beat.data[:16]),
                    Cat(before[48:], beat.data[:48]),
                )
            ),
            out.last.eq(rest | (beat.last & ~over)),
            out.error.eq(Mux(rest, rest_error, beat.last & ~over & beat.error)),
            out.count.eq(BEAT_BYTES),
        ]
        with m.If(rest):
            m.d.sync += out.count.eq(rest_count)
        with m.Elif(beat.last & ~over):
            m.d.sync += out.count.eq(beat.count + Mux(tagged, 6, 2))
        with m.If(self.i.valid):
            m.d.sync += [
                before.eq(beat.data),
                at.eq(Mux(beat.last, 0, Mux(at == 3, 3, at + 1))),
                kept["mine"].eq(mine),
                kept["tagged"].eq(tagged & ~beat.last),
                kept["ipv4"].eq(ipv4),
            ]
        m.d.comb += self.idle.eq((at == 0) & ~rest & ~self.o.valid)
        return m
