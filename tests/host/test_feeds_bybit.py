# SPDX-License-Identifier: Apache-2.0
import json
from decimal import Decimal

import pytest

from host.feeds.bybit import parse
from host.feeds.messages import DepthUpdate, Increments, Instrument, Refusal, Snapshot, Trade
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.feeds.venues import VENUES
from tests.host.venue_session import CLEARED, counted, ids, records, refill, send, session

SPOT = "wss://stream.bybit.com/v5/public/spot"
LINEAR = "wss://stream.bybit.com/v5/public/linear"
NAME = "LINEAR:BTCUSDT"
BIDS, ASKS = [["10.0", "1"], ["9.9", "2"]], [["10.1", "3"], ["10.3", "4"]]
T0 = 1_786_310_818_000


def book(kind, update_id, bids=(), asks=(), depth=3, symbol="BTCUSDT", **more):
    data = {"s": symbol, "b": list(bids), "a": list(asks), "u": update_id, "seq": 7 * update_id}
    frame = {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": T0 + 5, "data": data}
    return frame | {"cts": T0} | more


def started(update_id=10, **kwargs):
    s = session("BYBIT", NAME, **kwargs)
    send(s, book("snapshot", update_id, BIDS, ASKS), LINEAR)
    return s


def parsed(frame, address=LINEAR):
    return parse(json.dumps(frame), address)


def test_a_snapshot_and_a_delta_say_market_symbol_id_and_the_matching_engines_time():
    assert parsed(book("snapshot", 10, BIDS, ASKS, 200)) == Snapshot(
        NAME,
        10,
        [("10.0", "1"), ("9.9", "2")],
        [("10.1", "3"), ("10.3", "4")],
        T0 * 1000,
        200,
    )
    delta = DepthUpdate("SPOT:BTCUSDT", 11, 11, None, T0 * 1000, [("9.9", "0")], [])
    assert parsed(book("delta", 11, [["9.9", "0"]]), SPOT) == delta
    old = book("delta", 11, [["9.9", "0"]])
    del old["cts"]
    assert parsed(old, SPOT) == delta._replace(time_us=(T0 + 5) * 1000)


def test_a_print_carries_the_takers_side():
    entry = {"T": T0, "s": "BTCUSDT", "S": "Sell", "v": "0.3", "p": "10.0", "i": "a9-18", "seq": 7}
    frame = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "data": [entry, entry]}
    trade = Trade(NAME, 7, "10.0", "0.3", True, T0 * 1000)
    assert parsed(frame) == [trade, trade]
    entry["S"] = "Buy"
    assert parsed(frame)[0] == trade._replace(seller_is_aggressor=False)


def test_instruments_give_tick_and_lot_of_each_market():
    entries = [
        {
            "symbol": "BTCUSDT",
            "priceFilter": {"tickSize": "0.10"},
            "lotSizeFilter": {"qtyStep": "0.001"},
        },
        {"symbol": "X", "priceFilter": {}, "lotSizeFilter": {"qtyStep": "0.001"}},
        {"symbol": "Y", "priceFilter": {"tickSize": "0"}, "lotSizeFilter": {"qtyStep": "1"}},
        {"symbol": "Z", "priceFilter": {"tickSize": "a"}, "lotSizeFilter": {"qtyStep": "1"}},
    ]
    (found,) = parsed({"result": {"category": "linear", "list": entries}}, "https://api/x")
    assert isinstance(found, Increments)
    assert (found.symbol, str(found.tick), str(found.lot)) == (NAME, "0.10", "0.001")
    entries[0]["lotSizeFilter"] = {"basePrecision": "0.000001"}
    (found,) = parsed({"result": {"category": "spot", "list": entries[:1]}}, "https://api/x")
    assert (found.symbol, str(found.lot)) == ("SPOT:BTCUSDT", "0.000001")


