# SPDX-License-Identifier: Apache-2.0
"""A stop order at the venue behind every position, for the case that all else here is dead.

The new stop is placed before the old one is cancelled, so that a position is never without one.
Both only reduce: while there are two, the second finds no position left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from host.execution.journal import FINAL, State
from host.execution.orders import Orders

__all__ = ["Backstop"]


@dataclass
class _Placed:
    name: str
    qty: Decimal
    trigger: Decimal


class Backstop:
    """Keeps the stop of one symbol.

    Parameters
    ----------
    orders : Orders
        Sends it.
    symbol : str
        The symbol.
    tick : Decimal
        Step of prices.
    distance : Decimal
        Distance of the stop from the entry price, as a share of it.
    next_decision : callable
        Gives the number of a new decision.

    Raises
    ------
    ValueError
        The distance is not between 0 and 1.
    """

    def __init__(
        self,
        orders: Orders,
        symbol: str,
        tick: Decimal,
        distance: Decimal,
        next_decision: Callable[[], int],
    ) -> None:
        if not 0 < distance < 1:
            raise ValueError(f"distance: expected more than 0 and less than 1, was {distance}")
        self._orders = orders
        self._symbol = symbol
        self._tick = tick
        self._distance = distance
        self._next_decision = next_decision
        self._placed: list[_Placed] = []

    @property
    def covered(self) -> Decimal:
        """Quantity of the stop that is known to be at the venue, 0 for none."""
        for placed in reversed(self._placed):
            row = self._orders.row(placed.name)
            if row is not None and row.state is State.OPEN:
                return placed.qty
        return Decimal(0)

    def adopt(self, symbol: str) -> None:
        """Follow the open stops of a symbol that an earlier session has placed."""
        known = {placed.name for placed in self._placed}
        for row in self._orders.open():
            asked = row.request
            if asked.trigger is None or asked.symbol != symbol or asked.client_id in known:
                continue
            self._placed.append(_Placed(asked.client_id, asked.qty, asked.trigger))

    def trigger(self, position: Decimal, entry: Decimal) -> Decimal:
        """Trigger price of a position, on the grid, never nearer than the distance."""
        if position > 0:
            price, rounding = entry * (1 - self._distance), ROUND_FLOOR
        else:
            price, rounding = entry * (1 + self._distance), ROUND_CEILING
        steps = (price / self._tick).to_integral_value(rounding)
        return max(steps, Decimal(1)) * self._tick

    async def follow(self, position: Decimal, entry: Decimal) -> bool:
        """Put the stop where a position needs it, and take away what it does not need.

        Returns
        -------
        bool
            The position has its stop, or there is no position.

        Raises
        ------
        JournalError, VenueFault
            As of `Orders.start` and `Orders.cancel`.
        """
        self._placed = [p for p in self._placed if not self._over(p)]
        wanted = abs(position)
        if wanted:
            trigger = self.trigger(position, entry)
            fits = [p for p in self._placed if (p.qty, p.trigger) == (wanted, trigger)]
            if not fits:
                row = await self._orders.start(
                    self._next_decision(),
                    self._symbol,
                    "sell" if position > 0 else "buy",
                    wanted,
                    reduce_only=True,
                    trigger=trigger,
                    closing=True,  # a position that stands needs it most
                )
                placed = _Placed(row.request.client_id, wanted, trigger)
                # it may have been adopted while its answer was waited for
                self._placed = [p for p in self._placed if p.name != placed.name] + [placed]
                if row.state is not State.OPEN:
                    return False
                fits = [placed]
            keep = fits[-1]
        else:
            keep = None
        for old in [p for p in self._placed if keep is None or p.name != keep.name]:
            await self._orders.cancel(old.name)
        self._placed = [p for p in self._placed if not self._over(p)]
        return not wanted or self.covered == wanted

    def _over(self, placed: _Placed) -> bool:
        row = self._orders.row(placed.name)
        return row is None or row.state in FINAL
