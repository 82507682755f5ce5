# SPDX-License-Identifier: Apache-2.0
"""A venue's server of binary streams on this machine, and a clock that moves when told."""

import asyncio
import heapq
from itertools import count

from aiohttp import web

KEY = "Abc123" * 8


class Clock:
    """Time stands until a test moves it."""

    def __init__(self):
        self.now_s = 1000.0
        self.slept = []
        self._order = count()
        self._sleepers = []

    def time_ns(self):
        return int(self.now_s * 1e9)

    def monotonic_s(self):
        return self.now_s

    async def sleep(self, seconds):
        self.slept.append(seconds)
        done = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._order), done))
        await done

    async def move(self, seconds):
        """Let time pass; who is to wake by then does, one after the other."""
        end = self.now_s + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now_s, _, done = heapq.heappop(self._sleepers)
            if not done.done():
                done.set_result(None)
            await asyncio.sleep(0)
        self.now_s = end

    @property
    def waiting(self):
        """Sleeps that are not over, in seconds from now."""
        return sorted(at - self.now_s for at, _, done in self._sleepers if not done.done())


class Server:
    """Takes connections and does with each what the test says.

    Attributes
    ----------
    sockets : asyncio.Queue
        Each connection as it is opened.
    requests : list
        Their requests, refused ones as well.
    answers : list
        Status or address to answer the next requests with instead.
    """

    def __init__(self):
        self.sockets = asyncio.Queue()
        self.requests = []
        self.answers = []
        self.pongs = asyncio.Queue()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/stream", self._serve)
        app.router.add_get("/elsewhere", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _serve(self, request):
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, str):
                raise web.HTTPFound(answer)
            return web.Response(status=answer)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await self.sockets.put(socket)
        async for message in socket:
            if message.type.name == "PONG":
                await self.pongs.put(bytes(message.data))
        return socket
