# SPDX-License-Identifier: Apache-2.0
"""REST interface of USD-M futures: ``/fapi/v1``, ``/fapi/v2``, ``/fapi/v3``."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from host.paper.asking import algo_order, new_order, order_of
from host.paper.call import KEY, SIGNED, TRADE, Call, Endpoint, Table
from host.paper.errors import VenueError, refusal
from host.paper.exchange import Exchange
from host.paper.listen import ListenKeys
from host.paper.market_api import MarketData
from host.paper.orders import Order
from host.paper.symbols import SymbolSpec, plain
from host.paper.usdm import Position, UsdmAccount
from host.paper.usdm_render import (
    UsdmEvents,
    algo_json,
    amount,
    order_json,
    position_json,
    trade_json,
)

__all__ = ["UsdmApi"]

_MOST_BATCH = 5
_DONE = {"code": 200, "msg": "success"}
_ZERO = Decimal(0)


def _depth_weight(call: Call) -> int:
    limit = call.whole("limit", 500) or 500
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def _open_weight(call: Call) -> int:
    return 1 if call.maybe("symbol") else 40


class UsdmApi:
    """Endpoints of the futures market.

    Parameters
    ----------
    exchange, account, events : Exchange, UsdmAccount, UsdmEvents
        The market.
    data : MarketData
        Answers about it.
    keys : ListenKeys
        Listen keys of user-data streams.
    funding_rate : callable
        Rate of the next funding and its time in milliseconds.
    countdown : callable
        Called with a symbol and milliseconds; 0 ends the countdown.
    """

    def __init__(
        self,
        exchange: Exchange,
        account: UsdmAccount,
        events: UsdmEvents,
        data: MarketData,
        keys: ListenKeys,
        funding_rate: Callable[[], tuple[Decimal, int]],
        countdown: Callable[[str, int], None],
    ) -> None:
        self._exchange = exchange
        self._account = account
        self._events = events
        self._keys = keys
        self._funding_rate = funding_rate
        self._countdown = countdown
        self._algos: dict[int, Order] = {}
        self._next_algo = 2_000_000
        self.table = self._endpoints(data)

    def _endpoints(self, data: MarketData) -> Table:
        v1 = "/fapi/v1/"
        found: Table = {
            ("GET", v1 + "ping"): Endpoint(data.ping),
            ("GET", v1 + "time"): Endpoint(data.time),
            ("GET", v1 + "exchangeInfo"): Endpoint(data.info),
            ("GET", v1 + "depth"): Endpoint(data.depth, _depth_weight),
            ("GET", v1 + "trades"): Endpoint(data.trades, 5),
            ("GET", v1 + "historicalTrades"): Endpoint(data.trades, 20, KEY),
            ("GET", v1 + "aggTrades"): Endpoint(data.aggregate, 20),
            ("GET", v1 + "ticker/24hr"): Endpoint(data.day, _open_weight),
            ("GET", v1 + "premiumIndex"): Endpoint(self._premium),
            ("GET", v1 + "fundingRate"): Endpoint(self._funding_history),
            ("GET", v1 + "fundingInfo"): Endpoint(lambda call: []),
            ("POST", v1 + "order"): Endpoint(self._place, 0, TRADE, 1, True),
            ("POST", v1 + "order/test"): Endpoint(self._test, 0, TRADE),
            ("PUT", v1 + "order"): Endpoint(self._modify, 1, TRADE, 1, True),
            ("GET", v1 + "order"): Endpoint(self._query, 1, SIGNED),
            ("GET", v1 + "openOrder"): Endpoint(self._query_open, 1, SIGNED),
            ("DELETE", v1 + "order"): Endpoint(self._cancel, 1, TRADE, 0, True),
            ("DELETE", v1 + "allOpenOrders"): Endpoint(self._cancel_all, 1, TRADE, 0, True),
            ("POST", v1 + "batchOrders"): Endpoint(self._place_batch, 5, TRADE, 5, True),
            ("DELETE", v1 + "batchOrders"): Endpoint(self._cancel_batch, 1, TRADE, 0, True),
            ("GET", v1 + "openOrders"): Endpoint(self._open, _open_weight, SIGNED),
            ("GET", v1 + "allOrders"): Endpoint(self._all, 5, SIGNED),
            ("GET", v1 + "userTrades"): Endpoint(self._trades, 5, SIGNED),
            ("GET", v1 + "income"): Endpoint(self._income, 30, SIGNED),
            ("GET", v1 + "commissionRate"): Endpoint(self._commission, 20, SIGNED),
            ("GET", v1 + "leverageBracket"): Endpoint(self._brackets, 1, SIGNED),
            ("POST", v1 + "leverage"): Endpoint(self._leverage, 1, TRADE),
            ("POST", v1 + "marginType"): Endpoint(self._margin_type, 1, TRADE),
            ("POST", v1 + "positionSide/dual"): Endpoint(self._dual, 1, TRADE),
            ("GET", v1 + "positionSide/dual"): Endpoint(self._is_dual, 30, SIGNED),
            ("GET", v1 + "multiAssetsMargin"): Endpoint(
                lambda call: {"multiAssetsMargin": False}, 30, SIGNED
            ),
            ("GET", v1 + "symbolConfig"): Endpoint(self._symbol_config, 5, SIGNED),
            ("GET", v1 + "accountConfig"): Endpoint(self._account_config, 5, SIGNED),
            ("POST", v1 + "countdownCancelAll"): Endpoint(self._dead_man, 10, TRADE),
            ("POST", v1 + "listenKey"): Endpoint(keys_create(self._keys), 1, KEY),
            ("PUT", v1 + "listenKey"): Endpoint(keys_keep(self._keys), 1, KEY),
            ("DELETE", v1 + "listenKey"): Endpoint(keys_close(self._keys), 1, KEY),
            ("POST", v1 + "algoOrder"): Endpoint(self._algo_place, 0, TRADE, 1, True),
            ("GET", v1 + "algoOrder"): Endpoint(self._algo_query, 1, SIGNED),
            ("DELETE", v1 + "algoOrder"): Endpoint(self._algo_cancel, 1, TRADE, 0, True),
            ("DELETE", v1 + "algoOpenOrders"): Endpoint(self._algo_cancel_all, 1, TRADE, 0, True),
            ("GET", v1 + "openAlgoOrders"): Endpoint(self._algo_open, _open_weight, SIGNED),
            ("GET", v1 + "allAlgoOrders"): Endpoint(self._algo_all, 5, SIGNED),
        }
        for version in ("/fapi/v1/", "/fapi/v2/"):
            found["GET", version + "ticker/price"] = Endpoint(data.price)
        found["GET", v1 + "ticker/bookTicker"] = Endpoint(data.book_ticker, 2)
        for version in ("/fapi/v1/", "/fapi/v2/", "/fapi/v3/"):
            found["GET", version + "balance"] = Endpoint(self._balance, 5, SIGNED)
            found["GET", version + "account"] = Endpoint(self._account_info, 5, SIGNED)
            found["GET", version + "positionRisk"] = Endpoint(self._position_risk, 5, SIGNED)
        return found

    # orders

    def _place(self, call: Call) -> object:
        return order_json(self._exchange.submit(new_order(call, self._exchange)))

    def _test(self, call: Call) -> object:
        self._exchange.check(new_order(call, self._exchange))
        return {}

    def _modify(self, call: Call) -> object:
        order = order_of(call, self._exchange, "no_order")
        spec = order.spec
        if call.one_of("side", ("BUY", "SELL"), None, "side") != order_json(order)["side"]:
            raise refusal("parameter", name="side")
        qty = spec.qty_lots(call.text("quantity"))
        price = spec.price_ticks(call.text("price"))
        return order_json(self._exchange.amend(order, qty, price))

    def _query(self, call: Call) -> object:
        return order_json(order_of(call, self._exchange))

    def _query_open(self, call: Call) -> object:
        order = order_of(call, self._exchange)
        if not order.open:
            raise refusal("no_order")
        return order_json(order)

    def _cancel(self, call: Call) -> object:
        order = order_of(call, self._exchange, "unknown_order")
        if not order.working:
            raise refusal("unknown_order")
        return order_json(self._exchange.cancel(order))

    def _cancel_all(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        for order in self._exchange.open_orders(spec.name):
            if order.working and order.open:
                self._exchange.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _place_batch(self, call: Call) -> object:
        try:
            entries = orjson.loads(call.text("batchOrders"))
        except orjson.JSONDecodeError:
            raise refusal("parameter", name="batchOrders") from None
        if type(entries) is not list or not 1 <= len(entries) <= _MOST_BATCH:
            raise refusal("parameter", name="batchOrders")
        answers = []
        for entry in entries:
            params = {str(k): _param(v) for k, v in entry.items()} if type(entry) is dict else {}
            answers.append(_or_error(partial(self._place, Call(params, call.now_ms, call.key))))
        return answers

    def _cancel_batch(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        named = call.maybe("orderIdList") or call.maybe("orderidlist")
        clients = call.maybe("origClientOrderIdList") or call.maybe("origclientorderidlist")
        if named is None and clients is None:
            raise refusal("either", one="orderIdList", other="origClientOrderIdList")
        try:
            listed = orjson.loads(named or clients or "")
        except orjson.JSONDecodeError:
            raise refusal("parameter", name="orderIdList") from None
        if type(listed) is not list or len(listed) > 10:
            raise refusal("parameter", name="orderIdList")

        def one(entry: Any) -> object:
            order_id, client_id = (int(entry), None) if named else (None, str(entry))
            order = self._exchange.find(spec.name, order_id, client_id, "unknown_order")
            return order_json(self._exchange.cancel(order))

        return [_or_error(partial(one, entry)) for entry in listed]

    def _open(self, call: Call) -> object:
        name = call.maybe("symbol")
        if name is not None:
            self._exchange.spec(name)
        return [order_json(o) for o in self._exchange.open_orders(name) if o.working]

    def _all(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        orders = [o for o in self._exchange.orders.values() if o.spec is spec and o.working]
        first, limit = call.whole("orderId", 0) or 0, call.whole("limit", 500) or 500
        start, end = call.whole("startTime", 0) or 0, call.whole("endTime", 1 << 62) or 0
        found = [
            order_json(o)
            for o in orders
            if o.order_id >= first and start <= o.created_us // 1000 <= end
        ]
        return found[:limit] if first else found[-limit:]

    def _trades(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        limit = min(call.whole("limit", 500) or 500, 1000)
        order_id, first = call.whole("orderId"), call.whole("fromId")
        start, end = call.whole("startTime", 0) or 0, call.whole("endTime", 1 << 62) or 0
        found = [
            trade_json(order, fill)
            for order, fill in self._exchange.own_fills
            if order.spec is spec
            and (order_id is None or order.order_id == order_id)
            and (first is None or fill.trade_id >= first)
            and start <= fill.time_us // 1000 <= end
        ]
        return found[:limit] if first is not None else found[-limit:]

    # conditional orders

    def _algo_place(self, call: Call) -> object:
        asked = algo_order(call, self._exchange)
        self._next_algo += 1
        order = self._exchange.submit(asked, algo_id=self._next_algo)
        self._algos[order.algo_id] = order
        return algo_json(order)

    def _algo(self, call: Call, gone: str) -> Order:
        algo_id, client_id = call.whole("algoId"), call.maybe("clientAlgoId")
        if algo_id is None and client_id is None:
            raise refusal("either", one="algoId", other="clientAlgoId")
        for order in reversed(list(self._algos.values())):
            if order.algo_id == algo_id or (algo_id is None and order.asked.client_id == client_id):
                return order
        raise refusal(gone)

    def _algo_query(self, call: Call) -> object:
        return algo_json(self._algo(call, "no_order"))

    def _algo_cancel(self, call: Call) -> object:
        order = self._algo(call, "unknown_order")
        if order.working:
            raise refusal("unknown_order")
        self._exchange.cancel(order)
        return {
            "algoId": order.algo_id,
            "clientAlgoId": order.asked.client_id,
            "code": "200",
            "msg": "success",
        }

    def _algo_cancel_all(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        for order in self._exchange.open_orders(spec.name):
            if not order.working:
                self._exchange.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _algo_open(self, call: Call) -> object:
        name = call.maybe("symbol")
        return [algo_json(o) for o in self._exchange.open_orders(name) if not o.working]

    def _algo_all(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        return [algo_json(o) for o in self._algos.values() if o.spec is spec]

    # account

    def _balance(self, call: Call) -> object:
        account, now_ms = self._account, self._exchange.now_us() // 1000
        found = []
        for asset, wallet in account.wallet.items():
            free = amount(max(_ZERO, account.available(asset)))
            found.append(
                {
                    "accountAlias": "paper",
                    "asset": asset,
                    "balance": amount(wallet),
                    "crossWalletBalance": amount(wallet),
                    "crossUnPnl": amount(account.profit(asset)),
                    "availableBalance": free,
                    "maxWithdrawAmount": free,
                    "marginAvailable": True,
                    "updateTime": now_ms,
                }
            )
        return found

    def _account_info(self, call: Call) -> object:
        account, now_us = self._account, self._exchange.now_us()
        assets = []
        totals = dict.fromkeys(("wallet", "profit", "initial", "maint", "free"), _ZERO)
        for asset, wallet in account.wallet.items():
            held = [p for p in account.positions.values() if p.spec.quote == asset]
            profit, free = account.profit(asset), max(_ZERO, account.available(asset))
            margin = sum((account.position_margin(p) for p in held), _ZERO)
            maint = account.maintenance(asset)
            initial = wallet + profit - account.available(asset)
            for name, value in zip(totals, (wallet, profit, initial, maint, free), strict=True):
                totals[name] += value
            assets.append(
                {
                    "asset": asset,
                    "walletBalance": amount(wallet),
                    "unrealizedProfit": amount(profit),
                    "marginBalance": amount(wallet + profit),
                    "maintMargin": amount(maint),
                    "initialMargin": amount(initial),
                    "positionInitialMargin": amount(margin),
                    "openOrderInitialMargin": amount(initial - margin),
                    "crossWalletBalance": amount(wallet),
                    "crossUnPnl": amount(profit),
                    "availableBalance": amount(free),
                    "maxWithdrawAmount": amount(free),
                    "marginAvailable": True,
                    "updateTime": now_us // 1000,
                }
            )
        return {
            "feeTier": 0,
            "canTrade": bool(call.key and call.key.trade),
            "canDeposit": False,
            "canWithdraw": bool(call.key and call.key.withdraw),
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
            "totalInitialMargin": amount(totals["initial"]),
            "totalMaintMargin": amount(totals["maint"]),
            "totalWalletBalance": amount(totals["wallet"]),
            "totalUnrealizedProfit": amount(totals["profit"]),
            "totalMarginBalance": amount(totals["wallet"] + totals["profit"]),
            "totalPositionInitialMargin": amount(totals["initial"]),
            "totalOpenOrderInitialMargin": amount(_ZERO),
            "totalCrossWalletBalance": amount(totals["wallet"]),
            "totalCrossUnPnl": amount(totals["profit"]),
            "availableBalance": amount(totals["free"]),
            "maxWithdrawAmount": amount(totals["free"]),
            "assets": assets,
            "positions": [self._position(p) for p in self._shown(None)],
        }

    def _position_risk(self, call: Call) -> object:
        name = call.maybe("symbol")
        if name is not None:
            self._exchange.spec(name)
        return [self._position(p) for p in self._shown(name)]

    def _position(self, position: Position) -> dict[str, object]:
        mark = self._exchange.books[position.spec.name].mark_ticks
        return position_json(self._account, position, mark, self._exchange.now_us())

    def _shown(self, name: str | None) -> list[Position]:
        sides = ("LONG", "SHORT") if self._account.hedged else ("BOTH",)
        names = [name] if name is not None else list(self._exchange.specs)
        specs = [self._exchange.specs[one] for one in names]
        return [self._account.position(spec, side) for spec in specs for side in sides]

    def _income(self, call: Call) -> object:
        name, kind = call.maybe("symbol"), call.maybe("incomeType")
        limit = min(call.whole("limit", 100) or 100, 1000)
        start, end = call.whole("startTime", 0) or 0, call.whole("endTime", 1 << 62) or 0
        found = [
            {
                "symbol": entry.symbol,
                "incomeType": entry.kind,
                "income": amount(entry.amount),
                "asset": entry.asset,
                "time": entry.time_us // 1000,
                "info": str(entry.trade_id) if entry.trade_id else "",
                "tranId": entry.tran_id,
                "tradeId": str(entry.trade_id) if entry.trade_id else "",
            }
            for entry in self._account.income
            if name in (None, entry.symbol)
            and kind in (None, entry.kind)
            and start <= entry.time_us // 1000 <= end
        ]
        return found[-limit:]

    def _commission(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        return {
            "symbol": spec.name,
            "makerCommissionRate": plain(self._account.maker_rate),
            "takerCommissionRate": plain(self._account.taker_rate),
        }

    def _brackets(self, call: Call) -> object:
        name = call.maybe("symbol")
        specs = [self._exchange.spec(name)] if name else list(self._exchange.specs.values())

        def entry(spec: SymbolSpec) -> dict[str, object]:
            bracket = {
                "bracket": 1,
                "initialLeverage": spec.max_leverage,
                "notionalCap": 1_000_000_000,
                "notionalFloor": 0,
                "maintMarginRatio": float(spec.maint_margin),
                "cum": 0.0,
            }
            return {"symbol": spec.name, "notionalCoef": 1.0, "brackets": [bracket]}

        return entry(specs[0]) if name else [entry(spec) for spec in specs]

    def _leverage(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        call.text("leverage")
        leverage = call.whole("leverage") or 0
        if not 1 <= leverage <= spec.max_leverage:
            raise refusal("leverage", leverage=leverage)
        before = self._account.leverage_of(spec)
        self._account.leverage[spec.name] = leverage
        if self._account.available(spec.quote) < 0 and leverage < before:
            self._account.leverage[spec.name] = before
            raise refusal("margin")
        self._events.account("MARGIN_TYPE_CHANGE", spec.name)
        return {"symbol": spec.name, "leverage": leverage, "maxNotionalValue": "1000000000"}

    def _margin_type(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        kind = call.one_of("marginType", ("ISOLATED", "CROSSED", "CROSS"), None, "combination")
        isolated = kind == "ISOLATED"
        if isolated == self._account.isolated.get(spec.name, False):
            raise refusal("margin_type_same")
        if self._exchange.open_orders(spec.name):
            raise refusal("margin_type_orders")
        if any(p.lots for (name, _), p in self._account.positions.items() if name == spec.name):
            raise refusal("margin_type_position")
        self._account.isolated[spec.name] = isolated
        return _DONE

    def _dual(self, call: Call) -> object:
        call.text("dualSidePosition")
        dual = call.flag("dualSidePosition")
        if dual == self._account.hedged:
            raise refusal("position_side_same")
        if self._exchange.open_orders():
            raise refusal("position_side_orders")
        if any(p.lots for p in self._account.positions.values()):
            raise refusal("position_side_position")
        self._account.hedged = dual
        return _DONE

    def _is_dual(self, call: Call) -> object:
        return {"dualSidePosition": self._account.hedged}

    def _symbol_config(self, call: Call) -> object:
        name = call.maybe("symbol")
        specs = [self._exchange.spec(name)] if name else list(self._exchange.specs.values())
        return [
            {
                "symbol": spec.name,
                "marginType": "ISOLATED" if self._account.isolated.get(spec.name) else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": self._account.leverage_of(spec),
                "maxNotionalValue": "1000000000",
            }
            for spec in specs
        ]

    def _account_config(self, call: Call) -> object:
        return {
            "feeTier": 0,
            "canTrade": bool(call.key and call.key.trade),
            "canDeposit": False,
            "canWithdraw": bool(call.key and call.key.withdraw),
            "dualSidePosition": self._account.hedged,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def _dead_man(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        call.text("countdownTime")
        time_ms = call.whole("countdownTime") or 0
        self._countdown(spec.name, time_ms)
        return {"symbol": spec.name, "countdownTime": str(time_ms)}

    # marks and funding

    def _premium(self, call: Call) -> object:
        name = call.maybe("symbol")
        specs = [self._exchange.spec(name)] if name else list(self._exchange.specs.values())
        rate, next_ms = self._funding_rate()

        def entry(spec: SymbolSpec) -> dict[str, object]:
            mark = (self._exchange.books[spec.name].mark_ticks or 0) * spec.tick
            return {
                "symbol": spec.name,
                "markPrice": amount(mark),
                "indexPrice": amount(mark),
                "estimatedSettlePrice": amount(mark),
                "lastFundingRate": amount(rate),
                "interestRate": "0.00010000",
                "nextFundingTime": next_ms,
                "time": self._exchange.now_us() // 1000,
            }

        return entry(specs[0]) if name else [entry(spec) for spec in specs]

    def _funding_history(self, call: Call) -> object:
        name = call.maybe("symbol")
        rate, _ = self._funding_rate()
        times = sorted(
            {
                (entry.symbol, entry.time_us // 1000)
                for entry in self._account.income
                if entry.kind == "FUNDING_FEE" and name in (None, entry.symbol)
            }
        )
        return [
            {"symbol": symbol, "fundingRate": amount(rate), "fundingTime": ms, "markPrice": ""}
            for symbol, ms in times
        ]


def keys_create(keys: ListenKeys) -> Callable[[Call], object]:
    """``POST listenKey``."""
    return lambda call: {"listenKey": keys.create(call.key.key if call.key else "")}


def keys_keep(keys: ListenKeys) -> Callable[[Call], object]:
    """``PUT listenKey``."""

    def answer(call: Call) -> object:
        found = keys.keep(call.key.key if call.key else "", call.maybe("listenKey"))
        return {"listenKey": found}

    return answer


def keys_close(keys: ListenKeys) -> Callable[[Call], object]:
    """``DELETE listenKey``."""

    def answer(call: Call) -> object:
        keys.close(call.key.key if call.key else "", call.maybe("listenKey"))
        return {}

    return answer


def _param(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _or_error(do: Callable[[], object]) -> object:
    try:
        return do()
    except VenueError as error:
        return error.body()
