# SPDX-License-Identifier: Apache-2.0
"""The control endpoint: time by steps, and faults. It is there only where the settings say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from host.paper.faults import Fault

if TYPE_CHECKING:
    from host.paper.server import PaperServer

__all__ = ["add_control", "switch"]


def switch(server: PaperServer, name: str, value: int) -> None:
    """Set one of the faults that are no `Fault`.

    Parameters
    ----------
    server : PaperServer
        Where.
    name : str
        ``clock_skew_ms``; ``depth_gap`` (events left out of the streams); ``silent`` (market
        streams say nothing); ``mute_user`` (user-data streams say nothing); ``cut_sockets``;
        ``end_listen_keys``.
    value : int
        Milliseconds, a number of events, or 1 and 0.

    Raises
    ------
    ValueError
        There is no such fault.
    """
    markets = server.venue.markets.values()
    if name == "clock_skew_ms":
        server.venue.skew_ms = value
    elif name == "depth_gap":
        for market in markets:
            market.streams.skip_depth = value
    elif name == "silent":
        for market in markets:
            market.streams.silent = bool(value)
    elif name == "mute_user":
        for market in markets:
            market.muted = bool(value)
    elif name == "cut_sockets":
        server.cut_sockets()
    elif name == "end_listen_keys":
        for market in markets:
            market.listen.end_all()
    else:
        raise ValueError(f"fault: expected one of the switches, was {name!r}")


def add_control(app: web.Application, server: PaperServer) -> None:
    """Add ``/paper/v1``: `state` (GET), `step`, `fault` and `switch` (POST, JSON)."""

    async def body(request: web.Request) -> dict[str, object]:
        found = orjson.loads(await request.read() or b"{}")
        if type(found) is not dict:
            raise ValueError(f"body: expected an object, was {type(found).__name__}")
        return found

    async def state(request: web.Request) -> web.Response:
        venue = server.venue
        markets = {
            name: {
                "orders": len(market.exchange.orders),
                "open": len(market.exchange.open),
                "fills": len(market.exchange.own_fills),
                "gaps": {s: b.gaps for s, b in market.exchange.books.items()},
                "synced": {s: b.synced for s, b in market.exchange.books.items()},
            }
            for name, market in venue.markets.items()
        }
        return web.json_response(
            {"time_us": venue.clock.now_us, "ended": venue.ended, "markets": markets}
        )

    async def step(request: web.Request) -> web.Response:
        asked = await body(request)
        if "us" in asked:
            played = server.venue.step_to(server.venue.clock.now_us + _whole(asked["us"]))
        else:
            played = server.venue.step_events(_whole(asked.get("events", 1)))
        return web.json_response({"events": played, "time_us": server.venue.clock.now_us})

    async def fault(request: web.Request) -> web.Response:
        asked = await body(request)
        if asked.pop("clear", False):
            server.venue.faults.clear()
        else:
            server.venue.faults.arm(Fault(**asked))  # type: ignore[arg-type]
        return web.json_response({"hits": server.venue.faults.hits})

    async def set_switch(request: web.Request) -> web.Response:
        for name, value in (await body(request)).items():
            switch(server, name, _whole(value))
        return web.json_response({})

    @web.middleware
    async def named_errors(request: web.Request, handler: object) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[operator, no-any-return]
        except (ValueError, TypeError) as error:
            if not request.path.startswith("/paper/"):
                raise
            return web.json_response({"error": str(error)}, status=400)

    app.middlewares.append(named_errors)
    app.router.add_get("/paper/v1/state", state)
    app.router.add_post("/paper/v1/step", step)
    app.router.add_post("/paper/v1/fault", fault)
    app.router.add_post("/paper/v1/switch", set_switch)


def _whole(value: object) -> int:
    if type(value) is bool:
        return int(value)
    if type(value) is not int:
        raise ValueError(f"expected a whole number, was {value!r}")
    return value
