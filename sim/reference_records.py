# SPDX-License-Identifier: Apache-2.0
"""Records of the reference model: from bytes to plain numbers, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    DECISION_DTYPE,
    FEATURES_DTYPE,
    IN_DTYPE,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    OutKind,
)

__all__ = ["OUT_DTYPES", "Records", "as_bytes", "as_records", "rows_of"]

#: What `Reference.feed` takes: records of `IN_DTYPE`, or their bytes.
Records = npt.NDArray[Any] | bytes | bytearray | memoryview

#: Layout of each kind of out record.
OUT_DTYPES: dict[int, np.dtype[Any]] = {
    int(OutKind.DECISION): DECISION_DTYPE,
    int(OutKind.REFILL_REQUEST): REFILL_REQUEST_DTYPE,
    int(OutKind.VIEW): VIEW_DTYPE,
    int(OutKind.TRADES): TRADES_DTYPE,
    int(OutKind.FEATURES): FEATURES_DTYPE,
}


def as_records(records: Records) -> npt.NDArray[Any]:
    """The batch as an array of `IN_DTYPE`, shape (n,)."""
    if isinstance(records, np.ndarray):
        if records.dtype == IN_DTYPE:
            return records.reshape(-1)
        records = records.tobytes()
    if len(memoryview(records).cast("B")) % IN_DTYPE.itemsize:
        raise ValueError(
            f"records: expected a multiple of {IN_DTYPE.itemsize} bytes, "
            f"was {len(memoryview(records).cast('B'))}"
        )
    return np.frombuffer(records, IN_DTYPE)


def rows_of(batch: npt.NDArray[Any]) -> zip[Any]:
    """Records of a batch as tuples of plain ints, fields in the order of `IN_DTYPE`."""
    return zip(*(batch[name].tolist() for name in IN_DTYPE.names or ()), strict=True)


def as_bytes(out: list[dict[str, int]]) -> npt.NDArray[np.uint8]:
    """Out records by field name as their bytes, shape (n, 64)."""
    rows = np.zeros((len(out), 64), np.uint8)
    kinds = np.array([record["kind"] for record in out], np.uint8)
    for kind, dtype in OUT_DTYPES.items():
        names = dtype.names or ()
        of_kind = [
            tuple(int(record.get(name, 0)) for name in names)
            for record in out
            if record["kind"] == kind
        ]
        rows[kinds == kind] = np.array(of_kind, dtype).view(np.uint8).reshape(-1, 64)
    return rows
