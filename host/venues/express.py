# SPDX-License-Identifier: Apache-2.0
"""The short way of an order to Binance: a prepared request over an open line.

It is taken for limit and market orders, and gives the bytes that ccxt gives (`host.venues.lean`).
Answers and errors are read by the same rules as ccxt's; whatever it does not take goes through
ccxt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from host.venues.hosts import Mode, ModeError, check_addresses
from host.venues.interface import OrderReport, OrderRequest, Status, Unknown
from host.venues.keys import Credentials
from host.venues.lean import LeanBinance
from host.venues.lines import Answer, Line, LineError, OrderLines

__all__ = ["Express"]

_STATUS = {
    "NEW": Status.OPEN,
    "PARTIALLY_FILLED": Status.OPEN,
    "FILLED": Status.FILLED,
    "CANCELED": Status.CANCELED,
    "EXPIRED": Status.EXPIRED,
    "EXPIRED_IN_MATCH": Status.EXPIRED,
    "REJECTED": Status.REJECTED,
}


class Express:
    """Sends orders of one venue.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
        The venue's object, with markets; its rules name the errors.
    mode : Mode
        Addresses are those of the mode.
    credentials : Credentials
        Keys.
    now_ms : callable
        The venue's clock.
    recv_window_ms : int
        Receive window of the requests.
    lines : int
        Connections that are kept open.

    Raises
    ------
    ModeError
        The venue is none of Binance's, or an address is not of the mode.
    ValueError
        The secret is no shared secret.
    """

    def __init__(
        self,
        exchange: Any,
        mode: Mode,
        credentials: Credentials,
        now_ms: Callable[[], int],
        recv_window_ms: int,
        lines: int = 4,
    ) -> None:
        self._name = str(exchange.id)
        if self._name not in ("binance", "binanceusdm"):
            raise ModeError(f"{self._name}: expected binance or binanceusdm, was another")
        spot = self._name == "binance"
        base = exchange.urls["api"]["private" if spot else "fapiPrivate"]
        self._url = f"{base}/order"
        check_addresses(self._name, mode, self._url)
        self._exchange = exchange
        self._now_ms = now_ms
        self._lean: dict[str, LeanBinance] = {}
        for symbol, market in (exchange.markets or {}).items():
            self._lean[symbol] = LeanBinance(
                self._url, market["id"], spot, credentials.key, credentials.secret, recv_window_ms
            )
        headers = {
            "X-MBX-APIKEY": credentials.key,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._lines = OrderLines(self._url, headers, lines)

    async def open(self) -> None:
        """Open the lines."""
        await self._lines.open()

    async def close(self) -> None:
        """Close the lines."""
        await self._lines.close()

    def takes(self, request: OrderRequest) -> bool:
        """Whether an order is of a kind that is built here."""
        lean = self._lean.get(request.symbol)
        return lean is not None and lean.takes(request)

    def begin(
        self, request: OrderRequest, heard: Callable[[Mapping[str, str]], None]
    ) -> Awaitable[OrderReport] | None:
        """Send an order now; None where it has to go another way, and nothing was sent.

        Parameters
        ----------
        request : OrderRequest
            The order, on the venue's grid.
        heard : callable
            Takes the headers of the answer.

        Returns
        -------
        awaitable
            The report. It raises an exception of ccxt for an answer that is an error, and `Unknown`
            for one that did not come.
        """
        lean = self._lean.get(request.symbol)
        if lean is None or not lean.takes(request):
            return None
        sent = self._lines.send(lean.build(request, self._now_ms()).body)
        if sent is None:
            return None
        return self._answer(request, *sent, heard)

    def rehearse(self, request: OrderRequest) -> None:
        """Build an order's request and throw it away; no venue would take its timestamp."""
        self._lean[request.symbol].build(request, 0)

    async def _answer(
        self,
        request: OrderRequest,
        line: Line,
        coming: asyncio.Future[Answer],
        heard: Callable[[Mapping[str, str]], None],
    ) -> OrderReport:
        try:
            answer = await asyncio.wait_for(coming, self._exchange.timeout / 1000)
        except asyncio.TimeoutError:
            line.close()
            raise Unknown(f"{self._name}: expected an answer in time, was none") from None
        except asyncio.CancelledError:
            line.close()  # its answer belongs to nobody any more
            raise
        except LineError as error:
            raise Unknown(f"{self._name}: {error}") from None
        finally:
            self._lines.replenish()
        self._exchange.last_response_headers = answer.headers
        heard(answer.headers)
        return self._report(request, answer)

    def _report(self, request: OrderRequest, answer: Answer) -> OrderReport:
        text = answer.body.decode("utf-8", "replace")
        try:
            found = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            found = None
        exchange = self._exchange
        if answer.status != 200 or not isinstance(found, dict) or "status" not in found:
            named = exchange.handle_errors(
                answer.status, answer.reason, self._url, "POST", answer.headers, text, found, {}, ""
            )
            if named is None:
                exchange.handle_http_status_code(
                    answer.status, answer.reason, self._url, "POST", text
                )
            raise Unknown(f"{self._name}: expected an order, was {text[:200]}")
        status = _STATUS.get(str(found["status"]))
        if status is None:
            raise Unknown(f"{self._name}: expected a status of an order, was {found['status']!r}")
        cost = found.get("cumQuote", found.get("cummulativeQuoteQty", "0"))
        return OrderReport(
            request.client_id,
            str(found.get("orderId", "")),
            request.symbol,
            request.side,
            status,
            Decimal(str(found.get("origQty", request.qty))),
            Decimal(str(found.get("executedQty", "0"))),
            Decimal(str(cost)),
            int(found.get("updateTime") or found.get("transactTime") or 0),
        )
