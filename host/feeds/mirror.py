# SPDX-License-Identifier: Apache-2.0
"""What the fabric holds of one side of a book, known from the record stream alone.

The rules are those of ``docs/contract.md``. Quantities are left out: the host asks only how
many levels the fabric holds and how far they reach.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

__all__ = ["NO_HORIZON", "SideMirror"]

#: Key below that of every price: a side without a horizon.
NO_HORIZON = -(1 << 33)


class SideMirror:
    """Levels and horizon of one side in the fabric.

    Inside, a price is a key that grows with how good it is: the price of a bid, minus the price
    of an ask. So the worst level held is the first of an ascending list.

    Parameters
    ----------
    ask : bool
        Which side.
    depth : int
        Levels the fabric keeps a side (K).

    Attributes
    ----------
    known : bool
        The fabric's side is KNOWN; it is UNKNOWN otherwise. (The host writes refills whole, so
        that it is never LOADING between two calls.)
    """

    __slots__ = ("_depth", "_horizon", "_keys", "_sign", "known")

    def __init__(self, ask: bool, depth: int) -> None:
        self._sign = -1 if ask else 1
        self._depth = depth
        self._keys: list[int] = []
        self._horizon = NO_HORIZON
        self.known = False

    @property
    def count(self) -> int:
        """Levels held."""
        return len(self._keys)

    @property
    def horizon_ticks(self) -> int | None:
        """Every level strictly better is held and no other; None: no level is missing."""
        return None if self._horizon == NO_HORIZON else abs(self._horizon)

    def prices_ticks(self) -> list[int]:
        """Prices held, best first."""
        return [abs(key) for key in reversed(self._keys)]

    def clear(self) -> None:
        """Follow a CLEAR."""
        self.known = False
        self._keys.clear()
        self._horizon = NO_HORIZON

    def load(self, prices_ticks: Iterable[int], horizon_ticks: int | None) -> None:
        """Follow REFILL_BEGIN, at most K levels better than the horizon, and REFILL_END."""
        sign = self._sign
        self._keys = sorted(price * sign for price in prices_ticks)
        self._horizon = NO_HORIZON if horizon_ticks is None else horizon_ticks * sign
        self.known = True

    def update(self, prices_ticks: list[int], qtys_lots: list[int]) -> None:
        """Follow the LEVELs of an event."""
        if not self.known:
            return
        sign, depth, keys, horizon = self._sign, self._depth, self._keys, self._horizon
        for price, qty in zip(prices_ticks, qtys_lots, strict=True):
            key = price * sign
            if key <= horizon:
                continue
            at = bisect_left(keys, key)
            if at < len(keys) and keys[at] == key:
                if not qty:
                    del keys[at]
            elif qty:
                if len(keys) < depth:
                    keys.insert(at, key)
                elif at:
                    horizon = keys[0]
                    keys.insert(at, key)
                    del keys[0]
                else:
                    horizon = key
        self._horizon = horizon
