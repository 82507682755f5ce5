# SPDX-License-Identifier: Apache-2.0
import pytest

from host.feeds.kraken_futures import parse
from host.feeds.messages import DepthUpdate, Increments, Refusal, Snapshot, Trade
from tests.host.venue_session import CLEARED, counted, ids, records, refill, session

NAME = "PI_XBTUSD"
T0 = 1_626_994_927_654

SNAPSHOT = (
    '{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":%d,"seq":%s,"tickSize":null,'
    '"bids":[{"price":10.0,"qty":100.0},{"price":9.9,"qty":2}],"asks":[{"price":10.1,"qty":3.0}]}'
)
UPDATE = (
    '{"feed":"book","product_id":"PI_XBTUSD","side":"%s","seq":%s,"price":%s,"qty":%s,'
    '"timestamp":%s}'
)
TRADE = (
    '{"feed":"trade","product_id":"PI_XBTUSD","uid":"05af78ac","side":"%s","type":"fill",'
    '"seq":7,"time":%d,"qty":40.0,"price":10.1}'
)


def update(seq, side="buy", price="9.8", qty="5.0", ms=T0):
    return UPDATE % (side, seq, price, qty, ms)


def started(seq=10):
    s = session("KRAKEN_FUTURES", NAME, lot="1")
    s.feed_payload(SNAPSHOT % (T0, seq))
    return s


def test_frames_become_messages():
    assert parse(SNAPSHOT % (T0, 10)) == Snapshot(
        NAME, 10, [("10", "100"), ("9.9", "2")], [("10.1", "3")], T0 * 1000, 0
    )
    buy = DepthUpdate(NAME, 11, 11, None, T0 * 1000, [("9.8", "5")], ())
    assert parse(update(11)) == buy
    assert parse(update(11, "sell")) == buy._replace(bids=(), asks=[("9.8", "5")])


