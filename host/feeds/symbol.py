# SPDX-License-Identifier: Apache-2.0
"""One symbol's way from messages to records: sequence, full book, mirrors, refills."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from itertools import chain

from host.contract.records import RefillFlag
from host.feeds.book import BookSide, DepthEvent, FullBook, Ticker
from host.feeds.checksum import plain_levels
from host.feeds.messages import (
    BookTicker,
    DepthUpdate,
    Instrument,
    Levels,
    Snapshot,
    TopPrices,
    Trade,
    Trades,
)
from host.feeds.scale import (
    Scale,
    ScaleError,
    TooLarge,
    infer_lot,
    infer_tick,
    lot_scale,
    tick_scale,
)
from host.feeds.settings import FeedSettings
from host.feeds.venue import Quote, Venue
from host.feeds.venues import BINANCE
from host.feeds.writer import ASK, BID, Print, RecordWriter

__all__ = ["SymbolFeed"]

_ASKED_BIDS = int(RefillFlag.BID | RefillFlag.BID_UNKNOWN)
_ASKED_ASKS = int(RefillFlag.ASK | RefillFlag.ASK_UNKNOWN)
_ASKED_UNKNOWN = int(RefillFlag.BID_UNKNOWN | RefillFlag.ASK_UNKNOWN)
#: Levels whose texts a rehearsal converts anew.
_CONVERTED = 8


class SymbolFeed:
    """Turns the messages of one symbol into records.

    The book is *synced* from a snapshot on, until an update is missing or refused; then both
    sides are cleared with GAP. Depth events are kept, synced or not, for the next snapshot: it
    is joined with the events that follow it. A snapshot that comes while synced is joined the
    same way and takes the place of the book; if it is ahead of the stream it waits until the
    stream has reached it. Where the venue sends snapshots in the stream itself, nothing is kept:
    each takes the place of the book at once. Which event follows which is the venue's rule.

    A checksum is made of the host's book before anything of its event is sent; if it is not the
    venue's, the book is no longer synced, as after a missing update.

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
    venue : Venue
        Rules of the venue.
    quotes : list of Quote, optional
        Takes the venue's own best bids and asks.
    writer : type
        Writes the records.

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
        venue: Venue = BINANCE,
        quotes: list[Quote] | None = None,
        writer: type[RecordWriter] = RecordWriter,
    ) -> None:
        self.instrument = instrument
        self.price_scale: Scale | None = None
        self.qty_scale: Scale | None = None
        self.book = FullBook(counters)
        self._writer = writer(instrument.symbol, settings, words, counters)
        self.bid_mirror = self._writer.bid_mirror
        self.ask_mirror = self._writer.ask_mirror
        self.event_times = self._writer.event_times
        self.synced = False
        self._settings = settings
        self._venue = venue
        self._rule = venue.sequence
        self._counters = counters
        self._refuse = refuse
        self._quotes = quotes
        # a snapshot is loaded and no event has followed it
        self._first = False
        self._last_id = 0
        # snapshots below it lie before an event that is lost
        self._lost_id = 0
        self._held: Snapshot | None = None
        # id and time of the last trade sent
        self._last_trade = (-1, -1)
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
        if self._venue.in_stream:
            return False
        low = self._settings.low_levels
        assert low is not None
        return any(not side.whole and side.known < low for side in (self.book.bids, self.book.asks))

    # messages

    def on_trade(self, trade: Trade) -> None:
        """Send a print; one that cannot be is counted as `trade_` and the reason."""
        ready = self._print(trade)
        if ready is not None:
            self._writer.trades([ready])

    def on_trades(self, trades: Trades) -> None:
        """Send the prints of a frame, as the frame only if none of them is refused."""
        ready = [one for trade in trades.trades if (one := self._print(trade)) is not None]
        if ready:
            whole = len(ready) == len(trades.trades)
            self._writer.trades(ready, trades.frame if whole else None)

    def _print(self, trade: Trade) -> Print | None:
        """A trade in ticks and lots; None, and counted, where it is not to be sent."""
        if self.price_scale is None or self.qty_scale is None:
            self._counters["before_snapshot"] += 1
            return None
        last_id, last_us = self._last_trade
        if trade.trade_id <= last_id and trade.time_us <= last_us and self._venue.rising_trades:
            self._counters["trades_repeated"] += 1
            return None
        try:
            price = self.price_scale.by_text[trade.price]
            qty = self.qty_scale.by_text[trade.qty]
        except ScaleError as error:
            self._refuse(f"trade_{error.reason}", str(error))
            return None
        if not qty:
            self._refuse("trade_zero_qty", f"trade {trade.trade_id}: expected a quantity, was 0")
            return None
        self._last_trade = trade.trade_id, trade.time_us
        side = ASK if trade.seller_is_aggressor else BID
        return Print(side, price, qty, trade.trade_id, trade.time_us)

    def on_ticker(self, ticker: BookTicker) -> None:
        """Keep a ticker for its depth event; one that cannot be is counted as `ticker_` ..."""
        if self._quotes is not None:
            self._quotes.append(Quote(*ticker[:6]))
        if self.price_scale is None or self.qty_scale is None:
            self._counters["before_snapshot"] += 1
            return
        prices, qtys = self.price_scale.by_text, self.qty_scale.by_text
        _, update_id, bid, bid_qty, ask, ask_qty, _, frame = ticker
        try:
            self.book.add_ticker(
                Ticker(update_id, prices[bid], qtys[bid_qty], prices[ask], qtys[ask_qty])
            )
        except ScaleError as error:
            self._refuse(f"ticker_{error.reason}", str(error))
            return
        self._writer.ticker(frame)

    def on_top_prices(self, prices: TopPrices) -> None:
        """Keep the venue's best prices as those of the last event sent."""
        if not self.synced:
            self._counters["before_snapshot"] += 1
        elif self._quotes is not None:
            quote = Quote(prices.symbol, self._last_id, prices.bid, None, prices.ask, None)
            self._quotes.append(quote)

    def on_depth(self, update: DepthUpdate) -> None:
        """Send a depth event if it follows the one before, and keep it."""
        if self._venue.in_stream and not self.synced:
            self._counters["events_before_snapshot"] += 1
            return
        if self.price_scale is None:
            self._keep(update)
            return
        event = self._scaled(update)
        if event is None:
            self._lose(update.last_id)
        elif not self.synced:
            self._keep(event)
        elif self._first:
            if self._rule.is_before(event, self._last_id):
                self._keep(event)
                self._counters["events_before_snapshot"] += 1
            elif self._rule.follows(event, self._last_id):
                self._keep(event)
                self._apply(event)
            else:
                reason = "gap" if self._venue.in_stream else "snapshot_too_old"
                self._refuse(reason, f"{_said(event)} after snapshot {self._last_id}")
                self._clear()
                self._keep(event)
        elif self._rule.continues(event, self._last_id):
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

    def rehearse(self, update: DepthUpdate) -> None:
        """Read what `on_depth` would read for an event, and change nothing."""
        if self.price_scale is None or self.qty_scale is None:
            return
        try:
            bids, asks = self._units(update.bids), self._units(update.asks)
            for price, qty in update.bids[:_CONVERTED]:  # as texts that were not there before
                self.price_scale.units(price)
                self.qty_scale.units(qty)
        except ScaleError:
            return
        self.book.bids.find(bids[0])
        self.book.asks.find(asks[0])

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Load a snapshot, or join it with the book that is there."""
        self._counters["snapshots"] += 1
        if self.price_scale is None and not self._infer(snapshot):
            return
        if self._venue.in_stream:
            self._replace(snapshot)
        elif not self.synced:
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

    def drop(self) -> None:
        """Updates may be missing: clear both sides until the next snapshot."""
        self._lose(self._last_id)

    def set_increments(self, tick: Decimal, lot: Decimal) -> None:
        """Take the venue's own tick and lot where none are given and none are in use."""
        if self.price_scale is None:
            given = self.instrument
            self._set_scales(
                given._replace(
                    tick=tick if given.tick is None else given.tick,
                    lot=lot if given.lot is None else given.lot,
                )
            )
            self._rescale()

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
                (BID, flags & _ASKED_BIDS, self.book.bids, self.bid_mirror),
                (ASK, flags & _ASKED_ASKS, self.book.asks, self.ask_mirror),
            ):
                if asked & _ASKED_UNKNOWN or (asked and side.known > mirror.count):
                    self._writer.refill(flag, side, mirror)
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
        self._rescale()
        return True

    def _rescale(self) -> None:
        """Convert the events that were kept before the scales were known."""
        kept, self._recent = self._recent, deque(maxlen=self._recent.maxlen)
        for update in kept:
            assert isinstance(update, DepthUpdate)
            event = self._scaled(update)
            if event is None:
                self._lose(update.last_id)
            else:
                self._recent.append(event)

    def _scaled(self, update: DepthUpdate) -> DepthEvent | None:
        """Ticks and lots of an update; None, and counted, where one of its levels has none."""
        _, first_id, last_id, prev_id, time_us, bids, asks, checksum, frame = update
        try:
            return DepthEvent(
                first_id,
                last_id,
                prev_id,
                time_us,
                *self._units(bids),
                *self._units(self._near(asks, self.book.asks)),
                checksum,
                frame,
            )
        except ScaleError as error:
            self._refuse(error.reason, f"event {last_id}: {error}")
            return None

    def _units(self, levels: Levels) -> tuple[list[int], list[int]]:
        assert self.price_scale is not None and self.qty_scale is not None
        flat = list(chain.from_iterable(levels))
        prices = list(map(self.price_scale.by_text.__getitem__, flat[0::2]))
        return prices, list(map(self.qty_scale.by_text.__getitem__, flat[1::2]))

    def _near(self, asks: Levels, side: BookSide) -> Levels:
        """Asks that fit a record; without the others their side is not whole."""
        if not self._venue.far_asks:
            return asks
        assert self.price_scale is not None
        near = []
        for level in asks:
            try:
                self.price_scale.by_text[level[0]]
            except TooLarge:
                continue
            near.append(level)
        if len(near) < len(asks):
            side.leave_out_far()
            self._counters["far_asks"] += len(asks) - len(near)
        return near

    # sequence

    def _keep(self, event: DepthEvent | DepthUpdate) -> None:
        """Keep an event that is not applied now."""
        recent = self._recent
        if recent and not self._rule.continues(event, recent[-1].last_id):
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
            self._writer.clear()

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
            if isinstance(event, DepthEvent) and not self._rule.is_before(event, snapshot.last_id)
        ]
        if snapshot.last_id < self._lost_id or (
            events and not self._rule.follows(events[0], snapshot.last_id)
        ):
            self._too_old(snapshot)
            return None
        return events

    def _book_of(self, snapshot: Snapshot) -> FullBook | None:
        book = FullBook(Counter())
        depth = self._settings.snapshot_limit if snapshot.depth is None else snapshot.depth
        near: Levels = ()
        try:
            near = self._near(snapshot.asks, book.asks)
            bids, asks = self._units(snapshot.bids), self._units(near)
        except ScaleError as error:
            self._refuse(error.reason, f"snapshot {snapshot.last_id}: {error}")
            return None
        book.load(snapshot.last_id, bids, asks, depth, self._venue.window)
        if len(near) < len(snapshot.asks):
            book.asks.leave_out_far()
        return book if self._sound(book, snapshot.checksum) else None

    def _sound(self, book: FullBook, checksum: int | None) -> bool:
        """Whether a book is what the venue says it is; counted where it is not."""
        if book.bids.too_deep or book.asks.too_deep:
            self._refuse("book_too_deep", f"id {book.last_id}: expected the venue's depth at most")
            return False
        how = self._venue.checksum
        if how is None or checksum is None:
            return True
        assert self.price_scale is not None and self.qty_scale is not None
        scales = self.price_scale, self.qty_scale
        bids = plain_levels(book.bids.top(how.levels), *scales)
        asks = plain_levels(book.asks.top(how.levels), *scales)
        found = how.compute(bids, asks)
        if found != checksum:
            self._refuse(
                "checksum_failed", f"id {book.last_id}: expected checksum {checksum}, was {found}"
            )
            return False
        self._counters["checksums"] += 1
        if self._quotes is not None and bids and asks:
            self._quotes.append(Quote(self.instrument.name, book.last_id, *bids[0], *asks[0]))
        return True

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
        self._writer.loaded(self.book)
        for event in events:
            if self.synced:
                self._apply(event)

    def _replace(self, snapshot: Snapshot) -> None:
        """Begin again with a snapshot of the stream; it is an event where it has a time."""
        book = self._book_of(snapshot)
        if book is None:
            self._lose(snapshot.last_id)
            return
        if self.synced:
            self._counters["snapshots_replaced"] += 1
        self.book.replace(book)
        self.synced = self._first = True
        self._last_id = snapshot.last_id
        self._recent.clear()
        if snapshot.time_us is None:
            self._writer.refill_both(self.book)
        else:
            self._writer.replaced(self.book, snapshot.time_us)

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
        self._writer.refill_both(self.book)

    def _apply(self, event: DepthEvent) -> None:
        """Apply and send an event, if the book it makes is the venue's."""
        self.book.apply(event)
        if not self._sound(self.book, event.checksum):
            self._lose(event.last_id)
            return
        self._writer.event(event, self.book)
        self._last_id = event.last_id
        self._first = False


def _said(event: DepthEvent | DepthUpdate) -> str:
    return f"ids {event.first_id} to {event.last_id} (previous {event.prev_id})"