@pytest.mark.parametrize(
    "frame",
    [
        {"topic": "tickers.BTCUSDT", "type": "delta", "data": {}},
        {"topic": "kline.1.BTCUSDT", "type": "snapshot", "data": []},
        {"success": True, "op": "subscribe"},
        {"op": "pong"},
    ],
)
def test_frames_of_other_topics_and_answers_are_counted_and_nothing_else(frame):
    s = session("BYBIT", NAME)
    send(s, frame, LINEAR)
    counted(s, frames=1, other_frame=1, unknown_frame=0)
    assert records(s) == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({"success": False, "ret_msg": "no"}, "unknown_frame"),
        (book("delta", 1, depth="full"), "unknown_frame"),
        (book("delta", 1, depth="rpi"), "unknown_frame"),
        (book("other", 1), "bad_frame"),
        (book(None, 1), "bad_frame"),
        (book("delta", "1"), "bad_frame"),
        (book("delta", -1), "bad_frame"),
        (book("delta", True), "bad_frame"),
        (book("delta", 1, [["10.0"]]), "bad_frame"),
        (book("delta", 1, [["10.0", "1", "2"]]), "bad_frame"),
        (book("delta", 1, [["10.0", 1]]), "bad_frame"),
        (book("delta", 1, ["10.0"]), "bad_frame"),
        (book("delta", 1, cts="1"), "bad_frame"),
        (book("delta", 1, cts=T0 * 1000), "bad_frame"),
        (book("delta", 1, data=[]), "bad_frame"),
        ({"topic": 1}, "bad_frame"),
        ({"topic": "orderbook.1.X", "type": "delta"}, "bad_frame"),
        ({"topic": "publicTrade.X", "data": [{}]}, "bad_frame"),
        ([], "unknown_frame"),
    ],
)
def test_a_bad_frame_is_refused_and_counted(frame, reason):
    answer = parsed(frame)
    assert isinstance(answer, Refusal) and answer.reason == reason
    s = started()
    s.take()
    send(s, frame, LINEAR)
    counted(s, **{reason: 1})
    assert records(s) == []


def test_what_is_no_json_is_refused():
    assert parse(b"{").reason == "bad_line"


def test_the_same_symbol_on_two_markets_is_two_books():
    s = session("BYBIT", "SPOT:BTCUSDT", NAME)
    send(s, book("snapshot", 10, BIDS, ASKS), SPOT)
    send(s, book("snapshot", 900, BIDS, ASKS), LINEAR)
    send(s, book("delta", 11), SPOT)
    send(s, book("delta", 901), LINEAR)
    got = s.take()
    assert [(n, v) for k, _, n, _, _, v in got.tolist() if k == 5] == [
        (5, 10),
        (6, 900),
        (5, 11),
        (6, 901),
    ]
    counted(s, gap=0, snapshots_replaced=0)


def test_a_snapshot_is_an_event_of_its_time_that_refills_both_sides():
    assert records(started()) == [
        ("BEGIN", 0, 0, T0 * 1000),
        *refill(0, [(100, 100), (99, 200)]),
        *refill(1, [(101, 300), (103, 400)]),
        ("END", 8, 0, 10),
    ]


def test_deltas_count_on_from_the_snapshot():
    s = started()
    s.take()
    send(s, book("delta", 11, [["9.8", "5"]]), LINEAR)
    send(s, book("delta", 12, [], [["10.1", "0"]]), LINEAR)
    got = records(s)
    assert ids(got) == [11, 12]
    assert ("LEVEL", 0, 98, 500) in got and ("LEVEL", 1, 101, 0) in got
    assert s.needs_snapshot == set()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("left_out", [1, 2, 100])
def test_a_delta_that_leaves_an_id_out_clears_the_book_until_the_next_snapshot(first, left_out):
    s = started()
    update_id = 10 + left_out
    if not first:
        send(s, book("delta", 11), LINEAR)
        update_id += 1
    s.take()
    send(s, book("delta", update_id + 1, [["9.8", "5"]]), LINEAR)
    assert records(s) == CLEARED
    counted(s, gap=1)
    assert s.needs_snapshot == {NAME}
    send(s, book("delta", update_id + 2), LINEAR)
    assert records(s) == []
    send(s, book("snapshot", 130, BIDS, ASKS), LINEAR)
    send(s, book("delta", 131), LINEAR)
    assert ids(records(s)) == [130, 131]
    counted(s, gap=1, snapshot_too_old=0, events_before_snapshot=1, snapshots_replaced=0)
    assert s.needs_snapshot == set()


@pytest.mark.parametrize("update_id", [1, 11, 12, 500])
def test_a_snapshot_in_mid_stream_takes_the_place_of_the_book_whatever_its_id(update_id):
    s = started()
    send(s, book("delta", 11, [["9.8", "5"]]), LINEAR)
    s.take()
    send(s, book("snapshot", update_id, [["9.5", "6"]], [["9.7", "7"]], cts=T0 + 9), LINEAR)
    assert records(s) == [
        ("BEGIN", 0, 0, (T0 + 9) * 1000),
        *refill(0, [(95, 600)]),
        *refill(1, [(97, 700)]),
        ("END", 8, 0, update_id),
    ]
    send(s, book("delta", update_id + 1, [["9.4", "1"]]), LINEAR)
    assert ids(records(s)) == [update_id + 1]
    assert s.feeds[NAME].book.bids.levels == {95: 600, 94: 100}
    counted(s, snapshots_replaced=1, gap=0)


