# SPDX-License-Identifier: Apache-2.0
"""The receiver: frames of a MAC in, payloads of the datagrams that are looked for out."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.payload import payload_layout
from hdl.net.beat import BEAT, BEAT_BYTES
from hdl.net.ethernet import Ethernet, FrameGuard
from hdl.net.ipv4 import Ipv4
from hdl.net.registers import DROPS, FILTER, FILTERS, pulses
from hdl.net.udp import Udp
from hdl.types import flow

__all__ = ["RECEIVE_LATENCY", "Receiver"]

#: Cycles from the beat with the last byte of a payload beat to that payload beat. The last byte of
#: the headers is in the beat before, so from there to the first payload beat it is one more, and
#: another one where a VLAN tag and an even number of option words stand before.
RECEIVE_LATENCY = 7


class Receiver(wiring.Component):
    """Ethernet II, IPv4 and UDP, checked and taken off; everything else counted.

    Each frame counts in `frames`, and either in `packets` or in exactly one of the `drop_*`. A
    payload that had begun when its frame turned out to be damaged, cut or too long ends with
    `error`. The MAC is never held up.

    Latency is `RECEIVE_LATENCY` cycles, throughput a beat a cycle.

    Parameters
    ----------
    frame_bytes : int
        Longest frame, a multiple of 8.

    Members
    -------
    i : In(flow(BEAT))
        Frames of the MAC.
    o : Out(flow(payload_layout(8)))
        Payloads.
    mac : In(48), mac_check : In(1)
        Station address, and whether it matters.
    filters : In
        Destination groups and ports that are looked for.
    counts : Out
        One pulse per counter.
    idle : Out(1)
        Everything is as after reset.
    """

    def __init__(self, frame_bytes: int = 1520) -> None:
        self.frame_bytes = frame_bytes
        super().__init__(
            {
                "i": In(flow(BEAT)),
                "o": Out(flow(payload_layout(BEAT_BYTES))),
                "mac": In(48),
                "mac_check": In(1),
                "filters": In(data.ArrayLayout(FILTER, FILTERS)),
                "counts": Out(pulses("frames", "packets", *(f"drop_{name}" for name, _ in DROPS))),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.guard = guard = FrameGuard(self.frame_bytes)
        m.submodules.ethernet = ethernet = Ethernet()
        m.submodules.ipv4 = ipv4 = Ipv4()
        m.submodules.udp = udp = Udp()
        wiring.connect(m, wiring.flipped(self.i), guard.i)
        wiring.connect(m, guard.o, ethernet.i)
        wiring.connect(m, ethernet.o, ipv4.i)
        wiring.connect(m, ipv4.o, udp.i)
        wiring.connect(m, udp.o, wiring.flipped(self.o))
        blocks = (guard, ethernet, ipv4, udp)
        m.d.comb += [
            ethernet.mac.eq(self.mac),
            ethernet.mac_check.eq(self.mac_check),
            ipv4.filters.eq(self.filters),
            udp.filters.eq(self.filters),
            udp.verdict.eq(ipv4.verdict),
            self.idle.eq(guard.idle & ethernet.idle & ipv4.idle & udp.idle),
        ]
        for name, _ in self.counts.shape():
            (source,) = (b.counts[name] for b in blocks if name in b.counts.shape().members)
            m.d.comb += self.counts[name].eq(source)
        return m
