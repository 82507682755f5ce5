# SPDX-License-Identifier: Apache-2.0
"""What spot says of orders and balances: answers and user-data events."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from host.paper.exchange import Exchange
from host.paper.orders import BUY, Fill, Order
from host.paper.spot import SpotAccount

__all__ = ["SpotEvents", "amount", "order_json", "placed_json", "trade_json"]

_SIDE = {1: "BUY", -1: "SELL"}
Publish = Callable[[dict[str, object]], None]


def amount(value: Decimal) -> str:
    """An amount with eight places."""
    return f"{value:.8f}"


def _common(order: Order) -> dict[str, object]:
    asked, spec = order.asked, order.spec
    return {
        "symbol": spec.name,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": asked.client_id,
        "price": spec.price_text(asked.price_ticks),
        "origQty": spec.qty_text(asked.qty_lots),
        "executedQty": spec.qty_text(order.filled_lots),
        "origQuoteOrderQty": amount(asked.quote_qty or Decimal(0)),
        "cummulativeQuoteQty": amount(order.quote),
        "status": order.status,
        "timeInForce": asked.tif,
        "type": asked.kind,
        "side": _SIDE[asked.side],
        "selfTradePreventionMode": asked.stp,
    }


def order_json(order: Order) -> dict[str, object]:
    """An order as queries show it."""
    return {
        **_common(order),
        "stopPrice": order.spec.price_text(order.asked.stop_ticks),
        "icebergQty": "0.00000000",
        "time": order.created_us // 1000,
        "updateTime": order.updated_us // 1000,
        "isWorking": order.working,
        "workingTime": order.created_us // 1000 if order.working else -1,
    }


def placed_json(order: Order, kind: str) -> dict[str, object]:
    """The answer to a new order: `kind` is ACK, RESULT or FULL."""
    when = order.updated_us // 1000
    if kind == "ACK":
        names = ("symbol", "orderId", "orderListId", "clientOrderId")
        common = _common(order)
        return {name: common[name] for name in names} | {"transactTime": when}
    found = {**_common(order), "transactTime": when, "workingTime": when}
    if kind == "FULL":
        spec = order.spec
        found["fills"] = [
            {
                "price": spec.price_text(fill.price_ticks),
                "qty": spec.qty_text(fill.qty_lots),
                "commission": amount(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in order.fills
        ]
    return found


def trade_json(order: Order, fill: Fill) -> dict[str, object]:
    """A fill as myTrades shows it."""
    spec = order.spec
    return {
        "symbol": spec.name,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": spec.price_text(fill.price_ticks),
        "qty": spec.qty_text(fill.qty_lots),
        "quoteQty": amount(fill.quote),
        "commission": amount(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_us // 1000,
        "isBuyer": order.side == BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


class SpotEvents:
    """Turns what happens to orders into user-data events; a `host.paper.exchange.Listener`.

    Parameters
    ----------
    exchange, account : Exchange, SpotAccount
        Of the market.
    publish : callable
        Takes each event.
    """

    def __init__(self, exchange: Exchange, account: SpotAccount, publish: Publish) -> None:
        self._exchange = exchange
        self._account = account
        self._publish = publish

    def order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Send executionReport."""
        if event in ("TRIGGERED", "AMENDMENT"):
            event = "NEW" if event == "TRIGGERED" else "REPLACED"
        asked, spec = order.asked, order.spec
        found: dict[str, object] = {
            "e": "executionReport",
            "E": self._exchange.now_us() // 1000,
            "s": spec.name,
            "c": asked.client_id,
            "S": _SIDE[asked.side],
            "o": asked.kind,
            "f": asked.tif,
            "q": spec.qty_text(asked.qty_lots),
            "p": spec.price_text(asked.price_ticks),
            "P": spec.price_text(asked.stop_ticks),
            "F": "0.00000000",
            "g": -1,
            "C": order.old_client_id if event == "CANCELED" else "",
            "x": event,
            "X": order.status,
            "r": "NONE",
            "i": order.order_id,
            "l": spec.qty_text(fill.qty_lots if fill else 0),
            "z": spec.qty_text(order.filled_lots),
            "L": spec.price_text(fill.price_ticks if fill else 0),
            "n": amount(fill.commission) if fill else "0",
            "N": fill.commission_asset if fill else None,
            "T": order.updated_us // 1000,
            "t": fill.trade_id if fill else -1,
            "I": order.order_id * 2,
            "w": order.open and order.working,
            "m": bool(fill and fill.maker),
            "M": bool(fill),
            "O": order.created_us // 1000,
            "Z": amount(order.quote),
            "Y": amount(fill.quote if fill else Decimal(0)),
            "Q": amount(asked.quote_qty or Decimal(0)),
            "W": order.created_us // 1000,
            "V": asked.stp,
        }
        self._publish(found)
        if event == "NEW":
            self.settled(order)

    def settled(self, order: Order) -> None:
        """Send outboundAccountPosition for both assets of the order."""
        now_ms = self._exchange.now_us() // 1000
        zero = Decimal(0)
        self._publish(
            {
                "e": "outboundAccountPosition",
                "E": now_ms,
                "u": now_ms,
                "B": [
                    {
                        "a": asset,
                        "f": amount(self._account.free.get(asset, zero)),
                        "l": amount(self._account.locked.get(asset, zero)),
                    }
                    for asset in (order.spec.base, order.spec.quote)
                ],
            }
        )
