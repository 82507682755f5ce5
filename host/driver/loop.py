# SPDX-License-Identifier: Apache-2.0
"""The loop: frames to the fabric, its orders to the venue, their ends back to the fabric.

A frame is turned into records and sent over the link at once, after the reports that have come
since the last one; decisions become orders in tasks of their own, so that nothing waits for an
answer of the venue. How many orders may be under way is bounded: one more is given back to the
fabric as rejected, and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from host.contract.records import REFILL_REQUEST_DTYPE, OutKind
from host.driver.bridge import Bridge, Wanted
from host.execution.journal import JournalError
from host.execution.orders import Orders
from host.feeds.session import FeedSession
from host.venues.interface import VenueFault

__all__ = ["Driver", "Transfer"]


class Transfer(Protocol):
    """The part of a link that the loop needs; see `host.links.base.Link`."""

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers."""


class Driver:
    """One session of trading.

    Parameters
    ----------
    link : Transfer
        The board, configured and reset.
    feed : FeedSession
        Frames to records.
    orders : Orders
        To the venue; its `on_change` has to be `Bridge.heard`.
    bridge : Bridge
        Decisions to orders and back.
    snapshot : callable
        Asks the venue for the depth of a symbol by its name; the answer as it came.
    now_ms : callable
        Our clock.
    most_open : int
        Orders under way at a time.
    snapshot_every_ms : int
        Time between two snapshots of a symbol; each costs the venue's weight.

    Attributes
    ----------
    counters : Counter
        decisions, orders, refused_full, refused_venue, snapshots.
    """

    def __init__(
        self,
        link: Transfer,
        feed: FeedSession,
        orders: Orders,
        bridge: Bridge,
        snapshot: Callable[[str], Awaitable[bytes]],
        now_ms: Callable[[], int],
        most_open: int = 16,
        snapshot_every_ms: int = 5000,
    ) -> None:
        self._link = link
        self._feed = feed
        self._orders = orders
        self._bridge = bridge
        self._snapshot = snapshot
        self._most_open = most_open
        self._tasks: set[asyncio.Task[None]] = set()
        self._now_ms = now_ms
        self._snapshot_every_ms = snapshot_every_ms
        self._asked_ms: dict[str, int] = {}
        self.counters: Counter[str] = Counter()

    async def run(self, frames: AsyncIterator[bytes]) -> None:
        """Take frames until they end, then wait for what is under way.

        Raises
        ------
        LinkError
            The board does not answer; orders are halted.
        """
        try:
            async for frame in frames:
                self.on_frame(frame)
        finally:
            self._orders.halt("the feed has ended")
            await self.settle()

    async def settle(self) -> None:
        """Wait for all orders under way, and give the fabric the last reports."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._transfer()

    def on_frame(self, payload: bytes) -> None:
        """Take a frame of the feed."""
        self._feed.feed_payload(payload)
        for name in self._feed.needs_snapshot:
            now_ms, asked_ms = self._now_ms(), self._asked_ms.get(name)
            # A clock that was set back says nothing about how long ago it was.
            if asked_ms is None or not 0 <= now_ms - asked_ms < self._snapshot_every_ms:
                self._asked_ms[name] = now_ms
                self._start(self._ask_snapshot(name))
        self._transfer()

    def _transfer(self) -> None:
        records = np.concatenate([self._bridge.take(), self._feed.take()])
        if not len(records):
            return
        try:
            out = self._link.transfer(records)
        except Exception:
            self._orders.halt("the link is lost")
            raise
        if not len(out):
            return
        for wanted in self._bridge.wanted(out):
            self.counters["decisions"] += 1
            if len(self._tasks) >= self._most_open or self._orders.halted:
                self.counters["refused_full"] += 1
                self._bridge.unsent(wanted)
            else:
                self._start(self._send(wanted))
        requests = np.ascontiguousarray(out[out[:, 0] == OutKind.REFILL_REQUEST])
        for request in requests.view(REFILL_REQUEST_DTYPE).reshape(-1):
            self._feed.on_refill_request(int(request["symbol"]), int(request["flags"]))

    async def _send(self, wanted: Wanted) -> None:
        try:
            await self._orders.submit(
                wanted.decision, wanted.symbol, wanted.side, wanted.qty, wanted.price, tif="IOC"
            )
            self.counters["orders"] += 1
        except (VenueFault, JournalError):
            # halted before anything was sent, or the journal failed, which halts
            self.counters["refused_venue"] += 1
            if self._orders.row_of(wanted.decision) is None:
                self._bridge.unsent(wanted)

    async def _ask_snapshot(self, name: str) -> None:
        try:
            payload = await self._snapshot(name)
            self._feed.feed_payload(payload)
            self.counters["snapshots"] += 1
        except (VenueFault, OSError):
            self.counters["snapshots_failed"] += 1

    def _start(self, body: Any) -> None:
        task = asyncio.get_running_loop().create_task(body)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
