# SPDX-License-Identifier: Apache-2.0
"""Decisions of the fabric to orders, and what becomes of these to records for the fabric.

The gate gives every order it accepts a slot and counts it as open until it is told otherwise, so
each decision is given back in full under its slot: FILL for what was filled, CANCEL or REJECT
for the rest, once each. REJECT is for an order the venue never had; after an ACK or a FILL the
rest ends by CANCEL. What does not fit is counted in `Bridge.odd`, and then fabric and venue
have to be reconciled.
"""

from __future__ import annotations

import struct
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    IN_DTYPE,
    DecisionFlag,
    InFlag,
    InKind,
    OutKind,
    Reason,
)
from host.execution.journal import FINAL, State
from host.execution.orders import HOST_DECISIONS, Change

__all__ = ["Bridge", "Market", "Wanted"]

_SIDE, _WHOLE = int(InFlag.SIDE), int(InFlag.WHOLE)
_REFUSED, _REDUCE_ONLY = int(DecisionFlag.REFUSED), int(DecisionFlag.REDUCE_ONLY)
_DECISION = int(OutKind.DECISION)
#: A decision up to its verdict, without the detour of an array.
_ROW = struct.Struct("<4BI2Q2IQ")
#: High nibble of a decision's byte `order`.
_TIMES_IN_FORCE = {1: "IOC", 2: "FOK", 3: "GTX"}
_Report = tuple[int, int, int, int, int, int]


class Market(NamedTuple):
    """A symbol of the fabric at the venue."""

    #: ccxt's unified symbol
    symbol: str
    tick: Decimal
    lot: Decimal


class Wanted(NamedTuple):
    """An order the fabric has let through."""

    #: `decision_id`: number since reset, and the slot in its low byte
    decision: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    #: update id of the event it acted on
    update_id: int
    #: IOC, FOK, or GTX for post-only
    tif: str = "IOC"
    reduce_only: bool = False


class _Open:
    """What the fabric still counts as open of an order."""

    __slots__ = ("acknowledged", "left_lots", "market", "number", "sell", "slot", "ticks")

    def __init__(
        self, number: int, market: Market, sell: bool, lots: int, slot: int, ticks: int
    ) -> None:
        self.number = number
        self.market = market
        self.sell = sell
        self.left_lots = lots
        self.slot = slot
        self.ticks = ticks
        self.acknowledged = False


