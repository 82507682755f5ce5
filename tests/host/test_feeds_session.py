# SPDX-License-Identifier: Apache-2.0
import json
from decimal import Decimal

import pytest

from host.contract.records import IN_DTYPE
from host.feeds.capture import Frame
from host.feeds.messages import Instrument, Refusal
from host.feeds.session import COUNTERS, FeedSession
from host.feeds.settings import FeedSettings

NAME = "BTCUSDT"
SETTINGS = FeedSettings(levels=4, snapshot_limit=3)
TICK, LOT = Decimal("0.1"), Decimal("0.001")
BIDS = [["10.0", "0.001"], ["9.9", "0.002"]]
ASKS = [["10.1", "0.003"], ["10.3", "0.004"]]
KINDS = {1: "LEVEL", 2: "TRADE", 3: "CLEAR", 4: "BEGIN", 5: "END", 6: "R_BEGIN", 7: "R_END"}


def session(**kwargs):
    return FeedSession([Instrument(NAME, 5, TICK, LOT)], SETTINGS, **kwargs)


def send(s, data):
    s.feed_payload(json.dumps(data))


def depth(s, first, last, prev=None, bids=(), asks=(), name=NAME, time_ms=1000):
    data = {"e": "depthUpdate", "E": time_ms, "s": name, "U": first, "u": last}
    data |= {"b": [list(x) for x in bids], "a": [list(x) for x in asks]}
    send(s, data if prev is None else data | {"pu": prev})


def snapshot(s, last, bids=BIDS, asks=ASKS, **more):
    send(s, {"lastUpdateId": last, "bids": bids, "asks": asks} | more)


def trade(s, price="10.0", qty="0.002", seller=True, name=NAME):
    data = {"e": "trade", "E": 9, "T": 7, "s": name, "t": 77, "p": price, "q": qty, "m": seller}
    send(s, data)


def ticker(s, update_id, bid="10.0", bid_qty="0.001", ask="10.1", ask_qty="0.003"):
    send(s, {"u": update_id, "s": NAME, "b": bid, "B": bid_qty, "a": ask, "A": ask_qty})


def records(s):
    """The records made, as (kind, flags, price, value); symbol and tag are checked here."""
    taken = s.take()
    assert taken.dtype == IN_DTYPE
    assert set(taken["symbol"].tolist()) <= {5} and not taken["tag"].any()
    return [(KINDS[k], f, p, v) for k, f, _, _, p, v in taken.tolist()]


def events(s):
    """Ids of the book events sent."""
    return [value for kind, flags, _, value in records(s) if kind == "END" and flags == 8]


def counted(s, **expected):
    got = {name: count for name, count in s.counters.items() if count and name in expected}
    assert got == expected
    assert set(s.counters) == set(COUNTERS), "every counter has a name and a description"


WHOLE_REFILLS = [
    ("R_BEGIN", 0, 0, 0),
    ("LEVEL", 2, 100, 1),
    ("LEVEL", 2, 99, 2),
    ("R_END", 4, 0, 0),
    ("R_BEGIN", 1, 0, 0),
    ("LEVEL", 3, 101, 3),
    ("LEVEL", 3, 103, 4),
    ("R_END", 5, 0, 0),
]


def test_a_snapshot_refills_both_sides_outside_an_event():
    s = session()
    snapshot(s, 10)
    assert records(s) == WHOLE_REFILLS


def test_an_event_is_its_time_its_levels_in_frame_order_and_its_id():
    s = session()
    snapshot(s, 10)
    s.take()
    depth(s, 11, 12, None, [("9.8", "0.005"), ("10.0", "0"), ("9.8", "0.006")], [("10.2", "1")])
    assert records(s) == [
        ("BEGIN", 0, 0, 1_000_000),
        ("LEVEL", 0, 98, 5),
        ("LEVEL", 0, 100, 0),
        ("LEVEL", 0, 98, 6),
        ("LEVEL", 1, 102, 1000),
        ("END", 8, 0, 12),
    ]
    assert s.feeds[NAME].event_times.tolist() == [12, 1_000_000]


@pytest.mark.parametrize(("seller", "side"), [(True, 1), (False, 0)])
def test_a_trade_is_an_event_that_does_not_change_the_book(seller, side):
    s = session()
    trade(s, seller=seller)
    assert records(s) == [("BEGIN", 0, 0, 7000), ("TRADE", side, 100, 2), ("END", 0, 0, 77)]
    assert not s.feeds[NAME].event_times


