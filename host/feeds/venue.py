# SPDX-License-Identifier: Apache-2.0
"""What sets one venue apart from another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from host.feeds.messages import Parsed
from host.feeds.sequence import SequenceRule

__all__ = [
    "Checksum",
    "Connected",
    "Parser",
    "Quote",
    "Quotes",
    "TextLevels",
    "Venue",
    "VenueFrame",
]

#: Levels of a side, best first: price and quantity as plain decimal strings.
TextLevels = Sequence[tuple[str, str]]

#: Takes a frame and the address it came from, "" where that is not known.
Parser = Callable[[bytes | str, str], Parsed | list[Parsed]]


class VenueFrame(NamedTuple):
    """What one connection or request of a venue gave."""

    #: local receive time, nanoseconds since the epoch
    recv_ns: int
    #: text only where the connection tells text and bytes apart
    payload: bytes | str
    path: str
    #: line number, from 1
    line: int
    #: URL of the connection or request
    address: str
    #: name of the connection in the capture
    connection: str


class Connected(NamedTuple):
    """A connection was opened, for the first time or again."""

    recv_ns: int
    path: str
    #: line number, from 1
    line: int
    address: str
    connection: str


@dataclass(frozen=True)
class Checksum:
    """A checksum the venue sends with its book.

    Parameters
    ----------
    levels : int
        Levels of a side it covers.
    compute : callable
        From bids and asks, at most `levels` each, to the number the venue sends. Decimal
        strings have no superfluous zeros.
    """

    levels: int
    compute: Callable[[TextLevels, TextLevels], int]


class Quote(NamedTuple):
    """Best bid and ask as the venue itself tells them, as it wrote them."""

    symbol: str
    update_id: int
    bid: str
    #: None where the venue tells prices only
    bid_qty: str | None
    ask: str
    ask_qty: str | None


@dataclass(frozen=True)
class Quotes:
    """Where a venue tells its best bid and ask exactly, beside the book it sends.

    Parameters
    ----------
    source : str
        What tells them, in words.
    lasting : bool
        A quote holds from its update id to the next quote's; otherwise at its update id only.
    """

    source: str
    lasting: bool


@dataclass(frozen=True)
class Venue:
    """A venue's frames and its rules.

    Parameters
    ----------
    name : str
        As captures name it.
    parse : callable
        Reads a frame: a message, a refusal, or a list of them, empty for a frame of a kind that
        is known and says nothing of the book.
    sequence : SequenceRule
        How depth updates are numbered.
    in_stream : bool
        Snapshots come in the stream of updates: each replaces the book at once, whatever the
        ids were before. Otherwise they are asked for, and joined with the updates by their ids.
    window : bool
        Updates keep each side to the depth of the snapshot: they delete what leaves it and set
        what enters. So the best levels are always known down to the last one held.
    far_asks : bool
        The book is so deep that asks may have no price in 32 bits. They are left out and the
        side is then not known whole; otherwise such an update or snapshot is refused.
    checksum : Checksum, optional
        How a checksum is made, where the venue sends one.
    quotes : Quotes, optional
        What its best bid and ask can be compared with, where something is exact.
    rising_trades : bool
        Ids of a symbol's trades rise, so that a trade that comes a second time is told by its id
        (unless its time is later: then the venue counts anew).
    """

    name: str
    parse: Parser
    sequence: SequenceRule
    in_stream: bool = True
    window: bool = False
    far_asks: bool = False
    checksum: Checksum | None = None
    quotes: Quotes | None = None
    rising_trades: bool = False