def test_a_delta_that_comes_twice_is_dropped():
    s = started()
    for _ in range(2):
        send(s, book("delta", 11, [["9.8", "5"]]), LINEAR)
    assert ids(records(s)) == [10, 11]
    counted(s, gap=0, events_repeated=1)


def test_deltas_before_the_first_snapshot_are_dropped():
    s = session("BYBIT", NAME)
    send(s, book("delta", 9), LINEAR)
    assert records(s) == []
    counted(s, events_before_snapshot=1, gap=0)


def test_a_side_at_the_topics_depth_is_known_to_its_last_level_wherever_that_moves():
    s = started()
    book_of = s.feeds[NAME].book
    assert book_of.bids.whole  # two levels of three
    send(s, book("delta", 11, [["9.7", "5"]]), LINEAR)
    assert (book_of.bids.horizon_ticks, book_of.bids.known) == (97, 3)
    # 9.7 leaves the best three, it is not gone
    send(s, book("delta", 12, [["9.8", "1"], ["9.7", "0"]]), LINEAR)
    assert (book_of.bids.horizon_ticks, book_of.bids.known) == (98, 3)
    send(s, book("delta", 13, [["9.8", "0"], ["9.9", "0"]]), LINEAR)
    assert book_of.bids.whole and book_of.bids.known == 1


def test_a_book_deeper_than_its_topic_is_refused_and_cleared():
    s = started()
    s.take()
    send(s, book("delta", 11, [["9.8", "5"], ["9.7", "5"]]), LINEAR)
    assert records(s) == CLEARED
    counted(s, book_too_deep=1)
    s = session("BYBIT", NAME)
    send(s, book("snapshot", 10, [["10.0", "1"], ["9.9", "2"]], ASKS, depth=1), LINEAR)
    assert records(s) == []
    assert s.needs_snapshot == {NAME}


def test_a_fabric_deeper_than_the_topic_is_told_that_a_side_is_no_longer_whole():
    """The side grows to the topic's depth: what lies beyond is not known from then on."""
    s = started(settings=FeedSettings(levels=8))
    s.take()
    send(s, book("delta", 11, [["9.7", "5"]]), LINEAR)
    got = records(s)
    assert refill(0, [(100, 100), (99, 200), (97, 500)], 96) == got[2:-1]
    send(s, book("delta", 12, [["9.7", "6"]]), LINEAR)
    assert [kind for kind, *_ in records(s)] == ["BEGIN", "LEVEL", "END"]


def test_a_narrow_topic_does_not_ask_for_snapshots():
    """The settings want 8 levels of a side; the topic has 3 and a snapshot would not bring more."""
    s = session("BYBIT", NAME, settings=FeedSettings(levels=4, low_levels=8))
    deep = [[f"9.{n}", "1"] for n in (9, 8, 7)]
    send(s, book("snapshot", 10, deep, ASKS), LINEAR)
    assert not s.feeds[NAME].book.bids.whole
    assert s.needs_snapshot == set()


def test_the_venues_tick_and_lot_are_used_where_none_are_given():
    s = session("BYBIT", adopt=True)
    entry = {
        "symbol": "BTCUSDT",
        "priceFilter": {"tickSize": "0.05"},
        "lotSizeFilter": {"qtyStep": "0.5"},
    }
    send(s, {"result": {"category": "linear", "list": [entry]}}, "https://api.bybit.com/v5/x")
    send(s, book("snapshot", 10, BIDS, ASKS), LINEAR)
    assert records(s, 0)[1:5] == refill(0, [(200, 2), (198, 4)])


def test_a_given_tick_is_kept_and_a_missing_lot_taken_from_the_venue_or_the_snapshot():
    entry = {
        "symbol": "BTCUSDT",
        "priceFilter": {"tickSize": "0.05"},
        "lotSizeFilter": {"qtyStep": "0.5"},
    }
    for tell, lot in ((True, "0.5"), (False, "1")):
        s = FeedSession([Instrument(NAME, 0, Decimal("0.1"))], venue=VENUES["BYBIT"])
        if tell:
            send(s, {"result": {"category": "linear", "list": [entry]}}, "https://x/y")
        send(s, book("snapshot", 10, BIDS, ASKS), LINEAR)
        got = s.feeds[NAME].instrument
        assert (got.tick, got.lot) == (Decimal("0.1"), Decimal(lot))
