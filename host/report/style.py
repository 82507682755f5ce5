# SPDX-License-Identifier: Apache-2.0
"""Look of the figures: colours that colour-blind readers tell apart, few lines, plain type."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib

__all__ = ["ASK", "BAD", "BID", "FAIR", "GOOD", "GRID", "INK", "SOFT", "STYLE", "context"]

# Okabe and Ito, "Color Universal Design" (2008)
BID = "#0072B2"
ASK = "#D55E00"
GOOD = "#009E73"
FAIR = "#E69F00"
BAD = "#CC3D6E"
INK = "#222222"
SOFT = "#6B6B6B"
GRID = "#E3E3E3"

STYLE: Any = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def context() -> AbstractContextManager[None]:
    """Context manager in which figures have this look."""
    return matplotlib.rc_context(STYLE)
