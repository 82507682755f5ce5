# SPDX-License-Identifier: Apache-2.0
"""Exchanges through ccxt: binance, binanceusdm, bybit, okx, deribit, krakenfutures.

Modes: `paper` is the server of `host.paper`, reached as the venue itself would be; `testnet` is
the venue's sandbox or demo trading, whichever of the two works for it; `live` is the venue. An
object whose addresses are not all of its mode never gets a key, and none of the modes is ever
left for another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import aiohttp

from host.venues.ends import NotThere, end_of
from host.venues.express import Express
from host.venues.finding import find_order
from host.venues.guarded import open_exchange
from host.venues.hosts import Mode, ModeError, check_addresses
from host.venues.interface import (
    Balance,
    Busy,
    Fill,
    OrderReport,
    OrderRequest,
    Position,
    Refused,
    StreamLost,
    Unknown,
    VenueFault,
)
from host.venues.keys import Credentials, Redaction
from host.venues.reading import Steps, became_another, decimal_of, fill_of, report_of, steps_of
from host.venues.rights import may_withdraw
from host.venues.weights import WeightBudget

__all__ = ["CcxtVenue", "open_exchange"]

T = TypeVar("T")

#: Parameter that names an order by our own id.
_CLIENT_PARAM = {
    "binance": "origClientOrderId",
    "binanceusdm": "origClientOrderId",
    "bybit": "orderLinkId",
    "okx": "clOrdId",
}
#: Weight a minute, where the venue counts weights.
_WEIGHTS = {"binance": 6000, "binanceusdm": 2400}
_FILLS_AT_ONCE = 1000
_ORDERS_AT_ONCE = 500
_WINDOW_MS = 7 * 86_400_000
_OLDEST_FILL_MS = 89 * 86_400_000


class CcxtVenue:
    """A venue through ccxt; see `host.venues.interface.Venue`.

    Parameters
    ----------
    venue : str
        ccxt's name.
    mode : Mode
        The mode; live has to be confirmed before, see `host.venues.hosts.check_live`.
    credentials : Credentials
        Keys.
    now_ms : callable
        Our clock.
    paper_url : str
        Address of the paper venue.
    logger : logging.Logger, optional
        Takes what ccxt logs, without keys.
    recv_window_ms : int
        Age at which the venue refuses a request.
    lean : bool
        Build order requests directly where that is known to give ccxt's bytes.

    Raises
    ------
    ModeError
        As of `open_exchange`; keys have not been used then.
    """

    def __init__(
        self,
        venue: str,
        mode: Mode,
        credentials: Credentials,
        now_ms: Callable[[], int],
        paper_url: str = "",
        logger: logging.Logger | None = None,
        recv_window_ms: int = 5000,
        lean: bool = False,
    ) -> None:
        self.name = venue
        self.mode = mode
        self._credentials = credentials
        self._now_ms = now_ms
        self.exchange = open_exchange(venue, mode, paper_url)
        self.weights = WeightBudget(_WEIGHTS.get(venue, 1 << 30), now_ms)
        self._offset_ms = 0
        self._spot = venue == "binance"
        self._wants_express = lean and venue in ("binance", "binanceusdm")
        self._express: Express | None = None
        quiet = logging.Logger(f"tickgate.{venue}") if logger is None else logger
        quiet.addFilter(Redaction(credentials))
        self.exchange.logger = quiet
        self.exchange.options["recvWindow"] = recv_window_ms
        self.exchange.milliseconds = lambda: now_ms()
        self.exchange.nonce = lambda: now_ms() + self._offset_ms
        self.exchange.apiKey = credentials.key
        self.exchange.secret = credentials.secret
        if credentials.password:
            self.exchange.password = credentials.password

    def __repr__(self) -> str:
        return f"CcxtVenue({self.name}, {self.mode.value})"

    # life

    async def start(self) -> None:
        """Read symbols and clock, and refuse keys that may withdraw.

        Raises
        ------
        Refused, Busy, Unknown
            Of the requests; `Refused` as well for keys that may withdraw.
        """
        await self._ask(20, lambda: self.exchange.load_markets())
        self._offset_ms = await self.clock_offset_ms()
        if await may_withdraw(self.name, self.mode, self.exchange, self._ask):
            raise Refused(f"{self.name}: expected keys that may not withdraw, was ones that may")
        if self._wants_express and "PRIVATE KEY" not in self._credentials.secret:
            self._express = Express(
                self.exchange,
                self.mode,
                self._credentials,
                lambda: self._now_ms() + self._offset_ms,
                int(self.exchange.options["recvWindow"]),
            )
            await self._express.open()

    @property
    def offset_ms(self) -> int:
        """The venue's clock less ours, as it was found last."""
        return self._offset_ms

    async def close(self) -> None:
        """Close all connections."""
        if self._express is not None:
            await self._express.close()
        await self.exchange.close()

    async def clock_offset_ms(self) -> int:
        """The venue's clock less ours, taken at the middle of the request."""
        before_ms = self._now_ms()
        theirs = await self._ask(1, lambda: self.exchange.fetch_time())
        after_ms = self._now_ms()
        self._offset_ms = int(theirs) - (before_ms + after_ms) // 2
        return self._offset_ms

    # market data

    def steps(self, symbol: str) -> Steps:
        """The venue's name of a symbol, and its steps.

        Raises
        ------
        Refused
            The venue has no such symbol, or does not say its steps.
        """
        market = (self.exchange.markets or {}).get(symbol)
        if market is None:
            raise Refused(f"{self.name}: expected a symbol of the venue, was {symbol!r}")
        return steps_of(self.name, market)

    def stream_url(self, names: Sequence[str]) -> str:
        """Address of a combined market stream, one of the mode.

        Raises
        ------
        ModeError
            The venue has no such address in this mode.
        """
        kind = "spot" if self._spot else "linear"
        base = str(self.exchange.urls["api"]["ws"][kind])
        if not self.name.startswith("binance") or not base.endswith("/ws"):
            raise ModeError(f"{self.name}: expected a market stream, was none")
        middle = "/stream" if self._spot else "/public/stream"
        url = f"{base.removesuffix('/ws')}{middle}?streams={'/'.join(names)}"
        check_addresses(self.name, self.mode, url)
        return url

    async def depth(self, name: str, limit: int = 1000) -> bytes:
        """Snapshot of a book as the venue sends it.

        Parameters
        ----------
        name : str
            The venue's name of the symbol.
        limit : int
            Levels a side.

        Raises
        ------
        Busy, Unknown, Refused
            There is none.
        """
        key = "public" if self._spot else "fapiPublic"
        base = str(self.exchange.urls["api"][key])
        url = f"{base}/depth?symbol={name}&limit={limit}"

        async def do() -> bytes:
            check_addresses(self.name, self.mode, url)
            self.exchange.open()
            timeout = aiohttp.ClientTimeout(self.exchange.timeout / 1000)
            async with self.exchange.session.get(url, timeout=timeout) as answer:
                body: bytes = await answer.read()
                if answer.status != 200:
                    raise Unknown(f"{self.name}: expected a snapshot, was status {answer.status}")
                return body

        return await self._ask(50 if self._spot else 20, do)

    # orders

    def ccxt_order(self, request: OrderRequest) -> tuple[Any, ...]:
        """Arguments of ccxt's ``create_order``."""
        params: dict[str, Any] = {"clientOrderId": request.client_id}
        if self.name == "deribit":
            params["label"] = params.pop("clientOrderId")
        if request.price is not None and request.trigger is None:
            if request.tif == "GTX":
                params["postOnly"] = True
            else:
                params["timeInForce"] = request.tif
        if request.reduce_only and not self._spot:
            params["reduceOnly"] = True
        if request.trigger is not None:
            params["stopLossPrice"] = _text(request.trigger)
        kind = "market" if request.price is None else "limit"
        price = None if request.price is None else _text(request.price)
        return (request.symbol, kind, request.side, _text(request.qty), price, params)

    async def create(self, request: OrderRequest) -> OrderReport:
        """Place an order, once; never sent again from here.

        Raises
        ------
        Refused, Busy, Unknown
            See `host.venues.interface`.
        """
        arguments = self.ccxt_order(request)
        reduces = request.reduce_only
        found = await self._ask(1, lambda: self.exchange.create_order(*arguments), reduces)
        if found.get("status") is None and found.get("id"):
            found = {**found, "status": "open"}  # some venues only say that they have taken it
        return report_of(self.name, found, request)

    def begin(self, request: OrderRequest) -> Awaitable[OrderReport]:
        """As `create`, but what can be sent at once is sent before this returns.

        An order of a kind that is built here leaves over an open line; any other through ccxt.
        """
        express = self._express
        if express is None or not express.takes(request):
            return self.create(request)
        if self.weights.wait_ms(1, request.reduce_only):
            return self.create(request)  # which says for how long
        sent = express.begin(request, self.weights.heard)
        if sent is None:
            return self.create(request)
        return self._named(sent)

    def rehearse(self, request: OrderRequest) -> None:
        """Build what `begin` would send, and throw it away; its timestamp is 0."""
        express = self._express
        if express is not None and express.takes(request):
            express.rehearse(request)

    async def _named(self, sent: Awaitable[OrderReport]) -> OrderReport:
        try:
            return await sent
        except (asyncio.CancelledError, ModeError):
            raise
        except Exception as error:
            raise self._end(error) from None

    async def query(self, request: OrderRequest) -> OrderReport | None:
        """The order with the client id, None where the venue knows none.

        Raises
        ------
        Busy, Unknown, Refused
            The venue did not say.
        """
        try:
            found = await self._ask(4, lambda: find_order(self.exchange, request), True)
        except NotThere:
            return None
        return None if found is None else report_of(self.name, found, request)

    async def cancel(self, request: OrderRequest) -> OrderReport | None:
        """Cancel by client id; None where the venue knows no such open order.

        Raises
        ------
        Busy, Unknown, Refused
            See `host.venues.interface`.
        """
        name, symbol = request.client_id, request.symbol

        async def do() -> Any:
            if request.trigger is not None and self.name == "binanceusdm":
                return await self.exchange.cancel_order(
                    None, symbol, {"clientAlgoId": name, "trigger": True}
                )
            if self.name == "deribit":
                return await self.exchange.privateGetCancelByLabel({"label": name})
            if self.name == "krakenfutures":
                return await self.exchange.privatePostCancelorder({"cliOrdId": name})
            params = {_CLIENT_PARAM[self.name]: name}
            return await self.exchange.cancel_order(None, symbol, params)

        try:
            found = await self._ask(1, do, True)
        except NotThere:
            return None
        if not isinstance(found, Mapping) or found.get("status") is None:
            return await self.query(request)
        return report_of(self.name, found, request)

    async def cancel_all(self, symbol: str, stops: bool = True) -> None:
        """Cancel all orders of a symbol; USD-M keeps stops that wait apart, so they can stay.

        Raises
        ------
        Busy, Unknown, Refused
            See `host.venues.interface`.
        """
        with contextlib.suppress(NotThere):  # spot says so where nothing is open
            await self._ask(1, lambda: self.exchange.cancel_all_orders(symbol), True)
        if self.name == "binanceusdm" and stops:
            market = self.exchange.market(symbol)["id"]
            with contextlib.suppress(NotThere):
                await self._ask(
                    1,
                    lambda: self.exchange.fapiPrivateDeleteAlgoOpenOrders({"symbol": market}),
                    True,
                )

    async def open_orders(self, symbol: str, stops: bool = True) -> list[OrderReport]:
        """All open orders of a symbol; of USD-M with or without stops that wait."""
        found = await self._ask(6, lambda: self.exchange.fetch_open_orders(symbol), True)
        if self.name == "binanceusdm" and stops:
            found = found + await self._ask(
                1, lambda: self.exchange.fetch_open_orders(symbol, params={"trigger": True}), True
            )
        return [report_of(self.name, order) for order in found]

    async def orders_since(self, symbol: str, since_ms: int) -> list[OrderReport]:
        """All orders of a symbol since a time, ended ones included.

        Raises
        ------
        Busy, Unknown, Refused
            See `host.venues.interface`.
        """
        found: dict[str, OrderReport] = {}
        start = since_ms
        while True:
            ask = partial(self.exchange.fetch_orders, symbol, start, _ORDERS_AT_ONCE)
            batch = await self._ask(20, ask, True)
            reports = [report_of(self.name, order) for order in batch]
            fresh = [report for report in reports if report.venue_id not in found]
            found |= {report.venue_id: report for report in fresh}
            if len(batch) < _ORDERS_AT_ONCE or not fresh:
                return list(found.values())
            start = max(int(order["timestamp"]) for order in batch)

    # account

    async def dead_man(self, symbol: str, timeout_ms: int) -> bool:
        """Have the venue cancel the symbol's orders when it hears nothing for some time.

        Returns
        -------
        bool
            Whether the venue has such a switch.

        Raises
        ------
        Busy, Unknown, Refused
            See `host.venues.interface`.
        """
        if self.name != "binanceusdm":
            return False
        asked = {"symbol": self.exchange.market(symbol)["id"], "countdownTime": timeout_ms}
        await self._ask(10, lambda: self.exchange.fapiPrivatePostCountdownCancelAll(asked), True)
        return True

    async def positions(self, symbols: list[str]) -> list[Position]:
        """Positions that are not 0; of spot, what there is of the base asset."""
        if self._spot:
            held = {b.asset: b.free + b.used for b in await self.balances()}
            bases = {symbol: symbol.partition("/")[0] for symbol in symbols}
            return [Position(s, held[a], None) for s, a in bases.items() if a in held]
        found = await self._ask(5, lambda: self.exchange.fetch_positions(symbols), True)
        positions = []
        for entry in found:
            qty = decimal_of(entry.get("contracts")) * decimal_of(entry.get("contractSize") or 1)
            if qty:
                sign = -1 if entry.get("side") == "short" else 1
                price = entry.get("entryPrice")
                positions.append(
                    Position(
                        entry["symbol"], sign * qty, None if price is None else decimal_of(price)
                    )
                )
        return positions

    async def balances(self) -> list[Balance]:
        """Balances that are not 0."""
        found = await self._ask(20, lambda: self.exchange.fetch_balance(), True)
        balances = []
        for asset in found.get("total", {}):
            free, used = decimal_of(found[asset].get("free")), decimal_of(found[asset].get("used"))
            if free or used:
                balances.append(Balance(asset, free, used))
        return balances

    async def fills(self, symbol: str, since_ms: int) -> list[Fill]:
        """All fills of a symbol since a time, oldest first; asks as often as there are more.

        Binance's futures answer for seven days at a time and keep three months.
        """
        found: dict[str, Fill] = {}
        now_ms = self._now_ms() + self._offset_ms
        start = max(since_ms, now_ms - _OLDEST_FILL_MS)
        while True:
            ask = partial(self.exchange.fetch_my_trades, symbol, start, _FILLS_AT_ONCE)
            batch = await self._ask(20, ask, True)
            fresh = [trade for trade in batch if trade["id"] not in found]
            found |= {trade["id"]: fill_of(trade) for trade in fresh}
            if len(batch) == _FILLS_AT_ONCE and fresh:
                start = max(int(trade["timestamp"]) for trade in batch)
            elif self.name == "binanceusdm" and start + _WINDOW_MS < now_ms:
                start += _WINDOW_MS
            else:
                return sorted(found.values(), key=lambda fill: (fill.time_ms, fill.trade_id))

    async def watch_orders(self, symbol: str | None) -> list[OrderReport]:
        """Wait for the next reports of the user stream, of all symbols without one.

        Raises
        ------
        StreamLost
            The connection is gone.
        """
        try:
            found = await self.exchange.watch_orders(symbol)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._forget_stream()
            raise StreamLost(self._credentials.redact(f"{type(error).__name__}: {error}")) from None
        return [report_of(self.name, order) for order in found if not became_another(order)]

    def _forget_stream(self) -> None:
        """Make ccxt take a new listen key and a new connection the next time."""
        self.exchange.options.pop("linear", None)
        for url in [url for url in self.exchange.clients if "listenKey=" in url]:
            del self.exchange.clients[url]

    # inside

    async def _ask(
        self, weight: int, do: Callable[[], Awaitable[T]], reduces_risk: bool = False
    ) -> T:
        """Make a request within the budget and give its end one of the four names."""
        wait_ms = self.weights.wait_ms(weight, reduces_risk)
        if wait_ms:
            raise Busy(f"{self.name}: expected weight left, was none", wait_ms / 1000)
        try:
            return await do()
        except asyncio.CancelledError:
            raise
        except ModeError:
            raise
        except Exception as error:
            raise self._end(error) from None
        finally:
            self.weights.heard(self.exchange.last_response_headers)

    def _end(self, error: Exception) -> VenueFault:
        text = self._credentials.redact(f"{type(error).__name__}: {error}")[:500]
        found = end_of(error, text, self.exchange.last_response_headers)
        if isinstance(found, Busy) and found is not error:
            self.weights.block(found.retry_after_s)
        return found


def _text(value: Decimal) -> str:
    return format(value, "f")
