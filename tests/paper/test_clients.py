# SPDX-License-Identifier: Apache-2.0
"""Three clients that others wrote, pointed at the paper venue: ccxt, python-binance and the
venue's own connector. What they say of orders and accounts is compared with the venue itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import binance
import ccxt
import ccxt.pro
import pytest
from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from binance_sdk_spot import Spot

from host.paper.server import PaperServer
from tests.paper.market import Hand, qty
from tests.paper.rest import KEY, SECRET, run, served

MARKETS = {"usdm": "BTC/USDT:USDT", "spot": "BTC/USDT"}
PREFIX = {"usdm": "/fapi/v1/", "spot": "/api/v3/"}


def ccxt_client(server: PaperServer, market: str) -> Any:
    kind = ccxt.pro.binanceusdm if market == "usdm" else ccxt.pro.binance
    types = ["linear"] if market == "usdm" else ["spot"]
    client = kind(
        {
            "apiKey": KEY,
            "secret": SECRET,
            "rateLimiterAlgorithm": "rollingWindow",
            "options": {
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": types},
                "defaultType": "swap" if market == "usdm" else "spot",
            },
        }
    )
    api = {
        name: server.url + "/fapi/" + url.rsplit("/", 1)[1]
        for name, url in client.urls["api"].items()
        if name.startswith("fapi")
    }
    rest, ws = server.url, server.ws_url
    client.urls["api"] = {
        **api,
        "public": rest + "/api/v3",
        "private": rest + "/api/v3",
        "ws": {
            "spot": ws + "/stream-spot/ws",
            "linear": ws + "/fstream/ws",
            "ws-api": {"spot": ws + "/ws-api/v3", "linear": ws + "/ws-fapi/v1"},
        },
    }
    client.milliseconds = lambda: server.venue.now_ms
    return client


def with_ccxt(market: str, test: Callable[[PaperServer, Hand, Any, str], Any]) -> None:
    async def body() -> None:
        async with served(market=market) as (server, hand, _):
            client = ccxt_client(server, market)
            try:
                await test(server, hand, client, MARKETS[market])
            finally:
                await client.close()

    run(body)


both = pytest.mark.parametrize("market", ["usdm", "spot"])


@both
def test_ccxt_reads_the_market(market: str) -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        await client.load_markets()
        found = client.market(symbol)
        assert found["precision"]["amount"] == 0.001
        assert found["precision"]["price"] == 0.1
        assert found["limits"]["cost"]["min"] == 5
        book = await client.fetch_order_book(symbol)
        assert (book["bids"], book["asks"]) == ([[100, 5], [99, 10]], [[101, 4], [102, 8]])
        hand.trade("101.0", "0.5", sold=False)
        (trade,) = await client.fetch_trades(symbol)
        assert (trade["price"], trade["amount"], trade["side"]) == (101, 0.5, "buy")
        ticker = await client.fetch_ticker(symbol)
        assert ticker["last"] == 101
        assert await client.fetch_time() == server.venue.now_ms

    with_ccxt(market, test)


@both
def test_ccxt_orders_run_their_course(market: str) -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        order = await client.create_order(symbol, "limit", "buy", 2, 99, {"clientOrderId": "one"})
        assert (order["status"], order["clientOrderId"], order["filled"]) == ("open", "one", 0)
        (opened,) = await client.fetch_open_orders(symbol)
        assert opened["id"] == order["id"]
        hand.trade("98.9", "0.5", sold=True)
        seen = await client.fetch_order(order["id"], symbol)
        assert (seen["filled"], seen["remaining"], seen["average"]) == (0.5, 1.5, 99)
        gone = await client.cancel_order(order["id"], symbol)
        assert (gone["status"], gone["filled"]) == ("canceled", 0.5)
        taken = await client.create_order(symbol, "market", "buy", 1)
        assert (taken["status"], taken["average"]) == ("closed", 101)
        trades = await client.fetch_my_trades(symbol)
        assert [(t["price"], t["amount"], t["takerOrMaker"]) for t in trades] == [
            (99, 0.5, "maker"),
            (101, 1, "taker"),
        ]
        balance = await client.fetch_balance()
        if market == "spot":
            free = hand.market.account.free
            assert balance["BTC"]["free"] == float(free["BTC"])
            assert balance["USDT"]["free"] == float(free["USDT"])
        else:
            (position,) = await client.fetch_positions([symbol])
            assert (position["contracts"], position["side"]) == (1.5, "long")
            account = hand.market.account
            worth = account.wallet["USDT"] + account.profit("USDT")
            assert balance["USDT"]["total"] == pytest.approx(float(worth), abs=1e-8)

    with_ccxt(market, test)


@both
def test_ccxt_names_the_refusals(market: str) -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        await client.load_markets()
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("77", symbol)
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order("77", symbol)
        with pytest.raises((ccxt.InsufficientFunds, ccxt.ExchangeError)):
            await client.create_order(symbol, "limit", "buy", 900, 150)
            await client.create_order(symbol, "limit", "buy", 900000, 150)
        client.secret = "wrongsecret"
        with pytest.raises(ccxt.AuthenticationError):
            await client.fetch_balance()

    with_ccxt(market, test)


def test_ccxt_amends_and_stops_futures_orders() -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        order = await client.create_order(symbol, "limit", "buy", 2, 99)
        changed = await client.edit_order(order["id"], symbol, "limit", "buy", 1, 98)
        assert (changed["id"], changed["price"], changed["amount"]) == (order["id"], 98, 1)
        await client.create_order(symbol, "market", "buy", 1)
        stop = await client.create_order(
            symbol, "market", "sell", 1, None, {"stopLossPrice": 95, "reduceOnly": True}
        )
        assert (await client.fetch_open_orders(symbol, params={"trigger": True}))[0]["id"] == stop[
            "id"
        ]
        hand.trade("95.0", "1", sold=True)
        position = hand.market.account.position(hand.exchange.specs["BTCUSDT"])
        assert position.lots == 1000  # 1 bought at market, 1 at 98 by the print, 1 sold by the stop
        assert not await client.fetch_open_orders(symbol, params={"trigger": True})
        assert await client.set_leverage(9, symbol)
        assert await client.fapiPrivatePostCountdownCancelAll(
            {"symbol": "BTCUSDT", "countdownTime": 1000}
        )

    with_ccxt("usdm", test)


@both
def test_ccxt_pro_follows_book_and_trades(market: str) -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        watching = asyncio.ensure_future(client.watch_order_book(symbol))
        streams = hand.market.streams
        while not streams._listeners:
            await asyncio.sleep(0.001)
        while not watching.done():  # the client joins its snapshot with events
            hand.depth(bids=[("100.0", "6")])
            server.venue.clock.advance(server.venue.clock.now_us + 1_000_000)
            await asyncio.sleep(0.01)
        book = await watching
        assert book["bids"][0] == [100, 6]
        hand.depth(bids=[("100.5", "1")], asks=[("101.0", "0")])
        server.venue.clock.advance(server.venue.clock.now_us + 1_000_000)
        while book["bids"][0] != [100.5, 1]:
            book = await client.watch_order_book(symbol)
        assert book["asks"][0] == [102, 8]
        trades = asyncio.ensure_future(client.watch_trades(symbol))
        while not any("trade" in name.lower() for name in streams._listeners):
            await asyncio.sleep(0.001)
        hand.trade("100.5", "0.2", sold=True)
        server.venue.clock.advance(server.venue.clock.now_us + 10_000)
        (trade,) = await trades
        assert (trade["price"], trade["amount"], trade["side"]) == (100.5, 0.2, "sell")

    with_ccxt(market, test)


async def watching(client: Any, method: str, *args: str) -> asyncio.Future[Any]:
    """What ``client.watch_<method>`` is told next, once it is waiting for it: ccxt keeps
    nothing for who comes after a message."""
    told = asyncio.ensure_future(getattr(client, f"watch_{method}")(*args))
    while not any(method in name for ws in client.clients.values() for name in ws.futures):
        if told.done():
            told.result()  # what went wrong
        await asyncio.sleep(0.001)
    return told


@both
def test_ccxt_pro_follows_own_orders_and_balances(market: str) -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        orders = await watching(client, "orders", symbol)
        balances = await watching(client, "balance")
        while not hand.market.user_connections:
            await asyncio.sleep(0.001)
        hand.buy("2", "99.0", client_id="mine")
        (order,) = await orders
        assert (order["clientOrderId"], order["status"]) == ("mine", "open")
        if market == "spot":  # a new order locks what it may cost; a future's only fills tell
            assert (await balances)["USDT"]["used"] == 198
            balances = await watching(client, "balance")
        orders = await watching(client, "orders", symbol)
        hand.trade("98.9", "0.5", sold=True)
        (order,) = await orders
        assert (order["filled"], order["average"]) == (0.5, 99)
        balance = await balances
        if market == "spot":
            assert balance["BTC"]["free"] == float(hand.market.account.free["BTC"])
        else:
            assert balance["USDT"]["total"] == float(hand.market.account.wallet["USDT"])

    with_ccxt(market, test)


@both
def test_ccxt_pro_places_orders_over_the_websocket_api(market: str) -> None:
    async def test(server: PaperServer, hand: Hand, client: Any, symbol: str) -> None:
        order = await client.create_order_ws(symbol, "limit", "buy", 1, 99, {"clientOrderId": "w"})
        assert order["clientOrderId"] == "w"
        gone = await client.cancel_order_ws(order["id"], symbol)
        assert gone["status"] == "canceled"
        assert [o.status for o in hand.exchange.orders.values()] == ["CANCELED"]

    with_ccxt(market, test)


def machine_ms() -> int:
    return time.time_ns() // 1_000_000


def python_binance(server: PaperServer) -> binance.Client:
    client = binance.Client(KEY, SECRET, ping=False)
    client.API_URL = server.url + "/api"
    client.FUTURES_URL = server.url + "/fapi"
    return client


@both
def test_python_binance_trades(market: str) -> None:
    async def body() -> None:
        # this client has no clock but the machine's
        async with served(market=market, now_ms=machine_ms) as (server, hand, _):
            client = python_binance(server)

            def trade() -> None:
                name = "futures_" if market == "usdm" else ""

                def call(what: str, **params: Any) -> Any:
                    return getattr(client, name + what)(**params)

                info = call("exchange_info" if name else "get_exchange_info")
                assert info["symbols"][0]["symbol"] == "BTCUSDT"
                common = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1"}
                order = call(
                    "create_order",
                    **common,
                    timeInForce="GTC",
                    price="99.0",
                    newClientOrderId="pb-1",
                )
                assert order["clientOrderId"] == "pb-1"
                seen = call("get_order", symbol="BTCUSDT", origClientOrderId="pb-1")
                assert seen["status"] == "NEW"
                gone = call("cancel_order", symbol="BTCUSDT", origClientOrderId="pb-1")
                assert gone["status"] == "CANCELED"
                common["type"] = "MARKET"
                order = call("create_order", **common, newOrderRespType="RESULT")
                assert order["status"] == "FILLED"
                if name:
                    (risk,) = client.futures_position_information(symbol="BTCUSDT")
                    assert float(risk["positionAmt"]) == 1
                    assert len(client.futures_account_trades(symbol="BTCUSDT")) == 1
                else:
                    assert float(client.get_asset_balance("BTC")["free"]) == 10.9995
                    assert len(client.get_my_trades(symbol="BTCUSDT")) == 1
                with pytest.raises(binance.exceptions.BinanceAPIException) as refused:
                    call("get_order", symbol="BTCUSDT", origClientOrderId="nope")
                assert refused.value.code == -2013

            await asyncio.to_thread(trade)
            assert [qty(o) for o in hand.exchange.orders.values()] == [0, 1]

    run(body)


@both
def test_the_venues_connector_trades(market: str) -> None:
    async def body() -> None:
        async with served(market=market) as (server, hand, _):
            base = server.url
            given = ConfigurationRestAPI(api_key=KEY, api_secret=SECRET, base_path=base, retries=0)

            def trade() -> None:
                if market == "usdm":
                    api = DerivativesTradingUsdsFutures(config_rest_api=given).rest_api
                else:
                    api = Spot(config_rest_api=given).rest_api
                order = api.new_order(
                    symbol="BTCUSDT",
                    side="BUY",
                    type="LIMIT",
                    time_in_force="GTC",
                    quantity=1.0,
                    price=99.0,
                    new_client_order_id="bc-1",
                ).data()
                assert order.client_order_id == "bc-1"
                if market == "usdm":
                    seen = api.query_order("BTCUSDT", orig_client_order_id="bc-1").data()
                    gone = api.cancel_order("BTCUSDT", orig_client_order_id="bc-1").data()
                else:
                    seen = api.get_order("BTCUSDT", orig_client_order_id="bc-1").data()
                    gone = api.delete_order("BTCUSDT", orig_client_order_id="bc-1").data()
                assert (seen.status, gone.status) == ("NEW", "CANCELED")
                if market == "usdm":
                    (balance,) = api.futures_account_balance_v3().data()
                    assert balance.asset == "USDT"
                else:
                    account = api.get_account().data()
                    assert {b.asset for b in account.balances} == {"BTC", "USDT"}

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("binance_common.utils.get_timestamp", lambda: server.venue.now_ms)
                await asyncio.to_thread(trade)
            assert len(hand.exchange.orders) == 1

    run(body)
