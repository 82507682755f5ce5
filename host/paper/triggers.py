# SPDX-License-Identifier: Apache-2.0
"""Stop, take-profit and trailing orders: when they begin to work, and as what."""

from __future__ import annotations

from dataclasses import replace

from host.paper.book import MarketBook, Tape
from host.paper.orders import BUY, NewOrder, Order

__all__ = ["CONDITIONAL", "MARKET_KINDS", "STOPS", "as_working", "hits", "would_hit"]

#: Kinds that wait for a price to rise (buy) or fall (sell) to their trigger.
STOPS = ("STOP", "STOP_MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT")
#: Kinds that wait for the opposite move.
_TAKES = ("TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TAKE_PROFIT_LIMIT")
_TRAILING = "TRAILING_STOP_MARKET"
CONDITIONAL = (*STOPS, *_TAKES, _TRAILING)
#: Conditional kinds that become market orders; TAKE_PROFIT does so without a price.
MARKET_KINDS = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP_LOSS", _TRAILING)


def _reached(asked: NewOrder, price_ticks: int) -> bool:
    rises = asked.side == BUY
    if asked.kind in _TAKES:
        rises = not rises
    if rises:
        return price_ticks >= asked.stop_ticks
    return price_ticks <= asked.stop_ticks


def would_hit(asked: NewOrder, book: MarketBook) -> bool:
    """Whether a new order would be triggered at once."""
    price = book.mark_ticks if asked.mark_trigger else (book.last_ticks or book.mark_ticks)
    if price is None:
        return False
    if asked.kind == _TRAILING:
        return False
    return _reached(asked, price)


def hits(order: Order, book: MarketBook, tape: Tape | None) -> bool:
    """Whether the market has reached a waiting order's trigger.

    Trailing orders keep their extreme price here: each print moves it, and the order is hit once
    the price has come back from it by the callback rate.
    """
    asked = order.asked
    if asked.mark_trigger:
        price = book.mark_ticks
    else:
        price = tape.price_ticks if tape is not None else None
    if price is None:
        return False
    if asked.kind != _TRAILING:
        return _reached(asked, price)
    buys = asked.side == BUY
    if not order.activated:
        start = asked.stop_ticks
        order.activated = not start or (price <= start if buys else price >= start)
        if not order.activated:
            return False
        order.extreme_ticks = price
    order.extreme_ticks = (
        min(order.extreme_ticks, price) if buys else max(order.extreme_ticks, price)
    )
    back = (price - order.extreme_ticks) if buys else (order.extreme_ticks - price)
    return back > 0 and back * 10_000 >= order.extreme_ticks * asked.callback_bp


def as_working(asked: NewOrder) -> NewOrder:
    """The order a triggered one becomes."""
    market = asked.kind in MARKET_KINDS or not asked.price_ticks
    return replace(asked, kind="MARKET" if market else "LIMIT", price_ticks=asked.price_ticks)
