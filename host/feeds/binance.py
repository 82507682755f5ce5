# SPDX-License-Identifier: Apache-2.0
"""Binance's JSON market-data frames, spot and futures, to messages.

Layouts: the venue's web-socket stream documents for spot, USD-M and COIN-M futures. A frame
of a combined stream is `{"stream": ..., "data": ...}`; the bare payload is understood as well.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import orjson

from host.feeds.messages import BookTicker, DepthUpdate, Levels, Message, Refusal, Snapshot, Trade

__all__ = ["parse"]

#: Above this a time is in microseconds already.
_LARGEST_MS = 100_000_000_000_000
_ID_LIMIT = 1 << 63
_PARTIAL_DEPTH = re.compile(r"@depth[0-9]")


def parse(payload: bytes | str) -> Message | Refusal:
    """Read one frame.

    Partial-depth streams (`@depth5` and so on) show a piece of the book, not its changes, though
    on futures in the same layout; they are refused by the name of their stream. A bare payload
    carries no such name: do not feed those.

    Returns
    -------
    Message or Refusal
        Refusals: `bad_line` (no JSON), `bad_frame` (a field is missing or of a wrong type),
        `partial_depth`, `unknown_frame` (a frame of another kind, such as the answer to a
        subscription).
    """
    try:
        frame = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return Refusal("bad_line", f"expected JSON, was {error}")
    if type(frame) is not dict:
        return Refusal("unknown_frame", f"expected an object, was {type(frame).__name__}")
    try:
        return _message(frame)
    except KeyError as error:
        return Refusal("bad_frame", f"expected the field {error}, was none")
    except (TypeError, ValueError) as error:
        return Refusal("bad_frame", str(error))


def _message(frame: dict[str, Any]) -> Message | Refusal:
    data, stream = frame, ""
    if "stream" in frame:
        data, stream = frame["data"], frame["stream"]
        if type(stream) is not str:
            raise TypeError(f"expected a stream name, was {stream!r}")
        if type(data) is not dict:
            return Refusal("unknown_frame", f"stream {stream}: expected an object")
    kind = data.get("e")
    if kind == "bookTicker" or (kind is None and "B" in data and "A" in data):
        return BookTicker(
            _text(data["s"]),
            _id(data["u"]),
            _text(data["b"]),
            _text(data["B"]),
            _text(data["a"]),
            _text(data["A"]),
            _time_us(data) if "E" in data else None,
        )
    if kind == "trade" or kind == "aggTrade":
        seller = data["m"]
        if type(seller) is not bool:
            raise TypeError(f"expected true or false as m, was {seller!r}")
        return Trade(
            _text(data["s"]),
            _id(data["t" if kind == "trade" else "a"]),
            _text(data["p"]),
            _text(data["q"]),
            seller,
            _time_us(data),
        )
    if kind == "depthUpdate" or (kind is None and "lastUpdateId" in data):
        if stream and _PARTIAL_DEPTH.search(stream):
            return Refusal("partial_depth", f"expected a stream of changes, was {stream}")
        if kind is None:
            return _snapshot(data, stream)
        first, last, prev = _id(data["U"]), _id(data["u"]), data.get("pu")
        if prev is not None:
            prev = _id(prev)
        if first > last or (prev is not None and prev >= last):
            raise ValueError(f"expected rising update ids, was pu {prev}, U {first}, u {last}")
        return DepthUpdate(
            _text(data["s"]),
            first,
            last,
            prev,
            _time_us(data),
            _levels(data["b"]),
            _levels(data["a"]),
        )
    return Refusal("unknown_frame", f"kind {kind!r}")


def _snapshot(data: dict[str, Any], stream: str) -> Snapshot:
    name = data.get("symbol", data.get("s"))
    if name is not None:
        name = _text(name)
    elif stream:
        name = stream.partition("@")[0].upper()
    return Snapshot(name, _id(data["lastUpdateId"]), _levels(data["bids"]), _levels(data["asks"]))


def _id(value: object) -> int:
    if type(value) is not int or not 0 <= value < _ID_LIMIT:
        raise TypeError(f"expected an id, was {value!r}")
    return value


def _text(value: object) -> str:
    if type(value) is not str or not value:
        raise TypeError(f"expected a string, was {value!r}")
    return value


def _time_us(data: dict[str, Any]) -> int:
    value = data["T"] if "T" in data else data["E"]
    if type(value) is not int or not 0 <= value < _ID_LIMIT:
        raise TypeError(f"expected a time, was {value!r}")
    return value if value > _LARGEST_MS else value * 1000


def _levels(value: object) -> Levels:
    if type(value) is not list:
        raise TypeError(f"expected a list of levels, was {type(value).__name__}")
    if value:
        if set(map(type, value)) != {list} or set(map(len, value)) != {2}:
            raise TypeError("expected levels of price and quantity, was something else")
        "".join(chain.from_iterable(value))  # a TypeError unless all of it is strings
    return value
