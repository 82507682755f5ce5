# SPDX-License-Identifier: Apache-2.0
"""How one side of a book lies in its row: levels sorted best first, and the horizon behind them.

A row has K places for levels, numbers 0 to K - 1, and place K for the price of the horizon. The
levels held are in places 0 to depth - 1. Prices are kept as *keys*, ordered so that a smaller key
is better on both sides. As the row is sorted, "is better than this key" is a thermometer code over
its places: a token's place is where it ends, and no search is needed.

A token moves a row in one of four ways: it *lifts* the places behind its own by one and is put
between (the last of a full side becomes the horizon by the same step), it *lowers* the places
behind a level that is gone, it resizes a level, or it puts the horizon. Whatever lies in the
places of a row goes the same way: keys, quantities, and what a token behind has found by comparing
with them.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Value, ValueLike
from amaranth.lib import data

from hdl.config import BuildConfig
from hdl.types import SideState

__all__ = [
    "grouped",
    "held_after",
    "key_to_price",
    "moved",
    "moved_bits",
    "moves_layout",
    "moves_of",
    "only",
    "price_to_key",
    "shift_layout",
    "shift_of",
    "status_layout",
    "steps_layout",
]


def price_to_key(price: Value, ask: ValueLike) -> Value:
    """Key of a price: smaller is better. Asks keep their price, bids are inverted."""
    return Mux(ask, price, ~price)


def key_to_price(key: Value, ask: ValueLike) -> Value:
    """Price of a key; its own inverse."""
    return price_to_key(key, ask)


def only(when: Value, value: Value) -> Value:
    """Value where `when` is 1, else 0.

    Gates, no mux with 0: from that, synthesis makes a register with a reset net for each place.
    """
    return value & when.replicate(len(value))


def grouped(places: Value) -> Value:
    """Whether any is set of each 4 places; so half of a wide OR can stand before a register."""
    return Cat(places[at : at + 4].any() for at in range(0, len(places), 4))


def status_layout(config: BuildConfig) -> data.StructLayout:
    """What is known of a row beside its places; all zero but `n` for an unknown side."""
    return data.StructLayout(
        {
            "held": config.levels,  # place holds a level; ones from below
            "depth": config.levels.bit_length(),  # levels held
            "state": SideState,
            "bounded": 1,  # there is a horizon
            "n": 4,  # levels that count towards the sum, as of its last token
        }
    )


def moves_layout(config: BuildConfig) -> data.StructLayout:
    """What a token does to its row."""
    places = config.levels + 1
    return data.StructLayout(
        {
            "lift": places,  # place takes what was in the place before it
            "put": places,  # place takes what is the token's
            "lower": places,  # place takes what was in the place behind it
            "resize": config.levels,  # place takes the token's quantity alone
            "adds": 1,  # a level is put
            "evicts": 1,  # and the last of a full side became the horizon
            "deletes": 1,  # a level is gone
            "bounds": 1,  # the horizon is the token's price
            "clears": 1,  # no level and no horizon is left
        }
    )


def steps_layout(config: BuildConfig) -> data.StructLayout:
    """Where a token's place is, and what happens there."""
    return data.StructLayout(
        {
            "behind": config.levels,  # places from the token's own on
            "adds": 1,
            "evicts": 1,
            "deletes": 1,
            "bounds": 1,
            "clears": 1,
        }
    )


def shift_layout(config: BuildConfig) -> data.StructLayout:
    """What a token's moves are to one behind it: where contents shift by a place, and which way.

    A wire for each place is enough, and a decision ends at half as many of them as with
    `moves_layout`.
    """
    return data.StructLayout(
        {
            "behind": config.levels,  # places from the token's own on, if a level is put or gone
            "adds": 1,  # it is put
            "evicts": 1,
            "bounds": 1,
            "clears": 1,
        }
    )


def shift_of(steps: data.View) -> Value:
    """`shift_layout` of a token's steps."""
    shifts = (steps.adds | steps.deletes).replicate(len(steps.behind))
    return Cat(steps.behind & shifts, steps.adds, steps.evicts, steps.bounds, steps.clears)


def moves_of(
    steps: data.View, shift: data.View, resize: Value, lifts: Value | None = None
) -> Value:
    """`moves_layout` of a token's steps.

    Parameters
    ----------
    steps : view of steps_layout
        What it does, and where.
    shift : view of shift_layout
        `shift_of` them.
    resize : value
        Place that is resized.
    lifts : value or None
        Places that are put or lifted, where they have wires of their own.
    """
    ends = Cat(steps.adds, steps.evicts, steps.deletes, steps.bounds, steps.clears)
    return Cat(*_shifts(shift, lifts), resize, ends)


def _shifts(shift: data.View, lifts: Value | None = None) -> tuple[Value, Value, Value]:
    """``lift``, ``put`` and ``lower`` of `moves_layout`, of what moves are to another token."""
    behind = shift.behind
    up = behind & shift.adds.replicate(len(behind)) if lifts is None else lifts
    before = Cat(Const(0, 1), up[:-1])
    return (
        Cat(before, shift.evicts),
        Cat(up & ~before, shift.bounds),
        Cat(behind & ~up, Const(0, 1)),
    )


def held_after(status: data.View, moves: data.View) -> tuple[Value, Value, Value]:
    """Which places hold a level after a token, how many do, and whether there is a horizon.

    Parameters
    ----------
    status : view of status_layout
        Of the row before it.
    moves : view of moves_layout
        What it does.
    """
    held, depth = status.held, status.depth
    up, down = Cat(1, held[:-1]), Cat(held[1:], Const(0, 1))
    places = Mux(moves.adds, up, Mux(moves.deletes, down, held))
    count = Mux(moves.adds, depth + ~held[-1], Mux(moves.deletes, depth - 1, depth))
    bounded = status.bounded | moves.bounds | moves.evicts
    kept = ~moves.clears
    return only(kept, places), only(kept, count[: len(depth)]), only(kept, bounded)


def moved(
    places: Sequence[ValueLike], moves: data.View, new: ValueLike, resized: ValueLike | None = None
) -> list[Value]:
    """Contents of a row's places after a token.

    Parameters
    ----------
    places : sequence of K or K + 1 values
        Contents before it; K where the horizon has none.
    moves : view of moves_layout
        What it does.
    new : value
        What is put in the token's place.
    resized : value or None
        What a place takes whose level changes its quantity; None: it stays.
    """
    after: list[Value] = []
    for at, old in enumerate(places):
        value = Value.cast(old)
        if resized is not None:
            value = Mux(moves.resize[at], resized, value)
        if at + 1 < len(places):
            value = Mux(moves.lower[at], places[at + 1], value)
        value = Mux(moves.put[at], new, value)
        if at > 0:
            value = Mux(moves.lift[at], places[at - 1], value)
        after.append(value)
    return after


def moved_bits(places: Value, shift: data.View, new: ValueLike) -> Value:
    """`moved` for places of one bit each, as one vector, by what a token's moves are to another."""
    width = len(places)
    lift, put, lower = (each[:width] for each in _shifts(shift))
    return (
        (places & ~(lift | put | lower))
        | (Cat(Const(0, 1), places[: width - 1]) & lift)
        | (Value.cast(new).replicate(width) & put)
        | (Cat(places[1:], Const(0, 1)) & lower)
    )
