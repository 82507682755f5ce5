# SPDX-License-Identifier: Apache-2.0
"""The paper venue without its network: markets, accounts, streams and time in one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import orjson

from host.feeds.messages import Message
from host.paper.auth import ApiKey, Keys
from host.paper.call import Table
from host.paper.clock import VenueClock
from host.paper.exchange import Exchange
from host.paper.faults import Faults
from host.paper.limits import Limiter, Limits
from host.paper.listen import ListenKeys
from host.paper.market_api import MarketData
from host.paper.orders import BUY, NewOrder
from host.paper.settings import MarketSettings, PaperSettings
from host.paper.source import CaptureSource, MarketEvent, MarketSource
from host.paper.spot import SpotAccount
from host.paper.spot_api import SpotApi
from host.paper.spot_render import SpotEvents
from host.paper.streams import Connection, MarketStreams
from host.paper.symbols import KNOWN, SPOT, USDM, SymbolSpec, guess
from host.paper.usdm import UsdmAccount
from host.paper.usdm_api import UsdmApi
from host.paper.usdm_render import UsdmEvents

__all__ = ["Market", "PaperVenue"]

_FUNDING_US = 8 * 3_600_000_000


class Market:
    """One market with everything that belongs to it.

    Parameters
    ----------
    name : str
        ``spot`` or ``usdm``.
    settings : MarketSettings
        Its settings.
    specs : list of SymbolSpec
        Its symbols.
    clock : VenueClock
        Venue time.
    listen_key_ms : int
        Life of a listen key.

    Attributes
    ----------
    exchange, account, streams, listen, limiter, table
        Its parts.
    user_connections : dict
        Who listens to the user-data stream, and how events are wrapped for them.
    muted : bool
        No user-data events are sent (a fault that is asked for).
    """

    def __init__(
        self,
        name: str,
        settings: MarketSettings,
        specs: list[SymbolSpec],
        clock: VenueClock,
        listen_key_ms: int,
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        limits = Limits.of(name)
        if settings.weight_limit is not None:
            limits = Limits(settings.weight_limit, limits.orders)
        self.limiter = Limiter(limits)
        self.listen = ListenKeys(name, clock, listen_key_ms)
        self.user_connections: dict[Connection, Callable[[bytes], bytes]] = {}
        self.user_events = 0
        self.muted = False
        self._deadlines: dict[str, int] = {}
        self.account: SpotAccount | UsdmAccount
        rates = (settings.maker_rate, settings.taker_rate)
        books: dict[str, Any] = {}
        if name == SPOT:
            self.account = SpotAccount(settings.balances, *rates)
        else:
            self.account = UsdmAccount(
                settings.balances,
                *rates,
                lambda symbol: books[symbol].mark_ticks if symbol in books else None,
                settings.leverage,
            )
        self.exchange = Exchange(
            name, specs, self.account, lambda: clock.now_us, settings.queue_model
        )
        books.update(self.exchange.books)
        self.streams = MarketStreams(self.exchange, clock)
        data = MarketData(self.exchange, limits, self.streams.aggregate)
        self.table: Table
        if isinstance(self.account, SpotAccount):
            self.exchange.listeners.append(
                SpotEvents(self.exchange, self.account, self.publish_user)
            )
            self.table = SpotApi(self.exchange, self.account, data, self.listen).table
        else:
            self._events = UsdmEvents(self.exchange, self.account, self.publish_user)
            self.exchange.listeners.append(self._events)
            self.table = UsdmApi(
                self.exchange,
                self.account,
                self._events,
                data,
                self.listen,
                self._funding,
                self._countdown,
            ).table

    def message(self, message: Message) -> None:
        """Take a message of the market data: first the book and the orders, then the streams."""
        self.exchange.on_market(message)
        self.streams.message(message)
        if isinstance(self.account, UsdmAccount) and self.account.positions:
            for asset in self.account.wallet:
                if self.account.in_liquidation(asset):
                    self._liquidate(self.account, asset)

    def publish_user(self, event: dict[str, object]) -> None:
        """Send a user-data event."""
        self.user_events += 1
        if self.muted:
            return
        bare = orjson.dumps(event)
        for connection, wrap in list(self.user_connections.items()):
            connection.send(wrap(bare))

    # futures

    def start_funding(self) -> None:
        """Plan the next funding."""
        if self.name == USDM:
            next_us = (self._clock.now_us // _FUNDING_US + 1) * _FUNDING_US
            self._clock.at(next_us, self._fund)

    def _funding(self) -> tuple[Decimal, int]:
        next_us = (self._clock.now_us // _FUNDING_US + 1) * _FUNDING_US
        return self.settings.funding_rate, next_us // 1000

    def _fund(self) -> None:
        assert isinstance(self.account, UsdmAccount)
        for spec in self.exchange.specs.values():
            booked = self.account.fund(spec, self.settings.funding_rate, self._clock.now_us)
            if booked:
                self._events.account("FUNDING_FEE", spec.name)
        self.start_funding()

    def _countdown(self, symbol: str, time_ms: int) -> None:
        end_us = self._clock.now_us + time_ms * 1000 if time_ms else 0
        self._deadlines[symbol] = end_us
        if end_us:
            self._clock.at(end_us, lambda: self._dead(symbol, end_us))

    def _dead(self, symbol: str, end_us: int) -> None:
        if self._deadlines.get(symbol) == end_us:
            self._deadlines[symbol] = 0
            for order in self.exchange.open_orders(symbol):
                if order.open:
                    self.exchange.cancel(order)

    def _liquidate(self, account: UsdmAccount, asset: str) -> None:
        for order in self.exchange.open_orders():
            if order.spec.quote == asset and order.open:
                self.exchange.cancel(order)
        for position in list(account.positions.values()):
            if position.lots and position.spec.quote == asset:
                side = -1 if position.lots > 0 else BUY
                number = len(self.exchange.orders)
                self.exchange.submit(
                    NewOrder(
                        position.spec,
                        side,
                        "MARKET",
                        abs(position.lots),
                        client_id=f"autoclose-{number}",
                        reduce_only=position.side == "BOTH",
                        position_side=position.side,
                    )
                )


class PaperVenue:
    """Markets that share a clock, keys and faults.

    Parameters
    ----------
    settings : PaperSettings
        The settings.
    now_ms : callable
        The server's clock, which timestamps of requests are compared with.

    Attributes
    ----------
    clock : VenueClock
        Venue time.
    markets : dict
        `Market` by name.
    sources : dict
        Market events by market name.
    skew_ms : int
        Added to the server's clock (a fault that is asked for).

    Raises
    ------
    CaptureError
        A capture cannot be read.
    """

    def __init__(self, settings: PaperSettings, now_ms: Callable[[], int]) -> None:
        self.settings = settings
        self._now_ms = now_ms
        self.skew_ms = 0
        self.faults = Faults()
        self.keys = Keys([ApiKey(k.key, k.secret, k.trade, k.withdraw) for k in settings.keys])
        self.markets: dict[str, Market] = {}
        self.sources: dict[str, MarketSource] = {}
        start_us = now_ms() * 1000 if settings.rebase else None
        found: list[tuple[str, MarketSettings, list[SymbolSpec]]] = []
        for name, market in ((SPOT, settings.spot), (USDM, settings.usdm)):
            if market is None:
                continue
            specs = _specs(name, market)
            found.append((name, market, specs))
            if market.captures:
                self.sources[name] = CaptureSource(market.captures, start_us)
        self._events = _merged(self.sources)
        self._next = next(self._events, None)
        first_us = self._next[1].time_us if self._next else now_ms() * 1000
        self.clock = VenueClock(first_us)
        for name, market, specs in found:
            self.markets[name] = Market(name, market, specs, self.clock, settings.listen_key_ms)
            self.markets[name].start_funding()
        self._expire()

    @property
    def now_ms(self) -> int:
        """The server's clock."""
        return self._now_ms() + self.skew_ms

    @property
    def next_us(self) -> int | None:
        """When something happens next, None where nothing will."""
        times = [self.clock.next_us, self._next[1].time_us if self._next else None]
        return min((time for time in times if time is not None), default=None)

    @property
    def ended(self) -> bool:
        """Whether all captures have been played."""
        return self._next is None

    def push(self, market: str, event: MarketEvent) -> None:
        """Take a market event; time moves to it."""
        self.clock.advance(event.time_us)
        self.markets[market].message(event.message)

    def step_to(self, time_us: int, most_events: int = 1 << 62) -> int:
        """Play the captures up to a time, or some events of them.

        Returns
        -------
        int
            Events played; fewer than `most_events`: time is at `time_us`.
        """
        played = 0
        while self._next is not None and self._next[1].time_us <= time_us:
            if played == most_events:
                return played
            self._play()
            played += 1
        self.clock.advance(time_us)
        return played

    def step_events(self, count: int) -> int:
        """Play some events, as many as there are at most; time moves with them."""
        played = 0
        while self._next is not None and played < count:
            self._play()
            played += 1
        return played

    def _play(self) -> None:
        assert self._next is not None
        name, event = self._next
        self._next = next(self._events, None)
        self.push(name, event)

    def _expire(self) -> None:
        for market in self.markets.values():
            market.exchange.expire(self.clock.now_us // 1000)
        self.clock.at(self.clock.now_us + 1_000_000, self._expire)


def _specs(name: str, market: MarketSettings) -> list[SymbolSpec]:
    found: dict[str, SymbolSpec] = {}
    if market.captures:
        for seen in CaptureSource(market.captures).symbols():
            known = KNOWN.get((name, seen.name))
            found[seen.name] = known or guess(seen.name, name, seen.tick, seen.lot)
    for symbol, changes in market.symbols.items():
        base = found.get(symbol) or KNOWN.get((name, symbol))
        if base is None:
            if changes.tick is None or changes.lot is None:
                raise ValueError(
                    f"{name}.symbols.{symbol}: expected tick and lot of a symbol that is neither "
                    f"known nor in the capture, was {changes.tick} and {changes.lot}"
                )
            base = guess(symbol, name, changes.tick, changes.lot)
        given = {k: v for k, v in changes.model_dump().items() if v is not None}
        fields = {
            k: getattr(base, k) for k in base.__dataclass_fields__ if k not in ("prices", "lots")
        }
        found[symbol] = SymbolSpec(**{**fields, **given})
    return list(found.values())


def _merged(sources: dict[str, MarketSource]) -> Iterator[tuple[str, MarketEvent]]:
    """Events of all sources in the order of their times."""
    readers = {name: iter(source) for name, source in sources.items()}
    heads = {name: next(reader, None) for name, reader in readers.items()}
    while True:
        live = {name: head for name, head in heads.items() if head is not None}
        if not live:
            return
        name = min(live, key=lambda one: live[one].time_us)
        yield name, live[name]
        heads[name] = next(readers[name], None)
