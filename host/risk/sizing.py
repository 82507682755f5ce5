# SPDX-License-Identifier: Apache-2.0
"""How large a position may be: a share of the equity at the stop, and three bounds on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Sizing", "Volatility", "kelly_share", "position_value", "shares_of_groups"]

_ONE = Decimal(1)


def kelly_share(win_share: Decimal, win_loss: Decimal) -> Decimal:
    """Share of the equity that may be lost in a trade by Kelly's rule, never below 0.

    W - (1 - W) / R, with W the share of trades won and R the mean win by the mean loss
    (J. L. Kelly, "A New Interpretation of Information Rate", 1956).

    Parameters
    ----------
    win_share : Decimal
        W, 0 to 1.
    win_loss : Decimal
        R, above 0.

    Raises
    ------
    ValueError
        A number is out of its range.
    """
    if not 0 <= win_share <= 1 or win_loss <= 0:
        raise ValueError(
            f"kelly: expected a share of 0 to 1 and a ratio above 0, was {win_share}, {win_loss}"
        )
    return max(win_share - (1 - win_share) / win_loss, Decimal(0))


@dataclass(frozen=True)
class Sizing:
    """What sizes follow from.

    Attributes
    ----------
    risk_share : Decimal
        Equity that is lost when the stop is reached.
    stop_share : Decimal
        Distance of the stop from the entry, as a share of its price.
    leverage : Decimal
        Most value of a position by equity.
    kelly : Decimal or None
        Kelly's share of the equity, which `risk_share` never passes; None: it is not known.
    sigma_limit : Decimal
        Volatility above this many deviations over its mean lowers the leverage.
    """

    risk_share: Decimal
    stop_share: Decimal
    leverage: Decimal
    kelly: Decimal | None = None
    sigma_limit: Decimal = Decimal(3)

    def leverage_at(self, sigmas: Decimal) -> Decimal:
        """Leverage at a volatility over its mean: beyond the limit it falls as limit / sigmas."""
        if sigmas <= self.sigma_limit:
            return self.leverage
        return self.leverage * self.sigma_limit / sigmas


def position_value(
    sizing: Sizing, equity: Decimal, sigmas: Decimal = Decimal(0), share: Decimal = _ONE
) -> Decimal:
    """Largest value of a position, in the currency of the equity.

    Equity x risk share / stop distance, at most equity x leverage; 0 without equity.

    Parameters
    ----------
    sizing : Sizing
        Shares and bounds.
    equity : Decimal
        Money and unrealised profit.
    sigmas : Decimal
        How far volatility stands over its mean, in deviations.
    share : Decimal
        The symbol's part of the budget of its group, 0 to 1.
    """
    if equity <= 0:
        return Decimal(0)
    risk = sizing.risk_share if sizing.kelly is None else min(sizing.risk_share, sizing.kelly)
    wanted = equity * risk / sizing.stop_share
    return min(wanted, equity * sizing.leverage_at(sigmas)) * share


def shares_of_groups(groups: Mapping[str, str]) -> dict[str, Decimal]:
    """Each symbol's share of a budget: symbols of one group move together and share one.

    Parameters
    ----------
    groups : mapping
        Group by symbol; an empty one stands alone.
    """
    sizes: dict[str, int] = {}
    for group in groups.values():
        if group:
            sizes[group] = sizes.get(group, 0) + 1
    return {symbol: _ONE / sizes[group] if group else _ONE for symbol, group in groups.items()}


class Volatility:
    """How far the newest move stands over the mean of those before it, in deviations.

    Parameters
    ----------
    samples : int
        Moves that are remembered.
    least : int
        Moves before anything is said.
    """

    def __init__(self, samples: int = 120, least: int = 20) -> None:
        self._moves: deque[int] = deque(maxlen=samples)
        self._least = least
        self._last: int | None = None
        self.sigmas = Decimal(0)

    def add(self, mid2_ticks: int) -> None:
        """Take twice the mid price at a sample's time."""
        if self._last is not None:
            move = abs(mid2_ticks - self._last)
            self.sigmas = self._over(move)
            self._moves.append(move)
        self._last = mid2_ticks

    def _over(self, move: int) -> Decimal:
        moves: Sequence[int] = self._moves
        count = len(moves)
        if count < self._least:
            return Decimal(0)
        total = sum(moves)
        # count^2 x variance, in whole numbers
        spread = count * sum(one * one for one in moves) - total * total
        over = count * move - total
        if over <= 0:
            return Decimal(0)
        return over / Decimal(spread).sqrt() if spread else Decimal(over)
