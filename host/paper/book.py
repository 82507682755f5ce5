# SPDX-License-Identifier: Apache-2.0
"""The market of one symbol as the capture tells it, and what our own orders took from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from host.feeds.book import BookSide, DepthEvent, FullBook, Ticker
from host.feeds.messages import BookTicker, DepthUpdate, Levels, Snapshot, Trade
from host.feeds.sequence import BinanceIds
from host.paper.orders import BUY, SELL
from host.paper.symbols import SymbolSpec

__all__ = ["LevelChange", "MarketBook", "Tape"]

#: Depth events that are kept for a snapshot to come.
_KEPT_EVENTS = 4096
#: Prints that are kept for requests.
_KEPT_PRINTS = 1000
#: Levels a side a snapshot may have been cut to; one of another length is whole.
_LIMITS = (5, 10, 20, 50, 100, 500, 1000, 5000)


class LevelChange(NamedTuple):
    """A level that the market changed."""

    side: int
    price_ticks: int
    old_lots: int
    new_lots: int
    #: quantity printed at the price since the level was told last
    traded_lots: int


class Tape(NamedTuple):
    """A print in ticks and lots."""

    trade_id: int
    price_ticks: int
    qty_lots: int
    seller_is_aggressor: bool
    time_us: int


class MarketBook:
    """Levels, prints and marks of one symbol.

    What our orders take from a level is remembered until the market tells the level anew: the
    same quantity is not sold twice, and no memory of it lasts longer than the capture knows.

    A snapshot that was cut off leaves the levels behind it unknown; the venue's best bids and
    asks tell when the market has come there (`host.feeds.book.FullBook`).

    Parameters
    ----------
    spec : SymbolSpec
        The symbol.

    Attributes
    ----------
    synced : bool
        The levels are known and no event is missing.
    prints : deque of Tape
        The last prints.
    gaps : int
        Times an event was missing.
    bad : int
        Messages refused for a price or quantity off the grid.
    """

    def __init__(self, spec: SymbolSpec) -> None:
        self.spec = spec
        self._full = FullBook(Counter())
        self.time_us = 0
        self.synced = False
        self.prints: deque[Tape] = deque(maxlen=_KEPT_PRINTS)
        self.ticker: BookTicker | None = None
        self.gaps = 0
        self.bad = 0
        self._rule = BinanceIds()
        self._kept: deque[DepthUpdate] = deque(maxlen=_KEPT_EVENTS)
        self._taken: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self._traded: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}

    @property
    def bids(self) -> BookSide:
        """The market's bids."""
        return self._full.bids

    @property
    def asks(self) -> BookSide:
        """The market's asks."""
        return self._full.asks

    @property
    def last_id(self) -> int:
        """Update id of the book; 0 before the first snapshot."""
        return self._full.last_id

    # the market speaks

    def snapshot(self, snapshot: Snapshot) -> None:
        """Begin from a snapshot, with those of the kept events that follow it."""
        if self.synced and snapshot.last_id <= self.last_id:
            return
        bids, asks = self._levels(snapshot.bids), self._levels(snapshot.asks)
        if bids is None or asks is None:
            return
        longest = max(len(snapshot.bids), len(snapshot.asks))
        self._full.load(snapshot.last_id, bids, asks, longest if longest in _LIMITS else 0)
        self.synced = True
        for side in (BUY, SELL):
            self._taken[side].clear()
            self._traded[side].clear()
        first = True
        for event in list(self._kept):
            if self._rule.is_before(event, snapshot.last_id):
                continue
            if first and not self._rule.follows(event, snapshot.last_id):
                self.synced = False
                return
            first = False
            self._apply(event)

    def depth(self, event: DepthUpdate) -> list[LevelChange]:
        """Take a depth event; the levels that changed, empty while the book is not known."""
        self._kept.append(event)
        if not self.synced:
            return []
        if self._rule.is_before(event, self.last_id):
            return []
        follows = self._rule.continues(event, self.last_id) or self._rule.follows(
            event, self.last_id
        )
        if not follows:
            self.synced = False
            self.gaps += 1
            self._kept.clear()
            self._kept.append(event)
            return []
        return self._apply(event)

    def trade(self, trade: Trade) -> Tape | None:
        """Take a print; None where it is off the grid."""
        try:
            price = self.spec.prices.units(trade.price)
            qty = self.spec.lots.units(trade.qty)
        except ValueError:
            self.bad += 1
            return None
        if not price or not qty:
            return None  # the venue prints some trades of no quantity
        tape = Tape(trade.trade_id, price, qty, trade.seller_is_aggressor, trade.time_us)
        self.prints.append(tape)
        side = BUY if trade.seller_is_aggressor else SELL  # the side that rested
        traded = self._traded[side]
        traded[price] = traded.get(price, 0) + qty
        return tape

    def quote(self, ticker: BookTicker) -> None:
        """Take the venue's own best bid and ask."""
        self.ticker = ticker
        prices, lots = self.spec.prices.by_text, self.spec.lots.by_text
        try:
            self._full.add_ticker(
                Ticker(
                    ticker.update_id,
                    prices[ticker.bid],
                    lots[ticker.bid_qty],
                    prices[ticker.ask],
                    lots[ticker.ask_qty],
                )
            )
        except ValueError:
            self.bad += 1

    def _apply(self, event: DepthUpdate) -> list[LevelChange]:
        bids, asks = self._levels(event.bids), self._levels(event.asks)
        if bids is None or asks is None:
            self.synced = False
            return []
        changes: list[LevelChange] = []
        for side, book, levels in ((BUY, self.bids, bids), (SELL, self.asks, asks)):
            held, taken, traded = book.levels, self._taken[side], self._traded[side]
            for price, qty in zip(*levels, strict=True):
                changes.append(
                    LevelChange(side, price, held.get(price, 0), qty, traded.pop(price, 0))
                )
                if taken:
                    taken.pop(price, None)
        self._full.apply(
            DepthEvent(event.first_id, event.last_id, event.prev_id, event.time_us, *bids, *asks)
        )
        self.time_us = event.time_us
        return changes

    def _levels(self, levels: Levels) -> tuple[list[int], list[int]] | None:
        prices, lots = self.spec.prices.by_text, self.spec.lots.by_text
        try:
            return [prices[p] for p, _ in levels], [lots[q] for _, q in levels]
        except ValueError:
            self.bad += 1
            return None

    # what an order finds

    def side(self, side: int) -> BookSide:
        """Resting levels of a side."""
        return self.bids if side == BUY else self.asks

    def free_lots(self, side: int, price_ticks: int) -> int:
        """Quantity of others that rests at a price and that we did not take."""
        shown = self.side(side).levels.get(price_ticks, 0)
        return max(0, shown - self._taken[side].get(price_ticks, 0))

    def best_ticks(self, side: int) -> int | None:
        """Best price of a side with quantity left, None where there is none."""
        for price, _ in self.levels(side):
            return price
        return None

    def levels(self, side: int) -> Iterator[tuple[int, int]]:
        """Prices and quantities left of a side, best first."""
        book, count = self.side(side), 8
        taken, done = self._taken[side], 0
        while True:
            top = book.top(count)
            for price, qty in top[done:]:
                left = qty - taken.get(price, 0)
                if left > 0:
                    yield price, left
            if len(top) < count:
                return
            done, count = count, count * 4

    def take(self, side: int, price_ticks: int, qty_lots: int) -> None:
        """Remember that our order took quantity from a level."""
        taken = self._taken[side]
        taken[price_ticks] = taken.get(price_ticks, 0) + qty_lots

    # marks

    @property
    def last_ticks(self) -> int | None:
        """Price of the last print, None before the first."""
        return self.prints[-1].price_ticks if self.prints else None

    @property
    def mark_ticks(self) -> int | None:
        """Median of best bid, best ask and last price; the capture has no index price."""
        found = [self.bids.best(), self.asks.best()]
        prices = [level[0] for level in found if level is not None]
        if self.last_ticks is not None:
            prices.append(self.last_ticks)
        if not prices:
            return None
        return sorted(prices)[len(prices) // 2]
