# SPDX-License-Identifier: Apache-2.0
"""Tables of the journal, and an order as a row of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from host.venues.interface import OrderRequest

__all__ = [
    "FINAL",
    "SLIP_FIELDS",
    "TABLES",
    "OrderRow",
    "State",
    "Statement",
    "event_of",
    "row_of",
    "slip_of",
    "statements_of",
]

#: SQL and the values of its marks.
Statement = tuple[str, tuple[object, ...]]
#: Values of a slip: a row of `orders` as far as an intent has one, and when it was made.
SLIP_FIELDS = 12
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE sessions (
    session INTEGER PRIMARY KEY, started_ms INTEGER NOT NULL, venue TEXT NOT NULL,
    mode TEXT NOT NULL, ended_ms INTEGER) STRICT;
CREATE TABLE orders (
    client_id TEXT PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
    decision INTEGER NOT NULL, slice INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    qty TEXT NOT NULL, price TEXT, tif TEXT NOT NULL, reduce_only INTEGER NOT NULL, trigger TEXT,
    state TEXT NOT NULL, venue_id TEXT NOT NULL DEFAULT '', filled TEXT NOT NULL DEFAULT '0',
    cost TEXT NOT NULL DEFAULT '0', created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    UNIQUE (session, decision, slice)) STRICT;
CREATE INDEX orders_by_state ON orders (state);
CREATE TABLE events (
    number INTEGER PRIMARY KEY, client_id TEXT NOT NULL, time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE TABLE fills (
    symbol TEXT NOT NULL, trade_id TEXT NOT NULL, client_id TEXT NOT NULL, side TEXT NOT NULL,
    price TEXT NOT NULL, qty TEXT NOT NULL, fee TEXT NOT NULL, fee_asset TEXT NOT NULL,
    maker INTEGER NOT NULL, time_ms INTEGER NOT NULL, PRIMARY KEY (symbol, trade_id)) STRICT;
CREATE TABLE bases (
    symbol TEXT PRIMARY KEY, qty TEXT NOT NULL, time_ms INTEGER NOT NULL) STRICT;
"""


class State(str, Enum):
    """What we know of an order.

    INTENT and UNKNOWN are the two that nobody may act on without asking the venue: an intent may
    or may not have been sent when the process died, an unknown one was sent and not answered.
    """

    INTENT = "intent"
    UNKNOWN = "unknown"
    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    #: the venue has refused it
    REJECTED = "rejected"
    #: it never reached the venue
    ABSENT = "absent"


#: States that nothing follows.
FINAL = frozenset({State.FILLED, State.CANCELED, State.EXPIRED, State.REJECTED, State.ABSENT})


@dataclass(frozen=True)
class OrderRow:
    """An order as the journal has it."""

    request: OrderRequest
    session: int
    decision: int
    slice: int
    state: State
    venue_id: str
    filled: Decimal
    cost: Decimal
    created_ms: int
    updated_ms: int


def slip_of(
    request: OrderRequest, session: int, decision: int, part: int, now_ms: int
) -> tuple[object, ...]:
    """Values of an intent's slip."""
    trigger = None if request.trigger is None else str(request.trigger)
    price = None if request.price is None else str(request.price)
    return (
        request.client_id,
        session,
        decision,
        part,
        request.symbol,
        request.side,
        str(request.qty),
        price,
        request.tif,
        int(request.reduce_only),
        trigger,
        now_ms,
    )


def statements_of(slip: tuple[object, ...]) -> tuple[Statement, ...]:
    """What writes the row of a slip, and the event of its making."""
    sql = (
        "INSERT INTO orders (client_id, session, decision, slice, symbol, side, qty, price,"
        " tif, reduce_only, trigger, state, created_ms, updated_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    now_ms = slip[-1]
    values = (*slip[:-1], State.INTENT.value, now_ms, now_ms)
    return (sql, values), event_of(str(slip[0]), int(str(now_ms)), "intent", "")


def event_of(client_id: str, now_ms: int, kind: str, detail: str) -> Statement:
    """What writes that something happened to an order."""
    sql = "INSERT INTO events (client_id, time_ms, kind, detail) VALUES (?, ?, ?, ?)"
    return sql, (client_id, now_ms, kind, detail[:1000])


def row_of(row: tuple[object, ...]) -> OrderRow:
    """An order of a row, in the order in which `Journal` selects its values."""
    (client_id, symbol, side, qty, price, tif, reduce_only, trigger, *rest) = row
    session, decision, part, state, venue_id, filled, cost, created_ms, updated_ms = rest
    request = OrderRequest(
        str(client_id),
        str(symbol),
        str(side),
        Decimal(str(qty)),
        None if price is None else Decimal(str(price)),
        str(tif),
        bool(reduce_only),
        None if trigger is None else Decimal(str(trigger)),
    )
    return OrderRow(
        request,
        int(str(session)),
        int(str(decision)),
        int(str(part)),
        State(str(state)),
        str(venue_id),
        Decimal(str(filled)),
        Decimal(str(cost)),
        int(str(created_ms)),
        int(str(updated_ms)),
    )
