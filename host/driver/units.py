# SPDX-License-Identifier: Apache-2.0
"""A symbol's steps, and the whole-number units in which the gate counts values and profit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from math import gcd, lcm

from host.settings import SettingError

__all__ = ["Instrumented", "Units", "units_of"]

_MOST_LOT_VALUE = 1 << 31
_MOST_TICK_VALUE = (1 << 16) - 1
_FINEST = 9


@dataclass(frozen=True)
class Instrumented:
    """A symbol of the session.

    Attributes
    ----------
    number : int
        In the fabric.
    symbol, name : str
        ccxt's name and the venue's own.
    tick, lot : Decimal
        Price of a tick and quantity of a lot, as the book has them.
    order_lots : int
        Lots in a step of an order's quantity.
    least_lots : int
        Least quantity of an order.
    group : str
        Symbols of one group share a budget.
    """

    number: int
    symbol: str
    name: str
    tick: Decimal
    lot: Decimal
    order_lots: int = 1
    least_lots: int = 1
    group: str = ""

    def lots(self, qty: Decimal) -> int:
        """Quantity in lots, whole steps of orders, rounded towards 0."""
        lots = int((qty / self.lot).to_integral_value(ROUND_FLOOR))
        return lots - lots % self.order_lots


@dataclass(frozen=True)
class Units:
    """Units of the gate.

    Attributes
    ----------
    value : Decimal
        Money of one unit of gross, net and credit.
    profit : Decimal
        Money of one unit of profit and loss.
    """

    value: Decimal
    profit: Decimal

    def lot_value(self, one: Instrumented, price: Decimal) -> int:
        """Value of a lot at a price, rounded up, at least 1."""
        units = (price * one.lot / self.value).to_integral_value(ROUND_CEILING)
        return max(1, min(int(units), (1 << 32) - 1))

    def tick_value(self, one: Instrumented) -> int:
        """Profit of a lot over a tick, exact."""
        return int(one.tick * one.lot / self.profit)

    def profit_units(self, money: Decimal) -> int:
        """A limit of losses, rounded down."""
        return int((money / self.profit).to_integral_value(ROUND_FLOOR))

    def value_units(self, money: Decimal) -> int:
        """A limit of values, rounded down, at least 0."""
        return max(0, int((money / self.value).to_integral_value(ROUND_FLOOR)))


def units_of(symbols: Sequence[Instrumented], prices: Mapping[int, Decimal]) -> Units:
    """The finest units in which every symbol fits the registers.

    Parameters
    ----------
    symbols : sequence of Instrumented
        All of the session.
    prices : mapping
        A price of each, by number.

    Raises
    ------
    SettingError
        The ticks and lots of the symbols are too far apart for one unit of profit.
    """
    largest = max(prices[one.number] * one.lot for one in symbols)
    value = Decimal(1)
    while value > Decimal(10) ** -_FINEST and largest / (value / 10) < _MOST_LOT_VALUE:
        value /= 10
    while largest / value >= _MOST_LOT_VALUE:
        value *= 10
    found = [Fraction(one.tick) * Fraction(one.lot) for one in symbols]
    below = lcm(*(one.denominator for one in found))
    above = gcd(*(int(one * below) for one in found))
    for one, step in zip(symbols, found, strict=True):
        steps = int(step * below) // above
        if steps > _MOST_TICK_VALUE:
            raise SettingError(
                f"symbol {one.symbol}: expected at most {_MOST_TICK_VALUE} units of profit a tick, "
                f"was {steps}; trade it in a session of its own"
            )
    return Units(value, Decimal(above) / Decimal(below))
