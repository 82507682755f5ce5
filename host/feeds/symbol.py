# SPDX-License-Identifier: Apache-2.0
"""One symbol's way from messages to records: sequence, full book, mirrors, refills."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from itertools import chain

from host.contract.records import InFlag, InKind, RefillFlag
from host.feeds.book import BookSide, DepthEvent, FullBook, Ticker
from host.feeds.messages import BookTicker, DepthUpdate, Instrument, Levels, Snapshot, Trade
from host.feeds.mirror import SideMirror
from host.feeds.scale import (
    PRICE_LIMIT,
    Scale,
    ScaleError,
    infer_lot,
    infer_tick,
    lot_scale,
    tick_scale,
)
from host.feeds.settings import FeedSettings

__all__ = ["SymbolFeed"]

# plain integers: the members of an IntFlag are slow to combine
_LEVEL, _TRADE, _CLEAR = int(InKind.LEVEL), int(InKind.TRADE), int(InKind.CLEAR)
_EVENT_BEGIN, _EVENT_END = int(InKind.EVENT_BEGIN), int(InKind.EVENT_END)
_REFILL_BEGIN, _REFILL_END = int(InKind.REFILL_BEGIN), int(InKind.REFILL_END)
_BID, _ASK = 0, int(InFlag.SIDE)
_REFILL, _WHOLE = int(InFlag.REFILL), int(InFlag.WHOLE)
_BOOK, _GAP = int(InFlag.BOOK), int(InFlag.GAP)
_ASKED_BIDS = int(RefillFlag.BID | RefillFlag.BID_UNKNOWN)
_ASKED_ASKS = int(RefillFlag.ASK | RefillFlag.ASK_UNKNOWN)
_ASKED_UNKNOWN = int(RefillFlag.BID_UNKNOWN | RefillFlag.ASK_UNKNOWN)


class SymbolFeed:
    """Turns the messages of one symbol into records.

    The book is *synced* from a snapshot on, until an update is missing or refused; then both
    sides are cleared with GAP. Depth events are kept, synced or not, for the next snapshot: it
    is joined with the events that follow it. A snapshot that comes while synced is joined the
    same way and takes the place of the book; if it is ahead of the stream it waits until the
    stream has reached it.

    An event follows a snapshot with id L if it covers the first change after L: with `prev_id`
    (futures) it does from ``prev_id <= L <= last_id``, without (spot) from
    ``first_id <= L + 1 <= last_id``. The venue words the first rule ``U <= L <= u``, which is the
    same but for an L that lies between two events; no change of the symbol lies there.

    Parameters
    ----------
    instrument : Instrument
        The symbol; a tick or lot of None is taken from the first snapshot.
    settings : FeedSettings
        Sizes.
    words : array of u64
        Takes the records, two words each.
    counters : Counter
        Takes what was counted.
    refuse : callable
        Called with the counter's name and a detail for everything refused; it counts.

    Attributes
    ----------
    instrument : Instrument
        The symbol, with tick and lot once they are known.
    price_scale, qty_scale : Scale or None
        Conversions, once tick and lot are known.
    book : FullBook
        The host's book; means nothing while not synced.
    bid_mirror, ask_mirror : SideMirror
        What the fabric holds.
    synced : bool
        A snapshot is loaded and no update is missing since.
    event_times : array of u64
        Update id and exchange time (microseconds) of each book event sent, in turn. It grows;
        the reader may delete what it has used.
    """

    def __init__(
        self,
        instrument: Instrument,
        settings: FeedSettings,
        words: array[int],
        counters: Counter[str],
        refuse: Callable[[str, str], None],
    ) -> None:
        self.instrument = instrument
        self.price_scale: Scale | None = None
        self.qty_scale: Scale | None = None
        self.book = FullBook(counters)
        self.bid_mirror = SideMirror(False, settings.levels)
        self.ask_mirror = SideMirror(True, settings.levels)
        self.synced = False
        self.event_times: array[int] = array("Q")
        self._settings = settings
        self._counters = counters
        self._refuse = refuse
        self._words = words
        self._word = instrument.symbol << 16
        # a snapshot is loaded and no event has followed it
        self._first = False
        self._last_id = 0
        # snapshots below it lie before an event that is lost
        self._lost_id = 0
        self._held: Snapshot | None = None
        # events without a hole between them; raw as long as the scale is not known
        self._recent: deque[DepthEvent | DepthUpdate] = deque(maxlen=settings.buffer_events)
        self._set_scales(instrument)

    @property
    def needs_snapshot(self) -> bool:
        """Whether a new snapshot is wanted: not synced, or the known range has become short."""
        if self._held is not None:
            return False
        if not self.synced:
            return True
        low = self._settings.low_levels
        assert low is not None
        return any(not side.whole and side.known < low for side in (self.book.bids, self.book.asks))

    # messages

    def on_trade(self, trade: Trade) -> None:
        """Send a print; one that cannot be is counted as `trade_` and the reason."""
        if self.price_scale is None or self.qty_scale is None:
            self._counters["before_snapshot"] += 1
            return
        try:
            price = self.price_scale.by_text[trade.price]
            qty = self.qty_scale.by_text[trade.qty]
        except ScaleError as error:
            self._refuse(f"trade_{error.reason}", str(error))
            return
        if not qty:
            self._refuse("trade_zero_qty", f"trade {trade.trade_id}: expected a quantity, was 0")
            return
        side = _ASK if trade.seller_is_aggressor else _BID
        self._send(_EVENT_BEGIN, 0, 0, trade.time_us)
        self._send(_TRADE, side, price, qty)
        self._send(_EVENT_END, 0, 0, trade.trade_id)
        self._counters["trades"] += 1

    def on_ticker(self, ticker: BookTicker) -> None:
        """Keep a ticker for its depth event; one that cannot be is counted as `ticker_` ..."""
        if self.price_scale is None or self.qty_scale is None:
            self._counters["before_snapshot"] += 1
            return
        prices, qtys = self.price_scale.by_text, self.qty_scale.by_text
        _, update_id, bid, bid_qty, ask, ask_qty = ticker
        try:
            self.book.add_ticker(
                Ticker(update_id, prices[bid], qtys[bid_qty], prices[ask], qtys[ask_qty])
            )
        except ScaleError as error:
            self._refuse(f"ticker_{error.reason}", str(error))

    def on_depth(self, update: DepthUpdate) -> None:
        """Send a depth event if it follows the one before, and keep it."""
        if self.price_scale is None:
            self._keep(update)
            return
        event = self._scaled(update)
        if event is None:
            self._lose(update.last_id)
        elif not self.synced:
            self._keep(event)
        elif self._first:
            if _is_before(event, self._last_id):
                self._keep(event)
                self._counters["events_before_snapshot"] += 1
            elif _follows(event, self._last_id):
                self._keep(event)
                self._apply(event)
            else:
                self._refuse("snapshot_too_old", f"{_said(event)} after snapshot {self._last_id}")
                self._clear()
                self._keep(event)
        elif _continues(event, self._last_id):
            self._recent.append(event)
            self._apply(event)
            if self._held is not None and self._held.last_id <= event.last_id:
                held, self._held = self._held, None
                self._join(held)
        elif self._repeats(event):
            self._counters["events_repeated"] += 1
        else:
            self._refuse("gap", f"{_said(event)} after {self._last_id}")
            self._clear()
            self._recent.clear()
            self._recent.append(event)
            self._load_held()

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Load a snapshot, or join it with the book that is there."""
        self._counters["snapshots"] += 1
        if self.price_scale is None and not self._infer(snapshot):
            return
        if not self.synced:
            self._load(snapshot)
        elif self._first:
            if snapshot.last_id < self._last_id:
                self._too_old(snapshot)
            else:
                self._load(snapshot)
        elif snapshot.last_id > self._last_id:
            self._counters["snapshots_held"] += 1
            self._held = snapshot
        else:
            self._join(snapshot)

    def on_refill_request(self, flags: int = int(RefillFlag.BID | RefillFlag.ASK)) -> bool:
        """Answer a refill request of the fabric.

        Parameters
        ----------
        flags : int
            `RefillFlag`s of the request. A side it knows nothing of is sent in any case,
            another one if the book has more levels than the fabric should hold.

        Returns
        -------
        bool
            Whether a refill was sent.
        """
        self._counters["refill_requests"] += 1
        sent = False
        if self.synced:
            for flag, asked, side, mirror in (
                (_BID, flags & _ASKED_BIDS, self.book.bids, self.bid_mirror),
                (_ASK, flags & _ASKED_ASKS, self.book.asks, self.ask_mirror),
            ):
                if asked & _ASKED_UNKNOWN or (asked and side.known > mirror.count):
                    self._refill(flag, side, mirror)
                    sent = True
        if not sent:
            self._counters["refill_requests_unanswered"] += 1
        return sent

    # scales

    def _set_scales(self, instrument: Instrument) -> None:
        self.instrument = instrument
        if instrument.tick is not None and instrument.lot is not None:
            self.price_scale = tick_scale(instrument.tick)
            self.qty_scale = lot_scale(instrument.lot, self._settings.qty_bits)

    def _infer(self, snapshot: Snapshot) -> bool:
        """Take tick and lot from the first snapshot, and scale the events kept for it."""
        levels = [*snapshot.bids, *snapshot.asks]
        if not levels:
            self._refuse("scale_unknown", "expected levels to infer tick and lot from, was none")
            return False
        tick, lot = self.instrument.tick, self.instrument.lot
        try:
            tick = infer_tick(price for price, _ in levels) if tick is None else tick
            lot = infer_lot(qty for _, qty in levels) if lot is None else lot
        except ScaleError as error:
            self._refuse(error.reason, f"snapshot {snapshot.last_id}: {error}")
            return False
        self._set_scales(self.instrument._replace(tick=tick, lot=lot))
        kept, self._recent = self._recent, deque(maxlen=self._recent.maxlen)
        for update in kept:
            assert isinstance(update, DepthUpdate)
            event = self._scaled(update)
            if event is None:
                self._lose(update.last_id)
            else:
                self._recent.append(event)
        return True

    def _scaled(self, update: DepthUpdate) -> DepthEvent | None:
        """Ticks and lots of an update; None, and counted, where one of its levels has none."""
        _, first_id, last_id, prev_id, time_us, bids, asks = update
        try:
            return DepthEvent(
                first_id, last_id, prev_id, time_us, *self._units(bids), *self._units(asks)
            )
        except ScaleError as error:
            self._refuse(error.reason, f"event {last_id}: {error}")
            return None

    def _units(self, levels: Levels) -> tuple[list[int], list[int]]:
        assert self.price_scale is not None and self.qty_scale is not None
        flat = list(chain.from_iterable(levels))
        prices = list(map(self.price_scale.by_text.__getitem__, flat[0::2]))
        return prices, list(map(self.qty_scale.by_text.__getitem__, flat[1::2]))

    # sequence

    def _keep(self, event: DepthEvent | DepthUpdate) -> None:
        """Keep an event that is not applied now."""
        recent = self._recent
        if recent and not _continues(event, recent[-1].last_id):
            if self._repeats(event):
                self._counters["events_repeated"] += 1
                return
            self._refuse("gap", f"{_said(event)} after {recent[-1].last_id}")
            recent.clear()
        elif len(recent) == recent.maxlen and not self.synced:
            self._counters["buffer_overflow"] += 1
        recent.append(event)

    def _repeats(self, event: DepthEvent | DepthUpdate) -> bool:
        """Whether it was there before: an older time tells it from a venue that counts anew."""
        if not self._recent:
            return False
        last = self._recent[-1]
        return event.last_id <= last.last_id and event.time_us <= last.time_us

    def _lose(self, event_id: int) -> None:
        """An event is refused: nothing before it can be joined with anything after it."""
        self._clear()
        self._recent.clear()
        self._lost_id = max(self._lost_id, event_id)
        self._load_held()

    def _clear(self) -> None:
        if self.synced:
            self.synced = False
            for side, mirror in ((_BID, self.bid_mirror), (_ASK, self.ask_mirror)):
                self._send(_CLEAR, side | _GAP, 0, 0)
                mirror.clear()

    def _load_held(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._load(held)

    def _too_old(self, snapshot: Snapshot) -> None:
        self._refuse(
            "snapshot_too_old",
            f"expected a snapshot that the kept events follow, was {snapshot.last_id}",
        )

    def _following(self, snapshot: Snapshot) -> list[DepthEvent] | None:
        """Kept events after a snapshot; None where there is a hole between."""
        events = [
            event
            for event in self._recent
            if isinstance(event, DepthEvent) and not _is_before(event, snapshot.last_id)
        ]
        if snapshot.last_id < self._lost_id or (
            events and not _follows(events[0], snapshot.last_id)
        ):
            self._too_old(snapshot)
            return None
        return events

    def _book_of(self, snapshot: Snapshot) -> FullBook | None:
        book = FullBook(Counter())
        try:
            bids, asks = self._units(snapshot.bids), self._units(snapshot.asks)
        except ScaleError as error:
            self._refuse(error.reason, f"snapshot {snapshot.last_id}: {error}")
            return None
        book.load(snapshot.last_id, bids, asks, self._settings.snapshot_limit)
        return book

    def _load(self, snapshot: Snapshot) -> None:
        """Begin with a snapshot and send it, then the kept events that follow it."""
        events = self._following(snapshot)
        book = None if events is None else self._book_of(snapshot)
        if events is None or book is None:
            return
        if not self.synced:
            self._counters["events_before_snapshot"] += len(self._recent) - len(events)
        self.book.replace(book)
        self.synced = self._first = True
        self._last_id = snapshot.last_id
        self._refill_both()
        for event in events:
            self._apply(event)

    def _join(self, snapshot: Snapshot) -> None:
        """Replace a synced book by a snapshot the stream has passed, brought up to date."""
        events = self._following(snapshot)
        book = None if events is None else self._book_of(snapshot)
        if events is None or book is None:
            return
        for event in events:
            book.apply(event)
        if self.book.differs(book):
            self._refuse("snapshot_disagrees", f"snapshot {snapshot.last_id} with the book")
        self.book.replace(book)
        self._counters["snapshots_joined"] += 1
        self._refill_both()

    # records

    def _send(self, kind: int, flags: int, price_ticks: int, value: int) -> None:
        self._words.append(kind | flags << 8 | self._word | price_ticks << 32)
        self._words.append(value)

    def _apply(self, event: DepthEvent) -> None:
        """Apply and send an event."""
        self._send(_EVENT_BEGIN, 0, 0, event.time_us)
        _, _, _, _, bid_prices, bid_qtys, ask_prices, ask_qtys = event
        self._levels(_BID, bid_prices, bid_qtys)
        self._levels(_ASK, ask_prices, ask_qtys)
        self.bid_mirror.update(bid_prices, bid_qtys)
        self.ask_mirror.update(ask_prices, ask_qtys)
        self.book.apply(event)
        self._refill_if_low(_BID, self.book.bids, self.bid_mirror)
        self._refill_if_low(_ASK, self.book.asks, self.ask_mirror)
        self._send(_EVENT_END, _BOOK, 0, event.last_id)
        self.event_times.extend((event.last_id, event.time_us))
        self._counters["events"] += 1
        self._counters["levels"] += len(bid_prices) + len(ask_prices)
        self._last_id = event.last_id
        self._first = False

    def _levels(self, flags: int, prices: list[int], qtys: list[int]) -> None:
        base = _LEVEL | flags << 8 | self._word
        words = [base] * (2 * len(prices))
        words[0::2] = [base | price << 32 for price in prices]
        words[1::2] = qtys
        self._words.fromlist(words)

    def _refill_if_low(self, flags: int, side: BookSide, mirror: SideMirror) -> None:
        refill_at = self._settings.refill_at
        assert refill_at is not None
        if not mirror.known or (mirror.count < refill_at and side.known > mirror.count):
            self._refill(flags, side, mirror)

    def _refill_both(self) -> None:
        self._refill(_BID, self.book.bids, self.bid_mirror)
        self._refill(_ASK, self.book.asks, self.ask_mirror)

    def _refill(self, flags: int, side: BookSide, mirror: SideMirror) -> None:
        """Send the best levels of a side as a snapshot."""
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


def _is_before(event: DepthEvent, snapshot_id: int) -> bool:
    """Whether a snapshot contains all of an event."""
    if event.prev_id is None:
        return event.last_id <= snapshot_id
    return event.last_id < snapshot_id


def _follows(event: DepthEvent, snapshot_id: int) -> bool:
    """Whether an event can be the first one after a snapshot."""
    if event.prev_id is None:
        return event.first_id <= snapshot_id + 1 <= event.last_id
    return event.prev_id <= snapshot_id <= event.last_id


def _continues(event: DepthEvent | DepthUpdate, last_id: int) -> bool:
    """Whether no event is missing between the one that ended with `last_id` and this one."""
    if event.prev_id is None:
        return event.first_id == last_id + 1
    return event.prev_id == last_id


def _said(event: DepthEvent | DepthUpdate) -> str:
    return f"ids {event.first_id} to {event.last_id} (previous {event.prev_id})"
