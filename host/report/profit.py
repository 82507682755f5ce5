# SPDX-License-Identifier: Apache-2.0
"""The figure of what trades made, before and after costs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from host.model.judge import Trades
from host.report.style import ASK, BID, GOOD, INK

__all__ = ["profit"]

_WIDTH_INCHES = 11.0


def profit(trades: Trades, minutes: npt.NDArray[np.float64]) -> Figure:
    """Sums over time: before fees on the left, after all costs on the right.

    Parameters
    ----------
    trades : Trades
        In order.
    minutes : ndarray of float64
        When each counts.
    """
    figure = Figure(figsize=(_WIDTH_INCHES, 4.2), layout="constrained")
    before, after = figure.subplots(1, 2)
    for axes, values, colour, name in (
        (before, trades.gross_ticks, GOOD, "mid's move alone"),
        (before, trades.after_spread_ticks, BID, "after the spread"),
        (after, trades.net_ticks, ASK, "after spread, fees and slippage"),
    ):
        axes.step(minutes, np.cumsum(values), where="post", color=colour, label=name)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set(xlabel="minutes of the capture", ylabel="sum, ticks")
        axes.legend(loc="best")
    before.set_title(f"{len(trades)} trades, before fees")
    after.set_title("after all costs")
    return figure
