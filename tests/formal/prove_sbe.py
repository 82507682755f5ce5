# SPDX-License-Identifier: Apache-2.0
"""The SBE decoder's walk always comes to its end.

Theorem, for any bytes in any frames: while its steps are taken, the walk takes another beat or is
at its start within `LIMIT` clocks after it took the last one, and it is at its start within as
many clocks after a frame's last beat. In each frame it makes exactly one FINISH.
"""

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.hdl._ast import AnySeq

from hdl.feed.sbe.follow import Element
from hdl.feed.sbe.plan import Action, Item, Plan
from hdl.feed.sbe.schema import read_schema
from hdl.feed.sbe.walk import Walk
from tests.formal.kit import Proof, open_up, start

__all__ = ["LIMIT", "PROOFS"]

#: Most clocks the walk looks at one beat, by the bytes of a beat.
LIMIT = {4: 8, 16: 11}


def ends(width: int) -> Module:
    """The walk with beats of `width` bytes."""
    m = start()
    walk = Walk(Plan(read_schema()), width)
    seen = open_up(walk)
    m.submodules.walk = walk
    raw, have, under_way = seen["raw"], seen["have"], seen["open_"]
    element, group_block = seen["element"], seen["group_block"]
    beat = Signal(walk.i.p.shape().size)
    since, finished = Signal(range(64)), Signal(2)
    taken = walk.i.valid & walk.i.ready
    m.d.comb += [
        beat.eq(AnySeq(len(beat))),
        walk.i.valid.eq(AnySeq(1)),
        walk.i.p.eq(beat),
        walk.admit.eq(AnySeq(1)),
        walk.advance.eq(1),
        Assume((walk.i.p.count >= 1) & (walk.i.p.count <= width)),
    ]
    # Clocks since a beat was taken; a pause of the source does not count.
    waits = ~have
    m.d.sync += since.eq(since + 1)
    with m.If(taken | waits):
        m.d.sync += since.eq(0)
    with m.If(taken & walk.at_start):
        m.d.sync += finished.eq(0)
    with m.Elif(walk.item == Item.FINISH):
        m.d.sync += finished.eq(finished + 1)
    least = Signal(16)
    m.d.comb += least.eq(16)
    with m.If(walk.action == Action.TRADES):
        m.d.comb += least.eq(25)
    m.d.comb += [
        Assert(since <= LIMIT[width], "no beat is looked at for longer"),
        Assert(element.as_value() <= Element.FINISH.value),
        Assert(walk.action.as_value() <= Action.TICKER.value),
        Assert(~have | under_way, "a beat is of a frame"),
        Assert(under_way | (element == Element.HEADER), "between frames it is at the start"),
        Assert(under_way | (walk.reason.as_value() == 0)),
        Assert((element != Element.ENTRY) | (group_block >= least), "an entry has its fields"),
        Assert(have | ~under_way | ~raw.last, "a last beat stays until the end"),
        Assert(~under_way | (finished == 0), "one FINISH a frame, and the last thing of it"),
        Assert(finished <= 1),
        Cover((since >= 2) & raw.last & (walk.item == Item.FINISH), "steps on one beat"),
        Cover(
            (walk.item == Item.FINISH)
            & (walk.action == Action.DIFF)
            & (walk.reason.as_value() == 0),
            "a message is complete",
        ),
        Cover(walk.at_start & (finished == 1) & (walk.action == Action.NONE), "refused and over"),
        Cover((element == Element.SKIP) & have & ~raw.last, "bytes are skipped"),
    ]
    return m


PROOFS = [
    Proof(
        "sbe_walk_ends_4",
        "whatever the bytes, the walk over a message ends in bounded time (4 bytes a beat)",
        lambda: ends(4),
        *("induction", LIMIT[4] + 2, 30, True),
    ),
    Proof(
        "sbe_walk_ends_16",
        "whatever the bytes, the walk over a message ends in bounded time (16 bytes a beat)",
        lambda: ends(16),
        *("induction", LIMIT[16] + 2, 16, True),
    ),
]
