# SPDX-License-Identifier: Apache-2.0
"""Sizes and limits of a session, worked out from its equity and written to the board."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from host.driver.config import RunConfig
from host.driver.fabric import Fabric
from host.driver.registers import (
    Budget,
    clock_writes,
    global_writes,
    limit_writes,
    strategy_writes,
)
from host.driver.units import Instrumented, units_of
from host.risk.sizing import Sizing, Volatility, kelly_share, position_value, shares_of_groups
from host.settings import Write

__all__ = ["Sizes"]


class Sizes:
    """Keeps the limits of the board in line with the equity.

    Losses are shares of the equity at the start of the day; sizes follow the equity of the
    moment.

    Parameters
    ----------
    config : RunConfig
        Shares and bounds.
    fabric : Fabric
        The board.
    symbols : list of Instrumented
        What is traded.
    prices : mapping
        A price of each by number.
    equity : Decimal
        At the start.

    Attributes
    ----------
    budgets : dict
        `Budget` in force by symbol number.
    units : Units
        Units of the gate.
    """

    def __init__(
        self,
        config: RunConfig,
        fabric: Fabric,
        symbols: list[Instrumented],
        prices: Mapping[int, Decimal],
        equity: Decimal,
    ) -> None:
        self._config = config
        self._fabric = fabric
        self._symbols = symbols
        risk = config.risk
        kelly = kelly_share(risk.win_share, risk.win_loss) if risk.win_share else None
        self._sizing = Sizing(
            risk.risk_share, risk.stop_share, risk.leverage, kelly, risk.sigma_limit
        )
        self._shares = shares_of_groups({one.symbol: one.group for one in symbols})
        self._day_equity = equity
        self.volatility = {one.number: Volatility() for one in symbols}
        self.units = units_of(symbols, prices)
        self.budgets: dict[int, Budget] = {}
        self.entering = True

    def begin_day(self, equity: Decimal) -> None:
        """Losses are shares of this equity from now on."""
        self._day_equity = equity

    def budget(self, one: Instrumented, price: Decimal, equity: Decimal) -> Budget:
        """What a symbol may do at a price."""
        sigmas = self.volatility[one.number].sigmas
        value = position_value(self._sizing, equity, sigmas, self._shares[one.symbol])
        position = one.lots(value / price)
        order = position // self._config.risk.orders_a_position
        order -= order % one.order_lots
        if order < one.least_lots:
            order = 0
        return Budget(order, position, price)

    def write(self, prices: Mapping[int, Decimal], equity: Decimal, entering: bool) -> list[Write]:
        """Write every setting and limit; those of a symbol take force at once.

        Parameters
        ----------
        prices : mapping
            A price of each symbol by number.
        equity : Decimal
            Now.
        entering : bool
            Whether new risk may be taken.

        Returns
        -------
        list of Write
            What was written, in order.

        Raises
        ------
        LinkError
            The board does not take them.
        """
        gross = max(equity, Decimal(0)) * self._config.risk.leverage
        writes = global_writes(self._config, self.units, self._day_equity, gross)
        writes += clock_writes(self._config)
        for one in self._symbols:
            budget = self.budget(one, prices[one.number], equity)
            self.budgets[one.number] = budget
            bits = self._fabric.identity.qty_bits
            writes += limit_writes(self._config, one, budget, self.units, entering, bits)
            writes += strategy_writes(self._config, one, budget)
        self._fabric.write(writes)
        self.entering = entering
        return writes

    def credit(self, equity: Decimal, used: Decimal) -> int:
        """What may be spent, units of value: equity x leverage less what positions use."""
        return self.units.value_units(equity * self._config.risk.leverage - used)