@pytest.mark.parametrize(("side", "seller"), [("sell", True), ("buy", False)])
def test_a_print_carries_the_takers_side(side, seller):
    assert parse(TRADE % (side, T0)) == Trade(NAME, 7, "10.1", "40", seller, T0 * 1000)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("9999999.95", "9999999.95"),
        ("4500000.0", "4500000"),
        ("10", "10"),
        ("0.0", "0"),
        ("1.0E-4", "0.0001"),
        ("1.25e3", "1250"),
        ("0.1000", "0.1"),
        # a float would turn these into their neighbours
        ("9007199254740993.0", "9007199254740993"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_a_number_keeps_every_digit_it_was_sent_with(number, text):
    message = parse(update(11, price=number, qty=number))
    assert list(message.bids) == [(text, text)]


def test_instruments_give_tick_and_lot():
    payload = (
        '{"instruments":[{"symbol":"pi_xbtusd","tickSize":0.5,"tradeable":true},'
        '{"symbol":"pf_xbtusd","tickSize":1,"tradeable":true,"contractValueTradePrecision":4},'
        '{"symbol":"pf_pepe","tickSize":1.0E-9,"tradeable":true,"contractValueTradePrecision":-3},'
        '{"symbol":"in_xbtusd","tradeable":false}]}'
    )
    found = parse(payload, "https://futures.kraken.com/derivatives/api/v3/instruments")
    assert all(isinstance(one, Increments) for one in found)
    assert [(one.symbol, format(one.tick, "f"), format(one.lot, "f")) for one in found] == [
        ("PI_XBTUSD", "0.5", "1"),
        ("PF_XBTUSD", "1", "0.0001"),
        ("PF_PEPE", "0.000000001", "1000"),
    ]


def test_a_snapshot_is_an_event_that_shows_both_sides_whole():
    assert records(started()) == [
        ("BEGIN", 0, 0, T0 * 1000),
        *refill(0, [(100, 100), (99, 2)]),
        *refill(1, [(101, 3)]),
        ("END", 8, 0, 10),
    ]


def test_each_update_is_an_event_of_one_level():
    s = started()
    s.take()
    s.feed_payload(update(11))
    s.feed_payload(update(12, "sell", "10.1", "0.0", T0 + 3))
    assert records(s) == [
        ("BEGIN", 0, 0, T0 * 1000),
        ("LEVEL", 0, 98, 5),
        ("END", 8, 0, 11),
        ("BEGIN", 0, 0, (T0 + 3) * 1000),
        ("LEVEL", 1, 101, 0),
        ("END", 8, 0, 12),
    ]
    assert s.feeds[NAME].book.asks.whole and s.feeds[NAME].book.asks.known == 0


@pytest.mark.parametrize("first", [True, False])
def test_a_missing_number_clears_the_book_until_the_next_snapshot(first):
    s = started()
    if not first:
        s.feed_payload(update(11))
    s.take()
    s.feed_payload(update(13))
    assert records(s) == CLEARED
    counted(s, gap=1)
    s.feed_payload(update(14))
    s.feed_payload(SNAPSHOT % (T0, 20))
    s.feed_payload(update(21))
    assert ids(records(s)) == [20, 21]
    counted(s, gap=1, events_before_snapshot=1)


def test_updates_a_snapshot_already_holds_are_dropped():
    s = started()
    for seq in (9, 10, 11):
        s.feed_payload(update(seq))
    assert ids(records(s)) == [10, 11]
    counted(s, events_before_snapshot=2, gap=0)


@pytest.mark.parametrize(
    "payload",
    [
        '{"event":"info","version":1}',
        '{"event":"subscribed","feed":"book","product_ids":["PI_XBTUSD"]}',
        '{"feed":"trade_snapshot","product_id":"PI_XBTUSD","trades":[]}',
        '{"feed":"ticker_lite","product_id":"PI_XBTUSD","bid":10.0}',
        '{"feed":"heartbeat","time":1}',
    ],
)
def test_other_frames_are_counted_and_nothing_else(payload):
    s = started()
    s.take()
    s.feed_payload(payload)
    counted(s, other_frame=1, unknown_frame=0, bad_frame=0)
    assert records(s) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"event":"error","message":"Invalid feed"}', "unknown_frame"),
        ('{"event":"alert","message":"slow"}', "unknown_frame"),
        ("{", "bad_line"),
        (update(11, qty="NaN"), "bad_line"),
        (update(11, qty="Infinity"), "bad_line"),
        ("[]", "unknown_frame"),
        ("{}", "bad_frame"),
        (update(11, side="bid"), "bad_frame"),
        (update("1.5"), "bad_frame"),
        (update('"11"'), "bad_frame"),
        (update(11, price='"9.8"'), "bad_frame"),
        (update(11, price="true"), "bad_frame"),
        (update(11, price="null"), "bad_frame"),
        (update(11, qty="1e41"), "bad_frame"),
        (update(11, qty="1e-999999999"), "bad_frame"),
        (update(11, ms="1.5"), "bad_frame"),
        (update(11, ms="5"), "bad_frame"),
        ((SNAPSHOT % (T0, 11)).replace('"qty":3.0', '"qt":3.0'), "bad_frame"),
        ((SNAPSHOT % (T0, 11)).replace('{"price":10.1,"qty":3.0}', "7"), "bad_frame"),
    ],
)
def test_a_bad_frame_is_refused_and_counted(payload, reason):
    answer = parse(payload)
    assert isinstance(answer, Refusal) and answer.reason == reason
    s = started()
    s.take()
    s.feed_payload(payload)
    counted(s, **{reason: 1})
    assert records(s) == []


@pytest.mark.parametrize(
    ("price", "qty", "reason"),
    [
        ("9.85", "1.0", "price_off_grid"),
        ("9.8", "1.5", "qty_off_grid"),
        ("-9.8", "1.0", "bad_number"),
        ("9.8", "-1", "bad_number"),
        ("0", "1.0", "bad_number"),
        ("1e12", "1.0", "price_too_large"),
        ("9.8", "1e30", "qty_too_large"),
    ],
)
def test_an_update_that_fits_no_tick_or_lot_clears_the_book(price, qty, reason):
    s = started()
    s.take()
    s.feed_payload(update(11, price=price, qty=qty))
    assert records(s) == CLEARED
    counted(s, **{reason: 1})
    assert s.needs_snapshot == {NAME}
