# SPDX-License-Identifier: Apache-2.0
"""When the driver asks the venue for a snapshot: as often as its weight allows, and never not."""

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np

from host.contract.records import IN_DTYPE
from host.driver.loop import Driver

EVERY_MS = 5000


class Silent(list):
    """A bridge that has nothing to say."""

    def take(self):
        return np.zeros(0, IN_DTYPE)


def asked_at(times_ms: list[int], answer: Any = b"{}") -> tuple[list[int], Driver]:
    """Times of frames, all with a book that is missing, at which a snapshot was asked for."""
    asked, now = [], SimpleNamespace(ms=0)

    async def snapshot(name: str) -> bytes:
        asked.append(now.ms)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    none = np.zeros(0, IN_DTYPE)
    feed = SimpleNamespace(
        needs_snapshot={"BTCUSDT"}, feed_payload=lambda *_: None, take=lambda: none
    )
    bridge: Any = Silent()
    parts: Any = (SimpleNamespace(), feed, SimpleNamespace(), bridge)
    driver = Driver(*parts, snapshot, lambda: now.ms, snapshot_every_ms=EVERY_MS)

    async def go() -> None:
        for now.ms in times_ms:
            driver.on_frame(b"{}")
            await driver.settle()

    asyncio.run(go())
    return asked, driver


def test_a_snapshot_is_asked_for_at_once_and_then_not_too_often():
    asked, driver = asked_at([70, 71, 70 + EVERY_MS - 1, 70 + EVERY_MS, 71 + EVERY_MS])
    assert asked == [70, 70 + EVERY_MS]
    assert driver.counters["snapshots"] == 2


def test_a_clock_that_is_set_back_delays_no_snapshot():
    asked, _ = asked_at([3_600_000, 3_600_001, 10, 11, 10 + EVERY_MS])
    assert asked == [3_600_000, 10, 10 + EVERY_MS]


def test_one_that_failed_is_asked_for_again():
    asked, driver = asked_at([0, EVERY_MS], OSError("no route"))
    assert asked == [0, EVERY_MS]
    assert driver.counters["snapshots_failed"] == 2
