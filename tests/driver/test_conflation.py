# SPDX-License-Identifier: Apache-2.0
"""A driver that falls behind merges depth events; the book afterwards is that of all of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from host.contract.records import IN_DTYPE, InKind
from host.driver.loop import Driver
from host.feeds.capture import CaptureReader, Frame
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from sim.reference import Reference
from tests.paper.market import CAPTURE

MOST_FRAMES = 4000


class Silent(list[Any]):
    """A bridge that has nothing to say and wants nothing."""

    def take(self) -> Any:
        return np.zeros(0, IN_DTYPE)

    def wanted(self, _out: Any) -> list[Any]:
        return []


class Board:
    """The reference model; it keeps what it was sent."""

    def __init__(self) -> None:
        self.model = Reference()
        self.sent: list[Any] = []

    def transfer(self, records: Any) -> Any:
        self.sent.append(records)
        return self.model.feed(records)

    def count(self, kind: InKind) -> int:
        return int((np.concatenate(self.sent)["kind"] == int(kind)).sum())


def driven() -> tuple[Driver, FeedSession, Board]:
    feed, board = FeedSession([Instrument("BTCUSDT", 0)], FeedSettings()), Board()

    async def snapshot(_name: str) -> bytes:
        raise OSError("the capture has its own")

    orders: Any = SimpleNamespace(halt=lambda why: None)
    bridge: Any = Silent()
    driver = Driver(board, feed, orders, bridge, snapshot, lambda: 0)
    driver._ask_snapshots = lambda: None  # type: ignore[method-assign]
    return driver, feed, board


def frames() -> list[bytes | str]:
    found: list[bytes | str] = []
    for one in CaptureReader([str(CAPTURE)]):
        if isinstance(one, Frame):
            found.append(one.payload)
        if len(found) == MOST_FRAMES:
            break
    return found


@pytest.mark.parametrize("at_once", [2, 37, 500])
def test_the_book_after_merged_events_is_the_book_after_all_of_them(at_once: int) -> None:
    (one, one_feed, one_board), (many, many_feed, many_board) = driven(), driven()
    every = frames()
    for payload in every:
        one.on_frame(payload)
    # the snapshot is taken as it comes: a batch that holds it is followed from there
    for start in range(0, len(every), at_once):
        many.on_frames(every[start : start + at_once])
    assert many.counters["conflated"] > 0
    assert many_feed.counters["frames"] == one_feed.counters["frames"] == len(every)
    a, b = one_feed.feeds["BTCUSDT"], many_feed.feeds["BTCUSDT"]
    assert a.synced and b.synced
    assert a.book.last_id == b.book.last_id
    known = min(a.book.bids.known, b.book.bids.known, a.book.asks.known, b.book.asks.known)
    assert known >= 10
    for left, right in ((a.book.bids, b.book.bids), (a.book.asks, b.book.asks)):
        assert left.top(known) == right.top(known)
    assert many_board.count(InKind.TRADE) == one_board.count(InKind.TRADE) > 0
    assert many_feed.counters["gap"] == 0


def test_bad_frames_among_them_are_counted() -> None:
    driver, feed, _ = driven()
    every = frames()[:1000]
    driver.on_frames([*every, b"{", b'{"e":"depthUpdate","s":"BTCUSDT"}', b"[]"])
    assert feed.counters["frames"] == len(every) + 3
    assert feed.counters["bad_line"] == 1
    assert feed.counters["bad_frame"] >= 1


def test_a_missing_event_is_no_merged_one() -> None:
    driver, feed, _ = driven()
    every = frames()
    for payload in every[:2000]:
        driver.on_frame(payload)
    rest = every[2000:]
    depth = [n for n, payload in enumerate(rest) if b"depthUpdate" in _octets(payload)]
    del rest[depth[3]]
    driver.on_frames(rest)
    assert feed.counters["gap"] >= 1


def _octets(payload: bytes | str) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload
