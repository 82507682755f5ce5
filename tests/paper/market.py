# SPDX-License-Identifier: Apache-2.0
"""A paper venue with a market written by hand: two levels a side, prints and changes as asked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from host.feeds.messages import DepthUpdate, Message, Snapshot, Trade
from host.paper.orders import BUY, SELL, NewOrder, Order
from host.paper.settings import MarketSettings, PaperSettings, SymbolSettings
from host.paper.source import MarketEvent
from host.paper.venue import Market, PaperVenue

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
SYMBOL = "BTCUSDT"
START_MS = 1_700_000_000_000

Level = tuple[str, str]
BIDS: tuple[Level, ...] = (("100.0", "5"), ("99.0", "10"))
ASKS: tuple[Level, ...] = (("101.0", "4"), ("102.0", "8"))


def settings(market: str = "usdm", **changes: object) -> PaperSettings:
    """Settings of one market; tick 0.1 and lot 0.001, commissions of 0.02 % and 0.05 %."""
    symbol = SymbolSettings(
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        min_notional=Decimal(5),
        multiplier_up=Decimal(2),
        multiplier_down=Decimal("0.5"),
        max_qty=Decimal(1000),
        max_market_qty=Decimal(500),
    )
    values: dict[str, object] = {"symbols": {SYMBOL: symbol}}
    if market == "spot":
        values["balances"] = {"USDT": Decimal(10_000), "BTC": Decimal(10)}
    one = MarketSettings(**{**values, **changes})  # type: ignore[arg-type]
    return PaperSettings(stepped=True, rebase=False, control=True, **{market: one})  # type: ignore[arg-type]


class Hand:
    """Drives one market of a venue by hand.

    Attributes
    ----------
    venue, market : PaperVenue, Market
        What is driven.
    """

    def __init__(self, venue: PaperVenue, market: str = "usdm") -> None:
        self.venue = venue
        self.name = market
        self.market: Market = venue.markets[market]
        self.exchange = self.market.exchange
        self._update = 100
        self._print = 0
        self.push(Snapshot(SYMBOL, self._update, [list(x) for x in BIDS], [list(x) for x in ASKS]))
        self.depth()  # an event that follows

    def push(self, message: Message, after_us: int = 1000) -> None:
        self.venue.push(self.name, MarketEvent(self.venue.clock.now_us + after_us, message))

    def depth(self, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> None:
        first, self._update = self._update + 1, self._update + 1
        previous = first - 1 if self.name == "usdm" else None
        time_us = self.venue.clock.now_us
        self.push(
            DepthUpdate(
                SYMBOL,
                first,
                first,
                previous,
                time_us,
                [list(x) for x in bids],
                [list(x) for x in asks],
            )
        )

    def trade(self, price: str, qty: str, *, sold: bool) -> None:
        self._print += 1
        self.push(Trade(SYMBOL, self._print, price, qty, sold, self.venue.clock.now_us))

    def order(self, side: int, qty: str, price: str | None = None, **more: object) -> Order:
        return self.exchange.submit(self.asked(side, qty, price, **more))

    def asked(self, side: int, qty: str, price: str | None = None, **more: object) -> NewOrder:
        spec = self.exchange.specs[SYMBOL]
        kind = more.pop("kind", "LIMIT" if price else "MARKET")
        return NewOrder(
            spec,
            side,
            str(kind),
            spec.qty_lots(qty) if qty else 0,
            spec.price_ticks(price) if price else 0,
            **more,  # type: ignore[arg-type]
        )

    def buy(self, qty: str, price: str | None = None, **more: object) -> Order:
        return self.order(BUY, qty, price, **more)

    def sell(self, qty: str, price: str | None = None, **more: object) -> Order:
        return self.order(SELL, qty, price, **more)


def hand(market: str = "usdm", **changes: object) -> Hand:
    """A venue with a market written by hand."""
    return Hand(PaperVenue(settings(market, **changes), lambda: START_MS), market)


def qty(order: Order) -> Decimal:
    """What of an order is filled."""
    return order.filled_lots * order.spec.lot
