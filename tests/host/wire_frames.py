# SPDX-License-Identifier: Apache-2.0
"""Frames put together by hand from the fields of the schema, and messages to make them of."""

import struct

from host.feeds.messages import BookTicker, DepthUpdate, Snapshot, Trade

#: The beginning of a frame of the live stream: header, and the ids of a depth update.
REAL_PREFIX = bytes.fromhex("1a00132701000000baa07fda784006004feb96081200000091eb960812000000")
SYMBOL = "BTCUSDT"
NAME = bytes([7]) + b"BTCUSDT"

DEPTH = DepthUpdate(
    SYMBOL,
    11,
    20,
    None,
    1_700_000_000_000_001,
    [("61800.30", "0.006"), ("61800.2", "0")],
    [("61800.40", "12")],
)
SNAPSHOT = Snapshot(SYMBOL, 9, DEPTH.bids, DEPTH.asks, 1_700_000_000_000_001)
TRADE = Trade(SYMBOL, 77, "61800.30", "0.199", True, 1_700_000_000_000_002)
TICKER = BookTicker(SYMBOL, 12, "1.5", "2", "1.6", "0.25", 1_700_000_000_000_003)


def header(length, template, schema=1, version=0):
    return struct.pack("<HHHH", length, template, schema, version)


def side(levels, extra=b""):
    body = b"".join(struct.pack("<qq", *level) + extra for level in levels)
    return struct.pack("<HH", 16 + len(extra), len(levels)) + body


def depth_bytes(
    bids=((6_180_030_000_000, 600_000), (6_180_020_000_000, 0)),
    asks=((6_180_040_000_000, 1_200_000_000),),
    *,
    first=11,
    last=20,
    time_us=DEPTH.time_us,
    exponents=(-8, -8),
    extra=b"",
    entry_extra=b"",
    version=0,
    name=NAME,
):
    """A depth update; `extra` and `entry_extra` are fields a later version appended."""
    root = struct.pack("<qqqbb", time_us, first, last, *exponents) + extra
    head = header(len(root), 10003, version=version)
    return head + root + side(bids, entry_extra) + side(asks, entry_extra) + name


def trades_bytes(entries, *, event=1, transact=2, extra=b"", entry_extra=b"", version=0):
    root = struct.pack("<qqbb", event, transact, -8, -8) + extra
    body = b"".join(struct.pack("<qqqB", *entry) + entry_extra for entry in entries)
    group = struct.pack("<HI", 25 + len(entry_extra), len(entries)) + body
    return header(len(root), 10000, version=version) + root + group + NAME
