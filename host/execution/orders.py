# SPDX-License-Identifier: Apache-2.0
"""The life of our orders: each is sent at most once, and what became of it is found out.

::

    intent ──answer──▶ open ──▶ filled, canceled, expired
      │  └─refused───▶ rejected
      └──no answer───▶ unknown ──found by client id──▶ open, filled, ...
                               └─not there, and too late to come──▶ absent

An order whose submit was not answered is asked for by its client id. "No such order" counts
only once the request can no longer arrive: its timestamp and receive window have passed at the
venue. Until then it is asked for again, and nothing else is sent for it.

Reports only ever move an order forward: a fill does not shrink and a final state stays. What
does not fit is counted in `Orders.odd` and written to the journal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from host.execution.ahead import Ahead
from host.execution.journal import FINAL, Journal, JournalError, OrderRow, State
from host.execution.names import client_id
from host.venues.interface import (
    Busy,
    OrderReport,
    OrderRequest,
    Refused,
    Status,
    Unknown,
    Venue,
    VenueFault,
)

__all__ = ["HOST_DECISIONS", "Change", "Orders"]

#: Decisions from here on are the host's own: stops, and what closes a position at the end. Below,
#: they are the fabric's `decision_id`, the slot in the low byte.
HOST_DECISIONS = 1 << 32
#: Number of an order that is never sent.
_REHEARSED = (1 << 33) - 1

_ZERO = Decimal(0)
_STATES = {
    Status.OPEN: State.OPEN,
    Status.FILLED: State.FILLED,
    Status.CANCELED: State.CANCELED,
    Status.EXPIRED: State.EXPIRED,
    Status.REJECTED: State.REJECTED,
}


@dataclass(frozen=True)
class Change:
    """What has become known of an order.

    Attributes
    ----------
    row : OrderRow
        The order as it is now.
    filled, cost : Decimal
        What was filled since the change before, and price x quantity of it.
    """

    row: OrderRow
    filled: Decimal
    cost: Decimal


class Orders:
    """Sends orders and follows them.

    Parameters
    ----------
    venue : Venue
        Where they go.
    journal : Journal
        Where they are written first.
    session : int
        Number of the session, of `Journal.begin_session`.
    now_ms : callable
        Our clock.
    sleep : callable
        Waits some seconds.
    on_change : callable
        Told of every `Change`, after it is on disk.
    window_ms : int
        Receive window of the venue's requests.
    ahead : Ahead, optional
        Reservations of names; without them every intent is synced to disk before it is sent.

    Attributes
    ----------
    halted : str
        Why nothing is sent any more, empty while orders may be sent.
    odd : Counter
        Reports that did not fit, by kind.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        session: int,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_change: Callable[[Change], None] = lambda change: None,
        window_ms: int = 5000,
        ahead: Ahead | None = None,
    ) -> None:
        self._venue = venue
        self._journal = journal
        self._session = session
        self._now_ms = now_ms
        self._sleep = sleep
        self._on_change = on_change
        self._window_ms = window_ms
        self._ahead = ahead
        self._rows: dict[str, OrderRow] = {}
        # from when on nothing more was sent for an order, by our clock
        self._silent_since_ms: dict[str, int] = {}
        self.halted = ""
        self.odd: Counter[str] = Counter()

    # sending

    def halt(self, why: str) -> None:
        """Send no new orders; cancels still go."""
        self.halted = self.halted or why

    async def submit(
        self,
        decision: int,
        symbol: str,
        side: str,
        qty: Decimal,
        price: Decimal | None = None,
        *,
        part: int = 0,
        tif: str = "GTC",
        reduce_only: bool = False,
        trigger: Decimal | None = None,
    ) -> OrderRow:
        """Write the intent, send the order once, and find out what became of it.

        Returns
        -------
        OrderRow
            The order; its state is `UNKNOWN` where the venue could not be asked, and `settle` has
            to be called until it is another.

        Raises
        ------
        JournalError
            The intent could not be written and nothing was sent, or what became of the order could
            not be written. Orders are halted then.
        Refused
            Orders are halted; nothing was written or sent.
        """
        return await self.start(
            decision,
            symbol,
            side,
            qty,
            price,
            part=part,
            tif=tif,
            reduce_only=reduce_only,
            trigger=trigger,
        )

    def start(
        self,
        decision: int,
        symbol: str,
        side: str,
        qty: Decimal,
        price: Decimal | None = None,
        *,
        part: int = 0,
        tif: str = "GTC",
        reduce_only: bool = False,
        trigger: Decimal | None = None,
        closing: bool = False,
    ) -> Coroutine[Any, Any, OrderRow]:
        """Write the intent and hand the order to the venue, now; what is returned waits for it.

        Parameters
        ----------
        closing : bool
            It may be sent although orders are halted: it closes a position.

        Raises
        ------
        JournalError, Refused
            As of `submit`; nothing was sent.
        """
        if self.halted and not closing:
            raise Refused(f"halted: {self.halted}", "halted")
        name = client_id(self._journal.instance, self._session, decision, part)
        request = OrderRequest(name, symbol, side, qty, price, tif, reduce_only, trigger)
        now_ms = self._now_ms()
        try:
            reserved = (
                self._ahead is not None
                and decision < HOST_DECISIONS
                and self._ahead.cover(decision >> 8)
            )
            self._journal.intend(request, self._session, decision, part, now_ms, not reserved)
        except JournalError:
            self.halt("journal")
            raise
        try:
            sending = self._venue.begin(request)
        finally:  # it may have been sent, whatever is raised
            self._rows[name] = _intended(request, self._session, decision, part, now_ms)
        return self._finish(name, sending)

    def rehearse(self, symbol: str, side: str, qty: Decimal, price: Decimal) -> OrderRequest:
        """What `start` does before it sends, taken back; see `host.driver.rehearsal`."""
        name = client_id(self._journal.instance, self._session, _REHEARSED)
        request = OrderRequest(name, symbol, side, qty, price, "IOC")
        self._journal.rehearse(request, self._session, _REHEARSED, self._now_ms())
        return request

    async def _finish(self, name: str, sending: Awaitable[OrderReport]) -> OrderRow:
        try:
            self._journal.settle()
        except JournalError:
            self.halt("journal")  # what becomes of this one cannot be written either
        try:
            report = await sending
        except (Refused, Busy) as error:
            # the venue has not taken it; a stream may have told otherwise meanwhile
            if self._rows[name].state is State.INTENT:
                return self._move(name, State.REJECTED, str(error))
            self.odd["refused_yet_reported"] += 1
            return self._rows[name]
        except Unknown as error:
            if self._rows[name].state is State.INTENT:
                self._move(name, State.UNKNOWN, str(error))
            return await self.settle(name)
        except BaseException:
            # cancelled, or a fault nobody thought of: it may have been sent
            if self._rows[name].state is State.INTENT:
                self._move(name, State.UNKNOWN, "interrupted")
            raise
        return self.take(report)

    async def settle(self, name: str, tries: int = 8) -> OrderRow:
        """Ask the venue for an order until it says what became of it, or `tries` are used up.

        Never sends the order.

        Raises
        ------
        KeyError
            There is no such order.
        """
        row = self._row(name)
        since_ms = self._silent_since_ms.setdefault(name, self._now_ms())
        for number in range(tries):
            if row.state not in (State.INTENT, State.UNKNOWN):
                return row
            wait_s = min(0.25 * 2**number, 5.0)
            try:
                report = await self._venue.query(row.request)
            except Busy as busy:
                wait_s = busy.retry_after_s
            except VenueFault:
                pass
            else:
                row = self._row(name)
                if report is not None:
                    return self.take(report)
                left_ms = since_ms + self._window_ms + 1000 - self._now_ms()
                if left_ms <= 0 and row.state in (State.INTENT, State.UNKNOWN):
                    return self._move(name, State.ABSENT, "not at the venue, too late to come")
                wait_s = min(wait_s, left_ms / 1000) if left_ms > 0 else wait_s
            await self._sleep(wait_s)
            row = self._row(name)
        return row

    async def cancel(self, name: str) -> OrderRow:
        """Cancel an order; where the answer is lost, ask what became of it.

        Raises
        ------
        KeyError
            There is no such order.
        VenueFault
            The venue neither cancelled nor told.
        """
        row = self._row(name)
        if row.state in FINAL:
            return row
        try:
            report = await self._venue.cancel(row.request)
        except Unknown:
            report = await self._venue.query(row.request)
        if report is None:
            report = await self._venue.query(row.request)
        if report is not None:
            return self.take(report)
        row = self._row(name)
        if row.state is State.OPEN:
            # it was there and is not in the venue's books any more
            self.odd["lost"] += 1
            self._journal.note(name, "lost", "the venue does not know it any more", self._now_ms())
            return row
        return await self.settle(name)

    # hearing

    def take(self, report: OrderReport) -> OrderRow:
        """Take a report of the venue, whichever way it came.

        Raises
        ------
        KeyError
            The order is none of this journal.
        """
        row = self._row(report.client_id)
        state = _STATES[report.status]
        filled, cost = max(row.filled, report.filled), max(row.cost, report.cost)
        if report.filled < row.filled:
            self.odd["filled_shrank"] += 1
        if row.state in FINAL:
            if report.filled > row.filled:
                # a fill that was told after the end: it counts, the state stays
                self.odd["fill_after_end"] += 1
                return self._move(
                    row.request.client_id, row.state, "late fill", report, filled, cost
                )
            if state is not row.state:
                self.odd["after_end"] += 1
            return row
        if state is row.state and filled == row.filled:
            return row
        return self._move(row.request.client_id, state, "", report, filled, cost)

    def hear(self, report: OrderReport) -> OrderRow | None:
        """Take a report of a stream; None, and counted, for an order that is none of ours."""
        if self.row(report.client_id) is None:
            self.odd["foreign"] += 1
            return None
        return self.take(report)

    def adopt(self, row: OrderRow) -> None:
        """Follow an order of an earlier session."""
        self._rows[row.request.client_id] = row

    def open(self) -> list[OrderRow]:
        """Orders in no final state."""
        return [row for row in self._rows.values() if row.state not in FINAL]

    def row(self, name: str) -> OrderRow | None:
        """An order, None where it is none of ours."""
        return self._rows.get(name) or self._journal.order(name)

    def row_of(self, decision: int, part: int = 0) -> OrderRow | None:
        """An order of this session by its decision, None where none was written."""
        return self.row(client_id(self._journal.instance, self._session, decision, part))

    # inside

    def _row(self, name: str) -> OrderRow:
        found = self._rows.get(name) or self._journal.order(name)
        if found is None:
            raise KeyError(f"expected an order of this journal, was {name!r}")
        self._rows[name] = found
        return found

    def _move(
        self,
        name: str,
        state: State,
        detail: str,
        report: OrderReport | None = None,
        filled: Decimal | None = None,
        cost: Decimal | None = None,
    ) -> OrderRow:
        before = self._rows[name]
        now_ms = self._now_ms()
        venue_id = report.venue_id if report is not None else None
        try:
            self._journal.update(name, state, now_ms, detail, venue_id, filled, cost)
        except JournalError:
            self.halt("journal")
            raise
        row = OrderRow(
            before.request,
            before.session,
            before.decision,
            before.slice,
            state,
            venue_id or before.venue_id,
            before.filled if filled is None else filled,
            before.cost if cost is None else cost,
            before.created_ms,
            now_ms,
        )
        self._rows[name] = row
        self._on_change(Change(row, row.filled - before.filled, row.cost - before.cost))
        return row


def _intended(
    request: OrderRequest, session: int, decision: int, part: int, now_ms: int
) -> OrderRow:
    """An order of which nothing is known but the intent."""
    return OrderRow(
        request, session, decision, part, State.INTENT, "", _ZERO, _ZERO, now_ms, now_ms
    )
