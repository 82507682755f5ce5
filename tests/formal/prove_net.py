# SPDX-License-Identifier: Apache-2.0
"""The receiver comes to rest, whatever the wire brings.

Theorem, for every run of 24 cycles after reset: within eleven cycles of the last beat of a frame
every block of the receiver is as after reset, whatever the frame was; a payload, once begun, ends;
beats in mid-payload are full.
"""

from amaranth.hdl import Assert, Cover, Module, Signal
from amaranth.hdl._ast import AnySeq

from hdl.net.beat import BEAT
from hdl.net.receiver import Receiver
from tests.formal.kit import Proof, start

__all__ = ["PROOFS"]

REST_CYCLES = 11


def rest() -> Module:
    m = start()
    m.submodules.receiver = receiver = Receiver(frame_bytes=64)
    valid = AnySeq(1)
    m.d.comb += [
        receiver.i.valid.eq(valid),
        receiver.i.p.eq(AnySeq(BEAT.size)),
        receiver.mac.eq(AnySeq(48)),
        receiver.mac_check.eq(AnySeq(1)),
        receiver.filters.as_value().eq(AnySeq(len(receiver.filters.as_value()))),
    ]
    # Cycles since the end of the last frame, as long as no other has begun.
    inside, quiet = Signal(), Signal(5)
    with m.If(valid):
        m.d.sync += [inside.eq(~receiver.i.p.last), quiet.eq(0)]
    with m.Elif(~inside & ~quiet.all()):
        m.d.sync += quiet.eq(quiet + 1)
    out, begun = receiver.o, Signal()
    with m.If(out.valid):
        m.d.sync += begun.eq(~out.p.last)
    m.d.comb += [
        Assert(inside | (quiet < REST_CYCLES) | receiver.idle, "it comes to rest"),
        Assert(~receiver.idle | ~begun | inside, "a payload that begins ends"),
        Assert(~out.valid | (out.p.count != 0), "no beat is empty"),
        Assert(~out.valid | (out.p.count <= 8)),
        Assert(~out.valid | out.p.last | (out.p.count == 8), "a beat in mid-payload is full"),
        Cover(out.valid & out.p.last & ~out.p.error & begun, "a payload of two beats"),
        Cover(receiver.counts.drop_oversize),
        Cover(receiver.counts.drop_ip_checksum),
    ]
    return m


PROOFS = [
    Proof(
        "net_rest",
        "the receiver is as after reset within 11 cycles of any frame's end, each payload ends",
        rest,
        *("bounded", 24, 20, False),
    ),
]
