# SPDX-License-Identifier: Apache-2.0
"""A market stream over its days: connections that replace each other, and ones that are lost."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from host.driver.market import Arrived, MarketStream
from tests.paper.rest import run

#: An age in the place of a day, seconds.
DAY_S = 0.15


class Numbers:
    """A venue that sends the same rising numbers to everyone who listens."""

    def __init__(self) -> None:
        self.last = 0
        self.sockets: set[web.WebSocketResponse] = set()
        self.refuse = False

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        if self.refuse:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        async for _ in socket:
            pass
        self.sockets.discard(socket)
        return socket

    async def count(self) -> None:
        while True:
            self.last += 1
            for socket in list(self.sockets):
                with contextlib.suppress(ConnectionError):  # it is being closed
                    await socket.send_str(str(self.last))
            await asyncio.sleep(0.002)


async def watched(
    body: Callable[[Numbers, MarketStream, list[int], list[str]], Awaitable[None]],
) -> None:
    """Run `body` beside a venue and a stream that follows it."""
    numbers, got, losses = Numbers(), list[int](), list[str]()
    app = web.Application()
    app.router.add_get("/", numbers.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    counting = asyncio.ensure_future(numbers.count())

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))

    async with MarketStream(f"ws://127.0.0.1:{port}/", losses.append, DAY_S, sleep) as stream:

        async def read() -> None:
            while True:
                waiting = await stream.take()
                got.append(int(waiting.popleft().payload))

        reading = asyncio.ensure_future(read())
        await body(numbers, stream, got, losses)
        reading.cancel()
    counting.cancel()
    await runner.cleanup()


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.005)


def test_a_connection_is_replaced_before_its_day_ends_and_no_frame_is_missing() -> None:
    async def body(
        numbers: Numbers, stream: MarketStream, got: list[int], losses: list[str]
    ) -> None:
        await until(lambda: stream.counters["replaced"] >= 3)
        await until(lambda: len(got) > 0 and got[-1] >= numbers.last - 1)
        assert not losses
        assert stream.counters["connections"] == stream.counters["replaced"] + 1
        seen = set(got)
        assert seen == set(range(min(seen), max(seen) + 1))
        assert len(got) > len(seen)  # both were read for a while
        await until(lambda: len(numbers.sockets) == 1)  # the old one is closed

    run(lambda: watched(body), 30)


def test_a_lost_connection_is_told_once_and_opened_again() -> None:
    async def body(
        numbers: Numbers, stream: MarketStream, got: list[int], losses: list[str]
    ) -> None:
        await until(lambda: len(got) > 3)
        numbers.refuse = True
        for socket in list(numbers.sockets):
            await socket.close()
        await until(lambda: len(losses) >= 3)  # the end, and tries that failed
        numbers.refuse, told = False, len(losses)
        opened = stream.counters["connections"]
        await until(lambda: stream.counters["connections"] > opened)
        before = len(got)
        await until(lambda: len(got) > before)
        assert len(losses) <= told + 1
        assert stream.counters["losses"] == len(losses)

    run(lambda: watched(body), 30)


def test_a_successor_that_cannot_connect_leaves_the_connection_as_it_is() -> None:
    async def body(
        numbers: Numbers, stream: MarketStream, got: list[int], losses: list[str]
    ) -> None:
        await until(lambda: stream.counters["connections"] == 1)
        numbers.refuse = True
        await asyncio.sleep(3 * DAY_S)
        before = len(got)
        await until(lambda: len(got) > before + 3)
        assert not losses and not stream.counters["replaced"]
        numbers.refuse = False
        await until(lambda: stream.counters["replaced"] == 1)
        assert not losses

    run(lambda: watched(body), 30)


def test_a_frame_that_comes_alone_is_handled_at_once_and_all_come_in_turn() -> None:
    async def body(
        numbers: Numbers, stream: MarketStream, got: list[int], losses: list[str]
    ) -> None:
        handled: list[int] = []

        def handle(arrived: Arrived) -> None:
            handled.append(int(arrived.payload))
            got.append(handled[-1])

        stream.handler = handle
        await until(lambda: len(handled) > 20)
        # many at once: what follows the first waits, and whoever takes them sees how many
        for socket in list(numbers.sockets):
            for _ in range(50):
                numbers.last += 1
                await socket.send_str(str(numbers.last))
        await until(lambda: got[-1] >= numbers.last - 1)
        assert len(handled) < len(got)
        assert not losses
        # connections that replace each other both send what came meanwhile
        first = list(dict.fromkeys(got))
        assert first == list(range(first[0], first[-1] + 1))

    run(lambda: watched(body))


def test_what_a_handler_raises_is_no_loss_and_is_raised_where_frames_are_taken() -> None:
    async def body(
        numbers: Numbers, stream: MarketStream, got: list[int], losses: list[str]
    ) -> None:
        def handle(_: Arrived) -> None:
            raise ValueError("no board")

        stream.handler = handle
        await until(lambda: stream.handler is None)
        with pytest.raises(ValueError, match="no board"):
            while True:
                (await stream.take()).clear()
        assert not losses

    run(lambda: watched(body))


def frame(first: int, payload: bytes) -> bytes:
    """A frame of a server (RFC 6455, section 5.2): FIN and opcode, length, payload."""
    assert len(payload) < 126
    return bytes([first, len(payload)]) + payload


@pytest.mark.parametrize("cuts", [0, 7])
def test_a_message_in_pieces_is_one_and_what_is_no_text_is_left_out(cuts: int) -> None:
    sent = (
        frame(0x81, b"one")
        + frame(0x82, b"binary")
        + frame(0x01, b"two")
        + frame(0x89, b"ping")
        + frame(0x00, b" and")
        + frame(0x80, b" three")
        + frame(0x02, b"binary")
        + frame(0x80, b"in pieces")
        + frame(0x81, "vi€r".encode())
    )

    async def test() -> None:
        answered = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
            digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
            )
            for at in range(0, len(sent), cuts or len(sent)):
                writer.write(sent[at : at + (cuts or len(sent))])
                await writer.drain()
                await asyncio.sleep(0.001)
            pong = await reader.readexactly(10)
            assert pong[0] == 0x8A  # its payload is masked
            answered.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        got: list[bytes] = []
        async with MarketStream(url, lambda _: None, 86_400.0) as stream:
            while len(got) < 3:
                got.append((await stream.take()).popleft().payload)
            await answered.wait()
            assert stream.counters["frames"] == 3
        assert got == [b"one", b"two and three", "vi€r".encode()]
        server.close()

    run(test)


def test_no_answer_leads_to_another_address() -> None:
    async def test() -> None:
        asked: list[str] = []

        async def serve(request: web.Request) -> web.StreamResponse:
            asked.append(request.path)
            raise web.HTTPFound("/other")

        app = web.Application()
        app.router.add_get("/{name:.*}", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        losses: list[str] = []
        url = f"ws://127.0.0.1:{runner.addresses[0][1]}/here"
        async with MarketStream(url, losses.append, 86_400.0) as stream:
            await until(lambda: len(losses) > 1)
            assert not stream.counters["connections"]
        assert set(asked) == {"/here"}
        await runner.cleanup()

    run(test)
