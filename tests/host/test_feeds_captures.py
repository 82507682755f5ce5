# SPDX-License-Identifier: Apache-2.0
"""Whole captures, against the best bid and ask the venue itself sent."""

import gzip
import json
from bisect import bisect_right
from decimal import Decimal

import pytest

from host.feeds.capture import CaptureReader
from host.feeds.session import FeedSession

pytestmark = pytest.mark.captures

CHAINS = {
    "usdm": (["usdm_btcusdt_20240808.gz"], "BTCUSDT", "0.1", "0.001"),
    "spot": (
        ["spot_ethusdt_20240808.gz", "spot_ethusdt_20240809.gz"],
        "ETHUSDT",
        "0.01",
        "0.00000001",
    ),
    "cm": (
        ["cm_btcusd_perp_20240808.gz", "cm_btcusd_perp_20240809.gz"],
        "BTCUSD_PERP",
        "0.1",
        "1",
    ),
}
REFUSALS = [
    "bad_line",
    "bad_frame",
    "unknown_frame",
    "unknown_symbol",
    "gap",
    "bad_number",
    "price_off_grid",
    "qty_off_grid",
    "price_too_large",
    "qty_too_large",
    "snapshot_too_old",
    "buffer_overflow",
    "ticker_price_off_grid",
    "ticker_qty_off_grid",
    "ticker_bad_number",
    "trade_price_off_grid",
    "trade_qty_off_grid",
    "trade_bad_number",
    "trade_zero_qty",
]


def truth(paths):
    """Id and best levels of every ticker, the ids of all depth events, the number of trades."""
    tickers, depth_ids, trades = {}, [], 0
    for path in paths:
        with gzip.open(path) as lines:
            for line in lines:
                frame = json.loads(line.split(b" ", 1)[1])
                stream, data = frame.get("stream", ""), frame.get("data")
                if "@bookTicker" in stream:
                    tickers[data["u"]] = tuple(Decimal(data[k]) for k in "bBaA")
                elif "@depth" in stream:
                    depth_ids.append(data["u"])
                trades += "@trade" in stream
    return tickers, depth_ids, trades


@pytest.mark.parametrize("chain", CHAINS)
def test_the_hosts_best_levels_are_the_venues_after_every_event_and_ten_levels_are_known(
    captures, chain
):
    names, symbol, tick, lot = CHAINS[chain]
    paths = [captures / "binance" / name for name in names]
    tickers, depth_ids, trades = truth(paths)
    ids = sorted(tickers)
    session = FeedSession(adopt=True)
    checked = deep = 0
    wrong = []
    for frame in CaptureReader(paths):
        before = session.counters["events"]
        session.feed(frame)
        if session.counters["events"] == before:
            continue
        feed = session.feeds[symbol]
        book = feed.book
        deep += book.bids.known >= 10 and book.asks.known >= 10
        bid, ask = book.bids.best(), book.asks.best()
        at = bisect_right(ids, book.last_id) - 1
        if bid is None or ask is None or at < 0:
            continue
        checked += 1
        scales = feed.price_scale, feed.qty_scale, feed.price_scale, feed.qty_scale
        got = tuple(Decimal(scale.text(n)) for scale, n in zip(scales, (*bid, *ask), strict=True))
        if got != tickers[ids[at]]:
            wrong.append((book.last_id, got, tickers[ids[at]]))
    assert not wrong, wrong[:3]
    assert checked >= 0.99 * len(depth_ids)
    assert deep >= 0.95 * len(depth_ids)
    assert (feed.instrument.tick, feed.instrument.lot) == (Decimal(tick), Decimal(lot))
    assert {name: session.counters[name] for name in REFUSALS} == dict.fromkeys(REFUSALS, 0)
    assert session.counters["events"] + session.counters["events_before_snapshot"] == len(depth_ids)
    assert feed.event_times[0::2].tolist() == depth_ids[-session.counters["events"] :]
    assert session.counters["trades"] > 0.99 * trades
