# SPDX-License-Identifier: Apache-2.0
"""What one token does to one row: the algebra of the book, without its pipeline."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.ahead import ahead_layout
from hdl.book.operation import operation_layout
from hdl.book.row import (
    held_after,
    moved_bits,
    moves_layout,
    moves_of,
    only,
    shift_layout,
    shift_of,
    status_layout,
    steps_layout,
)
from hdl.config import BuildConfig
from hdl.types import SideState, count_layout

__all__ = ["COUNTS", "Decide"]

COUNTS = (
    *("clears", "refill_begins", "refill_levels", "refill_ends", "refill_orphans", "refill_broken"),
    *("level_inserts", "level_changes", "level_deletes", "level_evicts"),
    *("level_beyond", "level_absent", "level_unknown"),
)


class Decide(wiring.Component):
    """Decide how a token moves its row (the table "A side of the book" in ``docs/contract.md``).

    The token just ahead may be on the same row, and is moving it in this very clock. What was found
    by comparing is of the row before that token; its moves are applied to the findings here, and
    what is found over all places at once is found in both rows' terms at the same time, so that the
    way from one token's moves to the next one's stays short.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    operation : In(operation_layout)
        What the token asks for.
    better, equal : In(K + 1)
        Place holds a key that is smaller than, or equal to, the token's; the last is about the
        horizon. Of the row before the token ahead.
    reached : In(2)
        The last level and the horizon: whether either of the two, better or equal.
    hits : In
        `grouped` places of levels that are equal.
    worse, worst : In
        Place holds a level whose key is not smaller than the token's: `grouped` for the places up
        to the one before the last, then for the last place. It is corrected for what can
        stand just ahead of a snapshot's end; the decoder lets no quantity 0 into a snapshot.
    near : In(shift_layout)
        How the token ahead moves the row; all zero where it is on another.
    near_better, near_equal : In(1)
        Its key is smaller than, or equal to, the token's.
    ahead : In(ahead_layout)
        The same in the terms in which it is asked over all places.
    status : In(status_layout)
        Of the row just before the token.
    steps : Out(steps_layout)
        What the token does.
    shift : Out(shift_layout)
        What it is to the places of the row: `shift_of` that.
    lifts : Out(levels)
        Places from the token's own on, if a level is put there.
    resize : Out(levels)
        The place whose level takes the token's quantity.
    moves : Out(moves_layout)
        `moves_of` all three.
    after : Out(status_layout)
        Of the row after it.
    counts : Out
        One pulse per counter.

    Latency
    -------
    None; combinational.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        places = config.levels + 1
        super().__init__(
            {
                "operation": In(operation_layout()),
                "better": In(places),
                "equal": In(places),
                "reached": In(2),
                "hits": In(-(-config.levels // 4)),
                "worse": In(-(-(config.levels - 1) // 4)),
                "worst": In(1),
                "near": In(shift_layout(config)),
                "near_better": In(1),
                "near_equal": In(1),
                "ahead": In(ahead_layout()),
                "status": In(status_layout(config)),
                "steps": Out(steps_layout(config)),
                "shift": Out(shift_layout(config)),
                "lifts": Out(config.levels),
                "resize": Out(config.levels),
                "moves": Out(moves_layout(config)),
                "after": Out(status_layout(config)),
                "counts": Out(count_layout(*COUNTS)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        levels, last = self.config.levels, self.config.levels - 1
        asked, near, status, moves = self.operation, self.near, self.status, self.moves
        steps = self.steps
        ahead = self.ahead

        # By place: ones from below where levels are better, at most a single one where it is equal.
        better, equal = Signal(levels), Signal(levels)
        m.d.comb += [
            better.eq(moved_bits(self.better[:levels], near, self.near_better)),
            equal.eq(moved_bits(self.equal[:levels], near, self.near_equal)),
        ]

        # Over all places: in the terms of the row before the token ahead, then corrected.
        hit, beyond, worse, tail = (
            Signal(name=name) for name in ("hit", "beyond", "worse", "tail")
        )
        worse_kept = self.worse.any() | (self.worst & ~ahead.evicts)
        m.d.comb += [
            hit.eq(ahead.made | (self.hits.any() & ~ahead.gone)),
            worse.eq(ahead.worse | (worse_kept & ~ahead.clears)),
            tail.eq(better[last] & ~ahead.clears),
            beyond.eq(
                ahead.reached
                | (~ahead.clears & Mux(ahead.evicts, self.reached[0], self.reached[1]))
            ),
        ]

        known, loading = status.state == SideState.KNOWN, status.state == SideState.LOADING
        full = status.held[last]
        taken, store, add = (Signal(name=name) for name in ("taken", "store", "add"))
        change = Signal()
        m.d.comb += [
            taken.eq((asked.update & known) | (asked.load & loading)),
            store.eq(taken & ~beyond),
            add.eq(store & ~hit & ~asked.zero),
            change.eq(store & hit & ~asked.zero),
        ]
        # A snapshot's end: its horizon lies behind every level, and replaces a worse one.
        ends = asked.end & loading
        overrun = ends & ~asked.whole & worse
        loaded = ends & ~overrun
        broken = overrun | (asked.update & loading)
        m.d.comb += [
            steps.adds.eq(add & ~tail),
            steps.evicts.eq(steps.adds & full),
            steps.deletes.eq(store & hit & asked.zero),
            steps.bounds.eq((add & tail) | (loaded & ~asked.whole & ~beyond)),
            steps.clears.eq(asked.clear | asked.begin | broken),
        ]

        # Places from the token's own on.
        m.d.comb += [
            steps.behind.eq(~better | near.clears.replicate(levels)),
            self.shift.eq(shift_of(steps)),
            self.lifts.eq(only(steps.adds, steps.behind)),
            self.resize.eq(only(change, equal)),
            moves.eq(moves_of(steps, self.shift, self.resize)),
        ]

        # Of a row that is not cleared; the gate for one that is comes last, as that is known late.
        left, after = Signal.like(status), self.after
        m.d.comb += left.eq(status)
        with m.If(loaded):
            m.d.comb += left.state.eq(SideState.KNOWN)
        m.d.comb += after.eq(only(~moves.clears, left.as_value()))
        follows = (after.held, after.depth, after.bounded)
        for now, then in zip(follows, held_after(status, moves), strict=True):
            m.d.comb += now.eq(then)
        with m.If(asked.begin):
            m.d.comb += after.state.eq(SideState.LOADING)
        touches = asked.update | asked.load | asked.clear | asked.begin | asked.end
        m.d.comb += after.n.eq(Mux(touches, asked.n, status.n))

        tape, counts = asked.update, self.counts
        m.d.comb += [
            counts.clears.eq(asked.clear),
            counts.refill_begins.eq(asked.begin),
            counts.refill_levels.eq(asked.load & loading),
            counts.refill_ends.eq(loaded),
            counts.refill_orphans.eq((asked.load | asked.end) & ~loading),
            counts.refill_broken.eq(broken),
            counts.level_beyond.eq(tape & taken & beyond),
            counts.level_absent.eq(tape & store & ~hit & asked.zero),
            counts.level_inserts.eq(tape & moves.adds),
            counts.level_changes.eq(tape & change),
            counts.level_deletes.eq(tape & moves.deletes),
            counts.level_evicts.eq(tape & add & full),
            counts.level_unknown.eq(tape & ~known & ~loading),
        ]
        return m
