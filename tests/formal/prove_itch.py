# SPDX-License-Identifier: Apache-2.0
"""The ITCH feed comes back to its start, and drops no message on its way through the tables.

Theorem 1, of the splitter: once a frame's last beat is done, with nothing that holds messages up,
the next frame can begin within `RETURN_CYCLES` cycles, whatever the bytes were.

Theorem 2, of the decoder: a message starts in the engine at most once, and never with a beat that
cuts it; every start is followed by the message's end before the frame's.

Theorem 3, of the engine: every message it begins is finished or was cut, and none waits longer than
`FINISH_CYCLES` cycles once its last byte is there and the events before it have been told.
"""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal
from amaranth.hdl._ast import AnySeq

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.decoder import Decoder
from hdl.feed.itch.engine import Engine
from hdl.feed.itch.mold import MoldSplitter
from hdl.feed.itch.steps import STEPS
from tests.formal.kit import Proof, open_up, start

__all__ = ["PROOFS"]

CONFIG = ItchConfig(
    symbols=1,
    qty_bits=33,
    width=4,
    order_sets=2,
    order_ways=1,
    level_sets=2,
    level_ways=1,
    frame_bytes=64,
)
#: Cycles from the end of a frame to where the next may begin.
RETURN_CYCLES = 9
#: Cycles a whole message takes in the engine.
FINISH_CYCLES = STEPS


def _splitter(m: Module) -> tuple[MoldSplitter, dict]:
    m.submodules.mold = mold = MoldSplitter(CONFIG)
    inside = open_up(mold)
    beat = mold.i.p
    m.d.comb += [
        mold.i.valid.eq(AnySeq(1)),
        beat.eq(AnySeq(len(beat.as_value()))),
        mold.first.eq(AnySeq(64)),
        # what a payload stream promises: bytes in every beat, all of them but in the last
        Assume((beat.count != 0) & (beat.count <= CONFIG.width)),
        Assume(beat.last | (beat.count == CONFIG.width)),
    ]
    return mold, inside


def returns() -> Module:
    m = start()
    mold, inside = _splitter(m)
    over, at, here = (getattr(inside["beats"], name) for name in ("over", "at", "here"))
    m.d.comb += [mold.o.ready.eq(1), mold.halt.eq(0), mold.fence.eq(0)]
    since, held = Signal(8), Signal(len(mold.i.p.as_value()))
    waits = Signal()
    m.d.sync += [
        since.eq(Mux(over, since + 1, 0)),
        waits.eq(mold.i.valid & ~mold.i.ready),
        held.eq(mold.i.p),
    ]
    m.d.comb += [
        # a beat that was not taken stays
        Assume(~waits | (mold.i.valid & (mold.i.p.as_value() == held))),
        Assert(since <= RETURN_CYCLES, "the next frame can begin"),
        Assert((at == 0) | (waits & (at < mold.i.p.count)), "a beat is left to its end"),
        Assert(~over | (at == 0), "nothing of a frame that is over is left"),
        Cover(since == 3),
        Cover(over & mold.counts.mold_truncated),
        Cover(mold.i.valid & mold.i.p.last & (at != 0) & (here != 0)),
    ]
    return m


