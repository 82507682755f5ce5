# SPDX-License-Identifier: Apache-2.0
"""A capture through the whole path, with the reference model in the board's place: paper exchange,
feed, decisions, orders through ccxt over HTTP, fills, reports back to the model."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
import pytest

from host.contract.records import InKind
from host.driver.bridge import Bridge, Market
from host.driver.loop import Driver
from host.execution.journal import Journal, State
from host.execution.orders import Orders
from host.execution.recovery import Recovery
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.paper.server import PaperServer
from host.paper.settings import MarketSettings, PaperSettings
from host.settings import ReplaySettings
from sim.reference import Reference
from tests.execution.drill import Clock, check_accounts
from tests.paper.market import CAPTURE
from tests.paper.rest import run
from tests.venues.desk import connected

SYMBOL = "BTC/USDT:USDT"
NAME = "BTCUSDT"
TICK, LOT = Decimal("0.1"), Decimal("0.001")


class ModelLink:
    """The reference model behind the part of a link that the loop needs."""

    def __init__(self) -> None:
        self.model = Reference()
        self.sent: list[npt.NDArray[Any]] = []

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        self.sent.append(records)
        return self.model.feed(records)

    def reports(self, kind: InKind) -> int:
        """Lots reported with a kind, sales below 0."""
        rows = np.concatenate(self.sent)
        rows = rows[rows["kind"] == int(kind)]
        signs = np.where(rows["flags"] & 1, -1, 1)
        return int((signs * rows["value"].astype(np.int64)).sum())


def configured(link: ModelLink, feed: FeedSession) -> None:
    """Rule and limits as a replay writes them."""
    chosen = ReplaySettings(
        levels=5, ratio=Decimal(3), order_qty=Decimal("0.05"), max_position=Decimal(2)
    )
    scales = feed.feeds[NAME]
    assert scales.price_scale is not None and scales.qty_scale is not None
    link.model.write("order_qty", chosen.order_lots(scales.qty_scale))
    for write in [
        *chosen.writes(),
        *chosen.symbol_writes(0, scales.price_scale, scales.qty_scale),
    ]:
        link.model.write(*write)


@pytest.mark.slow
def test_fabric_journal_and_venue_agree_after_a_capture(tmp_path: Path) -> None:
    async def test() -> None:
        market = MarketSettings(captures=(str(CAPTURE),))
        given = PaperSettings(usdm=market, stepped=True, rebase=False)
        clock = Clock()
        async with PaperServer(given, clock) as server, aiohttp.ClientSession() as http:
            venue = connected(server)
            await venue.start()
            server.venue.step_events(200)  # the capture's own snapshot is among them
            journal = Journal(tmp_path / "journal.db")
            session = journal.begin_session("binanceusdm", "paper", clock())
            bridge = Bridge({0: Market(SYMBOL, TICK, LOT)})
            orders = Orders(venue, journal, session, clock, clock.sleep, bridge.heard)
            assert (await Recovery(venue, journal, orders, [SYMBOL], clock).run()).settled
            link = ModelLink()
            feed = FeedSession([Instrument(NAME, 0, TICK, LOT)], FeedSettings())
            configured(link, feed)

            async def snapshot(name: str) -> bytes:
                url = f"{server.url}/fapi/v1/depth?symbol={name}&limit=1000"
                async with http.get(url) as answer:
                    return await answer.read()

            driver = Driver(link, feed, orders, bridge, snapshot, clock)
            streams = "btcusdt@depth@0ms/btcusdt@trade/btcusdt@bookTicker"
            async with http.ws_connect(f"{server.ws_url}/fstream/stream?streams={streams}") as ws:
                while not server.venue.ended:
                    server.venue.step_events(100)
                    clock.now_ms += 400
                    await asyncio.sleep(0)
                    while True:
                        try:
                            message = await ws.receive(0.002)
                        except asyncio.TimeoutError:
                            break
                        driver.on_frame(message.data.encode())
                    await driver.settle()
            agreement = await Recovery(venue, journal, orders, [SYMBOL], clock).run()
            await driver.settle()
            assert agreement.settled, agreement.differences
            exchange = server.venue.markets["usdm"].exchange
            account = server.venue.markets["usdm"].account
            position = account.position(exchange.specs[NAME])  # type: ignore[union-attr]
            check_accounts(journal, exchange, SYMBOL, position.qty)
            assert driver.counters["orders"] > 10
            assert len(exchange.own_fills) > 10
            assert bridge.open_lots == 0
            assert not bridge.odd and not orders.odd
            assert link.reports(InKind.FILL) == position.lots
            risk = link.model.gate.symbols[0]
            # nothing is open any more: both worst cases are the position itself
            assert (risk.worst_long, risk.worst_short) == (position.lots, -position.lots)
            assert {row.state for row in journal.orders()} <= {State.FILLED, State.EXPIRED}
            journal.close()
            await venue.close()

    run(test, 240)
