# SPDX-License-Identifier: Apache-2.0
"""Orders at the venues that have no local server: what is sent, and how answers are read.

Answers are those of the venues' documents, shortened. Nothing here reaches the network.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import ccxt
import pytest

from host.venues.ccxt_venue import CcxtVenue
from host.venues.hosts import HOSTS, Mode
from host.venues.interface import OrderRequest, Status, Unknown
from host.venues.keys import Credentials

SYMBOL = "BTC/USDT:USDT"
NAME = "tgabc1231x1x0"
ASKED = OrderRequest(NAME, SYMBOL, "buy", Decimal("0.5"), Decimal("100.5"))
MARKETS = {
    "bybit": "BTCUSDT",
    "okx": "BTC-USDT-SWAP",
    "deribit": "BTC-PERPETUAL",
    "krakenfutures": "PF_XBTUSD",
}
CREATE = {
    "bybit": ("POST", "/v5/order/create", "orderLinkId"),
    "okx": ("POST", "/api/v5/trade/batch-orders", "clOrdId"),
    "deribit": ("GET", "/api/v2/private/buy", "label"),
    "krakenfutures": ("POST", "/derivatives/api/v3/sendorder", "cliOrdId"),
}
QUERY = {
    "bybit": "/v5/order/realtime",
    "okx": "/api/v5/trade/order",
    "deribit": "/api/v2/private/get_order_state_by_label",
    "krakenfutures": "/derivatives/api/v3/orders/status",
}
CANCEL = {
    "bybit": "/v5/order/cancel",
    "okx": "/api/v5/trade/cancel-order",
    "deribit": "/api/v2/private/cancel_by_label",
    "krakenfutures": "/derivatives/api/v3/cancelorder",
}
ACCEPTED: dict[str, dict[str, Any]] = {
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {"orderId": "77", "orderLinkId": NAME}},
    "okx": {"code": "0", "msg": "", "data": [{"clOrdId": NAME, "ordId": "77", "sCode": "0"}]},
    "deribit": {
        "result": {
            "order": {
                "order_id": "77",
                "order_state": "open",
                "label": NAME,
                "instrument_name": "BTC-PERPETUAL",
                "direction": "buy",
                "amount": 0.5,
                "filled_amount": 0.0,
                "price": 100.5,
                "order_type": "limit",
                "time_in_force": "good_til_cancelled",
                "creation_timestamp": 1,
            },
            "trades": [],
        }
    },
    "krakenfutures": {
        "result": "success",
        "sendStatus": {
            "order_id": "77",
            "status": "placed",
            "receivedTime": "2024-01-01T00:00:00.000Z",
            "orderEvents": [
                {
                    "type": "PLACE",
                    "order": {
                        "orderId": "77",
                        "cliOrdId": NAME,
                        "type": "lmt",
                        "symbol": "PF_XBTUSD",
                        "side": "buy",
                        "quantity": 0.5,
                        "filled": 0,
                        "limitPrice": 100.5,
                        "reduceOnly": False,
                        "timestamp": "2024-01-01T00:00:00.000Z",
                    },
                }
            ],
        },
    },
}
NOTHING: dict[str, dict[str, Any]] = {
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {"list": []}},
    "okx": {"code": "51603", "msg": "Order does not exist", "data": []},
    "deribit": {"result": []},
    "krakenfutures": {"result": "success", "orders": [], "elements": []},
}


class Wire:
    """Stands where the network would be."""

    def __init__(self, venue: str) -> None:
        keys = Credentials("key-12345678", "c2VjcmV0LXNlY3JldA==", "pass-1234")
        self.venue = CcxtVenue(venue, Mode.TESTNET, keys, lambda: 1_700_000_000_000)
        self.sent: list[tuple[str, str]] = []
        self.answer: Any = ccxt.RequestTimeout("lost")
        exchange = self.venue.exchange
        exchange.enableRateLimit = False
        exchange.options |= {"enableUnifiedAccount": True, "enableUnifiedMargin": False}
        exchange.options["unifiedMarginStatus"] = 5
        market = {
            "id": MARKETS[venue],
            "symbol": SYMBOL,
            **{"base": "BTC", "quote": "USDT", "settle": "USDT"},
            **{"baseId": "BTC", "quoteId": "USDT", "settleId": "USDT"},
            **{"type": "swap", "spot": False, "swap": True, "contract": True},
            **{"linear": True, "inverse": False, "contractSize": "1", "active": True},
            "precision": {"amount": "0.001", "price": "0.1"},
            "limits": {},
            "info": {},
        }
        exchange.set_markets([exchange.safe_market_structure(market)])
        exchange.fetch = self.fetch

    async def fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        self.sent.append((method, unquote(url) + " " + (body or "")))
        if isinstance(self.answer, Exception):
            raise self.answer
        # ccxt raises what the answer means
        self.venue.exchange.handle_errors(
            200, "OK", url, method, {}, str(self.answer), self.answer, {}, body
        )
        return self.answer


venues = pytest.mark.parametrize("venue", sorted(set(HOSTS) - {"binance", "binanceusdm"}))


@venues
def test_an_order_is_sent_once_with_our_name_and_found_by_it(venue: str) -> None:
    async def test() -> None:
        wire = Wire(venue)
        method, path, parameter = CREATE[venue]
        with pytest.raises(Unknown):
            await wire.venue.create(ASKED)
        ((sent_method, sent),) = wire.sent
        assert (sent_method, path in sent) == (method, True)
        assert parameter in sent and NAME in sent
        assert "0.5" in sent and "100.5" in sent
        for ask, where in ((wire.venue.query, QUERY), (wire.venue.cancel, CANCEL)):
            wire.sent.clear()
            with pytest.raises(Unknown):
                await ask(ASKED)
            assert where[venue] in wire.sent[0][1]
            assert NAME in wire.sent[0][1]
        await wire.venue.close()

    asyncio.run(test())


@venues
def test_an_accepted_order_is_open(venue: str) -> None:
    async def test() -> None:
        wire = Wire(venue)
        wire.answer = ACCEPTED[venue]
        report = await wire.venue.create(ASKED)
        assert (report.client_id, report.venue_id, report.status) == (NAME, "77", Status.OPEN)
        assert (report.qty, report.filled) == (Decimal("0.5"), 0)
        await wire.venue.close()

    asyncio.run(test())


@venues
def test_an_order_the_venue_does_not_know_is_none(venue: str) -> None:
    async def test() -> None:
        wire = Wire(venue)
        wire.answer = NOTHING[venue]
        assert await wire.venue.query(ASKED) is None
        await wire.venue.close()

    asyncio.run(test())
