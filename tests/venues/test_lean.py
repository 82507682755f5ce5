# SPDX-License-Identifier: Apache-2.0
"""The lean request builder gives the bytes that ccxt gives."""

import asyncio
import functools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.paper.limits import Limits
from host.paper.symbols import KNOWN, exchange_info
from host.venues.ccxt_venue import CcxtVenue
from host.venues.hosts import Mode
from host.venues.interface import OrderRequest
from host.venues.keys import Credentials
from host.venues.lean import LeanBinance

KEYS = Credentials("some-api-key", "some-shared-secret")
NOW_MS = 1_723_161_255_030
SYMBOLS = {"usdm": "BTC/USDT:USDT", "spot": "ETH/USDT"}
NAMES = {"usdm": "binanceusdm", "spot": "binance"}


class Sent(Exception):
    """What ccxt would have sent."""


@functools.cache
def venue_of(market: str) -> CcxtVenue:
    venue = CcxtVenue(NAMES[market], Mode.PAPER, KEYS, lambda: NOW_MS, "http://127.0.0.1:9")
    exchange = venue.exchange
    exchange.enableRateLimit = False
    exchange.options["crossMarginPairsData"] = exchange.options["isolatedMarginPairsData"] = []
    specs = [spec for (name, _), spec in KNOWN.items() if name == market]
    info = exchange_info(market, specs, NOW_MS, Limits.of(market).rate_limits())
    exchange.set_markets([exchange.parse_market(entry) for entry in info["symbols"]])

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        raise Sent(url, method, headers, body)

    exchange.fetch = fetch
    return venue


def ccxt_bytes(market: str, asked: OrderRequest) -> tuple[str, str, dict[str, str], bytes]:
    venue = venue_of(market)
    with pytest.raises(Sent) as sent:
        asyncio.run(venue.exchange.create_order(*venue.ccxt_order(asked)))
    url, method, headers, body = sent.value.args
    return url, method, headers, body.encode()


orders = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["buy", "sell"]),
        "tif": st.sampled_from(["GTC", "IOC", "FOK", "GTX"]),
        "price": st.one_of(st.none(), st.integers(1, 10**7)),
        "qty": st.integers(1, 10**5),
        "reduce_only": st.booleans(),
        "client_id": st.text("abcXYZ019-_", min_size=1, max_size=36),
    }
)


@pytest.mark.parametrize("market", ["usdm", "spot"])
@settings(max_examples=150)
@given(found=orders)
def test_the_bytes_are_those_of_ccxt(market: str, found: dict[str, Any]) -> None:
    name = "BTCUSDT" if market == "usdm" else "ETHUSDT"
    spec = KNOWN[market, name]
    price = found.pop("price")
    qty = found.pop("qty") * spec.lot
    if price is None:
        found["tif"] = "GTC"
    if market == "spot":
        found["reduce_only"] = False
    asked = OrderRequest(
        symbol=SYMBOLS[market],
        qty=qty,
        price=None if price is None else price * spec.tick,
        **found,
    )
    url, method, headers, body = ccxt_bytes(market, asked)
    lean = LeanBinance(url, name, market == "spot", KEYS.key, KEYS.secret, 5000)
    assert lean.takes(asked)
    made = lean.build(asked, NOW_MS)
    assert method == "POST"
    assert made.body == body
    assert made.headers == {k: v for k, v in headers.items() if k in made.headers}
    assert url.endswith("/fapi/v1/order" if market == "usdm" else "/api/v3/order")


def test_what_ccxt_would_do_otherwise_is_left_to_it() -> None:
    lean = LeanBinance("u", "BTCUSDT", True, "k", "s")
    one = Decimal(1)
    assert not lean.takes(OrderRequest("a", "S", "buy", one, trigger=one))
    assert not lean.takes(OrderRequest("a", "S", "buy", one, one, reduce_only=True))
    assert not lean.takes(OrderRequest("a b", "S", "buy", one, one))
    assert not lean.takes(OrderRequest("a", "S", "buy", one, tif="IOC"))
    with pytest.raises(ValueError, match="private key"):
        LeanBinance("u", "BTCUSDT", True, "k", "-----BEGIN PRIVATE KEY-----")
