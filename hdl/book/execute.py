# SPDX-License-Identifier: Apache-2.0
"""What one token does to one row: the algebra of the book, without its pipeline."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.slots import row_layout
from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.types import SideState, count_layout, token_layout

__all__ = ["Execute"]

COUNTS = (
    *("clears", "refill_begins", "refill_levels", "refill_ends", "refill_orphans", "refill_broken"),
    *("level_inserts", "level_changes", "level_deletes", "level_evicts"),
    *("level_beyond", "level_absent", "level_unknown"),
)


class Execute(wiring.Component):
    """Combinational step of a row (the table "A side of the book" in ``docs/contract.md``).

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    valid, token : In
        The token; nothing happens and nothing is counted without `valid`.
    row : In(row_layout)
        The row before it.
    better, equal : In(K + 1)
        Slot's key is smaller than, or equal to, the token's.
    after : Out(row_layout)
        The row after it.
    write_key, write_qty : Out(K + 1)
        Slots that take the token's key, its quantity.
    touched : Out(1)
        The token is about this side's levels.
    counts : Out
        One pulse per counter.

    Latency
    -------
    None; combinational.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        slots = config.levels + 1
        super().__init__(
            {
                "valid": In(1),
                "token": In(token_layout(config)),
                "row": In(row_layout(config)),
                "better": In(slots),
                "equal": In(slots),
                "after": Out(row_layout(config)),
                "write_key": Out(slots),
                "write_qty": Out(slots),
                "touched": Out(1),
                "counts": Out(count_layout(*COUNTS)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        levels, slots = self.config.levels, self.config.levels + 1
        row, after, token, counts = self.row, self.after, self.token, self.counts

        is_level = self.valid & (token.kind == InKind.LEVEL)
        known, loading = row.state == SideState.KNOWN, row.state == SideState.LOADING
        last, horizon = Signal(slots), Signal(slots)
        for slot in range(slots):
            m.d.comb += [
                last[slot].eq(row.rank[slot] == levels - 1),
                horizon[slot].eq(row.rank[slot] == levels),
            ]

        # A level of a known side, or of a snapshot that is loading.
        before, hits = Signal(slots), Signal(slots)
        store, add, change, delete, beyond = (
            Signal(name=name) for name in ("store", "add", "change", "delete", "beyond")
        )
        is_zero, full = token.value == 0, row.depth == levels
        taken = is_level & ((known & ~token.refill) | (loading & token.refill))
        m.d.comb += [
            before.eq(row.held & self.better),
            hits.eq(row.held & self.equal),
            beyond.eq(row.bounded & (horizon & (self.better | self.equal)).any()),
            store.eq(taken & ~beyond),
            change.eq(store & hits.any() & ~is_zero),
            delete.eq(store & hits.any() & is_zero),
            add.eq(store & ~hits.any() & ~is_zero),
        ]
        place = Signal(range(levels + 1))
        m.d.comb += place.eq(sum(before[slot] for slot in range(slots)))
        victim = Mux(full, horizon, last)
        kept = ~(full & (place == levels))

        # A snapshot's end: its horizon lies behind every level, and replaces a worse one.
        ends = self.valid & (token.kind == InKind.REFILL_END) & loading
        overrun = ~token.whole & (row.held & ~self.better).any()
        move_horizon = (
            ends
            & ~token.whole
            & ~overrun
            & (~row.bounded | (horizon & ~self.better & ~self.equal).any())
        )
        intruded = is_level & loading & ~token.refill
        broken = (ends & overrun) | intruded
        clears = self.valid & (token.kind == InKind.CLEAR)
        begins = self.valid & (token.kind == InKind.REFILL_BEGIN)

        m.d.comb += after.eq(row)
        with m.If(add):
            for slot in range(slots):
                with m.If(victim[slot]):
                    m.d.comb += [after.rank[slot].eq(place), after.held[slot].eq(kept)]
                with m.Elif(~before[slot] & ~horizon[slot]):
                    m.d.comb += after.rank[slot].eq(row.rank[slot] + 1)
                    with m.If(full & last[slot] & kept):
                        m.d.comb += after.held[slot].eq(0)
            m.d.comb += [after.depth.eq(row.depth + ~full), after.bounded.eq(row.bounded | full)]
        with m.If(delete):
            for slot in range(slots):
                with m.If(hits[slot]):
                    m.d.comb += [after.rank[slot].eq(levels - 1), after.held[slot].eq(0)]
                with m.Elif(~before[slot] & ~horizon[slot]):
                    m.d.comb += after.rank[slot].eq(row.rank[slot] - 1)
            m.d.comb += after.depth.eq(row.depth - 1)
        with m.If(clears | broken | begins):
            m.d.comb += [
                after.held.eq(0),
                after.depth.eq(0),
                after.bounded.eq(0),
                after.state.eq(Mux(begins, SideState.LOADING, SideState.UNKNOWN)),
            ]
        with m.If(ends & ~overrun):
            m.d.comb += [
                after.state.eq(SideState.KNOWN),
                after.bounded.eq(row.bounded | ~token.whole),
            ]

        tape = ~token.refill
        m.d.comb += [
            self.write_key.eq(Mux(add, victim, 0) | Mux(move_horizon, horizon, 0)),
            self.write_qty.eq(Mux(add, victim, 0) | Mux(change, hits, 0)),
            self.touched.eq(
                is_level | clears | begins | (self.valid & (token.kind == InKind.REFILL_END))
            ),
            counts.clears.eq(clears),
            counts.refill_begins.eq(begins),
            counts.refill_levels.eq(is_level & loading & token.refill),
            counts.refill_ends.eq(ends & ~overrun),
            counts.refill_orphans.eq(
                (is_level & token.refill & ~loading)
                | (self.valid & (token.kind == InKind.REFILL_END) & ~loading)
            ),
            counts.refill_broken.eq(broken),
            counts.level_beyond.eq(taken & beyond & tape),
            counts.level_absent.eq(store & ~hits.any() & is_zero & tape),
            counts.level_inserts.eq(add & kept & tape),
            counts.level_changes.eq(change & tape),
            counts.level_deletes.eq(delete & tape),
            counts.level_evicts.eq(add & full & tape),
            counts.level_unknown.eq(is_level & tape & ~known & ~loading),
        ]
        return m
