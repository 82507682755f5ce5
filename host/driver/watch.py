# SPDX-License-Identifier: Apache-2.0
"""What has to be looked at again and again while a session trades.

A beat every quarter of a second: heartbeat and time for the board, the kill file, the clock, the
silence of the feed. Every few seconds: the account, credit for the board, the venue's dead-man's
switch. Every minute: sizes and limits.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from host.contract.records import InKind
from host.driver.opening import kill_file
from host.links.base import LinkError
from host.risk.windows import DayClock, NoTrade
from host.venues.interface import VenueFault

if TYPE_CHECKING:
    from host.driver.session import Session

__all__ = ["Watch"]

_BEAT_S = 0.25
_ACCOUNT_BEATS = 20
_SAMPLE_BEATS = 4


class Watch:
    """Keeps an eye on a session.

    Parameters
    ----------
    session : Session
        The session.

    Attributes
    ----------
    last_equity : Decimal
        As of the last look at the account.
    positions : dict
        The venue's positions as of the last look.
    samples : list
        Time, and mid price of each symbol, once a second, for the figures.
    equities : list
        Time and equity at each look.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        config = session.config
        now_ms = session.now_ms()
        self._no_trade = NoTrade(config.risk.no_trade)
        self._day = DayClock(config.risk.day_start, now_ms)
        self._beats = 0
        self._clock_ms = (now_ms, session.steady_ns() // 1_000_000)
        self._silent_since_ns = 0
        self.last_equity = Decimal(0)
        self.positions: dict[str, Decimal] = {}
        self.samples: list[tuple[int, dict[str, Decimal]]] = []
        self.equities: list[tuple[int, Decimal]] = []

    async def run(self) -> None:
        """Beat until cancelled."""
        session = self._session
        while True:
            await session.sleep(_BEAT_S)
            self._beats += 1
            self.beat()
            session.driver.flush()
            if session.driver.link_lost:
                # whoever was told of it first may have been busy with something else
                raise LinkError(session.driver.link_lost)
            self._files_and_clocks()
            await session.standing.feed_is_back()
            if not self._beats % _SAMPLE_BEATS:
                self._sample()
            if not self._beats % _ACCOUNT_BEATS:
                await self._account()
            if not self._beats % int(session.config.risk.resize_s / _BEAT_S):
                self.size()

    def beat(self) -> None:
        """Heartbeat and time for the board; the fabric's clock never goes back."""
        session = self._session
        session.bridge.put(InKind.HEARTBEAT)
        session.bridge.put(InKind.TIMER, self._stream_us())

    def tell(self) -> None:
        """Everything the board has to know before it trades: time, limits, settings, credit."""
        self.beat()
        self.size()

    async def equity(self) -> Decimal:
        """Money and unrealised profit in the quote currency, of the venue.

        Raises
        ------
        VenueFault
            The venue did not say.
        """
        session = self._session
        quote = session.symbols[0].symbol.partition("/")[2].partition(":")[0]
        total = Decimal(0)
        held = {b.asset: b.free + b.used for b in await session.venue.balances()}
        total += held.get(quote, Decimal(0))
        if session.venue.name == "binance":
            for one in session.symbols:
                base = one.symbol.partition("/")[0]
                total += held.get(base, Decimal(0)) * self.price(one.number)
        self.last_equity = total
        self.equities.append((session.now_ms(), total))
        return total

    def size(self) -> None:
        """Work out sizes anew and write every limit."""
        session = self._session
        for one in session.symbols:
            session.prices[one.number] = self.price(one.number)
        entering = not self._no_trade.closed(session.now_ms() + session.venue.offset_ms)
        equity = self.last_equity or session.equity_start
        session.sizes.write(session.prices, equity, entering)
        session.bridge.put(InKind.CREDIT, self._credit(equity))

    def price(self, number: int) -> Decimal:
        """The mid of a symbol as the board had it last."""
        session = self._session
        top = session.driver.tops.get(number)
        if top is None:
            return session.prices[number]
        return top.mid2_ticks * session.symbols[number].tick / 2

    # inside

    def _stream_us(self) -> int:
        """The exchange's time; an embedded one whose market runs at another pace has its own."""
        session = self._session
        if session.server is not None and session.server.venue.settings.paced:
            return session.server.venue.clock.now_us
        return (session.now_ms() + session.venue.offset_ms) * 1000

    def _credit(self, equity: Decimal) -> int:
        session = self._session
        used = sum(
            (
                abs(self.positions.get(one.symbol, Decimal(0))) * self.price(one.number)
                for one in session.symbols
            ),
            Decimal(0),
        )
        return session.sizes.credit(equity, used)

    def _sample(self) -> None:
        session = self._session
        mids = {
            one.symbol: self.price(one.number)
            for one in session.symbols
            if one.number in session.driver.tops
        }
        self.samples.append((session.now_ms(), mids))
        for one in session.symbols:
            top = session.driver.tops.get(one.number)
            if top is not None:
                session.sizes.volatility[one.number].add(top.mid2_ticks)
        closed = self._no_trade.closed(session.now_ms() + session.venue.offset_ms)
        if closed is session.sizes.entering:
            session.trail.event("no-trade window", closed=closed)
            self.size()

    def _files_and_clocks(self) -> None:
        session = self._session
        if kill_file(session.folder).exists():
            session.stop("the kill file is there")
        stop = session.config.stop
        wall_ms, steady_ms = session.now_ms(), session.steady_ns() // 1_000_000
        jump_ms = (wall_ms - self._clock_ms[0]) - (steady_ms - self._clock_ms[1])
        self._clock_ms = (wall_ms, steady_ms)
        if abs(jump_ms) > stop.clock_jump_ms:
            session.standing.pause(f"this machine's clock has jumped by {jump_ms} ms")
        if stop.duration_s and wall_ms - session.started_ms >= stop.duration_s * 1000:
            session.stop("its time is over")
        server = session.server
        played = server is not None and server.venue.sources and server.venue.ended
        if played and not session.market.waiting:
            session.stop("the capture has ended")
        silent_ns = session.steady_ns() - session.market.last_ns
        if session.market.last_ns and silent_ns > session.config.feed.silent_ms * 1_000_000:
            session.market.last_ns = session.steady_ns()
            session.standing.lost_feed("the market stream is silent")
            session.market.cut()

    async def _account(self) -> None:
        session = self._session
        try:
            equity = await self.equity()
            found = await session.venue.positions([one.symbol for one in session.symbols])
            self.positions = {p.symbol: p.qty for p in found}
            if session.config.orders.dead_man_ms:
                for one in session.symbols:
                    await session.venue.dead_man(one.symbol, session.config.orders.dead_man_ms)
        except VenueFault as error:
            session.driver.counters["account_failed"] += 1
            session.trail.event("account", text=str(error))
            return
        session.bridge.put(InKind.CREDIT, self._credit(equity))
        if self._day.turned(session.now_ms() + session.venue.offset_ms):
            session.sizes.begin_day(equity)
            session.driver.surely(partial(session.bridge.put, InKind.DAY))
            session.trail.event("day", equity=str(equity))
            self.size()
        try:
            session.trail.flush()
        except OSError as error:
            session.stop(f"the trail cannot be written: {error}")
