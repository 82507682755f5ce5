# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from host.feeds.coinbase import parse
from host.feeds.messages import (
    DepthUpdate,
    Increments,
    Refusal,
    Snapshot,
    StreamSequence,
    Trade,
)
from host.feeds.venue import Connected
from tests.host.venue_session import CLEARED, counted, ids, records, refill, send, session

BTC, ETH = "BTC-USD", "ETH-USD"
STAMP, STAMP_US = "2026-08-09T21:05:48.17Z", 1_786_309_548_170_000
SENT = "2026-08-09T21:05:49.123456789Z"
BIDS, ASKS = [("10.0", "1"), ("9.9", "2")], [("10.1", "3"), ("10.3", "4")]


def event(kind, bids=(), asks=(), name=BTC):
    updates = [
        {"side": side, "event_time": STAMP, "price_level": p, "new_quantity": q}
        for side, levels in (("bid", bids), ("offer", asks))
        for p, q in levels
    ]
    return {"type": kind, "product_id": name, "updates": updates}


def frame(number, *events, channel="l2_data"):
    events = list(events)
    return {"channel": channel, "timestamp": SENT, "sequence_num": number, "events": events}


def started(*names):
    s = session("COINBASE", *names)
    for n, name in enumerate(names):
        send(s, frame(n, event("snapshot", BIDS, ASKS, name)))
    return s


def parsed(data, address=""):
    return parse(json.dumps(data), address)


def test_a_frame_gives_its_number_and_its_books():
    assert parsed(frame(7, event("snapshot", BIDS, ASKS))) == [
        StreamSequence(7),
        Snapshot(BTC, 7, BIDS, ASKS, STAMP_US, 0),
    ]
    two = frame(8, event("update", [("9.9", "0")]), event("update", [], ASKS, ETH))
    assert parsed(two) == [
        StreamSequence(8),
        DepthUpdate(BTC, 8, 8, None, STAMP_US, [("9.9", "0")], []),
        DepthUpdate(ETH, 8, 8, None, STAMP_US, [], ASKS),
    ]
    empty = parsed(frame(9, event("update")))[1]
    assert empty.time_us == 1_786_309_549_123_456


def test_a_prints_side_is_the_resting_orders():
    entry = {"product_id": BTC, "trade_id": "8", "price": "10.1", "size": "0.2", "time": STAMP}
    for side, seller in (("SELL", False), ("BUY", True)):
        data = frame(1, {"type": "update", "trades": [entry | {"side": side}]})
        assert parsed(data | {"channel": "market_trades"}) == [
            StreamSequence(1),
            Trade(BTC, 8, "10.1", "0.2", seller, STAMP_US),
        ]
    old = frame(2, {"type": "snapshot", "trades": [entry]}, channel="market_trades")
    assert parsed(old) == [StreamSequence(2)]


def test_products_give_tick_and_lot():
    entry = {"product_id": BTC, "quote_increment": "0.01", "base_increment": "0.00000001"}
    (found,) = parsed({"products": [entry]}, "https://api.coinbase.com/products")
    assert isinstance(found, Increments)
    assert (found.symbol, str(found.tick), str(found.lot)) == (BTC, "0.01", "1E-8")
    (found,) = parsed({"products": [entry | {"price_increment": "0.5"}]}, "https://api/x")
    assert str(found.tick) == "0.5"


def test_a_snapshot_is_the_whole_book_however_many_levels_it_has():
    s = session("COINBASE", BTC)
    bids = [(str(n), "1") for n in range(2000, 0, -1)]
    send(s, frame(0, event("snapshot", bids, [("2001", "2")])))
    got = records(s)
    assert got[0] == ("BEGIN", 0, 0, STAMP_US)
    assert got[1:7] == refill(0, [(10 * n, 100) for n in (2000, 1999, 1998, 1997)], 19960)
    assert got[7:] == [*refill(1, [(20010, 200)]), ("END", 8, 0, 0)]
    sides = s.feeds[BTC].book.bids, s.feeds[BTC].book.asks
    assert all(side.whole for side in sides) and sides[0].known == 2000


def test_frames_of_all_channels_and_products_count_together():
    s = started(BTC, ETH)
    send(s, frame(2, channel="heartbeats"))
    send(s, frame(3, event("update", [("9.8", "1")])))
    send(s, frame(4, channel="subscriptions"))
    send(s, frame(5, event("update", [("9.8", "1")], name=ETH)))
    assert [n for n, k, v in ((r[2], r[0], r[5]) for r in s.take().tolist()) if k == 5] == [
        5,
        6,
        5,
        6,
    ]
    counted(s, events=4, stream_gap=0, gap=0, other_frame=2)


@pytest.mark.parametrize("number", [0, 1, 4, 100])
def test_a_missing_frame_clears_every_book_until_its_own_next_snapshot(number):
    s = started(BTC, ETH)
    send(s, frame(2, channel="heartbeats"))
    s.take()
    send(s, frame(number, event("update", [("9.8", "1")])))
    taken = s.take().tolist()
    assert [(r[0], r[1], r[2]) for r in taken] == [(3, 16, 5), (3, 17, 5), (3, 16, 6), (3, 17, 6)]
    counted(s, stream_gap=1, events_before_snapshot=1)
    assert s.needs_snapshot == {BTC, ETH}
    send(s, frame(number + 1, event("snapshot", BIDS, ASKS, ETH)))
    send(s, frame(number + 2, event("update", [("9.8", "1")])))
    send(s, frame(number + 3, event("update", [("9.8", "1")], name=ETH)))
    assert records(s, 6)[-1] == ("END", 8, 0, number + 3)
    assert s.needs_snapshot == {BTC}
    counted(s, stream_gap=1, gap=0)


