# SPDX-License-Identifier: Apache-2.0
"""OKX's v5 public streams.

The rule, after the venue's pages "Order book channel" (www.okx.com/docs-v5) and "Order Book
Channels Checksum Field Deprecation" (May 2026): the first frame of a channel is a snapshot and
takes the place of the local book, updates follow, size 0 deletes. `checksum` is the signed CRC32
of the best 25 levels, ``bid price:bid size:ask price:ask size:...`` in turn, numbers as they were
sent. `prevSeqId` is the `seqId` of the frame before; `seqId` may fall below it when the venue
counts anew, and is the same where nothing changed. From June 2026 on the checksum is always 0
and says nothing; the ids alone tell of lost frames then.

The channel has a depth, 400 or 50, and each side is kept to it by the updates.

Measured on the capture `OKX` (11 s of May 2022, depth 400): no ids yet, so the time `ts` is the
id here, and it rises with every frame of a book. 290 of 290 checksums verify. No number has
superfluous zeros, so that ticks and lots give the text back. BTC-USDT has 400 levels a side
after every update, the other two books have at most 127 and are whole. 953 deletes of levels
that were not there. The channel `tickers` is no measure of the book: 24 of its 25 frames after the
snapshots show other prices than the book of their time.
"""

from __future__ import annotations

from typing import Any

from host.feeds.checksum import interleaved_crc32
from host.feeds.frames import (
    expect_list,
    expect_object,
    increments,
    one_of,
    pairs,
    read_frame,
    text,
    time_us,
    whole,
    whole_text,
)
from host.feeds.messages import DepthUpdate, Parsed, Refusal, Snapshot, Trade
from host.feeds.sequence import LinkedIds
from host.feeds.venue import Checksum, Quotes, Venue

__all__ = ["OKX", "parse"]

#: Levels a side of the channels that send changes.
_DEPTHS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}
_PARTIAL = ("books5", "bbo-tbt")
_CHECKSUM_LEVELS = 25


def parse(payload: bytes | str, address: str = "") -> Parsed | list[Parsed]:
    """Read one frame, or the answer to a request for the instruments.

    Parameters
    ----------
    payload : bytes or str
        As received.
    address : str
        URL it came from.

    Returns
    -------
    message, Refusal or list
        Refusals as of `host.feeds.frames.read_frame`, `partial_depth` for the channels that send
        a few levels anew each time, and `unknown_frame` for a request that failed.
    """
    if address.startswith("http"):
        return read_frame(payload, _instruments)
    if payload in (b"pong", "pong"):
        return []
    return read_frame(payload, _message)


def _instruments(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    found: list[Parsed] = []
    for entry in expect_list(frame["data"]):
        if type(entry) is dict and "instId" in entry:  # other answers have lists here
            found += increments(text(entry["instId"]), entry.get("tickSz"), entry.get("lotSz"))
    return found


def _message(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    if "event" in frame:
        if frame["event"] == "error":
            return Refusal("unknown_frame", f"request failed: {frame.get('msg')}")
        return []
    arg = expect_object(frame["arg"])
    channel = text(arg["channel"])
    if channel in _DEPTHS:
        name, depth = text(arg["instId"]), _DEPTHS[channel]
        snapshot = one_of(frame["action"], {"snapshot": True, "update": False})
        entries = expect_list(frame["data"])
        return [_book(expect_object(entry), name, depth, snapshot) for entry in entries]
    if channel in _PARTIAL:
        return Refusal("partial_depth", f"expected a channel of changes, was {channel}")
    if channel in ("trades", "trades-all"):
        return [_trade(expect_object(entry)) for entry in expect_list(frame["data"])]
    return []


def _book(data: dict[str, Any], name: str, depth: int, snapshot: bool) -> Parsed:
    ms = whole_text(data["ts"])
    bids, asks = pairs(data["bids"], 4), pairs(data["asks"], 4)
    checksum = data.get("checksum") or None
    if checksum is not None and (type(checksum) is not int or not -(1 << 31) <= checksum < 1 << 31):
        raise TypeError(f"expected a checksum of 32 bits, was {checksum!r}")
    update_id, prev_id = ms, None
    if "seqId" in data:
        update_id = whole(data["seqId"])
    if snapshot:
        return Snapshot(name, update_id, bids, asks, time_us(ms), depth, checksum)
    if "seqId" in data:
        prev_id = whole(data["prevSeqId"])
    return DepthUpdate(name, update_id, update_id, prev_id, time_us(ms), bids, asks, checksum)


def _trade(entry: dict[str, Any]) -> Trade:
    return Trade(
        text(entry["instId"]),
        whole_text(entry["tradeId"]),
        text(entry["px"]),
        text(entry["sz"]),
        one_of(entry["side"], {"buy": False, "sell": True}),
        time_us(whole_text(entry["ts"])),
    )


OKX = Venue(
    "OKX",
    parse,
    LinkedIds(),
    window=True,
    checksum=Checksum(_CHECKSUM_LEVELS, interleaved_crc32),
    quotes=Quotes("books that have the venue's checksum: best price and quantity", lasting=False),
)
