# SPDX-License-Identifier: Apache-2.0
"""How one side of a book lies in its row: slots that never move, and their ranks.

A row has K + 1 slots. A level is written into a slot once and stays there; only its *rank* moves.
The ranks of a row are always a permutation of 0..K:

- the levels held, best first, have the ranks 0..depth-1;
- the free slots have the ranks depth..K-1, so the slot of rank K-1 is free unless the side is full;
- the slot of rank K keeps the price of the horizon.

So an insert writes the slot of rank K-1, or, when the side is full, the slot of rank K: the shift
of the ranks by itself turns the worst level into the new horizon. A delete moves its slot to rank
K-1. Neither needs a search for a free slot, and no price is ever copied.

Prices are kept as *keys*, ordered so that a smaller key is better on both sides.
"""

from amaranth.hdl import Mux, Value, ValueLike
from amaranth.lib import data

from hdl.config import BuildConfig
from hdl.types import SideState

__all__ = ["clear_row", "key_to_price", "price_to_key", "row_layout"]


def price_to_key(price: Value, ask: ValueLike) -> Value:
    """Key of a price: smaller is better. Asks keep their price, bids are inverted."""
    return Mux(ask, price, ~price)


def key_to_price(key: Value, ask: ValueLike) -> Value:
    """Price of a key; its own inverse."""
    return price_to_key(key, ask)


def row_layout(config: BuildConfig) -> data.StructLayout:
    """Everything of a row but keys and quantities."""
    slots = config.levels + 1
    return data.StructLayout(
        {
            "rank": data.ArrayLayout(config.levels.bit_length(), slots),
            "held": slots,  # the slot holds a level
            "depth": config.levels.bit_length(),
            "state": SideState,
            "bounded": 1,  # the slot of rank K holds a horizon
        }
    )


def clear_row(config: BuildConfig) -> int:
    """Bits of an unknown row: ranks in slot order, nothing held."""
    bits = config.levels.bit_length()
    return sum(slot << (bits * slot) for slot in range(config.levels + 1))
