# SPDX-License-Identifier: Apache-2.0
"""Fills of a replay, where no exchange answers.

Every accepted order is reported back as filled in full at its limit price. That is an
assumption: it makes the gate's positions move so that its limits are exercised. It is no
backtest, and nothing about profit follows from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import DECISION_DTYPE, IN_DTYPE, DecisionFlag, InFlag, InKind, OutKind

__all__ = ["ASSUMPTION", "assumed_fills"]

#: The assumption in one sentence, for help texts and reports.
ASSUMPTION = (
    "Every accepted order is assumed filled in full at its limit price, one chunk of stream time "
    "later. This exercises the position limits; it is no backtest and says nothing about profit."
)


def assumed_fills(out: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """One FILL for each accepted order, in order.

    Parameters
    ----------
    out : ndarray of uint8, shape (n, 64)
        Out records.

    Returns
    -------
    ndarray of IN_DTYPE, shape (accepted,)
        Price, quantity, side, symbol and slot of the order.
    """
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION])
    decisions = rows.view(DECISION_DTYPE).reshape(-1)
    accepted = decisions[(decisions["flags"] & int(DecisionFlag.REFUSED)) == 0]
    fills = np.zeros(len(accepted), IN_DTYPE)
    fills["kind"] = int(InKind.FILL)
    is_sell = (accepted["flags"] & int(DecisionFlag.SIDE)) != 0
    fills["flags"] = np.where(is_sell, int(InFlag.SIDE), 0)
    fills["symbol"] = accepted["symbol"]
    fills["tag"] = accepted["decision_id"] & 0xFF
    fills["price_ticks"] = accepted["price_ticks"]
    fills["value"] = accepted["qty_lots"]
    return fills
