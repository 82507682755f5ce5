# SPDX-License-Identifier: Apache-2.0
"""Reference model of the ITCH feed: dicts of orders and levels, written from the contract alone.

It shares no code with the fabric or the host. Packets go in, records come out as tuples
``(kind, flags, symbol, tag, price_ticks, value)``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["ItchReference", "ItchSizes", "Record"]

Record = tuple[int, int, int, int, int, int]

_LEVEL, _TRADE, _CLEAR, _BEGIN, _END = 1, 2, 3, 4, 5
_SIDE, _BOOK, _GAP = 0x01, 0x08, 0x10
_SIZE = {
    **{"S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21},
    **{"A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19},
    **{"I": 50, "N": 20, "O": 48},
}
_BOOK_TYPES = "AFECXDUPH"
_ORDER_TYPES = "AFECXDUP"
_KEEP_UNKNOWN, _HIDE_PRINTS, _ANY_STATE = 1, 2, 4


@dataclass(frozen=True)
class ItchSizes:
    """Sizes of the build.

    Parameters
    ----------
    symbols, qty_bits : int
        Books, and width of a level's shares.
    order_sets, order_ways, level_sets, level_ways : int
        Of the two tables.
    frame_bytes, width : int
        Longest frame and bytes of a beat.
    """

    symbols: int = 16
    qty_bits: int = 48
    order_sets: int = 1 << 10
    order_ways: int = 4
    level_sets: int = 1 << 9
    level_ways: int = 8
    frame_bytes: int = 2048
    width: int = 8


@dataclass
class _Order:
    symbol: int
    sell: bool
    price: int
    shares: int


@dataclass
class _Out:
    """What one message tells."""

    symbol: int
    sequence: int
    ns: int
    book: bool
    records: list[tuple[int, int, int, int]] = field(default_factory=list)


def _xor_parts(value: int, width: int, bits: int) -> int:
    """Exclusive or of the parts of `bits` bits of a number of `width` bits."""
    total = 0
    for _ in range(0, width, bits):
        total ^= value % (1 << bits)
        value >>= bits
    return total


class ItchReference:
    """The feed as the contract has it.

    Parameters
    ----------
    sizes : ItchSizes
        Sizes of the build.

    Attributes
    ----------
    first, midnight_us, policy : int
        Registers.
    counters : Counter
        Counters of the feed.
    """

    def __init__(self, sizes: ItchSizes) -> None:
        self.sizes = sizes
        self.first = self.midnight_us = self.policy = 0
        self.counters: Counter[str] = Counter()
        self.locates: dict[int, int] = {}
        self.mapped: set[int] = set()
        self._forget()

    def _forget(self) -> None:
        self.orders: dict[tuple[int, int], _Order] = {}
        self.levels: dict[tuple[int, bool, int], int] = {}
        self._in_order_row: Counter[int] = Counter()
        self._in_level_row: Counter[int] = Counter()
        self.broken: set[int] = set()
        self.trading: set[int] = set()
        self.session: bytes | None = None
        self.expected = 0
        self._last_us = self._last_sequence = 0

    def restart(self) -> None:
        """Forget all but the locates and the counters."""
        self._forget()

    def select(self, word: int) -> None:
        """Write the register `itch_locate`."""
        symbol = word >> 16 & 0xFF
        self.locates.pop(word & 0xFFFF, None)
        if word >> 31 and symbol < self.sizes.symbols:
            self.locates[word & 0xFFFF] = symbol
            self.mapped.add(symbol)

    def order_row(self, ref: int) -> int:
        """Row of an order in its table."""
        return _xor_parts(ref, 64, (self.sizes.order_sets - 1).bit_length())

    def level_row(self, symbol: int, price: int) -> int:
        """Row of a level in its table."""
        bits = (self.sizes.level_sets - 1).bit_length()
        row = _xor_parts(price >> 2, 30, bits)
        for number in (price & 3, symbol):
            for at in range(8):
                row ^= (number >> at & 1) << ((bits - 1 - at) % bits)
        return row

    def frame(self, octets: bytes, error: bool = False) -> list[Record]:
        """One frame; the records it causes."""
        count = self.counters
        if -(-len(octets) // self.sizes.width) * self.sizes.width > self.sizes.frame_bytes:
            count["mold_oversize"] += 1
            return []
        if error:
            count["mold_damaged"] += 1
            return []
        if len(octets) < 20:
            count["mold_runts"] += 1
            return []
        out: list[Record] = []
        session = octets[:10]
        number = int.from_bytes(octets[10:18], "big")
        messages = int.from_bytes(octets[18:20], "big")
        if self.session is None:
            self.session, self.expected = session, self.first or number
        if session != self.session:
            count["mold_sessions"] += 1
            return self._lose_all()
        if number > self.expected:
            count["mold_gaps"] += 1
            self.expected = number
            out += self._lose_all()
        at = 20
        if messages in (0, 0xFFFF):
            count["mold_ends" if messages else "mold_heartbeats"] += 1
        else:
            count["mold_packets"] += 1
            for n in range(messages):
                size = int.from_bytes(octets[at : at + 2], "big")
                if at + 2 > len(octets) or at + 2 + size > len(octets):
                    count["mold_truncated"] += 1
                    return out
                message = octets[at + 2 : at + 2 + size]
                at += 2 + size
                this = (number + n) % (1 << 64)
                if this != self.expected:
                    count["mold_old"] += 1
                    continue
                self.expected = (this + 1) % (1 << 64)
                out += self._message(message, this)
        if at < len(octets):
            count["mold_trailing"] += 1
        return out

    def _lose_all(self) -> list[Record]:
        self.counters["itch_losses"] += 1
        self.broken = set(range(self.sizes.symbols))
        out: list[Record] = []
        for symbol in sorted(self.mapped):
            out += [
                (_BEGIN, 0, symbol, 0, 0, self._last_us),
                (_CLEAR, _GAP, symbol, 0, 0, 0),
                (_CLEAR, _GAP | _SIDE, symbol, 0, 0, 0),
                (_END, _BOOK, symbol, 0, 0, self._last_sequence),
            ]
        return out

    def _message(self, message: bytes, sequence: int) -> list[Record]:
        count = self.counters
        if not message:
            count["itch_lengths"] += 1
            return self._lose_all()
        count["itch_messages"] += 1
        kind = chr(message[0])
        if kind not in _SIZE:
            count["itch_foreign"] += 1
            return []
        if len(message) != _SIZE[kind]:
            count["itch_lengths"] += 1
            return self._lose_all() if kind in _BOOK_TYPES else []
        symbol = self.locates.get(int.from_bytes(message[1:3], "big"))
        if kind == "S":
            count["itch_systems"] += 1
        elif kind == "R":
            count["itch_directories"] += 1
        elif kind == "H":
            if symbol is not None:
                count["itch_states"] += 1
                (self.trading.add if message[19:20] == b"T" else self.trading.discard)(symbol)
        elif kind not in _ORDER_TYPES:
            count["itch_skipped"] += 1
        elif symbol is None:
            count["itch_unselected"] += 1
        else:
            book = kind != "P" and (symbol in self.trading or bool(self.policy & _ANY_STATE))
            out = _Out(symbol, sequence, int.from_bytes(message[5:11], "big"), book)
            if self._order_message(kind, message, out):
                return self._tell(out)
        return []

    def _tell(self, out: _Out) -> list[Record]:
        symbol = out.symbol
        self._last_us = (self.midnight_us + out.ns // 1000) % (1 << 64)
        self._last_sequence = out.sequence
        told: list[Record] = [(_BEGIN, 0, symbol, 0, 0, self._last_us)]
        told += [(kind, flags, symbol, 0, p, v) for kind, flags, p, v in out.records]
        told.append((_END, _BOOK if out.book else 0, symbol, 0, 0, out.sequence))
        return told

    def _break(self, out: _Out) -> None:
        if out.symbol not in self.broken:
            self.broken.add(out.symbol)
            self.counters["itch_breaks"] += 1

    def _order_message(self, kind: str, message: bytes, out: _Out) -> bool:
        """Apply it; whether there is an event."""
        number = int.from_bytes
        ref = number(message[11:19], "big")
        told = True
        if kind == "P":
            return self._print(message, out)
        if kind in "AF":
            shares, price = number(message[20:24], "big"), number(message[32:36], "big")
            if message[19:20] not in (b"B", b"S") or not shares or not price:
                self.counters["itch_fields"] += 1
                self._break(out)
            else:
                order = _Order(out.symbol, message[19:20] == b"S", price, shares)
                self._add(ref, order, out)
        elif (ref, out.symbol) not in self.orders:
            self.counters["itch_unknown"] += 1
            told = not self.policy & _KEEP_UNKNOWN
            if told:
                self._break(out)
        elif kind == "U":
            new, shares = number(message[19:27], "big"), number(message[27:31], "big")
            price = number(message[31:35], "big")
            if not shares or not price:
                self.counters["itch_fields"] += 1
                self._break(out)
            else:
                old = self.orders[ref, out.symbol]
                self._take(ref, old.shares, out)
                self._add(new, _Order(out.symbol, old.sell, price, shares), out)
        else:
            self._reduce(kind, message, ref, out)
        if told and out.symbol in self.broken:
            out.records += [(_CLEAR, _GAP, 0, 0), (_CLEAR, _GAP | _SIDE, 0, 0)]
        return told

    def _reduce(self, kind: str, message: bytes, ref: int, out: _Out) -> None:
        order = self.orders[ref, out.symbol]
        shares = order.shares if kind == "D" else int.from_bytes(message[19:23], "big")
        printed = message[31:32] == b"Y" if kind == "C" else kind == "E"
        price = int.from_bytes(message[32:36], "big") if kind == "C" else order.price
        if not shares or (printed and not price):
            self.counters["itch_fields"] += 1
            self._break(out)
            return
        if shares > order.shares:
            self.counters["itch_excess"] += 1
            self._break(out)
            return
        self._take(ref, shares, out)
        if printed:
            self.counters["itch_prints"] += 1
            out.records.append((_TRADE, 0 if order.sell else _SIDE, price, shares))

    def _print(self, message: bytes, out: _Out) -> bool:
        shares = int.from_bytes(message[20:24], "big")
        price = int.from_bytes(message[32:36], "big")
        if message[19:20] not in (b"B", b"S") or not shares or not price:
            self.counters["itch_fields"] += 1
            return False
        if self.policy & _HIDE_PRINTS:
            return False
        self.counters["itch_prints"] += 1
        out.records.append((_TRADE, 0 if message[19:20] == b"S" else _SIDE, price, shares))
        return True

    def _take(self, ref: int, shares: int, out: _Out) -> None:
        order = self.orders[ref, out.symbol]
        key = (order.symbol, order.sell, order.price)
        self.counters["itch_takes"] += 1
        order.shares -= shares
        self.levels[key] -= shares
        total = self.levels[key]
        if not order.shares:
            del self.orders[ref, out.symbol]
            self._in_order_row[self.order_row(ref)] -= 1
        if not total:
            del self.levels[key]
            self._in_level_row[self.level_row(order.symbol, order.price)] -= 1
        if out.symbol not in self.broken:
            out.records.append((_LEVEL, _SIDE if order.sell else 0, order.price, total))

    def _add(self, ref: int, order: _Order, out: _Out) -> None:
        if out.symbol in self.broken:
            return
        key = (order.symbol, order.sell, order.price)
        order_row, level_row = self.order_row(ref), self.level_row(order.symbol, order.price)
        total = self.levels.get(key, 0) + order.shares
        if (ref, out.symbol) in self.orders:
            why = "itch_duplicates"
        elif self._in_order_row[order_row] == self.sizes.order_ways:
            why = "itch_order_full"
        elif total >= 1 << self.sizes.qty_bits or (
            key not in self.levels and self._in_level_row[level_row] == self.sizes.level_ways
        ):
            why = "itch_level_full"
        else:
            self.counters["itch_adds"] += 1
            self._in_order_row[order_row] += 1
            self._in_level_row[level_row] += key not in self.levels
            self.orders[ref, out.symbol], self.levels[key] = order, total
            out.records.append((_LEVEL, _SIDE if order.sell else 0, order.price, total))
            return
        self.counters[why] += 1
        self._break(out)
