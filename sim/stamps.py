# SPDX-License-Identifier: Apache-2.0
"""Stamps at the sockets of a process: when the last byte of a frame came, when an order left.

An event loop gives every connection a socket that notes each read and write. It knows nothing of
who uses it, so two clients that know nothing of each other are measured by the same stamps.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
import zlib
from typing import Any, NamedTuple

import orjson

__all__ = ["Moment", "StampedLoop", "Stamps", "frame_moments", "now", "order_moments"]

_CLIENT_ID = re.compile(rb"newClientOrderId=([A-Za-z0-9_.-]+)")
_TEXT, _COMPRESSED = 1, 0x40
_TAIL = b"\x00\x00\xff\xff"


class Moment(NamedTuple):
    """When something happened, nanoseconds."""

    wall_ns: int
    #: processor time of this process
    cpu_ns: int


def now() -> Moment:
    """Both clocks, now."""
    return Moment(time.perf_counter_ns(), time.process_time_ns())


class Stamps:
    """What passed over one socket.

    Attributes
    ----------
    received, sent : list
        Moments and bytes, in order.
    """

    def __init__(self) -> None:
        self.received: list[tuple[Moment, bytes]] = []
        self.sent: list[tuple[Moment, bytes]] = []


class _Stamped(socket.socket):
    """A socket that notes what passes."""

    stamps: Stamps

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        self.stamps.received.append((now(), data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        count = super().recv_into(buffer, nbytes, flags)
        self.stamps.received.append((now(), bytes(memoryview(buffer)[:count])))
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        moment = now()
        count = super().send(data, flags)
        self.stamps.sent.append((moment, bytes(memoryview(data)[:count])))
        return count


class StampedLoop(asyncio.SelectorEventLoop):
    """An event loop whose connections are stamped.

    Attributes
    ----------
    sockets : list of Stamps
        One for each connection, in the order they were made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sockets: list[Stamps] = []

    def _make_socket_transport(self, sock: socket.socket, *given: Any, **named: Any) -> Any:
        stamped = _Stamped(sock.family, sock.type, sock.proto, fileno=sock.detach())
        stamped.setblocking(False)
        stamped.stamps = Stamps()
        self.sockets.append(stamped.stamps)
        make = super()._make_socket_transport  # type: ignore[misc]
        return make(stamped, *given, **named)


def frame_moments(sockets: list[Stamps]) -> dict[int, Moment]:
    """When the last byte of each depth event came, by its last update id.

    Parameters
    ----------
    sockets : list of Stamps
        Those of WebSocket connections are told by the answer that upgrades them.
    """
    found: dict[int, Moment] = {}
    for stamps in sockets:
        data = b"".join(part for _, part in stamps.received)
        # a connection that was kept open may have carried other requests before
        upgraded = data.find(b"HTTP/1.1 101")
        if upgraded < 0:
            continue
        ends: list[tuple[int, Moment]] = []
        total = 0
        for moment, piece in stamps.received:
            total += len(piece)
            ends.append((total, moment))
        at = data.index(b"\r\n\r\n", upgraded) + 4
        found_in = 0
        # one window for all messages of a connection (RFC 7692, section 7.2.2)
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        while at + 2 <= len(data):
            start, length = _length(data, at)
            end = start + length
            if end > len(data):
                break
            while ends[found_in][0] < end:
                found_in += 1
            text = data[start:end]
            if data[at] & _COMPRESSED:
                text = inflate.decompress(text + _TAIL)
            if data[at] & 0x0F == _TEXT and b'"depthUpdate"' in text:
                message = orjson.loads(text)
                found.setdefault(message.get("data", message)["u"], ends[found_in][1])
            at = end
    return found


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Where a frame's payload begins, and its length (RFC 6455, section 5.2; servers mask none)."""
    short = data[at + 1] & 0x7F
    if short == 126:
        return at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
    if short == 127:
        return at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
    return at + 2, short


def order_moments(sockets: list[Stamps]) -> dict[str, Moment]:
    """When the first byte of each order request left, by its client id."""
    found: dict[str, Moment] = {}
    for stamps in sockets:
        began: Moment | None = None
        text = b""
        for moment, part in stamps.sent:
            if part.startswith(b"POST ") and b"/order" in part.split(b"\r\n", 1)[0]:
                began, text = moment, b""
            elif part.startswith((b"GET ", b"DELETE ", b"PUT ", b"POST ")):
                began = None
            text += part
            if began is not None:
                name = _CLIENT_ID.search(text)
                if name is not None:
                    found.setdefault(name[1].decode(), began)
                    began = None
    return found
