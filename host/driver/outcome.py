# SPDX-License-Identifier: Apache-2.0
"""What came of a session, as figures that can be written to a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from host.driver.loop import Passage
from host.execution.journal import JournalError
from host.links.base import LinkError
from host.risk.ledger import Ledger

if TYPE_CHECKING:
    from host.driver.session import Session

__all__ = ["facts_of", "percentiles_us"]

_SHARES = (50.0, 99.0, 99.9)


def facts_of(session: Session) -> dict[str, Any]:
    """Figures of a session that has stopped; amounts are text, so that nothing is rounded.

    Parameters
    ----------
    session : Session
        With its board and journal still open.
    """
    watch, driver = session.watch, session.driver
    facts: dict[str, Any] = {
        "session": session.number,
        "mode": session.config.mode,
        "venue": session.venue.name,
        "link": session.config.link.name,
        "started_ms": session.started_ms,
        "ended_ms": session.now_ms(),
        "reason": session.outcome.reason,
        "problems": list(session.outcome.problems),
        "equity_start": str(session.equity_start),
        "equity_end": str(watch.last_equity),
        "driver": dict(driver.counters),
        "decisions": {"accepted": session.bridge.accepted, "refused": session.bridge.refused},
        "refused_for": dict(session.bridge.reasons),
        "odd": {**session.bridge.odd, **session.orders.odd},
        "feed": {name: count for name, count in session.feed.counters.items() if count},
        "market": dict(session.market.counters) if hasattr(session, "market") else {},
        "latency_us": latency_of(session.trail.passages),
        "limits": {
            one.symbol: {
                "order_lots": session.sizes.budgets[one.number].order_lots,
                "position_lots": session.sizes.budgets[one.number].position_lots,
            }
            for one in session.symbols
        },
    }
    try:
        facts["fabric"] = {name: n for name, n in session.fabric.counters().items() if n}
        facts["kill_causes"] = int(session.fabric.kill_causes)
    except LinkError as error:
        facts["fabric"] = {"error": str(error)}
    try:
        facts |= _books(session)
    except JournalError as error:
        facts["orders"] = {"error": str(error)}
    return facts


def _books(session: Session) -> dict[str, Any]:
    rows = session.journal.orders(session.number)
    fills = session.journal.fills(session.number)
    # a paper market that does not run at our pace stamps its fills at its own
    paced = session.config.mode == "paper" and session.config.paper.speed != 1
    heard_ms = {row.venue_id: row.updated_ms for row in rows} if paced else {}
    ledger = Ledger(session.opening)
    ledger.add(fills)
    accounts = {}
    total = Decimal(0)
    for one in session.symbols:
        account = ledger.account(one.symbol)
        price = session.watch.price(one.number)
        profit = account.profit(price)
        total += profit
        venue = session.watch.positions.get(one.symbol, Decimal(0))
        accounts[one.symbol] = {
            "position_fills": str(account.position),
            "position_venue": str(venue),
            "price": str(price),
            "profit": str(profit),
            "fees": str(account.fees),
            "other_fees": {k: str(v) for k, v in account.other_fees.items()},
            "volume": str(account.volume),
            "fills": account.fills,
            "makers": account.makers,
        }
    return {
        "orders": dict(Counter(row.state.value for row in rows)),
        "accounts": accounts,
        "profit": str(total),
        "series": {
            "equity": [(ms, str(equity)) for ms, equity in session.watch.equities],
            "mid": [
                (ms, {k: str(v) for k, v in mids.items()}) for ms, mids in session.watch.samples
            ],
            "fills": [
                {
                    "time_ms": heard_ms.get(fill.venue_id, fill.time_ms),
                    "symbol": fill.symbol,
                    "side": fill.side,
                    "price": str(fill.price),
                    "qty": str(fill.qty),
                    "fee": str(fill.fee),
                }
                for fill in fills
            ],
        },
    }


def latency_of(passages: Sequence[Passage]) -> dict[str, Any]:
    """Percentiles of the way of a frame to its order, microseconds, with and without the link."""
    if not passages:
        return {"orders": 0}
    found = np.array(passages, dtype=np.int64)
    received, fed, linked, sent = found.T
    return {
        "orders": len(passages),
        "frame to order, link included": percentiles_us(sent - received),
        "frame to order, link excluded": percentiles_us(sent - received - (linked - fed)),
        "normaliser": percentiles_us(fed - received),
        "link": percentiles_us(linked - fed),
        "order": percentiles_us(sent - linked),
    }


def percentiles_us(nanoseconds: Any) -> dict[str, float]:
    """p50, p99 and p99.9 in microseconds."""
    values = np.percentile(nanoseconds, _SHARES) / 1000
    return {
        f"p{share:g}": round(float(value), 1) for share, value in zip(_SHARES, values, strict=True)
    }