class Bridge:
    """Both directions, for one session.

    Parameters
    ----------
    markets : dict
        `Market` by symbol number of the fabric.
    session : int or None
        Only orders of this session are the fabric's; None: all are.

    Attributes
    ----------
    odd : Counter
        What did not fit, by kind.
    accepted, refused : int
        Decisions seen.
    reasons : Counter
        Refused decisions by `Reason`; one may have several.
    """

    def __init__(self, markets: dict[int, Market], session: int | None = None) -> None:
        self._markets = markets
        self._session = session
        self._open: dict[int, _Open] = {}
        self._reports: list[_Report] = []
        self.odd: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.accepted = 0
        self.refused = 0

    # from the fabric

    def wanted(self, out: npt.NDArray[np.uint8]) -> list[Wanted]:
        """The orders among out records, shape (n, 64) of uint8, that the gate let through."""
        found = []
        for at in [at for at, kind in enumerate(out[:, 0].tolist()) if kind == _DECISION]:
            row = _ROW.unpack_from(out[at].tobytes())
            _, flags, number, order, _, update_id, lots, ticks, decision, verdict = row
            if flags & _REFUSED:
                self.refused += 1
                self.reasons.update(one.name for one in Reason if verdict >> int(one) & 1)
                continue
            self.accepted += 1
            market = self._markets.get(number)
            tif = _TIMES_IN_FORCE.get(order >> 4)
            if market is None or tif is None:
                self.odd["unknown_symbol" if market is None else "unknown_order"] += 1
                if market is None:
                    continue
            sell = bool(flags & _SIDE)
            self._open[decision] = _Open(number, market, sell, lots, decision & 0xFF, ticks)
            if tif is None:
                self.reject(decision)
                continue
            found.append(
                Wanted(
                    decision,
                    market.symbol,
                    "sell" if sell else "buy",
                    lots * market.lot,
                    ticks * market.tick,
                    update_id,
                    tif,
                    bool(flags & _REDUCE_ONLY),
                )
            )
        return found

    # to the fabric

    def heard(self, change: Change) -> None:
        """Take a change of an order; orders that are no decision's are left out.

        Parts of a decision add up: their fills are its fills, and it ends by `ended`.
        """
        row = change.row
        if row.decision >= HOST_DECISIONS or self._session not in (None, row.session):
            return
        order = self._open.get(row.decision)
        if order is None:
            if change.filled:
                self.odd["fill_after_end"] += 1
            return
        if row.state is State.OPEN:
            self._acknowledge(order)
        if change.filled:
            self._fill(order, change.filled, change.cost)
        if row.state in FINAL and row.slice == 0:
            refused = row.state in (State.REJECTED, State.ABSENT)
            self._end(row.decision, order, refused)

    def cancelling(self, decision: int) -> None:
        """A cancel is on its way."""
        order = self._open.get(decision)
        if order is not None:
            self._put(InKind.CANCELLING, _SIDE if order.sell else 0, order.number, order.slot, 0, 0)

    def ended(self, decision: int) -> None:
        """All parts of a decision are over: what is left goes back."""
        order = self._open.get(decision)
        if order is not None:
            self._end(decision, order, refused=not order.acknowledged)

    def reject(self, decision: int) -> None:
        """An order was never sent: all of it goes back."""
        order = self._open.get(decision)
        if order is not None:
            self._end(decision, order, refused=True)

    def unsent(self, wanted: Wanted) -> None:
        """As `reject`, by the order."""
        self.reject(wanted.decision)

    def reconcile(
        self, number: int, position_lots: int, price_ticks: int = 0, *, whole: bool
    ) -> None:
        """State the venue's position of a symbol.

        Parameters
        ----------
        number : int
            Symbol number.
        position_lots : int
            Below 0 for a short position.
        price_ticks : int
            Entry price, 0 where it is not known.
        whole : bool
            The fabric takes it over, with nothing open; else it compares.
        """
        flags = (_SIDE if position_lots < 0 else 0) | (_WHOLE if whole else 0)
        self._put(InKind.RECONCILE, flags, number, 0, price_ticks, abs(position_lots))
        if whole:
            gone = [d for d, order in self._open.items() if order.number == number]
            for decision in gone:
                del self._open[decision]

    def put(self, kind: InKind, value: int = 0, number: int = 0) -> None:
        """Queue a record without price and flags: HEARTBEAT, TIMER, CREDIT, DAY or REARM."""
        self._put(kind, 0, number, 0, 0, value)

    def take(self) -> npt.NDArray[Any]:
        """Records since the last call, shape (n,) of IN_DTYPE."""
        found = np.array(self._reports, dtype=IN_DTYPE)
        self._reports.clear()
        return found

    def __len__(self) -> int:
        """Records that wait to be taken."""
        return len(self._reports)

    @property
    def open_lots(self) -> int:
        """What the fabric still counts as open."""
        return sum(order.left_lots for order in self._open.values())

    @property
    def open_decisions(self) -> list[int]:
        """Decisions that have not ended."""
        return list(self._open)

    # inside

    def _acknowledge(self, order: _Open) -> None:
        if not order.acknowledged:
            order.acknowledged = True
            self._report(InKind.ACK, order, order.ticks, order.left_lots)

    def _fill(self, order: _Open, qty: Decimal, cost: Decimal) -> None:
        """Fills whose prices and quantities give the cost exactly, in one or two records."""
        lots = int(qty / order.market.lot)
        if lots > order.left_lots:
            self.odd["more_than_open"] += 1
            lots = order.left_lots
        if lots <= 0:
            return
        units = cost / (order.market.tick * order.market.lot)
        ticks, above = divmod(int(units.to_integral_value()), lots)
        for part, price in ((lots - above, ticks), (above, ticks + 1)):
            if part:
                order.left_lots -= part
                self._report(InKind.FILL, order, price, part)
        order.acknowledged = True

    def _end(self, decision: int, order: _Open, refused: bool) -> None:
        if order.left_lots:
            kind = InKind.REJECT if refused and not order.acknowledged else InKind.CANCEL
            self._report(kind, order, order.ticks, order.left_lots)
        del self._open[decision]

    def _report(self, kind: InKind, order: _Open, ticks: int, lots: int) -> None:
        self._put(kind, _SIDE if order.sell else 0, order.number, order.slot, ticks, lots)

    def _put(self, kind: InKind, flags: int, number: int, tag: int, ticks: int, value: int) -> None:
        self._reports.append((int(kind), flags, number, tag, ticks, value))
