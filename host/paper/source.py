# SPDX-License-Identifier: Apache-2.0
"""Where the paper venue's market comes from: messages with their venue time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from host.feeds.binance import parse
from host.feeds.capture import CaptureReader
from host.feeds.messages import BookTicker, DepthUpdate, Message, Refusal, Snapshot, Trade, Trades
from host.feeds.scale import infer_lot, infer_tick

__all__ = ["CaptureSource", "Found", "MarketEvent", "MarketSource"]


class MarketEvent(NamedTuple):
    """A message and when the venue sends it."""

    #: venue time, microseconds since the epoch
    time_us: int
    message: Message


class Found(NamedTuple):
    """A symbol of a capture with the steps its first snapshot uses."""

    name: str
    tick: Decimal
    lot: Decimal


class MarketSource(Protocol):
    """Market events in order of time; a live source is pushed by whoever receives it."""

    def __iter__(self) -> Iterator[MarketEvent]:
        """The events."""


class CaptureSource:
    """A capture of Binance streams, see `host.feeds.capture`.

    Venue time runs as the recorder's clock did, set so that the first frame with an exchange time
    is sent at that time; it never goes back.

    Parameters
    ----------
    paths : sequence of str
        Files that follow each other.
    start_us : int or None
        Time of the first frame; None: its own. All times of the messages move with it.

    Attributes
    ----------
    counters : Counter
        Lines that were refused, by reason.

    Raises
    ------
    CaptureError
        A file is missing or cannot be read.
    """

    def __init__(self, paths: Sequence[str], start_us: int | None = None) -> None:
        self._paths = list(paths)
        self._start_us = start_us
        self.counters: Counter[str] = Counter()
        CaptureReader(self._paths)  # names a missing file now

    def __iter__(self) -> Iterator[MarketEvent]:
        offset_us, shift_us, last_us = None, 0, 0
        waiting: list[tuple[int, Message]] = []
        name = None
        for frame in CaptureReader(self._paths):
            if isinstance(frame, Refusal):
                self.counters[frame.reason] += 1
                continue
            message = parse(frame.payload)
            if isinstance(message, Refusal):
                self.counters[message.reason] += 1
                continue
            if isinstance(message, Snapshot) and message.symbol is None and name is not None:
                message = message._replace(symbol=name)
            name = message.symbol or name
            recv_us = frame.recv_ns // 1000
            one_by_one = message.trades if isinstance(message, Trades) else (message,)
            waiting += ((recv_us, one) for one in one_by_one)
            if offset_us is None:
                first = one_by_one[0]
                if not isinstance(first, (DepthUpdate, Trade)):
                    continue
                offset_us = first.time_us - recv_us
                first_us = waiting[0][0] + offset_us
                shift_us = 0 if self._start_us is None else self._start_us - first_us
            for at_us, one in waiting:
                last_us = max(last_us, at_us + offset_us + shift_us)
                yield MarketEvent(last_us, _shifted(one, shift_us))
            waiting.clear()

    def symbols(self) -> list[Found]:
        """Symbols with a snapshot in the first files, by name; reads as far as it must."""
        found: dict[str, Found] = {}
        seen: set[str] = set()
        for count, event in enumerate(CaptureSource(self._paths)):
            message = event.message
            if message.symbol:
                seen.add(message.symbol)
            if isinstance(message, Snapshot) and message.symbol:
                levels = [*message.bids, *message.asks]
                tick = infer_tick(price for price, _ in levels)
                lot = infer_lot(qty for _, qty in levels)
                found[message.symbol] = Found(message.symbol, tick, lot)
            if (found and seen <= found.keys() and count > 1000) or count > 200_000:
                break
        return [found[name] for name in sorted(found)]


def _shifted(message: Message, shift_us: int) -> Message:
    if not shift_us or isinstance(message, (BookTicker, Snapshot, Trades)):
        return message
    return message._replace(time_us=message.time_us + shift_us)
