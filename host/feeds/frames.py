# SPDX-License-Identifier: Apache-2.0
"""Reading venues' JSON frames: every field is checked, whatever is wrong becomes a refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import orjson

from host.feeds.messages import Increments, Levels, Parsed, Refusal

__all__ = [
    "expect_list",
    "expect_object",
    "increments",
    "one_of",
    "pairs",
    "read_frame",
    "text",
    "time_us",
    "utc_us",
    "whole",
    "whole_text",
]

_ID_LIMIT = 1 << 63
#: Times outside it are no milliseconds of our days: 1973 to 2286.
_TIMES_MS = range(100_000_000_000, 10_000_000_000_000)
_Answer = TypeVar("_Answer")


def read_frame(
    payload: bytes | str,
    read: Callable[[dict[str, Any]], Parsed | list[Parsed]],
    loads: Callable[[bytes | str], Any] = orjson.loads,
) -> Parsed | list[Parsed]:
    """Decode a frame and read it.

    Parameters
    ----------
    payload : bytes or str
        JSON.
    read : callable
        From the object to what it says; may raise KeyError, TypeError, ValueError.
    loads : callable
        The decoder; raises ValueError.

    Returns
    -------
    what `read` returned, or Refusal
        Refusals: `bad_line` (no JSON), `unknown_frame` (no object), `bad_frame` (a field is
        missing or of a wrong type).
    """
    try:
        frame = loads(payload)
    except (ValueError, RecursionError) as error:
        return Refusal("bad_line", f"expected JSON, was {error}")
    if type(frame) is not dict:
        return Refusal("unknown_frame", f"expected an object, was {type(frame).__name__}")
    try:
        return read(frame)
    except KeyError as error:
        return Refusal("bad_frame", f"expected the field {error}, was none")
    except (TypeError, ValueError) as error:
        return Refusal("bad_frame", str(error))


def text(value: object) -> str:
    """A string that is not empty; TypeError otherwise."""
    if type(value) is not str or not value:
        raise TypeError(f"expected a string, was {value!r}")
    return value


def whole(value: object) -> int:
    """A whole number from 0, below 2^63; TypeError otherwise."""
    if type(value) is not int or not 0 <= value < _ID_LIMIT:
        raise TypeError(f"expected a whole number, was {value!r}")
    return value


def whole_text(value: object) -> int:
    """A whole number as a string; TypeError otherwise."""
    if type(value) is not str or not (value.isdigit() and value.isascii() and len(value) < 20):
        raise TypeError(f"expected a whole number in a string, was {value!r}")
    return whole(int(value))


def time_us(ms: int) -> int:
    """Milliseconds since the epoch to microseconds; ValueError where they cannot be a time."""
    if ms not in _TIMES_MS:
        raise ValueError(f"expected a time in milliseconds, was {ms}")
    return ms * 1000


def utc_us(value: object) -> int:
    """Microseconds since the epoch of a time such as "2026-08-09T21:05:48.4835875Z", cut off.

    Raises
    ------
    TypeError, ValueError
        It is not written so.
    """
    stamp = text(value)
    seconds, _, fraction = stamp[:-1].partition(".")
    digits = fraction or "0"
    if stamp[-1] != "Z" or not (digits.isdigit() and digits.isascii()):
        raise ValueError(f"expected a time in UTC, was {value!r}")
    parsed = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return int(parsed.timestamp()) * 1_000_000 + int(digits.ljust(6, "0")[:6])


def expect_object(value: object) -> dict[str, Any]:
    """An object; TypeError otherwise."""
    if type(value) is not dict:
        raise TypeError(f"expected an object, was {type(value).__name__}")
    return value


def expect_list(value: object) -> list[Any]:
    """A list; TypeError otherwise."""
    if type(value) is not list:
        raise TypeError(f"expected a list, was {type(value).__name__}")
    return value


def one_of(value: object, answers: dict[str, _Answer]) -> _Answer:
    """The answer that belongs to a word; ValueError for another word."""
    if type(value) is not str or value not in answers:
        raise ValueError(f"expected one of {', '.join(answers)}, was {value!r}")
    return answers[value]


def pairs(value: object, columns: int = 2) -> Levels:
    """Price and quantity, the first two of `columns` strings a level; TypeError otherwise."""
    levels = []
    for level in expect_list(value):
        if type(level) is not list or len(level) != columns:
            raise TypeError(f"expected levels of {columns} strings, was {level!r}")
        price, qty = level[:2]
        if type(price) is not str or type(qty) is not str:
            raise TypeError(f"expected levels of {columns} strings, was {level!r}")
        levels.append((price, qty))
    return levels


def increments(symbol: str, tick: object, lot: object) -> list[Parsed]:
    """Tick and lot of a symbol, or nothing where the venue gives no usable ones."""
    try:
        steps = [Decimal(value) for value in (tick, lot) if type(value) is str]
    except InvalidOperation:
        return []
    if len(steps) != 2 or not all(step.is_finite() and step > 0 for step in steps):
        return []
    return [Increments(symbol, *steps)]
