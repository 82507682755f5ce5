# SPDX-License-Identifier: Apache-2.0
"""Orders of USD-M futures, the conditional ones included: what ``/fapi/v1`` answers about them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from host.paper.asking import algo_order, new_order, order_of
from host.paper.call import SIGNED, TRADE, Call, Endpoint, Table
from host.paper.errors import VenueError, refusal
from host.paper.exchange import Exchange
from host.paper.orders import Order
from host.paper.usdm_render import algo_json, order_json, trade_json

__all__ = ["UsdmOrders"]

_MOST_BATCH = 5


def _open_weight(call: Call) -> int:
    return 1 if call.maybe("symbol") else 40


class UsdmOrders:
    """Endpoints for orders and fills.

    Parameters
    ----------
    exchange : Exchange
        The market.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._algos: dict[int, Order] = {}
        self._next_algo = 2_000_000
        v1 = "/fapi/v1/"
        self.table: Table = {
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
            ("POST", v1 + "algoOrder"): Endpoint(self._algo_place, 0, TRADE, 1, True),
            ("GET", v1 + "algoOrder"): Endpoint(self._algo_query, 1, SIGNED),
            ("DELETE", v1 + "algoOrder"): Endpoint(self._algo_cancel, 1, TRADE, 0, True),
            ("DELETE", v1 + "algoOpenOrders"): Endpoint(self._algo_cancel_all, 1, TRADE, 0, True),
            ("GET", v1 + "openAlgoOrders"): Endpoint(self._algo_open, _open_weight, SIGNED),
            ("GET", v1 + "allAlgoOrders"): Endpoint(self._algo_all, 5, SIGNED),
        }

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


def _param(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _or_error(do: Callable[[], object]) -> object:
    try:
        return do()
    except VenueError as error:
        return error.body()
