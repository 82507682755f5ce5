# SPDX-License-Identifier: Apache-2.0
"""Short names for records, and a small model to feed them to."""

from __future__ import annotations

import numpy as np

from host.contract.records import (
    ALERT_DTYPE,
    DECISION_DTYPE,
    IN_DTYPE,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    InFlag,
    InKind,
    OutKind,
)
from sim.reference import Reference

BID, ASK = 0, int(InFlag.SIDE)
BUY, SELL = BID, ASK
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
DTYPES = {
    OutKind.DECISION: DECISION_DTYPE,
    OutKind.REFILL_REQUEST: REFILL_REQUEST_DTYPE,
    OutKind.VIEW: VIEW_DTYPE,
    OutKind.TRADES: TRADES_DTYPE,
    OutKind.ALERT: ALERT_DTYPE,
}


def record(kind, flags=0, symbol=0, tag=0, price=0, value=0):
    return (int(kind), int(flags), symbol, tag, price, value)


def level(side, price, qty, **more):
    return record(InKind.LEVEL, side, price=price, value=qty, **more)


def begin(time_us=0, **more):
    return record(InKind.EVENT_BEGIN, value=time_us, **more)


def end(update_id=0, **more):
    return record(InKind.EVENT_END, InFlag.BOOK, value=update_id, **more)


def trade(side, price, qty, **more):
    return record(InKind.TRADE, side, price=price, value=qty, **more)


def timer(time_us):
    return record(InKind.TIMER, value=time_us)


def clear(side, cause=0, **more):
    return record(InKind.CLEAR, side | cause, **more)


def refill_begin(side, **more):
    return record(InKind.REFILL_BEGIN, side, **more)


def refill_level(side, price, qty, **more):
    return level(side | InFlag.REFILL, price, qty, **more)


def refill_end(side, horizon=None, **more):
    """End of a refill: at a horizon, or whole without one."""
    if horizon is None:
        return record(InKind.REFILL_END, side | InFlag.WHOLE, **more)
    return record(InKind.REFILL_END, side, price=horizon, **more)


def refill(side, levels, horizon=None, **more):
    """All records of a refill with (price, quantity) levels."""
    return [
        refill_begin(side, **more),
        *(refill_level(side, price, qty, **more) for price, qty in levels),
        refill_end(side, horizon, **more),
    ]


def event(*levels, time_us=0, update_id=0, **more):
    """All records of a book event."""
    return [begin(time_us, **more), *levels, end(update_id, **more)]


class Model:
    """A reference of 2 symbols, 3 levels and 8-bit quantities: views reported, N 2, none stale."""

    def __init__(self, qty_bits=8, levels=3, **settings):
        self.reference = Reference(symbols=2, levels=levels, qty_bits=qty_bits)
        self.write(**{"report": 1, "levels_n": 2, "stale_us": U32, **settings})

    def write(self, **settings):
        for name, value in settings.items():
            self.reference.write(name, value)

    def feed(self, *records):
        """Feed records or lists of them; the out records as field mappings."""
        flat = [row for part in records for row in (part if isinstance(part, list) else [part])]
        out = self.reference.feed(np.array(flat, IN_DTYPE))
        return [row.view(DTYPES[OutKind(row[0])])[0] for row in out]

    def of_kind(self, kind, *records):
        return [row for row in self.feed(*records) if row["kind"] == kind]

    def view(self, *levels, **more):
        """The view of a book event made of these levels."""
        return self.of_kind(OutKind.VIEW, event(*levels, **more))[-1]

    def counted(self, *records):
        """Counters that these records moved, but for records_in."""
        before = self.reference.counters
        self.feed(*records)
        after = self.reference.counters
        moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        moved.pop("records_in", None)
        return moved

    def sides(self, **more):
        """What a view shows of both sides as (price, quantity, sum, depth)."""
        view = self.view(**more)
        return tuple(
            tuple(
                int(view[f"{side}_{field}"])
                for field in ("price_ticks", "qty_lots", "sum_lots", "depth")
            )
            for side in ("bid", "ask")
        )

    def bids(self, **more):
        return self.sides(**more)[0]

    def asks(self, **more):
        return self.sides(**more)[1]