def test_a_frame_that_comes_twice_is_dropped():
    s = started(BTC)
    for _ in range(2):
        send(s, frame(1, event("update", [("9.8", "1")])))
    assert ids(records(s)) == [0, 1]
    counted(s, frames_repeated=1, stream_gap=0)


def test_connections_count_by_themselves():
    s = session("COINBASE", BTC, ETH)
    send(s, frame(0, event("snapshot", BIDS, ASKS)), connection="a")
    send(s, frame(70, event("snapshot", BIDS, ASKS, ETH)), connection="b")
    send(s, frame(1, event("update")), connection="a")
    send(s, frame(71, event("update", name=ETH)), connection="b")
    counted(s, stream_gap=0, events=4)
    send(s, frame(73, event("update", name=ETH)), connection="b")
    counted(s, stream_gap=1)
    assert s.needs_snapshot == {ETH}


def test_a_connection_opened_again_clears_its_books_and_counts_anew():
    s = session("COINBASE", BTC, ETH)
    for connection in "ab":
        s.feed(Connected(0, "x", 1, "wss://y", connection))
    send(s, frame(0, event("snapshot", BIDS, ASKS)), connection="a")
    send(s, frame(0, event("snapshot", BIDS, ASKS, ETH)), connection="b")
    s.take()
    counted(s, reconnects=0)
    s.feed(Connected(0, "x", 9, "wss://y", "a"))
    assert records(s) == CLEARED
    assert s.needs_snapshot == {BTC}
    send(s, frame(0, event("snapshot", BIDS, ASKS)), connection="a")
    counted(s, reconnects=1, stream_gap=0)
    assert s.needs_snapshot == set()


def test_a_snapshot_in_mid_stream_takes_the_place_of_the_book():
    s = started(BTC)
    s.take()
    send(s, frame(1, event("snapshot", [("9.5", "6")], [("9.7", "7")])))
    assert records(s) == [
        ("BEGIN", 0, 0, STAMP_US),
        *refill(0, [(95, 600)]),
        *refill(1, [(97, 700)]),
        ("END", 8, 0, 1),
    ]
    counted(s, snapshots_replaced=1)


FAR = "429496729.6"  # 2^32 ticks of 0.1
LAST = "429496729.5"


def test_an_ask_without_a_price_in_a_record_is_left_out_and_its_side_is_not_whole():
    s = session("COINBASE", BTC)
    send(s, frame(0, event("snapshot", BIDS, [*ASKS, (FAR, "1")])))
    got = records(s)
    assert got[5:9] == refill(1, [(101, 300), (103, 400)], 2**32 - 1)
    counted(s, far_asks=1, price_too_large=0)
    assert s.needs_snapshot == set()
    book = s.feeds[BTC].book
    assert book.bids.whole and not book.asks.whole and book.asks.known == 2
    send(s, frame(1, event("update", [], [(FAR, "0")])))
    assert ids(records(s)) == [1]


def test_a_whole_side_of_the_fabric_learns_of_the_first_ask_without_a_price():
    s = started(BTC)
    s.take()
    send(s, frame(1, event("update", [], [("10.4", "1"), (FAR, "1")])))
    got = records(s)
    assert got[2:-1] == refill(1, [(101, 300), (103, 400), (104, 100)], 2**32 - 1)
    send(s, frame(2, event("update", [], [("10.4", "2")])))
    assert [kind for kind, *_ in records(s)] == ["BEGIN", "LEVEL", "END"]


def test_the_highest_price_of_a_record_is_still_an_ask():
    s = started(BTC)
    send(s, frame(1, event("update", [], [(LAST, "1")])))
    assert s.feeds[BTC].book.asks.levels[2**32 - 1] == 100
    counted(s, far_asks=0)


def test_a_bid_without_a_price_in_a_record_clears_the_book():
    s = started(BTC)
    s.take()
    send(s, frame(1, event("update", [(FAR, "1")])))
    assert records(s) == CLEARED
    counted(s, price_too_large=1)


def broken(**more):
    return {"side": "bid", "event_time": STAMP, "price_level": "1", "new_quantity": "1"} | more


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"type": "error", "message": "no"}, "unknown_frame"),
        ({"channel": "l2_data"}, "bad_frame"),
        (frame("1"), "bad_frame"),
        (frame(-1), "bad_frame"),
        (frame(1, channel=None), "bad_frame"),
        (frame(1, event("other")), "bad_frame"),
        (frame(1, []), "bad_frame"),
        (frame(1) | {"events": {}}, "bad_frame"),
        (frame(1, event("update") | {"updates": [broken(side="ask")]}), "bad_frame"),
        (frame(1, event("update") | {"updates": [broken(price_level=1)]}), "bad_frame"),
        (frame(1, event("update") | {"updates": [broken(event_time="now")]}), "bad_frame"),
        (frame(1, event("update") | {"updates": [broken(event_time=STAMP[:-1])]}), "bad_frame"),
        (frame(1, event("update") | {"updates": [broken(event_time="2026Z")]}), "bad_frame"),
        (frame(1, {"type": "update", "trades": [{}]}, channel="market_trades"), "bad_frame"),
        ([], "unknown_frame"),
    ],
)
def test_a_bad_frame_is_refused_and_counted(data, reason):
    answer = parsed(data)
    assert isinstance(answer, Refusal) and answer.reason == reason
    s = started(BTC)
    s.take()
    send(s, data)
    counted(s, **{reason: 1})
    assert records(s) == []


def test_a_bad_frame_is_a_missing_one_to_the_frames_after_it():
    s = started(BTC)
    s.take()
    send(s, frame(1, event("update") | {"updates": [broken(price_level=1)]}))
    send(s, frame(2, event("update", [("9.8", "1")])))
    assert records(s) == CLEARED
    counted(s, bad_frame=1, stream_gap=1)
