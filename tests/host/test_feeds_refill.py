# SPDX-License-Identifier: Apache-2.0
"""Refills, and snapshots that come while the book is synced."""

from decimal import Decimal

import pytest

from host.contract.records import InFlag, InKind, RefillFlag
from host.feeds.messages import DepthUpdate, Instrument, Snapshot
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings

BEGIN, LEVEL, END = int(InKind.REFILL_BEGIN), int(InKind.LEVEL), int(InKind.REFILL_END)
EVENT_BEGIN, EVENT_END = int(InKind.EVENT_BEGIN), int(InKind.EVENT_END)


def session(**settings):
    settings = FeedSettings(**({"levels": 4, "snapshot_limit": 6} | settings))
    return FeedSession([Instrument("X", 0, Decimal(1), Decimal(1))], settings)


def levels(prices, qty=1):
    return [(str(price), str(qty)) for price in prices]


def snapshot(s, last, bids, asks=(201,)):
    s.route(Snapshot("X", last, levels(bids), levels(asks)))


def depth(s, last, bids=(), asks=(), prev=None, first=None):
    first = last if first is None else first
    pairs = [[(str(p), str(q)) for p, q in side] for side in (bids, asks)]
    s.route(DepthUpdate("X", first, last, prev, 1000 + last, *pairs))


def taken(s):
    return [(k, f, p, v) for k, f, _, _, p, v in s.take().tolist()]


def refill(s, ask=0):
    """Prices and horizon (None: whole) of the one refill of a side among the records."""
    rows = [r for r in taken(s) if r[1] & 1 == ask and (r[0] in (BEGIN, END) or r[1] & 2)]
    assert [r[0] for r in rows] == [BEGIN, *[LEVEL] * (len(rows) - 2), END]
    whole = rows[-1][1] & InFlag.WHOLE
    assert not (whole and rows[-1][2])
    return [r[2] for r in rows[1:-1]], None if whole else rows[-1][2]


def test_a_refill_of_a_whole_side_that_fits_is_whole():
    s = session()
    snapshot(s, 10, (100, 99, 98, 97))
    assert refill(s) == ([100, 99, 98, 97], None)


@pytest.mark.parametrize("bids", [(100, 99, 98, 95, 94), (100, 99, 98, 95, 94, 90, 80)])
def test_a_refill_that_leaves_levels_out_ends_at_the_first_of_them(bids):
    s = session()
    snapshot(s, 10, bids)
    assert refill(s) == ([100, 99, 98, 95], 94)


def test_a_refill_of_all_that_is_known_ends_one_tick_behind_it():
    s = session(snapshot_limit=3)
    snapshot(s, 10, (100, 99, 95), (201, 203, 207))
    records = s.take()
    ends = records[records["kind"] == END]
    assert ends["price_ticks"].tolist() == [94, 208]
    assert not (ends["flags"] & InFlag.WHOLE).any()


def test_the_horizon_lies_behind_the_known_range_even_where_its_last_level_is_gone():
    s = session(snapshot_limit=3, refill_at=4)
    snapshot(s, 10, (100, 99, 95))
    depth(s, 11, bids=[(95, 0), (98, 1), (96, 1), (97, 1)])
    s.take()
    depth(s, 12, bids=[(100, 0), (96, 0)])
    assert s.feeds["X"].bid_mirror.prices_ticks() == [99, 98, 97]
    assert s.on_refill_request(0, int(RefillFlag.BID_UNKNOWN))
    assert refill(s) == ([99, 98, 97], 94)


def test_an_ask_at_the_highest_price_is_left_out_where_no_horizon_lies_behind_it():
    top = 2**32 - 1
    s = session(snapshot_limit=3)
    snapshot(s, 10, (100,), (201, 202, top))
    assert refill(s, ask=1) == ([201, 202], top)


def test_the_lowest_bid_has_a_horizon_of_zero():
    s = session(snapshot_limit=2)
    snapshot(s, 10, (5, 1))
    assert refill(s) == ([5, 1], 0)


