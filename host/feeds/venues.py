# SPDX-License-Identifier: Apache-2.0
"""The venues there are parsers for, by the names captures give them.

Measured on the captures `BINANCE` (30 s, four spot symbols) and `BINANCE_FUTURES` (30 s, four
USD-M symbols): no gap in any of the eight books, snapshots of 1,000 levels asked for after the
streams had begun. Sides with fewer levels are whole: those of AKRO, KEEP and CTK, the bids of NKN,
BLZ and LRC, and both of RUNE.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from host.feeds import binance
from host.feeds.bybit import BYBIT
from host.feeds.coinbase import COINBASE
from host.feeds.kraken_futures import KRAKEN_FUTURES
from host.feeds.messages import Parsed, Snapshot
from host.feeds.okx import OKX
from host.feeds.sequence import BinanceIds
from host.feeds.venue import Quotes, Venue

__all__ = ["BINANCE", "VENUES"]


def _parse_binance(payload: bytes | str, address: str) -> Parsed | list[Parsed]:
    """Read one frame; a snapshot that was asked for takes symbol and depth from the request."""
    if not address.startswith("http"):
        return binance.parse(payload)
    url = urlsplit(address)
    if not url.path.endswith("/depth"):
        return []
    message = binance.parse(payload)
    if isinstance(message, Snapshot):
        asked = parse_qs(url.query)
        name, limit = asked.get("symbol", [""])[0], asked.get("limit", [""])[0]
        if name and message.symbol is None:
            message = message._replace(symbol=name.upper())
        if limit.isdigit() and limit.isascii():
            message = message._replace(depth=int(limit) or None)
    return message


def _binance(**changes: Any) -> Venue:
    return Venue(
        parse=_parse_binance,
        sequence=BinanceIds(),
        in_stream=False,
        quotes=Quotes("bookTicker: price and quantity by update id", lasting=True),
        rising_trades=True,
        **changes,
    )


BINANCE = _binance(name="BINANCE")

#: Venues by name.
VENUES: dict[str, Venue] = {
    venue.name: venue
    for venue in (
        BINANCE,
        _binance(name="BINANCE_FUTURES"),
        BYBIT,
        COINBASE,
        KRAKEN_FUTURES,
        OKX,
    )
}
