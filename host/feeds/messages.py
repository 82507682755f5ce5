# SPDX-License-Identifier: Apache-2.0
"""What a venue's frames say, without the venue's spelling."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

__all__ = [
    "BookTicker",
    "DepthUpdate",
    "Increments",
    "Instrument",
    "Levels",
    "Message",
    "Parsed",
    "Refusal",
    "Snapshot",
    "StreamSequence",
    "TopPrices",
    "Trade",
    "Trades",
]

#: (price, quantity) pairs as decimal strings, in the order of the frame.
Levels = Sequence[Sequence[str]]


class Instrument(NamedTuple):
    """A symbol of the venue and its place in the fabric."""

    #: the venue's name, upper case
    name: str
    #: symbol number in the fabric, 0 to 255
    symbol: int
    #: price of one tick; None: taken from the first snapshot
    tick: Decimal | None = None
    #: quantity of one lot; None: taken from the first snapshot
    lot: Decimal | None = None


class Snapshot(NamedTuple):
    """The best levels of both sides at one update id."""

    #: None where the venue does not say
    symbol: str | None
    last_id: int
    bids: Levels
    asks: Levels
    #: exchange time, microseconds since the epoch; None: the snapshot is no event of a stream
    time_us: int | None = None
    #: levels a side it is cut to, 0: it is whole; None: as the settings say
    depth: int | None = None
    #: the venue's checksum of the book
    checksum: int | None = None


class DepthUpdate(NamedTuple):
    """New quantities of the levels that changed; "0" deletes."""

    symbol: str
    #: ids of the first and the last change in it
    first_id: int
    last_id: int
    #: `last_id` of the update before; None where the venue numbers without holes
    prev_id: int | None
    #: exchange time, microseconds since the epoch
    time_us: int
    bids: Levels
    asks: Levels
    #: the venue's checksum of the book after it
    checksum: int | None = None
    #: the frame it came in, for a board that reads frames itself
    frame: bytes | None = None


class Trade(NamedTuple):
    """One print on the tape."""

    symbol: str
    trade_id: int
    price: str
    qty: str
    #: the resting order was the bid
    seller_is_aggressor: bool
    #: exchange time, microseconds since the epoch
    time_us: int


class Trades(NamedTuple):
    """Prints that came in one frame."""

    symbol: str
    trades: tuple[Trade, ...]
    #: the frame, for a board that reads frames itself
    frame: bytes | None = None


class BookTicker(NamedTuple):
    """Best bid and ask at one update id, as the venue sees them."""

    symbol: str
    update_id: int
    bid: str
    bid_qty: str
    ask: str
    ask_qty: str
    #: exchange time, microseconds since the epoch; None where the venue does not say
    time_us: int | None = None
    #: the frame it came in, for a board that reads frames itself
    frame: bytes | None = None


class TopPrices(NamedTuple):
    """Best bid and ask price after the update the connection sent last; it has no id."""

    symbol: str
    bid: str
    ask: str


class Increments(NamedTuple):
    """Tick and lot of a symbol as the venue states them."""

    symbol: str
    tick: Decimal
    lot: Decimal


class StreamSequence(NamedTuple):
    """The place of a frame among all frames of its connection, from 0."""

    number: int


class Refusal(NamedTuple):
    """Something that was not taken, and the counter it belongs to."""

    reason: str
    detail: str
    #: capture file, empty for a live stream
    path: str = ""
    #: line in it, from 1
    line: int = 0


Message = Snapshot | DepthUpdate | Trade | Trades | BookTicker
#: What a frame can turn out to be.
Parsed = Message | TopPrices | Increments | StreamSequence | Refusal
