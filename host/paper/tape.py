# SPDX-License-Identifier: Apache-2.0
"""Prints to aggregate trades: those of one time, price and aggressor are one."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from host.paper.book import Tape
from host.paper.symbols import SymbolSpec

__all__ = ["AggregateTrade", "AggregateTrades"]

_KEPT = 1000


class AggregateTrade(NamedTuple):
    """Prints of one aggressor at one price and time."""

    number: int
    price_ticks: int
    qty_lots: int
    first_id: int
    last_id: int
    seller_is_aggressor: bool
    time_us: int


class AggregateTrades:
    """Aggregate trades of a symbol.

    The numbers count from 1, since a capture of prints does not tell the venue's own.

    Parameters
    ----------
    spec : SymbolSpec
        The symbol.
    """

    def __init__(self, spec: SymbolSpec) -> None:
        self._spec = spec
        self._kept: deque[AggregateTrade] = deque(maxlen=_KEPT)
        self._pending: AggregateTrade | None = None
        self._count = 0

    def add(self, tape: Tape) -> AggregateTrade | None:
        """Take a print; the aggregate trade that it ends, if any."""
        last = self._pending
        same = last is not None and (
            last.price_ticks == tape.price_ticks
            and last.seller_is_aggressor == tape.seller_is_aggressor
            and last.time_us == tape.time_us
        )
        if last is not None and same:
            self._pending = last._replace(
                qty_lots=last.qty_lots + tape.qty_lots, last_id=tape.trade_id
            )
            return None
        self._count += 1
        self._pending = AggregateTrade(
            self._count,
            tape.price_ticks,
            tape.qty_lots,
            tape.trade_id,
            tape.trade_id,
            tape.seller_is_aggressor,
            tape.time_us,
        )
        return self._done(last)

    def flush(self) -> AggregateTrade | None:
        """End the aggregate trade that is open."""
        last, self._pending = self._pending, None
        return self._done(last)

    def _done(self, trade: AggregateTrade | None) -> AggregateTrade | None:
        if trade is not None:
            self._kept.append(trade)
        return trade

    def rest(self, limit: int) -> list[dict[str, object]]:
        """The last ones as REST shows them, the open one included."""
        trades = [*self._kept, *([self._pending] if self._pending else [])]
        return [self.fields(trade) for trade in trades[-limit:]]

    def fields(self, trade: AggregateTrade) -> dict[str, object]:
        """Members of one as REST and streams name them."""
        return {
            "a": trade.number,
            "p": self._spec.price_text(trade.price_ticks),
            "q": self._spec.qty_text(trade.qty_lots),
            "f": trade.first_id,
            "l": trade.last_id,
            "T": trade.time_us // 1000,
            "m": trade.seller_is_aggressor,
            "M": True,
        }