@pytest.mark.parametrize(
    ("price", "qty", "reason"),
    [
        ("10.05", "1", "trade_price_off_grid"),
        ("10.0", "0.0001", "trade_qty_off_grid"),
        ("10.0", "0.000", "trade_zero_qty"),
        ("0", "1", "trade_bad_number"),
        ("-1", "1", "trade_bad_number"),
        ("1e9", "1", "trade_bad_number"),
        ("999999999", "1", "trade_price_too_large"),
        ("10.0", "999999999999999", "trade_qty_too_large"),
    ],
)
def test_a_bad_trade_is_counted_and_leaves_the_book_alone(price, qty, reason):
    s = session()
    snapshot(s, 10)
    s.take()
    trade(s, price, qty)
    assert records(s) == []
    counted(s, **{reason: 1})
    depth(s, 11, 11)
    assert events(s) == [11]


# (first id, last id, previous id) of events against a snapshot at 10; ids of those applied
SPOT = [
    ([(8, 9, None), (10, 10, None), (11, 12, None)], [12]),
    ([(8, 11, None), (12, 13, None)], [11, 13]),
    ([(11, 11, None), (12, 12, None)], [11, 12]),
]
FUTURES = [
    ([(5, 9, 4), (10, 10, 9), (11, 13, 10)], [10, 13]),
    ([(8, 12, 7), (14, 15, 12)], [12, 15]),
    ([(12, 15, 10), (20, 20, 15)], [15, 20]),
    ([(12, 15, 9), (20, 20, 15)], [15, 20]),
]


@pytest.mark.parametrize(("stream", "applied"), SPOT + FUTURES)
@pytest.mark.parametrize("snapshot_at", [0, 1, 2, 3])
def test_events_follow_a_snapshot_by_the_rule_of_the_venue(stream, applied, snapshot_at):
    s = session()
    for n, ids in enumerate(stream):
        if n == snapshot_at:
            snapshot(s, 10)
        depth(s, *ids)
    if snapshot_at >= len(stream):
        snapshot(s, 10)
    assert events(s) == applied
    counted(s, events=len(applied))
    assert s.counters["gap"] == s.counters["snapshot_too_old"] == 0
    assert s.counters["events_before_snapshot"] == len(stream) - len(applied)
    assert s.needs_snapshot == set()


@pytest.mark.parametrize("ids", [(12, 13, None), (12, 13, 11)])
@pytest.mark.parametrize("snapshot_first", [True, False])
def test_a_snapshot_older_than_the_events_is_refused_and_the_book_stays_unknown(
    ids, snapshot_first
):
    s = session()
    if snapshot_first:
        snapshot(s, 10)
        depth(s, *ids)
        assert records(s)[-2:] == [("CLEAR", 16, 0, 0), ("CLEAR", 17, 0, 0)]
    else:
        depth(s, *ids)
        snapshot(s, 10)
        assert records(s) == []
    counted(s, snapshot_too_old=1)
    assert s.needs_snapshot == {NAME}
    snapshot(s, 12)
    assert events(s) == [13]
    assert s.needs_snapshot == set()


@pytest.mark.parametrize("prev", [False, True])
def test_a_gap_clears_both_sides_until_a_new_snapshot(prev):
    s = session()
    snapshot(s, 10)
    depth(s, 11, 12, 10 if prev else None)
    s.take()
    depth(s, 14, 15, 13 if prev else None, time_ms=1001)
    assert records(s) == [("CLEAR", 16, 0, 0), ("CLEAR", 17, 0, 0)]
    counted(s, gap=1)
    assert s.needs_snapshot == {NAME}
    depth(s, 16, 17, 15 if prev else None, time_ms=1002)
    assert records(s) == []
    snapshot(s, 15)
    got = records(s)
    assert got[:8] == WHOLE_REFILLS
    assert [r for r in got if r[0] == "END"] == [
        ("END", 8, 0, last) for last in ([15, 17] if prev else [17])
    ]


def test_futures_go_by_the_previous_id_not_by_the_first():
    s = session()
    snapshot(s, 10)
    depth(s, 9, 12, 8)
    depth(s, 500, 501, 12)
    assert events(s) == [12, 501]
    depth(s, 502, 503, 500, time_ms=1001)
    counted(s, gap=1)


def test_an_event_that_comes_twice_is_dropped_and_one_that_counts_anew_is_a_gap():
    s = session()
    snapshot(s, 10)
    depth(s, 11, 12, time_ms=1000)
    depth(s, 13, 14, time_ms=1001)
    depth(s, 11, 12, time_ms=1000)
    depth(s, 15, 15, time_ms=1002)
    assert events(s) == [12, 14, 15]
    counted(s, events_repeated=1)
    assert s.counters["gap"] == 0
    depth(s, 1, 2, time_ms=1003)
    counted(s, events_repeated=1, gap=1)