def test_a_side_that_runs_low_is_refilled_inside_the_event_and_only_that_side():
    s = session()
    snapshot(s, 10, (100, 99, 98, 97, 96, 95))
    s.take()
    depth(s, 11, bids=[(100, 0), (99, 0)])
    assert BEGIN not in [r[0] for r in taken(s)]
    depth(s, 12, bids=[(98, 0)])
    rows = taken(s)
    assert [r[0] for r in rows] == [EVENT_BEGIN, LEVEL, BEGIN, LEVEL, LEVEL, LEVEL, END, EVENT_END]
    assert [r[2] for r in rows[3:6]] == [97, 96, 95] and rows[6][2] == 94
    assert s.counters["refills"] == 3


def test_a_low_side_is_not_refilled_when_the_host_knows_no_more():
    s = session(snapshot_limit=3)
    snapshot(s, 10, (100, 99, 98))
    depth(s, 11, bids=[(98, 0), (99, 0)])
    s.take()
    depth(s, 12, bids=[(90, 1)])
    assert BEGIN not in [r[0] for r in taken(s)]


def test_a_request_is_answered_where_the_host_has_more_or_the_fabric_knows_nothing():
    s = session()
    ask_unknown = int(RefillFlag.ASK | RefillFlag.ASK_UNKNOWN)
    assert not s.on_refill_request(0, int(RefillFlag.BID | RefillFlag.BID_UNKNOWN))
    snapshot(s, 10, (100, 99, 98, 97, 96), (201, 202))
    s.take()
    assert not s.on_refill_request(0, int(RefillFlag.ASK))
    assert taken(s) == []
    assert s.on_refill_request(0, ask_unknown)
    assert refill(s, ask=1) == ([201, 202], None)
    assert s.on_refill_request(0, int(RefillFlag.BID))
    rows = taken(s)
    assert {r[1] & 1 for r in rows} == {0} and len(rows) == 6
    assert s.counters["refill_requests"] == 4
    assert s.counters["refill_requests_unanswered"] == 2
    with pytest.raises(KeyError):
        s.on_refill_request(3, 1)


def test_a_snapshot_is_wanted_when_a_side_that_is_not_whole_runs_low():
    s = session(low_levels=5)
    assert s.needs_snapshot == {"X"}
    snapshot(s, 10, (100, 99, 98, 97, 96, 95), (201,))
    assert s.needs_snapshot == set()
    depth(s, 11, bids=[(100, 0)])
    assert s.needs_snapshot == set()
    depth(s, 12, bids=[(99, 0)])
    assert s.needs_snapshot == {"X"}


def synced(prev):
    """At id 14, one bid a tick lower an event: 100 at 11 to 97 at 14."""
    s = session(buffer_events=3)
    snapshot(s, 10, (60, 50, 40, 30, 20, 10))
    for n in range(4):
        depth(s, 11 + n, [(100 - n, 1 + n)], prev=10 + n if prev else None)
    s.take()
    return s


@pytest.mark.parametrize("prev", [False, True])
@pytest.mark.parametrize("last", [11, 12, 13, 14])
def test_a_snapshot_of_the_past_is_brought_up_to_date_by_the_events_since(last, prev):
    s = synced(prev)
    seen = [100, 99, 98, 97][: last - 10]
    snapshot(s, last, (*seen, 60, 55, 50, 45, 40, 35, 30))
    book = s.feeds["X"].book
    expected = {p: 1 for p in (60, 55, 50, 45, 40, 35, 30)} | {p: 1 for p in seen}
    expected |= {100 - n: 1 + n for n in range(last - 10, 4)}
    if not prev:
        assert book.bids.levels == expected
    assert set(book.bids.levels) == set(expected)
    assert book.last_id == 14 and book.bids.horizon_ticks == 30
    rows = taken(s)
    assert EVENT_END not in [r[0] for r in rows], "events that were sent are not sent again"
    assert [r[0] for r in rows].count(BEGIN) == 2
    assert s.counters["snapshots_joined"] == 1
    depth(s, 15, [(96, 9)], prev=14 if prev else None)
    assert book.bids.levels[96] == 9 and s.counters["gap"] == 0


