# SPDX-License-Identifier: Apache-2.0
"""Which order trades how much at which price: the paper venue's market model.

* An arriving order takes the levels the capture shows, best first, at their prices. A level
  it takes from stays smaller until the capture tells that level anew (`host.paper.book`).
* An order that rests joins the queue behind all quantity shown at its price. A print at its
  price takes from the quantity before it first, then fills it; a print beyond its price fills
  it. No order gets more than the print's quantity, and several share it in their order.
* A level that shrinks by more than was printed has seen cancels. Whose they were is a model:
  `back` (all behind our order, the least favourable), or `proportional` (spread evenly over
  the queue, rounded against our order). The queue before an order never exceeds the level.
* Where the capture's other side comes to stand at or beyond a resting order's price, the order
  fills at its own price with the quantity that stands there.
* Our orders do not move the market: nobody answers them, and they are not in the depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from host.paper.book import LevelChange, MarketBook, Tape
from host.paper.orders import BUY, SELL, Order

__all__ = ["QUEUE_MODELS", "Match", "OwnBook", "plan"]

QUEUE_MODELS = ("back", "proportional")


class Match(NamedTuple):
    """Part of an order that trades."""

    price_ticks: int
    qty_lots: int


def plan(
    book: MarketBook, side: int, limit_ticks: int, qty_lots: int, quote_units: int = 0
) -> list[Match]:
    """What an arriving order would take, without taking it.

    Parameters
    ----------
    book : MarketBook
        The market.
    side : int
        Side of the order.
    limit_ticks : int
        Worst price, 0 for any.
    qty_lots : int
        Quantity wanted; 0 with `quote_units`.
    quote_units : int
        Ticks times lots to spend, where the quantity is not given.
    """
    found: list[Match] = []
    for price, left in book.levels(-side):
        if limit_ticks and (price - limit_ticks) * side > 0:
            break
        if quote_units:
            lots = min(left, quote_units // price)
            quote_units -= lots * price
        else:
            lots = min(left, qty_lots)
            qty_lots -= lots
        if lots:
            found.append(Match(price, lots))
        if (not quote_units and not qty_lots) or lots < left:
            break
    return found


class OwnBook:
    """Our resting orders of one symbol.

    Parameters
    ----------
    book : MarketBook
        The market.
    queue_model : str
        One of `QUEUE_MODELS`.
    fill : callable
        Called with an order, a price and a quantity for each fill as maker.
    """

    def __init__(
        self, book: MarketBook, queue_model: str, fill: Callable[[Order, int, int], None]
    ) -> None:
        if queue_model not in QUEUE_MODELS:
            raise ValueError(f"queue model: expected one of {QUEUE_MODELS}, was {queue_model!r}")
        self.book = book
        self._proportional = queue_model == "proportional"
        self._fill = fill
        self._levels: dict[int, dict[int, list[Order]]] = {BUY: {}, SELL: {}}

    def add(self, order: Order) -> None:
        """Let an order rest behind the quantity shown at its price."""
        price = order.asked.price_ticks
        order.ahead_lots = self.book.free_lots(order.side, price)
        self._levels[order.side].setdefault(price, []).append(order)

    def remove(self, order: Order) -> None:
        """Take an order out; nothing happens where it does not rest."""
        levels = self._levels[order.side]
        orders = levels.get(order.asked.price_ticks, [])
        if order in orders:
            orders.remove(order)
            if not orders:
                del levels[order.asked.price_ticks]

    def best_first(self, side: int) -> Iterator[Order]:
        """Resting orders of a side by price, then by time."""
        levels = self._levels[side]
        for price in sorted(levels, reverse=side == BUY):
            yield from list(levels[price])

    def crossed_by(self, side: int, limit_ticks: int) -> list[Order]:
        """Our own resting orders that an arriving order of ours would trade with."""
        return [
            order
            for order in self.best_first(-side)
            if not limit_ticks or (order.asked.price_ticks - limit_ticks) * side <= 0
        ]

    def on_print(self, tape: Tape) -> None:
        """Let a print reach the orders of the side it hit."""
        side = BUY if tape.seller_is_aggressor else SELL
        levels = self._levels[side]
        if not levels:
            return
        left = tape.qty_lots
        for price in sorted(levels, reverse=side == BUY):
            if (price - tape.price_ticks) * side < 0 or not left:
                return
            orders = list(levels[price])
            if price != tape.price_ticks:
                for order in orders:
                    left -= self._give(order, left)
                continue
            gone = 0  # of the queue of others
            for order in orders:
                step = min(left, max(0, order.ahead_lots - gone))
                gone += step
                left -= step
                if order.ahead_lots <= gone:
                    left -= self._give(order, left)
            for order in orders:
                order.ahead_lots = max(0, order.ahead_lots - gone)

    def on_changes(self, changes: list[LevelChange]) -> None:
        """Follow the levels our orders rest at, then fill what the market has crossed."""
        for side, price, old, new, traded in changes:
            orders = self._levels[side].get(price)
            if not orders:
                continue
            cancelled = old - new - traded
            for order in orders:
                ahead = order.ahead_lots
                if self._proportional and cancelled > 0 and old > traded:
                    ahead -= cancelled * ahead // (old - traded)
                order.ahead_lots = max(0, min(ahead, new))
        self.cross()

    def cross(self) -> None:
        """Fill resting orders at whose price, or beyond, the market's other side stands."""
        for side in (BUY, SELL):
            if not self._levels[side]:
                continue
            for order in self.best_first(side):
                limit = order.asked.price_ticks
                if not plan(self.book, side, limit, 1):
                    break
                for price, lots in plan(self.book, side, limit, order.remaining_lots):
                    self.book.take(-side, price, lots)
                    self._give(order, lots)

    def _give(self, order: Order, most_lots: int) -> int:
        lots = min(order.remaining_lots, most_lots)
        if lots:
            self._fill(order, order.asked.price_ticks, lots)
        return lots
