# SPDX-License-Identifier: Apache-2.0
"""Market streams of one market: which there are, and what they say of each message."""

from __future__ import annotations

import re
from typing import Any, Protocol

import orjson

from host.feeds.messages import BookTicker, DepthUpdate, Message, Trade
from host.paper.book import MarketBook
from host.paper.clock import VenueClock
from host.paper.exchange import Exchange
from host.paper.symbols import SPOT
from host.paper.tape import AggregateTrade, AggregateTrades

__all__ = ["Connection", "MarketStreams", "valid_stream"]

_NAME = re.compile(
    r"(?:[a-z0-9_]+@(?:depth(?:5|10|20)?(?:@[0-9]{1,4}ms)?|bookTicker|trade|aggTrade"
    r"|markPrice(?:@1s)?|ticker))|!bookTicker"
)
_PARTIAL = re.compile(r"@depth(5|10|20)(?:@([0-9]{1,4})ms)?$")
_DIFF = re.compile(r"@depth(?:@([0-9]{1,4})ms)?$")
_MARK_PERIOD_US = 3_000_000


def valid_stream(name: str) -> bool:
    """Whether there is a stream of such a name."""
    return _NAME.fullmatch(name) is not None


class Connection(Protocol):
    """Someone who listens."""

    #: every message is wrapped with the name of its stream
    combined: bool

    def send(self, payload: bytes) -> None:
        """Queue a message; never waits."""


class _Merge:
    """Depth events of one interval, made one."""

    def __init__(self, first: DepthUpdate) -> None:
        self.first = first
        self.last = first
        self.bids = {price: qty for price, qty in first.bids}
        self.asks = {price: qty for price, qty in first.asks}

    def add(self, event: DepthUpdate) -> None:
        self.last = event
        self.bids.update((price, qty) for price, qty in event.bids)
        self.asks.update((price, qty) for price, qty in event.asks)

    def event(self) -> DepthUpdate:
        return self.last._replace(
            first_id=self.first.first_id,
            prev_id=self.first.prev_id,
            bids=list(self.bids.items()),
            asks=list(self.asks.items()),
        )


