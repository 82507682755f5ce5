# SPDX-License-Identifier: Apache-2.0
"""The first price of a session: asked for until the venue has one, or it is too late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from host.driver.opening import first_price
from host.settings import SettingError
from host.venues.interface import Busy, Refused, Unknown

DEPTH = b'{"bids":[["10.0","1"]],"asks":[["10.2","1"]]}'


class Venue:
    """Answers in turn; the last answer stays."""

    def __init__(self, answers: Sequence[bytes | Exception]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def depth(self, name: str, limit: int) -> bytes:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def price(answers: Sequence[bytes | Exception]) -> tuple[Decimal, int, list[float]]:
    venue: Any = Venue(answers)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    return asyncio.run(first_price(venue, "BTCUSDT", sleep)), venue.asked, waited


def test_a_venue_that_has_no_snapshot_yet_is_asked_again() -> None:
    found, asked, waited = price([Unknown("503"), Busy("429", 1.0), DEPTH])
    assert (found, asked) == (Decimal("10.1"), 3)
    assert len(waited) == 2 and waited == sorted(waited)


def test_it_is_not_asked_for_ever_nor_after_an_answer_that_stands() -> None:
    with pytest.raises(Unknown):
        price([Unknown("503")])
    with pytest.raises(Refused):
        price([Refused("no such symbol"), DEPTH])
    with pytest.raises(SettingError, match="levels on both sides"):
        price([b'{"bids":[],"asks":[]}', DEPTH])
