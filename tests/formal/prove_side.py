# SPDX-License-Identifier: Apache-2.0
"""One side of the book, token by token, against the table "A side of the book" of the contract.

Theorems, each for every sequence of tokens however long:

1. `invariant`: the row keeps the invariant that follows from the top of `hdl.book.row`: levels
   strictly sorted from place 0 on, none twice, none of quantity 0, none at or beyond the horizon.
2. `contract`: for any price p, whether p is held, its quantity, the side's state, its horizon, the
   number of levels and every counter move exactly as the contract's table says.
3. `exact`: told the truth by each refill and by every update since, a KNOWN side holds any price
   better than its horizon exactly as the whole market does, and none beyond it.

The block under test is `Decide`, with `decode` before it and `moved` behind. Its row lies in
registers, and it is told truly which prices are better or equal, with no token ahead; that it does
the same with one is `prove_near`, and that the pipeline tells it the same is `prove_ladder`.
"""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnyConst, AnySeq

from hdl.book.decide import COUNTS
from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.types import SideState
from tests.formal.kit import Proof, start
from tests.formal.row import LARGER, SMALL, Row, any_token, better

__all__ = ["PROOFS"]

UNKNOWN, LOADING, KNOWN = SideState.UNKNOWN, SideState.LOADING, SideState.KNOWN


def any_side(config: BuildConfig) -> tuple[Module, Row]:
    """A side, bid or ask, and any token or none with each clock."""
    m = start()
    row = Row(m, config, ask=AnyConst(1))
    any_token(m, row.token, config)
    m.d.comb += row.valid.eq(AnySeq(1))
    return m, row


def hold_invariant(m: Module, row: Row) -> None:
    for text, holds in row.invariant().items():
        m.d.comb += Assert(holds, text)


def invariant(config: BuildConfig = SMALL) -> Module:
    m, row = any_side(config)
    hold_invariant(m, row)
    full = row.status.depth == config.levels
    token, counts = row.token, row.decide.counts
    deleted = Signal()
    m.d.sync += deleted.eq(deleted | (counts.level_deletes & full))
    m.d.comb += [
        Cover(full & row.status.bounded & row.is_state(KNOWN), "a full side with a horizon"),
        Cover(counts.level_evicts & counts.level_inserts, "an eviction that makes room"),
        Cover(counts.level_evicts & ~counts.level_inserts, "a new worst that only moves horizon"),
        Cover(deleted & full & ~row.status.bounded, "full again after a delete"),
        Cover(
            counts.level_deletes & full & ~row.is_worst(0) & (row.prices[0] == token.price),
            "a delete in the middle of a full side",
        ),
        Cover(counts.refill_broken & (row.count() == 2), "a refill that breaks"),
    ]
    return m


def contract(config: BuildConfig = SMALL) -> Module:
    m, row = any_side(config)
    hold_invariant(m, row)
    token, ask = row.token, row.ask

    # The side as the contract sees it, and of its levels the one at an arbitrary price p.
    p = AnyConst(config.price_bits)
    state, bounded = Signal(SideState), Signal()
    horizon, p_held, p_qty = Signal(config.price_bits), Signal(), Signal(config.qty_bits)
    m.d.comb += [
        Assert(row.is_state(state), "state"),
        Assert(row.status.bounded == bounded, "there is a horizon"),
        Assert(~bounded | (row.horizon() == horizon), "the horizon's price"),
        Assert(row.holds(p) == p_held, "p is held"),
        Assert(~p_held | (row.qty_at(p) == p_qty), "quantity at p"),
        Assert(row.count() == row.status.depth, "number of levels"),
        # A consequence the contract states in words.
        Assert(~(p_held & bounded) | better(p, horizon, ask), "nothing held at or beyond horizon"),
    ]

    def kind(which: InKind) -> Value:
        return row.valid & (token.kind == which)

    level, tape = kind(InKind.LEVEL), ~token.refill
    known, loading = state == KNOWN, state == LOADING
    taken = level & Mux(token.refill, loading, known)
    beyond = taken & bounded & ~better(token.price, horizon, ask)
    stored = taken & ~beyond
    hit, zero = row.holds(token.price), token.value == 0
    full = row.count() == config.levels
    at_p = token.price == p
    deletes, changes = stored & zero & hit, stored & ~zero & hit
    new = stored & ~zero & ~hit
    evicts = new & full
    beats_worst = better(token.price, row.worst(), ask)
    inserts = new & (~full | beats_worst)

    at_or_beyond = Cat(
        row.status.held[s] & ~better(row.prices[s], token.price, ask) for s in row.places
    ).any()
    end = kind(InKind.REFILL_END)
    overrun = end & loading & ~token.whole & at_or_beyond
    completed = end & loading & ~overrun
    intruded = level & tape & loading
    clears, begins = kind(InKind.CLEAR), kind(InKind.REFILL_BEGIN)
    empties = clears | begins | overrun | intruded

    with m.If(empties):
        m.d.sync += [p_held.eq(0), bounded.eq(0), state.eq(Mux(begins, LOADING, UNKNOWN))]
    with m.Elif(completed):
        m.d.sync += state.eq(KNOWN)
        with m.If(~token.whole & (~bounded | better(token.price, horizon, ask))):
            m.d.sync += [bounded.eq(1), horizon.eq(token.price)]
    with m.Elif(evicts):
        m.d.sync += [bounded.eq(1), horizon.eq(Mux(beats_worst, row.worst(), token.price))]
        with m.If(beats_worst & at_p):
            m.d.sync += [p_held.eq(1), p_qty.eq(token.value)]
        with m.Elif(beats_worst & (p == row.worst())):
            m.d.sync += p_held.eq(0)
    with m.Elif(stored & at_p):
        m.d.sync += [p_held.eq(~zero), p_qty.eq(token.value)]

    expected: dict[str, Value] = {
        "clears": clears,
        "refill_begins": begins,
        "refill_levels": level & loading & token.refill,
        "refill_ends": completed,
        "refill_orphans": (level & token.refill & ~loading) | (end & ~loading),
        "refill_broken": overrun | intruded,
        "level_unknown": level & tape & (state == UNKNOWN),
        "level_beyond": beyond & tape,
        "level_deletes": deletes & tape,
        "level_absent": stored & zero & ~hit & tape,
        "level_changes": changes & tape,
        "level_inserts": inserts & tape,
        "level_evicts": evicts & tape,
    }
    assert set(expected) == set(COUNTS)
    counts = row.decide.counts
    for name, pulse in expected.items():
        m.d.comb += Assert(counts[name] == pulse, name)
    # An insert that evicts is one level counted twice; else every LEVEL is in exactly one counter.
    once = (
        *("level_unknown", "level_beyond", "level_deletes", "level_absent", "level_changes"),
        *("refill_levels", "refill_broken", "refill_orphans"),
    )
    m.d.comb += [
        Assert(
            ~level
            | (sum(counts[n] for n in once) + (counts.level_inserts | counts.level_evicts) == 1),
            "each LEVEL is counted under one name",
        ),
        Cover(evicts & beats_worst & at_p, "p is added to a full side"),
        Cover(evicts & beats_worst & (p == row.worst()), "p is evicted"),
        Cover(known & deletes & at_p & full & (row.prices[1] == p), "p is deleted"),
        Cover(known & changes & at_p & (p_qty != token.value), "p changes"),
        Cover(overrun & bounded, "a horizon in front of a level breaks the refill"),
        Cover(completed & bounded & ~token.whole, "a snapshot's end moves the horizon"),
    ]
    return m


