# SPDX-License-Identifier: Apache-2.0
"""Positions, profit and fees of a session, from its fills alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from host.venues.interface import Fill

__all__ = ["Account", "Ledger"]

_ZERO = Decimal(0)


@dataclass
class Account:
    """One symbol.

    Attributes
    ----------
    position : Decimal
        Below 0 for a short one; of spot, fees taken in the base asset are taken off.
    cash : Decimal
        What sales brought less what purchases cost.
    fees : Decimal
        Fees in the quote currency.
    other_fees : dict
        Fees in other assets, by asset.
    fills, makers : int
        Fills, and how many of them rested.
    volume : Decimal
        Price x quantity of all fills.
    funding : Decimal
        Funding that was received; below 0: paid.
    """

    position: Decimal = _ZERO
    cash: Decimal = _ZERO
    fees: Decimal = _ZERO
    other_fees: dict[str, Decimal] = field(default_factory=dict)
    fills: int = 0
    makers: int = 0
    volume: Decimal = _ZERO
    funding: Decimal = _ZERO

    def profit(self, price: Decimal) -> Decimal:
        """Profit with the position at a price, fees and funding included."""
        return self.cash + self.position * price - self.fees + self.funding


class Ledger:
    """Adds up fills; each counts once, whichever way and however often it is told.

    Parameters
    ----------
    opening : mapping, optional
        Position and price by symbol that were there before the session.
    """

    def __init__(self, opening: Mapping[str, tuple[Decimal, Decimal]] | None = None) -> None:
        self.accounts: dict[str, Account] = {}
        self._seen: set[tuple[str, str]] = set()
        for symbol, (position, price) in (opening or {}).items():
            self.accounts[symbol] = Account(position, -position * price)

    def add(self, fills: Iterable[Fill]) -> int:
        """Take fills; how many of them are new."""
        new = 0
        for fill in fills:
            key = (fill.symbol, fill.trade_id)
            if key in self._seen:
                continue
            self._seen.add(key)
            self._book(fill)
            new += 1
        return new

    def account(self, symbol: str) -> Account:
        """A symbol's account."""
        return self.accounts.setdefault(symbol, Account())

    def _book(self, fill: Fill) -> None:
        account = self.account(fill.symbol)
        base, _, rest = fill.symbol.partition("/")
        quote = rest.partition(":")[0]
        sign = 1 if fill.side == "buy" else -1
        value = fill.price * fill.qty
        account.position += sign * fill.qty
        account.cash -= sign * value
        account.volume += value
        account.fills += 1
        account.makers += fill.maker
        if fill.fee_asset == quote:
            account.fees += fill.fee
        elif fill.fee_asset == base:
            # the base asset that was taken is gone from the position, and is no cash
            account.position -= fill.fee
        elif fill.fee:
            account.other_fees[fill.fee_asset] = (
                account.other_fees.get(fill.fee_asset, _ZERO) + fill.fee
            )
