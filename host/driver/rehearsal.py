# SPDX-License-Identifier: Apache-2.0
"""Keep the way from a frame to an order warm.

Some milliseconds after it was used last, code and data of the way have left the processor's caches,
and the next order takes several times as long as one that follows at once. So while no frame is
waiting, the way is gone with nothing at its end: the last depth event is read again and taken by a
feed of its own, a decision is read by a bridge of its own, its intent is written to the journal
and rolled back, its request is built and thrown away. Nothing of it reaches the board, the venue,
the disk, or any counter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from host.contract.records import DECISION_DTYPE, OutKind
from host.driver.bridge import Bridge, Market
from host.execution.orders import Orders
from host.feeds.messages import DepthUpdate, Instrument, Levels, Snapshot
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.feeds.symbol import SymbolFeed
from host.venues.interface import OrderRequest

__all__ = ["Rehearsal", "spin"]

_IOC = 1 << 4


async def spin() -> None:
    """Keep the event loop from going to sleep, until cancelled.

    A core that has slept is slow for a while; what else the loop has to do it does in turn.
    """
    while True:
        await asyncio.sleep(0)


class Rehearsal:
    """Goes the way again and again.

    Parameters
    ----------
    frame : callable
        The newest frame; empty before the first.
    busy : callable
        Whether a frame waits.
    instruments : sequence of Instrument
        What the feed takes.
    settings : FeedSettings
        Its sizes.
    feeds : dict
        `SymbolFeed`s of the driver, by name, which are only read.
    markets : dict
        `Market` by symbol number.
    orders : Orders
        What would send.
    prepare : callable
        Builds the venue's request for an order and throws it away.

    Attributes
    ----------
    count : int
        Times the way was gone.
    """

    def __init__(
        self,
        frame: Callable[[], bytes | str],
        busy: Callable[[], bool],
        instruments: Sequence[Instrument],
        settings: FeedSettings,
        feeds: Mapping[str, SymbolFeed],
        markets: Mapping[int, Market],
        orders: Orders,
        prepare: Callable[[OrderRequest], None],
    ) -> None:
        self._frame = frame
        self._busy = busy
        self._feed = FeedSession(instruments, settings)
        self._feeds = feeds
        self._bridge = Bridge(dict(markets))
        self._orders = orders
        self._prepare = prepare
        self._payload: bytes | str = b""
        self._last_id = 0
        number = min(markets)
        decision = np.zeros(1, DECISION_DTYPE)
        decision["kind"], decision["symbol"] = int(OutKind.DECISION), number
        decision["order"], decision["qty_lots"], decision["price_ticks"] = _IOC, 1, 1
        self._out = decision.view(np.uint8).reshape(1, -1)
        self.count = 0

    async def run(self, every_s: float) -> None:
        """Go it until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if not self._busy():
                self.once()

    def once(self) -> None:
        """Go it once; nothing is done before the first depth event."""
        event = self._event(self._frame() or self._payload)
        if event is None:
            if not self._payload:
                return
            event = self._event(self._payload)
            if event is None:
                return
        self._take(event)
        for wanted in self._bridge.wanted(self._out):
            self._prepare(
                self._orders.rehearse(wanted.symbol, wanted.side, wanted.qty, wanted.price)
            )
            self._bridge.unsent(wanted)
        self._bridge.take()
        self.count += 1

    def _event(self, payload: bytes | str) -> DepthUpdate | None:
        if not payload:
            return None
        for message in self._feed.parse(payload):
            if isinstance(message, DepthUpdate):
                self._payload = payload
                return message
        return None

    def _take(self, event: DepthUpdate) -> None:
        """As the one that follows whatever was taken before."""
        feed = self._feed.feeds.get(event.symbol)
        if feed is None:
            return
        if event.symbol in self._feeds:
            self._feeds[event.symbol].rehearse(event)
        if feed.needs_snapshot:
            self._feed.accept(Snapshot(event.symbol, self._last_id, event.bids, event.asks))
        first = self._last_id + 1
        before = None if event.prev_id is None else self._last_id
        # every other level goes in one turn and comes back in the next
        bids, asks = (_every_other_gone(side, self.count % 2) for side in (event.bids, event.asks))
        self._feed.accept(
            event._replace(first_id=first, last_id=first, prev_id=before, bids=bids, asks=asks)
        )
        self._last_id = first
        self._feed.take()
        del feed.event_times[:]
        del self._feed.refusals[:]


def _every_other_gone(levels: Levels, which: int) -> Levels:
    return [(price, "0" if at % 2 == which else qty) for at, (price, qty) in enumerate(levels)]
