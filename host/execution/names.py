# SPDX-License-Identifier: Apache-2.0
"""Client order ids: lower-case letters and digits only, at most 32, the same on every venue.

``tg`` + six of the journal + session + ``x`` + decision + ``x`` + part, numbers in base 36
without leading zeros; ``x`` is no digit here, so base 36 leaves it out and has 35 digits.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["ClientId", "client_id", "parse_client_id"]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwyz"
_FORM = re.compile(r"tg([0-9a-z]{6})([0-9a-wyz]{1,6})x([0-9a-wyz]{1,9})x([0-9a-wyz]{1,4})")
_LONGEST = 32


class ClientId(NamedTuple):
    """What a client id tells."""

    instance: str
    session: int
    decision: int
    part: int


def client_id(instance: str, session: int, decision: int, part: int = 0) -> str:
    """The client id of a part of a decision.

    Raises
    ------
    ValueError
        A number is below 0 or too large.
    """
    text = f"{_front(instance, session)}{_base(decision)}x{_base(part)}"
    if len(text) > _LONGEST or _FORM.fullmatch(text) is None:
        raise ValueError(
            f"expected numbers that fit a client id, was {session}, {decision}, {part}"
        )
    return text


def parse_client_id(text: str) -> ClientId | None:
    """What a client id tells, None where it is none of ours."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    instance, *numbers = found.groups()
    return ClientId(instance, *(_number(part) for part in numbers))


@lru_cache(maxsize=64)
def _front(instance: str, session: int) -> str:
    """What all client ids of a session begin with."""
    return f"tg{instance}{_base(session)}x"


def _base(number: int) -> str:
    if number < 0:
        raise ValueError(f"expected a number of at least 0, was {number}")
    text = ""
    while True:
        number, rest = divmod(number, len(_DIGITS))
        text = _DIGITS[rest] + text
        if not number:
            return text


def _number(text: str) -> int:
    value = 0
    for digit in text:
        value = value * len(_DIGITS) + _DIGITS.index(digit)
    return value
