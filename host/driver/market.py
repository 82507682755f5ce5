# SPDX-License-Identifier: Apache-2.0
"""Market data over a WebSocket: reconnects, and a new connection before the old one's day ends.

A frame that nothing waits before is handled at once, where there is a handler. All others wait in
one queue. Whoever takes them sees how many there are, so that a reader that falls behind can merge
them instead of falling further behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiohttp

__all__ = ["Arrived", "MarketStream"]

#: Both connections are read for so long when one takes the other's place.
_OVERLAP_S = 2.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


class Arrived(NamedTuple):
    """A frame and when it was there, of `time.perf_counter_ns`."""

    received_ns: int
    payload: str


class MarketStream:
    """One combined stream.

    Parameters
    ----------
    url : str
        Its address, checked.
    on_loss : callable
        Told of each lost connection; frames are missing then.
    reconnect_s : float
        Age at which a connection is replaced.
    sleep : callable
        Waits some seconds.
    now_ns : callable
        A clock that nobody sets.

    Attributes
    ----------
    counters : Counter
        frames, connections, losses, replaced.
    last_ns : int
        When the newest frame was there, 0 before the first.
    handler : callable or None
        Takes a frame that came alone; what it raises is raised by `take`.
    """

    def __init__(
        self,
        url: str,
        on_loss: Callable[[str], None],
        reconnect_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._now_ns = now_ns
        self._url = url
        self._on_loss = on_loss
        self._reconnect_s = reconnect_s
        self._sleep = sleep
        self._waiting: deque[Arrived] = deque()
        self._there = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.counters: Counter[str] = Counter()
        self.last_ns = 0
        self.handler: Callable[[Arrived], None] | None = None
        self._failure: Exception | None = None

    async def __aenter__(self) -> MarketStream:
        self._session = aiohttp.ClientSession()
        self._run(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def take(self) -> deque[Arrived]:
        """Wait until there are frames; the queue itself, from which they are taken.

        Raises
        ------
        Exception
            What the handler has raised.
        """
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._there.clear()
            await self._there.wait()
        return self._waiting

    @property
    def waiting(self) -> int:
        """Frames that wait."""
        return len(self._waiting)

    def cut(self) -> None:
        """Give the connection up, as one that has been silent for too long."""
        for task in list(self._tasks):
            if task.get_name() == "read":
                task.cancel()

    # inside

    async def _keep(self) -> None:
        """Keep a connection, and put a new one in the place of an old one."""
        wait_s = _FIRST_WAIT_S
        reader: asyncio.Task[None] | None = None
        while True:
            if reader is None:
                ready: asyncio.Event = asyncio.Event()
                reader = self._run(self._read(ready), "read")
                await _either(ready, reader)
                if reader.done():
                    self._lost(reader)
                    reader = None
                    await self._sleep(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                    continue
                wait_s = _FIRST_WAIT_S
            await asyncio.wait({reader}, timeout=self._reconnect_s)
            if reader.done():
                self._lost(reader)
                reader = None
                continue
            ready = asyncio.Event()
            successor = self._run(self._read(ready), "read")
            await _either(ready, successor)
            if successor.done():
                continue  # the old one is still there
            await self._sleep(_OVERLAP_S)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self.counters["replaced"] += 1
            reader = successor

    def _lost(self, reader: asyncio.Task[None]) -> None:
        self.counters["losses"] += 1
        error = None if reader.cancelled() else reader.exception()
        self._on_loss("the market stream ended" if error is None else f"market stream: {error}")

    async def _read(self, ready: asyncio.Event) -> None:
        assert self._session is not None
        async with self._session.ws_connect(self._url, max_msg_size=0, heartbeat=None) as socket:
            self.counters["connections"] += 1
            ready.set()
            waiting, counters = self._waiting, self.counters
            loop = asyncio.get_running_loop()
            # Filled when the loop gets a turn: it does not while frames are left in the socket.
            rested: list[None] = [None]
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.last_ns = self._now_ns()
                    counters["frames"] += 1
                    arrived = Arrived(self.last_ns, message.data)
                    if self.handler is None or waiting or not rested:
                        waiting.append(arrived)
                        self._there.set()
                    else:
                        self._handle(self.handler, arrived)
                    rested.clear()
                    loop.call_soon(rested.append, None)

    def _handle(self, handler: Callable[[Arrived], None], arrived: Arrived) -> None:
        """Not a fault of the connection if it fails, so that one does not end by it."""
        try:
            handler(arrived)
        except Exception as error:
            self.handler, self._failure = None, error
            self._there.set()

    def _run(self, body: Awaitable[None], name: str = "keep") -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(body)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _either(ready: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Wait for an event, or the end of what should set it."""
    waiting = asyncio.ensure_future(ready.wait())
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