def exact(config: BuildConfig = SMALL) -> Module:
    m, row = any_side(config)
    hold_invariant(m, row)
    token, ask = row.token, row.ask
    p = AnyConst(config.price_bits)
    at_p = token.price == p
    level = row.valid & (token.kind == InKind.LEVEL)
    begins = row.valid & (token.kind == InKind.REFILL_BEGIN)
    end = row.valid & (token.kind == InKind.REFILL_END)

    # The market's true quantity at p, 0 for none. Updates may be lost only while the side is
    # UNKNOWN and up to the moment a snapshot begins.
    truth, sent = Signal(config.qty_bits, attrs={"arbitrary": 1}), Signal()
    with m.If(level & ~token.refill & at_p):
        m.d.sync += truth.eq(token.value)
    with m.Elif(begins | row.is_state(UNKNOWN)):
        m.d.sync += truth.eq(AnySeq(config.qty_bits))
    with m.If(begins):
        m.d.sync += sent.eq(0)
    with m.Elif(level & token.refill & at_p):
        m.d.sync += sent.eq(1)

    # A snapshot is true: what it sends is so, and it sends all that is better than its horizon.
    m.d.comb += [
        Assume(~(level & token.refill & at_p) | ((token.value == truth) & (truth != 0))),
        Assume(~(end & (token.whole | better(p, token.price, ask)) & (truth != 0)) | sent),
    ]

    inside = ~row.status.bounded | better(p, row.horizon(), ask)
    m.d.comb += [
        Assert(
            ~(row.is_state(KNOWN) & inside)
            | ((row.holds(p) == (truth != 0)) & (row.qty_at(p) == truth)),
            "THE BOOK IS EXACT: inside the horizon p is held as the market has it",
        ),
        Assert(inside | ~row.holds(p), "nothing is held at or beyond the horizon"),
        # While it loads: exactly what was sent.
        Assert(
            ~(row.is_state(LOADING) & inside)
            | ((row.holds(p) == sent) & (~sent | (row.qty_at(p) == truth))),
        ),
        Assert(~(row.is_state(LOADING) & sent) | (truth != 0)),
        Cover(row.is_state(KNOWN) & row.status.bounded & row.holds(p), "p is known inside"),
        Cover(row.is_state(KNOWN) & ~inside & (truth != 0), "p is beyond the horizon"),
        Cover(row.is_state(KNOWN) & inside & (truth == 0) & sent, "p was deleted"),
    ]
    return m


def _proofs(config: BuildConfig, suffix: str, quick: bool) -> list[Proof]:
    size = f"K={config.levels}, {config.price_bits}-bit prices"
    return [
        Proof(
            f"side_invariant{suffix}",
            f"after every token the row of a side satisfies its invariant ({size})",
            lambda: invariant(config),
            *("induction", 1, 12, quick),
        ),
        Proof(
            f"side_contract{suffix}",
            f"levels, quantities, horizon, state and counters move as the contract says ({size})",
            lambda: contract(config),
            *("induction", 1, 12, quick),
        ),
        Proof(
            f"side_exact{suffix}",
            f"inside its horizon a KNOWN side is exactly the market's book ({size})",
            lambda: exact(config),
            *("induction", 1, 12, quick),
        ),
    ]


PROOFS = [*_proofs(SMALL, "", True), *_proofs(LARGER, "_larger", False)]
