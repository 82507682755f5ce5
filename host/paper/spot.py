# SPDX-License-Identifier: Apache-2.0
"""Balances of the paper venue's spot market.

A buy locks price x quantity of the quote asset, a sell its quantity of the base asset. The
commission is taken from what is received and rounded up to 1e-8, never in the account's favour.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal

from host.paper.errors import refusal
from host.paper.matching import Match
from host.paper.orders import BUY, Fill, Order

__all__ = ["SpotAccount"]

_ZERO = Decimal(0)
#: Step of amounts, 1e-8.
_AMOUNT = Decimal("1e-8")


class SpotAccount:
    """Free and locked amounts of each asset.

    Parameters
    ----------
    balances : mapping
        Free amount by asset at the start.
    maker_rate, taker_rate : Decimal
        Commission as a share of what is received.

    Attributes
    ----------
    free, locked : dict
        Amount by asset.
    """

    def __init__(
        self, balances: Mapping[str, Decimal], maker_rate: Decimal, taker_rate: Decimal
    ) -> None:
        self.free: dict[str, Decimal] = {asset: Decimal(v) for asset, v in balances.items()}
        self.locked: dict[str, Decimal] = dict.fromkeys(self.free, _ZERO)
        self.maker_rate = maker_rate
        self.taker_rate = taker_rate

    def admit(self, order: Order, matches: list[Match]) -> None:
        """Lock what the order may need; see `host.paper.exchange.Account`."""
        asset, amount = self._need(order, matches)
        if self.free.get(asset, _ZERO) < amount:
            raise refusal("no_balance")
        self._lock(asset, amount)
        order.reserved = amount

    def release(self, order: Order) -> None:
        """Unlock what is left of the order's lock."""
        self._lock(self._asset(order), -order.reserved)
        order.reserved = _ZERO

    def most_lots(self, order: Order) -> int:
        """No limit."""
        return order.remaining_lots

    def apply(self, order: Order, fill: Fill) -> None:
        """Exchange the amounts of a fill."""
        spec = order.spec
        base = fill.qty_lots * spec.lot
        buys = order.side == BUY
        gives, gets = (fill.quote, base) if buys else (base, fill.quote)
        got = spec.base if buys else spec.quote
        # a limit order that trades at a better price gives back the difference
        share = self._limit_quote(order, fill.qty_lots) if buys else base
        share = min(share or gives, order.reserved)
        order.reserved -= share
        asset = self._asset(order)
        self.locked[asset] -= share
        self.free[asset] = self.free.get(asset, _ZERO) + share - gives
        rate = self.maker_rate if fill.maker else self.taker_rate
        fill.commission = (gets * rate).quantize(_AMOUNT, rounding=ROUND_UP)
        fill.commission_asset = got
        self.free[got] = self.free.get(got, _ZERO) + gets - fill.commission
        self.locked.setdefault(got, _ZERO)

    def _asset(self, order: Order) -> str:
        return order.spec.quote if order.side == BUY else order.spec.base

    def _limit_quote(self, order: Order, lots: int) -> Decimal:
        return order.asked.price_ticks * lots * order.spec.unit

    def _need(self, order: Order, matches: list[Match]) -> tuple[str, Decimal]:
        spec = order.spec
        if order.side != BUY:
            lots = order.remaining_lots
            if order.asked.quote_qty is not None:
                lots = sum(match.qty_lots for match in matches)
            return spec.base, lots * spec.lot
        if order.asked.price_ticks:
            return spec.quote, self._limit_quote(order, order.remaining_lots)
        if order.asked.stop_ticks:
            return spec.quote, order.asked.stop_ticks * order.remaining_lots * spec.unit
        units = sum(match.price_ticks * match.qty_lots for match in matches)
        return spec.quote, units * spec.unit

    def _lock(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self.free.get(asset, _ZERO) - amount
        self.locked[asset] = self.locked.get(asset, _ZERO) + amount
