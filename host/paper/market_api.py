# SPDX-License-Identifier: Apache-2.0
"""Requests that both markets answer: clock, symbols, depth, prints, tickers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from host.paper.book import MarketBook, Tape
from host.paper.call import Call
from host.paper.errors import refusal
from host.paper.exchange import Exchange
from host.paper.limits import Limits
from host.paper.orders import BUY, SELL
from host.paper.symbols import SPOT, exchange_info, plain
from host.paper.tape import AggregateTrades

__all__ = ["MarketData"]

_DEPTHS = (5, 10, 20, 50, 100, 500, 1000, 5000)


class MarketData:
    """Answers about the market.

    Parameters
    ----------
    exchange : Exchange
        The market.
    limits : Limits
        As exchangeInfo states them.
    aggregates : callable
        Aggregate trades of a symbol by name.
    """

    def __init__(
        self, exchange: Exchange, limits: Limits, aggregates: Callable[[str], AggregateTrades]
    ) -> None:
        self._exchange = exchange
        self._limits = limits
        self._aggregates = aggregates
        self._spot = exchange.market == SPOT

    def ping(self, call: Call) -> object:
        """An empty object."""
        return {}

    def time(self, call: Call) -> object:
        """The server's clock."""
        return {"serverTime": call.now_ms}

    def info(self, call: Call) -> object:
        """Symbols, filters and limits."""
        name = call.maybe("symbol")
        specs = list(self._exchange.specs.values())
        if name is not None:
            specs = [self._exchange.spec(name)]
        limits = self._limits.rate_limits()
        return exchange_info(self._exchange.market, specs, call.now_ms, limits)

    def depth(self, call: Call) -> object:
        """Levels of the capture's book; our own orders are not in it."""
        spec = self._exchange.spec(call.text("symbol"))
        limit = call.whole("limit", 100 if self._spot else 500) or 0
        if not self._spot and limit not in _DEPTHS[:-1]:
            raise refusal("illegal", name="limit", rule="5, 10, 20, 50, 100, 500, 1000")
        book = self._exchange.books[spec.name]
        if not book.synced:
            raise refusal("unavailable")
        found: dict[str, object] = {"lastUpdateId": book.last_id}
        if not self._spot:
            found |= {"E": self._exchange.now_us() // 1000, "T": book.time_us // 1000}
        for name, side in (("bids", book.bids), ("asks", book.asks)):
            found[name] = [
                [spec.price_text(price), spec.qty_text(lots)]
                for price, lots in side.top(max(1, min(limit, 5000)))
            ]
        return found

    def trades(self, call: Call) -> object:
        """The last prints."""
        spec = self._exchange.spec(call.text("symbol"))
        limit = max(1, min(call.whole("limit", 500) or 500, 1000))
        prints = list(self._exchange.books[spec.name].prints)[-limit:]
        return [self._print(call, spec.name, tape) for tape in prints]

    def _print(self, call: Call, name: str, tape: Tape) -> dict[str, object]:
        spec = self._exchange.specs[name]
        quote = tape.price_ticks * tape.qty_lots * spec.unit
        found: dict[str, object] = {
            "id": tape.trade_id,
            "price": spec.price_text(tape.price_ticks),
            "qty": spec.qty_text(tape.qty_lots),
            "quoteQty": plain(quote),
            "time": tape.time_us // 1000,
            "isBuyerMaker": tape.seller_is_aggressor,
        }
        return found | {"isBestMatch": True} if self._spot else found

    def aggregate(self, call: Call) -> object:
        """The last aggregate trades."""
        spec = self._exchange.spec(call.text("symbol"))
        limit = max(1, min(call.whole("limit", 500) or 500, 1000))
        return self._aggregates(spec.name).rest(limit)

    def price(self, call: Call) -> object:
        """Last price of one symbol or all."""

        def entry(book: MarketBook) -> dict[str, object]:
            ticks = book.last_ticks or book.mark_ticks or 0
            found: dict[str, object] = {
                "symbol": book.spec.name,
                "price": book.spec.price_text(ticks),
            }
            return found if self._spot else found | {"time": self._exchange.now_us() // 1000}

        return self._each(call, entry)

    def book_ticker(self, call: Call) -> object:
        """Best bid and ask of one symbol or all."""

        def entry(book: MarketBook) -> dict[str, object]:
            spec, best = book.spec, {}
            for name, side in (("bid", BUY), ("ask", SELL)):
                price, lots = book.side(side).best() or (0, 0)
                best[name] = (spec.price_text(price), spec.qty_text(lots))
            found: dict[str, object] = {
                "symbol": spec.name,
                "bidPrice": best["bid"][0],
                "bidQty": best["bid"][1],
                "askPrice": best["ask"][0],
                "askQty": best["ask"][1],
            }
            if not self._spot:
                found |= {"time": book.time_us // 1000, "lastUpdateId": book.last_id}
            return found

        return self._each(call, entry)

    def day(self, call: Call) -> object:
        """Statistics of the prints that are kept (the last 1000), not of a day."""

        def entry(book: MarketBook) -> dict[str, object]:
            spec, prints = book.spec, list(book.prints)
            prices = [tape.price_ticks for tape in prints] or [0]
            lots = sum(tape.qty_lots for tape in prints)
            units = sum(tape.price_ticks * tape.qty_lots for tape in prints)
            average = Decimal(units) / lots * spec.tick if lots else Decimal(0)
            change = prices[-1] - prices[0]
            percent = Decimal(100 * change) / prices[0] if prices[0] else Decimal(0)
            bid, ask = book.bids.best() or (0, 0), book.asks.best() or (0, 0)
            found: dict[str, object] = {
                "symbol": spec.name,
                "priceChange": plain(change * spec.tick),
                "priceChangePercent": f"{percent:.3f}",
                "weightedAvgPrice": f"{average:.8f}",
                "lastPrice": spec.price_text(prices[-1]),
                "lastQty": spec.qty_text(prints[-1].qty_lots if prints else 0),
                "openPrice": spec.price_text(prices[0]),
                "highPrice": spec.price_text(max(prices)),
                "lowPrice": spec.price_text(min(prices)),
                "volume": spec.qty_text(lots),
                "quoteVolume": plain(units * spec.unit),
                "openTime": prints[0].time_us // 1000 if prints else 0,
                "closeTime": self._exchange.now_us() // 1000,
                "firstId": prints[0].trade_id if prints else -1,
                "lastId": prints[-1].trade_id if prints else -1,
                "count": len(prints),
            }
            if self._spot:
                found |= {
                    "prevClosePrice": spec.price_text(prices[0]),
                    "bidPrice": spec.price_text(bid[0]),
                    "bidQty": spec.qty_text(bid[1]),
                    "askPrice": spec.price_text(ask[0]),
                    "askQty": spec.qty_text(ask[1]),
                }
            return found

        return self._each(call, entry)

    def _each(self, call: Call, entry: Callable[[MarketBook], dict[str, Any]]) -> object:
        name = call.maybe("symbol")
        if name is not None:
            return entry(self._exchange.books[self._exchange.spec(name).name])
        return [entry(book) for book in self._exchange.books.values()]
