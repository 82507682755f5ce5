# SPDX-License-Identifier: Apache-2.0
"""Our venue object against the paper venue: what it reports, and how each failure is named."""

from decimal import Decimal

import pytest
from aiohttp import web

from host.paper.faults import Fault
from host.paper.settings import KeySettings
from host.venues.ccxt_venue import CcxtVenue
from host.venues.hosts import Mode, ModeError
from host.venues.interface import Busy, OrderRequest, Refused, Status, Unknown
from host.venues.keys import Credentials
from tests.paper.market import START_MS, settings
from tests.paper.rest import run, served
from tests.venues.desk import connected, desk

D = Decimal
both = pytest.mark.parametrize("market", ["usdm", "spot"])


def limit(symbol: str, name: str = "t1", **more: object) -> OrderRequest:
    values = {"side": "buy", "qty": D(2), "price": D(99), **more}
    return OrderRequest(name, symbol, **values)  # type: ignore[arg-type]


@both
def test_orders_are_placed_found_and_cancelled_by_our_own_id(market: str) -> None:
    async def test() -> None:
        async with desk(market) as (_, hand, venue, symbol):
            asked = limit(symbol)
            report = await venue.create(asked)
            assert (report.client_id, report.status, report.filled) == ("t1", Status.OPEN, 0)
            hand.trade("98.9", "0.5", sold=True)
            report = await venue.query(asked)
            assert report is not None
            assert (report.filled, report.cost) == (D("0.5"), D("49.5"))
            (opened,) = await venue.open_orders(symbol)
            assert opened.client_id == "t1"
            gone = await venue.cancel(asked)
            assert gone is not None
            assert (gone.status, gone.filled) == (Status.CANCELED, D("0.5"))
            assert await venue.cancel(asked) is None
            assert await venue.query(limit(symbol, "other")) is None
            (fill,) = await venue.fills(symbol, START_MS - 20 * 86_400_000)
            assert (fill.price, fill.qty, fill.maker) == (D(99), D("0.5"), True)
            (booked,) = [f for _, f in hand.exchange.own_fills]
            assert fill.fee == booked.commission

    run(test)


@both
def test_amounts_come_back_exactly(market: str) -> None:
    async def test() -> None:
        async with desk(market) as (_, hand, venue, symbol):
            await venue.create(limit(symbol, qty=D("1.234"), price=D("102.0"), tif="IOC"))
            balances = {b.asset: b for b in await venue.balances()}
            account = hand.market.account
            if market == "spot":
                assert balances["BTC"].free == account.free["BTC"]
                assert balances["USDT"].free == account.free["USDT"]
                assert (await venue.positions([symbol]))[0].qty == account.free["BTC"]
            else:
                (position,) = await venue.positions([symbol])
                assert (position.qty, position.entry) == (D("1.234"), D(101))

    run(test)


def test_stops_are_orders_like_others() -> None:
    async def test() -> None:
        async with desk() as (_, hand, venue, symbol):
            await venue.create(limit(symbol, "entry", price=None))
            stop = limit(symbol, "stop", side="sell", price=None, trigger=D(95), reduce_only=True)
            assert (await venue.create(stop)).status is Status.OPEN
            found = await venue.query(stop)
            assert found is not None and found.status is Status.OPEN
            assert [o.client_id for o in await venue.open_orders(symbol)] == ["stop"]
            assert await venue.cancel(stop) is not None
            await venue.create(limit(symbol, "again", side="sell", price=None, trigger=D(95)))
            await venue.create(limit(symbol, "rest"))
            await venue.cancel_all(symbol)
            assert await venue.open_orders(symbol) == []
            assert not hand.exchange.open

    run(test)


@both
@pytest.mark.parametrize(
    ("change", "code"),
    [({"qty": D(900000), "price": D(150)}, None), ({"tif": "GTX", "price": D(101)}, None)],
)
def test_a_refusal_is_one(market: str, change: dict[str, object], code: object) -> None:
    async def test() -> None:
        async with desk(market) as (_, hand, venue, symbol):
            with pytest.raises(Refused):
                await venue.create(limit(symbol, **change))
            assert not hand.exchange.orders

    run(test)


@pytest.mark.parametrize(
    "kind", ["drop_before", "drop_during", "drop_after", "hang_after", "status_after"]
)
def test_a_lost_answer_is_unknown_and_is_not_sent_again(kind: str) -> None:
    async def test() -> None:
        async with desk() as (server, hand, venue, symbol):
            venue.exchange.timeout = 300
            server.venue.faults.arm(Fault(kind, "POST", "/order"))
            with pytest.raises(Unknown):
                await venue.create(limit(symbol))
            assert len(hand.exchange.orders) == (0 if kind == "drop_before" else 1)
            found = await venue.query(limit(symbol))
            assert (found is None) == (kind == "drop_before")

    run(test)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_errors_of_the_server_are_unknown(status: int) -> None:
    async def test() -> None:
        async with desk() as (server, _, venue, symbol):
            server.venue.faults.arm(Fault("status", "POST", "/order", status=status))
            with pytest.raises(Unknown):
                await venue.create(limit(symbol))

    run(test)


