# SPDX-License-Identifier: Apache-2.0
"""How good predictions were: calibration, hit rate beside the base rate, profit after costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from host.model.labels import Outcomes

__all__ = ["Bin", "Quality", "Trades", "calibration", "judge_labels", "trade"]

#: Bins of the calibration.
BINS = 10
#: With fewer trades nothing is said about an edge.
LEAST_TRADES = 30
#: An edge is a mean this many standard errors above zero.
SIGMAS = 2.0


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same probability: how many, their mean, and how many came true."""

    count: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Quality:
    """Predictions against labels.

    Attributes
    ----------
    rows : int
        Labelled events.
    base_rate : float
        Share that rose.
    log_loss, base_log_loss : float
        Of the predictions, and of predicting the base rate each time.
    ranked : float
        Share of pairs, one that rose and one that fell, that are ranked rightly (AUC).
    acted, hits : int
        Events beyond a threshold, and those that went that way.
    """

    rows: int
    base_rate: float
    log_loss: float
    base_log_loss: float
    ranked: float
    acted: int
    hits: int

    @property
    def hit_rate(self) -> float:
        """Share of right ones among those acted on; NaN without any."""
        return self.hits / self.acted if self.acted else math.nan

    @property
    def base_hit_rate(self) -> float:
        """What always naming the commoner side would reach."""
        return max(self.base_rate, 1 - self.base_rate)


@dataclass(frozen=True)
class Trades:
    """Trades one after another, each held for the horizon; ticks.

    Attributes
    ----------
    at : ndarray of int64, shape (t,)
        Place of the event each began with.
    side : ndarray of int64, shape (t,)
        1 bought, -1 sold.
    gross_ticks : ndarray of float64, shape (t,)
        Move of the mid in its direction.
    after_spread_ticks, net_ticks : ndarray of float64, shape (t,)
        With the spread paid; with fees and slippage as well.
    """

    at: npt.NDArray[np.int64]
    side: npt.NDArray[np.int64]
    gross_ticks: npt.NDArray[np.float64]
    after_spread_ticks: npt.NDArray[np.float64]
    net_ticks: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at)

    @property
    def mean(self) -> float:
        """Mean profit after all costs, ticks; NaN without trades."""
        return float(self.net_ticks.mean()) if len(self) else math.nan

    @property
    def standard_error(self) -> float:
        """Of that mean; infinite with fewer than two trades."""
        if len(self) < 2:
            return math.inf
        return float(self.net_ticks.std(ddof=1)) / math.sqrt(len(self))

    @property
    def has_edge(self) -> bool:
        """Enough trades, and a mean well above zero."""
        return len(self) >= LEAST_TRADES and self.mean > SIGMAS * self.standard_error

    def verdict(self) -> str:
        """In words."""
        if not len(self):
            return "NO EDGE: no event passed the thresholds, so there is nothing to earn."
        told = f"{self.mean:+.2f} ticks a trade after all costs, {len(self)} trades"
        if len(self) < LEAST_TRADES:
            return f"NO EDGE SHOWN: {told}, fewer than the {LEAST_TRADES} a mean is believed from."
        told += f", standard error {self.standard_error:.2f}"
        if self.has_edge:
            return (
                f"An edge out of sample on these captures: {told}. It is no promise: one stretch "
                "of one market, fills assumed at the quotes, no queue and no impact."
            )
        if self.mean > 0:
            return f"NO EDGE SHOWN: {told}; the mean is within {SIGMAS:g} standard errors of zero."
        return f"NO EDGE: {told}; trading this model loses money."


def judge_labels(
    probabilities: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    decisions: npt.NDArray[np.int64],
) -> Quality:
    """Compare predictions with labels of 0 and 1.

    Parameters
    ----------
    probabilities : ndarray, shape (n,)
        Predicted probability of a rise.
    labels : ndarray, shape (n,)
        1 rose, 0 fell.
    decisions : ndarray, shape (n,)
        1, -1 or 0.
    """
    rows = len(labels)
    if not rows:
        return Quality(0, math.nan, math.nan, math.nan, math.nan, 0, 0)
    base = float(labels.mean())
    acted = decisions != 0
    hits = int(((decisions == 1) == (labels == 1))[acted].sum())
    return Quality(
        rows,
        base,
        _log_loss(probabilities, labels),
        _log_loss(np.full(rows, base), labels),
        _ranked(probabilities, labels),
        int(acted.sum()),
        hits,
    )


def _log_loss(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    sure = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), 1e-12, 1)
    return float(-np.log(sure).mean())


def _ranked(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    rose = int(labels.sum())
    fell = len(labels) - rose
    if not rose or not fell:
        return math.nan
    _, inverse, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels == 1].sum() - rose * (rose + 1) / 2) / (rose * fell))


def calibration(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> list[Bin]:
    """Predictions in bins of equal width, empty ones left out."""
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    bins = []
    for place in range(BINS):
        mine = places == place
        if mine.any():
            predicted, observed = probabilities[mine].mean(), labels[mine].mean()
            bins.append(Bin(int(mine.sum()), float(predicted), float(observed)))
    return bins


def trade(
    decisions: npt.NDArray[np.int64], found: Outcomes, places: npt.NDArray[np.int64]
) -> Trades:
    """Act on decisions, one position at a time, each held for the horizon.

    Bought at the ask and sold at the bid, both as quoted at the event and a horizon later.

    Parameters
    ----------
    decisions : ndarray, shape (m,)
        1, -1 or 0 for each of `places`.
    found : Outcomes
        Of the whole table.
    places : ndarray of int64, shape (m,)
        Events in order.
    """
    taken: list[tuple[int, int]] = []
    busy_until = -1
    acting = (decisions != 0) & found.known[places]
    for at, side in zip(places[acting].tolist(), decisions[acting].tolist(), strict=True):
        if at >= busy_until:
            taken.append((at, side))
            busy_until = int(found.exit_at[at]) + 1
    at, side = np.array(taken, np.int64).reshape(-1, 2).T
    gross = side * found.mid_move_ticks[at]
    after = np.where(side == 1, found.long_ticks[at], found.short_ticks[at])
    return Trades(at, side, gross, after, after - found.cost_ticks[at])
