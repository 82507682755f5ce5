# SPDX-License-Identifier: Apache-2.0
"""Listen keys: the names of user-data streams, and when they end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from host.paper.clock import VenueClock
from host.paper.errors import refusal

__all__ = ["ListenKeys"]


class ListenKeys:
    """Listen keys of a market, one for each API key at a time.

    Parameters
    ----------
    market : str
        Goes into the keys, so that those of two markets differ.
    clock : VenueClock
        Venue time, in which keys end.
    life_ms : int
        Life without a keepalive.
    """

    def __init__(self, market: str, clock: VenueClock, life_ms: int) -> None:
        self._market = market
        self._clock = clock
        self._life_us = life_ms * 1000
        self._ends_us: dict[str, int] = {}
        self._owners: dict[str, str] = {}
        self._count = 0
        #: called with a key that has ended
        self.on_end: Callable[[str], None] = lambda key: None

    def create(self, owner: str) -> str:
        """The key of an owner; its life begins anew."""
        found = self._owners.get(owner)
        if found is None:
            self._count += 1
            seed = f"{self._market} {owner} {self._count}".encode()
            found = hashlib.sha256(seed).hexdigest()
            self._owners[owner] = found
        self._extend(found)
        return found

    def keep(self, owner: str, key: str | None) -> str:
        """Begin the life of a key anew.

        Raises
        ------
        VenueError
            -1125.
        """
        found = key or self._owners.get(owner)
        if found is None or found not in self._ends_us:
            raise refusal("listen_key")
        self._extend(found)
        return found

    def close(self, owner: str, key: str | None) -> None:
        """End a key.

        Raises
        ------
        VenueError
            -1125.
        """
        found = key or self._owners.get(owner)
        if found is None or found not in self._ends_us:
            raise refusal("listen_key")
        self._forget(found)

    def valid(self, key: str) -> bool:
        """Whether a key lives."""
        return key in self._ends_us

    def end_all(self) -> None:
        """End every key, as if its time were up."""
        for key in list(self._ends_us):
            self._forget(key)
            self.on_end(key)

    def _extend(self, key: str) -> None:
        end_us = self._clock.now_us + self._life_us
        self._ends_us[key] = end_us
        self._clock.at(end_us, lambda: self._check(key))

    def _check(self, key: str) -> None:
        if self._ends_us.get(key, self._clock.now_us + 1) <= self._clock.now_us:
            self._forget(key)
            self.on_end(key)

    def _forget(self, key: str) -> None:
        self._ends_us.pop(key, None)
        for owner in [o for o, k in self._owners.items() if k == key]:
            del self._owners[owner]