def starts_once() -> Module:
    m = start()
    m.submodules.decoder = decoder = Decoder(CONFIG)
    inside = open_up(decoder)
    need, kinds = inside["need"], Cat(inside["kinds"].values())
    beat, width = decoder.i.p, CONFIG.width
    # A message as the splitter gives it: bytes without a hole, to its length or to a cut.
    at, length = Signal(17), Signal(16)
    under = Signal()  # a message is under way
    valid, ready = AnySeq(1), AnySeq(1)
    started, led = Signal(), Signal()
    moved = decoder.i.valid & decoder.i.ready
    m.d.comb += [
        decoder.i.valid.eq(valid),
        beat.eq(AnySeq(len(beat.as_value()))),
        decoder.ready.eq(ready),
        decoder.led.eq(led),
        Assume((beat.end > beat.start) & (beat.end <= beat.start + width)),
        Assume(beat.end <= beat.length),
        Assume(beat.last == (beat.end == beat.length)),
        Assume(~(beat.last & beat.cut)),
        Assume(beat.start == Mux(under, at, 0)),
        Assume(~under | (beat.length == length)),
        Assume(~(led & ready)),  # the engine is busy with what it was led to
    ]
    ends = beat.last | beat.cut
    with m.If(moved):
        m.d.sync += [
            at.eq(beat.end),
            length.eq(beat.length),
            under.eq(~ends),
            started.eq(~ends & (started | decoder.start)),
            led.eq(~ends & ((led & ~decoder.start) | decoder.lead)),
        ]
    begins = decoder.start | decoder.lead
    m.d.comb += [
        Assert(~begins | moved, "a start is a beat that is taken"),
        Assert(~begins | ~beat.cut, "a beat that cuts its message starts nothing"),
        Assert(~(decoder.start & started), "a message starts once"),
        Assert(~(decoder.start & decoder.lead), "a replace leads first"),
        Assert(~(decoder.lead & led), "and leads once"),
        Assert(at <= 0xFFFF),
        Assert(~under | ((at != 0) & (at < length))),
        Assert(~(led & started)),
        Assert(under | ~(led | started)),
        Assert(~under | ((kinds & (kinds - 1)) == 0), "a message is of one type"),
        Assert(~started | (at > need)),
        Assert(~(led | started) | inside["fits"]),
        Assert(~led | ((at <= need) & inside["kinds"]["U"])),
        Cover(decoder.start & led),
        Cover(decoder.start & ~led & decoder.whole),
        Cover(moved & beat.cut & started),
    ]
    return m


def finishes() -> Module:
    m = start()
    m.submodules.engine = engine = Engine(CONFIG)
    inside = open_up(open_up(engine)["steps"])
    step, awaits, open_ = inside["step"], inside["awaits"], inside["open_"]
    begun, ended = Signal(4), Signal(4)
    waits = Signal(8)
    fields = engine.fields
    starts = engine.start & (awaits | ~engine.busy)
    m.d.comb += [
        engine.fields.eq(AnySeq(len(fields.as_value()))),
        engine.lead.eq(AnySeq(1)),
        engine.start.eq(AnySeq(1)),
        engine.whole.eq(AnySeq(1)),
        engine.cut.eq(AnySeq(1)),
        engine.free.eq(AnySeq(1)),
        engine.selected.eq(AnySeq(1)),
        engine.policy.eq(AnySeq(3)),
        # what theorem 2 says of the decoder
        Assume(~engine.lead | (engine.ready & fields.add & fields.take)),
        Assume(~engine.start | engine.ready | engine.led),
        Assume(~(engine.lead & engine.start)),
        Assume(~(engine.whole & engine.cut)),
        Assume(~((engine.lead | engine.start) & engine.cut)),
        Assume(~engine.lead | ~engine.whole),
        Assume(~awaits | ~engine.whole | engine.start),
        Assume(~fields.print | (~fields.add & ~fields.take)),
        Assume(fields.add | fields.take | fields.print | ~(engine.start | engine.lead)),
        Assume(~engine.led | ~engine.start | (fields.add & fields.take)),
    ]
    begins = engine.lead | (starts & ~awaits)
    cut = engine.cut & open_ & engine.busy
    done = (step == STEPS - 1) & ~cut
    with m.If(begins):
        m.d.sync += begun.eq(begun + 1)
    with m.If(done | cut):
        m.d.sync += ended.eq(ended + 1)
    m.d.sync += waits.eq(Mux(engine.busy & ~open_ & engine.free & ~awaits, waits + 1, 0))
    m.d.comb += [
        Assert((begun - ended)[:4] == engine.busy, "a message begun is finished or cut"),
        Assert(waits <= FINISH_CYCLES, "a whole message does not wait"),
        Assert(~awaits | (step == 1)),
        Assert(~awaits | open_),
        Assert(~open_ | (step <= 4)),
        Assert(~(open_ & ~engine.busy), "what has not ended is under way"),
        Cover(done & engine.change.old & engine.change.new),
        Cover(cut),
        Cover(awaits & engine.start),
    ]
    return m


PROOFS = [
    Proof(
        "itch_returns",
        f"after a frame the splitter takes the next within {RETURN_CYCLES} cycles",
        returns,
        *("induction", RETURN_CYCLES + 3, 24, True),
    ),
    Proof(
        "itch_starts_once",
        "a message starts once, whole or never with the beat that cuts it",
        starts_once,
        *("induction", 3, 16, True),
    ),
    Proof(
        "itch_finishes",
        "no message is lost between its start and the tables, and none waits",
        finishes,
        *("induction", FINISH_CYCLES + 3, 24, True),
    ),
]
