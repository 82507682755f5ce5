# SPDX-License-Identifier: Apache-2.0
"""Market and user-data streams, and a capture played through the whole server."""

import asyncio
from bisect import bisect_right
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import orjson
import pytest

from host.feeds.binance import parse
from host.feeds.capture import read_frames
from host.feeds.messages import BookTicker, DepthUpdate, Refusal, Trade
from host.paper.control import switch
from host.paper.orders import NewOrder
from host.paper.replay import Replay
from host.paper.server import PaperServer
from host.paper.settings import MarketSettings, PaperSettings
from host.paper.source import CaptureSource
from host.paper.venue import PaperVenue
from tests.paper.market import CAPTURE, START_MS, SYMBOL
from tests.paper.rest import run, served

QUIET_S = 0.1


async def heard(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """Everything that comes until it is quiet."""
    found = []
    while True:
        try:
            message = await socket.receive(QUIET_S)
        except asyncio.TimeoutError:
            return found
        if message.type is not aiohttp.WSMsgType.TEXT:
            return [*found, message.type]
        found.append(orjson.loads(message.data))


def test_streams_are_named_in_the_address_or_asked_for() -> None:
    async def test() -> None:
        async with served() as (server, hand, rest):
            base = server.ws_url + "/fstream"
            async with (
                rest.session.ws_connect(f"{base}/ws/btcusdt@trade") as bare,
                rest.session.ws_connect(f"{base}/stream?streams=btcusdt@trade") as combined,
                rest.session.ws_connect(f"{base}/public/ws") as asked,
            ):
                await asked.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 7})
                assert await heard(asked) == [{"result": None, "id": 7}]
                hand.trade("100.0", "1", sold=True)
                (one,) = await heard(bare)
                assert (one["e"], one["p"], one["q"], one["m"]) == ("trade", "100.0", "1", True)
                assert await heard(combined) == [{"stream": "btcusdt@trade", "data": one}]
                assert await heard(asked) == [one]
                await asked.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 8})
                await asked.send_json(
                    {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 9}
                )
                assert await heard(asked) == [
                    {"result": ["btcusdt@trade"], "id": 8},
                    {"result": None, "id": 9},
                ]
                hand.trade("100.0", "1", sold=True)
                assert await heard(asked) == []

    run(test)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"method":"SUBSCRIBE","params":["btcusdt@magic"]}',
        '{"method":"X"}',
        '{"method":"SUBSCRIBE","params":[1]}',
        '{"method":"SUBSCRIBE"}',
    ],
)
def test_a_wrong_request_on_a_stream_is_answered_with_an_error(text: str) -> None:
    async def test() -> None:
        async with (
            served() as (server, _hand, rest),
            rest.session.ws_connect(server.ws_url + "/fstream/ws") as socket,
        ):
            await socket.send_str(text)
            (answer,) = await heard(socket)
            assert answer["error"]["code"] in (2, 3)

    run(test)


def test_a_slow_depth_stream_merges_the_events_of_its_interval() -> None:
    async def test() -> None:
        async with (
            served() as (server, hand, rest),
            rest.session.ws_connect(
                server.ws_url + "/fstream/stream?streams=btcusdt@depth@100ms/btcusdt@depth@0ms"
            ) as socket,
        ):
            hand.venue.clock.advance(START_MS * 1000 + 200_000)
            hand.depth(bids=[("99.5", "1")], asks=[("101.5", "2")])
            hand.depth(bids=[("99.5", "0"), ("99.4", "3")])
            hand.venue.clock.advance(hand.venue.clock.now_us + 100_000)
            found = await heard(socket)
            raw = [
                f["data"] for f in found if f["stream"].endswith("0ms") and "@0ms" in f["stream"]
            ]
            (merged,) = [f["data"] for f in found if "@100ms" in f["stream"]]
            assert [(e["pu"], e["U"], e["u"]) for e in raw] == [(101, 102, 102), (102, 103, 103)]
            assert (merged["pu"], merged["U"], merged["u"]) == (101, 102, 103)
            assert merged["b"] == [["99.5", "0"], ["99.4", "3"]]
            assert merged["a"] == [["101.5", "2"]]

    run(test)


