# SPDX-License-Identifier: Apache-2.0
"""How the keys of some places of a row are to the key of a token."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Compare", "shares"]

#: Places that share a copy of the token's key.
_SHARE = 9


def shares(places: int) -> list[range]:
    """Places in even runs of at most `_SHARE`."""
    runs = -(-places // _SHARE)
    edges = [places * run // runs for run in range(runs + 1)]
    return [range(low, high) for low, high in pairwise(edges)]


class Compare(wiring.Component):
    """Compare a token's key with some keys of its row, mended with the row that has come to stand.

    A block of its own for the sake of the clock: it keeps a copy of the token's key beside its
    places. One register for all places of a row would have to reach over the whole part and be
    compared there in the same clock.

    Parameters
    ----------
    price_bits : int
        Width of a key.
    places : int
        Places compared.
    mended : bool
        Keys may have to be; else `newest` and `taken` mean nothing.

    Members
    -------
    key : In(price_bits)
        Key of the token in stage 1.
    keys, newest : In
        Keys as read, in stage 2, and those of the row that stands: a key a place.
    taken : In(places)
        Places that take the key of the row that stands.
    better, equal : Out(places)
        In stage 3: the place's key is smaller, or equal.

    Latency
    -------
    One cycle from stage 2.
    """

    def __init__(self, price_bits: int, places: int, mended: bool = True) -> None:
        self.mended = mended
        row = data.ArrayLayout(price_bits, places)
        super().__init__(
            {
                "key": In(price_bits),
                "keys": In(row),
                "newest": In(row),
                "taken": In(places),
                "better": Out(places),
                "equal": Out(places),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        token: Any = Signal.like(self.key, name="token_key")
        m.d.sync += token.eq(self.key)
        for at in range(len(self.taken)):
            key = self.keys[at]
            if self.mended:
                key = Mux(self.taken[at], self.newest[at], key)
                m.d.sync += self.equal[at].eq(~(key ^ token).any())
            else:  # it comes from a memory, late: halves are compared before the register
                half = len(token) // 2
                low, high = Signal(name=f"low{at}"), Signal(name=f"high{at}")
                m.d.sync += [
                    low.eq(key[:half] == token[:half]),
                    high.eq(key[half:] == token[half:]),
                ]
                m.d.comb += self.equal[at].eq(low & high)
            m.d.sync += self.better[at].eq(key < token)
        return m
