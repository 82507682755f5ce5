# SPDX-License-Identifier: Apache-2.0
"""ccxt's dictionaries as the records of `host.venues.interface`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from host.venues.interface import Fill, OrderReport, OrderRequest, Refused, Status, Unknown

__all__ = ["Steps", "became_another", "decimal_of", "fill_of", "report_of", "steps_of"]

_ZERO = Decimal(0)
_STATUS = {
    "open": Status.OPEN,
    "closed": Status.FILLED,
    "canceled": Status.CANCELED,
    "canceling": Status.OPEN,
    "expired": Status.EXPIRED,
    "expired_in_match": Status.EXPIRED,
    "rejected": Status.REJECTED,
}


def report_of(
    venue: str, order: Mapping[str, Any], given: OrderRequest | None = None
) -> OrderReport:
    """A report, of an order in ccxt's words.

    Parameters
    ----------
    venue : str
        ccxt's name, for errors.
    order : mapping
        The order.
    given : OrderRequest, optional
        What was asked for; what the answer leaves out is taken from it.

    Raises
    ------
    Unknown
        The order has no status that is known.
    """
    qty = order.get("amount") or (given.qty if given else None)
    filled = decimal_of(order.get("filled"))
    cost = order.get("cost")
    if cost is None:
        cost = filled * decimal_of(order.get("average"))
    status = _STATUS.get(str(order.get("status")))
    if status is None:
        raise Unknown(f"{venue}: expected a status of an order, was {order.get('status')!r}")
    return OrderReport(
        given.client_id if given else str(order.get("clientOrderId") or ""),
        str(order.get("id") or ""),
        str(order.get("symbol") or (given.symbol if given else "")),
        str(order.get("side") or (given.side if given else "")),
        status,
        decimal_of(qty),
        filled,
        decimal_of(cost),
        int(order.get("lastUpdateTimestamp") or order.get("timestamp") or 0),
    )


def became_another(order: Mapping[str, Any]) -> bool:
    """Whether a stream's order, in ccxt's words, is a stop that was triggered.

    USD-M tells of it twice: as the stop, which is over, and as the order it has become, which has
    the fills and another id. ccxt calls the first one closed, and so filled; it is not.
    """
    info = order.get("info") or {}
    return "aid" in info and order.get("status") == "closed"


class Steps(NamedTuple):
    """A symbol at the venue: its own name, steps of price and quantity, least quantity."""

    name: str
    tick: Decimal
    lot: Decimal
    least: Decimal


def steps_of(venue: str, market: Mapping[str, Any]) -> Steps:
    """Steps, of a market in ccxt's words.

    Raises
    ------
    Refused
        The venue does not say them.
    """
    precision, limits = market["precision"], market["limits"]
    tick, lot = decimal_of(precision.get("price")), decimal_of(precision.get("amount"))
    if not tick or not lot:
        raise Refused(f"{venue}: expected steps of {market['symbol']}, was {tick} and {lot}")
    least = decimal_of(limits["amount"].get("min"))
    return Steps(str(market["id"]), tick, lot, max(least, lot))


def fill_of(trade: Mapping[str, Any]) -> Fill:
    """A fill, of a trade in ccxt's words."""
    fee = trade.get("fee") or {}
    return Fill(
        str(trade["id"]),
        str(trade["order"]),
        trade["symbol"],
        trade["side"],
        decimal_of(trade["price"]),
        decimal_of(trade["amount"]),
        decimal_of(fee.get("cost")),
        str(fee.get("currency") or ""),
        trade.get("takerOrMaker") == "maker",
        int(trade["timestamp"]),
    )


def decimal_of(value: Any) -> Decimal:
    """A number as text or not at all, exactly."""
    return _ZERO if value is None else Decimal(str(value))
