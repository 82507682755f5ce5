# SPDX-License-Identifier: Apache-2.0
"""The host's own book of a symbol, as deep as the venue shows it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from host.feeds.mirror import NO_HORIZON
from host.feeds.scale import PRICE_LIMIT

__all__ = ["BookSide", "DepthEvent", "FullBook", "Ticker"]

#: Tickers that wait for their depth event; the oldest go first.
_PENDING_TICKERS = 4096


class DepthEvent(NamedTuple):
    """A depth update in ticks and lots; prices and quantities of a side in step."""

    first_id: int
    last_id: int
    #: None where the venue numbers without holes
    prev_id: int | None
    time_us: int
    bid_prices_ticks: list[int]
    bid_qtys_lots: list[int]
    ask_prices_ticks: list[int]
    ask_qtys_lots: list[int]
    #: the venue's checksum of the book after it
    checksum: int | None = None
    #: the frame it came in, for a board that reads frames itself
    frame: bytes | None = None


class Ticker(NamedTuple):
    """Best bid and ask at one update id, in ticks and lots."""

    update_id: int
    bid_price_ticks: int
    bid_qty_lots: int
    ask_price_ticks: int
    ask_qty_lots: int


class BookSide:
    """One side: every level that is known by itself, and how far it is known without a hole.

    The *horizon* is the deepest price down to which, itself included, the side is known
    completely. Beyond it only those levels are known that an update has touched. A side that the
    venue itself keeps to some depth is always known down to its last level: that is its horizon
    as soon as it has that many levels, and with fewer it is whole.

    Attributes
    ----------
    levels : dict
        Quantity in lots (above 0) by price in ticks, beyond the horizon as well.
    """

    __slots__ = ("_horizon", "_keys", "_sign", "_window", "levels")

    def __init__(self, ask: bool) -> None:
        self._sign = -1 if ask else 1
        self.levels: dict[int, int] = {}
        # a key is a price that grows with how good it is; the best one is the last
        self._keys: list[int] = []
        self._horizon = NO_HORIZON
        # levels the venue keeps the side to, 0: it does not
        self._window = 0

    @property
    def whole(self) -> bool:
        """No level is unknown."""
        return self._horizon == NO_HORIZON

    @property
    def horizon_ticks(self) -> int | None:
        """Deepest price of the completely known range, None where the side is whole."""
        return None if self.whole else abs(self._horizon)

    @property
    def known(self) -> int:
        """Levels inside the horizon."""
        keys = self._keys
        return len(keys) - bisect_left(keys, self._horizon)

    @property
    def too_deep(self) -> bool:
        """The venue keeps the side to some depth, and it has more levels."""
        return 0 < self._window < len(self._keys)

    def load(
        self, prices_ticks: list[int], qtys_lots: list[int], limit: int, window: bool = False
    ) -> None:
        """Begin again from a snapshot; with fewer levels than `limit` it is the whole side.

        Parameters
        ----------
        prices_ticks, qtys_lots : list of int
            The levels.
        limit : int
            Levels a side it was cut to, 0 if it was not.
        window : bool
            Updates keep the side to `limit` levels.
        """
        self.levels = {p: q for p, q in zip(prices_ticks, qtys_lots, strict=True) if q}
        self._keys = sorted(price * self._sign for price in self.levels)
        self._window = limit if window else 0
        truncated = 0 < limit <= len(prices_ticks)
        self._horizon = min(p * self._sign for p in prices_ticks) if truncated else NO_HORIZON

    def update(self, prices_ticks: list[int], qtys_lots: list[int]) -> None:
        """Set quantities; 0 deletes."""
        levels, keys, sign = self.levels, self._keys, self._sign
        for price, qty in zip(prices_ticks, qtys_lots, strict=True):
            if qty:
                if price not in levels:
                    insort(keys, price * sign)
                levels[price] = qty
            elif price in levels:
                del levels[price]
                del keys[bisect_left(keys, price * sign)]
        if self._window:
            self._horizon = keys[0] if len(keys) >= self._window else NO_HORIZON

    def find(self, prices_ticks: list[int]) -> int:
        """How many of some prices are there; reads what `update` would read."""
        keys, sign = self._keys, self._sign
        there = len(keys)
        return sum(
            [
                price in self.levels and bisect_left(keys, price * sign) < there
                for price in prices_ticks
            ]
        )

    def leave_out_far(self) -> None:
        """There are asks whose price has no place in a record: the side is not known whole."""
        if self._horizon == NO_HORIZON:
            self._horizon = (PRICE_LIMIT - 1) * self._sign

    def best(self) -> tuple[int, int] | None:
        """Best price and its quantity, None where it is unknown or there is none."""
        if not self._keys or self._keys[-1] < self._horizon:
            return None
        price = abs(self._keys[-1])
        return price, self.levels[price]

    def top(self, count: int) -> list[tuple[int, int]]:
        """At most `count` completely known levels (price, quantity), best first."""
        count = min(count, self.known)
        prices = map(abs, reversed(self._keys[len(self._keys) - count :]))
        return [(price, self.levels[price]) for price in prices]

    def reaches(self, price_ticks: int) -> bool:
        """Whether a price lies inside the horizon."""
        return price_ticks * self._sign >= self._horizon

    def extend(self, price_ticks: int, qty_lots: int, touched: Iterable[int]) -> bool:
        """Move the horizon out to a best price the venue has named; see `FullBook`.

        Parameters
        ----------
        price_ticks, qty_lots : int
            Best level of the side at some moment between the last two updates.
        touched : iterable of int
            Prices of the last update.

        Returns
        -------
        bool
            False, and nothing is changed, where the book here does not agree.
        """
        touched = set(touched)
        if price_ticks not in touched and self.levels.get(price_ticks) != qty_lots:
            return False
        key = price_ticks * self._sign
        better = self._keys[bisect_right(self._keys, key) :]
        if any(abs(other) not in touched for other in better):
            return False
        self._horizon = key
        return True


class FullBook:
    """Both sides of a symbol, and what the venue's own best bid and ask tell about them.

    A snapshot of `limit` levels may have been cut off there, so it says nothing of what lies
    beyond its last level. When the price walks out of the snapshot, a ticker can help. It says
    that at update id t no bid better than its bid p existed. Let t lie after the last event
    before and not after this event's last id u. Then, at u, every bid better than p is known:
    one that this event touches has its final quantity here, and one it does not touch has not
    changed since t, when it was not there. And p itself is known if the event touches it, or if
    an earlier update or the snapshot gave it and it has not changed since: then it must have the
    quantity the ticker shows. So the bid horizon moves out to p, p included. Asks likewise.
    If p is not known so, or a bid better than p stands here untouched, nothing moves and
    `ticker_disagrees` is counted.

    Tickers that come after the event they belong to are dropped: the next event has moved on.
    For the same reason `ticker_mismatch` can be a false alarm: the last ticker that came in time
    need not be the last one up to u. So it is counted and nothing is done about it.

    Parameters
    ----------
    counters : Counter
        Takes `horizon_extended`, `ticker_disagrees`, `ticker_checked`, `ticker_mismatch`.

    Attributes
    ----------
    bids, asks : BookSide
        The sides.
    last_id : int
        Update id the book is at.
    """

    __slots__ = ("_counters", "_tickers", "asks", "bids", "last_id")

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._tickers: deque[Ticker] = deque(maxlen=_PENDING_TICKERS)
        self.bids = BookSide(ask=False)
        self.asks = BookSide(ask=True)
        self.last_id = 0

    def load(
        self,
        last_id: int,
        bids: tuple[list[int], list[int]],
        asks: tuple[list[int], list[int]],
        limit: int,
        window: bool = False,
    ) -> None:
        """Begin again from a snapshot: prices in ticks and quantities in lots; see `BookSide`."""
        self.bids.load(*bids, limit, window)
        self.asks.load(*asks, limit, window)
        self.last_id = last_id

    def replace(self, other: FullBook) -> None:
        """Take the sides of another book at the same update id; waiting tickers stay."""
        self.bids, self.asks, self.last_id = other.bids, other.asks, other.last_id

    def differs(self, other: FullBook) -> bool:
        """Whether two books contradict each other where both are completely known."""
        for mine, theirs in ((self.bids, other.bids), (self.asks, other.asks)):
            for one, two in ((mine, theirs), (theirs, mine)):
                for price, qty in one.levels.items():
                    if one.reaches(price) and two.reaches(price) and two.levels.get(price) != qty:
                        return True
        return False

    def add_ticker(self, ticker: Ticker) -> None:
        """Keep a ticker for the depth event it falls into."""
        self._tickers.append(ticker)

    def apply(self, event: DepthEvent) -> None:
        """Apply the next depth event, and the tickers that fall into it."""
        bids, asks, previous = self.bids, self.asks, self.last_id
        bids.update(event.bid_prices_ticks, event.bid_qtys_lots)
        asks.update(event.ask_prices_ticks, event.ask_qtys_lots)
        self.last_id = event.last_id
        tickers, counters = self._tickers, self._counters
        last = None
        while tickers and tickers[0].update_id <= event.last_id:
            ticker = tickers.popleft()
            if ticker.update_id <= previous:
                continue
            last = ticker
            _, bid, bid_qty, ask, ask_qty = ticker
            if not bids.reaches(bid):
                extended = bids.extend(bid, bid_qty, event.bid_prices_ticks)
                counters["horizon_extended" if extended else "ticker_disagrees"] += 1
            if not asks.reaches(ask):
                extended = asks.extend(ask, ask_qty, event.ask_prices_ticks)
                counters["horizon_extended" if extended else "ticker_disagrees"] += 1
        if last is None:
            return
        best_bid, best_ask = bids.best(), asks.best()
        if best_bid is not None and best_ask is not None:
            counters["ticker_checked"] += 1
            if best_bid + best_ask != last[1:]:
                counters["ticker_mismatch"] += 1
