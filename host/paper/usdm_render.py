# SPDX-License-Identifier: Apache-2.0
"""What USD-M futures say of orders, positions and balances: answers and user-data events."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from host.paper.exchange import Exchange
from host.paper.orders import BUY, Fill, Order
from host.paper.symbols import plain
from host.paper.usdm import Position, UsdmAccount

__all__ = ["UsdmEvents", "algo_json", "amount", "order_json", "position_json", "trade_json"]

_SIDE = {1: "BUY", -1: "SELL"}
Publish = Callable[[dict[str, object]], None]


def amount(value: Decimal) -> str:
    """An amount with eight places."""
    return f"{value:.8f}"


def _kind(order: Order) -> str:
    return order.asked.kind


def order_json(order: Order) -> dict[str, object]:
    """An order as REST shows it."""
    asked, spec = order.asked, order.spec
    filled = spec.qty_text(order.filled_lots)
    return {
        "orderId": order.order_id,
        "symbol": spec.name,
        "status": order.status,
        "clientOrderId": asked.client_id,
        "price": spec.price_text(asked.price_ticks),
        "avgPrice": f"{order.average:.5f}",
        "origQty": spec.qty_text(asked.qty_lots),
        "executedQty": filled,
        "cumQty": filled,
        "cumQuote": f"{order.quote:.5f}",
        "timeInForce": asked.tif,
        "type": _kind(order),
        "reduceOnly": asked.reduce_only,
        "closePosition": asked.close_position,
        "side": _SIDE[asked.side],
        "positionSide": asked.position_side,
        "stopPrice": spec.price_text(asked.stop_ticks),
        "workingType": "MARK_PRICE" if asked.mark_trigger else "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": _kind(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": asked.stp,
        "goodTillDate": asked.good_till_ms,
        "time": order.created_us // 1000,
        "updateTime": order.updated_us // 1000,
    }


def algo_json(order: Order) -> dict[str, object]:
    """A conditional order as the algo endpoints show it."""
    asked, spec = order.asked, order.spec
    status = order.status
    if order.working:
        status = "FINISHED" if status == "FILLED" else "TRIGGERED" if order.open else status
    return {
        "algoId": order.algo_id,
        "clientAlgoId": asked.client_id,
        "algoType": "CONDITIONAL",
        "orderType": order.asked.kind,
        "symbol": spec.name,
        "side": _SIDE[asked.side],
        "positionSide": asked.position_side,
        "timeInForce": asked.tif,
        "quantity": spec.qty_text(asked.qty_lots),
        "algoStatus": status,
        "actualOrderId": str(order.order_id) if order.working else "",
        "triggerPrice": spec.price_text(asked.stop_ticks),
        "price": spec.price_text(asked.price_ticks),
        "icebergQuantity": None,
        "selfTradePreventionMode": asked.stp,
        "workingType": "MARK_PRICE" if asked.mark_trigger else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": asked.close_position,
        "priceProtect": False,
        "reduceOnly": asked.reduce_only,
        "callbackRate": plain(Decimal(asked.callback_bp) / 100),
        "activatePrice": spec.price_text(asked.stop_ticks),
        "createTime": order.created_us // 1000,
        "updateTime": order.updated_us // 1000,
        "triggerTime": order.updated_us // 1000 if order.working else 0,
        "goodTillDate": asked.good_till_ms,
    }


def trade_json(order: Order, fill: Fill) -> dict[str, object]:
    """A fill as userTrades shows it."""
    spec = order.spec
    return {
        "symbol": spec.name,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "side": _SIDE[order.side],
        "price": spec.price_text(fill.price_ticks),
        "qty": spec.qty_text(fill.qty_lots),
        "realizedPnl": amount(fill.realized),
        "quoteQty": plain(fill.quote),
        "commission": amount(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_us // 1000,
        "positionSide": order.asked.position_side,
        "buyer": order.side == BUY,
        "maker": fill.maker,
    }


def position_json(
    account: UsdmAccount, position: Position, mark_ticks: int | None, now_us: int
) -> dict[str, object]:
    """A position as positionRisk shows it."""
    spec, mark = position.spec, mark_ticks or 0
    margin = account.position_margin(position)
    isolated = account.isolated.get(spec.name, False)
    value = position.value(mark)
    return {
        "symbol": spec.name,
        "positionSide": position.side,
        "positionAmt": plain(position.qty) if position.lots else spec.qty_text(0),
        "entryPrice": amount(position.entry),
        "breakEvenPrice": amount(position.entry),
        "markPrice": amount(mark * spec.tick),
        "unRealizedProfit": amount(position.profit(mark)),
        "liquidationPrice": "0",
        "isolatedMargin": amount(margin if isolated else Decimal(0)),
        "notional": amount(value),
        "marginAsset": spec.quote,
        "isolatedWallet": "0",
        "initialMargin": amount(margin),
        "maintMargin": amount(abs(value) * spec.maint_margin),
        "positionInitialMargin": amount(margin),
        "openOrderInitialMargin": "0",
        "adl": 0,
        "bidNotional": "0",
        "askNotional": "0",
        "leverage": str(account.leverage_of(spec)),
        "marginType": "isolated" if isolated else "cross",
        "isAutoAddMargin": "false",
        "maxNotionalValue": "1000000000",
        "isolated": isolated,
        "updateTime": (position.updated_us or now_us) // 1000,
    }


class UsdmEvents:
    """Turns what happens to orders into user-data events; a `host.paper.exchange.Listener`.

    Parameters
    ----------
    exchange, account : Exchange, UsdmAccount
        Of the market.
    publish : callable
        Takes each event.
    """

    def __init__(self, exchange: Exchange, account: UsdmAccount, publish: Publish) -> None:
        self._exchange = exchange
        self._account = account
        self._publish = publish

    def order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Send ORDER_TRADE_UPDATE, or ALGO_UPDATE while the order waits for its trigger."""
        now_ms = self._exchange.now_us() // 1000
        if order.algo_id and (not order.working or event == "TRIGGERED"):
            body = algo_json(order)
            self._publish(
                {
                    "e": "ALGO_UPDATE",
                    "T": now_ms,
                    "E": now_ms,
                    "o": {
                        "caid": body["clientAlgoId"],
                        "aid": body["algoId"],
                        "at": "CONDITIONAL",
                        "o": body["orderType"],
                        "s": body["symbol"],
                        "S": body["side"],
                        "ps": body["positionSide"],
                        "f": body["timeInForce"],
                        "q": body["quantity"],
                        "X": body["algoStatus"],
                        "ai": body["actualOrderId"],
                        "tp": body["triggerPrice"],
                        "p": body["price"],
                        "R": body["reduceOnly"],
                        "cp": body["closePosition"],
                    },
                }
            )
            if not order.working:
                return
            event = "NEW"
        self._publish(
            {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": _event(order, event, fill)}
        )

    def settled(self, order: Order) -> None:
        """Send ACCOUNT_UPDATE."""
        self.account("ORDER", order.spec.name)

    def account(self, reason: str, symbol: str | None) -> None:
        """Send ACCOUNT_UPDATE with a reason, and the positions of a symbol."""
        now_ms = self._exchange.now_us() // 1000
        positions = []
        for (name, side), position in self._account.positions.items():
            if name == symbol:
                mark = self._exchange.books[name].mark_ticks or 0
                isolated = self._account.isolated.get(name, False)
                positions.append(
                    {
                        "s": name,
                        "pa": plain(position.qty),
                        "ep": amount(position.entry),
                        "bep": amount(position.entry),
                        "cr": amount(position.realized),
                        "up": amount(position.profit(mark)),
                        "mt": "isolated" if isolated else "cross",
                        "iw": "0",
                        "ps": side,
                    }
                )
        balances = [
            {"a": asset, "wb": amount(value), "cw": amount(value), "bc": "0"}
            for asset, value in self._account.wallet.items()
        ]
        self._publish(
            {
                "e": "ACCOUNT_UPDATE",
                "E": now_ms,
                "T": now_ms,
                "a": {"m": reason, "B": balances, "P": positions},
            }
        )


def _event(order: Order, event: str, fill: Fill | None) -> dict[str, object]:
    asked, spec = order.asked, order.spec
    found: dict[str, object] = {
        "s": spec.name,
        "c": asked.client_id,
        "S": _SIDE[asked.side],
        "o": _kind(order),
        "f": asked.tif,
        "q": spec.qty_text(asked.qty_lots),
        "p": spec.price_text(asked.price_ticks),
        "ap": f"{order.average:.5f}",
        "sp": spec.price_text(asked.stop_ticks),
        "x": event,
        "X": order.status,
        "i": order.order_id,
        "l": spec.qty_text(fill.qty_lots if fill else 0),
        "z": spec.qty_text(order.filled_lots),
        "L": spec.price_text(fill.price_ticks if fill else 0),
        "T": order.updated_us // 1000,
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.maker),
        "R": asked.reduce_only,
        "wt": "MARK_PRICE" if asked.mark_trigger else "CONTRACT_PRICE",
        "ot": _kind(order),
        "ps": asked.position_side,
        "cp": asked.close_position,
        "rp": amount(fill.realized if fill else Decimal(0)),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": asked.stp,
        "pm": "NONE",
        "gtd": asked.good_till_ms,
    }
    if fill:
        found["n"] = amount(fill.commission)
        found["N"] = fill.commission_asset
    return found
