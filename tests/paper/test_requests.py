# SPDX-License-Identifier: Apache-2.0
"""Signatures, clocks, refusals and limits as the venue's documents state them."""

import asyncio
import base64
import hashlib
import hmac
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from host.paper.auth import ApiKey
from host.paper.settings import KeySettings
from tests.paper.market import START_MS, settings
from tests.paper.rest import Rest, run, served

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
GOOD = {**ORDER, "quantity": "1", "price": "99.0"}


def test_the_example_of_the_venues_documents_verifies() -> None:
    # developers.binance.com, "SIGNED Endpoint Examples for POST /api/v3/order", HMAC keys
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
    )
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    key = ApiKey("k" * 64, secret)
    assert key.verify(payload.encode(), signature)
    assert not key.verify(payload.replace("price=0.1", "price=0.2").encode(), signature)
    assert secret not in repr(key)


@pytest.mark.parametrize("body", [False, True])
def test_a_signature_is_checked_in_query_and_body(body: bool) -> None:
    async def test() -> None:
        async with served() as (_, hand, rest):
            status, answer = await rest.send("POST", "/fapi/v1/order", GOOD, body=body)
            assert (status, answer["status"]) == (200, "NEW")
            status, answer = await rest.send(
                "POST", "/fapi/v1/order", GOOD, body=body, sign=lambda query: "0" * 64
            )
            assert (status, answer["code"]) == (400, -1022)
            assert len(hand.exchange.orders) == 1

    run(test)


