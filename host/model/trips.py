# SPDX-License-Identifier: Apache-2.0
"""What the orders of a replay would have made, from flat to flat, after costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from host.model.judge import Trades
from host.model.labels import Costs
from host.replay.tables import Tables

__all__ = ["Trips", "trips_of"]


@dataclass(frozen=True)
class Trips:
    """Round trips of one symbol, in order of their ends; ticks a lot.

    Attributes
    ----------
    trades : Trades
        Each from the first entry to the exit that left nothing; `at` is the view of that exit.
    always : dict of Trades
        The same times with each side always taken.
    time_us : ndarray of int64
        Exchange time of each end.
    rose, fell : int
        Trips in which the mid rose, fell.
    open : int
        Lots held at the end of the capture; not in any trip.
    """

    trades: Trades
    always: dict[str, Trades]
    time_us: npt.NDArray[np.int64]
    rose: int
    fell: int
    open: int

    @property
    def hit_rate(self) -> float | None:
        """Share of the trips with a move whose move went their way; None without any."""
        moved = self.rose + self.fell
        return float((self.trades.gross_ticks > 0).sum()) / moved if moved else None

    @property
    def base_hit_rate(self) -> float | None:
        """What always naming the commoner side would have reached."""
        moved = self.rose + self.fell
        return max(self.rose, self.fell) / moved if moved else None


def trips_of(tables: Tables, symbol: int, costs: Costs) -> Trips:
    """Fold a symbol's accepted orders, each filled in full at its limit price.

    Parameters
    ----------
    tables : Tables
        Of a run whose orders are immediate or cancel at the touch, so that the limit price is the
        other side's best.
    symbol : int
        Symbol number.
    costs : Costs
        Beside the spread, which the prices hold.
    """
    views = tables.views
    places = {
        int(update): at
        for at, update in enumerate(views["update_id"].tolist())
        if views["symbol"][at] == symbol
    }
    bids, asks = (views[f"{side}_price_ticks"].astype(float) for side in ("bid", "ask"))
    own = tables.accepted & (tables.decisions["symbol"] == symbol)
    found: list[tuple[int, int, float, float, float, float, float]] = []
    lots = entered = first = 0
    cash = cost = 0.0
    for order, is_sell in zip(tables.decisions[own], tables.sells[own].tolist(), strict=True):
        at, price = places[int(order["update_id"])], int(order["price_ticks"])
        qty = -int(order["qty_lots"]) if is_sell else int(order["qty_lots"])
        if not lots:
            first, entered, cash, cost = at, 0, 0.0, 0.0
        entered += abs(qty) if lots * qty >= 0 else 0
        side = 1 if (lots or qty) > 0 else -1
        lots += qty
        cash -= qty * price
        cost += abs(qty) * float(costs.ticks(np.array([float(price)]))[0]) / 2
        if not lots:
            move = (bids[at] + asks[at] - bids[first] - asks[first]) / 2
            both = bids[at] - asks[first], bids[first] - asks[at]
            found.append((at, side, side * move, cash / entered, cost / entered, *both))
    table = np.array(found, float).reshape(-1, 7)
    ends, sides = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    gross, after, cost_ticks = table[:, 2], table[:, 3], table[:, 4]
    moves = sides * gross

    def same_side(sign: int, after_ticks: npt.NDArray[np.float64]) -> Trades:
        return Trades(
            ends,
            np.full(len(ends), sign, np.int64),
            sign * moves,
            after_ticks,
            after_ticks - cost_ticks,
        )

    return Trips(
        Trades(ends, sides, gross, after, after - cost_ticks),
        {"always long": same_side(1, table[:, 5]), "always short": same_side(-1, table[:, 6])},
        tables.view_time_us[ends].astype(np.int64),
        int((moves > 0).sum()),
        int((moves < 0).sum()),
        lots,
    )
