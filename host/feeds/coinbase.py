# SPDX-License-Identifier: Apache-2.0
"""Coinbase's Advanced Trade market data.

The rule, after the venue's pages "Advanced Trade WebSocket Channels" and "WebSocket Overview"
(docs.cdp.coinbase.com): `sequence_num` counts the frames of a connection, of all channels and
products together, from 0; a number left out is a lost frame. The channel `level2` (frames say
`l2_data`) first sends the whole book of a product as a snapshot, then updates; `new_quantity` is
the size at the price, 0 deletes. A new snapshot takes the place of the book.

A lost frame may have been of any product, so every book of the connection needs a new snapshot.

Measured on the capture `COINBASE` (24 s, BTC-USD and ETH-USD): 1,030 frames, none missing. Whole
books of 18,764 x 27,236 and 6,935 x 16,399 levels. One event a frame; all updates of an event
have the same time, taken as the event's. 52 deletes of levels that were not there; never crossed.
Five asks are at prices of 2^32 ticks and more, up to 138,991,023.41 dollars: those are left out.
`side` of a trade is the resting order's: "SELL" prints at the best ask. The channel `ticker` is no
measure of the book: 40 of 154 frames differ from the book before them, and 13 of these from the
one after them as well.
"""

from __future__ import annotations

from typing import Any

from host.feeds.frames import (
    expect_list,
    expect_object,
    increments,
    one_of,
    read_frame,
    text,
    utc_us,
    whole,
    whole_text,
)
from host.feeds.messages import DepthUpdate, Parsed, Refusal, Snapshot, StreamSequence, Trade
from host.feeds.sequence import RisingIds
from host.feeds.venue import Venue

__all__ = ["COINBASE", "parse"]

_ASK = {"bid": False, "offer": True}
_TYPES = {"snapshot": True, "update": False}


def parse(payload: bytes | str, address: str = "") -> Parsed | list[Parsed]:
    """Read one frame, or the answer to a request for the products.

    Parameters
    ----------
    payload : bytes or str
        As received.
    address : str
        URL it came from.

    Returns
    -------
    message, Refusal or list
        A list begins with the `StreamSequence` of the frame. Refusals as of
        `host.feeds.frames.read_frame`, and `unknown_frame` for an error of the venue.
    """
    if address.startswith("http"):
        return read_frame(payload, _products)
    return read_frame(payload, _message)


def _products(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    found: list[Parsed] = []
    for entry in expect_list(frame["products"]):
        tick = entry.get("price_increment", entry.get("quote_increment"))
        found += increments(text(entry["product_id"]), tick, entry.get("base_increment"))
    return found


def _message(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    if frame.get("type") == "error":
        return Refusal("unknown_frame", f"request failed: {frame.get('message')}")
    number = whole(frame["sequence_num"])
    found: list[Parsed] = [StreamSequence(number)]
    channel = text(frame["channel"])
    if channel == "l2_data":
        sent = frame["timestamp"]
        found += [_book(expect_object(e), number, sent) for e in expect_list(frame["events"])]
    elif channel == "market_trades":
        for event in expect_list(frame["events"]):
            if not one_of(event["type"], _TYPES):  # a snapshot is of trades long gone
                found += [_trade(expect_object(entry)) for entry in expect_list(event["trades"])]
    return found


def _book(event: dict[str, Any], number: int, sent: object) -> Parsed:
    name = text(event["product_id"])
    updates = expect_list(event["updates"])
    sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for update in updates:
        level = text(update["price_level"]), text(update["new_quantity"])
        sides[one_of(update["side"], _ASK)].append(level)
    at_us = utc_us(updates[0]["event_time"] if updates else sent)
    if one_of(event["type"], _TYPES):
        return Snapshot(name, number, *sides, at_us, 0)
    return DepthUpdate(name, number, number, None, at_us, *sides)


def _trade(entry: dict[str, Any]) -> Trade:
    return Trade(
        text(entry["product_id"]),
        whole_text(entry["trade_id"]),
        text(entry["price"]),
        text(entry["size"]),
        one_of(entry["side"], {"BUY": True, "SELL": False}),
        utc_us(entry["time"]),
    )


COINBASE = Venue("COINBASE", parse, RisingIds(repeat=True), far_asks=True)
