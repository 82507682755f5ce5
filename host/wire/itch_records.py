# SPDX-License-Identifier: Apache-2.0
"""What is sent for ITCH packets: the packets themselves, or the records the host makes of them."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, InFlag, InKind
from host.feeds.mirror import SideMirror
from host.wire.itch import Change, ItchBooks

__all__ = ["FRAME", "MOLDUDP64", "WIRES", "ItchRecords"]

#: Kind of the record before a frame's bytes, and the protocol named in its field `tag`.
FRAME, MOLDUDP64 = 14, 2
#: Ways to send a packet.
WIRES = ("native", "itch")

_SIDE, _BOOK, _GAP = int(InFlag.SIDE), int(InFlag.BOOK), int(InFlag.GAP)
_REFILL, _WHOLE = int(InFlag.REFILL), int(InFlag.WHOLE)
_BYTES = 16


class ItchRecords:
    """Packets in, what goes to the board out.

    A book is known whole from the start of the day: `start` tells so. From then on the fabric
    follows the packets, or the records made of them, and is sent the levels it runs out of.

    Parameters
    ----------
    books : ItchBooks
        The host's own books; they follow the packets.
    levels : int
        Levels the fabric keeps a side.
    refill_at : int
        A side of the fabric with fewer levels is refilled, 0 to `levels`.
    wire : str
        ``itch``: packets go as they are, refills between them. ``native``: records go, refills
        inside the event that made them necessary.

    Attributes
    ----------
    counters : Counter
        `packets`, `events`, `levels`, `trades`, `refills`, `refill_levels`.

    Raises
    ------
    ValueError
        The wire is another, or `refill_at` is out of its range.
    """

    def __init__(self, books: ItchBooks, *, levels: int, refill_at: int, wire: str) -> None:
        if wire not in WIRES:
            raise ValueError(f"wire: expected {' or '.join(WIRES)}, was {wire}")
        if not 0 <= refill_at <= levels:
            raise ValueError(f"refill_at: expected 0 to {levels}, was {refill_at}")
        self.books, self.counters = books, Counter[str]()
        self._levels, self._refill_at, self._native = levels, refill_at, wire == "native"
        self._words: array[int] = array("Q")
        self._mirrors = {
            symbol: (SideMirror(False, levels), SideMirror(True, levels))
            for symbol in books.symbols.values()
        }

    def start(self) -> None:
        """Tell that every book is whole, as the host's is: empty at the start of the day."""
        for symbol in self._mirrors:
            for sell in (False, True):
                self._refill(symbol, sell)

    def packet(self, octets: bytes) -> None:
        """Follow a packet and write what is sent for it."""
        self.counters["packets"] += 1
        changes = self.books.packet(octets)
        if not self._native:
            self._send(FRAME, 0, 0, 0, len(octets), MOLDUDP64)
            self._words.frombytes(octets + bytes(-len(octets) % _BYTES))
        for change in changes:
            self._change(change)
        if not self._native:
            for symbol in {change.symbol for change in changes}:
                self._refill_if_low(symbol)

    def on_refill_request(self, symbol: int) -> None:
        """The fabric wants levels; a symbol that is invalid gets none."""
        if symbol in self._mirrors and symbol not in self.books.broken:
            for sell in (False, True):
                self._refill(symbol, sell)

    def take(self) -> npt.NDArray[np.void]:
        """What was written since the last call, frames as bytes, shape (n,) of IN_DTYPE."""
        taken = np.frombuffer(self._words.tobytes(), IN_DTYPE)
        self._words = array("Q")
        return taken

    def _change(self, change: Change) -> None:
        symbol = change.symbol
        self.counters["events"] += 1
        if self._native:
            self._send(InKind.EVENT_BEGIN, 0, symbol, 0, change.time_us)
        for sell, price, shares in change.levels:
            self.counters["levels"] += 1
            self._mirrors[symbol][sell].update([price], [shares])
            if self._native:
                self._send(InKind.LEVEL, _SIDE if sell else 0, symbol, price, shares)
        trade = change.trade
        if trade is not None:
            self.counters["trades"] += 1
            if self._native:
                flags = _SIDE if trade.sold else 0
                self._send(InKind.TRADE, flags, symbol, trade.price_ticks, trade.shares)
        if change.broken:
            self._clear(symbol)
        if self._native:
            self._refill_if_low(symbol)
            flags = _BOOK if change.book else 0
            self._send(InKind.EVENT_END, flags, symbol, 0, change.sequence)

    def _clear(self, symbol: int) -> None:
        for sell, mirror in enumerate(self._mirrors[symbol]):
            mirror.clear()
            if self._native:
                self._send(InKind.CLEAR, _GAP | (_SIDE if sell else 0), symbol, 0, 0)

    def _refill_if_low(self, symbol: int) -> None:
        for sell, mirror in enumerate(self._mirrors[symbol]):
            held = self.books.levels[symbol][sell]
            if mirror.known and mirror.count < min(self._refill_at, len(held)):
                self._refill(symbol, bool(sell))

    def _refill(self, symbol: int, sell: bool) -> None:
        """Send the best levels of a side as a snapshot."""
        held = self.books.levels[symbol][sell]
        best = heapq.nsmallest if sell else heapq.nlargest
        prices = best(self._levels + 1, held)
        horizon = prices.pop() if len(prices) > self._levels else None
        flags = _SIDE if sell else 0
        self._send(InKind.REFILL_BEGIN, flags, symbol, 0, 0)
        for price in prices:
            self._send(InKind.LEVEL, flags | _REFILL, symbol, price, held[price])
        if horizon is None:
            self._send(InKind.REFILL_END, flags | _WHOLE, symbol, 0, 0)
        else:
            self._send(InKind.REFILL_END, flags, symbol, horizon, 0)
        self._mirrors[symbol][sell].load(prices, horizon)
        self.counters["refills"] += 1
        self.counters["refill_levels"] += len(prices)

    def _send(
        self, kind: int, flags: int, symbol: int, price: int, value: int, tag: int = 0
    ) -> None:
        self._words.append(kind | flags << 8 | symbol << 16 | tag << 24 | price << 32)
        self._words.append(value)
