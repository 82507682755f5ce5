# SPDX-License-Identifier: Apache-2.0
"""SBE messages of Binance's spot streams, byte by byte, for tests.

Offsets are those of the exchange's schema, written down by hand. `extra` appends bytes to a block,
as a later version of the schema would.
"""

import struct

TRADES, TICKER, SNAPSHOT, DIFF = 10000, 10001, 10002, 10003
BTC = b"BTCUSDT"


def header(template, block, schema=1, version=0):
    return struct.pack("<HHHH", block, template, schema, version)


def _text(symbol):
    return bytes([len(symbol)]) + symbol


def _message(template, root, tail, extra, version, schema=1, block=None):
    root += bytes(range(extra))
    return header(template, len(root) if block is None else block, schema, version) + root + tail


def _levels(levels, extra):
    out = struct.pack("<HH", 16 + extra, len(levels))
    return out + b"".join(struct.pack("<qq", p, q) + b"\xa5" * extra for p, q in levels)


def diff(
    first, last, bids, asks, time_us=7, exponents=(-2, -3), symbol=BTC, extra=0, more=0, **other
):
    root = struct.pack("<qqqbb", time_us, first, last, *exponents)
    tail = _levels(bids, more) + _levels(asks, more) + _text(symbol)
    return _message(DIFF, root, tail, extra, other.pop("version", 0), **other)


def snapshot(
    update_id, bids, asks, time_us=7, exponents=(-2, -3), symbol=BTC, extra=0, more=0, **other
):
    root = struct.pack("<qqbb", time_us, update_id, *exponents)
    tail = _levels(bids, more) + _levels(asks, more) + _text(symbol)
    return _message(SNAPSHOT, root, tail, extra, other.pop("version", 0), **other)


def trades(
    entries, time_us=7, transact_us=8, exponents=(-2, -3), symbol=BTC, extra=0, more=0, **other
):
    """Entries are (id, price, qty, buyer is maker)."""
    root = struct.pack("<qqbb", time_us, transact_us, *exponents)
    tail = struct.pack("<HI", 25 + more, len(entries))
    tail += b"".join(struct.pack("<qqqB", *entry) + b"\xa5" * more for entry in entries)
    return _message(TRADES, root, tail + _text(symbol), extra, other.pop("version", 0), **other)


def ticker(update_id, bid, ask, time_us=7, exponents=(-2, -3), symbol=BTC, extra=0, **other):
    root = struct.pack("<qqbbqqqq", time_us, update_id, *exponents, *bid, *ask)
    return _message(TICKER, root, _text(symbol), extra, other.pop("version", 0), **other)


def unit(mantissas, exponent):
    """Registers of a unit of so many mantissas: exponent, shift, inverse, bound."""
    shift = (mantissas & -mantissas).bit_length() - 1
    odd = mantissas >> shift
    return {
        "exponent": exponent & 0xFF,
        "shift": shift,
        "inverse": pow(odd, -1, 1 << 64),
        "bound": ((1 << 64) - 1) // odd,
    }
