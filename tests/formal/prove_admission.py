# SPDX-License-Identifier: Apache-2.0
"""What admission promises the gate, for ever: no record comes too close behind another.

Whatever the link sends and whenever it does, queues full or not, resets at any time:

1. Behind a record that changes what an order is judged by a clock stays free, and between such a
   one and the EVENT_END before it.
2. What is taken goes out in the same clock, and nothing else does but the fabric's own CLEARs.
"""

from amaranth.hdl import Assert, Cat, Cover, Module, Signal
from amaranth.hdl._ast import AnySeq

from hdl.config import BuildConfig
from hdl.link.admission import Admission
from hdl.records import InKind
from hdl.risk.gate import MOVING
from tests.formal.kit import Proof, start

__all__ = ["PROOFS"]


def spaced() -> Module:
    m = start()
    m.submodules.admission = admission = Admission(BuildConfig(symbols=2))
    record = admission.i.p
    m.d.comb += [
        admission.i.valid.eq(AnySeq(1)),
        record.eq(AnySeq(len(record.as_value()))),
        admission.room.eq(AnySeq(1)),
        admission.swept.eq(AnySeq(1)),
        admission.reset.eq(AnySeq(1)),
        admission.reset_symbol.eq(AnySeq(32)),
    ]
    out = admission.o
    moves, was, taken, ended = Signal(), Signal(), Signal(), Signal()
    m.d.comb += [
        moves.eq(out.valid & ~admission.own & Cat(out.p.kind == kind for kind in MOVING).any()),
        taken.eq(admission.i.valid & admission.i.ready),
    ]
    m.d.sync += [was.eq(moves), ended.eq(taken & (record.kind == InKind.EVENT_END))]
    m.d.comb += [
        Assert(~(was & out.valid), "A CLOCK STAYS FREE BEHIND A REPORT"),
        Assert(~(ended & moves), "AND BEFORE IT, BEHIND AN ORDER"),
        Assert(~taken | (out.valid & ~admission.own & (out.p == record)), "what is taken goes out"),
        Assert(~(out.valid & ~admission.own) | taken, "and nothing else"),
        Assert(~admission.own | (out.p.kind == InKind.CLEAR)),
        Cover(was & admission.i.valid & admission.room & admission.swept & ~admission.busy),
        Cover(admission.own),
        Cover(taken & moves),
        Cover(ended & taken),
    ]
    return m


PROOFS = [
    Proof(
        "admission_spaced",
        "behind a record that changes what an order is judged by a clock stays free",
        spaced,
        *("induction", 2, 8, True),
    ),
]
