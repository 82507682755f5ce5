# SPDX-License-Identifier: Apache-2.0
"""Random SBE messages, well-formed and broken, in one stream with native records."""

import random
import struct

from host.contract.records import InFlag, InKind, Protocol
from tests.unit import sbe_bytes

_RECORD = struct.Struct("<BBBBIQ")
HOLD, START = int(InFlag.HOLD), int(InFlag.START)
#: Where a message's lengths, ids, exponents and counts lie: the bytes worth changing.
_FIRST_BYTES = 60


def record(kind, flags=0, symbol=0, tag=0, price=0, value=0):
    return _RECORD.pack(int(kind), int(flags), symbol, tag, price, value)


def frame(message, symbol=0, flags=0, protocol=Protocol.SBE, length=None, price=0, filler=b"\0"):
    """A FRAME and the beats behind it; `length` is what it says, if not what it has."""
    value = len(message) if length is None else length
    head = record(InKind.FRAME, flags, symbol, int(protocol), price, value)
    return head + message + filler * (-len(message) % 16)


def start(symbol, update_id, **other):
    return record(InKind.FRAME, START, symbol, int(Protocol.SBE), value=update_id, **other)


class Streams:
    """A source of random beats for `symbols` symbols; the same for the same seed.

    Tick and lot of each symbol are `price` and `qty` mantissas; a share `broken` of the messages is
    changed at random, another may be refused for what it says.
    """

    def __init__(self, seed, symbols, price=10, qty=1000, broken=0.3, bytes_behind=True):
        self.rng = random.Random(seed)
        self.symbols, self.price, self.qty, self.broken = symbols, price, qty, broken
        self.last = [0] * symbols
        self.filler = bytes_behind

    def beats(self, size):
        """At least `size` bytes of whole frames and records."""
        out = bytearray()
        while len(out) < size:
            out += self.rng.choices((self._frame, self._record, self._start), (20, 1, 5))[0]()
        return bytes(out)

    def _start(self):
        rng, symbol = self.rng, self.rng.randrange(self.symbols + 1)
        update_id = self.last[symbol % self.symbols]
        if rng.random() < 0.1:
            update_id = rng.choice([rng.randrange(1000), rng.getrandbits(64)])
        if symbol < self.symbols and update_id < 1 << 63:
            self.last[symbol] = update_id
        return start(symbol, update_id, price=rng.random() < 0.1)

    def _record(self):
        rng, symbol = self.rng, self.rng.randrange(self.symbols + 1)
        kind = rng.choice([InKind.EVENT_END, InKind.CLEAR, InKind.EVENT_BEGIN, InKind.LEVEL, 0])
        flags = rng.choice([0, 1, InFlag.BOOK, InFlag.GAP, InFlag.GAP | 1, rng.getrandbits(8)])
        update_id = rng.choice([self.last[symbol % self.symbols] + 1, rng.getrandbits(64)])
        if kind == InKind.EVENT_END and flags == InFlag.BOOK and symbol < self.symbols:
            self.last[symbol] = update_id if update_id < 1 << 63 else 0
        return record(kind, flags, symbol, value=update_id)

    def _frame(self):
        rng, symbol = self.rng, self.rng.randrange(self.symbols)
        message = self.message(symbol)
        if rng.random() < self.broken:
            message = self._break(message)
        options = {"symbol": symbol, "flags": HOLD if rng.random() < 0.2 else 0}
        if rng.random() < 0.05:
            options |= rng.choice(
                [
                    {"symbol": rng.randrange(256)},
                    {"flags": rng.getrandbits(8) & ~START},
                    {"flags": rng.getrandbits(8) | START},
                    {"protocol": rng.choice([0, 2, 3, 255])},
                    {"price": 1},
                    {"length": len(message) | 1 << rng.randrange(32, 64)},
                ]
            )
        if self.filler:
            options["filler"] = bytes([rng.getrandbits(8)])
        if not message:
            return frame(b"", **options)
        if options["flags"] & START:
            return frame(b"", length=rng.getrandbits(64), **{**options, "price": 0})
        return frame(message, **options)

    def _mantissa(self, unit):
        rng = self.rng
        units = rng.choice([1, 2, 3, 99, rng.randrange(1, 1 << 16), rng.randrange(1, 1 << 20)])
        if rng.random() < 0.01:
            odd = [0, 1, -unit, units * unit + 1, (1 << 63) - 1, -(1 << 63), unit << 32, unit << 48]
            return max(-(1 << 63), min((1 << 63) - 1, rng.choice(odd)))
        return units * unit

    def _levels(self, zero=True):
        rng = self.rng
        count = rng.choice([0, 0, 1, 2, 3, rng.randrange(20)])
        return [
            (
                self._mantissa(self.price),
                0 if zero and rng.random() < 0.2 else self._mantissa(self.qty),
            )
            for _ in range(count)
        ]

    def message(self, symbol):
        """One message, in sequence for the most part."""
        rng, last = self.rng, self.last[symbol]
        options = {"time_us": rng.choice([1, 1_700_000_000_000_000, (1 << 63) - 1])}
        options["symbol"] = rng.choice(
            [b"", b"A", sbe_bytes.BTC, b"1000SATSUSDT", b"x" * rng.randrange(256)]
        )
        if rng.random() < 0.3:
            options |= {"extra": rng.choice([1, 7, 8, 40]), "version": rng.randrange(4)}
        if rng.random() < 0.05:
            options |= rng.choice(
                [
                    {"exponents": (-2, -4)},
                    {"exponents": (-8, -3)},
                    {"time_us": -1},
                    {"schema": rng.choice([0, 2, 257])},
                    {"block": rng.choice([0, 17, 25, 49, 0xFFFF])},
                ]
            )
        more = rng.choice([0, 0, 1, 8, 16, 23])
        draw = rng.random()
        if draw < 0.15 or (draw < 0.4 and not last):
            update_id = rng.choice([last, last + 5, rng.randrange(1000), last - 1])
            self.last[symbol] = max(0, update_id)
            levels = self._levels(zero=False), self._levels(zero=False)
            return sbe_bytes.snapshot(update_id, *levels, more=more, **options)
        if draw < 0.3:
            entries = [
                (
                    rng.choice([1, 1 << 40, -1]) if rng.random() < 0.1 else rng.randrange(1 << 40),
                    self._mantissa(self.price),
                    self._mantissa(self.qty),
                    rng.choice([0, 1, 0, 1, 0, 1, 2, 255]),
                )
                for _ in range(rng.choice([0, 1, 1, 2, 5]))
            ]
            transact_us = rng.choice([5, 5, 5, 5, -5])
            return sbe_bytes.trades(entries, transact_us=transact_us, more=more, **options)
        if draw < 0.4:
            pairs = [(self._mantissa(self.price), self._mantissa(self.qty)) for _ in range(2)]
            return sbe_bytes.ticker(last, *pairs, **options)
        first = last + rng.choice([1, 1, 1, 1, 1, 1, 1, 0, 2, -3])
        final = first + rng.choice([0, 1, 10, -1 if rng.random() < 0.1 else 0])
        self.last[symbol] = max(0, final)
        levels = self._levels(), self._levels()
        return sbe_bytes.diff(first, final, *levels, more=more, **options)

    def _break(self, message):
        rng = self.rng
        how = rng.randrange(6)
        if how == 0:
            return message[: rng.randrange(len(message) + 1)]
        if how == 1:
            return message + rng.randbytes(rng.randrange(1, 40))
        if how == 2:
            return rng.randbytes(rng.randrange(1, 120))
        if how == 3:
            return message[:8] + rng.randbytes(rng.randrange(0, 120))
        changed = bytearray(message)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(min(len(message), _FIRST_BYTES) if how == 4 else len(message))
            changed[at] = rng.choice([0, 1, 2, 0xFF, rng.getrandbits(8), changed[at] ^ 1])
        return bytes(changed)
