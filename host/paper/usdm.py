# SPDX-License-Identifier: Apache-2.0
"""Positions, margin and profit of the paper venue's USD-M futures.

Exact in decimals: a position keeps the sum of what it cost, and a partial close takes its share
of that, rounded to 1e-8; what rounding leaves stays in the position. So when a position is
closed the wallet has moved by exactly the difference of amounts bought and sold, less the
commissions (rounded up to 1e-8) and funding.

Margin is one pool (cross) for every position, isolated ones as well; there is one maintenance
bracket a symbol. An account whose margin balance is no longer above its maintenance margin is
liquidated: its orders are cancelled and its positions closed at market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import NamedTuple

from host.paper.errors import refusal
from host.paper.matching import Match
from host.paper.orders import BUY, Fill, Order
from host.paper.symbols import SymbolSpec

__all__ = ["Income", "Position", "UsdmAccount"]

_ZERO = Decimal(0)
_AMOUNT = Decimal("1e-8")


@dataclass(slots=True)
class Position:
    """Position of a symbol and side.

    Attributes
    ----------
    lots : int
        Above 0 long, below 0 short.
    cost : Decimal
        What was paid for it; below 0 for a short position.
    """

    spec: SymbolSpec
    side: str
    lots: int = 0
    cost: Decimal = _ZERO
    realized: Decimal = _ZERO
    updated_us: int = 0

    @property
    def qty(self) -> Decimal:
        """Signed quantity."""
        return self.lots * self.spec.lot

    @property
    def entry(self) -> Decimal:
        """Average entry price, 0 without a position."""
        return self.cost / self.qty if self.lots else _ZERO

    def value(self, price_ticks: int) -> Decimal:
        """Signed notional at a price."""
        return self.lots * price_ticks * self.spec.unit

    def profit(self, price_ticks: int) -> Decimal:
        """Unrealised profit at a price."""
        return self.value(price_ticks) - self.cost

    def trade(self, side: int, price_ticks: int, qty_lots: int) -> Decimal:
        """Book a trade; the realised profit."""
        unit, realized = self.spec.unit, _ZERO
        if self.lots * side < 0:
            sign = -side
            closing = min(abs(self.lots), qty_lots)
            if closing == abs(self.lots):
                part = self.cost
            else:
                part = (self.cost * closing / abs(self.lots)).quantize(_AMOUNT, ROUND_HALF_EVEN)
            realized = sign * closing * price_ticks * unit - part
            self.cost -= part
            self.lots += side * closing
            qty_lots -= closing
        if qty_lots:
            self.lots += side * qty_lots
            self.cost += side * qty_lots * price_ticks * unit
        self.realized += realized
        return realized


class Income(NamedTuple):
    """An entry of the income history."""

    kind: str
    symbol: str
    asset: str
    amount: Decimal
    time_us: int
    tran_id: int
    trade_id: int


class UsdmAccount:
    """Wallet and positions.

    Parameters
    ----------
    balances : mapping
        Wallet by asset.
    maker_rate, taker_rate : Decimal
        Commission as a share of the notional.
    mark_ticks : callable
        Mark price of a symbol by name, None where it is unknown.
    leverage : int
        Of every symbol at the start.

    Attributes
    ----------
    wallet : dict
        Balance by asset.
    positions : dict
        `Position` by symbol name and position side.
    hedged : bool
        Long and short positions of a symbol stand beside each other.
    income : list of Income
        Realised profit, commissions and funding in order.
    """

    def __init__(
        self,
        balances: Mapping[str, Decimal],
        maker_rate: Decimal,
        taker_rate: Decimal,
        mark_ticks: Callable[[str], int | None],
        leverage: int = 20,
    ) -> None:
        self.wallet: dict[str, Decimal] = {asset: Decimal(v) for asset, v in balances.items()}
        self.maker_rate = maker_rate
        self.taker_rate = taker_rate
        self.positions: dict[tuple[str, str], Position] = {}
        self.hedged = False
        self.income: list[Income] = []
        self.leverage: dict[str, int] = {}
        self.isolated: dict[str, bool] = {}
        self.open: dict[int, Order] = {}
        self._first_leverage = leverage
        self._mark = mark_ticks

    def leverage_of(self, spec: SymbolSpec) -> int:
        """Leverage of a symbol."""
        return self.leverage.get(spec.name, min(self._first_leverage, spec.max_leverage))

    def position(self, spec: SymbolSpec, side: str = "BOTH") -> Position:
        """Position of a symbol, made where there is none."""
        key = (spec.name, side)
        if key not in self.positions:
            self.positions[key] = Position(spec, side)
        return self.positions[key]

    # host.paper.exchange.Account

    def admit(self, order: Order, matches: list[Match]) -> None:
        """Refuse what reduces nothing though it should, or lacks margin."""
        asked = order.asked
        if self.hedged != (asked.position_side != "BOTH"):
            raise refusal("position_side")
        if not self.most_lots(order):
            raise refusal("reduce_only")
        before = self.order_margin(order.spec)
        self.open[order.order_id] = order
        price = asked.price_ticks or asked.stop_ticks
        if matches:
            price = max(price, matches[-1].price_ticks)
        needed = self.order_margin(order.spec, {order.order_id: price}) - before
        if needed > 0 and self.available(order.spec.quote, order.order_id, price) < 0:
            del self.open[order.order_id]
            raise refusal("margin")

    def release(self, order: Order) -> None:
        """The order needs no margin any more."""
        self.open.pop(order.order_id, None)

    def most_lots(self, order: Order) -> int:
        """Quantity a reducing order may trade; any other order all of it."""
        asked = order.asked
        hedge_close = asked.position_side != "BOTH" and (
            (asked.position_side == "LONG") != (asked.side == BUY)
        )
        if not (asked.reduce_only or asked.close_position or hedge_close):
            return order.remaining_lots
        lots = self.position(order.spec, asked.position_side).lots
        held = max(0, -lots * asked.side)
        return held if asked.close_position else min(held, order.remaining_lots)

    def apply(self, order: Order, fill: Fill) -> None:
        """Book a fill into position and wallet."""
        spec = order.spec
        position = self.position(spec, order.asked.position_side)
        fill.realized = position.trade(order.side, fill.price_ticks, fill.qty_lots)
        position.updated_us = fill.time_us
        rate = self.maker_rate if fill.maker else self.taker_rate
        fill.commission = (fill.quote * rate).quantize(_AMOUNT, rounding=ROUND_UP)
        fill.commission_asset = spec.quote
        self._book("REALIZED_PNL", spec, fill.realized, fill.time_us, fill.trade_id)
        self._book("COMMISSION", spec, -fill.commission, fill.time_us, fill.trade_id)

    # margin

    def profit(self, asset: str) -> Decimal:
        """Unrealised profit of all positions of a margin asset."""
        return sum((p.profit(self._ticks(p)) for p in self._of(asset)), _ZERO)

    def position_margin(self, position: Position) -> Decimal:
        """Initial margin of a position at the mark price."""
        value = abs(position.value(self._ticks(position)))
        return value / self.leverage_of(position.spec)

    def order_margin(
        self, spec: SymbolSpec, prices_ticks: Mapping[int, int] | None = None
    ) -> Decimal:
        """Initial margin of a symbol's position and open orders together.

        The larger of what all buys and what all sells would make of the position.
        """
        buys = sells = value = _ZERO
        mark = self._mark(spec.name) or 0
        for order in self.open.values():
            asked = order.asked
            if order.spec is not spec or asked.reduce_only or asked.close_position:
                continue
            if asked.position_side != "BOTH" and (
                (asked.position_side == "LONG") != (asked.side == BUY)
            ):
                continue
            price = (prices_ticks or {}).get(order.order_id) or asked.price_ticks
            amount = (price or asked.stop_ticks or mark) * order.remaining_lots * spec.unit
            if asked.side == BUY:
                buys += amount
            else:
                sells += amount
        held = [p for (name, _), p in self.positions.items() if name == spec.name]
        leverage = self.leverage_of(spec)
        if self.hedged:
            value = sum((abs(p.value(mark)) for p in held), _ZERO)
            return (value + buys + sells) / leverage
        value = sum((p.value(mark) for p in held), _ZERO)
        return max(abs(value + buys), abs(value - sells)) / leverage

    def available(self, asset: str, order_id: int = 0, price_ticks: int = 0) -> Decimal:
        """What is left for new orders."""
        specs = {p.spec.name: p.spec for p in self._of(asset)}
        specs |= {o.spec.name: o.spec for o in self.open.values() if o.spec.quote == asset}
        priced = {order_id: price_ticks} if order_id else {}
        used = sum((self.order_margin(spec, priced) for spec in specs.values()), _ZERO)
        return self.wallet.get(asset, _ZERO) + self.profit(asset) - used

    def maintenance(self, asset: str) -> Decimal:
        """Maintenance margin of all positions of a margin asset."""
        return sum(
            (abs(p.value(self._ticks(p))) * p.spec.maint_margin for p in self._of(asset)), _ZERO
        )

    def in_liquidation(self, asset: str) -> bool:
        """Whether the margin balance does not cover the maintenance margin any more."""
        needed = self.maintenance(asset)
        return needed > 0 and self.wallet.get(asset, _ZERO) + self.profit(asset) <= needed

    def fund(self, spec: SymbolSpec, rate: Decimal, time_us: int) -> Decimal:
        """Book funding of a symbol; longs pay where the rate is above 0. The amount booked."""
        total = _ZERO
        for (name, _), position in self.positions.items():
            if name == spec.name and position.lots:
                amount = -(position.value(self._ticks(position)) * rate)
                rounding = ROUND_DOWN if amount > 0 else ROUND_UP
                amount = amount.quantize(_AMOUNT, rounding=rounding)
                self._book("FUNDING_FEE", spec, amount, time_us, 0)
                total += amount
        return total

    def _of(self, asset: str) -> list[Position]:
        return [p for p in self.positions.values() if p.lots and p.spec.quote == asset]

    def _ticks(self, position: Position) -> int:
        return self._mark(position.spec.name) or 0

    def _book(
        self, kind: str, spec: SymbolSpec, amount: Decimal, time_us: int, trade_id: int
    ) -> None:
        if not amount:
            return
        self.wallet[spec.quote] = self.wallet.get(spec.quote, _ZERO) + amount
        self.income.append(
            Income(kind, spec.name, spec.quote, amount, time_us, len(self.income) + 1, trade_id)
        )