def test_a_query_and_a_body_are_signed_as_one() -> None:
    async def test() -> None:
        async with served() as (_, _hand, rest):
            query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
            body = f"quantity=1&price=99.0&timestamp={START_MS}"
            signed = hmac.new(b"papersecret", (query + body).encode(), hashlib.sha256).hexdigest()
            async with rest.session.post(
                f"{rest.base}/fapi/v1/order?{query}",
                data=f"{body}&signature={signed}",
                headers={
                    "X-MBX-APIKEY": "paperkey",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            ) as answer:
                assert answer.status == 200, await answer.text()

    run(test)


def test_keys_with_ed25519_and_rsa_sign_as_well() -> None:
    first = ed25519.Ed25519PrivateKey.generate()
    second = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = [
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        for key in (first, second)
    ]
    keys = (
        KeySettings(key="edwards-key", secret=pem[0]),
        KeySettings(key="rsa-key-1", secret=pem[1]),
    )

    def edwards(query: str) -> str:
        return base64.b64encode(first.sign(query.encode())).decode()

    def pkcs(query: str) -> str:
        made = second.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(made).decode()

    async def test() -> None:
        given = settings().model_copy(update={"keys": keys})
        async with served(given) as (_, _hand, rest):
            for key, sign in (("edwards-key", edwards), ("rsa-key-1", pkcs)):
                answer = await rest.send("POST", "/fapi/v1/order", GOOD, key=key, sign=sign)
                assert answer[0] == 200, answer
            _status, answer = await rest.send(
                "POST", "/fapi/v1/order", GOOD, key="edwards-key", sign=pkcs
            )
            assert answer["code"] == -1022

    run(test)


@pytest.mark.parametrize(
    ("sent_ms", "window", "code"),
    [
        (START_MS - 5000, None, None),
        (START_MS - 5001, None, -1021),
        (START_MS + 999, None, None),
        (START_MS + 1000, None, -1021),
        (START_MS - 59_000, 60_000, None),
        (START_MS, 60_001, -1131),
        (START_MS - 10, 5, -1021),
        ("soon", None, -1102),
    ],
)
def test_a_request_must_come_in_its_window(
    sent_ms: object, window: int | None, code: int | None
) -> None:
    async def test() -> None:
        async with served() as (_, _hand, rest):
            params = {"timestamp": sent_ms} | ({"recvWindow": window} if window else {})
            _, answer = await rest.send("GET", "/fapi/v2/balance", params)
            assert (answer["code"] if isinstance(answer, dict) else None) == code

    run(test)


def test_keys_are_asked_for_and_known_and_may_not_do_everything() -> None:
    async def test() -> None:
        keys = (KeySettings(key="reader-key", secret="papersecret", trade=False),)
        given = settings().model_copy(update={"keys": keys})
        async with served(given) as (_, _hand, rest):
            for key, status, code in (
                (None, 401, -2014),
                ("bad", 401, -2014),
                ("x" * 20, 401, -2015),
            ):
                found = await rest.send("GET", "/fapi/v2/balance", key=key)
                assert (found[0], found[1]["code"]) == (status, code)
            assert (await rest.send("GET", "/fapi/v2/balance", key="reader-key"))[0] == 200
            found = await rest.send("POST", "/fapi/v1/order", GOOD, key="reader-key")
            assert found[1]["code"] == -2015

    run(test)


USDM_REFUSALS = [
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"type": "MAGIC"}, -1116, "Invalid orderType."),
    ({"timeInForce": "NOW"}, -1115, "Invalid timeInForce."),
    ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent"),
    ({"price": None}, -1102, "Mandatory parameter 'price' was not sent"),
    ({"price": "abc"}, -1100, "Illegal characters found in parameter 'price'"),
    ({"price": "99.05"}, -4014, "Price not increased by tick size."),
    ({"price": "99.005"}, -1111, "Precision is over the maximum"),
    ({"quantity": "0.0001"}, -1111, "Precision is over the maximum"),
    ({"quantity": "0"}, -4003, "Quantity less than or equal to zero."),
    ({"quantity": "1001"}, -4005, "Quantity greater than max quantity."),
    ({"price": "0"}, -4013, "Price less than min price."),
    ({"price": "250"}, -4016, "Limit price can't be higher than"),
    ({"quantity": "0.01"}, -4164, "Order's notional must be no smaller than 5"),
    ({"quantity": "900", "price": "101.0"}, None, ""),
    ({"newClientOrderId": "a b"}, -1100, "Illegal characters"),
    ({"newClientOrderId": "x" * 37}, -1100, "Illegal characters"),
    ({"type": "STOP_MARKET", "stopPrice": "90"}, -4120, "Algo Order API"),
    ({"reduceOnly": "true"}, -2022, "ReduceOnly Order is rejected."),
    ({"positionSide": "LONG"}, -4061, "does not match user's setting"),
    ({"timeInForce": "GTX", "price": "101.0"}, -5022, "Post Only order will be rejected"),
    ({"timeInForce": "FOK", "price": "101.0", "quantity": "5"}, -5021, "FOK order"),
    ({"quantity": "1000", "price": "150.0", "leverage": "1"}, None, ""),
]


@pytest.mark.parametrize(("change", "code", "text"), USDM_REFUSALS)
def test_futures_refuse_with_the_venues_code_and_text(
    change: dict[str, str | None], code: int | None, text: str
) -> None:
    async def test() -> None:
        async with served() as (_, hand, rest):
            params = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
            status, answer = await rest.send("POST", "/fapi/v1/order", params)
            if code is None:
                assert status == 200, answer
                return
            assert (status, answer["code"]) == (400, code)
            assert text in answer["msg"]
            assert not hand.exchange.orders

    run(test)


