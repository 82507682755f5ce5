# SPDX-License-Identifier: Apache-2.0
"""Agreement with the venue at the start and after each reconnect, before any new risk.

The policy, in this order:

0. Where the machine itself went down (`host.execution.ahead`), the venue is asked for all orders
   since the session began, once they can no longer arrive. Those with a reserved name that the
   journal lacks are taken into it (`unwritten`).
1. Every order of the journal that is not over is asked for by its client id. What the venue
   says holds. One it does not know is `absent` once it can no longer arrive.
2. An open order at the venue with one of our names that the journal does not have, or has as
   over, is cancelled: nobody follows it (`orphan`).
3. An open order that is not ours is left alone and listed (`foreign`).
4. Fills are fetched from a minute before the last known one and written; one that is known already
   is not written twice. A fill of an order that is not ours is listed (`foreign_fill`).
5. The position at the venue must be the journal's fills plus what was there when the journal
   began. If it is, all is settled. If not, the difference is listed (`position`) and is not
   resolved here: the venue's position is what is true, and a person or the driver's own policy
   has to say so with `Recovery.accept`. Until then orders stay halted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from host.execution.ahead import Ahead
from host.execution.journal import FINAL, Journal
from host.execution.names import parse_client_id
from host.execution.orders import Orders
from host.venues.interface import OrderRequest, Venue

__all__ = ["Agreement", "Difference", "Recovery"]

_ZERO = Decimal(0)
#: How far fills are asked for behind the last known one, for those told late.
_OVERLAP_MS = 60_000
#: Attempts to see a position between two looks at the fills.
_ROUNDS = 10


@dataclass(frozen=True)
class Difference:
    """Something the venue and the journal did not agree on.

    Attributes
    ----------
    kind : str
        unwritten, unknown, orphan, foreign, foreign_fill, missing_fill, missing_report or position.
    subject : str
        A client id, or a symbol.
    text : str
        What differed and what was done.
    resolved : bool
        Nothing is left to be done.
    """

    kind: str
    subject: str
    text: str
    resolved: bool


@dataclass(frozen=True)
class Agreement:
    """The end of a comparison.

    Attributes
    ----------
    differences : list of Difference
        All that differed.
    positions : dict
        The venue's position by symbol.
    """

    differences: list[Difference] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether orders may be sent."""
        return all(difference.resolved for difference in self.differences)


