# SPDX-License-Identifier: Apache-2.0
"""Messages as frames of Binance's binary market-data streams (SBE schema 1, version 0).

The four templates are those of the venue's ``stream_1_0.xml``. All is little-endian and packed:
a header of four u16 (root length, template, schema, version), the root, the groups, the symbol.
A decimal is a whole mantissa times ten to an exponent that the root holds once for all prices and
once for all quantities; it is exact here, or refused.

A frame of a futures capture has `prev_id` + 1 as firstBookUpdateId: the schema is that of spot,
where an update begins right after the one before, and this number says the same.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain

from host.feeds.messages import BookTicker, DepthUpdate, Levels, Message, Snapshot, Trade, Trades
from host.feeds.scale import BadNumber, OffGrid, Scale, ScaleError

__all__ = [
    "EXPONENT",
    "SCHEMA_ID",
    "BadText",
    "FieldRange",
    "MantissaRange",
    "MissingSymbol",
    "NotExact",
    "SbeEncodeError",
    "SbeEncoder",
    "SymbolLength",
    "TooManyEntries",
]

SCHEMA_ID = 1
#: Exponent of prices and quantities that the venue sends.
EXPONENT = -8

_TRADES, _BEST_BID_ASK, _DEPTH_SNAPSHOT, _DEPTH_DIFF = range(10000, 10004)
_HEADER = struct.Struct("<4H")
_TRADES_ROOT = struct.Struct("<2q2b")
_BEST_ROOT = struct.Struct("<2q2b4q")
_SNAPSHOT_ROOT = struct.Struct("<2q2b")
_DIFF_ROOT = struct.Struct("<3q2b")
_TRADE = struct.Struct("<3qB")
_WIDE_GROUP = struct.Struct("<HI")
_GROUP = struct.Struct("<2H")
_LEVEL_BYTES = 16
_MANTISSA_LIMIT = 1 << 63
_MOST_SYMBOL_BYTES = 255
_MOST_LEVELS = (1 << 16) - 1
_MOST_TRADES = (1 << 31) - 1


class SbeEncodeError(ValueError):
    """A message that has no frame."""


class BadText(SbeEncodeError):
    """A price or quantity is not plain decimal digits."""


class NotExact(SbeEncodeError):
    """A price or quantity has more places than the exponent."""


class MantissaRange(SbeEncodeError):
    """A mantissa does not fit 63 bits."""


class FieldRange(SbeEncodeError):
    """An id, time or exponent does not fit its field."""


class TooManyEntries(SbeEncodeError):
    """A group has more entries than its dimension can count."""


class SymbolLength(SbeEncodeError):
    """The symbol is empty or longer than 255 bytes."""


class MissingSymbol(SbeEncodeError):
    """A snapshot that does not say whose it is, and nobody else did."""


class SbeEncoder:
    """Makes frames.

    Parameters
    ----------
    price_exponent, qty_exponent : int
        -128 to 127.
    version : int
        Schema version that the header tells.
    root_extra, entry_extra : bytes
        Fields that a later version appended to every root and every group entry.

    Raises
    ------
    FieldRange
        An exponent or the version does not fit.
    """

    def __init__(
        self,
        price_exponent: int = EXPONENT,
        qty_exponent: int = EXPONENT,
        *,
        version: int = 0,
        root_extra: bytes = b"",
        entry_extra: bytes = b"",
    ) -> None:
        _within("price exponent", price_exponent, -128, 127)
        _within("quantity exponent", qty_exponent, -128, 127)
        _within("version", version, 0, (1 << 16) - 1)
        self._exponents = (price_exponent, qty_exponent)
        self._version = version
        self._root_extra, self._entry_extra = root_extra, entry_extra
        self._prices = _mantissas("price", price_exponent)
        self._qtys = _mantissas("qty", qty_exponent)

    def encode(
        self, message: Message, *, symbol: str | None = None, event_time_us: int | None = None
    ) -> bytes:
        """Make the frame of a message.

        Parameters
        ----------
        message : DepthUpdate, Snapshot, BookTicker, Trade or Trades
            What it says.
        symbol : str, optional
            Whose a snapshot is that does not say so.
        event_time_us : int, optional
            eventTime, microseconds since the epoch; the message's own time if not given, 0 where
            that has none.

        Raises
        ------
        SbeEncodeError
            `BadText`, `NotExact`, `MantissaRange`, `FieldRange`, `TooManyEntries`, `SymbolLength`
            or `MissingSymbol`.
        """
        if isinstance(message, DepthUpdate):
            return self.depth(message, event_time_us)
        if isinstance(message, Trade):
            return self.trades([message], event_time_us)
        if isinstance(message, Trades):
            return self.trades(message.trades, event_time_us)
        if isinstance(message, BookTicker):
            return self.ticker(message, event_time_us)
        return self.snapshot(message, symbol, event_time_us)

    def depth(self, update: DepthUpdate, event_time_us: int | None = None) -> bytes:
        """DepthDiffStreamEvent (10003); see `encode`."""
        first = update.first_id if update.prev_id is None else update.prev_id + 1
        root = self._root(
            _DIFF_ROOT,
            ("eventTime", update.time_us if event_time_us is None else event_time_us),
            ("firstBookUpdateId", first),
            ("lastBookUpdateId", update.last_id),
        )
        sides = self._levels(update.bids) + self._levels(update.asks)
        return self._frame(_DEPTH_DIFF, root, sides, update.symbol)

    def snapshot(
        self, snapshot: Snapshot, symbol: str | None = None, event_time_us: int | None = None
    ) -> bytes:
        """DepthSnapshotStreamEvent (10002); see `encode`."""
        name = snapshot.symbol if snapshot.symbol is not None else symbol
        if name is None:
            raise MissingSymbol(f"snapshot {snapshot.last_id}: expected a symbol, was none")
        if event_time_us is None:
            event_time_us = 0 if snapshot.time_us is None else snapshot.time_us
        root = self._root(
            _SNAPSHOT_ROOT, ("eventTime", event_time_us), ("bookUpdateId", snapshot.last_id)
        )
        sides = self._levels(snapshot.bids) + self._levels(snapshot.asks)
        return self._frame(_DEPTH_SNAPSHOT, root, sides, name)

    def ticker(self, ticker: BookTicker, event_time_us: int | None = None) -> bytes:
        """BestBidAskStreamEvent (10001); see `encode`."""
        if event_time_us is None:
            event_time_us = 0 if ticker.time_us is None else ticker.time_us
        flat = (ticker.bid, ticker.bid_qty, ticker.ask, ticker.ask_qty)
        root = self._root(
            _BEST_ROOT,
            ("eventTime", event_time_us),
            ("bookUpdateId", ticker.update_id),
            mantissas=self._pairs(flat),
        )
        return self._frame(_BEST_BID_ASK, root, b"", ticker.symbol)

    def trades(self, trades: Sequence[Trade], event_time_us: int | None = None) -> bytes:
        """TradesStreamEvent (10000) of trades of one symbol and one time; see `encode`.

        Raises
        ------
        FieldRange
            There is none, or they are of several symbols or times.
        """
        if len({(trade.symbol, trade.time_us) for trade in trades}) != 1:
            raise FieldRange("trades: expected some of one symbol and one time, was others")
        if len(trades) > _MOST_TRADES:
            raise TooManyEntries(f"trades: expected at most {_MOST_TRADES}, was {len(trades)}")
        time_us = trades[0].time_us
        root = self._root(
            _TRADES_ROOT,
            ("eventTime", time_us if event_time_us is None else event_time_us),
            ("transactTime", time_us),
        )
        entries = []
        for trade in trades:
            _within("trade id", trade.trade_id, 0, _MANTISSA_LIMIT - 1)
            price, qty = self._pairs((trade.price, trade.qty))
            entries.append(_TRADE.pack(trade.trade_id, price, qty, trade.seller_is_aggressor))
            entries.append(self._entry_extra)
        dimension = _WIDE_GROUP.pack(_TRADE.size + len(self._entry_extra), len(trades))
        return self._frame(_TRADES, root, dimension + b"".join(entries), trades[0].symbol)

    def _root(
        self, layout: struct.Struct, *numbers: tuple[str, int], mantissas: Sequence[int] = ()
    ) -> bytes:
        for name, value in numbers:
            _within(name, value, 0, _MANTISSA_LIMIT - 1)
        fields = [value for _, value in numbers]
        return layout.pack(*fields, *self._exponents, *mantissas) + self._root_extra

    def _levels(self, levels: Levels) -> bytes:
        if len(levels) > _MOST_LEVELS:
            raise TooManyEntries(f"levels: expected at most {_MOST_LEVELS}, was {len(levels)}")
        flat = self._pairs(tuple(chain.from_iterable(levels)))
        body = struct.pack(f"<{len(flat)}q", *flat)
        extra = self._entry_extra
        if extra:
            places = range(0, len(body), _LEVEL_BYTES)
            body = b"".join(body[at : at + _LEVEL_BYTES] + extra for at in places)
        return _GROUP.pack(_LEVEL_BYTES + len(extra), len(levels)) + body

    def _pairs(self, texts: Sequence[str]) -> list[int]:
        """Mantissas of prices and quantities in turn."""
        mantissas = [0] * len(texts)
        try:
            mantissas[0::2] = map(self._prices.by_text.__getitem__, texts[0::2])
            mantissas[1::2] = map(self._qtys.by_text.__getitem__, texts[1::2])
        except ScaleError as error:
            raise _named(error) from None
        return mantissas

    def _frame(self, template: int, root: bytes, groups: bytes, symbol: str) -> bytes:
        name = symbol.encode()
        if not 1 <= len(name) <= _MOST_SYMBOL_BYTES:
            raise SymbolLength(f"symbol: expected 1 to {_MOST_SYMBOL_BYTES} bytes, was {len(name)}")
        header = _HEADER.pack(len(root), template, SCHEMA_ID, self._version)
        return b"".join((header, root, groups, bytes((len(name),)), name))


def _mantissas(name: str, exponent: int) -> Scale:
    return Scale(Decimal(1).scaleb(exponent), name=name, limit=_MANTISSA_LIMIT)


def _named(error: ScaleError) -> SbeEncodeError:
    if isinstance(error, BadNumber):
        return BadText(str(error))
    return (NotExact if isinstance(error, OffGrid) else MantissaRange)(str(error))


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise FieldRange(f"{name}: expected {low} to {high}, was {value}")
