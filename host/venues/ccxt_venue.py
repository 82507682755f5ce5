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
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import ccxt

from host.venues.guarded import open_exchange
from host.venues.hosts import Mode, ModeError
from host.venues.interface import (
    Balance,
    Busy,
    Fill,
    OrderReport,
    OrderRequest,
    Position,
    Refused,
    Status,
    StreamLost,
    Unknown,
)
from host.venues.keys import Credentials, Redaction
from host.venues.weights import WeightBudget

__all__ = ["CcxtVenue"]

T = TypeVar("T")
_ZERO = Decimal(0)

#: Parameter that names an order by our own id.
_CLIENT_PARAM = {
    "binance": "origClientOrderId",
    "binanceusdm": "origClientOrderId",
    "bybit": "orderLinkId",
    "okx": "clOrdId",
}
#: Weight a minute, where the venue counts weights.
_WEIGHTS = {"binance": 6000, "binanceusdm": 2400}
_STATUS = {
    "open": Status.OPEN,
    "closed": Status.FILLED,
    "canceled": Status.CANCELED,
    "canceling": Status.OPEN,
    "expired": Status.EXPIRED,
    "expired_in_match": Status.EXPIRED,
    "rejected": Status.REJECTED,
}
#: Codes of Binance that leave open what became of a request.
_AMBIGUOUS = ('"code":-1000', '"code":-1001', '"code":-1006', '"code":-1007')
#: An order of our name is there already: an earlier request has arrived after all.
_DUPLICATE = ("Duplicate order sent", '"code":-4116', "uplicate clOrdId", "uplicate order")
#: Wait where the venue gives no time.
_BACKOFF_S = 60.0
_FILLS_AT_ONCE = 1000
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
    ) -> None:
        self.name = venue
        self.mode = mode
        self._credentials = credentials
        self._now_ms = now_ms
        self.exchange = open_exchange(venue, mode, paper_url)
        self.weights = WeightBudget(_WEIGHTS.get(venue, 1 << 30), now_ms)
        self._offset_ms = 0
        self._spot = venue == "binance"
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
        if await self._may_withdraw():
            raise Refused(f"{self.name}: expected keys that may not withdraw, was ones that may")

    async def _may_withdraw(self) -> bool:
        """Whether the venue says so; False where it does not tell."""
        if self.name == "binanceusdm":
            found = await self._ask(5, lambda: self.exchange.fapiPrivateV2GetAccount())
            # futures accounts say it of the account, the key's own rights are told by spot
            return self.mode is Mode.PAPER and bool(found.get("canWithdraw"))
        if self.name == "binance":
            if self.mode is Mode.LIVE:
                found = await self._ask(1, lambda: self.exchange.sapiGetAccountApiRestrictions())
                return bool(found.get("enableWithdrawals"))
            found = await self._ask(20, lambda: self.exchange.privateGetAccount())
            return self.mode is Mode.PAPER and bool(found.get("canWithdraw"))
        if self.name == "bybit":
            found = await self._ask(1, lambda: self.exchange.privateGetV5UserQueryApi())
            rights = found.get("result", {}).get("permissions", {})
            return "Withdraw" in (rights.get("Wallet") or [])
        if self.name == "okx":
            found = await self._ask(1, lambda: self.exchange.privateGetAccountConfig())
            return any("withdraw" in str(e.get("perm", "")) for e in found.get("data", []))
        if self.name == "deribit":
            found = await self._ask(
                1,
                lambda: self.exchange.privateGetGetAccountSummary(
                    {"currency": "BTC", "extended": True}
                ),
            )
            return bool(found.get("result", {}).get("withdraw_enabled"))
        return False

    async def close(self) -> None:
        """Close all connections."""
        await self.exchange.close()

    async def clock_offset_ms(self) -> int:
        """The venue's clock less ours, taken at the middle of the request."""
        before_ms = self._now_ms()
        theirs = await self._ask(1, lambda: self.exchange.fetch_time())
        after_ms = self._now_ms()
        self._offset_ms = int(theirs) - (before_ms + after_ms) // 2
        return self._offset_ms

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
        return self._report(found, request)

    async def query(self, request: OrderRequest) -> OrderReport | None:
        """The order with the client id, None where the venue knows none.

        Raises
        ------
        Busy, Unknown, Refused
            The venue did not say.
        """
        try:
            found = await self._ask(4, lambda: self._find(request), True)
        except _NotThere:
            return None
        return None if found is None else self._report(found, request)

    async def _find(self, request: OrderRequest) -> Any:
        exchange, symbol, name = self.exchange, request.symbol, request.client_id
        if self.name.startswith("binance"):
            params: dict[str, Any] = {"origClientOrderId": name}
            if request.trigger is not None and not self._spot:
                raw = await exchange.fapiPrivateGetAlgoOrder({"clientAlgoId": name})
                if raw.get("actualOrderId"):
                    # it has been triggered: the order that it became has the fills
                    return await exchange.fetch_order(str(raw["actualOrderId"]), symbol)
                return exchange.parse_order(raw, exchange.market(symbol))
            return await exchange.fetch_order(None, symbol, params)
        if self.name == "okx":
            return await exchange.fetch_order(None, symbol, {"clOrdId": name})
        if self.name == "bybit":
            for search in (exchange.fetch_open_orders, exchange.fetch_canceled_and_closed_orders):
                orders = await search(symbol, None, 1, {"orderLinkId": name})
                if orders:
                    return orders[0]
            return None
        if self.name == "deribit":
            currency = exchange.market(symbol)["baseId"]
            raw = await exchange.privateGetGetOrderStateByLabel(
                {"currency": currency, "label": name}
            )
            orders = raw.get("result") or []
            return exchange.parse_order(orders[-1]) if orders else None
        # open orders and those of the last five seconds; older ones are in the history alone
        raw = await exchange.privateGetOrdersStatus({"cliOrdIds": name})
        orders = raw.get("orders") or []
        if orders:
            return exchange.parse_order(orders[0])
        for search in (exchange.fetch_closed_orders, exchange.fetch_canceled_orders):
            for order in await search(symbol):
                if order.get("clientOrderId") == name:
                    return order
        return None

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
        except _NotThere:
            return None
        if not isinstance(found, Mapping) or found.get("status") is None:
            return await self.query(request)
        return self._report(found, request)

    async def cancel_all(self, symbol: str) -> None:
        """Cancel all orders of a symbol, stops included.

        Raises
        ------
        Busy, Unknown, Refused
            See `host.venues.interface`.
        """
        with contextlib.suppress(_NotThere):  # spot says so where nothing is open
            await self._ask(1, lambda: self.exchange.cancel_all_orders(symbol), True)
        if self.name == "binanceusdm":
            market = self.exchange.market(symbol)["id"]
            with contextlib.suppress(_NotThere):
                await self._ask(
                    1,
                    lambda: self.exchange.fapiPrivateDeleteAlgoOpenOrders({"symbol": market}),
                    True,
                )

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        """All open orders of a symbol, stops included."""
        found = await self._ask(6, lambda: self.exchange.fetch_open_orders(symbol), True)
        if self.name == "binanceusdm":
            found = found + await self._ask(
                1, lambda: self.exchange.fetch_open_orders(symbol, params={"trigger": True}), True
            )
        return [self._report(order) for order in found]

    # account

    async def positions(self, symbols: list[str]) -> list[Position]:
        """Positions that are not 0; of spot, what there is of the base asset."""
        if self._spot:
            held = {b.asset: b.free + b.used for b in await self.balances()}
            bases = {symbol: symbol.partition("/")[0] for symbol in symbols}
            return [Position(s, held[a], None) for s, a in bases.items() if a in held]
        found = await self._ask(5, lambda: self.exchange.fetch_positions(symbols), True)
        positions = []
        for entry in found:
            qty = _decimal(entry.get("contracts")) * _decimal(entry.get("contractSize") or 1)
            if qty:
                sign = -1 if entry.get("side") == "short" else 1
                price = entry.get("entryPrice")
                positions.append(
                    Position(
                        entry["symbol"], sign * qty, None if price is None else _decimal(price)
                    )
                )
        return positions

    async def balances(self) -> list[Balance]:
        """Balances that are not 0."""
        found = await self._ask(20, lambda: self.exchange.fetch_balance(), True)
        balances = []
        for asset in found.get("total", {}):
            free, used = _decimal(found[asset].get("free")), _decimal(found[asset].get("used"))
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
            found |= {trade["id"]: _fill(trade) for trade in fresh}
            if len(batch) == _FILLS_AT_ONCE and fresh:
                start = max(int(trade["timestamp"]) for trade in batch)
            elif self.name == "binanceusdm" and start + _WINDOW_MS < now_ms:
                start += _WINDOW_MS
            else:
                return sorted(found.values(), key=lambda fill: (fill.time_ms, fill.trade_id))

    async def watch_orders(self, symbol: str) -> list[OrderReport]:
        """Wait for the next reports of the user stream.

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
        return [self._report(order) for order in found]

    def _forget_stream(self) -> None:
        """Make ccxt take a new listen key and a new connection the next time."""
        self.exchange.options.pop("linear", None)
        for url in [url for url in self.exchange.clients if "listenKey=" in url]:
            del self.exchange.clients[url]

    # inside

    def _report(self, order: Mapping[str, Any], request: OrderRequest | None = None) -> OrderReport:
        given = request
        qty = order.get("amount") or (given.qty if given else None)
        filled = _decimal(order.get("filled"))
        cost = order.get("cost")
        if cost is None:
            cost = filled * _decimal(order.get("average"))
        status = _STATUS.get(str(order.get("status")))
        if status is None:
            raise Unknown(
                f"{self.name}: expected a status of an order, was {order.get('status')!r}"
            )
        return OrderReport(
            given.client_id if given else str(order.get("clientOrderId") or ""),
            str(order.get("id") or ""),
            str(order.get("symbol") or (given.symbol if given else "")),
            str(order.get("side") or (given.side if given else "")),
            status,
            _decimal(qty),
            filled,
            _decimal(cost),
            int(order.get("lastUpdateTimestamp") or order.get("timestamp") or 0),
        )

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
            raise self._named(error) from None
        finally:
            self.weights.heard(self.exchange.last_response_headers)

    def _named(self, error: Exception) -> Exception:
        text = self._credentials.redact(f"{type(error).__name__}: {error}")[:500]
        if isinstance(error, (Refused, Busy, Unknown)):
            return error
        if isinstance(error, ccxt.OrderNotFound):
            return _NotThere(text)
        if any(mark in text for mark in _AMBIGUOUS):
            return Unknown(text)
        if isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded)):
            wait_s = self._retry_after_s()
            self.weights.block(wait_s)
            return Busy(text, wait_s)
        if isinstance(error, ccxt.InvalidNonce):
            return Refused(text, "clock")
        if isinstance(error, (ccxt.NetworkError, ccxt.OperationFailed)):
            return Unknown(text)
        if isinstance(error, ccxt.DuplicateOrderId) or any(mark in text for mark in _DUPLICATE):
            return Unknown(text)
        refusals = (
            ccxt.ArgumentsRequired,
            ccxt.AuthenticationError,
            ccxt.BadRequest,
            ccxt.InsufficientFunds,
            ccxt.InvalidOrder,
            ccxt.NotSupported,
            ccxt.OperationRejected,
        )
        if isinstance(error, refusals) or (
            isinstance(error, ccxt.ExchangeError) and "code" in text
        ):
            return Refused(text, _code(text))
        return Unknown(text)

    def _retry_after_s(self) -> float:
        for name, value in (self.exchange.last_response_headers or {}).items():
            if name.lower() == "retry-after" and value.isdigit():
                return float(value)
        return _BACKOFF_S


class _NotThere(Refused):
    """The venue says that it knows no such order."""


def _fill(trade: Mapping[str, Any]) -> Fill:
    fee = trade.get("fee") or {}
    return Fill(
        str(trade["id"]),
        str(trade["order"]),
        trade["symbol"],
        trade["side"],
        _decimal(trade["price"]),
        _decimal(trade["amount"]),
        _decimal(fee.get("cost")),
        str(fee.get("currency") or ""),
        trade.get("takerOrMaker") == "maker",
        int(trade["timestamp"]),
    )


def _code(text: str) -> str:
    _, found, rest = text.partition('"code":')
    return rest.split(",", 1)[0].strip(' "}') if found else ""


def _decimal(value: Any) -> Decimal:
    return _ZERO if value is None else Decimal(str(value))


def _text(value: Decimal) -> str:
    return format(value, "f")
