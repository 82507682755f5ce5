# SPDX-License-Identifier: Apache-2.0
"""What becomes of an order reaches the fabric without the next frame."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from host.contract.records import DECISION_DTYPE, InKind, OutKind
from host.driver.bridge import Bridge, Market
from host.driver.loop import Driver
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.links.base import LinkError


class Board:
    """Answers its first transfer with an order; may fail afterwards."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails
        self.kinds: list[int] = []

    def transfer(self, records: Any) -> Any:
        if self.kinds and self.fails:
            raise LinkError("unplugged")
        self.kinds += records["kind"].tolist()
        decision = np.zeros(1, DECISION_DTYPE)
        decision["kind"], decision["decision_id"] = int(OutKind.DECISION), 1 << 8
        decision["order"] = 1 << 4  # IOC
        decision["qty_lots"], decision["price_ticks"] = 3, 600_000
        out = decision.view(np.uint8).reshape(1, -1)
        return out if len(self.kinds) == 1 else out[:0]


class Orders:
    """Takes an order and refuses it when told to."""

    halted = ""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.answered = asyncio.Event()

    def start(self, decision: int, *_: Any, **__: Any) -> Any:
        async def answer() -> None:
            await self.answered.wait()
            self.bridge.reject(decision)

        return answer()

    def halt(self, why: str) -> None:
        self.halted = why


def trade(fails: bool) -> tuple[Driver, Board]:
    board = Board(fails)

    async def run() -> Driver:
        bridge = Bridge({0: Market("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))})
        orders: Any = Orders(bridge)

        async def snapshot(_name: str) -> bytes:
            raise OSError

        driver = Driver(board, FeedSession([], FeedSettings()), orders, bridge, snapshot, lambda: 0)
        bridge.put(InKind.HEARTBEAT, 1)
        driver.flush()
        assert driver.under_way == 1
        orders.answered.set()
        while driver.under_way:
            await asyncio.sleep(0)
        return driver

    return asyncio.run(run()), board


def test_the_end_of_an_order_is_told_when_it_is_known() -> None:
    driver, board = trade(fails=False)
    assert board.kinds == [int(InKind.HEARTBEAT), int(InKind.REJECT)]
    driver.flush()
    assert len(board.kinds) == 2


def test_a_link_that_is_lost_meanwhile_is_heard_of_by_whoever_sends_next() -> None:
    driver, _ = trade(fails=True)
    assert "unplugged" in driver.link_lost
    with pytest.raises(LinkError, match="unplugged"):
        driver.flush()
    driver.flush()  # said once
