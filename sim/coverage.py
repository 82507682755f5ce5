# SPDX-License-Identifier: Apache-2.0
"""What a run of the fabric or its model never reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    DECISION_DTYPE,
    FEATURES_DTYPE,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    DecisionFlag,
    ExitCause,
    FeaturesFlag,
    OutKind,
    Reason,
    RefillFlag,
    Rule,
    TradesFlag,
    ViewFlag,
    ViewReason,
)
from host.contract.registers import COUNTERS

__all__ = ["UNSEEN", "uncovered"]

#: Reasons a run of the fabric need not show: STALE and BOOK, as the rule acts on a valid view only,
#: and the many that the gate's own bench (``tests/system/test_gate.py``) shows.
UNSEEN = frozenset(
    reason for reason in Reason if reason in (Reason.STALE, Reason.BOOK) or reason > Reason.BOOK
)

#: How the names of counters begin that streams of records leave at 0, in a build without a model.
OF_OTHERS = ("frames", "sbe_", "mold_", "itch_", "model_")


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
        Counters that stayed 0, rules and exits that never fired, flags and reasons no out record
        carries; `UNSEEN` left out, and the counters of frames and of the model, as the streams this
        is asked of are of records, to builds without one.
    """

    def seen(kind: OutKind, dtype: np.dtype[Any], field: str) -> int:
        rows = np.ascontiguousarray(out[out[:, 0] == kind]).view(dtype).reshape(-1)
        return int(np.bitwise_or.reduce(rows[field], initial=0)) if len(rows) else 0

    missing = [name for name in COUNTERS if not counters[name] and not name.startswith(OF_OTHERS)]
    missing += [f"fired {name}" for name in _never_fired(out)]
    verdicts = seen(OutKind.DECISION, DECISION_DTYPE, "verdict")
    missing += [
        f"Reason.{reason.name}"
        for reason in Reason
        if reason not in UNSEEN and not verdicts >> reason & 1
    ]
    for kind, dtype, field, names in (
        (OutKind.DECISION, DECISION_DTYPE, "flags", DecisionFlag),
        (OutKind.REFILL_REQUEST, REFILL_REQUEST_DTYPE, "flags", RefillFlag),
        (OutKind.REFILL_REQUEST, REFILL_REQUEST_DTYPE, "reasons", ViewReason),
        (OutKind.VIEW, VIEW_DTYPE, "flags", ViewFlag),
        (OutKind.VIEW, VIEW_DTYPE, "reasons", ViewReason),
        (OutKind.TRADES, TRADES_DTYPE, "flags", TradesFlag),
        (OutKind.FEATURES, FEATURES_DTYPE, "flags", FeaturesFlag),
    ):
        bits = seen(kind, dtype, field)
        missing += [
            f"{kind.name}.{names.__name__}.{name.name}" for name in names if not bits & name
        ]
    return missing


def _never_fired(out: npt.NDArray[np.uint8]) -> list[str]:
    """Rules and causes of exits that no decision names."""
    decisions = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION]).view(DECISION_DTYPE)
    fired = decisions.reshape(-1)["rule"]
    exits = fired[fired & int(Rule.EXIT) != 0]
    entries = fired[fired & int(Rule.EXIT) == 0]
    rules = [rule for rule in Rule if rule is not Rule.EXIT]
    return [
        *(f"{rule.name}" for rule in rules if not (entries & int(rule)).any()),
        *(f"EXIT {cause.name}" for cause in ExitCause if not (exits & int(cause)).any()),
    ]
