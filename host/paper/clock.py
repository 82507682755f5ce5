# SPDX-License-Identifier: Apache-2.0
"""Venue time: it moves only when it is told to, and what is due happens in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["VenueClock"]


class VenueClock:
    """A clock with a list of things to do.

    Parameters
    ----------
    now_us : int
        Time at the start, microseconds since the epoch.

    Attributes
    ----------
    now_us : int
        The time.
    """

    def __init__(self, now_us: int = 0) -> None:
        self.now_us = now_us
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def next_us(self) -> int | None:
        """Time of the next thing to do, None where there is none."""
        return self._due[0][0] if self._due else None

    def at(self, time_us: int, do: Callable[[], None]) -> None:
        """Do something at a time; at once where it is not in the future.

        Things of one time are done in the order in which they were asked for.
        """
        if time_us <= self.now_us:
            do()
            return
        self._count += 1
        heapq.heappush(self._due, (time_us, self._count, do))

    def advance(self, time_us: int) -> None:
        """Move the time and do what is due; a time in the past moves nothing."""
        while self._due and self._due[0][0] <= time_us:
            due_us, _, do = heapq.heappop(self._due)
            self.now_us = max(self.now_us, due_us)
            do()
        self.now_us = max(self.now_us, time_us)
