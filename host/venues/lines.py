# SPDX-License-Identifier: Apache-2.0
"""Open HTTP/1.1 connections for order requests: the bytes leave in the call that sends them.

A line carries one request at a time. It never sends anything twice: a line that is lost while a
request waits says so, and what became of the request has to be asked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Answer", "Line", "LineError", "OrderLines"]

_MOST_BYTES = 1 << 20


class LineError(Exception):
    """A line was lost, or answered with something that is no HTTP."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self.open = False

    @property
    def free(self) -> bool:
        """Whether a request can be sent now."""
        return self.open and self._waiter is None

    def send(self, data: bytes) -> asyncio.Future[Answer]:
        """Write a request; the future is its answer, or raises `LineError`."""
        assert self._transport is not None and self._waiter is None
        self._transport.write(data)
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def close(self) -> None:
        """Close it without a word."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open = True

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self.open = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(LineError("expected an answer, was the end of the line"))
        self._waiter = None

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer += data
        if self._waiter is None:
            self.close()  # nobody has asked
            return
        try:
            answer, used = _parsed(bytes(self._buffer))
        except LineError as error:
            self._fail(error)
            return
        if answer is None:
            if len(self._buffer) > _MOST_BYTES:
                self._fail(LineError(f"expected at most {_MOST_BYTES} bytes, was more"))
            return
        del self._buffer[:used]
        waiter, self._waiter = self._waiter, None
        if not waiter.done():
            waiter.set_result(answer)
        if answer.headers.get("connection", "").lower() == "close" or self._buffer:
            self.close()

    def _fail(self, error: LineError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.close()


class OrderLines:
    """Some lines to one address, opened before they are needed.

    Parameters
    ----------
    url : str
        Address of the requests; it has been checked.
    headers : mapping
        Headers of every request.
    count : int
        Lines that are kept open.
    """

    def __init__(self, url: str, headers: Mapping[str, str], count: int = 4) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._context = ssl.create_default_context() if self._tls else None
        self._count = count
        self._lines: list[Line] = []
        self._opening: asyncio.Task[None] | None = None
        self._closed = False
        host = self._host if parts.port is None else f"{self._host}:{self._port}"
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join(lines).encode() + b"\r\nContent-Length: "

    async def open(self) -> None:
        """Open the lines that are missing; one that cannot be opened is left out."""
        self._lines = [line for line in self._lines if line.open]
        loop = asyncio.get_running_loop()
        while len(self._lines) < self._count and not self._closed:
            try:
                _, line = await loop.create_connection(
                    Line, self._host, self._port, ssl=self._context
                )
            except OSError:
                return
            self._lines.append(line)

    def send(self, body: bytes) -> tuple[Line, asyncio.Future[Answer]] | None:
        """Send a request over a free line, now; None where there is none."""
        for line in self._lines:
            if line.free:
                data = self._head + str(len(body)).encode() + b"\r\n\r\n" + body
                return line, line.send(data)
        self.replenish()
        return None

    def replenish(self) -> None:
        """Open missing lines in the background."""
        if self._closed or (self._opening is not None and not self._opening.done()):
            return
        if sum(line.open for line in self._lines) < self._count:
            self._opening = asyncio.ensure_future(self.open())

    async def close(self) -> None:
        """Close all lines."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        for line in self._lines:
            line.close()
        self._lines.clear()


def _parsed(data: bytes) -> tuple[Answer | None, int]:
    """The first whole answer in some bytes, and how many of them it takes."""
    head, found, _ = data.partition(b"\r\n\r\n")
    if not found:
        return None, 0
    first, *rest = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise LineError(f"expected a status line, was {first[:60]!r}")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    start = len(head) + 4
    length = headers.get("content-length", "")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, end = _chunks(data, start)
        if body is None:
            return None, 0
    elif length.isdigit():
        end = start + int(length)
        if len(data) < end:
            return None, 0
        body = data[start:end]
    else:
        raise LineError("expected a length of the answer, was none")
    return Answer(int(parts[1]), parts[2] if len(parts) > 2 else "", headers, body), end


def _chunks(data: bytes, at: int) -> tuple[bytes | None, int]:
    body = b""
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None, 0
        size = data[at:end].split(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            raise LineError(f"expected the size of a chunk, was {size[:20]!r}") from None
        at = end + 2
        if len(data) < at + length + 2:
            return None, 0
        if not length:
            return body, at + 2
        body += data[at : at + length]
        at += length + 2