class MarketStreams:
    """Sends market data to those who have subscribed.

    Depth streams of an interval longer than the capture's own merge the events of each interval.

    Parameters
    ----------
    exchange : Exchange
        The market.
    clock : VenueClock
        Venue time.
    """

    def __init__(self, exchange: Exchange, clock: VenueClock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._spot = exchange.market == SPOT
        self._listeners: dict[str, dict[Connection, None]] = {}
        self._of: dict[str, list[str]] = {}
        self._merges: dict[str, _Merge] = {}
        self._partial_due: set[str] = set()
        self._marks: set[str] = set()
        self.aggregates: dict[str, AggregateTrades] = {}
        #: depth events that are left out of the streams (a fault that is asked for)
        self.skip_depth = 0
        self.silent = False

    def aggregate(self, name: str) -> AggregateTrades:
        """Aggregate trades of a symbol."""
        if name not in self.aggregates:
            self.aggregates[name] = AggregateTrades(self._exchange.specs[name])
        return self.aggregates[name]

    def subscribe(self, connection: Connection, names: list[str]) -> None:
        """Add subscriptions."""
        for name in names:
            self._listeners.setdefault(name, {})[connection] = None
            if "@markPrice" in name and name not in self._marks:
                self._marks.add(name)
                self._mark(name)
        self._index()

    def unsubscribe(self, connection: Connection, names: list[str] | None = None) -> None:
        """Take subscriptions away; all of a connection without names."""
        for name in names if names is not None else list(self._listeners):
            self._listeners.get(name, {}).pop(connection, None)
            if not self._listeners.get(name):
                self._listeners.pop(name, None)
        self._index()

    def names(self, connection: Connection) -> list[str]:
        """Subscriptions of a connection."""
        return [name for name, found in self._listeners.items() if connection in found]

    def _index(self) -> None:
        self._of = {}
        for name in self._listeners:
            self._of.setdefault(name.partition("@")[0].upper(), []).append(name)

    # messages

    def message(self, message: Message) -> None:
        """Send what a message says; it has been applied to the book before."""
        symbol = message.symbol or ""
        book = self._exchange.books.get(symbol)
        if book is None:
            return
        if isinstance(message, Trade):
            self._trade(book, message)
            return
        if isinstance(message, DepthUpdate) and self.skip_depth:
            self.skip_depth -= 1
            return
        names = self._of.get(symbol)
        if isinstance(message, DepthUpdate) and names:
            for name in names:
                self._depth(name, message)
        elif isinstance(message, BookTicker):
            for name in (f"{symbol.lower()}@bookTicker", "!bookTicker"):
                if name in self._listeners:
                    self._send(name, self._ticker(message))

    def _depth(self, name: str, event: DepthUpdate) -> None:
        partial = _PARTIAL.search(name)
        if partial is not None:
            if name not in self._partial_due:
                self._partial_due.add(name)
                period = int(partial[2] or (1000 if self._spot else 250))
                self._later(period, lambda: self._partial(name, int(partial[1])))
            return
        diff = _DIFF.search(name)
        if diff is None:
            return
        period = int(diff[1]) if diff[1] else (1000 if self._spot else 250)
        if period <= (100 if self._spot else 0):
            self._send(name, self._diff(event))
        elif name in self._merges:
            self._merges[name].add(event)
        else:
            self._merges[name] = _Merge(event)
            self._later(
                period, lambda: self._send(name, self._diff(self._merges.pop(name).event()))
            )

    def _later(self, period_ms: int, do: Any) -> None:
        period_us = max(1, period_ms * 1000)
        self._clock.at((self._clock.now_us // period_us + 1) * period_us, do)

    def _diff(self, event: DepthUpdate) -> dict[str, object]:
        ms = event.time_us // 1000
        found: dict[str, object] = {"e": "depthUpdate", "E": self._clock.now_us // 1000}
        if not self._spot:
            found["T"] = ms
        found |= {"s": event.symbol, "U": event.first_id, "u": event.last_id}
        if event.prev_id is not None:
            found["pu"] = event.prev_id
        return found | {"b": event.bids, "a": event.asks}

    def _partial(self, name: str, levels: int) -> None:
        self._partial_due.discard(name)
        book = self._exchange.books[name.partition("@")[0].upper()]
        spec = book.spec
        sides = [
            [[spec.price_text(p), spec.qty_text(q)] for p, q in side.top(levels)]
            for side in (book.bids, book.asks)
        ]
        if self._spot:
            self._send(name, {"lastUpdateId": book.last_id, "bids": sides[0], "asks": sides[1]})
            return
        self._send(
            name,
            {
                "e": "depthUpdate",
                "E": self._clock.now_us // 1000,
                "T": book.time_us // 1000,
                "s": spec.name,
                "U": book.last_id,
                "u": book.last_id,
                "pu": book.last_id,
                "b": sides[0],
                "a": sides[1],
            },
        )

    def _ticker(self, ticker: BookTicker) -> dict[str, object]:
        found: dict[str, object] = {}
        if not self._spot:
            now_ms = self._clock.now_us // 1000
            found = {"e": "bookTicker", "E": now_ms, "T": now_ms}
        return found | {
            "u": ticker.update_id,
            "s": ticker.symbol,
            "b": ticker.bid,
            "B": ticker.bid_qty,
            "a": ticker.ask,
            "A": ticker.ask_qty,
        }

    def _trade(self, book: MarketBook, trade: Trade) -> None:
        symbol = book.spec.name.lower()
        if not book.prints or book.prints[-1].trade_id != trade.trade_id:
            return
        ended = self.aggregate(book.spec.name).add(book.prints[-1])
        if ended is not None:
            self._aggregate(symbol, ended)
        self._clock.at(self._clock.now_us + 1000, lambda: self._flush(book.spec.name))
        name = f"{symbol}@trade"
        if name in self._listeners:
            ms = trade.time_us // 1000
            found: dict[str, object] = {
                "e": "trade",
                "E": self._clock.now_us // 1000,
                "T": ms,
                "s": trade.symbol,
                "t": trade.trade_id,
                "p": trade.price,
                "q": trade.qty,
                "m": trade.seller_is_aggressor,
            }
            self._send(name, found | ({"M": True} if self._spot else {"X": "MARKET"}))

    def _flush(self, name: str) -> None:
        ended = self.aggregate(name).flush()
        if ended is not None:
            self._aggregate(name.lower(), ended)

    def _aggregate(self, symbol: str, trade: AggregateTrade) -> None:
        name = f"{symbol}@aggTrade"
        if name in self._listeners:
            head = {"e": "aggTrade", "E": self._clock.now_us // 1000, "s": symbol.upper()}
            self._send(name, head | self.aggregate(symbol.upper()).fields(trade))

    def _mark(self, name: str) -> None:
        """Send a mark price now and then, as long as somebody listens."""
        if name not in self._listeners:
            self._marks.discard(name)
            return
        book = self._exchange.books.get(name.partition("@")[0].upper())
        if book is not None and book.mark_ticks is not None:
            price = f"{book.mark_ticks * book.spec.tick:.8f}"
            now_ms = self._clock.now_us // 1000
            head = {"e": "markPriceUpdate", "E": now_ms, "s": book.spec.name}
            rest = {"p": price, "i": price, "P": price, "r": "0.00010000", "T": now_ms}
            self._send(name, head | rest)
        period = 1_000_000 if name.endswith("@1s") else _MARK_PERIOD_US
        self._clock.at(self._clock.now_us + period, lambda: self._mark(name))

    def _send(self, name: str, data: dict[str, Any]) -> None:
        listeners = self._listeners.get(name)
        if not listeners or self.silent:
            return
        bare = orjson.dumps(data)
        wrapped = b'{"stream":"' + name.encode() + b'","data":' + bare + b"}"
        for connection in list(listeners):
            connection.send(wrapped if connection.combined else bare)
