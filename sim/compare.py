# SPDX-License-Identifier: Apache-2.0
"""Compares out records with what the reference model expects, and says where they part.

Cycle stamps are the only fields that may differ: they depend on when records arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    ALERT_DTYPE,
    DECISION_DTYPE,
    FEATURES_DTYPE,
    NO_REASON,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    AlertCause,
    AlertFlag,
    DecisionFlag,
    ExitCause,
    FeaturesFlag,
    InKind,
    KillCause,
    OutKind,
    Reason,
    RefillFlag,
    Rule,
    TradesFlag,
    ViewFlag,
    ViewReason,
)

__all__ = ["CYCLE_FIELDS", "Comparison", "Latency", "compare", "describe", "latency"]

#: Fields of a decision that depend on when records arrive.
CYCLE_FIELDS = ("latency_cycles", "span_cycles", "cycle_decision")

RECORD_BYTES = 64

_DTYPES: dict[int, np.dtype[Any]] = {
    int(OutKind.DECISION): DECISION_DTYPE,
    int(OutKind.REFILL_REQUEST): REFILL_REQUEST_DTYPE,
    int(OutKind.VIEW): VIEW_DTYPE,
    int(OutKind.TRADES): TRADES_DTYPE,
    int(OutKind.ALERT): ALERT_DTYPE,
    int(OutKind.FEATURES): FEATURES_DTYPE,
}
_FLAGS: dict[int, type[IntFlag]] = {
    int(OutKind.DECISION): DecisionFlag,
    int(OutKind.REFILL_REQUEST): RefillFlag,
    int(OutKind.VIEW): ViewFlag,
    int(OutKind.TRADES): TradesFlag,
    int(OutKind.ALERT): AlertFlag,
    int(OutKind.FEATURES): FeaturesFlag,
}


@dataclass(frozen=True)
class Comparison:
    """What came of comparing two streams of out records, position by position.

    Attributes
    ----------
    expected, actual : int
        Records in each stream.
    mismatches : int
        Positions that both streams have and where they differ.
    first : int or None
        First position where they differ, or where one ends before the other; None when equal.
    first_mismatch : str
        Both records at `first`, field by field, differing fields marked; empty when equal.
    """

    expected: int
    actual: int
    mismatches: int
    first: int | None
    first_mismatch: str

    @property
    def missing(self) -> int:
        """Records that were expected after the last one that came."""
        return max(0, self.expected - self.actual)

    @property
    def extra(self) -> int:
        """Records that came after the last one expected."""
        return max(0, self.actual - self.expected)

    @property
    def equal(self) -> bool:
        """Whether the streams are the same but for cycle stamps."""
        return self.first is None

    def __str__(self) -> str:
        if self.equal:
            return f"{self.expected} records, all equal"
        return (
            f"{self.expected} records expected, {self.actual} came: {self.mismatches} differ, "
            f"{self.missing} missing, {self.extra} extra\n{self.first_mismatch}"
        )


class Latency(NamedTuple):
    """Latency of the decisions of a stream, cycles; all 0 when there is none."""

    minimum: int
    mean: float
    maximum: int
    decisions: int


def compare(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> Comparison:
    """Compare two streams of out records; the cycle fields of decisions are left out.

    Parameters
    ----------
    expected, actual : ndarray, shape (n, 64) of uint8 or (n,) of a 64-byte dtype
        Out records in order.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        An array does not hold 64-byte records.
    """
    expected_rows, actual_rows = _rows("expected", expected), _rows("actual", actual)
    common = min(len(expected_rows), len(actual_rows))
    differ = (_masked(expected_rows[:common]) != _masked(actual_rows[:common])).any(axis=1)
    first: int | None = None
    if differ.any():
        first = int(np.argmax(differ))
    elif len(expected_rows) != len(actual_rows):
        first = common
    return Comparison(
        expected=len(expected_rows),
        actual=len(actual_rows),
        mismatches=int(np.count_nonzero(differ)),
        first=first,
        first_mismatch="" if first is None else _side_by_side(first, expected_rows, actual_rows),
    )


def describe(record: npt.ArrayLike | bytes) -> dict[str, str]:
    """Name every field of an out record.

    Parameters
    ----------
    record : array_like of uint8, shape (64,), or 64 bytes
        One out record of any kind.

    Returns
    -------
    dict of str to str
        Field name to value, in the order of the record: codes by name, numbers in decimal.
        A record of an unknown kind has the fields ``kind`` and ``bytes``.

    Raises
    ------
    ValueError
        The record is not of 64 bytes.
    """
    raw = record if isinstance(record, bytes) else np.asarray(record).tobytes()
    if len(raw) != RECORD_BYTES:
        raise ValueError(f"record: expected {RECORD_BYTES} bytes, was {len(raw)}")
    kind = raw[0]
    if kind not in _DTYPES:
        return {"kind": f"unknown ({kind})", "bytes": raw[1:].hex()}
    row = np.frombuffer(raw, _DTYPES[kind])[0]
    return {name: _text(kind, name, int(row[name])) for name in _DTYPES[kind].names or ()}


def latency(actual: npt.NDArray[Any]) -> Latency:
    """Latency of the decisions in a stream of out records.

    Parameters
    ----------
    actual : ndarray, shape (n, 64) of uint8 or (n,) of a 64-byte dtype
        Out records as they came.

    Returns
    -------
    Latency

    Raises
    ------
    ValueError
        The array does not hold 64-byte records.
    """
    rows = _rows("actual", actual)
    decisions = np.ascontiguousarray(rows[rows[:, 0] == OutKind.DECISION])
    if not len(decisions):
        return Latency(0, 0.0, 0, 0)
    cycles = decisions.view(DECISION_DTYPE).reshape(-1)["latency_cycles"]
    return Latency(int(cycles.min()), float(cycles.mean()), int(cycles.max()), len(cycles))


def _rows(name: str, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Records as bytes, shape (n, 64)."""
    is_bytes = records.dtype == np.uint8 and records.ndim == 2 and records.shape[1] == RECORD_BYTES
    if is_bytes or (records.dtype.itemsize == RECORD_BYTES and records.ndim == 1):
        rows: npt.NDArray[np.uint8] = np.ascontiguousarray(records).view(np.uint8)
        return rows.reshape(-1, RECORD_BYTES)
    raise ValueError(
        f"{name} records: expected shape (n, {RECORD_BYTES}) of uint8, "
        f"was {records.shape} of {records.dtype}"
    )


