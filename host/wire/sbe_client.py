# SPDX-License-Identifier: Apache-2.0
"""The venue's live binary market data, without a gap at the changes of connection.

A connection is valid for 24 hours. Some time before, and when the server says that it is about to
go away, a second one is opened while the first still delivers; the first is closed when the second
has delivered for a while. Meanwhile frames come twice: whoever uses them tells by their ids, as
`host.feeds.session` does. A connection that fails is opened again after a time that doubles from
try to try and is partly random.

Source: Binance's page "SBE Market Data Streams".
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from host.wire.api_key import ApiKey
from host.wire.clock import Clock, SystemClock
from host.wire.control import Control, ControlKind, read_control
from host.wire.framing import LONGEST_FRAME_BYTES

__all__ = [
    "COUNTERS",
    "SBE_HOSTS",
    "ClientError",
    "ConnectionRefused",
    "HostNotAllowed",
    "Received",
    "SbeClient",
    "SbeClientSettings",
    "StreamName",
]

#: The venue's hosts for binary market data; the second serves its test network.
SBE_HOSTS = frozenset({"stream-sbe.binance.com", "stream-sbe.testnet.binance.vision"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_STREAM = re.compile(r"[^\s/@?&#A-Z]+@(trade|bestBidAsk|depth|depth20)")
_MOST_STREAMS = 1024
#: Answers to opening a connection that another try cannot change.
_FINAL_STATUS = frozenset({400, 401, 403, 404})
_HEADER = "X-MBX-APIKEY"

#: What a client counts.
COUNTERS: dict[str, str] = {
    "frames": "binary frames passed on",
    "empty": "binary frames without a byte, dropped",
    "text": "text frames",
    "pings": "pings answered",
    "opened": "connections opened",
    "failed": "connections that could not be opened",
    "uncovered": "connections that ended while no other was open",
    "silent": "connections given up because nothing came",
    "shutdowns": "times a server said that it goes away",
}


class ClientError(RuntimeError):
    """The stream cannot be had."""


class HostNotAllowed(ClientError):
    """The address is not one the key may be sent to."""


class StreamName(ClientError):
    """A stream's name, or their number, is not allowed."""


class ConnectionRefused(ClientError):
    """The server has answered that it will not serve us."""


class Received(NamedTuple):
    """A binary frame as it came."""

    #: local time, nanoseconds since the epoch
    recv_ns: int
    payload: bytes
    #: tag of the client, which names the symbol where a client serves one
    tag: int
    #: number of the connection, from 1
    generation: int


@dataclass(frozen=True)
class SbeClientSettings:
    """Times of a client, seconds.

    Parameters
    ----------
    renew_after_s : float
        Age at which a second connection is opened; the venue ends the first at 24 hours.
    overlap_s : float
        Both are read for so long after the second one's first frame.
    silence_s : float
        A connection on which nothing came for so long, not even a ping, is replaced; the venue
        pings every 20 seconds.
    steady_s : float
        A connection that ends sooner counts as a failure.
    first_wait_s, longest_wait_s : float
        Wait before the second try, and the longest one. Half of each wait is random.
    queue : int
        Frames that may wait to be taken; then the socket is not read on.
    """

    renew_after_s: float = 23 * 3600.0
    overlap_s: float = 10.0
    silence_s: float = 60.0
    steady_s: float = 10.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    queue: int = 4096


