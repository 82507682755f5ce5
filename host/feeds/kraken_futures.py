# SPDX-License-Identifier: Apache-2.0
"""Kraken's futures streams.

The rule, after the venue's page "Book" (docs.kraken.com, api/docs/futures-api/websocket/book):
the feed `book` first sends `book_snapshot`, the whole book with its `seq`, then one frame for
each level that changed, with a `seq` of its own; quantity 0 deletes. `timestamp` is in
milliseconds. There is no checksum.

Measured on the capture `KRAKEN_FUTURES` (31 s, ten products): 7,014 updates, each with the `seq`
of the product before plus 1; every snapshot before the first update; no delete of a level that
was not there; never crossed. Books of 11 x 12 to 359 x 294 levels, all whole. `ticker_lite` has
best prices without a `seq`: each of its 107 frames shows those of the product's book at that place
of the connection.

Prices and quantities are JSON numbers. They are kept as the text they were sent as and never
become floats.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from host.feeds.checksum import plain
from host.feeds.frames import (
    expect_list,
    expect_object,
    increments,
    one_of,
    read_frame,
    text,
    time_us,
    whole,
)
from host.feeds.messages import (
    DepthUpdate,
    Levels,
    Parsed,
    Refusal,
    Snapshot,
    TopPrices,
    Trade,
)
from host.feeds.sequence import ContiguousIds
from host.feeds.venue import Quotes, Venue

__all__ = ["KRAKEN_FUTURES", "parse"]

#: More would be written out as so many zeros.
_LARGEST_EXPONENT = 40
_SELL = {"buy": False, "sell": True}


class _Number(str):
    """A JSON number with a point or an exponent, as it was written."""


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
        Refusals as of `host.feeds.frames.read_frame`, and `unknown_frame` for an error or an
        alert of the venue.
    """
    return read_frame(payload, _instruments if address.startswith("http") else _message, _loads)


def _loads(payload: bytes | str) -> Any:
    return json.loads(payload, parse_float=_Number, parse_constant=_not_a_number)


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"expected a number, was {name}")


def _decimal(value: object) -> str:
    """A JSON number as plain decimal digits."""
    if type(value) is int:
        return str(value)
    if type(value) is not _Number:
        raise TypeError(f"expected a number, was {value!r}")
    if "e" in value or "E" in value:
        number = Decimal(value)
        if abs(number.adjusted()) > _LARGEST_EXPONENT:
            raise ValueError(
                f"expected a number of at most {_LARGEST_EXPONENT} digits, was {value!r}"
            )
        return plain(format(number, "f"))
    return plain(value)


def _instruments(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    found: list[Parsed] = []
    for entry in expect_list(frame["instruments"]):
        if entry.get("tradeable") is not True or "tickSize" not in entry:
            continue  # indices are in the list as well
        places = entry.get("contractValueTradePrecision", 0)
        if type(places) is not int or abs(places) > _LARGEST_EXPONENT:
            raise TypeError(f"expected a number of places, was {places!r}")
        lot = format(Decimal(1).scaleb(-places), "f")
        found += increments(text(entry["symbol"]).upper(), _decimal(entry["tickSize"]), lot)
    return found


def _message(frame: dict[str, Any]) -> Parsed | list[Parsed]:
    if "event" in frame:
        if frame["event"] in ("error", "alert"):
            return Refusal("unknown_frame", f"{frame['event']}: {frame.get('message')}")
        return []
    feed = text(frame["feed"])
    if feed == "book":
        name, seq = text(frame["product_id"]), whole(frame["seq"])
        level = [(_decimal(frame["price"]), _decimal(frame["qty"]))]
        sides: tuple[Levels, Levels] = ((), level)
        if not one_of(frame["side"], _SELL):
            sides = (level, ())
        return DepthUpdate(name, seq, seq, None, time_us(whole(frame["timestamp"])), *sides)
    if feed == "book_snapshot":
        name, seq = text(frame["product_id"]), whole(frame["seq"])
        at_us = time_us(whole(frame["timestamp"]))
        return Snapshot(name, seq, _levels(frame["bids"]), _levels(frame["asks"]), at_us, 0)
    if feed == "trade":
        return Trade(
            text(frame["product_id"]),
            whole(frame["seq"]),
            _decimal(frame["price"]),
            _decimal(frame["qty"]),
            one_of(frame["side"], _SELL),
            time_us(whole(frame["time"])),
        )
    if feed == "ticker_lite" and "bid" in frame and "ask" in frame:
        name = text(frame["product_id"])
        return TopPrices(name, _decimal(frame["bid"]), _decimal(frame["ask"]))
    return []


def _levels(value: object) -> Levels:
    entries = [expect_object(entry) for entry in expect_list(value)]
    return [(_decimal(entry["price"]), _decimal(entry["qty"])) for entry in entries]


KRAKEN_FUTURES = Venue(
    "KRAKEN_FUTURES",
    parse,
    ContiguousIds(),
    quotes=Quotes("ticker_lite: prices after the update sent before it", lasting=False),
)
