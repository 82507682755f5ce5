# SPDX-License-Identifier: Apache-2.0
"""The way out loses nothing: room is kept, the stream is well behaved, records stay in order.

The pipeline between the valve and the queues is stood in for by its latencies: of a record taken
in, a view may come out after decoder and book, and its decision entry at the end. Which records
cause which is left open, and when the reader is ready. A reset of a symbol only keeps records out
for a while, as a link does that offers none, so there is none here.

1. `room`: no queue is ever written when full.
2. `stream`: valid does not fall and the record does not change before it is taken; `seq` goes up by
   one for each record taken. Taken as given here: a view is there when its turn comes. That is
3. `order`: whenever an entry says a view belongs to it, that view is at the head of the view queue.
"""

from dataclasses import replace
from typing import NamedTuple

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Signal
from amaranth.hdl._ast import AnySeq

from hdl.config import BuildConfig
from hdl.link.admission import IN_FLIGHT, Admission, reserved
from hdl.link.emit import ORDER, Emit
from hdl.pipeline import decision_latency, stage_latency
from hdl.records import OutKind
from hdl.signal.vector import LATENCY as FEATURES_LATENCY
from hdl.types import decision_layout, vector_layout, view_result_layout
from tests.formal.kit import Proof, open_up, start

__all__ = ["PROOFS"]

CONFIG = BuildConfig(symbols=1, levels=3, price_bits=3, qty_bits=2, result_depth=32)
SPACED = replace(CONFIG, result_depth=16, spaced=True)
TAG = 4


class Clocks(NamedTuple):
    """From a record taken in to what may come of it."""

    decisions: int
    views: int
    vectors: int


def clocks(config: BuildConfig) -> Clocks:
    """Those of a build; in a spaced one a view is told before it is judged."""
    stages = stage_latency(config)
    judged = stages["admission"] + stages["decoder"] + stages["book"]
    return Clocks(decision_latency(config), judged - config.spaced, judged + FEATURES_LATENCY)


def way_out(
    one_record: bool = False, config: BuildConfig = CONFIG
) -> tuple[Module, Emit, dict, list, list]:
    """Admission and queues, with latencies for a pipeline; the tokens and views under way.

    With `one_record` a view is one record, never more. How long an entry stands at the head of its
    queue is as free as without: more records make it longer, as does a reader that is not ready.
    """
    m = start()
    m.submodules.admission = admission = Admission(config)
    m.submodules.emit = emit = Emit(config)
    inside, after = open_up(emit), clocks(config)
    m.d.comb += [
        admission.i.valid.eq(AnySeq(1)),
        admission.room.eq(emit.room),
        admission.swept.eq(1),
        emit.o.ready.eq(AnySeq(1)),
    ]
    under_way = [admission.i.valid & admission.i.ready]
    for n in range(1, after.decisions + 1):
        under_way.append(Signal(name=f"under_way{n}"))
        m.d.sync += under_way[n].eq(under_way[n - 1])
    # A view and its decision carry the same number.
    has_view = {after.views: under_way[after.views] & AnySeq(1)}
    number = {after.views: AnySeq(TAG)}
    for n in range(after.views + 1, after.decisions + 1):
        has_view[n], number[n] = Signal(name=f"has_view{n}"), Signal(TAG, name=f"number{n}")
        m.d.sync += [has_view[n].eq(has_view[n - 1]), number[n].eq(number[n - 1])]
    wanted, kill = AnySeq(1), AnySeq(1)
    of_record = Signal()
    m.d.comb += of_record.eq(under_way[-1] & (wanted | has_view[after.decisions]))
    entry, view = Signal(decision_layout(CONFIG)), Signal(view_result_layout(CONFIG))
    # A view that tells features has a vector, some clocks later.
    has_vector = {after.views: has_view[after.views] & view.report[2]}
    for n in range(after.views + 1, after.vectors + 1):
        has_vector[n] = Signal(name=f"has_vector{n}")
        m.d.sync += has_vector[n].eq(has_vector[n - 1])
    m.d.comb += [
        emit.vectors.p.eq(0 if one_record else AnySeq(vector_layout().size)),
        emit.vectors.p.report[2].eq(has_vector[after.vectors]),
        emit.vectors.valid.eq(under_way[after.vectors]),
        view.eq(0 if one_record else AnySeq(len(view.as_value()))),
        *([view.report.eq(1)] if one_record else []),
        emit.views.valid.eq(has_view[after.views]),
        emit.views.p.eq(view),
        emit.views.p.update_id.eq(number[after.views]),
        entry.eq(0 if one_record else AnySeq(len(entry.as_value()))),
        # A kill that no record caused is told when there is room and nothing else is.
        emit.decisions.valid.eq(of_record | (kill & emit.room)),
        emit.decisions.p.eq(entry),
        emit.decisions.p.wanted.eq(wanted & of_record),
        emit.decisions.p.has_view.eq(has_view[after.decisions] & of_record),
        emit.decisions.p.update_id.eq(number[after.decisions]),
    ]
    return m, emit, inside, under_way, has_view


