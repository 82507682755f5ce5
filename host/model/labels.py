# SPDX-License-Identifier: Apache-2.0
"""What became of each event a horizon later, and what acting on it would have cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from host.model.table import FeatureTable
from host.model.trees import ModelError

__all__ = ["Costs", "Fold", "Outcomes", "outcomes", "walk_forward"]


@dataclass(frozen=True)
class Costs:
    """What a trade there and back costs beside the spread.

    Parameters
    ----------
    fee_bps : Decimal
        Fee of one side, hundredths of a percent of the price.
    slippage_ticks : Decimal
        Allowance for one side, ticks.
    """

    fee_bps: Decimal = Decimal(5)
    slippage_ticks: Decimal = Decimal(1)

    def ticks(self, mid_ticks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Both sides together, by the price at entry."""
        return 2 * (mid_ticks * float(self.fee_bps) / 10_000 + float(self.slippage_ticks))


@dataclass(frozen=True)
class Outcomes:
    """Of each event of a table, what came a horizon later.

    Attributes
    ----------
    known : ndarray of bool, shape (n,)
        The event was usable, and so was the quote that stood a horizon later; the rest is 0.
    exit_at : ndarray of int64, shape (n,)
        Place of the event whose quote stood a horizon later.
    mid_move_ticks : ndarray of float64, shape (n,)
        Change of the mid.
    long_ticks, short_ticks : ndarray of float64, shape (n,)
        Bought at the ask and sold at the bid a horizon later, or the other way round, before
        fees and slippage.
    spread_ticks, cost_ticks : ndarray of float64, shape (n,)
        Half of both spreads; fees and slippage.
    """

    known: npt.NDArray[np.bool_]
    exit_at: npt.NDArray[np.int64]
    mid_move_ticks: npt.NDArray[np.float64]
    long_ticks: npt.NDArray[np.float64]
    short_ticks: npt.NDArray[np.float64]
    spread_ticks: npt.NDArray[np.float64]
    cost_ticks: npt.NDArray[np.float64]

    def labels(self, costs: str) -> npt.NDArray[np.int64]:
        """1 where the mid rose by more than the costs, 0 where it fell by more, else -1.

        Parameters
        ----------
        costs : str
            ``all``, ``spread`` or ``none``: what a move must exceed to count.
        """
        least = {
            "all": self.spread_ticks + self.cost_ticks,
            "spread": self.spread_ticks,
            "none": np.zeros(len(self.known)),
        }[costs]
        move = self.mid_move_ticks
        labels = np.full(len(move), -1, np.int64)
        labels[self.known & (move > least)] = 1
        labels[self.known & (move < -least)] = 0
        return labels


def outcomes(table: FeatureTable, horizon_us: int, costs: Costs) -> Outcomes:
    """Look one horizon ahead from every event.

    The quote a horizon later is that of the last event up to then. Events less than a horizon
    before the end of the table have none, even if no later event would change it: whether one
    comes is not known.

    Raises
    ------
    ModelError
        The horizon is not above zero.
    """
    if horizon_us < 1:
        raise ModelError(f"horizon: expected at least 1 us, was {horizon_us}")
    count, time = len(table), table.time_us
    until = time + horizon_us
    exit_at = np.searchsorted(time, until, side="right") - 1
    known = table.usable & (until <= (time[-1] if count else 0))
    known[known] &= table.usable[exit_at[known]]
    exit_at = np.where(known, exit_at, 0)

    bid, ask = table.bid_ticks.astype(float), table.ask_ticks.astype(float)
    later_bid, later_ask = bid[exit_at], ask[exit_at]
    mid = (bid + ask) / 2

    def where_known(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(known, values, 0.0)

    return Outcomes(
        known,
        exit_at,
        where_known((later_bid + later_ask) / 2 - mid),
        where_known(later_bid - ask),
        where_known(bid - later_ask),
        where_known((ask - bid + later_ask - later_bid) / 2),
        where_known(costs.ticks(mid)),
    )


@dataclass(frozen=True)
class Fold:
    """One step of the walk: learn from the past, be judged by what follows.

    Attributes
    ----------
    train, test : ndarray of int64
        Places of events.
    starts_us : int
        Time of the first event that is judged.
    """

    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    starts_us: int


def walk_forward(
    time_us: npt.NDArray[np.int64], folds: int, horizon_us: int, embargo_us: int
) -> Iterator[Fold]:
    """Split time into one part to begin with and `folds` parts to be judged one after another.

    An event is learned from only if its horizon and an embargo are over before the first event
    that is judged. So nothing that is judged, and no quote at or after it, is in what was learned.

    Parameters
    ----------
    time_us : ndarray of int64, shape (n,)
        Times of the events, never falling.
    folds : int
        Parts that are judged, at least 1.
    horizon_us, embargo_us : int
        How far an event's label looks ahead; how much more is left out.

    Raises
    ------
    ModelError
        There are too few events.
    """
    if folds < 1:
        raise ModelError(f"folds: expected at least 1, was {folds}")
    bounds = np.linspace(0, len(time_us), folds + 2).astype(np.int64)
    for begin, end in zip(bounds[1:-1].tolist(), bounds[2:].tolist(), strict=True):
        if begin == end:
            raise ModelError(f"events: expected more than {folds + 1}, was {len(time_us)}")
        starts_us = int(time_us[begin])
        train = np.flatnonzero(time_us + horizon_us + embargo_us < starts_us)
        yield Fold(train, np.arange(begin, end), starts_us)
