# SPDX-License-Identifier: Apache-2.0
"""Plays a venue's captures at a speed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from host.paper.venue import PaperVenue

__all__ = ["Replay"]

#: Events between two looks at the network.
_BATCH = 64
_LONGEST_NAP_S = 0.05


class Replay:
    """Moves venue time along with the clock of the machine.

    Parameters
    ----------
    venue : PaperVenue
        Its settings say how fast; with `stepped` nothing moves here.
    monotonic_s : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, venue: PaperVenue, monotonic_s: Callable[[], float]) -> None:
        self._venue = venue
        self._monotonic_s = monotonic_s
        self._speed = float(venue.settings.speed)
        self._wake = asyncio.Event()
        self._start_s: float | None = None
        self._start_us = venue.clock.now_us

    def catch_up(self) -> None:
        """Move venue time to what it is now, so that a request finds the market of its moment."""
        if self._start_s is not None and self._speed:
            self._venue.step_to(self._target_us(), _BATCH)

    def wake(self) -> None:
        """Something new is due."""
        self._wake.set()

    async def run(self) -> None:
        """Play until cancelled; after the end of the captures time goes on without events."""
        venue = self._venue
        if venue.settings.stepped:
            return
        self._start_s, self._start_us = self._monotonic_s(), venue.clock.now_us
        while True:
            if not self._speed:
                if venue.step_events(_BATCH):
                    await asyncio.sleep(0)
                    continue
                # nothing is left to play: time goes on as the machine's does
                self._speed = 1.0
                self._start_s, self._start_us = self._monotonic_s(), venue.clock.now_us
            played = venue.step_to(self._target_us(), _BATCH)
            if played == _BATCH:
                await asyncio.sleep(0)
                continue
            await self._nap()

    def _target_us(self) -> int:
        assert self._start_s is not None
        return self._start_us + int((self._monotonic_s() - self._start_s) * self._speed * 1e6)

    async def _nap(self) -> None:
        next_us = self._venue.next_us
        nap_s = _LONGEST_NAP_S
        if next_us is not None:
            nap_s = min(nap_s, max(0.0, (next_us - self._target_us()) / self._speed / 1e6))
        self._wake.clear()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), nap_s)