@pytest.mark.parametrize("status", [429, 418])
def test_a_full_venue_is_left_alone_as_long_as_it_says(status: int) -> None:
    async def test() -> None:
        async with desk() as (server, hand, venue, symbol):
            fault = Fault("status", "POST", "/order", status=status, retry_after_s=37)
            server.venue.faults.arm(fault)
            with pytest.raises(Busy) as busy:
                await venue.create(limit(symbol))
            assert busy.value.retry_after_s == 37
            with pytest.raises(Busy, match="weight"):
                await venue.create(limit(symbol))
            assert not hand.exchange.orders

    run(test)


def test_a_second_order_of_the_same_name_is_unknown_not_new() -> None:
    async def test() -> None:
        async with desk() as (_, hand, venue, symbol):
            await venue.create(limit(symbol))
            with pytest.raises(Unknown):
                await venue.create(limit(symbol))
            assert len(hand.exchange.orders) == 1

    run(test)


def test_a_clock_that_runs_off_is_refused_and_measured_anew() -> None:
    async def test() -> None:
        async with desk() as (server, _, venue, symbol):
            server.venue.skew_ms = 40_000
            with pytest.raises(Refused) as refused:
                await venue.create(limit(symbol))
            assert refused.value.code == "clock"
            assert await venue.clock_offset_ms() == 40_000
            await venue.create(limit(symbol))

    run(test)


def test_weight_is_read_from_the_answers() -> None:
    async def test() -> None:
        async with desk() as (server, _, venue, symbol):
            server.venue.markets["usdm"].limiter.request(900, server.venue.now_ms)  # others
            await venue.create(limit(symbol))
            assert venue.weights.used >= 900
            server.venue.markets["usdm"].limiter.request(700, server.venue.now_ms)
            await venue.create(limit(symbol, "t2"))
            with pytest.raises(Busy):  # 2400 x 0.8 x 0.75 = 1440 are ours for new orders
                await venue.create(limit(symbol, "t3"))
            assert await venue.cancel(limit(symbol)) is not None  # what reduces risk still goes

    run(test)


def test_keys_that_may_withdraw_are_refused() -> None:
    async def test() -> None:
        keys = (KeySettings(key="paperkey", secret="papersecret", withdraw=True),)
        for market in ("usdm", "spot"):
            given = settings(market).model_copy(update={"keys": keys})
            async with served(given, market) as (server, _hand, _rest):
                venue = connected(server, market)
                try:
                    with pytest.raises(Refused, match="may not withdraw"):
                        await venue.start()
                finally:
                    await venue.close()

    run(test)


def test_no_error_shows_a_key() -> None:
    async def test() -> None:
        async with desk() as (server, _, venue, symbol):
            server.venue.faults.arm(Fault("drop_before", "POST", "/order"))
            with pytest.raises(Unknown) as unknown:
                await venue.create(limit(symbol))
            for secret in ("paperkey", "papersecret"):
                assert secret not in str(unknown.value)
                assert secret not in repr(venue)

    run(test)


@pytest.mark.parametrize(("method", "ask"), [("GET", "query"), ("DELETE", "cancel")])
def test_no_request_is_sent_twice_by_the_library_below(method: str, ask: str) -> None:
    async def test() -> None:
        async with desk() as (server, _, venue, symbol):
            await venue.create(limit(symbol))
            server.venue.faults.arm(Fault("drop_before", method, "/order", 5))
            with pytest.raises(Unknown):
                await getattr(venue, ask)(limit(symbol))
            assert server.venue.faults.hits == {"drop_before": 1}

    run(test)


def test_a_redirection_to_another_host_is_not_followed() -> None:
    reached = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.path)
        raise web.HTTPFound("http://localhost:1/fapi/v1/time")

    async def test() -> None:
        app = web.Application()
        app.router.add_get("/fapi/v1/time", elsewhere)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        keys = Credentials("paperkey", "papersecret")
        url = f"http://127.0.0.1:{port}"
        venue = CcxtVenue("binanceusdm", Mode.PAPER, keys, lambda: 0, url)
        try:
            with pytest.raises(ModeError, match="redirection"):
                await venue.clock_offset_ms()
        finally:
            await venue.close()
            await runner.cleanup()
        assert len(reached) == 1

    run(test)