def _cycle_bytes() -> npt.NDArray[np.bool_]:
    """True at the bytes of a decision that hold a cycle field, shape (64,)."""
    at_cycle = np.zeros(RECORD_BYTES, np.bool_)
    for name in CYCLE_FIELDS:
        assert DECISION_DTYPE.fields is not None
        field_dtype, offset = DECISION_DTYPE.fields[name][:2]
        at_cycle[offset : offset + field_dtype.itemsize] = True
    return at_cycle


def _masked(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Copy of the rows with the cycle fields of decisions set to 0."""
    masked: npt.NDArray[np.uint8] = rows.copy()
    masked[np.ix_(rows[:, 0] == OutKind.DECISION, _cycle_bytes())] = 0
    return masked


def _flag_names(flags: type[IntFlag], value: int) -> str:
    """Names of the set flags; bits that have no name in hex."""
    names = [flag.name or "" for flag in flags if value & flag]
    rest = value & ~sum(int(flag) for flag in flags)
    return " ".join([*names, hex(rest)] if rest else names) or "none"


def _code_name(codes: type[IntEnum], value: int) -> str:
    """Name of a code, or the number where it has none."""
    return codes(value).name if value in [int(code) for code in codes] else f"unknown ({value})"


def _text(kind: int, name: str, value: int) -> str:
    """Value of a field as text."""
    if name == "kind":
        return _code_name(OutKind, value)
    if name == "flags":
        return _flag_names(_FLAGS[kind], value)
    if name == "reasons":
        return _flag_names(ViewReason, value)
    if name == "verdict":
        names = [reason.name for reason in Reason if value >> reason & 1]
        rest = value & ~sum(1 << reason for reason in Reason)
        return " ".join([*names, hex(rest)] if rest else names) or "accepted"
    if name == "first_reason":
        return "none" if value == NO_REASON else _code_name(Reason, value)
    if name == "rule" and value & Rule.EXIT:
        return f"EXIT {_flag_names(ExitCause, value & ~int(Rule.EXIT))}"
    if name == "rule":
        return _flag_names(Rule, value)
    if name == "cause":
        return _code_name(AlertCause, value)
    if name == "kind_in":
        return "none" if value == 0 else _code_name(InKind, value)
    if name == "kill_causes":
        return _flag_names(KillCause, value)
    if name == "order":
        return hex(value)
    return str(value)


def _side_by_side(
    index: int, expected: npt.NDArray[np.uint8], actual: npt.NDArray[np.uint8]
) -> str:
    """Both records at `index`, a field a line; differing fields are marked with ``>``."""

    def fields(rows: npt.NDArray[np.uint8]) -> Mapping[str, str]:
        return describe(rows[index]) if index < len(rows) else {}

    left, right = fields(expected), fields(actual)
    lines = [f"record {index}:", f"  {'field':<16} {'expected':<24} actual"]
    if not left or not right:
        lines.append("> no record was " + ("expected" if not left else "there"))
    for name in {**left, **right}:
        was, came = left.get(name, "-"), right.get(name, "-")
        may_differ = name in CYCLE_FIELDS and left.get("kind") == right.get("kind")
        mark = ">" if was != came and not may_differ else " "
        lines.append(f"{mark} {name:<16} {was:<24} {came}")
    return "\n".join(lines)
