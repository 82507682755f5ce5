# SPDX-License-Identifier: Apache-2.0
"""The network, whatever the wire brings: the receiver comes to rest, no message leaves twice.

Theorems:

* Within eleven cycles of the last beat of a frame every block of the receiver is as after reset,
  whatever the frame was; and a payload, once begun, ends.
* In a session, what the arbiter (one slot a line) gives on or declares lost begins at the expected
  number and ends behind it, where the next one begins: no message leaves twice, none unsaid.
"""

from amaranth.hdl import Assert, Cover, Module, Mux, Signal
from amaranth.hdl._ast import AnySeq

from hdl.net.arbiter import Arbiter
from hdl.net.beat import BEAT
from hdl.net.receiver import Receiver
from tests.formal.kit import Proof, open_up, start

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
    out, begun, told = receiver.o, Signal(), Signal()
    with m.If(out.valid):
        m.d.sync += begun.eq(~out.p.last)
    m.d.sync += told.eq(1)
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


def once() -> Module:
    m = start()
    m.submodules.arbiter = arbiter = Arbiter(slots=1, slot_bytes=64)
    inside = open_up(arbiter)
    give = inside["give"]
    for line in (arbiter.a, arbiter.b):
        m.d.comb += [line.valid.eq(AnySeq(1)), line.p.eq(AnySeq(len(line.p.as_value())))]
    m.d.comb += [
        arbiter.o.ready.eq(AnySeq(1)),
        arbiter.tag.eq(AnySeq(8)),
        arbiter.window.eq(AnySeq(32)),
        arbiter.first.eq(AnySeq(64)),
        arbiter.restart.eq(AnySeq(1)),
    ]
    expected, job, state = arbiter.expected, give.job, inside["state"].as_value()
    offers, loses = state == 1, state == 3
    joining, least = inside["joining"], inside["least"]

    # What is given on begins where the last one ended; only a session's beginning moves it freely.
    gone = Signal(64)
    leaves = job.valid & job.ready
    with m.If(leaves):
        m.d.sync += gone.eq(inside["chosen"].end)
        with m.If(loses):
            m.d.sync += gone.eq(Mux(joining, job.p.first, least))
    m.d.comb += [
        Assert(
            ~leaves | (loses & joining) | (job.p.first == gone), "it begins where the last ended"
        ),
        Assert(~(leaves & offers) | (inside["chosen"].end > gone), "and ends behind it"),
        Assert(~(leaves & loses) | joining | (least > gone), "a loss ends behind it as well"),
        Assert(~job.valid | offers | job.p.gap),
        Assert(~job.valid | loses | ~job.p.gap),
    ]

    # What makes it so: the flags of a known slot are those of the expected number.
    m.d.comb += [
        Assert(gone == expected),
        Assert(~(offers | loses) | ~inside["forget"]),
        Assert(
            ~offers | ((inside["chosen"].first <= expected) & (inside["chosen"].end > expected))
        ),
        Assert(joining == ((state == 2) | (loses & joining))),
        Assert(~inside["seen_held"] | joining | (inside["seen"] > expected)),
        Assert(~inside["found"] | joining | (least > expected)),
        Assert(~loses | inside["found"]),
    ]
    for n, entry in enumerate(inside["table"]):
        known = inside["known"][n] & inside["valid"][n]
        m.d.comb += [
            Assert(~known | (inside["ahead"][n] == (entry.first > expected))),
            Assert(~known | (inside["spent"][n] == (entry.end <= expected))),
            Assert(~joining | ~inside["known"][n]),
        ]
    m.d.comb += [
        Cover(leaves & offers & (job.p.skip == 0)),
        Cover(leaves & loses & joining),
    ]
    return m


PROOFS = [
    Proof(
        "net_rest",
        "the receiver is as after reset within 11 cycles of any frame's end, each payload ends",
        rest,
        *("bounded", 24, 20, False),
    ),
    Proof(
        "net_once",
        "what the arbiter gives on or declares lost begins where the last ended, no message twice",
        once,
        *("induction", 2, 24, False),
    ),
]