def test_a_gap_among_the_kept_events_leaves_only_those_behind_it():
    s = session()
    for first in (11, 12, 14, 15):
        depth(s, first, first, time_ms=first)
    counted(s, gap=1)
    snapshot(s, 11)
    assert records(s) == []
    counted(s, gap=1, snapshot_too_old=1)
    snapshot(s, 13)
    assert events(s) == [14, 15]


def test_the_buffer_is_bounded_and_an_overflow_is_counted():
    settings = FeedSettings(levels=4, snapshot_limit=3, buffer_events=3)
    s = FeedSession([Instrument(NAME, 5, TICK, LOT)], settings)
    for first in range(11, 16):
        depth(s, first, first)
    counted(s, buffer_overflow=2)
    snapshot(s, 11)
    counted(s, buffer_overflow=2, snapshot_too_old=1)
    snapshot(s, 12)
    assert events(s) == [13, 14, 15]


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        (("10.05", "1"), "price_off_grid"),
        (("10.0", "0.0001"), "qty_off_grid"),
        (("429496729.6", "1"), "price_too_large"),
        (("10.0", "281474976710.656"), "qty_too_large"),
        (("0.0", "1"), "bad_number"),
        (("NaN", "1"), "bad_number"),
        (("10.0", "-1"), "bad_number"),
        (("10.0", "1e3"), "bad_number"),
    ],
)
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_bad_level_refuses_the_whole_event_before_any_of_it(level, reason, side):
    s = session()
    snapshot(s, 10)
    s.take()
    depth(s, 11, 11, None, **{side: [("9.8", "0.007"), level]})
    assert records(s) == [("CLEAR", 16, 0, 0), ("CLEAR", 17, 0, 0)]
    counted(s, **{reason: 1})
    assert "event 11" in s.refusals[0].detail
    assert s.needs_snapshot == {NAME}
    assert 98 not in s.feeds[NAME].book.bids.levels
    depth(s, 12, 12)
    snapshot(s, 10)
    assert records(s) == []
    counted(s, **{reason: 1, "snapshot_too_old": 1})
    snapshot(s, 11)
    assert events(s) == [12]


def test_a_snapshot_from_before_a_refused_event_is_too_old_even_with_no_event_since():
    s = session()
    snapshot(s, 10)
    depth(s, 11, 12, None, [("9.85", "1")])
    s.take()
    snapshot(s, 11)
    assert records(s) == [] and s.needs_snapshot == {NAME}
    snapshot(s, 12)
    assert records(s) == WHOLE_REFILLS


def test_a_bad_snapshot_is_refused_whole():
    s = session()
    snapshot(s, 10, asks=[["10.1", "1"], ["10.25", "1"]])
    assert records(s) == []
    counted(s, price_off_grid=1, snapshots=1)
    assert s.needs_snapshot == {NAME}
    snapshot(s, 10)
    snapshot(s, 10, asks=[["10.1", "0.00001"]])
    assert records(s) == WHOLE_REFILLS
    counted(s, price_off_grid=1, qty_off_grid=1, snapshots=3)


def test_tick_and_lot_come_from_the_first_snapshot_and_events_wait_for_it():
    s = FeedSession([Instrument(NAME, 5)], SETTINGS)
    trade(s)
    ticker(s, 10)
    depth(s, 11, 11, bids=[("9.80", "0.005")])
    assert records(s) == []
    counted(s, before_snapshot=2)
    snapshot(s, 10, [["10.00", "0.001"], ["9.90", "0.002"]], [["10.10", "0.003"], ["10.30", "1"]])
    assert s.feeds[NAME].instrument == Instrument(NAME, 5, TICK, LOT)
    got = records(s)
    assert ("LEVEL", 2, 99, 2) in got and ("LEVEL", 0, 98, 5) in got and got[-1][3] == 11
    trade(s)
    assert len(records(s)) == 3


def test_a_kept_event_that_is_off_the_inferred_grid_is_refused_with_all_before_it():
    s = FeedSession([Instrument(NAME, 5)], SETTINGS)
    for n, price in ((11, "9.8"), (12, "9.85"), (13, "9.7")):
        depth(s, n, n, bids=[(price, "0.005")])
    snapshot(s, 11)
    assert records(s) == []
    counted(s, price_off_grid=1, snapshot_too_old=1)
    snapshot(s, 12)
    assert events(s) == [13]


def test_an_empty_snapshot_cannot_give_a_scale_but_is_a_book_where_there_is_one():
    s = FeedSession([Instrument(NAME, 5)], SETTINGS)
    snapshot(s, 10, [], [])
    counted(s, scale_unknown=1)
    s = session()
    snapshot(s, 10, [], [])
    assert [r[:2] for r in records(s)] == [
        ("R_BEGIN", 0),
        ("R_END", 4),
        ("R_BEGIN", 1),
        ("R_END", 5),
    ]


