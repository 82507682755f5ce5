# SPDX-License-Identifier: Apache-2.0
"""Parameters of order requests to orders in ticks and lots."""

from __future__ import annotations

from decimal import Decimal

from host.paper.call import Call
from host.paper.errors import refusal
from host.paper.exchange import Exchange
from host.paper.orders import BUY, SELL, NewOrder, Order
from host.paper.symbols import SPOT, SymbolSpec
from host.paper.triggers import CONDITIONAL

__all__ = ["SIDES", "algo_order", "new_order", "order_of"]

SIDES = {"BUY": BUY, "SELL": SELL}
_TIFS = ("GTC", "IOC", "FOK", "GTX", "GTD")
_STP = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
_SPOT_KINDS = (
    "LIMIT",
    "MARKET",
    "LIMIT_MAKER",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
_PRICED = ("LIMIT", "LIMIT_MAKER", "STOP", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
_ALGO_KINDS = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")


def new_order(call: Call, exchange: Exchange) -> NewOrder:
    """An order of ``POST /api/v3/order`` or ``POST /fapi/v1/order``.

    Raises
    ------
    VenueError
        A parameter is missing or wrong, or breaks a filter.
    """
    spec = exchange.spec(call.text("symbol"))
    spot = exchange.market == SPOT
    side = SIDES[call.one_of("side", tuple(SIDES), None, "side")]
    kinds = _SPOT_KINDS if spot else ("LIMIT", "MARKET", *_ALGO_KINDS)
    kind = call.one_of("type", kinds, None, "order_type")
    if not spot and kind in _ALGO_KINDS:
        raise refusal("use_algo")
    asked = NewOrder(spec, side, kind, client_id=call.maybe("newClientOrderId") or "")
    if spot:
        _spot(call, asked, spec)
    else:
        _usdm(call, asked)
    if kind == "LIMIT" or (kind in _PRICED and kind != "LIMIT_MAKER"):
        tifs = _TIFS[:3] if spot else _TIFS
        asked.tif = call.one_of("timeInForce", tifs, None, "tif")
    if kind in _PRICED:
        asked.price_ticks = spec.price_ticks(call.text("price"))
    elif call.maybe("price") is not None and spot:
        raise refusal("not_required", name="price")
    _quantity(call, asked)
    _good_till(call, asked)
    asked.stp = call.one_of("selfTradePreventionMode", _STP, "EXPIRE_MAKER", "combination")
    return asked


def _quantity(call: Call, asked: NewOrder) -> None:
    text = call.maybe("quantity")
    market = asked.kind == "MARKET"
    if asked.close_position:
        if text is not None or asked.reduce_only:
            raise refusal("not_required", name="quantity" if text else "reduceonly")
        return
    if text is None and market and asked.quote_qty is not None:
        return
    if text is not None and asked.quote_qty is not None:
        raise refusal("combination")
    asked.qty_lots = asked.spec.qty_lots(call.text("quantity"), market)


def _spot(call: Call, asked: NewOrder, spec: SymbolSpec) -> None:
    amount = call.decimal("quoteOrderQty")
    if amount is not None:
        if asked.kind != "MARKET":
            raise refusal("not_required", name="quoteOrderQty")
        if amount < spec.min_notional:
            raise refusal("filter", name="NOTIONAL")
        asked.quote_qty = amount
    if asked.kind in CONDITIONAL:
        asked.stop_ticks = spec.price_ticks(call.text("stopPrice"))
    for name in ("icebergQty", "trailingDelta"):
        if call.maybe(name) is not None:
            raise refusal("not_required", name=name)


def _usdm(call: Call, asked: NewOrder) -> None:
    asked.reduce_only = call.flag("reduceOnly")
    asked.close_position = call.flag("closePosition")
    asked.position_side = call.one_of(
        "positionSide", ("BOTH", "LONG", "SHORT"), "BOTH", "combination"
    )
    if asked.reduce_only and asked.position_side != "BOTH":
        raise refusal("reduce_in_hedge")


def _good_till(call: Call, asked: NewOrder) -> None:
    if asked.tif == "GTD":
        end_ms = call.whole("goodTillDate")
        if end_ms is None or end_ms <= call.now_ms + 600_000:
            raise refusal("missing", name="goodTillDate")
        asked.good_till_ms = end_ms


def algo_order(call: Call, exchange: Exchange) -> NewOrder:
    """An order of ``POST /fapi/v1/algoOrder``.

    Raises
    ------
    VenueError
        A parameter is missing or wrong, or breaks a filter.
    """
    spec = exchange.spec(call.text("symbol"))
    call.one_of("algoType", ("CONDITIONAL",), None, "combination")
    side = SIDES[call.one_of("side", tuple(SIDES), None, "side")]
    kind = call.one_of("type", _ALGO_KINDS, None, "order_type")
    asked = NewOrder(spec, side, kind, client_id=call.maybe("clientAlgoId") or "")
    _usdm(call, asked)
    asked.mark_trigger = (
        call.one_of(
            "workingType", ("MARK_PRICE", "CONTRACT_PRICE"), "CONTRACT_PRICE", "combination"
        )
        == "MARK_PRICE"
    )
    if kind == "TRAILING_STOP_MARKET":
        rate = Decimal(call.text("callbackRate")) if call.decimal("callbackRate") else Decimal(0)
        if not Decimal("0.1") <= rate <= 10:
            raise refusal("parameter", name="callbackRate")
        asked.callback_bp = int(rate * 100)
        activation = call.maybe("activatePrice") or call.maybe("activationPrice")
        asked.stop_ticks = spec.price_ticks(activation) if activation else 0
    else:
        asked.stop_ticks = spec.price_ticks(call.text("triggerPrice"))
    if kind in ("STOP", "TAKE_PROFIT"):
        asked.price_ticks = spec.price_ticks(call.text("price"))
        asked.tif = call.one_of("timeInForce", _TIFS, "GTC", "tif")
    _quantity(call, asked)
    _good_till(call, asked)
    return asked


def order_of(call: Call, exchange: Exchange, gone: str = "no_order") -> Order:
    """The order a request names by `orderId` or `origClientOrderId`.

    Raises
    ------
    VenueError
        -1102, -1121, or what `gone` names.
    """
    spec = exchange.spec(call.text("symbol"))
    order_id, client_id = call.whole("orderId"), call.maybe("origClientOrderId")
    if order_id is None and client_id is None:
        raise refusal("either", one="origClientOrderId", other="orderId")
    return exchange.find(spec.name, order_id, client_id, gone)
