# SPDX-License-Identifier: Apache-2.0
"""What the fault drills share: a desk with journal and orders, a clock, and the accounting."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from host.execution.journal import Journal, State
from host.execution.orders import Change, Orders
from host.execution.recovery import Agreement, Recovery
from host.paper.exchange import Exchange
from host.paper.server import PaperServer
from host.venues.ccxt_venue import CcxtVenue
from tests.paper.market import START_MS, SYMBOL, Hand, settings
from tests.venues.desk import SYMBOLS, connected

VENUE_STATES = {
    "NEW": State.OPEN,
    "PARTIALLY_FILLED": State.OPEN,
    "FILLED": State.FILLED,
    "CANCELED": State.CANCELED,
    "EXPIRED": State.EXPIRED,
    "EXPIRED_IN_MATCH": State.EXPIRED,
}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000) + 1


class Desk:
    """Everything of a trader and the venue it trades at."""

    def __init__(self, server: PaperServer, hand: Hand, clock: Clock, path: Path) -> None:
        self.server = server
        self.hand = hand
        self.clock = clock
        self.path = path
        self.symbol = SYMBOLS[hand.name]
        self.changes: list[Change] = []
        self.venue: CcxtVenue
        self.journal: Journal
        self.orders: Orders
        self.session = 0

    async def open(self, timeout_ms: int = 1000) -> Agreement:
        """Start a session as a driver does: venue, journal, recovery."""
        self.venue = connected(self.server, self.hand.name)
        self.venue.exchange.timeout = 30_000
        await self.venue.start()
        self.venue.exchange.timeout = timeout_ms
        self.journal = Journal(self.path)
        self.session = self.journal.begin_session(self.venue.name, "paper", self.clock())
        self.orders = Orders(
            self.venue,
            self.journal,
            self.session,
            self.clock,
            self.clock.sleep,
            self.changes.append,
        )
        return await self.recover()

    async def recover(self) -> Agreement:
        return await Recovery(
            self.venue, self.journal, self.orders, [self.symbol], self.clock
        ).run()

    async def close(self) -> None:
        """End without a word, as a process that is killed does."""
        self.journal.close()
        await self.venue.close()

    def account(self) -> None:
        check_accounts(self.journal, self.hand.exchange, self.symbol, self.position())

    def position(self) -> Decimal:
        account = self.hand.market.account
        if self.hand.name == "spot":
            return account.free["BTC"] + account.locked["BTC"]  # type: ignore[union-attr]
        return account.position(self.hand.exchange.specs[SYMBOL]).qty  # type: ignore[union-attr]


def check_accounts(journal: Journal, exchange: Exchange, symbol: str, position: Decimal) -> None:
    """Orders sent are orders the venue has, each once, in the same state; positions are equal."""
    at_venue = {order.asked.client_id: order for order in exchange.orders.values()}
    times = Counter(order.asked.client_id for order in exchange.orders.values())
    assert set(times.values()) <= {1}, times
    ours = {row.request.client_id: row for row in journal.orders()}
    arrived = {n for n, row in ours.items() if row.state not in (State.REJECTED, State.ABSENT)}
    assert arrived == set(at_venue)
    for name in arrived:
        order, row = at_venue[name], ours[name]
        assert row.state is VENUE_STATES[order.status], name
        assert row.filled == order.filled_lots * order.spec.lot
        assert row.cost == order.quote
        assert journal.fill_qty(name) == row.filled
    base = journal.base(symbol)
    assert base is not None
    assert base + journal.position(symbol) == position


@asynccontextmanager
async def drill(tmp_path: Path, market: str = "usdm", **changes: object) -> AsyncIterator[Desk]:
    """A server with a market written by hand, and a desk that has been opened."""
    clock = Clock()
    async with PaperServer(settings(market, **changes), clock) as server:
        desk = Desk(server, Hand(server.venue, market), clock, tmp_path / "journal.db")
        agreement = await desk.open()
        assert agreement.settled and not agreement.differences
        try:
            yield desk
        finally:
            await desk.close()