def test_a_snapshot_without_symbol_is_of_the_only_symbol_there_is():
    two = [Instrument("A", 5, TICK, LOT), Instrument("B", 6, TICK, LOT)]
    s = FeedSession(two, SETTINGS)
    snapshot(s, 10)
    counted(s, snapshot_without_symbol=1)
    depth(s, 11, 11, name="A")
    snapshot(s, 10)
    assert s.feeds["A"].synced and not s.feeds["B"].synced
    depth(s, 11, 11, name="B")
    snapshot(s, 11)
    counted(s, snapshot_without_symbol=2)
    snapshot(s, 11, symbol="B")
    assert s.feeds["B"].synced and s.needs_snapshot == set()


def test_a_snapshot_without_symbol_in_a_strangers_stream_is_not_taken():
    s = session()
    depth(s, 11, 11, name="STRANGER")
    snapshot(s, 10)
    assert records(s) == []
    counted(s, unknown_symbol=2)


def test_strangers_are_counted_and_ignored_or_adopted_in_order_of_appearance():
    s = session()
    depth(s, 1, 2, name="X")
    trade(s, name="Y")
    assert records(s) == [] and set(s.feeds) == {NAME}
    counted(s, unknown_symbol=2)
    settings = FeedSettings(symbols=2)
    s = FeedSession([Instrument("M", 0)], settings, adopt=True)
    for name in ("X", "M", "Y"):
        trade(s, name=name)
    assert {n: f.instrument.symbol for n, f in s.feeds.items()} == {"M": 0, "X": 1}
    counted(s, unknown_symbol=1)


def test_symbols_keep_their_own_numbers_and_books():
    s = FeedSession(
        [Instrument("A", 0, TICK, LOT), Instrument("B", 255, TICK, LOT)], FeedSettings(symbols=256)
    )
    snapshot(s, 10, symbol="A")
    assert set(s.take()["symbol"].tolist()) == {0}
    snapshot(s, 10, symbol="B")
    depth(s, 11, 11, name="B", bids=[("9.8", "0.001")])
    assert set(s.take()["symbol"].tolist()) == {255}
    assert len(s.feeds["A"].book.bids.levels) == 2 and len(s.feeds["B"].book.bids.levels) == 3


@pytest.mark.parametrize(
    "instruments",
    [[Instrument("A", 16)], [Instrument("A", 0), Instrument("A", 1)]]
    + [[Instrument("A", 0), Instrument("B", 0)], [Instrument("A", -1)]],
)
def test_symbol_numbers_must_fit_and_be_unique(instruments):
    with pytest.raises(ValueError, match="expected a"):
        FeedSession(instruments)


def test_refusals_are_counted_and_the_first_keep_their_file_and_line():
    s = session(keep_refusals=2)
    s.feed(Refusal("bad_line", "no", "file", 3))
    s.feed(Frame(1, b'{"e":"trade"}', "file", 4))
    s.feed(Frame(1, b"{broken", "file", 5))
    s.feed(Frame(1, b'{"result":null,"id":1}', "file", 6))
    counted(s, frames=4, bad_line=2, bad_frame=1, unknown_frame=1)
    assert [(r.reason, r.path, r.line) for r in s.refusals] == [
        ("bad_line", "file", 3),
        ("bad_frame", "file", 4),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bid": "10.05"}, "ticker_price_off_grid"),
        ({"ask": "0"}, "ticker_bad_number"),
        ({"bid_qty": "0.00001"}, "ticker_qty_off_grid"),
        ({"ask": "999999999"}, "ticker_price_too_large"),
        ({"ask_qty": "999999999999999"}, "ticker_qty_too_large"),
    ],
)
def test_a_bad_ticker_is_counted_and_leaves_the_book_alone(fields, reason):
    s = session()
    snapshot(s, 10)
    ticker(s, 11, **fields)
    depth(s, 11, 11)
    assert events(s) == [11]
    counted(s, **{reason: 1})


def test_tickers_are_compared_through_the_session():
    s = session()
    snapshot(s, 10)
    ticker(s, 11)
    depth(s, 11, 11)
    ticker(s, 12, bid_qty="0.009")
    depth(s, 12, 12)
    counted(s, ticker_checked=2, ticker_mismatch=1)


def test_a_taken_array_is_the_callers_own_and_is_taken_once():
    s = session()
    snapshot(s, 10)
    assert len(s) == 8
    first = s.take()
    kept = first.copy()
    depth(s, 11, 11)
    assert (first == kept).all() and len(s) == 2
    first["kind"] = 0
    assert [r[0] for r in records(s)] == ["BEGIN", "END"]
    assert len(s.take()) == 0
