# SPDX-License-Identifier: Apache-2.0
"""A stop at the venue behind each position of a session, while it trades, stands and after it.

Every fill, and every agreement with the venue, makes the stop of its symbol due; then the venue is
asked what the position is, and the stop follows it (`host.execution.backstop`). It is the host's
own order: the board knows nothing of it. So where one is filled, whatever should have acted before
has not, and the session stands until a person has looked.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from host.execution.backstop import Backstop
from host.execution.journal import JournalError
from host.execution.orders import HOST_DECISIONS, Change
from host.venues.interface import VenueFault

if TYPE_CHECKING:
    from host.driver.session import Session

__all__ = ["Stops"]

#: Least time between two moves of the stops; and until a failed one is tried again, at first and at
#: most, since other symbols wait as well.
_REST_S = 0.25
_AGAIN_S = 1.0
_AGAIN_MOST_S = 5.0


class Stops:
    """Keeps the stops of a session.

    Parameters
    ----------
    session : Session
        The session; without ``orders.backstop`` nothing is ever done.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        share = session.config.orders.backstop
        self._stops = {
            one.symbol: Backstop(session.orders, one.symbol, one.tick, share, session.next_decision)
            for one in (session.symbols if share else ())
        }

    def adopt(self) -> None:
        """Take over the stops that an earlier session has left, and look at all positions."""
        for symbol, stop in self._stops.items():
            stop.adopt(symbol)
            self._mark(symbol)

    def heard(self, change: Change) -> None:
        """Take a change of an order; a fill makes the stop of its symbol due."""
        row = change.row
        if not change.filled or row.request.symbol not in self._stops:
            return
        self._mark(row.request.symbol)
        if row.decision >= HOST_DECISIONS and row.request.trigger is not None:
            session = self._session
            session.driver.counters["stops_filled"] += 1
            session.trail.event("stop filled", symbol=row.request.symbol, filled=str(change.filled))
            if session.phase.value == "trading":
                session.standing.pause(f"{row.request.symbol}: the stop at the venue was filled")

    async def run(self) -> None:
        """Move stops as they fall due, until cancelled."""
        again_s = _AGAIN_S
        while True:
            await self._wake.wait()
            if await self.follow():
                await self._session.sleep(again_s)
                again_s = min(2 * again_s, _AGAIN_MOST_S)
            else:
                again_s = _AGAIN_S
                await self._session.sleep(_REST_S)

    async def follow(self) -> bool:
        """Move the stops that are due; tells whether one could not be moved and is due again."""
        session, failed = self._session, False
        self._wake.clear()
        for symbol in sorted(self._due):
            self._due.discard(symbol)
            try:
                if not await self._move(symbol):
                    raise VenueFault(f"{symbol}: expected the stop to be taken, was not")
            except (VenueFault, JournalError) as error:
                failed = True
                session.driver.counters["stops_failed"] += 1
                session.trail.event("stop", symbol=symbol, text=str(error))
                self._mark(symbol)
        return failed

    async def last(self) -> list[str]:
        """At the end of a session: follow the positions that are left; what failed, in words."""
        problems = []
        for symbol, stop in self._stops.items():
            stop.adopt(symbol)  # one whose placing was cut off
            try:
                if not await self._move(symbol):
                    problems.append(f"{symbol}: expected a stop behind the position, was none")
            except (VenueFault, JournalError) as error:
                problems.append(f"{symbol}: expected a stop behind the position, was: {error}")
        return problems

    # inside

    def _mark(self, symbol: str) -> None:
        self._due.add(symbol)
        self._wake.set()

    async def _move(self, symbol: str) -> bool:
        session = self._session
        found = [p for p in await session.venue.positions([symbol]) if p.symbol == symbol]
        qty = sum((p.qty for p in found), Decimal(0))
        number = next(one.number for one in session.symbols if one.symbol == symbol)
        entry = found[0].entry if found else None
        placed = await self._stops[symbol].follow(qty, entry or session.watch.price(number))
        session.trail.event("stop", symbol=symbol, position=str(qty), placed=placed)
        return placed
