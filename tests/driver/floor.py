# SPDX-License-Identifier: Apache-2.0
"""A trading floor for tests: a session on the reference model, before a market written by hand.

Time passes only while somebody sleeps, and the exchange's time with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from host.driver.config import RunConfig
from host.driver.session import Outcome, Phase, Session
from host.execution.journal import Journal
from host.paper.server import PaperServer
from tests.driver.model import ModelBoard
from tests.execution.drill import Clock, check_accounts
from tests.paper.market import SYMBOL as NAME
from tests.paper.market import Hand, settings

SYMBOL = "BTC/USDT:USDT"
#: A request that hangs ends by the clock of the machine, however fast that is.
_PATIENCE_S = 60


class Steps(Clock):
    """Time, and turns of the event loop in which the network moves."""

    server: PaperServer | None = None
    turns = 8

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.server is not None:
            clock = self.server.venue.clock
            clock.advance(clock.now_us + int(seconds * 1e6))
        for _ in range(self.turns):
            await asyncio.sleep(0)

    def steady_ns(self) -> int:
        return self.now_ms * 1_000_000


class Floor:
    """What a test works with."""

    def __init__(self, server: PaperServer, clock: Steps, folder: Path, config: RunConfig) -> None:
        self.server = server
        self.clock = clock
        self.folder = folder
        self.hand = Hand(server.venue)
        self.config = config
        self.board = ModelBoard()
        self.said: list[str] = []
        self.session = self.fresh()
        self.task: asyncio.Task[Outcome] | None = None

    def fresh(self) -> Session:
        """Another session on the same folder, board and exchange."""
        return Session(
            self.config,
            self.folder / "tickgate.toml",
            self.folder,
            {},
            self.clock,
            self.clock.sleep,
            self.said.append,
            self.board,
            self.server,
            self.clock.steady_ns,
        )

    async def begin(self) -> None:
        """Run the session until it trades and its book is whole."""
        self.task = asyncio.ensure_future(self.session.run())
        await self.until(lambda: self.session.phase is Phase.TRADING)
        await self.until(lambda: self.hand.market.streams.names(_any(self.hand)) != [])
        await self.until(lambda: bool(self.hand.market.user_connections))
        self.hand.depth()
        await self.synced()

    async def synced(self) -> None:
        """Wait until the book is whole."""
        await self.until(lambda: all(f.synced for f in self.session.feed.feeds.values()))
        self.hand.depth()
        await self.until(lambda: 0 in self.session.driver.tops)

    async def until(self, there: Callable[[], bool]) -> None:
        """Let the loop turn until something is so."""
        ends_s = asyncio.get_running_loop().time() + _PATIENCE_S
        while asyncio.get_running_loop().time() < ends_s:
            if there():
                return
            if self.task is not None and self.task.done():
                self.task.result()
                raise AssertionError(f"the session has ended: {self.session.outcome}")
            await asyncio.sleep(0)
        raise AssertionError(f"waited in vain; the session is {self.session.phase}, {self.said}")

    async def trade(self, side: str = "buy", lots: str = "90") -> None:
        """Make the book lean to a side, and wait for the order that follows to end."""
        session = self.session
        before = session.driver.counters["decisions"]
        bids, asks = [("100.0", "5")], [("101.0", "4")]
        lean = ([("100.0", lots)], asks) if side == "buy" else (bids, [("101.0", lots)])
        self.hand.depth(*lean)
        await self.until(lambda: session.driver.counters["decisions"] > before)
        await self.until(lambda: session.driver.under_way == 0)
        self.hand.depth(bids, asks)

    async def end(self, reason: str = "the test is over") -> Outcome:
        """Stop the session and wait for its end."""
        assert self.task is not None
        if not self.task.done():
            self.session.stop(reason)
        return await asyncio.wait_for(self.task, 60)

    def position(self) -> Decimal:
        account = self.hand.market.account
        return account.position(self.hand.exchange.specs[NAME]).qty  # type: ignore[union-attr]

    def account(self) -> None:
        """Orders sent are orders the venue has, each once; the fabric is halted or agrees."""
        journal = Journal(self.folder / "journal.db")
        try:
            check_accounts(journal, self.hand.exchange, SYMBOL, self.position())
        finally:
            journal.close()
        gate, lots = self.board.model.gate.symbols[0], int(self.position() / Decimal("0.001"))
        halted = bool(self.board.model.gate.kill_causes) or not self.board.model._register["mode"]
        agrees = (gate.worst_long, gate.worst_short) == (lots, -lots) and gate.position == lots
        assert halted or agrees
        assert not self.hand.exchange.open
        if not self.board.lost and not self.session.outcome.problems:
            assert agrees

    async def recover(self) -> None:
        """Agree once more, as the next start would."""
        session = self.fresh()
        self.session = session
        await self.begin()
        assert not self.session.bridge.odd
        outcome = await self.end()
        assert not outcome.problems, outcome.problems


def _any(hand: Hand) -> Any:
    found = [c for names in hand.market.streams._listeners.values() for c in names]
    return found[0] if found else None


def configured(**tables: Any) -> RunConfig:
    """A configuration for the market written by hand."""
    values: dict[str, Any] = {
        "symbol": [{"name": SYMBOL}],
        "strategy": {"levels": 2, "ratio": Decimal(3), "sides": "both"},
        "limits": {"rate": Decimal(1000), "burst": 1000, "stale_ms": 60_000},
        "risk": {"max_losses": 255, "orders_a_position": 300},
        "orders": {"timeout_ms": 1000, "dead_man_ms": 0},
        "feed": {"depth": "0ms", "silent_ms": 600_000},
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table} if isinstance(table, dict) else table
    return RunConfig.model_validate(values)


@asynccontextmanager
async def floor(tmp_path: Path, **tables: dict[str, Any]) -> AsyncIterator[Floor]:
    """A session that trades; whatever is left of it is stopped."""
    clock = Steps()
    given = settings(weight_limit=1_000_000)
    async with PaperServer(given, clock) as server:
        clock.server = server
        found = Floor(server, clock, tmp_path, configured(**tables))
        await found.begin()
        try:
            yield found
        finally:
            if found.task is not None and not found.task.done():
                found.session.stop("the test has failed")
                await asyncio.gather(found.task, return_exceptions=True)


__all__ = ["NAME", "SYMBOL", "Floor", "configured", "floor"]
