# SPDX-License-Identifier: Apache-2.0
"""A WebSocket connection of the paper venue: a queue to the client, and its subscriptions."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from host.paper.streams import MarketStreams, valid_stream

__all__ = ["SocketConnection", "answer_stream_request"]

#: Messages that may wait for a slow client; more close the connection.
_MOST_WAITING = 20_000
_MOST_STREAMS = 1024


class SocketConnection:
    """Messages to one client, in order, without making the sender wait.

    Parameters
    ----------
    socket : web.WebSocketResponse
        The connection.
    combined : bool
        Market messages are wrapped with the name of their stream.
    """

    def __init__(self, socket: web.WebSocketResponse, combined: bool = False) -> None:
        self.socket = socket
        self.combined = combined
        self.too_slow = False
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)

    def send(self, payload: bytes) -> None:
        """Queue a message; a client that is too slow is cut off."""
        if self.too_slow:
            return
        try:
            self._waiting.put_nowait(payload)
        except asyncio.QueueFull:
            self.too_slow = True
            self.cut()

    def cut(self) -> None:
        """Close the connection at once, without a closing handshake."""
        request = self.socket._req
        transport = request.transport if request is not None else None
        if transport is not None:
            transport.abort()

    async def run(self) -> None:
        """Write what is queued until the connection is closed."""
        while (payload := await self._waiting.get()) is not None:
            try:
                await self.socket.send_str(payload.decode())
            except (ConnectionError, RuntimeError):
                return

    def close(self) -> None:
        """End `run`."""
        if not self._waiting.full():
            self._waiting.put_nowait(None)


def answer_stream_request(
    connection: SocketConnection, streams: MarketStreams, text: str
) -> dict[str, object]:
    """Answer SUBSCRIBE and its kin.

    Returns
    -------
    dict
        The answer, an error in the venue's words where the request is wrong.
    """
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _error(3, f"Invalid JSON: {error}")
    if type(request) is not dict or "method" not in request:
        return _error(2, "Invalid request: missing field `method`")
    method, params, number = request["method"], request.get("params", []), request.get("id")
    if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        names = params if type(params) is list else [params]
        if not names or not all(type(name) is str for name in names):
            return _error(2, "Invalid request: expected a list of streams", number)
        if method == "SUBSCRIBE":
            wrong = [name for name in names if not valid_stream(name)]
            if wrong:
                return _error(2, f"Invalid request: no stream {wrong[0][:80]}", number)
            if len(streams.names(connection)) + len(names) > _MOST_STREAMS:
                return _error(2, "Invalid request: too many streams", number)
            streams.subscribe(connection, names)
        else:
            streams.unsubscribe(connection, names)
        return {"result": None, "id": number}
    if method == "LIST_SUBSCRIPTIONS":
        return {"result": streams.names(connection), "id": number}
    if method == "SET_PROPERTY" and params and params[0] == "combined":
        connection.combined = bool(params[1])
        return {"result": None, "id": number}
    if method == "GET_PROPERTY":
        return {"result": connection.combined, "id": number}
    return _error(2, f"Invalid request: unknown variant `{str(method)[:40]}`", number)


def _error(code: int, text: str, number: object = None) -> dict[str, object]:
    return {"error": {"code": code, "msg": text}, "id": number}