def test_prints_of_one_order_are_one_aggregate_trade() -> None:
    async def test() -> None:
        async with (
            served() as (server, hand, rest),
            rest.session.ws_connect(server.ws_url + "/fstream/ws/btcusdt@aggTrade") as socket,
        ):
            now_us = hand.venue.clock.now_us
            for price, qty in (("101.0", "1"), ("101.0", "0.5"), ("102.0", "2")):
                hand._print += 1
                hand.push(Trade(SYMBOL, hand._print, price, qty, False, now_us), 0)
            hand.venue.clock.advance(now_us + 10_000)
            found = [(t["p"], t["q"], t["f"], t["l"]) for t in await heard(socket)]
            assert found == [("101.0", "1.500", 1, 2), ("102.0", "2.000", 3, 3)]

    run(test)


def test_faults_of_streams_are_what_they_say() -> None:
    async def test() -> None:
        async with (
            served() as (server, hand, rest),
            rest.session.ws_connect(server.ws_url + "/fstream/ws/btcusdt@depth@0ms") as socket,
        ):
            switch(server, "depth_gap", 1)
            hand.depth(bids=[("99.5", "1")])
            hand.depth(bids=[("99.5", "2")])
            (event,) = await heard(socket)
            assert event["pu"] == 102  # the one with u = 102 was left out
            switch(server, "silent", 1)
            hand.depth(bids=[("99.5", "3")])
            assert await heard(socket) == []
            switch(server, "silent", 0)
            switch(server, "cut_sockets", 1)
            assert (await heard(socket))[0] in (
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.ERROR,
            )

    run(test)


def test_a_listen_key_lives_as_long_as_it_is_kept() -> None:
    async def test() -> None:
        async with served() as (server, hand, rest):
            _, answer = await rest.send("POST", "/fapi/v1/listenKey", signed=False)
            key = answer["listenKey"]
            async with rest.session.ws_connect(f"{server.ws_url}/fstream/ws/{key}") as socket:
                hand.buy("1", "99.0", client_id="a")
                (event,) = await heard(socket)
                assert (event["e"], event["o"]["c"], event["o"]["x"]) == (
                    "ORDER_TRADE_UPDATE",
                    "a",
                    "NEW",
                )
                clock = hand.venue.clock
                clock.advance(clock.now_us + 3_000_000_000)
                await rest.send("PUT", "/fapi/v1/listenKey", signed=False)
                clock.advance(clock.now_us + 3_000_000_000)
                hand.buy("1", "99.0", client_id="b")
                assert len(await heard(socket)) == 1
                clock.advance(clock.now_us + 1_000_000_000)
                (event,) = await heard(socket)
                assert (event["e"], event["listenKey"]) == ("listenKeyExpired", key)
                hand.buy("1", "99.0", client_id="c")
                assert await heard(socket) == []
                found = await rest.send("PUT", "/fapi/v1/listenKey", signed=False)
                assert found[1]["code"] == -1125

    run(test)


def test_faults_and_steps_can_be_asked_for_over_http() -> None:
    async def test() -> None:
        async with served() as (server, hand, rest):
            post, url = rest.session.post, server.url + "/paper/v1/"
            async with post(url + "fault", json={"kind": "status", "method": "GET", "status": 502}):
                pass
            assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 502
            assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 200
            before = hand.venue.clock.now_us
            async with post(url + "step", json={"us": 5000}) as answer:
                assert (await answer.json())["time_us"] == before + 5000
            for path, body in (
                ("fault", {"kind": "x"}),
                ("switch", {"x": 1}),
                ("step", {"us": "1"}),
            ):
                async with post(url + path, json=body) as answer:
                    assert answer.status == 400
                    assert "expected" in (await answer.json())["error"]

    run(test)


def capture_settings(**changes: Any) -> PaperSettings:
    market = MarketSettings(captures=(str(CAPTURE),))
    return PaperSettings(usdm=market, stepped=True, rebase=False, **changes)


