# SPDX-License-Identifier: Apache-2.0
"""A decision too large for one order, sent in parts (`host.execution.slicing`).

For the fabric it stays one order: fills of the parts are its fills, and what is left when the last
part has ended goes back as cancelled. Each part has the decision's limit price and IOC, so none is
filled at a worse price than was decided; FOK and post-only orders are not divided. An exit is never
stretched over time: its parts follow each other at once.

No part is sent before it is known what became of the one before, whichever plan it is; a part
of an iceberg that is not filled in full ends the decision, for its price is gone; TWAP makes up
for it with later parts until its time is over. Whoever stands down ends them all: a decision is of
its moment, and is not taken up again when trading goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from host.driver.bridge import Bridge, Wanted
from host.driver.units import Instrumented
from host.execution.journal import FINAL, JournalError, State
from host.execution.orders import Orders
from host.execution.slicing import Iceberg, Sliced, Twap
from host.venues.interface import VenueFault

__all__ = ["Parts"]

_AGAIN_S = 1.0


class Parts:
    """Sends decisions in parts.

    Parameters
    ----------
    orders : Orders
        To the venue.
    bridge : Bridge
        Is told when a decision has ended.
    symbols : list of Instrumented
        Steps of quantities.
    largest : mapping
        Largest order by ccxt's symbol, in the base asset; a symbol that is not there, or has 0, is
        not divided.
    twap_ms : int
        Time over which an entry is spread; 0: parts follow each other at once.
    now_ms, sleep : callable
        Our clock, and how time passes.
    counters : Counter
        Takes ``parts`` and ``divided``.
    """

    def __init__(
        self,
        orders: Orders,
        bridge: Bridge,
        symbols: list[Instrumented],
        largest: Mapping[str, Decimal],
        twap_ms: int,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        counters: Counter[str],
    ) -> None:
        self._orders = orders
        self._bridge = bridge
        self._steps = {one.symbol: one.order_lots * one.lot for one in symbols}
        self._least = {one.symbol: one.least_lots * one.lot for one in symbols}
        self._largest = {symbol: qty for symbol, qty in largest.items() if qty}
        self._twap_ms = twap_ms
        self._now_ms = now_ms
        self._sleep = sleep
        self._counters = counters
        self._ended = asyncio.Event()

    def divides(self, wanted: Wanted) -> bool:
        """Whether a decision goes in parts."""
        largest = self._largest.get(wanted.symbol)
        return largest is not None and wanted.tif == "IOC" and wanted.qty > largest

    def end(self) -> None:
        """Send no more parts of the decisions under way."""
        self._ended.set()
        self._ended = asyncio.Event()

    async def send(self, wanted: Wanted) -> None:
        """Send a decision in parts, to its end.

        Raises
        ------
        VenueFault, JournalError
            A part could not be sent, or orders are halted; those before it count. The decision
            has ended, but where it is not known what became of its last part.
        """
        step, ended = self._steps[wanted.symbol], self._ended
        sliced = self._sliced(wanted)
        self._counters["divided"] += 1
        known = True
        try:
            while not (sliced.done or ended.is_set() or self._over(sliced.plan)):
                due = sliced.next_part(self._now_ms())
                if due is None:
                    await self._rest(sliced.plan, ended)
                    continue
                number, lots = due
                sending = self._orders.start(
                    wanted.decision,
                    wanted.symbol,
                    wanted.side,
                    lots * step,
                    wanted.price,
                    part=number + 1,  # 0 is a decision that goes in one
                    tif=wanted.tif,
                    reduce_only=wanted.reduce_only,
                )
                known = False
                row = await sending
                while row.state not in FINAL:
                    await self._sleep(_AGAIN_S)
                    row = await self._orders.settle(row.request.client_id)
                known = True
                self._counters["parts"] += 1
                filled = min(int(row.filled / step), lots)
                sliced.filled(number, filled)
                sliced.ended(number)
                if row.state in (State.REJECTED, State.ABSENT):
                    return
                if filled < lots:
                    if isinstance(sliced.plan, Iceberg):
                        return
                    await self._rest(sliced.plan, ended)
        except (VenueFault, JournalError):
            known = known or self._orders.row_of(wanted.decision, number + 1) is None
            raise
        finally:
            if known:
                self._bridge.ended(wanted.decision)

    # inside

    def _over(self, plan: Iceberg | Twap) -> bool:
        return isinstance(plan, Twap) and self._now_ms() >= plan.start_ms + plan.duration_ms

    async def _rest(self, plan: Iceberg | Twap, ended: asyncio.Event) -> None:
        """Wait for the time of the next part, or until there is none."""
        if not isinstance(plan, Twap):
            return
        waits = [
            asyncio.ensure_future(self._sleep(plan.duration_ms / plan.parts / 1000)),
            asyncio.ensure_future(ended.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _most(self, symbol: str) -> int:
        """Largest part, in steps; one that is under the venue's least would be refused."""
        largest = max(self._largest[symbol], self._least[symbol])
        return max(1, int(largest / self._steps[symbol]))

    def _sliced(self, wanted: Wanted) -> Sliced:
        """Equal parts, as few as the largest allows."""
        whole = int(wanted.qty / self._steps[wanted.symbol])
        parts = -(-whole // self._most(wanted.symbol))
        most = -(-whole // parts)
        if self._twap_ms and not wanted.reduce_only:
            return Sliced(Twap(whole, parts, self._now_ms(), max(self._twap_ms, parts)), most)
        return Sliced(Iceberg(whole, most), most)
