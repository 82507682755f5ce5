# SPDX-License-Identifier: Apache-2.0
"""What admission promises the gate, for ever: no record comes too close behind another.

Whatever the link sends and whenever it does, queues full or not, resets at any time:

1. Behind a record that changes what an order is judged by a clock stays free, and between such a
   one and the EVENT_END before it; only a CLEAR of the fabric's own may come there.
2. What is taken goes out in the same clock or, to leave one free, in the next; nothing else does
   but the fabric's own CLEARs, and no CLEAR meets what waits.
3. In a build for it, `IN_FLIGHT` clocks stay free behind each record, the fabric's own as well; it
   goes out a clock later as it came, and stands until the next.
"""

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, Signal
from amaranth.hdl._ast import AnySeq

from hdl.config import BuildConfig
from hdl.link.admission import IN_FLIGHT, Admission
from hdl.records import InKind
from hdl.risk.gate import MOVING
from tests.formal.kit import Proof, open_up, start

__all__ = ["PROOFS"]


def anything(m: Module, config: BuildConfig) -> Admission:
    """Admission, with whatever may come."""
    m.submodules.admission = admission = Admission(config)
    m.d.comb += [
        admission.i.valid.eq(AnySeq(1)),
        admission.i.p.eq(AnySeq(len(admission.i.p.as_value()))),
        admission.room.eq(AnySeq(1)),
        admission.swept.eq(AnySeq(1)),
        admission.reset.eq(AnySeq(1)),
        admission.reset_symbol.eq(AnySeq(32)),
    ]
    return admission


def spaced() -> Module:
    m = start()
    admission = anything(m, BuildConfig(symbols=2))
    record, out = admission.i.p, admission.o
    moves, was, taken, ended = Signal(), Signal(), Signal(), Signal()
    passes, holds, waits, held = Signal(), Signal(), Signal(), Signal.like(record)
    inside = open_up(admission)
    m.d.comb += [
        moves.eq(out.valid & ~admission.own & Cat(out.p.kind == kind for kind in MOVING).any()),
        taken.eq(admission.i.valid & admission.i.ready),
        passes.eq(out.valid & ~admission.own & ~waits & (out.p == record)),
        holds.eq(taken & ~out.valid),
    ]
    m.d.sync += [
        was.eq(moves),
        ended.eq(out.valid & ~admission.own & (out.p.kind == InKind.EVENT_END)),
        waits.eq(holds),
    ]
    with m.If(holds):
        m.d.sync += held.eq(record)
    m.d.comb += [
        Assert(~(was & out.valid & ~admission.own), "A CLOCK STAYS FREE BEHIND A REPORT"),
        Assert(~(ended & moves), "AND BEFORE IT, BEHIND AN ORDER"),
        Assert(~taken | passes | holds, "what is taken goes out"),
        Assert(~holds | ended, "or waits behind an EVENT_END"),
        Assert(
            ~waits | (out.valid & ~admission.own & (out.p == held) & ~taken), "for a clock at most"
        ),
        Assert(~(out.valid & ~admission.own) | taken | waits, "and nothing else"),
        Assert((inside["waits"] == waits) & (~waits | (inside["late"] == held))),
        Assert((inside["ended"] == ended) & (inside["moved"] == was)),
        Assert(~waits | Cat(held.kind == kind for kind in MOVING).any()),
        Assert(~waits | ~inside["resetting"]),
        Assert(inside["resetting"] | ~inside["marked"].any()),
        Assert(~admission.own | (out.p.kind == InKind.CLEAR)),
        Cover(was & admission.i.valid & admission.room & admission.swept & ~admission.busy),
        Cover(admission.own),
        Cover(taken & moves),
        Cover(ended & passes),
        Cover(waits),
    ]
    return m


def one_at_a_time() -> Module:
    m = start()
    admission = anything(m, BuildConfig(symbols=2, spaced=True))
    out, inside = admission.o, open_up(admission)
    since = Signal(range(IN_FLIGHT + 1), init=IN_FLIGHT)  # clocks without a record
    m.d.sync += since.eq(Mux(inside["goes"], 0, since + (since != IN_FLIGHT)))
    cleared, went, taken = Signal(), Signal(), Signal()
    record, stood = Signal.like(out.p), Signal.like(out.p)
    m.d.sync += [
        cleared.eq(cleared | admission.own),
        went.eq(inside["goes"]),
        taken.eq(admission.i.valid & admission.i.ready),
        record.eq(admission.i.p),
        stood.eq(out.p),
    ]
    m.d.comb += [
        Assert(~inside["goes"] | (since == IN_FLIGHT), "NO RECORD WHILE ANOTHER IS UNDER WAY"),
        Assert(out.valid == went, "a clock behind"),
        Assert(inside["rest"] == IN_FLIGHT - since),
        Assert(inside["free"] == (since == IN_FLIGHT)),
        Assert(~inside["waits"]),
        Assert(out.valid == (taken | admission.own), "all that is taken, and nothing else"),
        Assert(~(taken & admission.own)),
        Assert(~taken | (out.p == record), "as it came"),
        Assert(out.valid | (out.p == stood), "it stands"),
        Cover(out.valid & admission.own),
        Cover(out.valid & ~admission.own & cleared),
        Cover((since == IN_FLIGHT - 1) & admission.i.valid),
    ]
    return m


PROOFS = [
    Proof(
        "admission_one_at_a_time",
        "in a spaced build no record comes while another is under way",
        one_at_a_time,
        *("induction", 2, 70, True),
    ),
    Proof(
        "admission_spaced",
        "behind a record that changes what an order is judged by a clock stays free",
        spaced,
        *("induction", 2, 8, True),
    ),
]
