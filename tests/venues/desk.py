# SPDX-License-Identifier: Apache-2.0
"""A paper venue with a market written by hand, and our own venue object in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from host.paper.server import PaperServer
from host.venues.ccxt_venue import CcxtVenue
from host.venues.hosts import Mode
from host.venues.keys import Credentials
from tests.paper.market import Hand
from tests.paper.rest import KEY, SECRET, served

SYMBOLS = {"usdm": "BTC/USDT:USDT", "spot": "BTC/USDT"}
NAMES = {"usdm": "binanceusdm", "spot": "binance"}


class Desk(NamedTuple):
    """What a test works with."""

    server: PaperServer
    hand: Hand
    venue: CcxtVenue
    symbol: str


def connected(server: PaperServer, market: str = "usdm") -> CcxtVenue:
    """A venue object for a server, with the server's clock."""
    return CcxtVenue(
        NAMES[market],
        Mode.PAPER,
        Credentials(KEY, SECRET),
        server.venue._now_ms,
        server.url,
        lean=True,
    )


@asynccontextmanager
async def desk(market: str = "usdm", **changes: object) -> AsyncIterator[Desk]:
    """A started venue in front of a started server."""
    async with served(market=market, **changes) as (server, hand, _):
        venue = connected(server, market)
        try:
            await venue.start()
            yield Desk(server, hand, venue, SYMBOLS[market])
        finally:
            await venue.close()
