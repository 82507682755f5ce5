# SPDX-License-Identifier: Apache-2.0
"""Frames of any number of symbols in, one stream of records out."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE
from host.feeds.capture import Frame
from host.feeds.messages import (
    BookTicker,
    DepthUpdate,
    Increments,
    Instrument,
    Message,
    Parsed,
    Refusal,
    Snapshot,
    StreamSequence,
    TopPrices,
    Trade,
    Trades,
)
from host.feeds.settings import FeedSettings
from host.feeds.symbol import SymbolFeed
from host.feeds.venue import Connected, Quote, Venue, VenueFrame
from host.feeds.venues import BINANCE
from host.feeds.writer import RecordWriter

__all__ = ["COUNTERS", "MOST_NAMES", "FeedSession"]

#: Names of refused symbols that are kept.
MOST_NAMES = 1000

#: Everything a session counts: name and what is counted.
COUNTERS: dict[str, str] = {
    "frames": "frames taken, bad lines included",
    "bad_line": "lines that are no frame of the capture's format, frames that are no JSON",
    "bad_frame": "frames with a field missing or of a wrong type",
    "partial_depth": "frames of a partial-depth stream, refused",
    "unknown_frame": "frames of a kind that is not for the book, and errors of the venue",
    "other_frame": "frames of other channels, answers to requests",
    "not_encoded": "messages that have no exact frame for the board's wire",
    "unknown_symbol": "messages of a symbol that is not configured",
    "snapshot_without_symbol": "snapshots that could be of several symbols",
    "before_snapshot": "trades and tickers before tick and lot, or the book, were known",
    "scale_unknown": "snapshots without a level to infer tick and lot from",
    "bad_number": "events and snapshots refused: not a plain decimal, or a price of 0",
    "price_off_grid": "events and snapshots refused: a price between two ticks",
    "price_too_large": "events and snapshots refused: a price over 32 bits",
    "qty_off_grid": "events and snapshots refused: a quantity finer than a lot",
    "qty_too_large": "events and snapshots refused: a quantity over its bits",
    "depth_events": "depth events that came, snapshots of the stream included",
    "events": "depth events sent",
    "levels": "level updates sent with them",
    "events_before_snapshot": "depth events a snapshot already held",
    "events_repeated": "depth events that had come before",
    "gap": "depth events that did not follow the one before",
    "stream_gap": "frames missing in a connection that numbers them all",
    "frames_repeated": "frames with the number of the one before, dropped",
    "reconnects": "connections opened again",
    "checksums": "books that had the venue's checksum",
    "checksum_failed": "books that had another checksum than the venue's",
    "book_too_deep": "books deeper than the venue keeps them",
    "far_asks": "asks left out because their price is over 32 bits",
    "buffer_overflow": "kept depth events dropped while waiting for a snapshot",
    "snapshots": "snapshots received",
    "snapshots_held": "snapshots ahead of a synced stream, kept until it reached them",
    "snapshots_joined": "snapshots that replaced a synced book",
    "snapshots_replaced": "snapshots of the stream that replaced a synced book",
    "snapshot_too_old": "snapshots the kept or next events did not follow",
    "snapshot_disagrees": "snapshots that contradicted a synced book, which they replaced",
    "horizon_extended": "times a ticker moved a side's horizon out",
    "ticker_disagrees": "tickers beyond a horizon that could not move it",
    "ticker_checked": "events compared with the last ticker inside them",
    "ticker_mismatch": "comparisons that differed; a ticker that came late looks the same",
    "ticker_bad_number": "tickers refused: not a plain decimal, or a price of 0",
    "ticker_price_off_grid": "tickers refused: a price between two ticks",
    "ticker_price_too_large": "tickers refused: a price over 32 bits",
    "ticker_qty_off_grid": "tickers refused: a quantity finer than a lot",
    "ticker_qty_too_large": "tickers refused: a quantity over its bits",
    "trades": "trades sent",
    "trades_repeated": "trades that had come before",
    "trade_zero_qty": "trades refused: no quantity",
    "trade_bad_number": "trades refused: not a plain decimal, or a price of 0",
    "trade_price_off_grid": "trades refused: a price between two ticks",
    "trade_price_too_large": "trades refused: a price over 32 bits",
    "trade_qty_off_grid": "trades refused: a quantity finer than a lot",
    "trade_qty_too_large": "trades refused: a quantity over its bits",
    "refills": "sides sent as a snapshot",
    "refill_levels": "levels sent with them",
    "refill_requests": "refill requests of the fabric",
    "refill_requests_unanswered": "of these, with nothing to send",
}


class FeedSession:
    """Routes messages to their symbols and collects records and counts.

    Parameters
    ----------
    instruments : sequence of Instrument
        Symbols that are taken; others are counted as `unknown_symbol`.
    settings : FeedSettings, optional
        Sizes; those of the default build if not given.
    adopt : bool
        Give symbols that are not configured the free symbol numbers as they appear.
    keep_refusals : int
        Refusals that are kept whole; the rest is only counted.
    venue : Venue
        Whose frames they are, one of `host.feeds.venues.VENUES`.
    keep_quotes : bool
        Collect the venue's own best bids and asks in `quotes`.
    writer : type
        Writes the records of each symbol; `host.wire.writer.FrameWriter` sends frames that the
        board reads itself.

    Raises
    ------
    ValueError
        A symbol number is not below `settings.symbols`, or a name or number comes twice.

    Attributes
    ----------
    counters : Counter
        Counts by the names of `COUNTERS`.
    refusals : list of Refusal
        The first ones, with file and line where there is one.
    feeds : dict
        `SymbolFeed` by name.
    unknown_names : Counter
        Messages refused as `unknown_symbol`, by name; at most `MOST_NAMES` names.
    quotes : list of Quote
        The venue's own best bids and asks in the order they came; grows while they are kept.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument] = (),
        settings: FeedSettings | None = None,
        *,
        adopt: bool = False,
        keep_refusals: int = 16,
        venue: Venue = BINANCE,
        keep_quotes: bool = False,
        writer: type[RecordWriter] = RecordWriter,
    ) -> None:
        self.venue = venue
        self.settings = FeedSettings() if settings is None else settings
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self.refusals: list[Refusal] = []
        self.feeds: dict[str, SymbolFeed] = {}
        self.unknown_names: Counter[str] = Counter()
        self.quotes: list[Quote] = []
        self._keep_quotes = keep_quotes
        self._writer = writer
        self._adopt = adopt
        self._keep_refusals = keep_refusals
        self._words: array[int] = array("Q")
        self._by_symbol: dict[int, SymbolFeed] = {}
        # names in the stream, configured or not
        self._seen: set[str] = set()
        # where the frame in hand comes from
        self._path, self._line, self._connection = "", 0, ""
        self._increments: dict[str, Increments] = {}
        # by connection: number of its last frame, and names that came with it
        self._numbers: dict[str, int] = {}
        self._names: dict[str, dict[str, None]] = {}
        for instrument in instruments:
            self._add(instrument)

    @property
    def needs_snapshot(self) -> set[str]:
        """Names of the symbols a new snapshot is wanted for."""
        return {name for name, feed in self.feeds.items() if feed.needs_snapshot}

    def feed(self, frame: Frame | VenueFrame | Connected | Refusal) -> None:
        """Take one line of a capture."""
        self._path, self._line = frame.path, frame.line
        if isinstance(frame, Refusal):
            self.counters["frames"] += 1
            self._refuse(frame.reason, frame.detail)
        elif isinstance(frame, VenueFrame):
            self.feed_payload(frame.payload, frame.address, frame.connection)
        elif isinstance(frame, Connected):
            self.connected(frame.connection)
        else:
            self.feed_payload(frame.payload)
        self._path, self._line = "", 0

    def feed_payload(self, payload: bytes | str, address: str = "", connection: str = "") -> None:
        """Take one frame of the venue's streams, or the answer to a request, as it was received.

        Parameters
        ----------
        payload : bytes or str
            The frame.
        address : str
            URL it came from; that of a request is needed to read the answer.
        connection : str
            Anything that tells connections apart.
        """
        self.counters["frames"] += 1
        self._connection = connection
        parsed = self.venue.parse(payload, address)
        if not isinstance(parsed, list):
            self.accept(parsed)
            return
        taken = 0
        for one in parsed:
            if isinstance(one, StreamSequence):
                if not self._in_sequence(one.number):
                    return
            else:
                taken += 1
                self.accept(one)
        if not taken:
            self.counters["other_frame"] += 1

    def parse(self, payload: bytes | str, connection: str = "") -> list[Parsed]:
        """What a frame says, counted and not taken yet; `accept` takes it."""
        self.counters["frames"] += 1
        self._connection = connection
        parsed = self.venue.parse(payload, "")
        return parsed if isinstance(parsed, list) else [parsed]

    def accept(self, parsed: Parsed) -> None:
        """Take one thing a frame has said; a refusal is counted."""
        if isinstance(parsed, Refusal):
            self._refuse(parsed.reason, parsed.detail)
        elif isinstance(parsed, Increments):
            self._increments[parsed.symbol] = parsed
            if parsed.symbol in self.feeds:
                self.feeds[parsed.symbol].set_increments(parsed.tick, parsed.lot)
        elif isinstance(parsed, TopPrices):
            if parsed.symbol in self.feeds:
                self.feeds[parsed.symbol].on_top_prices(parsed)
        elif not isinstance(parsed, StreamSequence):
            self.route(parsed)

    def connected(self, connection: str) -> None:
        """A connection was opened; if it was open before, frames are missing between."""
        if connection in self._names or connection in self._numbers:
            self.counters["reconnects"] += 1
            self._numbers.pop(connection, None)
            self._drop(connection)

    def route(self, message: Message) -> None:
        """Hand a message to its symbol."""
        name = message.symbol
        if isinstance(message, DepthUpdate) or (
            isinstance(message, Snapshot) and message.time_us is not None and self.venue.in_stream
        ):
            self.counters["depth_events"] += 1
        if name is None:
            name = self._only_name()
            if name is None:
                self._refuse(
                    "snapshot_without_symbol",
                    f"expected one symbol it can be of, was {len(self._seen or self.feeds)}",
                )
                return
        feed = self.feeds.get(name) or self._unconfigured(name)
        self._seen.add(name)
        if self._connection or self.venue.in_stream:
            self._names.setdefault(self._connection, {})[name] = None
        if feed is None:
            if name in self.unknown_names or len(self.unknown_names) < MOST_NAMES:
                self.unknown_names[name] += 1
            self._refuse("unknown_symbol", name)
        elif isinstance(message, BookTicker):
            feed.on_ticker(message)
        elif isinstance(message, DepthUpdate):
            feed.on_depth(message)
        elif isinstance(message, Trade):
            feed.on_trade(message)
        elif isinstance(message, Trades):
            feed.on_trades(message)
        else:
            feed.on_snapshot(message)

    def on_refill_request(self, symbol: int, flags: int) -> bool:
        """Answer a refill request of the fabric; see `SymbolFeed.on_refill_request`.

        Parameters
        ----------
        symbol, flags : int
            As in the out record.

        Raises
        ------
        KeyError
            No instrument has this symbol number.
        """
        return self._by_symbol[symbol].on_refill_request(flags)

    def __len__(self) -> int:
        """Records that wait to be taken."""
        return len(self._words) // 2

    def take(self) -> npt.NDArray[np.void]:
        """Records made since the last call.

        Returns
        -------
        array of IN_DTYPE, shape (records,)
            In stream order; the caller's own.
        """
        records = np.array(self._words, dtype="<u8").view(IN_DTYPE)
        del self._words[:]
        return records

    def _add(self, instrument: Instrument) -> SymbolFeed:
        name, symbol = instrument.name, instrument.symbol
        if not 0 <= symbol < self.settings.symbols:
            raise ValueError(
                f"{name}: expected a symbol below {self.settings.symbols}, was {symbol}"
            )
        if name in self.feeds or symbol in self._by_symbol:
            raise ValueError(f"{name}: expected a name and a symbol of its own, was {symbol}")
        feed = SymbolFeed(
            instrument,
            self.settings,
            self._words,
            self.counters,
            self._refuse,
            self.venue,
            self.quotes if self._keep_quotes else None,
            self._writer,
        )
        self.feeds[name] = self._by_symbol[symbol] = feed
        if name in self._increments:
            feed.set_increments(*self._increments[name][1:])
        return feed

    def _in_sequence(self, number: int) -> bool:
        """Whether a frame is to be taken; if some are missing before it, its books are dropped."""
        last = self._numbers.get(self._connection)
        if last == number:
            self.counters["frames_repeated"] += 1
            return False
        if last is not None and number != last + 1:
            self._refuse("stream_gap", f"frame {number} of {self._connection!r} after {last}")
            self._drop(self._connection)
        self._numbers[self._connection] = number
        return True

    def _drop(self, connection: str) -> None:
        """Give up the books of a connection until their next snapshots."""
        for name in self._names.get(connection, ()):
            if name in self.feeds:
                self.feeds[name].drop()

    def _unconfigured(self, name: str) -> SymbolFeed | None:
        if not self._adopt:
            return None
        free = (n for n in range(self.settings.symbols) if n not in self._by_symbol)
        symbol = next(free, None)
        return None if symbol is None else self._add(Instrument(name, symbol))

    def _only_name(self) -> str | None:
        """The one symbol a message without a name can be of."""
        names = self._seen or self.feeds.keys()
        return next(iter(names)) if len(names) == 1 else None

    def _refuse(self, reason: str, detail: str) -> None:
        self.counters[reason] += 1
        if len(self.refusals) < self._keep_refusals:
            self.refusals.append(Refusal(reason, detail, self._path, self._line))
