# SPDX-License-Identifier: Apache-2.0
"""The stream of records and frames comes back to records, whatever a FRAME announces.

Theorem, for any beats on any clocks: of a FRAME that is taken, its decoder gets as many beats as
hold the bytes it announces, the last one marked, and with the next beat records pass again; of one
that is refused as many are skipped, none with START. Bytes of a frame go to one decoder, and none
of them is handed on as a record.
"""

from amaranth.hdl import Assert, Cover, Module, Mux, Signal
from amaranth.hdl._ast import AnySeq

from hdl.config import BuildConfig
from hdl.feed.ingress import BEAT_BYTES, Ingress
from hdl.records import InFlag, InKind, Protocol
from tests.formal.kit import Proof, open_up, start

__all__ = ["PROOFS"]

CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=40, sbe=True, itch=True)


def returns() -> Module:
    m = start()
    ingress = Ingress(CONFIG)
    seen = open_up(ingress)
    m.submodules.ingress = ingress
    names = ("state", "beats", "final", "mold", "count")
    state, beats, final, mold, count = (seen[name] for name in names)
    record, decoded = ingress.i.p, ingress.decoded.p
    valid, rests, sbe_ready, itch_ready, out_ready = (AnySeq(1) for _ in range(5))
    m.d.comb += [
        ingress.i.valid.eq(valid),
        record.eq(AnySeq(len(record.as_value()))),
        ingress.at_rest.eq(rests),
        ingress.sbe.ready.eq(sbe_ready),
        ingress.itch.ready.eq(itch_ready),
        ingress.o.ready.eq(out_ready),
        ingress.decoded.valid.eq(AnySeq(1)),
        decoded.eq(AnySeq(len(decoded.as_value()))),
    ]
    # By the contract: beats that hold what the last FRAME announced, and how many have been taken.
    left, of_mold, tail = Signal(29), Signal(), Signal(5, init=1)
    taken = ingress.i.valid & ingress.i.ready
    between = Signal()
    m.d.comb += between.eq(left == 0)
    begins = taken & between & (record.kind == InKind.FRAME)
    length = record.value[:32]
    partly = length[:4] != 0
    starts = (record.flags & int(InFlag.START)) != 0
    with m.If(begins):
        m.d.sync += [
            left.eq(Mux(starts, 0, length[4:] + partly)),
            of_mold.eq(record.tag == Protocol.MOLDUDP64),
            tail.eq(Mux(partly, length[:4], BEAT_BYTES)),
        ]
    with m.Elif(taken & ~between):
        m.d.sync += left.eq(left - 1)
    records, to_bytes, refused, skip = (state.as_value() == n for n in range(4))
    sbe, itch = ingress.sbe, ingress.itch
    passed = ingress.o.valid & ingress.o.ready & (state.as_value() == 0) & rests
    m.d.comb += [
        Assert(~records | between, "records pass when no byte is missing"),
        Assert(records | refused | ~between, "as soon as none is"),
        Assert(~to_bytes | (left == beats)),
        Assert(~skip | (left == beats)),
        Assert(~refused | (left == beats)),
        Assert(records | (refused & between) | (final == (beats == 1))),
        Assert(~to_bytes | (mold == of_mold)),
        Assert(~(sbe.valid & itch.valid), "a beat goes to one decoder"),
        Assert(~(sbe.valid | itch.valid) | to_bytes),
        Assert(~sbe.valid | (sbe.p.last == (left == 1)), "its last beat is marked"),
        Assert(~itch.valid | (itch.p.last == (left == 1))),
        Assert((tail >= 1) & (tail <= BEAT_BYTES)),
        Assert(~to_bytes | (count == tail)),
        Assert(~sbe.valid | (sbe.p.count == Mux(left == 1, tail, BEAT_BYTES)), "its bytes"),
        Assert(~refused | ~taken, "the refused FRAME goes first"),
        Assert(~passed | ~valid | between, "no byte of a frame passes for a record"),
        Assert(~skip | ingress.i.ready, "what nobody takes is not held up"),
        Cover(to_bytes & taken & (left == 1) & mold),
        Cover(to_bytes & taken & (left == 1) & ~mold),
        Cover(skip & (left == 1)),
        Cover(refused & (left == 1 << 28)),
        Cover(refused & between),
    ]
    return m


PROOFS = [
    Proof(
        "ingress_returns",
        "a frame is as many beats as it says, and behind its last one records pass again",
        returns,
        *("induction", 2, 12, True),
    ),
]
