# SPDX-License-Identifier: Apache-2.0
"""Records of the reference model: from bytes to plain numbers and back, well-formed or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    ALERT_DTYPE,
    DECISION_DTYPE,
    FEATURES_DTYPE,
    IN_DTYPE,
    IN_FLAGS_BY_KIND,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    InFlag,
    InKind,
    OutKind,
)

__all__ = [
    "BOOKLESS",
    "OUT_DTYPES",
    "REPORTS",
    "Records",
    "as_bytes",
    "as_records",
    "malformed",
    "rows_of",
]

#: What `Reference.feed` takes: records of `IN_DTYPE`, or their bytes.
Records = npt.NDArray[Any] | bytes | bytearray | memoryview

#: Layout of each kind of out record.
OUT_DTYPES: dict[int, np.dtype[Any]] = {
    int(OutKind.DECISION): DECISION_DTYPE,
    int(OutKind.REFILL_REQUEST): REFILL_REQUEST_DTYPE,
    int(OutKind.VIEW): VIEW_DTYPE,
    int(OutKind.TRADES): TRADES_DTYPE,
    int(OutKind.FEATURES): FEATURES_DTYPE,
    int(OutKind.ALERT): ALERT_DTYPE,
}

# Kinds and flags as plain ints: an enum costs more to compare than the rest of the loop.
(LEVEL, TRADE, CLEAR, EVENT_BEGIN, EVENT_END, REFILL_BEGIN, REFILL_END) = map(int, list(InKind)[:7])
(ACK, FILL, CANCEL, REJECT, HEARTBEAT, TIMER) = map(int, list(InKind)[7:13])
(RECONCILE, CREDIT, DAY, REARM, CANCELLING) = map(int, list(InKind)[14:])
(SIDE, REFILL, WHOLE, BOOK, GAP, RESYNC) = map(int, list(InFlag)[:6])

#: A FRAME that comes this far is one the fabric could not take.
KINDS = frozenset(int(kind) for kind in InKind if kind is not InKind.FRAME)
REPORTS = frozenset((ACK, FILL, CANCEL, REJECT))
TAGGED = REPORTS | {CANCELLING}
#: Kinds that can be malformed without a book update being lost.
BOOKLESS = TAGGED | {HEARTBEAT, TIMER, RECONCILE, CREDIT, DAY, REARM}
FORBIDDEN_FLAGS = {int(kind): 0xFF & ~int(flags) for kind, flags in IN_FLAGS_BY_KIND.items()}
PRICE_ABOVE_ZERO = frozenset((LEVEL, TRADE))
PRICE_ZERO = frozenset((CLEAR, EVENT_BEGIN, EVENT_END, REFILL_BEGIN, HEARTBEAT, TIMER)) | {
    *(CREDIT, DAY, REARM, CANCELLING)
}
VALUE_IS_QTY = frozenset((LEVEL, TRADE, ACK, FILL, CANCEL, REJECT, RECONCILE))
QTY_ABOVE_ZERO = frozenset((TRADE, FILL, CANCEL, REJECT))
VALUE_ZERO = frozenset((CLEAR, REFILL_BEGIN, REFILL_END, HEARTBEAT, DAY, REARM, CANCELLING))


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


def malformed(
    record: tuple[int, int, int, int, int, int],
    symbols: int,
    qty_bits: int,
    frame_symbol: int | None,
) -> str | None:
    """Counter of the first rule a record breaks, None for a well-formed one.

    `frame_symbol` is the symbol of the open frame.
    """
    kind, flags, symbol, tag, price_ticks, value = record
    if kind not in KINDS:
        return "malformed_kind"
    if symbol >= symbols:
        return "malformed_symbol"
    if flags & FORBIDDEN_FLAGS[kind]:
        return "malformed_flags"
    if tag and kind not in TAGGED:
        return "malformed_reserved"
    if price_ticks == 0:
        if kind in PRICE_ABOVE_ZERO:
            return "malformed_price"
    elif kind in PRICE_ZERO or (kind == REFILL_END and flags & WHOLE):
        return "malformed_price"
    if kind in VALUE_IS_QTY:
        if value >> qty_bits:
            return "malformed_qty"
        if value == 0 and (kind in QTY_ABOVE_ZERO or flags & REFILL):
            return "malformed_qty"
    elif value and kind in VALUE_ZERO:
        return "malformed_qty"
    framed = (kind == LEVEL and not flags & REFILL) or kind == EVENT_END
    if framed and symbol != frame_symbol:
        return "malformed_frame"
    return None