def test_the_book_of_a_played_capture_agrees_with_the_exchanges_own_quotes() -> None:
    venue = PaperVenue(capture_settings(), lambda: START_MS)
    exchange = venue.markets["usdm"].exchange
    book = exchange.books["BTCUSDT"]
    scale, lots = book.spec.prices, book.spec.lots
    frames = [f for f in read_frames([str(CAPTURE)]) if not isinstance(f, Refusal)]
    messages = [parse(frame.payload) for frame in frames]
    quotes = sorted((m for m in messages if isinstance(m, BookTicker)), key=lambda m: m.update_id)
    ids = [quote.update_id for quote in quotes]
    checked = wrong = 0
    for message in messages:
        assert venue.step_events(1) == 1
        if not isinstance(message, DepthUpdate) or not book.synced:
            continue
        bid, ask = book.bids.best(), book.asks.best()
        at = bisect_right(ids, message.last_id) - 1
        if bid is None or ask is None or at < 0 or ids[at] <= (message.prev_id or 0):
            continue
        quote = quotes[at]
        expected = (
            scale.units(quote.bid),
            lots.units(quote.bid_qty),
            scale.units(quote.ask),
            lots.units(quote.ask_qty),
        )
        checked += 1
        wrong += (*bid, *ask) != expected
    assert venue.ended
    assert checked > 500
    assert (wrong, book.gaps, book.bad) == (0, 0, 0)


def played(steps: int) -> list[tuple[object, ...]]:
    venue = PaperVenue(capture_settings(), lambda: START_MS)
    exchange = venue.markets["usdm"].exchange
    spec, number = exchange.specs["BTCUSDT"], 0
    while not venue.ended:
        venue.step_events(steps)
        number += 1
        mark = exchange.books["BTCUSDT"].mark_ticks
        if mark is not None and exchange.books["BTCUSDT"].synced and number % 3 == 0:
            side = 1 if number % 2 else -1
            exchange.submit(NewOrder(spec, side, "LIMIT", 20, mark - side * (number % 5)))
    return [
        (o.order_id, f.price_ticks, f.qty_lots, f.maker, f.time_us) for o, f in exchange.own_fills
    ]


def test_a_capture_and_its_orders_always_give_the_same_fills() -> None:
    first = played(150)
    assert len(first) > 20
    assert {maker for _, _, _, maker, _ in first} == {True, False}
    assert first == played(150)


def test_a_capture_moved_to_now_keeps_its_distances() -> None:
    plain = list(CaptureSource([str(CAPTURE)]))
    moved = list(CaptureSource([str(CAPTURE)], START_MS * 1000))
    assert moved[0].time_us == START_MS * 1000
    shift = moved[0].time_us - plain[0].time_us
    assert all(b.time_us - a.time_us == shift for a, b in zip(plain, moved, strict=True))
    assert all(b.time_us >= a.time_us for a, b in pairwise(plain))


@pytest.mark.parametrize("speed", ["1", "10", "0"])
def test_a_replay_keeps_the_speed_it_is_given(speed: str) -> None:
    async def test() -> None:
        now_s = 0.0
        given = capture_settings().model_copy(update={"stepped": False, "speed": Decimal(speed)})
        venue = PaperVenue(given, lambda: START_MS)
        start_us = venue.clock.now_us
        playing = asyncio.ensure_future(Replay(venue, lambda: now_s).run())
        await asyncio.sleep(0)  # it begins at 0
        for now_s in (0.5, 1.0, 2.0):
            target = start_us + int(now_s * float(speed) * 1e6)
            for _ in range(2000):
                await asyncio.sleep(0.001)
                if venue.clock.now_us >= target and (speed != "0" or venue.ended):
                    break
            assert venue.clock.now_us == target or speed == "0"
        assert venue.ended == (speed == "0")
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)

    run(test)


def test_a_server_plays_a_capture_to_its_streams() -> None:
    async def test() -> None:
        async with (
            PaperServer(capture_settings(), lambda: START_MS) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url + "/fstream/ws/btcusdt@depth@0ms") as socket,
        ):
            server.venue.step_events(2000)
            found = await heard(socket)
        sent = [
            m
            for f in list(read_frames([str(CAPTURE)]))[:2000]
            if not isinstance(f, Refusal) and isinstance(m := parse(f.payload), DepthUpdate)
        ]
        assert [e["u"] for e in found] == [m.last_id for m in sent]
        assert [e["b"] for e in found] == [m.bids for m in sent]

    run(test)