class _Connection:
    """One socket, and what happened to it."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse[Any], generation: int, now_s: float
    ) -> None:
        self.socket = socket
        self.generation = generation
        self.opened_s = self.last_s = now_s
        self.delivered = asyncio.Event()
        #: it has ended, or the server goes away
        self.over = asyncio.Event()
        self.ended = False


class SbeClient:
    """Market data of some streams; an async context manager, and iterated.

    Iterating yields `Received` for each binary frame and `Control` for everything else. It ends
    only with an error.

    Parameters
    ----------
    streams : sequence of str
        Such as ``btcusdt@depth``; 1 to 1024.
    key : ApiKey
        Sent in a header when a connection is opened, and nowhere else.
    endpoint : str
        Scheme, host and port.
    tag : int
        Goes with each frame.
    settings : SbeClientSettings
        Times.
    hosts : frozenset of str
        Hosts the key may be sent to. Without TLS only those of this machine itself.
    clock : Clock
        Time.
    jitter : callable
        Random numbers from 0 to below 1.

    Attributes
    ----------
    counters : Counter
        Counts by the names of `COUNTERS`.

    Raises
    ------
    HostNotAllowed, StreamName
        From the constructor.
    ConnectionRefused
        While iterating: the server will not have us, or wants to send us elsewhere.
    """

    def __init__(
        self,
        streams: Sequence[str],
        key: ApiKey,
        *,
        endpoint: str = "wss://stream-sbe.binance.com:9443",
        tag: int = 0,
        settings: SbeClientSettings | None = None,
        hosts: frozenset[str] = SBE_HOSTS,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = _url(endpoint, hosts).with_path("/stream").with_query(streams=_join(streams))
        self._key = key
        self._tag = tag
        self._settings = SbeClientSettings() if settings is None else settings
        self._clock: Clock = SystemClock() if clock is None else clock
        self._jitter = jitter
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._items: asyncio.Queue[Received | Control | ClientError] = asyncio.Queue(
            self._settings.queue
        )
        self._connections: dict[int, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = self._failures = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> SbeClient:
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=10, sock_read=None)
        self._session = aiohttp.ClientSession(trace_configs=[trace], timeout=timeout)
        self._spawn(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._session is not None
        await self._session.close()

    async def __aiter__(self) -> AsyncIterator[Received | Control]:
        while True:
            item = await self._items.get()
            if isinstance(item, ClientError):
                raise item
            yield item

    # the course of connections

    async def _run(self) -> None:
        """Keep a connection open, and open the next one in time."""
        try:
            while True:
                connection = await self._open()
                self._spawn(self._read(connection))
                self._spawn(self._retire_before(connection))
                await self._until_due(connection)
                lived_s = self._clock.monotonic_s() - connection.opened_s
                steady = connection.delivered.is_set() and lived_s >= self._settings.steady_s
                self._failures = 0 if steady else self._failures + 1
        except ClientError as error:
            await self._items.put(error)

    async def _open(self) -> _Connection:
        """Open a connection, and try again as long as that may help."""
        assert self._session is not None
        while True:
            if self._failures:
                await self._clock.sleep(self._wait_s())
            self._generation += 1
            final = False
            try:
                socket = await self._session.ws_connect(
                    self._url,
                    headers={_HEADER: self._key.reveal()},
                    autoping=False,
                    max_msg_size=LONGEST_FRAME_BYTES,
                    compress=0,
                )
            except aiohttp.WSServerHandshakeError as error:
                # it holds the headers we sent, so that nothing may be raised from it
                said, final = f"status {error.status}", error.status in _FINAL_STATUS
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
                said = type(error).__name__
            else:
                connection = _Connection(socket, self._generation, self._clock.monotonic_s())
                covered = bool(self._connections)
                self._connections[connection.generation] = connection
                self.counters["opened"] += 1
                await self._tell(ControlKind.OPENED, connection.generation, "", covered)
                return connection
            self.counters["failed"] += 1
            if final:
                raise ConnectionRefused(f"{self._url.host}: expected a connection, was {said}")
            self._failures += 1
            covered = bool(self._connections)
            await self._tell(ControlKind.FAILED, self._generation, said, covered)

    def _wait_s(self) -> float:
        settings = self._settings
        doublings = min(self._failures - 1, 30)
        wait_s = min(settings.longest_wait_s, settings.first_wait_s * 2.0**doublings)
        return wait_s * (1 + self._jitter()) / 2

    async def _until_due(self, connection: _Connection) -> None:
        """Return when a connection has to be replaced."""
        settings, clock = self._settings, self._clock
        while not connection.over.is_set():
            silent_s = connection.last_s + settings.silence_s
            due_s = min(connection.opened_s + settings.renew_after_s, silent_s)
            left_s = due_s - clock.monotonic_s()
            if left_s <= 0:
                self.counters["silent"] += due_s == silent_s
                return
            await _first_of(connection.over.wait(), clock.sleep(left_s))

    async def _retire_before(self, connection: _Connection) -> None:
        """Close the older connections when this one has delivered for a while."""
        await _first_of(connection.delivered.wait(), self._ended(connection))
        if not connection.delivered.is_set():
            return
        await self._clock.sleep(self._settings.overlap_s)
        for generation, older in list(self._connections.items()):
            if generation < connection.generation and not connection.ended:
                await older.socket.close()

    async def _ended(self, connection: _Connection) -> None:
        while not connection.ended:
            await connection.over.wait()
            if not connection.ended:  # the server goes away, but not yet
                await self._clock.sleep(self._settings.silence_s)

    # what comes

    async def _read(self, connection: _Connection) -> None:
        """Pass on what a connection brings until it ends."""
        kinds, code = aiohttp.WSMsgType, "0"
        try:
            while True:
                message = await connection.socket.receive()
                connection.last_s = self._clock.monotonic_s()
                if message.type is kinds.BINARY:
                    await self._binary(connection, message.data)
                elif message.type is kinds.TEXT:
                    await self._text(connection, message.data)
                elif message.type is kinds.PING:
                    self.counters["pings"] += 1
                    with suppress(aiohttp.ClientError, ConnectionError):
                        await connection.socket.pong(message.data)
                elif message.type is not kinds.PONG:
                    code = f"code {connection.socket.close_code}"
                    break
        finally:
            connection.ended = True
            connection.over.set()
            self._connections.pop(connection.generation, None)
            await connection.socket.close()
        covered = bool(self._connections)
        self.counters["uncovered"] += not covered
        await self._tell(ControlKind.CLOSED, connection.generation, code, covered)

    async def _binary(self, connection: _Connection, payload: bytes) -> None:
        if not payload:
            self.counters["empty"] += 1
            return
        self.counters["frames"] += 1
        received = Received(self._clock.time_ns(), payload, self._tag, connection.generation)
        await self._items.put(received)
        connection.delivered.set()

    async def _text(self, connection: _Connection, text: str) -> None:
        self.counters["text"] += 1
        kind, detail = read_control(text)
        if kind is ControlKind.SHUTDOWN:
            self.counters["shutdowns"] += 1
            connection.over.set()
        await self._tell(kind, connection.generation, detail)

    async def _tell(
        self, kind: ControlKind, generation: int, detail: str, covered: bool = False
    ) -> None:
        await self._items.put(Control(self._clock.time_ns(), kind, generation, detail, covered))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _url(endpoint: str, hosts: frozenset[str]) -> URL:
    try:
        url = URL(endpoint)
    except ValueError as error:
        raise HostNotAllowed(f"endpoint: expected an address, was {error}") from None
    if url.host not in hosts or url.user or url.password:
        raise HostNotAllowed(
            f"endpoint: expected a host of {', '.join(sorted(hosts))}, was {url.host}"
        )
    if url.scheme != "wss" and not (url.scheme == "ws" and url.host in _LOOPBACK):
        raise HostNotAllowed(f"endpoint: expected wss, was {url.scheme or 'no scheme'}")
    return url


def _join(streams: Sequence[str]) -> str:
    if not 1 <= len(streams) <= _MOST_STREAMS:
        raise StreamName(f"streams: expected 1 to {_MOST_STREAMS}, was {len(streams)}")
    for name in streams:
        if not _STREAM.fullmatch(name):
            raise StreamName(f"stream: expected <lower-case symbol>@<kind>, was {name!r}")
    return "/".join(streams)


async def _refuse_redirect(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    told: aiohttp.TraceRequestRedirectParams,
) -> None:
    """The key goes to the host it was meant for and to no other."""
    raise ConnectionRefused(f"{told.url.host}: expected a connection, was sent elsewhere")


async def _first_of(*work: Awaitable[Any]) -> None:
    """Wait until one is done; the others are given up."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
