# SPDX-License-Identifier: Apache-2.0
"""What the token just ahead of another one on the same row means for that one's decision."""

from amaranth.hdl import Cat, Value
from amaranth.lib import data

__all__ = ["ahead_layout", "ahead_of"]


def ahead_layout() -> data.StructLayout:
    """One bit each; all clear where the token ahead is on another row, or there is none."""
    return data.StructLayout(
        {
            "made": 1,  # a level at the token's key was put
            "gone": 1,  # none is left at its key
            "worse": 1,  # a level was put whose key is not better than the token's
            "evicts": 1,  # the last level became the horizon
            "reached": 1,  # there is a new horizon and the token is at or beyond it
            "clears": 1,  # no level and no horizon is left
        }
    )


def ahead_of(moves: data.View, better: Value, equal: Value) -> Value:
    """`ahead_layout` of what a token does, and how its key compares with the one behind it.

    Told in these terms, and not as moves and a comparison, since a decision rests on those of the
    one before: what can be joined before the register is not joined behind it. A token better than
    a new horizon is better than the one before, since a horizon only moves to a better price.
    """
    told = {
        "made": moves.adds & equal,
        "gone": moves.deletes & equal | moves.clears,
        "worse": moves.adds & ~better,
        "evicts": moves.evicts,
        "reached": moves.bounds & (better | equal),
        "clears": moves.clears,
    }
    return Cat(told[name] for name in ahead_layout().members)
