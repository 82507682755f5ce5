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

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

__all__ = ["Arrived", "MarketStream"]

#: Both connections are read for so long when one takes the other's place.
_OVERLAP_S = 2.0
#: A frame larger than this ends the connection.
_MOST_BYTES = 64 << 20
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


class Arrived(NamedTuple):
    """A frame and when it was there, of `time.perf_counter_ns`."""

    received_ns: int
    payload: bytes


class _Texts(WSListener):
    """Hands on the text messages of one connection, in the call that read them."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.take: Callable[[bytes], None] | None = take
        self._parts: list[bytes] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called by the connection."""
        kind = frame.msg_type
        if self.take is None or kind is WSMsgType.PONG:
            return
        if kind is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        elif kind is WSMsgType.TEXT and frame.fin:
            self.take(frame.get_payload_as_bytes())
        elif kind is WSMsgType.TEXT:
            self._parts = [frame.get_payload_as_bytes()]
        elif kind is WSMsgType.CONTINUATION and self._parts is not None:
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                whole, self._parts = b"".join(self._parts), None
                self.take(whole)


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
        self.counters: Counter[str] = Counter()
        self.last_ns = 0
        self.handler: Callable[[Arrived], None] | None = None
        self._failure: Exception | None = None

    async def __aenter__(self) -> MarketStream:
        self._run(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        waiting, counters = self._waiting, self.counters
        loop = asyncio.get_running_loop()
        # Filled when the loop gets a turn: it does not while frames are left in the socket.
        rested: list[None] = [None]

        def take(payload: bytes) -> None:
            self.last_ns = self._now_ns()
            counters["frames"] += 1
            arrived = Arrived(self.last_ns, payload)
            if self.handler is None or waiting or not rested:
                waiting.append(arrived)
                self._there.set()
            else:
                self._handle(self.handler, arrived)
            rested.clear()
            loop.call_soon(rested.append, None)

        texts = _Texts(take)
        transport, _ = await ws_connect(
            lambda: texts,
            self._url,
            max_frame_size=_MOST_BYTES,
            max_redirects=0,  # the address was checked, no other one is
            use_aiofastnet=False,
        )
        counters["connections"] += 1
        ready.set()
        try:
            await transport.wait_disconnected()
        finally:
            texts.take = None
            transport.send_close()
            transport.disconnect()

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
