# SPDX-License-Identifier: Apache-2.0
"""A bare client of the paper venue, written from the venue's documents alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp

from host.paper.server import PaperServer
from host.paper.settings import PaperSettings
from tests.paper.market import START_MS, Hand, settings

KEY, SECRET = "paperkey", "papersecret"


class Rest:
    """Requests with a signature, and their answers."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base
        self.now_ms = START_MS
        self.headers: dict[str, str] = {}

    async def send(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        *,
        signed: bool = True,
        key: str | None = KEY,
        body: bool = False,
        sign: Callable[[str], str] | None = None,
    ) -> tuple[int, Any]:
        query = urlencode({**(params or {}), **({"timestamp": self.now_ms} if signed else {})})
        if "timestamp" in (params or {}):
            query = urlencode(params or {})
        if signed:
            made = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
            query += "&" + urlencode({"signature": sign(query) if sign else made})
        headers = {"X-MBX-APIKEY": key} if key is not None else {}
        url = self.base + path + ("" if body or not query else "?" + query)
        data = query if body else None
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.session.request(method, url, headers=headers, data=data) as answer:
            self.headers = dict(answer.headers)
            return answer.status, await answer.json()


@asynccontextmanager
async def served(
    given: PaperSettings | None = None,
    market: str = "usdm",
    now_ms: Callable[[], int] = lambda: START_MS,
    **changes: object,
) -> AsyncIterator[tuple[PaperServer, Hand, Rest]]:
    """A server with a market written by hand, and a bare client."""
    found = given or settings(market, **changes)
    async with PaperServer(found, now_ms) as server, aiohttp.ClientSession() as session:
        yield server, Hand(server.venue, market), Rest(session, server.url)


def run(test: Callable[[], Awaitable[None]], seconds: float = 120) -> None:
    """Run a test in a loop of its own, for some time at most."""
    asyncio.run(asyncio.wait_for(test(), seconds))  # type: ignore[arg-type]
