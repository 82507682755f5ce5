# SPDX-License-Identifier: Apache-2.0
"""A token close behind another of its row is decided as if it had waited for it.

Theorem, for any row that satisfies the invariant and any two tokens the decoder lets through:
`Decide`, told how the second one's price compares with the row *before* the first, and what the
first does (`near`), decides as `Decide` told of the row *after* the first with no token ahead. The
same moves, row status and counters; whether a place that holds no level takes a quantity does not
matter.

It may be applied again and again: of `near` only what is said here to be the same is looked at, so
a token may follow one that itself was close behind another.
"""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnySeq

from hdl.book.ahead import ahead_of
from hdl.book.decide import Decide
from hdl.book.operation import decode
from hdl.book.row import moved, shift_of
from hdl.config import BuildConfig
from hdl.types import SideState, token_layout
from tests.formal.kit import Proof, start
from tests.formal.row import LARGER, SMALL, Places, any_token, better, no_zero_in_a_snapshot, tell

__all__ = ["PROOFS"]


def near(config: BuildConfig = SMALL) -> Module:
    m = start()
    ask = Signal()
    m.d.comb += ask.eq(AnySeq(1))
    before, after = (Places.registers(config, ask, name) for name in ("before_", "after_"))
    for anything in (*before.prices, *before.qtys, before.status):
        m.d.comb += anything.eq(AnySeq(len(Value.cast(anything))))
    m.d.comb += [Assume(holds) for holds in before.invariant().values()]

    first, close, alone = Decide(config), Decide(config), Decide(config)
    m.submodules.first, m.submodules.close, m.submodules.alone = first, close, alone
    tokens = {}
    for name, decides in (("first", (first,)), ("second", (close, alone))):
        tokens[name] = token = Signal(token_layout(config), name=name)
        any_token(m, token, config)
        valid, levels_n = Signal(name=f"{name}_valid"), Signal(4, name=f"{name}_n")
        m.d.comb += [valid.eq(AnySeq(1)), levels_n.eq(AnySeq(4))]
        m.d.comb += Assume(no_zero_in_a_snapshot(token))
        for decide in decides:
            decode(m, decide.operation, valid, token, levels_n)

    # The row between them, and after both of them either way.
    one, two = tokens["first"], tokens["second"]
    tell(m, first, before, one)
    m.d.comb += [first.status.eq(before.status), after.status.eq(first.after)]
    value = one.value[: config.qty_bits]
    prices, qtys = (
        moved(before.prices, first.moves, one.price),
        moved(before.qtys, first.moves, value, value),
    )
    for place, content in zip(after.prices + after.qtys, prices + qtys, strict=True):
        m.d.comb += place.eq(content)

    tell(m, close, before, two)
    tell(m, alone, after, two)
    is_better, is_equal = better(one.price, two.price, ask), one.price == two.price
    m.d.comb += [
        close.near.eq(shift_of(first.steps)),
        close.near_better.eq(is_better),
        close.near_equal.eq(is_equal),
        close.ahead.eq(ahead_of(first.moves, is_better, is_equal)),
        close.status.eq(after.status),
        alone.status.eq(after.status),
    ]

    told, true = close.moves, alone.moves
    held = after.status.held
    for name, _ in told.shape():
        mask = held if name == "resize" else ~0
        m.d.comb += Assert((told[name] & mask) == (true[name] & mask), f"moves: {name}")
    m.d.comb += [
        Assert(shift_of(close.steps) == shift_of(alone.steps), "what they are to a third"),
        Assert(close.after == alone.after, "status"),
        Assert(close.counts == alone.counts, "counters"),
    ]

    known = before.is_state(SideState.KNOWN)
    full = before.status.held[-1]
    m.d.comb += [
        Cover(first.moves.evicts & told.evicts & known, "evicts behind evicts"),
        Cover(first.moves.deletes & full & told.adds, "adds behind a delete"),
        Cover(first.moves.deletes & full & told.adds & told.put[config.levels - 1], "at the end"),
        Cover(first.moves.adds & told.deletes & (one.price == two.price), "deletes what was added"),
        Cover(first.moves.evicts & close.counts.level_beyond & (two.price != one.price)),
        Cover(first.moves.bounds & known & close.counts.level_beyond, "beyond the new horizon"),
        Cover(first.moves.clears & close.counts.refill_levels & told.adds, "the first of a refill"),
        Cover(first.moves.adds & close.counts.refill_broken & ~told.adds, "a refill breaks"),
        Cover(first.moves.lower.any() & told.resize.any() & known, "changes what was lowered"),
        Cover(Mux(full, Cat(first.moves.adds, told.adds) == 3, 0) & known, "one pushes the next"),
    ]
    return m


def _proof(config: BuildConfig, suffix: str, quick: bool) -> Proof:
    return Proof(
        f"decide_near{suffix}",
        "a token close behind another decides as if it had waited for it "
        f"(K={config.levels}, {config.price_bits}-bit prices)",
        lambda: near(config),
        *("step", 1, 1, quick),
    )


PROOFS = [_proof(SMALL, "", True), _proof(LARGER, "_larger", False)]
