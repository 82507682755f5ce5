# SPDX-License-Identifier: Apache-2.0
"""A rehearsal goes the whole way and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from host.driver.bridge import Market
from host.driver.rehearsal import Rehearsal, spin
from host.execution.journal import Journal
from host.execution.orders import Orders
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.venues.interface import OrderRequest

TICK, LOT = Decimal("0.1"), Decimal("0.001")
MARKETS = {3: Market("BTC/USDT:USDT", TICK, LOT)}


def depth(last: int, name: str = "BTCUSDT") -> bytes:
    return orjson.dumps(
        {
            "stream": f"{name.lower()}@depth@0ms",
            "data": {
                "e": "depthUpdate", "E": 5, "T": 5, "s": name, "U": last, "u": last + 2,
                "pu": last - 1, "b": [["60000.1", "0.002"]], "a": [["60000.3", "0.004"]],
            },
        }
    )  # fmt: skip


class Stage:
    """A rehearsal whose frame and idleness a test sets, with a journal of its own."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.db")
        self.session = self.journal.begin_session("binanceusdm", "paper", 1)
        venue: Any = None  # whatever is asked of it fails
        self.orders = Orders(venue, self.journal, self.session, lambda: 7)
        self.frame: bytes | str = b""
        self.busy = False
        self.prepared: list[OrderRequest] = []
        instruments = [Instrument("BTCUSDT", 3, TICK, LOT)]
        self.feed = FeedSession(instruments, FeedSettings())
        self.rehearsal = Rehearsal(
            lambda: self.frame,
            lambda: self.busy,
            instruments,
            FeedSettings(),
            self.feed.feeds,
            MARKETS,
            self.orders,
            self.prepared.append,
        )


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_it_goes_the_way_with_events_that_follow_each_other(stage: Stage) -> None:
    stage.frame = depth(100)
    for _ in range(5):
        stage.rehearsal.once()
    assert stage.rehearsal.count == len(stage.prepared) == 5
    assert stage.prepared[0].price == TICK and stage.prepared[0].qty == LOT
    counters = stage.rehearsal._feed.counters
    assert counters["depth_events"] == 5 and counters["levels"] > 0
    assert not counters["gap"] and not counters["events_repeated"]


def test_nothing_is_left_in_the_journal_and_the_next_intent_is_written(
    stage: Stage, tmp_path: Path
) -> None:
    wal = tmp_path / "journal.db-wal"
    before = wal.read_bytes()
    stage.frame = depth(100)
    for _ in range(20):
        stage.rehearsal.once()
    assert wal.read_bytes() == before
    assert not stage.journal.orders()
    request = stage.prepared[-1]
    stage.journal.intend(request, stage.session, 1, 0, 9)
    assert [row.request for row in stage.journal.orders()] == [request]
    assert [kind for _, kind, _ in stage.journal.events(request.client_id)] == ["intent"]


def test_before_the_first_depth_event_nothing_is_done(stage: Stage) -> None:
    for frame in (b"", b"no json", b'{"stream":"x","data":{"e":"ping"}}', depth(1, "ETHUSDT")):
        stage.frame = frame
        stage.rehearsal.once()
        stage.rehearsal.once()
    assert not stage.journal.orders()


def test_other_frames_leave_the_last_depth_event_in_use(stage: Stage) -> None:
    stage.frame = depth(100)
    stage.rehearsal.once()
    stage.frame = b'{"stream":"btcusdt@trade","data":{}}'
    stage.rehearsal.once()
    assert stage.rehearsal.count == 2


def test_while_a_frame_waits_it_keeps_still(stage: Stage) -> None:
    async def body() -> None:
        stage.frame, stage.busy = depth(100), True
        going = asyncio.ensure_future(stage.rehearsal.run(0.001))
        await asyncio.sleep(0.02)
        assert stage.rehearsal.count == 0
        stage.busy = False
        while not stage.rehearsal.count:
            await asyncio.sleep(0.001)
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going

    asyncio.run(body())


def test_a_journal_that_fails_is_left_to_the_next_order(stage: Stage) -> None:
    stage.frame = depth(100)
    stage.journal.close()
    stage.rehearsal.once()
    assert stage.rehearsal.count == 1


def test_the_feed_of_the_driver_is_read_and_not_changed(stage: Stage) -> None:
    snapshot = {
        "lastUpdateId": 99, "symbol": "BTCUSDT",
        "bids": [["60000.1", "7"]], "asks": [["60000.4", "8"]],
    }  # fmt: skip
    stage.feed.feed_payload(orjson.dumps(snapshot))
    stage.feed.feed_payload(depth(100))
    own = stage.feed.feeds["BTCUSDT"]

    def state() -> tuple[Any, ...]:
        sides = own.book.bids, own.book.asks
        return (
            *(dict(side.levels) for side in sides),
            *(side.known for side in sides),
            own.bid_mirror.prices_ticks(),
            own.book.last_id,
            len(stage.feed),
            dict(stage.feed.counters),
            len(stage.feed.refusals),
        )

    before = state()
    assert own.synced and own.book.bids.levels
    # prices that are not there, ones that are deleted, and one that is no price
    for level in (["59990.0", "1"], ["60000.1", "0"], ["60000.15", "1"], ["x", "1"]):
        event = orjson.loads(depth(103))
        event["data"]["b"] = [["60000.2", "3"], level]
        stage.frame = orjson.dumps(event)
        for _ in range(3):
            stage.rehearsal.once()
    assert state() == before
    assert stage.rehearsal.count == 12


def test_a_loop_that_spins_lets_all_else_run() -> None:
    async def body() -> int:
        turns = 0
        spinning = asyncio.ensure_future(spin())
        loop = asyncio.get_running_loop()
        until = loop.time() + 0.05
        while loop.time() < until:
            await asyncio.sleep(0.001)
            turns += 1
        spinning.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await spinning
        return turns

    assert asyncio.run(body()) > 10