class Recovery:
    """Compares the journal with the venue.

    Parameters
    ----------
    venue, journal, orders : Venue, Journal, Orders
        What is compared.
    symbols : list of str
        Symbols that are traded.
    now_ms : callable
        Our clock.
    ahead : Ahead, optional
        Reservations of names.
    sleep : callable
        Waits some seconds.
    window_ms : int
        Receive window of the venue's requests.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        orders: Orders,
        symbols: list[str],
        now_ms: Callable[[], int],
        ahead: Ahead | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        window_ms: int = 5000,
    ) -> None:
        self._ahead = ahead
        self._sleep = sleep
        self._window_ms = window_ms
        self._venue = venue
        self._journal = journal
        self._orders = orders
        self._symbols = symbols
        self._now_ms = now_ms
        self._foreign: set[tuple[str, str]] = set()

    async def run(self) -> Agreement:
        """Compare and resolve; orders are halted until the two agree.

        Raises
        ------
        VenueFault
            The venue could not be asked; orders stay halted.
        JournalError
            The journal cannot be written; orders stay halted.
        """
        self._orders.halt("reconciling")
        agreement = Agreement()
        await self._unwritten(agreement)
        for row in self._journal.unfinished():
            self._orders.adopt(row)
            await self._settle(row.request.client_id, agreement)
        for symbol in self._symbols:
            await self._open_orders(symbol, agreement)
            await self._position(symbol, agreement)
        if agreement.settled and self._orders.halted == "reconciling":
            self._orders.halted = ""
        return agreement

    def accept(self, symbol: str, position: Decimal) -> None:
        """Take the venue's position as the truth; from now on only changes count.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        base = position - self._journal.position(symbol)
        self._journal.set_base(symbol, base, self._now_ms())

    async def _unwritten(self, agreement: Agreement) -> None:
        """Orders whose rows a crash of the machine has taken, by their reserved names."""
        if self._ahead is None:
            return
        unended = set(self._journal.unended_sessions())
        lost = [r for r in self._ahead.lost(self._journal.ended_sessions()) if r.session in unended]
        if not lost:
            return
        await self._sleep(self._window_ms / 1000 + 1)
        since_ms = self._journal.started_ms(min(r.session for r in lost))
        for symbol in self._symbols:
            for report in await self._venue.orders_since(symbol, since_ms):
                named = parse_client_id(report.client_id)
                if named is None or named.instance != self._journal.instance:
                    continue
                reserved = any(
                    r.session == named.session and r.first <= named.decision >> 8 <= r.last
                    for r in lost
                )
                if not reserved or self._journal.order(report.client_id) is not None:
                    continue
                request = OrderRequest(report.client_id, symbol, report.side, report.qty)
                self._journal.intend(
                    request, named.session, named.decision, named.part, self._now_ms()
                )
                text = f"order {report.venue_id} was sent and not in the journal, written"
                agreement.differences.append(Difference("unwritten", report.client_id, text, True))
        self._ahead.forget(max(r.session for r in lost))

    async def _settle(self, name: str, agreement: Agreement) -> None:
        before = self._orders.row(name)
        assert before is not None
        if before.state.value in ("intent", "unknown"):
            after = await self._orders.settle(name)
        else:
            report = await self._venue.query(before.request)
            after = self._orders.take(report) if report is not None else before
            if report is None:
                text = "open in the journal, not known at the venue"
                agreement.differences.append(Difference("unknown", name, text, False))
                return
        if after.state is before.state and after.filled == before.filled:
            return
        known = after.state.value not in ("intent", "unknown")
        text = f"{before.state.value} here, {after.state.value} at the venue"
        agreement.differences.append(Difference("missing_report", name, text, known))

    async def _open_orders(self, symbol: str, agreement: Agreement) -> None:
        for report in await self._venue.open_orders(symbol):
            named = parse_client_id(report.client_id)
            if named is None or named.instance != self._journal.instance:
                text = f"order {report.venue_id} of somebody else, left alone"
                agreement.differences.append(Difference("foreign", symbol, text, True))
                continue
            row = self._orders.row(report.client_id)
            if row is None or row.state in FINAL:
                request = OrderRequest(report.client_id, symbol, report.side, report.qty)
                await self._venue.cancel(request if row is None else row.request)
                text = f"not followed here, cancelled: {report.venue_id}"
                agreement.differences.append(Difference("orphan", report.client_id, text, True))
            else:
                self._orders.take(report)

    async def _fills(self, symbol: str, agreement: Agreement) -> int:
        """Write fills that are missing; how many there were, those of others included."""
        since_ms = self._journal.last_fill_ms(symbol) or self._journal.began_ms()
        fills = await self._venue.fills(symbol, since_ms - _OVERLAP_MS)
        names = {row.venue_id: row.request.client_id for row in self._journal.orders()}
        ours = [(names[fill.venue_id], fill) for fill in fills if fill.venue_id in names]
        foreign = [fill for fill in fills if fill.venue_id not in names]
        new = self._journal.add_fills(ours)
        if new:
            text = f"{new} fills were not in the journal, written"
            agreement.differences.append(Difference("missing_fill", symbol, text, True))
        unseen = [fill for fill in foreign if (symbol, fill.trade_id) not in self._foreign]
        for fill in unseen:
            self._foreign.add((symbol, fill.trade_id))
            text = f"fill {fill.trade_id} of an order that is not in the journal"
            agreement.differences.append(Difference("foreign_fill", symbol, text, True))
        return new + len(unseen)

    async def _position(self, symbol: str, agreement: Agreement) -> None:
        # the market goes on meanwhile: a position counts that no new fill followed
        await self._fills(symbol, agreement)
        for _ in range(_ROUNDS):
            found = [p.qty for p in await self._venue.positions([symbol]) if p.symbol == symbol]
            position = sum(found, _ZERO)
            if not await self._fills(symbol, agreement):
                break
        else:
            text = f"expected a moment without fills in {_ROUNDS} attempts, was none"
            agreement.differences.append(Difference("position", symbol, text, False))
            return
        base = self._journal.base(symbol)
        if base is None:
            base = position - self._journal.position(symbol)
            self._journal.set_base(symbol, base, self._now_ms())
        agreement.positions[symbol] = position
        expected = base + self._journal.position(symbol)
        if expected != position:
            text = f"expected {expected} of the journal's fills, was {position}"
            agreement.differences.append(Difference("position", symbol, text, False))
