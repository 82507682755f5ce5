# SPDX-License-Identifier: Apache-2.0
"""A session from its first request to its last: open, agree, trade, stop, make sure, report.

States::

    OPENING ─▶ TRADING ◀─▶ STANDING (a loss, a jump of the clock, or a person: nothing new is sent)
                  └──────────┴─▶ STOPPING ─▶ ENDED

Whoever leaves TRADING halts the board first, then cancels what is open, then compares board,
journal and venue. Nothing goes back to TRADING before the three agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from host.contract.records import AlertCause, InKind, Mode
from host.driver.bridge import Bridge
from host.driver.config import RunConfig
from host.driver.control import Control
from host.driver.fabric import Board, Fabric
from host.driver.loop import Driver
from host.driver.market import Arrived, MarketStream
from host.driver.opening import (
    board_of,
    credentials_of,
    feed_of,
    first_price,
    instruments_of,
    kill_file,
    markets_of,
    mode_of,
    paper_of,
)
from host.driver.outcome import facts_of
from host.driver.parts import Parts
from host.driver.rehearsal import Rehearsal, spin
from host.driver.sizes import Sizes
from host.driver.standing import Standing
from host.driver.stops import Stops
from host.driver.trail import Trail
from host.driver.units import Instrumented
from host.driver.watch import Watch
from host.execution.ahead import Ahead
from host.execution.journal import Journal, JournalError
from host.execution.names import client_id
from host.execution.orders import Change, Orders
from host.execution.recovery import Recovery
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.links.base import LinkError
from host.paper.server import PaperServer
from host.settings import SettingError
from host.venues.ccxt_venue import CcxtVenue
from host.venues.interface import StreamLost

__all__ = ["Outcome", "Phase", "Session"]


#: Name of the market stream's connection; a new one takes its place without a gap.
_MARKET = "market"


class Phase(str, Enum):
    """What a session is doing."""

    OPENING = "opening"
    TRADING = "trading"
    STANDING = "standing"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass
class Outcome:
    """What is left of a session.

    Attributes
    ----------
    reason : str
        Why it ended.
    problems : list of str
        What did not agree or could not be made sure; empty: everything did.
    facts : dict
        Figures, see `host.driver.outcome.facts_of`.
    """

    reason: str = ""
    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class Session:
    """One session.

    Parameters
    ----------
    config : RunConfig
        The configuration; live trading has been confirmed.
    file : Path
        Where it came from; folder, keys and captures are beside it.
    folder : Path
        Takes journal, trail and report.
    environment : mapping
        Where keys are looked for.
    now_ms, sleep : callable
        Our clock, and how time passes.
    say : callable
        Takes a line for the person who watches.
    board : Board, optional
        An open board; one is opened by the configuration if not given.
    server : PaperServer, optional
        A running paper exchange; one is started in the mode paper if not given.
    steady_ns : callable
        A clock that nobody sets.
    """

    def __init__(
        self,
        config: RunConfig,
        file: Path,
        folder: Path,
        environment: Mapping[str, str],
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        say: Callable[[str], None] = lambda text: None,
        board: Board | None = None,
        server: PaperServer | None = None,
        steady_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.steady_ns = steady_ns
        self.config = config
        self.folder = folder
        self.phase = Phase.OPENING
        self.outcome = Outcome()
        self.server = server
        self.venue: CcxtVenue
        self.journal: Journal
        self.ahead: Ahead
        self.orders: Orders
        self.bridge: Bridge
        self.fabric: Fabric
        self.feed: FeedSession
        self.driver: Driver
        self.sizes: Sizes
        self.trail: Trail
        self.recovery: Recovery
        self.standing: Standing
        self.stops: Stops
        self.watch: Watch
        self.market: MarketStream
        self.symbols: list[Instrumented] = []
        self.prices: dict[int, Decimal] = {}
        self.opening: dict[str, tuple[Decimal, Decimal]] = {}
        self.equity_start = Decimal(0)
        self.number = 0
        self.started_ms = 0
        self.now_ms = now_ms
        self.sleep = sleep
        self.say = say
        self._file = file
        self._environment = environment
        self._board = board
        self._stop = asyncio.Event()
        self._host_decision = (1 << 32) - 1

    # life

    async def run(self) -> Outcome:
        """Trade until something or somebody ends it.

        Raises
        ------
        SettingError, LinkError, JournalError, ModeError, VenueFault
            It could not begin; nothing was sent.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if kill_file(self.folder).exists():
            raise SettingError(
                f"{kill_file(self.folder)}: expected no such file, was one; "
                "remove it when trading may begin again"
            )
        async with AsyncExitStack() as stack:
            await self._open(stack)
            try:
                await self._trade(stack)
            finally:
                self.phase = Phase.STOPPING
                self.say(f"stopping: {self.outcome.reason or 'a fault'}")
                await self.standing.stop()
                await self.ahead.wait()
                self.outcome.facts = facts_of(self)
                self._close_journal()
                self.phase = Phase.ENDED
        return self.outcome

    def stop(self, reason: str) -> None:
        """End the session; nothing new is sent from now on."""
        if not self.outcome.reason:
            self.outcome.reason = reason
        if self.phase in (Phase.TRADING, Phase.STANDING):
            self.orders.halt(reason)
            with contextlib.suppress(LinkError):
                self.fabric.kill()
        self._stop.set()

    async def _open(self, stack: AsyncExitStack) -> None:
        config = self.config
        keys = credentials_of(config, self._file, self._environment)
        if config.mode == "paper" and self.server is None:
            self.server = paper_of(config, self._file)
            await stack.enter_async_context(self.server)
        url = "" if self.server is None else self.server.url
        self.venue = CcxtVenue(
            config.venue,
            mode_of(config),
            keys,
            self.now_ms,
            url,
            recv_window_ms=config.orders.window_ms,
            lean=config.orders.lean,
        )
        stack.push_async_callback(self.venue.close)
        await self.venue.start()
        self.venue.exchange.timeout = config.orders.timeout_ms
        # the board: another one than this host speaks to is refused before a journal is touched
        board = self._board if self._board is not None else board_of(config, stack)
        self.fabric = Fabric(board)
        self.symbols = instruments_of(config, self.venue, self.fabric.identity)
        self.journal = Journal(self.folder / "journal.db")
        stack.callback(self.journal.close)
        self.ahead = Ahead(self.folder / "ahead.db")
        stack.callback(self.ahead.close)
        self.started_ms = self.now_ms()
        self.number = self.journal.begin_session(config.venue, config.mode, self.started_ms)
        self.bridge = Bridge(markets_of(self.symbols), self.number)
        self.orders = Orders(
            self.venue,
            self.journal,
            self.number,
            self.now_ms,
            self.sleep,
            self._changed,
            config.orders.window_ms,
            self.ahead,
        )
        self.trail = Trail(self.folder, self.number, self._name, self.now_ms)
        self.feed = feed_of(config, self.symbols, self.fabric.identity)
        names = [one.symbol for one in self.symbols]
        self.recovery = Recovery(
            self.venue,
            self.journal,
            self.orders,
            names,
            self.now_ms,
            self.ahead,
            self.sleep,
            config.orders.window_ms,
        )
        self.driver = Driver(
            board,
            self.feed,
            self.orders,
            self.bridge,
            self.venue.depth,
            self.now_ms,
            config.orders.most_open,
            config.feed.snapshot_ms,
            self.trail.decision,
            self._alert,
            self._frames_lost,
        )
        self.driver.parts = Parts(
            self.orders,
            self.bridge,
            self.symbols,
            {given.name: given.largest for given in config.symbols},
            config.orders.twap_ms,
            self.now_ms,
            self.sleep,
            self.driver.counters,
        )
        self.standing = Standing(self)
        self.stops = Stops(self)
        self.watch = Watch(self)
        for one in self.symbols:
            self.prices[one.number] = await first_price(self.venue, one.name, self.sleep)
        self.equity_start = await self.watch.equity()
        self.sizes = Sizes(config, self.fabric, self.symbols, self.prices, self.equity_start)
        # the board's clock first: what is told before it would be older than anything allows
        self.watch.beat()
        self.watch.size()
        agreement = await self.standing.agree()
        for one in self.symbols:
            position = agreement.positions.get(one.symbol, Decimal(0))
            self.opening[one.symbol] = (position, self.prices[one.number])
        self.ahead.begin(self.number)
        self.driver.surely(self._begin_day)
        if causes := self.fabric.kill_causes:  # a link may have dropped the ALERT with its reset
            raise LinkError(
                f"board: expected no cause of a kill after its reset, was {causes!r}; "
                "is the kill input held?"
            )

    async def _trade(self, stack: AsyncExitStack) -> None:
        config = self.config
        names = [
            f"{one.name.lower()}@{kind}"
            for one in self.symbols
            for kind in (f"depth@{config.feed.depth}", "trade", "bookTicker")
        ]
        self.market = MarketStream(
            self.venue.stream_url(names),
            self._feed_lost,
            config.feed.reconnect_h * 3600.0,
            self.sleep,
            self.steady_ns,
        )
        await stack.enter_async_context(self.market)
        handlers = {
            "status": self.status,
            "pause": lambda: self.standing.pause("a person has paused it"),
            "resume": self.standing.resume,
            "rearm": self.standing.rearm,
            "kill": lambda: self._killed("tickgate kill"),
            "stop": lambda: self._killed("tickgate stop"),
        }
        await stack.enter_async_context(Control(self.folder, handlers))
        rehearsal = Rehearsal(
            lambda: self.driver.frame,
            lambda: bool(self.market.waiting),
            [Instrument(one.name, one.number, one.tick, one.lot) for one in self.symbols],
            self.feed.settings,
            self.feed.feeds,
            markets_of(self.symbols),
            self.orders,
            self.venue.rehearse,
        )
        tasks = [
            asyncio.ensure_future(self._frames()),
            asyncio.ensure_future(self._reports()),
            asyncio.ensure_future(self.watch.run()),
            asyncio.ensure_future(self.stops.run()),
        ]
        # not among those whose end ends the session
        beside: list[asyncio.Task[None]] = []
        if config.feed.rehearse_ms:
            beside.append(asyncio.ensure_future(self._rehearse(rehearsal)))
        if config.feed.spin:
            beside.append(asyncio.ensure_future(spin()))
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            self.fabric.set_mode(Mode.ACTIVE)
            self.phase = Phase.TRADING
            self.trail.event("trading", equity=str(self.equity_start))
            self.say(
                f"trading {', '.join(one.symbol for one in self.symbols)} at {self.venue.name} "
                f"({config.mode}); session {self.number}, equity {self.equity_start}"
            )
            done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                error = task.exception() if not task.cancelled() else None
                self.stop("ended" if error is None else f"{type(error).__name__}: {error}")
        finally:
            for task in [stopped, *tasks, *beside]:
                task.cancel()
            await asyncio.gather(stopped, *tasks, *beside, return_exceptions=True)

    def _close_journal(self) -> None:
        with contextlib.suppress(OSError):
            self.trail.flush()
        if not self.outcome.problems:
            with contextlib.suppress(JournalError):
                self.journal.end_session(self.number, self.now_ms())
                self.ahead.forget(self.number)

    # the three streams

    async def _frames(self) -> None:
        most, driver = self.config.feed.conflate_frames, self.driver
        self.market.handler = self._frame
        try:
            while True:
                waiting = await self.market.take()
                if len(waiting) > most:
                    frames = [arrived.payload for arrived in waiting]
                    waiting.clear()
                    driver.on_frames(frames)
                    driver.counters["conflations"] += 1
                else:
                    self._frame(waiting.popleft())
                if waiting:
                    await asyncio.sleep(0)
        finally:
            # the stream lives on while the session stops: nothing of it may reach the board
            self.market.handler = None

    async def _rehearse(self, rehearsal: Rehearsal) -> None:
        """Trading does not need it: a fault in it is told, and ends only it."""
        try:
            await rehearsal.run(self.config.feed.rehearse_ms / 1000)
        except Exception as error:
            self.driver.counters["rehearsals_failed"] += 1
            self.trail.event("rehearsals ended", text=f"{type(error).__name__}: {error}")

    def _frame(self, arrived: Arrived) -> None:
        self.driver.on_frame(arrived.payload, arrived.received_ns, _MARKET)

    async def _reports(self) -> None:
        """What the user stream tells; when it is lost, everything is compared anew."""
        wait_s = 0.1
        while True:
            try:
                for report in await self.venue.watch_orders(None):
                    self.orders.hear(report)
                self.driver.flush()
                wait_s = 0.1
            except StreamLost as error:
                self.driver.counters["user_stream_lost"] += 1
                self.trail.event("user stream lost", text=str(error))
                self.standing.pause("the user stream is lost", person=False)
                await self.sleep(wait_s)
                wait_s = min(2 * wait_s, 5.0)
                await self.standing.resume_after_loss()

    # what happens

    def _changed(self, change: Change) -> None:
        self.bridge.heard(change)
        self.stops.heard(change)

    def _feed_lost(self, why: str) -> None:
        self.trail.event("feed lost", text=why)
        self.feed.connected(_MARKET)
        self.driver.counters["feed_lost"] += 1
        self.standing.lost_feed(why)

    def _alert(self, alert: Any) -> None:
        cause = AlertCause(int(alert["cause"]))
        symbol, value = int(alert["symbol"]), int(alert["value"])
        self.trail.event("alert", cause=cause.name, symbol=symbol, value=value)
        self.standing.alert(cause)

    def _frames_lost(self) -> None:
        self.trail.event("link lost frames", text=self.fabric.losses)
        self.standing.lost_frames()

    def _begin_day(self) -> None:
        self.bridge.put(InKind.DAY)
        self.watch.beat()

    def _killed(self, reason: str) -> str:
        self.stop(reason)
        return "stopping"

    # what is asked

    def next_decision(self) -> int:
        """Number of a decision of the host's own."""
        self._host_decision += 1
        return self._host_decision

    def _name(self, decision: int) -> str:
        return client_id(self.journal.instance, self.number, decision)

    def status(self) -> dict[str, Any]:
        """What it is doing, for ``tickgate status``."""
        tops = {
            one.symbol: {
                "bid": str(self.driver.tops[one.number].bid_ticks * one.tick),
                "ask": str(self.driver.tops[one.number].ask_ticks * one.tick),
            }
            for one in self.symbols
            if one.number in self.driver.tops
        }
        return {
            "phase": self.phase.value,
            "mode": self.config.mode,
            "venue": self.venue.name,
            "session": self.number,
            "since_ms": self.started_ms,
            "halted": self.orders.halted,
            "fabric_mode": self.fabric.mode.name,
            "equity_start": str(self.equity_start),
            "equity": str(self.watch.last_equity),
            "positions": {k: str(v) for k, v in self.watch.positions.items()},
            "books": tops,
            "open_orders": len(self.orders.open()),
            "under_way": self.driver.under_way,
            "frames_waiting": self.market.waiting,
            "counters": dict(self.driver.counters),
            "feed": {k: v for k, v in self.feed.counters.items() if v},
            "market": dict(self.market.counters),
            "odd": {**self.bridge.odd, **self.orders.odd},
            "weight_used": self.venue.weights.used,
        }
