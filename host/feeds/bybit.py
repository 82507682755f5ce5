# SPDX-License-Identifier: Apache-2.0
"""Bybit's v5 public streams.

The rule, after the venue's page "Orderbook" (bybit-exchange.github.io, docs/v5/websocket/public/
orderbook) and, for the ids, its page "SBE Level 50 Integration": the first frame of a topic is a
snapshot; it, and every later one, takes the place of the local book. A delta has the `u` of the
frame before plus 1. A snapshot with `u` 1 comes after a restart of the service. `seq` is an id
across topics and leaves numbers out. Quantity 0 deletes. `cts` is the matching engine's time.

The topic names a depth, and each side is kept to it: a delta deletes the level that leaves the
best `depth` and sets the one that enters.

Measured on the capture `BYBIT` (42 s, depth 200): six books on two connections, linear BTC, ETH,
SOL, DOGE and spot BTC, ETH. Each has one snapshot, at its start; what looks like a second one of
BTCUSDT and ETHUSDT is the spot market of the same name. So the market is part of the name here:
"SPOT:BTCUSDT". 2,142 deltas, each with the `u` before plus 1; 200 levels a side after every one;
no delete of a level that was not there; never crossed. The topic `tickers` is no measure of the
book: none of its 758 frames has the `seq` of a frame of the book, and 106 show neither the best
levels before it nor those after.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

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
)
from host.feeds.messages import DepthUpdate, Parsed, Refusal, Snapshot, Trade
from host.feeds.sequence import ContiguousIds
from host.feeds.venue import Venue

__all__ = ["BYBIT", "parse"]


def parse(payload: bytes | str, address: str = "") -> Parsed | list[Parsed]:
    """Read one frame, or the answer to a request for the instruments.

    Parameters
    ----------
    payload : bytes or str
        As received.
    address : str
        URL it came from; the last part of a stream's path is the market, and becomes the first
        part of the symbols' names.

    Returns
    -------
    message, Refusal or list
        Refusals as of `host.feeds.frames.read_frame`, and `unknown_frame` for a topic
        ``orderbook`` that is not of a fixed depth and for a request that failed.
    """
    url = urlsplit(address)
    if url.scheme in ("http", "https"):
        return read_frame(payload, _instruments)
    market = url.path.rpartition("/")[2].upper()
    return read_frame(payload, partial(_message, prefix=f"{market}:" if market else ""))


def _instruments(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    result = expect_object(frame["result"])
    prefix = text(result["category"]).upper()
    found: list[Parsed] = []
    for entry in expect_list(result["list"]):
        lots = entry["lotSizeFilter"]
        found += increments(
            f"{prefix}:{text(entry['symbol'])}",
            entry["priceFilter"].get("tickSize"),
            lots.get("qtyStep", lots.get("basePrecision")),
        )
    return found


def _message(frame: dict[str, Any], prefix: str) -> Parsed | list[Parsed]:
    if "topic" not in frame:
        if frame.get("success") is False:
            return Refusal("unknown_frame", f"request failed: {frame.get('ret_msg')}")
        return []
    topic = text(frame["topic"])
    channel, _, rest = topic.partition(".")
    if channel == "orderbook":
        depth = rest.partition(".")[0]
        if not (depth.isdigit() and depth.isascii()):
            return Refusal("unknown_frame", f"expected a topic of a fixed depth, was {topic}")
        return _book(frame, prefix, int(depth))
    if channel == "publicTrade":
        return [_trade(expect_object(entry), prefix) for entry in expect_list(frame["data"])]
    return []


def _book(frame: dict[str, Any], prefix: str, depth: int) -> Parsed:
    data = expect_object(frame["data"])
    name, update_id = prefix + text(data["s"]), whole(data["u"])
    at_us = time_us(whole(frame["cts"] if "cts" in frame else frame["ts"]))
    bids, asks = pairs(data["b"]), pairs(data["a"])
    if one_of(frame["type"], {"snapshot": True, "delta": False}):
        return Snapshot(name, update_id, bids, asks, at_us, depth)
    return DepthUpdate(name, update_id, update_id, None, at_us, bids, asks)


def _trade(entry: dict[str, Any], prefix: str) -> Trade:
    return Trade(
        prefix + text(entry["s"]),
        whole(entry["seq"]),
        text(entry["p"]),
        text(entry["v"]),
        one_of(entry["S"], {"Buy": False, "Sell": True}),
        time_us(whole(entry["T"])),
    )


BYBIT = Venue("BYBIT", parse, ContiguousIds(), window=True)