SPOT_REFUSALS = [
    ({"quantity": "0.0001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"price": "99.05"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "99.000000001"}, -1111, "Precision is over"),
    ({"quantity": "0.01"}, -1013, "Filter failure: NOTIONAL"),
    ({"price": "250"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "900"}, -2010, "Account has insufficient balance for requested action."),
    ({"type": "LIMIT_MAKER", "price": "101.0"}, -2010, "immediately match and take"),
    ({"type": "STOP_LOSS", "stopPrice": "99.0", "price": None}, -2010, "trigger immediately"),
    ({"type": "MARKET", "price": None, "quoteOrderQty": "9"}, -1128, "Combination"),
    ({"icebergQty": "1"}, -1106, "Parameter 'icebergQty' sent when not required."),
]


@pytest.mark.parametrize(("change", "code", "text"), SPOT_REFUSALS)
def test_spot_refuses_with_the_venues_code_and_text(
    change: dict[str, str | None], code: int, text: str
) -> None:
    async def test() -> None:
        async with served(market="spot") as (_, hand, rest):
            params = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
            status, answer = await rest.send("POST", "/api/v3/order", params)
            assert (status, answer["code"]) == (400, code), answer
            assert text in answer["msg"]
            assert not hand.exchange.orders

    run(test)


def test_queries_and_cancels_of_unknown_orders_have_their_codes() -> None:
    async def test() -> None:
        async with served() as (_, _hand, rest):
            one = {"symbol": "BTCUSDT", "origClientOrderId": "nope"}
            assert (await rest.send("GET", "/fapi/v1/order", one))[1]["code"] == -2013
            assert (await rest.send("DELETE", "/fapi/v1/order", one))[1]["code"] == -2011
            found = await rest.send("GET", "/fapi/v1/order", {"symbol": "BTCUSDT"})
            assert found[1]["code"] == -1102

    run(test)


def test_a_client_id_is_refused_while_an_order_has_it_and_free_afterwards() -> None:
    async def test() -> None:
        async with served() as (_, hand, rest):
            named = {**GOOD, "newClientOrderId": "mine-1"}
            assert (await rest.send("POST", "/fapi/v1/order", named))[0] == 200
            assert (await rest.send("POST", "/fapi/v1/order", named))[1]["code"] == -4116
            one = {"symbol": "BTCUSDT", "origClientOrderId": "mine-1"}
            assert (await rest.send("DELETE", "/fapi/v1/order", one))[1]["status"] == "CANCELED"
            assert (await rest.send("DELETE", "/fapi/v1/order", one))[1]["code"] == -2011
            assert (await rest.send("POST", "/fapi/v1/order", named))[0] == 200
            assert len(hand.exchange.orders) == 2

    run(test)


def test_weights_are_counted_told_and_limited() -> None:
    async def test() -> None:
        async with served(weight_limit=30) as (server, _hand, rest):
            for used in (1, 2, 3):
                assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 200
                assert rest.headers["X-MBX-USED-WEIGHT-1M"] == str(used)
            depth = {"symbol": "BTCUSDT", "limit": 1000}
            assert (await rest.send("GET", "/fapi/v1/depth", depth, signed=False))[0] == 200
            assert rest.headers["X-MBX-USED-WEIGHT-1M"] == "23"
            status, answer = await rest.send("GET", "/fapi/v1/depth", depth, signed=False)
            assert (status, answer["code"]) == (429, -1003)
            left_s = 60 - START_MS // 1000 % 60
            assert rest.headers["Retry-After"] == str(left_s)
            for _ in range(9):
                assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 429
            assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 418
            assert rest.headers["Retry-After"] == "120"
            server.venue.skew_ms = 119_000
            assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 418
            server.venue.skew_ms = 120_000
            assert (await rest.send("GET", "/fapi/v1/time", signed=False))[0] == 200

    run(test)


def test_orders_are_counted_apart_and_limited() -> None:
    async def test() -> None:
        async with served(market="spot") as (_, hand, rest):
            for count in range(1, 101):
                params = {**GOOD, "quantity": "0.1", "newClientOrderId": f"n{count}"}
                status, _ = await rest.send("POST", "/api/v3/order", params)
                assert status == 200
                assert rest.headers["X-MBX-ORDER-COUNT-10S"] == str(count)
            status, answer = await rest.send("POST", "/api/v3/order", GOOD)
            assert (status, answer["code"]) == (429, -1015)
            assert len(hand.exchange.orders) == 100

    run(test)


def test_a_path_that_is_not_there_is_named() -> None:
    async def test() -> None:
        async with served() as (_, _hand, rest):
            status, answer = await rest.send("GET", "/fapi/v1/nothing", signed=False)
            assert (status, answer["code"]) == (404, -5000)
            assert "/fapi/v1/nothing" in answer["msg"]

    run(test)


def test_an_order_reaches_the_market_after_its_latency() -> None:
    async def test() -> None:
        async with served(order_latency_us=5000, answer_latency_us=1000) as (server, hand, rest):
            sent = asyncio.ensure_future(
                rest.send(
                    "POST", "/fapi/v1/order", {**GOOD, "price": "101.0", "timeInForce": "IOC"}
                )
            )
            while not any(
                due[0] < server.venue.clock.now_us + 10_000 for due in server.venue.clock._due
            ):
                await asyncio.sleep(0)
            start_us = server.venue.clock.now_us
            hand.depth(asks=[("101.0", "0.4")])  # the market moves while the order is on its way
            server.venue.clock.advance(start_us + 5000)
            assert len(hand.exchange.orders) == 1
            assert not sent.done()
            server.venue.clock.advance(start_us + 6000)
            _, answer = await sent
            assert (answer["executedQty"], answer["status"]) == ("0.400", "EXPIRED")

    run(test)


def test_leverage_margin_type_and_position_mode_answer_as_the_venue() -> None:
    async def test() -> None:
        async with served() as (_, hand, rest):
            one = {"symbol": "BTCUSDT"}

            async def post(path: str, **params: object) -> object:
                answer = (await rest.send("POST", f"/fapi/v1/{path}", params))[1]
                return answer.get("code", answer)

            assert (await post("leverage", **one, leverage=126)) == -4028
            found = await post("leverage", **one, leverage=7)
            assert found == {"symbol": "BTCUSDT", "leverage": 7, "maxNotionalValue": "1000000000"}
            assert await post("marginType", **one, marginType="CROSSED") == -4046
            assert await post("marginType", **one, marginType="ISOLATED") == 200
            assert await post("positionSide/dual", dualSidePosition="false") == -4059
            hand.buy("1")
            assert await post("marginType", **one, marginType="CROSSED") == -4048
            assert await post("positionSide/dual", dualSidePosition="true") == -4068
            _status, risk = await rest.send("GET", "/fapi/v2/positionRisk", one)
            assert (risk[0]["positionAmt"], risk[0]["leverage"]) == ("1", "7")
            assert Decimal(risk[0]["entryPrice"]) == 101

    run(test)


def test_the_dead_mans_switch_cancels_what_is_open_when_it_is_not_pushed() -> None:
    async def test() -> None:
        async with served() as (server, hand, rest):
            hand.buy("1", "99.0")
            one = {"symbol": "BTCUSDT", "countdownTime": 5000}
            await rest.send("POST", "/fapi/v1/countdownCancelAll", one)
            server.venue.clock.advance(server.venue.clock.now_us + 4_000_000)
            await rest.send("POST", "/fapi/v1/countdownCancelAll", one)
            server.venue.clock.advance(server.venue.clock.now_us + 4_000_000)
            assert hand.exchange.open
            server.venue.clock.advance(server.venue.clock.now_us + 1_000_000)
            assert not hand.exchange.open

    run(test)


async def place(rest: Rest, **change: str) -> object:
    return (await rest.send("POST", "/api/v3/order", {**GOOD, **change}))[1]


def test_cancel_replace_says_which_half_failed() -> None:
    async def test() -> None:
        async with served(market="spot") as (_, hand, rest):
            await place(rest, newClientOrderId="a")
            path = "/api/v3/order/cancelReplace"
            swap = {**GOOD, "cancelOrigClientOrderId": "a", "cancelReplaceMode": "STOP_ON_FAILURE"}
            status, answer = await rest.send("POST", path, {**swap, "newClientOrderId": "b"})
            assert (status, answer["newOrderResult"]) == (200, "SUCCESS")
            status, answer = await rest.send("POST", path, swap)
            assert (status, answer["code"]) == (400, -2022)
            assert answer["data"]["newOrderResult"] == "NOT_ATTEMPTED"
            again = {**swap, "cancelOrigClientOrderId": "b", "quantity": "500"}
            status, answer = await rest.send("POST", path, again)
            assert (status, answer["code"]) == (409, -2021)
            assert answer["data"]["cancelResult"] == "SUCCESS"
            assert not hand.exchange.open

    run(test)
