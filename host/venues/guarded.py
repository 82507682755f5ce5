# SPDX-License-Identifier: Apache-2.0
"""ccxt's objects, held to the addresses of one mode.

Each address is compared with the list before it is used, each request is sent once and only where
it was told to, and a listen key that has ended is told.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import ccxt
import ccxt.pro

from host.venues.hosts import HOSTS, Mode, ModeError, check_addresses

__all__ = ["open_exchange"]

#: How each venue's test environment is entered: ccxt's sandbox or its demo trading.
_TEST_ENTRY = {
    "binance": "demo",
    "binanceusdm": "demo",
    "bybit": "sandbox",
    "okx": "sandbox",
    "deribit": "sandbox",
    "krakenfutures": "sandbox",
}


def open_exchange(venue: str, mode: Mode, paper_url: str = "") -> Any:
    """A ccxt object whose addresses are all of a mode; it has no keys yet.

    Parameters
    ----------
    venue : str
        ccxt's name.
    mode : Mode
        The mode.
    paper_url : str
        Address of the paper venue, ``http://host:port``.

    Raises
    ------
    ModeError
        The venue is not known, has no such environment, or an address is not of the mode.
    """
    if venue not in HOSTS:
        raise ModeError(f"venue: expected one of {', '.join(sorted(HOSTS))}, was {venue!r}")
    kind = _guarded(getattr(ccxt.pro, venue), venue, mode)
    exchange = kind(
        {
            "rateLimiterAlgorithm": "rollingWindow",
            "number": str,
            "enableLastHttpResponse": False,
            "enableLastJsonResponse": False,
            "options": {"maxRetriesOnFailure": 0, **_options(venue)},
        }
    )
    exchange.number = str
    if mode is Mode.PAPER:
        _point_at(exchange, venue, paper_url)
    elif mode is Mode.TESTNET:
        entry = _TEST_ENTRY[venue]
        try:
            if entry == "demo":
                exchange.enable_demo_trading(True)
            else:
                exchange.set_sandbox_mode(True)
        except (TypeError, KeyError, ccxt.BaseError) as error:
            raise ModeError(
                f"{venue}: expected a {entry} environment, was {type(error).__name__}"
            ) from None
    _check(exchange, venue, mode)
    return exchange


def _options(venue: str) -> dict[str, Any]:
    if venue == "binanceusdm":
        return {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["linear"]},
        }
    if venue == "binance":
        return {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot"]},
            "defaultType": "spot",
        }
    return {}


def _guarded(kind: Any, venue: str, mode: Mode) -> Any:
    """A class of ccxt that compares each address with the list before it is used."""

    class Guarded(kind):  # type: ignore[misc]
        session: Any = None

        def open(self, lazy: bool = False) -> None:
            before = self.session
            super().open(lazy)
            if self.session is not before and self.own_session:
                self.session.detach()
                self.session = _plain_session(self.tcp_connector)

        async def fetch(
            self, url: str, method: str = "GET", headers: Any = None, body: Any = None
        ) -> Any:
            check_addresses(venue, mode, url, self.hostname or "")
            if venue == "okx" and mode is Mode.TESTNET:
                _check_simulated(self)
            return await super().fetch(url, method, headers, body)

        def client(self, url: str) -> Any:
            if "://" in url:  # ccxt keeps some futures under names that are no address
                check_addresses(venue, mode, url, self.hostname or "")
            return super().client(url)

        def handle_message(self, client: Any, message: Any) -> Any:
            # ccxt says nothing when the venue ends a listen key, and the stream stays silent
            if isinstance(message, dict) and message.get("e") == "listenKeyExpired":
                client.reject(ccxt.NetworkError(f"{self.id} listen key expired"))
                return None
            return super().handle_message(client, message)

        def get_exceptions_by_url(self, url: str, exactOrBroad: str) -> Any:
            # ccxt tells the market by the host; the paper venue's host is none of its own
            if mode is Mode.PAPER and url is not None:
                host = "demo-fapi" if "/fapi/" in url else "demo-api"
                url = f"https://{host}.binance.com/"
            return super().get_exceptions_by_url(url, exactOrBroad)

    Guarded.__name__ = kind.__name__
    return Guarded


def _plain_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    """A session that sends each request once, and only where it was told to."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    session = aiohttp.ClientSession(connector=connector, trace_configs=[trace])
    # aiohttp sends GET, PUT and DELETE again where a connection that was kept open is closed, and
    # there are venues whose orders are placed by GET
    session._retry_connection = False
    return session


async def _refuse_redirect(
    session: aiohttp.ClientSession, context: object, found: aiohttp.TraceRequestRedirectParams
) -> None:
    raise ModeError(f"expected an answer of {found.url.host}, was a redirection")


def _point_at(exchange: Any, venue: str, base: str) -> None:
    """Put the paper venue's addresses in place of the exchange's."""
    if not venue.startswith("binance"):
        raise ModeError(f"{venue}: expected binance or binanceusdm in the mode paper, was {venue}")
    ws = "ws" + base.removeprefix("http")
    found: dict[str, Any] = {
        name: f"{base}/fapi/{address.rsplit('/', 1)[1]}"
        for name, address in exchange.urls["api"].items()
        if name.startswith("fapi") and name != "fapiData"
    }
    found |= {"public": f"{base}/api/v3", "private": f"{base}/api/v3"}
    found["ws"] = {
        "spot": f"{ws}/stream-spot/ws",
        "linear": f"{ws}/fstream/ws",
        "ws-api": {"spot": f"{ws}/ws-api/v3", "linear": f"{ws}/ws-fapi/v1"},
    }
    exchange.urls = {**exchange.urls, "api": found}


def _check(exchange: Any, venue: str, mode: Mode) -> None:
    check_addresses(venue, mode, exchange.urls["api"], exchange.hostname or "")
    if venue == "okx" and mode is Mode.TESTNET:
        _check_simulated(exchange)


def _check_simulated(exchange: Any) -> None:
    if (exchange.headers or {}).get("x-simulated-trading") != "1":
        raise ModeError("okx: expected the header x-simulated-trading, was none")
