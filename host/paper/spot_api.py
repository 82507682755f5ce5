# SPDX-License-Identifier: Apache-2.0
"""REST interface of the spot market: ``/api/v3``."""

from __future__ import annotations

from decimal import Decimal

from host.paper.asking import new_order, order_of
from host.paper.call import KEY, NONE, SIGNED, TRADE, Call, Endpoint, Table
from host.paper.errors import VenueError, refusal
from host.paper.exchange import Exchange
from host.paper.listen import ListenKeys
from host.paper.market_api import MarketData
from host.paper.orders import Order
from host.paper.spot import SpotAccount
from host.paper.spot_render import amount, order_json, placed_json, trade_json
from host.paper.usdm_api import keys_close, keys_create, keys_keep

__all__ = ["SpotApi"]

_RESPONSES = ("ACK", "RESULT", "FULL")


def _depth_weight(call: Call) -> int:
    limit = call.whole("limit", 100) or 100
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def _open_weight(call: Call) -> int:
    return 6 if call.maybe("symbol") else 80


class SpotApi:
    """Endpoints of the spot market.

    Parameters
    ----------
    exchange, account : Exchange, SpotAccount
        The market.
    data : MarketData
        Answers about it.
    keys : ListenKeys
        Listen keys of user-data streams.
    """

    def __init__(
        self, exchange: Exchange, account: SpotAccount, data: MarketData, keys: ListenKeys
    ) -> None:
        self._exchange = exchange
        self._account = account
        v3 = "/api/v3/"
        self.table: Table = {
            ("GET", v3 + "ping"): Endpoint(data.ping),
            ("GET", v3 + "time"): Endpoint(data.time),
            ("GET", v3 + "exchangeInfo"): Endpoint(data.info, 20),
            ("GET", v3 + "depth"): Endpoint(data.depth, _depth_weight),
            ("GET", v3 + "trades"): Endpoint(data.trades, 25),
            ("GET", v3 + "historicalTrades"): Endpoint(data.trades, 25, KEY),
            ("GET", v3 + "aggTrades"): Endpoint(data.aggregate, 4),
            ("GET", v3 + "ticker/price"): Endpoint(data.price, 2),
            ("GET", v3 + "ticker/bookTicker"): Endpoint(data.book_ticker, 2),
            ("GET", v3 + "ticker/24hr"): Endpoint(data.day, 2),
            ("POST", v3 + "order"): Endpoint(self._place, 1, TRADE, 1, True),
            ("POST", v3 + "order/test"): Endpoint(self._test, 1, TRADE),
            ("POST", v3 + "order/cancelReplace"): Endpoint(self._replace, 1, TRADE, 1, True),
            ("PUT", v3 + "order/amend/keepPriority"): Endpoint(self._amend, 4, TRADE, 0, True),
            ("GET", v3 + "order"): Endpoint(self._query, 4, SIGNED),
            ("DELETE", v3 + "order"): Endpoint(self._cancel, 1, TRADE, 0, True),
            ("GET", v3 + "openOrders"): Endpoint(self._open, _open_weight, SIGNED),
            ("DELETE", v3 + "openOrders"): Endpoint(self._cancel_all, 1, TRADE, 0, True),
            ("GET", v3 + "allOrders"): Endpoint(self._all, 20, SIGNED),
            ("GET", v3 + "account"): Endpoint(self._account_info, 20, SIGNED),
            ("GET", v3 + "account/commission"): Endpoint(self._commission, 20, SIGNED),
            ("GET", v3 + "myTrades"): Endpoint(self._trades, 20, SIGNED),
            ("POST", v3 + "userDataStream"): Endpoint(keys_create(keys), 2, KEY),
            ("PUT", v3 + "userDataStream"): Endpoint(keys_keep(keys), 2, KEY),
            ("DELETE", v3 + "userDataStream"): Endpoint(keys_close(keys), 2, KEY),
            # what clients ask for at their start; there are no permissions but these
            ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(self._restrictions, 1, SIGNED),
            ("GET", "/sapi/v1/system/status"): Endpoint(
                lambda call: {"status": 0, "msg": "normal"}, 1, NONE
            ),
        }

    # orders

    def _place(self, call: Call) -> object:
        asked = new_order(call, self._exchange)
        full = "FULL" if asked.kind in ("LIMIT", "MARKET") else "ACK"
        kind = call.one_of("newOrderRespType", _RESPONSES, full, "parameter")
        return placed_json(self._exchange.submit(asked), kind)

    def _test(self, call: Call) -> object:
        self._exchange.check(new_order(call, self._exchange))
        return {}

    def _query(self, call: Call) -> object:
        return order_json(order_of(call, self._exchange))

    def _cancel(self, call: Call) -> object:
        order = order_of(call, self._exchange, "unknown_order")
        return self._cancelled(call, order)

    def _cancelled(self, call: Call, order: Order) -> dict[str, object]:
        only = call.maybe("cancelRestrictions")
        if only not in (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
            raise refusal("parameter", name="cancelRestrictions")
        if only is not None and order.open and order.status != only.removeprefix("ONLY_"):
            raise VenueError(400, -2011, "Order was not canceled due to cancel restrictions.")
        order.old_client_id = order.asked.client_id
        self._exchange.cancel(order)
        shown = placed_json(order, "RESULT")
        name = call.maybe("newClientOrderId") or f"cancel{order.order_id}"
        return {**shown, "origClientOrderId": order.old_client_id, "clientOrderId": name}

    def _cancel_all(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        orders = self._exchange.open_orders(spec.name)
        if not orders:
            raise refusal("unknown_order")
        return [self._cancelled(call, order) for order in orders]

    def _replace(self, call: Call) -> object:
        modes = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
        mode = call.one_of("cancelReplaceMode", modes, None, "parameter")
        spec = self._exchange.spec(call.text("symbol"))
        order_id, client_id = call.whole("cancelOrderId"), call.maybe("cancelOrigClientOrderId")
        if order_id is None and client_id is None:
            raise refusal("either", one="cancelOrigClientOrderId", other="cancelOrderId")
        asked = new_order(call, self._exchange)
        full = "FULL" if asked.kind in ("LIMIT", "MARKET") else "ACK"
        kind = call.one_of("newOrderRespType", _RESPONSES, full, "parameter")
        found: dict[str, object] = {"cancelResult": "SUCCESS", "newOrderResult": "NOT_ATTEMPTED"}
        failed = 0
        try:
            order = self._exchange.find(spec.name, order_id, client_id, "unknown_order")
            found["cancelResponse"] = self._cancelled(call, order)
        except VenueError as error:
            failed += 1
            found |= {"cancelResult": "FAILURE", "cancelResponse": error.body()}
        found["newOrderResponse"] = None
        if not failed or mode == "ALLOW_FAILURE":
            try:
                found["newOrderResponse"] = placed_json(self._exchange.submit(asked), kind)
                found["newOrderResult"] = "SUCCESS"
            except VenueError as error:
                failed += 1
                found |= {"newOrderResult": "FAILURE", "newOrderResponse": error.body()}
        if not failed:
            return found
        success = "SUCCESS" in (found["cancelResult"], found["newOrderResult"])
        if success:
            raise VenueError(409, -2021, "Order cancel-replace partially failed.", data=found)
        raise VenueError(400, -2022, "Order cancel-replace failed.", data=found)

    def _amend(self, call: Call) -> object:
        order = order_of(call, self._exchange, "unknown_order")
        qty = order.spec.qty_lots(call.text("newQty"))
        if order.open and qty >= order.asked.qty_lots:
            raise VenueError(400, -2038, "The requested action would change no state; rejecting.")
        self._exchange.amend(order, qty, order.asked.price_ticks)
        return {
            "transactTime": order.updated_us // 1000,
            "executionId": order.order_id * 2,
            "amendedOrder": {
                **order_json(order),
                "qty": order.spec.qty_text(order.asked.qty_lots),
                "preventedQty": "0.00000000",
                "quoteOrderQty": "0.00000000",
                "cumulativeQuoteQty": amount(order.quote),
            },
        }

    def _open(self, call: Call) -> object:
        name = call.maybe("symbol")
        if name is not None:
            self._exchange.spec(name)
        return [order_json(order) for order in self._exchange.open_orders(name)]

    def _all(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        first, limit = call.whole("orderId"), min(call.whole("limit", 500) or 500, 1000)
        start, end = call.whole("startTime", 0) or 0, call.whole("endTime", 1 << 62) or 0
        found = [
            order_json(order)
            for order in self._exchange.orders.values()
            if order.spec is spec
            and (first is None or order.order_id >= first)
            and start <= order.created_us // 1000 <= end
        ]
        return found[:limit] if first is not None else found[-limit:]

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

    # account

    def _account_info(self, call: Call) -> object:
        account = self._account
        leave_out = call.flag("omitZeroBalances")
        rates = {
            "maker": amount(account.maker_rate),
            "taker": amount(account.taker_rate),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        }
        balances = []
        for asset in sorted(account.free.keys() | account.locked.keys()):
            free = account.free.get(asset, Decimal(0))
            locked = account.locked.get(asset, Decimal(0))
            if free or locked or not leave_out:
                balances.append({"asset": asset, "free": amount(free), "locked": amount(locked)})
        return {
            "makerCommission": int(account.maker_rate * 10_000),
            "takerCommission": int(account.taker_rate * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": rates,
            "canTrade": bool(call.key and call.key.trade),
            "canWithdraw": bool(call.key and call.key.withdraw),
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._exchange.now_us() // 1000,
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def _commission(self, call: Call) -> object:
        spec = self._exchange.spec(call.text("symbol"))
        rates = {
            "maker": amount(self._account.maker_rate),
            "taker": amount(self._account.taker_rate),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        }
        return {"symbol": spec.name, "standardCommission": rates}

    def _restrictions(self, call: Call) -> object:
        trade = bool(call.key and call.key.trade)
        return {
            "ipRestrict": False,
            "createTime": 0,
            "enableReading": True,
            "enableSpotAndMarginTrading": trade,
            "enableFutures": trade,
            "enableWithdrawals": bool(call.key and call.key.withdraw),
            "enableInternalTransfer": False,
            "enableMargin": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
        }
