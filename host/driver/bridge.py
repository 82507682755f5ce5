# SPDX-License-Identifier: Apache-2.0
"""Decisions of the fabric to orders, and what becomes of these to reports for the fabric.

The fabric counts an accepted order as open until it is told otherwise. So every decision has to
be given back in full: FILL for what was filled, CANCEL or REJECT for the rest, once each. The
sum of the reports of an order is its quantity, never more; what does not fit is counted in
`Bridge.odd`, and then fabric and venue have to be compared anew.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import DECISION_DTYPE, IN_DTYPE, DecisionFlag, InFlag, InKind, OutKind
from host.execution.journal import FINAL, OrderRow, State
from host.execution.orders import Change

__all__ = ["Bridge", "Market", "Wanted"]


class Market(NamedTuple):
    """A symbol of the fabric at the venue."""

    #: ccxt's unified symbol
    symbol: str
    tick: Decimal
    lot: Decimal


class Wanted(NamedTuple):
    """An order the fabric has let through."""

    decision: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    #: update id of the event it acted on
    update_id: int


class _Open:
    """What the fabric still counts as open of an order."""

    __slots__ = ("acknowledged", "left_lots", "market", "number", "sell")

    def __init__(self, number: int, market: Market, sell: bool, lots: int) -> None:
        self.number = number
        self.market = market
        self.sell = sell
        self.left_lots = lots
        self.acknowledged = False


class Bridge:
    """Both directions, for one session.

    Parameters
    ----------
    markets : dict
        `Market` by symbol number of the fabric.

    Attributes
    ----------
    odd : Counter
        What did not fit, by kind.
    """

    def __init__(self, markets: dict[int, Market]) -> None:
        self._markets = markets
        self._open: dict[int, _Open] = {}
        self._reports: list[tuple[int, int, int, int, int, int]] = []
        self.odd: Counter[str] = Counter()

    def wanted(self, out: npt.NDArray[np.uint8]) -> list[Wanted]:
        """The orders among out records, shape (n, 64) of uint8, that the gate let through."""
        rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION])
        found = []
        for row in rows.view(DECISION_DTYPE).reshape(-1):
            if int(row["flags"]) & DecisionFlag.REFUSED:
                continue
            number, lots = int(row["symbol"]), int(row["qty_lots"])
            market = self._markets.get(number)
            sell = bool(int(row["flags"]) & DecisionFlag.SIDE)
            if market is None:
                self.odd["unknown_symbol"] += 1
                continue
            decision = int(row["decision_id"])
            self._open[decision] = _Open(number, market, sell, lots)
            found.append(
                Wanted(
                    decision,
                    market.symbol,
                    "sell" if sell else "buy",
                    lots * market.lot,
                    int(row["price_ticks"]) * market.tick,
                    int(row["update_id"]),
                )
            )
        return found

    def heard(self, change: Change) -> None:
        """Take a change of an order; orders that are no decision's are left out."""
        row = change.row
        order = self._open.get(row.decision)
        if order is None or row.slice:
            return
        if row.state is State.OPEN and not order.acknowledged:
            order.acknowledged = True
            self._put(order, InKind.ACK, self._ticks(order, row), order.left_lots)
        if change.filled:
            price = change.cost / change.filled / order.market.tick
            lots = int(change.filled / order.market.lot)
            self._give(order, InKind.FILL, int(price.to_integral_value()), lots)
        if row.state in FINAL:
            refused = row.state in (State.REJECTED, State.ABSENT)
            kind = InKind.REJECT if refused else InKind.CANCEL
            self._give(order, kind, self._ticks(order, row), order.left_lots)

    def unsent(self, wanted: Wanted) -> None:
        """An order was never sent: all of it goes back."""
        order = self._open[wanted.decision]
        ticks = int(wanted.price / order.market.tick)
        self._give(order, InKind.REJECT, ticks, order.left_lots)

    def take(self) -> npt.NDArray[Any]:
        """Reports since the last call, shape (n,) of IN_DTYPE."""
        found = np.array(self._reports, dtype=IN_DTYPE)
        self._reports.clear()
        return found

    @property
    def open_lots(self) -> int:
        """What the fabric still counts as open."""
        return sum(order.left_lots for order in self._open.values())

    def _ticks(self, order: _Open, row: OrderRow) -> int:
        return int((row.request.price or Decimal(0)) / order.market.tick)

    def _give(self, order: _Open, kind: InKind, ticks: int, lots: int) -> None:
        if lots > order.left_lots:
            self.odd["more_than_open"] += 1
            lots = order.left_lots
        if lots:
            order.left_lots -= lots
            self._put(order, kind, ticks, lots)

    def _put(self, order: _Open, kind: InKind, ticks: int, lots: int) -> None:
        flags = int(InFlag.SIDE) if order.sell else 0
        self._reports.append((int(kind), flags, order.number, 0, ticks, lots))
