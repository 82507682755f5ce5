# SPDX-License-Identifier: Apache-2.0
"""How each venue is asked for an order by our own id."""

from __future__ import annotations

from typing import Any

from host.venues.interface import OrderRequest

__all__ = ["find_order"]


async def find_order(exchange: Any, request: OrderRequest) -> Any:
    """An order in ccxt's words by our own id, None where the venue knows none.

    Parameters
    ----------
    exchange : ccxt.pro.Exchange
        The venue's object.
    request : OrderRequest
        What was asked for.

    Raises
    ------
    ccxt.BaseError
        The venue did not say, or says that there is none.
    """
    venue, symbol, name = exchange.id, request.symbol, request.client_id
    if venue.startswith("binance"):
        params: dict[str, Any] = {"origClientOrderId": name}
        if request.trigger is not None and venue != "binance":
            raw = await exchange.fapiPrivateGetAlgoOrder({"clientAlgoId": name})
            if raw.get("actualOrderId"):
                # it has been triggered: the order that it became has the fills
                return await exchange.fetch_order(str(raw["actualOrderId"]), symbol)
            return exchange.parse_order(raw, exchange.market(symbol))
        return await exchange.fetch_order(None, symbol, params)
    if venue == "okx":
        return await exchange.fetch_order(None, symbol, {"clOrdId": name})
    if venue == "bybit":
        for search in (exchange.fetch_open_orders, exchange.fetch_canceled_and_closed_orders):
            orders = await search(symbol, None, 1, {"orderLinkId": name})
            if orders:
                return orders[0]
        return None
    if venue == "deribit":
        currency = exchange.market(symbol)["baseId"]
        raw = await exchange.privateGetGetOrderStateByLabel({"currency": currency, "label": name})
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