def room() -> Module:
    m, emit, inside, under_way, has_view = way_out()
    del has_view
    for name, latency in clocks(CONFIG)._asdict().items():
        queue = inside["queues"][name]
        coming = sum(under_way[1 : latency + 1])
        levels = open_up(queue)
        m.d.comb += [
            Assert(~queue.w_en | queue.w_rdy, f"no {name} lost"),
            # Room was promised to all that is under way.
            Assert(queue.level + coming < CONFIG.result_depth),
            Assert(~emit.room | (queue.level <= CONFIG.result_depth // 2)),
            Assert(levels["inner_level"] <= CONFIG.result_depth - 1),
            Cover(queue.level >= CONFIG.result_depth - IN_FLIGHT + 4, f"{name}: reserve in use"),
        ]
    m.d.comb += Cover(emit.o.valid & ~emit.room, "the valve is closed")
    return m


def room_spaced() -> Module:
    """One record under way at most, and kills whenever there is room."""
    m, emit, inside, under_way, has_view = way_out(config=SPACED)
    del has_view
    valve = open_up(m.submodules.admission)
    rest, free = valve["rest"], valve["free"]
    m.d.comb += Assert(free == (rest == 0))
    for n in range(1, len(under_way)):
        m.d.comb += Assert(~under_way[n] | (rest == IN_FLIGHT + 1 - n), "it is alone")
    for name, latency in clocks(SPACED)._asdict().items():
        queue = inside["queues"][name]
        coming = sum(under_way[1 : latency + 1])
        m.d.comb += [
            Assert(~queue.w_en | queue.w_rdy, f"no {name} lost"),
            Assert(queue.level + coming <= SPACED.result_depth - 2),
            Assert(~emit.room | (queue.level <= SPACED.result_depth - reserved(SPACED))),
        ]
    m.d.comb += [
        Cover(inside["queues"]["decisions"].level == SPACED.result_depth - 2, "reserve in use"),
        Cover(emit.o.valid & ~emit.room, "the valve is closed"),
    ]
    return m


def stream() -> Module:
    m, emit, inside, _, _ = way_out()
    queues, heads, sent, wanted = (inside[name] for name in ("queues", "heads", "sent", "wanted"))
    has_view = queues["decisions"].r_rdy & heads["decisions"].has_view
    waits, record, seq = Signal(), Signal(512), Signal(32)
    taken = emit.o.valid & emit.o.ready
    of_kind = {
        kind: Cat((wanted & ~sent)[at] for at, other in enumerate(ORDER) if other is kind)
        for kind in ORDER
    }
    m.d.sync += [waits.eq(emit.o.valid & ~emit.o.ready), record.eq(emit.o.p)]
    m.d.sync += seq.eq(seq + taken)
    m.d.comb += [
        Assume(~has_view | queues["views"].r_rdy),
        Assume(~has_view | ~heads["views"].report[2] | queues["vectors"].r_rdy),
        Assert(~waits | (emit.o.valid & (emit.o.p == record)), "it waits unchanged"),
        Assert(~emit.o.valid | (emit.o.p[32:64] == seq), "seq counts the records taken"),
        Assert(inside["seq"] == seq),
        # What is sent of an entry is its first records, never all of them.
        Assert((sent == 0) | (queues["decisions"].r_rdy & ((sent & ~wanted) == 0))),
        Assert((sent == 0) | ((wanted & ~sent) != 0)),
        *(Assert(~sent[at] | ((wanted & ~sent)[:at] == 0)) for at in range(1, len(sent))),
        Assert(~emit.o.valid | emit.o.p[:8].matches(*map(int, OutKind)), "of a kind there is"),
        *(
            Assert(~(emit.o.valid & (emit.o.p[:8] == int(kind))) | left.any(), "and is wanted")
            for kind, left in of_kind.items()
        ),
        Cover(waits & taken & (emit.o.p[:8] == 3) & (seq == 2), "a view waits, the third record"),
        Cover(taken & (emit.o.p[:8] == 4) & (seq == 3), "trades, the fourth record"),
        Cover(taken & (emit.o.p[:8] == 5) & emit.o.p[24] & (seq == 5), "a page, the sixth record"),
    ]
    return m


def order() -> Module:
    m, emit, inside, _, _ = way_out(one_record=True)
    queues, heads = inside["queues"], inside["heads"]
    entry, view = heads["decisions"], heads["views"]
    owed = queues["decisions"].r_rdy & entry.has_view
    m.d.comb += [
        Assert(~owed | queues["views"].r_rdy, "the view is there"),
        Assert(~owed | (view.update_id == entry.update_id), "and is that of this event"),
        Assert(~emit.o.valid | ~owed | Cat(queues["views"].level).any()),
        Cover(owed & (queues["views"].level == 3) & (view.update_id == 5), "views wait"),
    ]
    return m


PROOFS = [
    Proof(
        "emit_room",
        "with the pipeline's latencies, no queue is ever written when full",
        room,
        *("induction", 1, 50, True),
    ),
    Proof(
        "emit_room_spaced",
        "nor in a build with one record under way and queues of 16",
        room_spaced,
        *("induction", 1, 60, True),
    ),
    Proof(
        "emit_stream",
        "a record offered stays until taken, and seq counts them",
        stream,
        *("induction", 2, 24, True),
    ),
    Proof(
        "emit_order",
        "the view of an event is at the head of its queue when its decision is",
        order,
        *("bounded", 22, 24, False),
    ),
]