@pytest.mark.parametrize("prev", [False, True])
def test_a_snapshot_from_before_the_kept_events_changes_nothing(prev):
    s = synced(prev)
    snapshot(s, 10, (70, 60, 50, 40, 30, 20))
    assert taken(s) == [] and s.counters["snapshot_too_old"] == 1
    assert 70 not in s.feeds["X"].book.bids.levels and s.feeds["X"].synced
    depth(s, 15, prev=14 if prev else None)
    assert s.counters["gap"] == 0


@pytest.mark.parametrize("prev", [False, True])
def test_a_snapshot_ahead_of_the_stream_waits_until_the_stream_is_there(prev):
    s = synced(prev)
    bids = (100, 99, 98, 97, 96, 95, 60, 55)
    snapshot(s, 16, bids)
    assert taken(s) == [] and s.counters["snapshots_held"] == 1
    depth(s, 15, [(96, 1)], prev=14 if prev else None)
    assert BEGIN not in [r[0] for r in taken(s)]
    assert 55 not in s.feeds["X"].book.bids.levels
    depth(s, 17, [(95, 1), (94, 1)], prev=15 if prev else None, first=16)
    rows = [r[0] for r in taken(s)]
    assert rows.index(EVENT_END) < rows.index(BEGIN) and rows.count(BEGIN) == 2
    assert set(s.feeds["X"].book.bids.levels) == {*bids, 94}
    assert s.counters["snapshots_joined"] == 1


def test_a_waiting_snapshot_is_used_when_a_gap_comes_before_the_stream_is_there():
    s = synced(False)
    depth(s, 15)
    snapshot(s, 20, (100, 99))
    assert s.needs_snapshot == set()
    s.take()
    depth(s, 21, [(98, 1)], first=19)
    rows = taken(s)
    kinds = [r[0] for r in rows]
    assert kinds[:2] == [int(InKind.CLEAR)] * 2 and kinds.count(BEGIN) == 2
    assert rows[-1] == (EVENT_END, 8, 0, 21)
    assert s.feeds["X"].book.bids.levels == {100: 1, 99: 1, 98: 1} and s.needs_snapshot == set()


def test_a_waiting_snapshot_does_not_outlive_a_refused_event_behind_it():
    s = synced(False)
    snapshot(s, 16, (100, 99))
    depth(s, 17, [("9.5", 1)], first=15)
    assert [r[0] for r in taken(s)] == [int(InKind.CLEAR)] * 2
    assert s.needs_snapshot == {"X"} and s.counters["snapshot_too_old"] == 1


def test_a_snapshot_that_contradicts_the_book_is_counted_and_believed():
    s = synced(False)
    snapshot(s, 14, (100, 99, 98, 60, 50, 40))
    assert s.counters["snapshot_disagrees"] == 1
    assert set(s.feeds["X"].book.bids.levels) == {100, 99, 98, 60, 50, 40}


def test_a_second_snapshot_before_any_event_replaces_the_first_unless_it_is_older():
    s = session()
    snapshot(s, 10, (100,))
    snapshot(s, 12, (99,))
    assert set(s.feeds["X"].book.bids.levels) == {99}
    snapshot(s, 11, (98,))
    assert set(s.feeds["X"].book.bids.levels) == {99}
    assert s.counters["snapshot_too_old"] == 1
    depth(s, 13)
    assert s.counters["gap"] == 0 and s.counters["events"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("symbols", 0), ("symbols", 257), ("levels", 0), ("qty_bits", 65), ("refill_at", 33)]
    + [("snapshot_limit", 0), ("buffer_events", 0), ("low_levels", -1)],
)
def test_a_setting_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected .* was {value}"):
        FeedSettings(**{name: value})


def test_thresholds_follow_the_levels_unless_given():
    assert (FeedSettings(levels=20).refill_at, FeedSettings(levels=20).low_levels) == (10, 40)
    assert FeedSettings(levels=20, refill_at=0).refill_at == 0
