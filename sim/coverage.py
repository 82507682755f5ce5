# SPDX-License-Identifier: Apache-2.0
"""What a run of the fabric or its model never reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    DECISION_DTYPE,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    DecisionFlag,
    OutKind,
    Reason,
    RefillFlag,
    TradesFlag,
    ViewFlag,
    ViewReason,
)
from host.contract.registers import COUNTERS

__all__ = ["uncovered"]

#: How the names of the counters of frames begin.
OF_FRAMES = ("frames", "sbe_", "mold_", "itch_")


def uncovered(counters: Mapping[str, int], out: npt.NDArray[np.uint8]) -> list[str]:
    """What a run never reached.

    Parameters
    ----------
    counters : mapping of str to int
        Counters after the run.
    out : ndarray of uint8, shape (n, 64)
        Out records of the run.

    Returns
    -------
    list of str
        Counters that stayed 0, and flags and reasons no out record carries. The reasons STALE and
        BOOK are left out: the rule acts on a valid view only, so the gate never sees another. So
        are the counters of frames: the streams this is asked of are of records.
    """

    def seen(kind: OutKind, dtype: np.dtype[Any], field: str) -> int:
        rows = np.ascontiguousarray(out[out[:, 0] == kind]).view(dtype).reshape(-1)
        return int(np.bitwise_or.reduce(rows[field], initial=0)) if len(rows) else 0

    missing = [name for name in COUNTERS if not counters[name] and not name.startswith(OF_FRAMES)]
    verdicts = seen(OutKind.DECISION, DECISION_DTYPE, "verdict")
    missing += [
        f"Reason.{reason.name}"
        for reason in Reason
        if reason not in (Reason.STALE, Reason.BOOK) and not verdicts >> reason & 1
    ]
    for kind, dtype, field, names in (
        (OutKind.DECISION, DECISION_DTYPE, "flags", DecisionFlag),
        (OutKind.REFILL_REQUEST, REFILL_REQUEST_DTYPE, "flags", RefillFlag),
        (OutKind.REFILL_REQUEST, REFILL_REQUEST_DTYPE, "reasons", ViewReason),
        (OutKind.VIEW, VIEW_DTYPE, "flags", ViewFlag),
        (OutKind.VIEW, VIEW_DTYPE, "reasons", ViewReason),
        (OutKind.TRADES, TRADES_DTYPE, "flags", TradesFlag),
    ):
        bits = seen(kind, dtype, field)
        missing += [
            f"{kind.name}.{names.__name__}.{name.name}" for name in names if not bits & name
        ]
    return missing
