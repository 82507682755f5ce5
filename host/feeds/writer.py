# SPDX-License-Identifier: Apache-2.0
"""The records of one symbol: events, levels and refills, and what the fabric holds after them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from host.contract.records import InFlag, InKind
from host.feeds.book import BookSide, DepthEvent, FullBook
from host.feeds.mirror import SideMirror
from host.feeds.scale import PRICE_LIMIT
from host.feeds.settings import FeedSettings

__all__ = ["ASK", "BID", "Print", "RecordWriter"]

# plain integers: the members of an IntFlag are slow to combine
_LEVEL, _TRADE, _CLEAR = int(InKind.LEVEL), int(InKind.TRADE), int(InKind.CLEAR)
_EVENT_BEGIN, _EVENT_END = int(InKind.EVENT_BEGIN), int(InKind.EVENT_END)
_REFILL_BEGIN, _REFILL_END = int(InKind.REFILL_BEGIN), int(InKind.REFILL_END)
#: Flags of a side.
BID, ASK = 0, int(InFlag.SIDE)
_REFILL, _WHOLE = int(InFlag.REFILL), int(InFlag.WHOLE)
_BOOK, _GAP = int(InFlag.BOOK), int(InFlag.GAP)


class Print(NamedTuple):
    """A trade in ticks and lots; `side` is `BID` or `ASK`, of the aggressor."""

    side: int
    price_ticks: int
    qty_lots: int
    trade_id: int
    time_us: int


class RecordWriter:
    """Writes the records of a symbol.

    Parameters
    ----------
    symbol : int
        Symbol number in the fabric.
    settings : FeedSettings
        Sizes.
    words : array of u64
        Takes the records, two words each.
    counters : Counter
        Takes `events`, `levels`, `refills`, `refill_levels`, `trades`.

    Attributes
    ----------
    bid_mirror, ask_mirror : SideMirror
        What the fabric holds.
    event_times : array of u64
        Update id and exchange time (microseconds) of each book event written, in turn.
    """

    def __init__(
        self, symbol: int, settings: FeedSettings, words: array[int], counters: Counter[str]
    ) -> None:
        self.bid_mirror = SideMirror(False, settings.levels)
        self.ask_mirror = SideMirror(True, settings.levels)
        self.event_times: array[int] = array("Q")
        self._settings = settings
        self._words = words
        self._counters = counters
        self._symbol = symbol
        self._word = symbol << 16

    def trades(self, prints: Sequence[Print], frame: bytes | None = None) -> None:
        """Write prints, each as an event that does not change the book.

        Parameters
        ----------
        prints : sequence of Print
            What is written.
        frame : bytes, optional
            The frame that holds just these; not used where records are written.
        """
        for side, price_ticks, qty_lots, trade_id, time_us in prints:
            self._send(_EVENT_BEGIN, 0, 0, time_us)
            self._send(_TRADE, side, price_ticks, qty_lots)
            self._send(_EVENT_END, 0, 0, trade_id)
        self._counters["trades"] += len(prints)

    def ticker(self, frame: bytes | None) -> None:
        """Take the frame of a best bid and ask, for a board that compares it with its book."""

    def clear(self) -> None:
        """Write that both sides are unknown after a gap."""
        for side, mirror in ((BID, self.bid_mirror), (ASK, self.ask_mirror)):
            self._send(_CLEAR, side | _GAP, 0, 0)
            mirror.clear()

    def event(self, event: DepthEvent, book: FullBook) -> None:
        """Write an event, and refills of the sides that run low after it.

        Parameters
        ----------
        event : DepthEvent
            The event.
        book : FullBook
            The host's book after it.
        """
        self._send(_EVENT_BEGIN, 0, 0, event.time_us)
        self._levels(BID, event.bid_prices_ticks, event.bid_qtys_lots)
        self._levels(ASK, event.ask_prices_ticks, event.ask_qtys_lots)
        for side in self._follow(event, book):
            self.refill(*side)
        self._end(event.last_id)
        self._note(event.last_id, event.time_us)

    def replaced(self, book: FullBook, time_us: int) -> None:
        """Write refills of both sides as an event."""
        self._send(_EVENT_BEGIN, 0, 0, time_us)
        self.refill_both(book)
        self._end(book.last_id)
        self._note(book.last_id, time_us)

    def loaded(self, book: FullBook) -> None:
        """Write that the book begins with a snapshot."""
        self.refill_both(book)

    def refill_both(self, book: FullBook) -> None:
        """Write refills of both sides."""
        self.refill(BID, book.bids, self.bid_mirror)
        self.refill(ASK, book.asks, self.ask_mirror)

    def refill(self, flags: int, side: BookSide, mirror: SideMirror) -> None:
        """Write the best levels of a side as a snapshot."""
        depth = self._settings.levels
        levels = side.top(depth + 1)
        horizon: int | None
        if len(levels) > depth:
            horizon = levels.pop()[0]
        elif side.horizon_ticks is None:
            horizon = None
        elif not flags:
            horizon = side.horizon_ticks - 1
        else:
            horizon = side.horizon_ticks + 1
            if horizon == PRICE_LIMIT:  # no price lies beyond it: leave the last one out
                horizon -= 1
                levels = [level for level in levels if level[0] < horizon]
        prices, qtys = [price for price, _ in levels], [qty for _, qty in levels]
        self._send(_REFILL_BEGIN, flags, 0, 0)
        self._levels(flags | _REFILL, prices, qtys)
        if horizon is None:
            self._send(_REFILL_END, flags | _WHOLE, 0, 0)
        else:
            self._send(_REFILL_END, flags, horizon, 0)
        mirror.load(prices, horizon)
        self._counters["refills"] += 1
        self._counters["refill_levels"] += len(prices)

    def _follow(self, event: DepthEvent, book: FullBook) -> list[tuple[int, BookSide, SideMirror]]:
        """Follow an event in the mirrors; the sides that want a refill after it."""
        bids, asks = self.bid_mirror, self.ask_mirror
        bids.update(event.bid_prices_ticks, event.bid_qtys_lots)
        asks.update(event.ask_prices_ticks, event.ask_qtys_lots)
        self._counters["levels"] += len(event.bid_prices_ticks) + len(event.ask_prices_ticks)
        sides = ((BID, book.bids, bids), (ASK, book.asks, asks))
        return [side for side in sides if self._is_low(*side[1:])]

    def _is_low(self, side: BookSide, mirror: SideMirror) -> bool:
        refill_at = self._settings.refill_at
        assert refill_at is not None
        return (
            not mirror.known
            or (mirror.count < refill_at and side.known > mirror.count)
            or (mirror.horizon_ticks is None and not side.whole)
        )

    def _end(self, update_id: int) -> None:
        self._send(_EVENT_END, _BOOK, 0, update_id)

    def _note(self, update_id: int, time_us: int) -> None:
        """Count a book event."""
        self.event_times.extend((update_id, time_us))
        self._counters["events"] += 1

    def _levels(self, flags: int, prices: list[int], qtys: list[int]) -> None:
        base = _LEVEL | flags << 8 | self._word
        words = [base] * (2 * len(prices))
        words[0::2] = [base | price << 32 for price in prices]
        words[1::2] = qtys
        self._words.fromlist(words)

    def _send(self, kind: int, flags: int, price_ticks: int, value: int) -> None:
        self._words.append(kind | flags << 8 | self._word | price_ticks << 32)
        self._words.append(value)
