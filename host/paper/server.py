# SPDX-License-Identifier: Apache-2.0
"""The paper venue on the network: REST, market streams, user-data streams, WebSocket API.

Addresses, with H the host and port:

====================================  =====================================================
``http://H/api/v3``                   REST of spot
``http://H/fapi/v1`` ... ``v3``       REST of USD-M futures
``ws://H/stream-spot/ws``             streams of spot; also ``/stream?streams=``
``ws://H/fstream/ws``                 streams of futures; also ``/public``, ``/market`` and
                                      ``/private`` before ``/ws`` or ``/stream``
``ws://H/ws-api/v3``                  WebSocket API of spot
``ws://H/ws-fapi/v1``                 WebSocket API of futures
====================================  =====================================================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import parse_qsl

import orjson
from aiohttp import WSMsgType, web

from host.paper.auth import split_signature
from host.paper.call import NONE, SIGNED, TRADE, Call, Endpoint
from host.paper.connection import SocketConnection, answer_stream_request
from host.paper.control import add_control
from host.paper.errors import VenueError, refusal
from host.paper.faults import Fault
from host.paper.replay import Replay
from host.paper.settings import PaperSettings
from host.paper.streams import valid_stream
from host.paper.symbols import SPOT, USDM
from host.paper.venue import Market, PaperVenue
from host.paper.ws_api import WebSocketApi

__all__ = ["PaperServer"]

_MOST_BODY_BYTES = 1 << 20
_PREFIXES = {"/api/": SPOT, "/sapi/": SPOT, "/fapi/": USDM}
_PING_S = 180.0


class PaperServer:
    """Serves a venue; use it as an asynchronous context manager.

    Parameters
    ----------
    settings : PaperSettings
        The settings.
    now_ms : callable, optional
        The server's clock; the machine's if not given.
    monotonic_s : callable, optional
        The clock that paces a replay.

    Attributes
    ----------
    venue : PaperVenue
        What is served.
    """

    def __init__(
        self,
        settings: PaperSettings,
        now_ms: Callable[[], int] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.venue = PaperVenue(settings, now_ms or (lambda: time.time_ns() // 1_000_000))
        self.replay = Replay(self.venue, monotonic_s)
        self.sockets: set[SocketConnection] = set()
        self._settings = settings
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._playing: asyncio.Task[None] | None = None
        self._port = settings.port
        self._apis = {n: WebSocketApi(self, m) for n, m in self.venue.markets.items()}
        for market in self.venue.markets.values():
            market.listen.on_end = self._listen_key_ended(market)

    @property
    def port(self) -> int:
        """Port it listens at."""
        return self._port

    @property
    def url(self) -> str:
        """Address of the REST interfaces, without a path."""
        return f"http://{self._settings.host}:{self._port}"

    @property
    def ws_url(self) -> str:
        """Address of the WebSocket interfaces, without a path."""
        return f"ws://{self._settings.host}:{self._port}"

    async def __aenter__(self) -> PaperServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, and begin to play.

        Raises
        ------
        OSError
            The port is taken.
        """
        app = web.Application(client_max_size=_MOST_BODY_BYTES)
        if self._settings.control:
            add_control(app, self)
        app.router.add_get("/stream-spot/{rest:.*}", self._spot_stream)
        app.router.add_get("/fstream/{rest:.*}", self._usdm_stream)
        app.router.add_get("/ws-api/v3", self._spot_api)
        app.router.add_get("/ws-fapi/v1", self._usdm_api)
        app.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, self._settings.host, self._port)
        await self._site.start()
        server = self._site._server
        assert isinstance(server, asyncio.Server)
        self._port = server.sockets[0].getsockname()[1]
        if self._playing is None:
            self._playing = asyncio.get_running_loop().create_task(self.replay.run())

    async def stop(self) -> None:
        """Close everything; the venue keeps what it knows."""
        await self.disconnect()
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
            self._playing = None

    async def disconnect(self) -> None:
        """Close the port and all connections; the market goes on. `start` opens it again."""
        self.cut_sockets()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut_sockets(self) -> None:
        """Close all WebSocket connections without a word."""
        for socket in list(self.sockets):
            socket.cut()

    # REST

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        path = request.path
        name = next((m for prefix, m in _PREFIXES.items() if path.startswith(prefix)), None)
        market = self.venue.markets.get(name or "")
        if market is None:
            return web.json_response({"code": -5000, "msg": f"Path {path} is invalid"}, status=404)
        fault = self.venue.faults.take(request.method, path)
        if fault is not None and fault.kind in ("drop_before", "hang_before"):
            return await self._fail(request, fault)
        if fault is not None and fault.kind == "status":
            return self._status(fault)
        headers: dict[str, str] = {}
        try:
            answer = await self._answer(request, market, body, headers)
            status, data = 200, answer
        except VenueError as error:
            status, data = error.status, error.body()
            if error.retry_after_s is not None:
                headers["Retry-After"] = str(error.retry_after_s)
        if fault is not None:
            if fault.kind == "status_after":
                return self._status(fault)
            return await self._fail(request, fault)
        return web.Response(
            body=orjson.dumps(data), status=status, headers=headers, content_type="application/json"
        )

    async def _answer(
        self, request: web.Request, market: Market, body: str, headers: dict[str, str]
    ) -> object:
        endpoint = market.table.get((request.method, request.path))
        now_ms = self.venue.now_ms
        if endpoint is None:
            text = f"Path {request.path}, Method {request.method} is invalid"
            raise VenueError(404, -5000, text)
        query, in_query = split_signature(request.rel_url.raw_query_string)
        form, in_form = split_signature(body)
        params = dict(parse_qsl(query, keep_blank_values=True))
        params |= dict(parse_qsl(form, keep_blank_values=True))
        call = Call(params, now_ms, headers=headers)
        weight = endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(call)
        try:
            market.limiter.request(weight, now_ms)
        finally:
            headers |= market.limiter.headers(now_ms, bool(endpoint.orders))
        if endpoint.security != NONE:
            call.key = self.venue.keys.find(request.headers.get("X-MBX-APIKEY"))
        if endpoint.security in (SIGNED, TRADE):
            self.venue.keys.check_time(call.maybe("timestamp"), call.maybe("recvWindow"), now_ms)
            signed = (query + form).encode()
            self.venue.keys.check_signature(call.key, signed, in_query or in_form)  # type: ignore[arg-type]
        return await self.perform(market, endpoint, call)

    async def perform(self, market: Market, endpoint: Endpoint, call: Call) -> object:
        """Run an endpoint, after the latencies where it reaches the matching engine.

        Raises
        ------
        VenueError
            The request is refused.
        """
        if endpoint.security == TRADE and not (call.key and call.key.trade):
            raise refusal("key")
        if endpoint.orders:
            try:
                market.limiter.order(call.now_ms, endpoint.orders)
            finally:
                call.headers |= market.limiter.headers(call.now_ms, True)
        self.replay.catch_up()
        settings = market.settings
        if not endpoint.engine or not (settings.order_latency_us or settings.answer_latency_us):
            return endpoint.answer(call)
        clock = self.venue.clock
        answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            try:
                result: object = endpoint.answer(call)
            except VenueError as error:
                result = error
            clock.at(clock.now_us + settings.answer_latency_us, lambda: back(result))

        def back(result: object) -> None:
            if not answered.done():
                answered.set_result(result)

        clock.at(clock.now_us + settings.order_latency_us, arrive)
        self.replay.wake()
        result = await answered
        if isinstance(result, VenueError):
            raise result
        return result

    def _status(self, fault: Fault) -> web.Response:
        headers = {}
        if fault.retry_after_s is not None:
            headers["Retry-After"] = str(fault.retry_after_s)
        known = {429: -1003, 418: -1003, 503: -1008 if fault.kind == "status" else -1007}
        code = known.get(fault.status, -1000)
        text = refusal("timeout").text if fault.kind == "status_after" else "Service unavailable."
        return web.Response(
            body=orjson.dumps({"code": code, "msg": text}),
            status=fault.status,
            headers=headers,
            content_type="application/json",
        )

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.kind.startswith("hang"):
            # until the client closes its end, which cancels this task, or the server stops
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
            return web.Response(status=500)
        if request.transport is not None:
            if fault.kind == "drop_during":
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                request.transport.write(head + b'Content-Length: 400\r\n\r\n{"orderId":')
                await asyncio.sleep(0)
                request.transport.close()
            else:
                request.transport.abort()
        return web.Response(status=500)

    # streams

    async def _spot_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, SPOT)

    async def _usdm_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, USDM)

    async def _stream(self, request: web.Request, name: str) -> web.StreamResponse:
        market = self.venue.markets.get(name)
        parts = [p for p in request.match_info["rest"].split("/") if p]
        if name == USDM and parts and parts[0] in ("public", "market", "private", "pm"):
            parts = parts[1:]
        if market is None or not parts or parts[0] not in ("ws", "stream"):
            return web.Response(status=404)
        named = request.query.get("streams", "").split("/") if parts[0] == "stream" else parts[1:]
        named = [one for one in [*named, request.query.get("listenKey", "")] if one]
        # as at the venue, a name that is no stream and no listen key is taken and stays silent
        users = [one for one in named if market.listen.valid(one)]
        connection = await self._open(request, combined=parts[0] == "stream")
        for user in users:
            market.user_connections[connection] = _plain if parts[0] == "ws" else _named(user)
        market.streams.subscribe(connection, [one for one in named if valid_stream(one)])

        def answer(text: str) -> dict[str, object] | None:
            return answer_stream_request(connection, market.streams, text)

        try:
            await self._listen(connection, answer)
        finally:
            market.user_connections.pop(connection, None)
            market.streams.unsubscribe(connection)
        return connection.socket

    async def _open(self, request: web.Request, combined: bool) -> SocketConnection:
        socket = web.WebSocketResponse(heartbeat=None, autoping=True)
        await socket.prepare(request)
        connection = SocketConnection(socket, combined)
        self.sockets.add(connection)
        return connection

    async def _listen(
        self, connection: SocketConnection, answer: Callable[[str], dict[str, object] | None]
    ) -> None:
        writer = asyncio.get_running_loop().create_task(connection.run())
        try:
            async for message in connection.socket:
                if message.type == WSMsgType.TEXT:
                    found = answer(message.data)
                    if found is not None:
                        connection.send(orjson.dumps(found))
        finally:
            self.sockets.discard(connection)
            connection.close()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    # WebSocket API

    async def _spot_api(self, request: web.Request) -> web.StreamResponse:
        return await self._api(request, SPOT)

    async def _usdm_api(self, request: web.Request) -> web.StreamResponse:
        return await self._api(request, USDM)

    async def _api(self, request: web.Request, name: str) -> web.StreamResponse:
        market = self.venue.markets.get(name)
        if market is None:
            return web.Response(status=404)
        connection = await self._open(request, combined=False)
        tasks: set[asyncio.Task[None]] = set()

        async def one(text: str) -> None:
            answer = await self._apis[name].answer(connection, text)
            if answer is not None:
                connection.send(orjson.dumps(answer))

        def start(text: str) -> None:
            task = asyncio.get_running_loop().create_task(one(text))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        try:
            await self._listen(connection, start)
        finally:
            market.user_connections.pop(connection, None)
            for task in list(tasks):
                task.cancel()
        return connection.socket

    def _listen_key_ended(self, market: Market) -> Callable[[str], None]:
        def ended(key: str) -> None:
            event = {"e": "listenKeyExpired", "E": self.venue.now_ms, "listenKey": key}
            market.publish_user(event)
            for connection in list(market.user_connections):
                market.user_connections.pop(connection)

        return ended


def _plain(payload: bytes) -> bytes:
    return payload


def _named(name: str) -> Callable[[bytes], bytes]:
    head = b'{"stream":"' + name.encode() + b'","data":'
    return lambda payload: head + payload + b"}"
