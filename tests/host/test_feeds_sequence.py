# SPDX-License-Identifier: Apache-2.0
"""The rules of the venues' ids, and how Binance's requests are read."""

import pytest

from host.feeds.book import DepthEvent
from host.feeds.messages import Refusal, Snapshot
from host.feeds.sequence import BinanceIds, ContiguousIds, LinkedIds, RisingIds
from host.feeds.venue import Connected, VenueFrame
from host.feeds.venues import VENUES
from tests.host.venue_session import CLEARED, counted, ids, records, session

DEPTH = "https://api.binance.com/api/v3/depth"
BODY = '{"lastUpdateId":10,"bids":[["10.0","1"]],"asks":[["10.1","3"]]}'
UPDATE = '{"e":"depthUpdate","E":%d,"s":"X","U":%d,"u":%d,"b":[["9.8","5"]],"a":[]}'

# rule, (first, last, previous) of an event, whether a snapshot at 10 has it all, whether it can
# be the first after it, and whether it continues an event that ended with 10
RULES = [
    (ContiguousIds(), (9, 10, None), (True, False, False)),
    (ContiguousIds(), (10, 11, None), (False, True, False)),
    (ContiguousIds(), (11, 11, None), (False, True, True)),
    (ContiguousIds(), (12, 12, None), (False, False, False)),
    (BinanceIds(), (9, 10, None), (True, False, False)),
    (BinanceIds(), (10, 11, None), (False, True, False)),
    (BinanceIds(), (11, 11, None), (False, True, True)),
    (BinanceIds(), (12, 12, None), (False, False, False)),
    (BinanceIds(), (7, 9, 5), (True, False, False)),
    (BinanceIds(), (7, 10, 5), (False, True, False)),
    (BinanceIds(), (12, 15, 10), (False, True, True)),
    (BinanceIds(), (12, 15, 9), (False, True, False)),
    (BinanceIds(), (12, 15, 11), (False, False, False)),
    (RisingIds(), (9, 9, None), (True, False, False)),
    (RisingIds(), (10, 10, None), (True, False, False)),
    (RisingIds(), (11, 11, None), (False, True, True)),
    (RisingIds(), (50, 50, None), (False, True, True)),
    (RisingIds(repeat=True), (9, 9, None), (True, False, False)),
    (RisingIds(repeat=True), (10, 10, None), (False, True, True)),
    (RisingIds(repeat=True), (50, 50, None), (False, True, True)),
    (LinkedIds(), (12, 12, 10), (False, True, True)),
    (LinkedIds(), (10, 10, 10), (False, True, True)),
    (LinkedIds(), (3, 3, 10), (False, True, True)),
    (LinkedIds(), (12, 12, 11), (False, False, False)),
    (LinkedIds(), (9, 9, 8), (False, False, False)),
    (LinkedIds(), (9, 9, None), (True, False, False)),
    (LinkedIds(), (10, 10, None), (False, True, True)),
    (LinkedIds(), (50, 50, None), (False, True, True)),
]


@pytest.mark.parametrize(("rule", "event", "answers"), RULES)
def test_a_rule_says_what_an_event_is_to_the_id_10(rule, event, answers):
    asked = DepthEvent(*event, 0, [], [], [], [])
    got = rule.is_before(asked, 10), rule.follows(asked, 10), rule.continues(asked, 10)
    assert got == answers


@pytest.mark.parametrize(
    ("query", "symbol", "depth"),
    [
        ("?symbol=BTCUSDT&limit=500", "BTCUSDT", 500),
        ("?limit=5000&symbol=btcusdt", "BTCUSDT", 5000),
        ("?symbol=BTCUSDT", "BTCUSDT", None),
        ("?symbol=BTCUSDT&limit=x", "BTCUSDT", None),
        ("?symbol=BTCUSDT&limit=0", "BTCUSDT", None),
        ("", None, None),
    ],
)
def test_a_snapshot_of_binance_has_the_symbol_and_depth_it_was_asked_for(query, symbol, depth):
    parsed = VENUES["BINANCE"].parse(BODY, DEPTH + query)
    levels = [["10.0", "1"]], [["10.1", "3"]]
    assert parsed == Snapshot(symbol, 10, *levels, depth=depth)


def test_other_answers_of_binance_are_left_out_and_bad_ones_refused():
    parse = VENUES["BINANCE_FUTURES"].parse
    assert parse('{"symbols":[]}', "https://fapi.binance.com/fapi/v1/exchangeInfo") == []
    assert isinstance(parse("{", DEPTH), Refusal)


@pytest.mark.parametrize(("limit", "whole"), [(1, False), (2, True)])
def test_a_side_with_fewer_levels_than_asked_for_is_whole(limit, whole):
    s = session("BINANCE", "X")
    s.feed_payload(BODY, f"{DEPTH}?symbol=X&limit={limit}")
    assert s.feeds["X"].book.bids.whole is whole


def test_a_connection_of_binance_opened_again_clears_its_books_until_a_new_snapshot():
    s = session("BINANCE", "X", "Y")
    s.feed(Connected(0, "p", 1, "wss://x", "ws.1"))
    for update_id in (10, 11):
        payload = (UPDATE % (update_id, update_id, update_id)).encode()
        s.feed(VenueFrame(0, payload, "p", 2, "wss://x", "ws.1"))
        if update_id == 10:
            s.feed(VenueFrame(0, BODY.encode(), "p", 3, DEPTH + "?symbol=X&limit=9", "http.0"))
    assert ids(records(s)) == [11]
    counted(s, reconnects=0)
    s.feed(Connected(0, "p", 5, "wss://x", "ws.1"))
    assert records(s) == CLEARED
    assert "X" in s.needs_snapshot
    for update_id in (20, 21):
        payload = (UPDATE % (update_id, update_id, update_id)).encode()
        s.feed(VenueFrame(0, payload, "p", 6, "wss://x", "ws.1"))
    assert records(s) == []
    body = BODY.replace("10,", "20,").encode()
    s.feed(VenueFrame(0, body, "p", 7, DEPTH + "?symbol=X&limit=9", "http.0"))
    assert ids(records(s)) == [21]
    counted(s, reconnects=1, gap=0)


def test_a_snapshot_of_before_a_connection_was_opened_again_is_too_old():
    s = session("BINANCE", "X")
    s.feed_payload(UPDATE % (1, 10, 11), "wss://x", "ws.1")
    s.feed_payload(BODY, DEPTH + "?symbol=X&limit=9", "http.0")
    s.connected("ws.1")
    s.feed_payload(BODY, DEPTH + "?symbol=X&limit=9", "http.0")
    counted(s, reconnects=1, snapshot_too_old=1)
    assert s.needs_snapshot == {"X"}
