# SPDX-License-Identifier: Apache-2.0
"""ITCH 5.0 over MoldUDP64 on the host: messages, order books, and the records of either way.

The host follows the same messages as the fabric. So it knows which levels the fabric's book has
dropped behind its horizon, and sends them again before they are missed; and it has every order
that rests, to begin anew from after a loss. What a message does is in ``docs/contract.md``.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "LENGTHS",
    "Change",
    "ItchBooks",
    "MoldError",
    "MoldPacket",
    "Order",
    "Print",
    "file_messages",
    "mold_packet",
    "mold_packets",
    "read_packet",
]

#: Bytes of a message by its type.
LENGTHS: dict[int, int] = {
    ord(kind): length
    for kind, length in (
        *(("S", 12), ("R", 39), ("H", 25), ("Y", 20), ("L", 26), ("V", 35), ("W", 12), ("K", 28)),
        *(("J", 35), ("h", 21), ("A", 36), ("F", 40), ("E", 31), ("C", 36), ("X", 23), ("D", 19)),
        *(("U", 35), ("P", 44), ("Q", 40), ("B", 19), ("I", 50), ("N", 20), ("O", 48)),
    )
}
_HEADER = struct.Struct(">10sQH")
_END_OF_SESSION = 0xFFFF
_ADD = struct.Struct(">xHxx6sQsI8xI")
_TAKE = struct.Struct(">xHxx6sQI")
_DELETE = struct.Struct(">xHxx6sQ")
_REPLACE = struct.Struct(">xHxx6sQQII")
_BOOK_TYPES = frozenset(b"AFECXDUPH")
_SIDES = {b"B": False, b"S": True}


class MoldError(ValueError):
    """A packet or a file is not what it should be."""


class MoldPacket(NamedTuple):
    """One packet."""

    session: bytes
    #: number of its first message
    sequence: int
    messages: list[bytes]
    #: it ends the session
    ends: bool
    #: its last message is cut
    cut: bool


class Order(NamedTuple):
    """An order that rests."""

    symbol: int
    sell: bool
    price_ticks: int
    shares: int


class Print(NamedTuple):
    """A trade; `sold` says that the aggressor did."""

    sold: bool
    price_ticks: int
    shares: int


@dataclass
class Change:
    """What one message did to a symbol.

    Attributes
    ----------
    levels : list of (bool, int, int)
        Side (True: asks), price and the shares that rest there now, in the fabric's order.
    trade : Print or None
        The trade told.
    broken : bool
        The symbol is invalid: messages about it are lost or cannot be true.
    book : bool
        The event changes the book and the symbol trades, so it is evaluated.
    """

    symbol: int
    sequence: int
    time_us: int
    levels: list[tuple[bool, int, int]]
    trade: Print | None = None
    broken: bool = False
    book: bool = True


def read_packet(octets: bytes) -> MoldPacket:
    """Read a MoldUDP64 packet; bytes behind its last message are let go by.

    Raises
    ------
    MoldError
        It is shorter than its header.
    """
    if len(octets) < _HEADER.size:
        raise MoldError(f"packet: expected at least {_HEADER.size} bytes, was {len(octets)}")
    session, sequence, count = _HEADER.unpack_from(octets)
    ends = count == _END_OF_SESSION
    messages: list[bytes] = []
    at = _HEADER.size
    for _ in range(0 if ends else count):
        size = int.from_bytes(octets[at : at + 2], "big")
        if at + 2 + size > len(octets):
            return MoldPacket(session, sequence, messages, ends, True)
        messages.append(octets[at + 2 : at + 2 + size])
        at += 2 + size
    return MoldPacket(session, sequence, messages, ends, False)


def mold_packet(session: bytes, sequence: int, messages: Iterable[bytes]) -> bytes:
    """Write a MoldUDP64 packet."""
    held = list(messages)
    parts = [_HEADER.pack(session, sequence, len(held))]
    for message in held:
        parts += [len(message).to_bytes(2, "big"), message]
    return b"".join(parts)


def mold_packets(
    messages: Iterable[bytes],
    *,
    session: bytes = b"TICKGATE  ",
    sequence: int = 1,
    most_bytes: int = 1400,
) -> Iterator[bytes]:
    """Put messages into packets of at most so many bytes each."""
    held: list[bytes] = []
    size = _HEADER.size
    for message in messages:
        if held and size + 2 + len(message) > most_bytes:
            yield mold_packet(session, sequence, held)
            sequence += len(held)
            held, size = [], _HEADER.size
        held.append(message)
        size += 2 + len(message)
    if held:
        yield mold_packet(session, sequence, held)


def file_messages(octets: bytes, name: str = "file") -> Iterator[bytes]:
    """Messages of a file: each behind two bytes that are its length, or that are always 0.

    Raises
    ------
    MoldError
        A message has an unknown type where the two bytes do not tell its length, or is cut.
    """
    at = 0
    while at < len(octets):
        size = int.from_bytes(octets[at : at + 2], "big")
        kind = octets[at + 2] if at + 2 < len(octets) else -1
        if not size:
            size = LENGTHS.get(kind, 0)
            if not size:
                raise MoldError(f"{name}, byte {at}: expected a type of message, was {kind}")
        message = octets[at + 2 : at + 2 + size]
        if len(message) < size:
            raise MoldError(f"{name}, byte {at}: expected {size} bytes, was {len(message)}")
        yield message
        at += 2 + size


class ItchBooks:
    """Orders and levels of the selected symbols, as the messages tell.

    Parameters
    ----------
    symbols : dict of int to int
        Symbol in the fabric of each stock locate that is followed.
    midnight_us : int
        Midnight of the session, microseconds since the epoch.
    keep_unknown : bool
        A message about an unknown order leaves its symbol valid.

    Attributes
    ----------
    orders : dict
        Orders that rest, by symbol and reference.
    levels : dict of int to pair of dicts
        Shares at each price, bids and asks, by symbol.
    broken : set of int
        Symbols that are invalid.
    counters : Counter
        Counters of the fabric's names.
    expected : int
        Number of the next message.
    """

    def __init__(
        self, symbols: dict[int, int], *, midnight_us: int = 0, keep_unknown: bool = False
    ) -> None:
        self.symbols = dict(symbols)
        self.midnight_us, self.keep_unknown = midnight_us, keep_unknown
        self.orders: dict[tuple[int, int], Order] = {}
        self.levels: dict[int, tuple[dict[int, int], dict[int, int]]] = {
            symbol: ({}, {}) for symbol in symbols.values()
        }
        self.broken: set[int] = set()
        self.trading: set[int] = set()
        self.counters: Counter[str] = Counter()
        self.session: bytes | None = None
        self.expected = 0
        self._last_us = self._last_sequence = 0
        self._locate_of = {symbol: locate for locate, symbol in symbols.items()}

    def packet(self, octets: bytes) -> list[Change]:
        """Follow one packet; what its messages did.

        Losses are counted under the fabric's names and make every symbol invalid.
        """
        try:
            packet = read_packet(octets)
        except MoldError:
            self.counters["mold_runts"] += 1
            return []
        if self.session is None:
            self.session, self.expected = packet.session, packet.sequence
        if packet.session != self.session:
            return self._lose("mold_sessions")
        changes: list[Change] = []
        if packet.sequence > self.expected:
            changes += self._lose("mold_gaps")
            self.expected = packet.sequence
        if packet.cut:
            self.counters["mold_truncated"] += 1
        for number, message in enumerate(packet.messages, packet.sequence):
            if number != self.expected:
                self.counters["mold_old"] += 1
                continue
            self.expected = number + 1
            changes += self._message(message, number)
        return changes

    def _message(self, message: bytes, sequence: int) -> list[Change]:
        kind = message[0] if message else -1
        if LENGTHS.get(kind) == len(message):
            change = self._change(message, sequence) if kind in _BOOK_TYPES else None
            if change is None:
                return []
            self._last_us, self._last_sequence = change.time_us, sequence
            return [change]
        if message and kind not in LENGTHS:
            self.counters["itch_foreign"] += 1
        elif kind in _BOOK_TYPES or not message:
            return self._lose("itch_lengths")
        else:
            self.counters["itch_lengths"] += 1
        return []

    def _change(self, message: bytes, sequence: int) -> Change | None:
        """What a whole message did; None if it tells nothing of a selected symbol's book."""
        kind = message[0]
        symbol = self.symbols.get(int.from_bytes(message[1:3], "big"))
        if symbol is None:
            return None
        if kind == ord("H"):
            (self.trading.add if message[19:20] == b"T" else self.trading.discard)(symbol)
            return None
        time_us = self.midnight_us + int.from_bytes(message[5:11], "big") // 1000
        change = Change(symbol, sequence, time_us, [], book=symbol in self.trading)
        if kind == ord("P"):
            return self._print(message, change)
        told = self._order(chr(kind), message, change)
        change.broken = symbol in self.broken
        return change if told else None

    def reload_packets(self, most_bytes: int = 1400) -> Iterator[bytes]:
        """Packets that bring a restarted fabric to this state.

        The register `itch_restart` has to be written first. Their messages are trading actions and
        orders with the numbers just before the next one of the session.
        """
        messages = [
            b"H" + self._locate_of[symbol].to_bytes(2, "big") + bytes(16) + b"T     "
            for symbol in sorted(self.trading)
        ]
        for (symbol, ref), order in self.orders.items():
            messages.append(
                _ADD.pack(
                    self._locate_of[symbol],
                    bytes(6),
                    ref,
                    b"S" if order.sell else b"B",
                    order.shares,
                    order.price_ticks,
                )
            )
            messages[-1] = b"A" + messages[-1][1:]
        first = (self.expected - len(messages)) % (1 << 64)
        session = self.session or b"TICKGATE  "
        yield from mold_packets(messages, session=session, sequence=first, most_bytes=most_bytes)

    def _lose(self, counter: str) -> list[Change]:
        """Every symbol becomes invalid, in an event of its own."""
        self.counters[counter] += 1
        self.counters["itch_losses"] += 1
        self.broken.update(self.symbols.values())
        return [
            Change(symbol, self._last_sequence, self._last_us, [], broken=True)
            for symbol in sorted(self.broken)
        ]

    def _break(self, counter: str, symbol: int) -> None:
        self.counters[counter] += 1
        self.broken.add(symbol)

    def _order(self, kind: str, message: bytes, change: Change) -> bool:
        symbol = change.symbol
        if kind in "AF":
            _, _, ref, side, shares, price = _ADD.unpack_from(message)
            if side not in _SIDES or not shares or not price:
                self._break("itch_fields", symbol)
            else:
                self._add(ref, Order(symbol, _SIDES[side], price, shares), change)
            return True
        ref = _DELETE.unpack_from(message)[2]
        order = self.orders.get((symbol, ref))
        if order is None:
            self.counters["itch_unknown"] += 1
            if not self.keep_unknown:
                self.broken.add(symbol)
            return not self.keep_unknown
        if kind == "D":
            self._take(ref, order, order.shares, change)
        elif kind == "U":
            _, _, _, new, shares, price = _REPLACE.unpack_from(message)
            if not shares or not price:
                self._break("itch_fields", symbol)
            else:
                self._take(ref, order, order.shares, change)
                self._add(new, Order(symbol, order.sell, price, shares), change)
        else:
            self._reduce(kind, message, order, change)
        return True

    def _reduce(self, kind: str, message: bytes, order: Order, change: Change) -> None:
        _, _, ref, shares = _TAKE.unpack_from(message)
        printed = kind == "E" or (kind == "C" and message[31:32] == b"Y")
        price = int.from_bytes(message[32:36], "big") if kind == "C" else order.price_ticks
        if not shares or (printed and not price):
            self._break("itch_fields", change.symbol)
        elif shares > order.shares:
            self._break("itch_excess", change.symbol)
        else:
            self._take(ref, order, shares, change)
            if printed:
                change.trade = Print(not order.sell, price, shares)

    def _print(self, message: bytes, change: Change) -> Change | None:
        _, _, _, side, shares, price = _ADD.unpack_from(message)
        if side not in _SIDES or not shares or not price:
            self.counters["itch_fields"] += 1
            return None
        change.trade, change.book = Print(not _SIDES[side], price, shares), False
        return change

    def _take(self, ref: int, order: Order, shares: int, change: Change) -> None:
        held = self.levels[order.symbol][order.sell]
        left = order.shares - shares
        if left:
            self.orders[order.symbol, ref] = order._replace(shares=left)
        else:
            del self.orders[order.symbol, ref]
        total = held[order.price_ticks] - shares
        if total:
            held[order.price_ticks] = total
        else:
            del held[order.price_ticks]
        if order.symbol not in self.broken:
            change.levels.append((order.sell, order.price_ticks, total))

    def _add(self, ref: int, order: Order, change: Change) -> None:
        if order.symbol in self.broken:
            return
        if (order.symbol, ref) in self.orders:
            self._break("itch_duplicates", order.symbol)
            return
        held = self.levels[order.symbol][order.sell]
        total = held.get(order.price_ticks, 0) + order.shares
        self.orders[order.symbol, ref] = order
        held[order.price_ticks] = total
        change.levels.append((order.sell, order.price_ticks, total))
