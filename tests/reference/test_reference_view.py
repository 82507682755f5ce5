# SPDX-License-Identifier: Apache-2.0
"""The view and the refill request, by hand, on a build with K = 3 levels."""

import pytest

from host.contract.records import InFlag, InKind, OutKind, RefillFlag, ViewFlag, ViewReason
from tests.reference.model import (
    ASK,
    BID,
    U32,
    U64,
    Model,
    begin,
    clear,
    end,
    event,
    level,
    record,
    refill,
    refill_begin,
    refill_end,
    refill_level,
)

BIDS = [(10, 1), (9, 2), (8, 4)]
ASKS = [(11, 8), (12, 16), (13, 32)]
BOTH_WHOLE = ViewFlag.BID_WHOLE | ViewFlag.ASK_WHOLE
FINE = ViewFlag.BBO_VALID | ViewFlag.VALID
REQUEST = OutKind.REFILL_REQUEST


def loaded(bids=BIDS, asks=ASKS, bid_horizon=None, ask_horizon=None, **settings):
    model = Model(**settings)
    model.feed(refill(BID, bids, bid_horizon), refill(ASK, asks, ask_horizon))
    return model


def test_a_view_shows_every_field():
    model = loaded()
    model.feed(event(symbol=1))  # a request and a view: the next number is 2
    view = model.view(update_id=77, time_us=5)
    assert {name: int(view[name]) for name in view.dtype.names} == {
        "kind": 3,
        "flags": 0b1111,
        "symbol": 0,
        "reasons": 0,
        "seq": 2,
        "update_id": 77,
        "bid_qty_lots": 1,
        "ask_qty_lots": 8,
        "bid_price_ticks": 10,
        "ask_price_ticks": 11,
        "bid_sum_lots": 3,
        "ask_sum_lots": 24,
        "bid_depth": 3,
        "ask_depth": 3,
        "levels_n": 2,
        "reserved": 0,
        "age_us": 0,
    }


def test_no_view_is_emitted_unless_asked_for():
    model = loaded(report=0)
    assert model.feed(event()) == []
    assert model.reference.counters["events"] == 1


def test_update_ids_use_all_64_bits():
    assert loaded().view(update_id=U64)["update_id"] == U64


@pytest.mark.parametrize("n, sums", [(0, (0, 0)), (1, (1, 8)), (2, (3, 24)), (3, (7, 56))])
def test_sums_are_of_the_first_n_levels(n, sums):
    view = loaded(levels_n=n).view()
    assert (view["bid_sum_lots"], view["ask_sum_lots"]) == sums


def test_the_sum_of_a_side_with_fewer_than_n_levels_is_of_all():
    view = loaded(levels_n=10).view()
    assert (view["bid_sum_lots"], view["levels_n"], view["reasons"]) == (7, 10, 0)


@pytest.mark.parametrize("written", [10, 11, 15])
def test_n_is_at_most_10(written):
    levels = [(100 - at, 1 << at) for at in range(12)]
    model = Model(levels_n=written, qty_bits=16, levels=12)
    model.feed(refill(BID, levels), refill(ASK, [(200 + at, 1) for at in range(12)]))
    view = model.view()
    assert (view["bid_sum_lots"], view["ask_sum_lots"]) == ((1 << 10) - 1, 10)
    assert (view["levels_n"], view["bid_depth"], view["reasons"]) == (10, 12, 0)


def test_a_side_of_10_levels_is_not_shallow_and_not_retuned_by_an_n_above_10():
    model = Model(levels_n=10, qty_bits=16, levels=12)
    for side, first, step in ((BID, 100, -1), (ASK, 200, 1)):
        model.feed(refill(side, [(first + step * at, 1) for at in range(10)], first + step * 10))
    model.write(levels_n=15)
    assert model.view()["reasons"] == 0


def test_age_is_now_minus_the_time_of_the_frame():
    model = Model()
    model.feed(record(InKind.TIMER, value=100))
    assert model.view(time_us=60)["age_us"] == 40
    assert model.view(time_us=130)["age_us"] == 0


@pytest.mark.parametrize("now, age", [(U32, U32), (U32 + 1, U32), (U64, U32)])
def test_age_saturates(now, age):
    model = Model()
    model.feed(record(InKind.TIMER, value=now))
    assert model.view()["age_us"] == age


@pytest.mark.parametrize(
    "age, limit, stale",
    [(0, 0, False), (1, 0, True), (7, 7, False), (8, 7, True), (U32, U32, False), (U64, U32, False)]
    + [(U64, U32 - 1, True)],
)
def test_an_event_older_than_the_limit_is_stale_and_only_its_best_bid_and_offer_stay_valid(
    age, limit, stale
):
    model = loaded(stale_us=limit)
    model.feed(record(InKind.TIMER, value=age))
    view = model.view()
    assert view["reasons"] == (ViewReason.STALE if stale else 0)
    assert view["flags"] == BOTH_WHOLE | (ViewFlag.BBO_VALID if stale else FINE)
    assert model.reference.counters["events_bbo"] == 1
    assert model.reference.counters["events_valid"] == (not stale)


def test_stale_ends_with_the_next_event_in_time_and_hides_no_other_reason():
    model = loaded(stale_us=5)
    model.feed(record(InKind.TIMER, value=100))
    assert model.view(time_us=94)["reasons"] == ViewReason.STALE
    assert model.view(time_us=95)["reasons"] == 0
    model.feed(clear(BID))
    assert model.view(time_us=94)["reasons"] == ViewReason.STALE | ViewReason.UNKNOWN


def test_a_side_that_is_not_known_shows_zeros_and_is_not_whole():
    model = loaded()
    model.feed(clear(BID), refill_begin(ASK), refill_level(ASK, 11, 1))
    view = model.view()
    assert model.sides() == ((0, 0, 0, 0), (0, 0, 0, 0))
    assert (view["reasons"], view["flags"]) == (ViewReason.UNKNOWN, 0)


def test_one_side_that_is_not_known_makes_the_view_unknown():
    model = loaded()
    model.feed(clear(ASK))
    view = model.view()
    assert (view["reasons"], view["flags"]) == (ViewReason.UNKNOWN, ViewFlag.BID_WHOLE)
    assert view["bid_price_ticks"] == 10


def test_an_empty_known_side_is_empty_and_whole():
    model = loaded(bids=[])
    view = model.view()
    assert (view["reasons"], view["flags"]) == (ViewReason.EMPTY, BOTH_WHOLE)
    assert model.bids() == (0, 0, 0, 0)


@pytest.mark.parametrize("n, shallow", [(0, False), (2, False), (3, True)])
def test_a_side_with_a_horizon_and_fewer_than_n_levels_is_shallow(n, shallow):
    view = loaded(bids=BIDS[:2], bid_horizon=7, levels_n=n).view()
    assert view["reasons"] == (ViewReason.SHALLOW if shallow else 0)
    assert view["flags"] == ViewFlag.ASK_WHOLE | (ViewFlag.BBO_VALID if shallow else FINE)


def test_a_whole_side_with_fewer_than_n_levels_is_not_shallow():
    assert loaded(bids=BIDS[:1]).view()["reasons"] == 0


def test_an_empty_side_with_a_horizon_is_empty_and_shallow():
    view = loaded(bids=[], bid_horizon=7).view()
    assert view["reasons"] == ViewReason.EMPTY | ViewReason.SHALLOW
    assert view["flags"] == ViewFlag.ASK_WHOLE


@pytest.mark.parametrize("bid, crossed", [(10, False), (11, True), (12, True)])
def test_best_bid_at_or_above_best_ask_is_crossed(bid, crossed):
    view = loaded(bids=[(bid, 1), (9, 1)]).view()
    assert view["reasons"] == (ViewReason.CROSSED if crossed else 0)
    assert view["flags"] == BOTH_WHOLE | (0 if crossed else FINE)


def test_an_empty_side_crosses_nothing():
    assert loaded(asks=[]).view()["reasons"] == ViewReason.EMPTY
    model = loaded(bids=[(50, 1)])
    model.feed(clear(ASK))
    assert model.view()["reasons"] == ViewReason.UNKNOWN


@pytest.mark.parametrize("side", [BID, ASK])
def test_a_side_whose_sums_were_made_with_another_n_is_retuned(side):
    model = loaded()
    model.write(levels_n=1)
    other_touched = event(level(ASK - side, 10 if side else 11, 5))
    view = model.of_kind(OutKind.VIEW, other_touched)[-1]
    assert (view["reasons"], view["flags"]) == (ViewReason.RETUNE, BOTH_WHOLE | ViewFlag.BBO_VALID)
    assert view["levels_n"] == 1
    assert view["ask_sum_lots" if side else "bid_sum_lots"] == (24 if side else 3)
    view = model.view(level(side, 11 if side else 10, 5))
    assert (view["reasons"], view["bid_sum_lots"], view["ask_sum_lots"]) == (0, 5, 5)


def test_the_old_n_written_back_is_no_retune():
    model = loaded()
    model.write(levels_n=1)
    model.write(levels_n=2)
    assert model.view()["reasons"] == 0


@pytest.mark.parametrize(
    "touch",
    [
        event(level(BID, 7, 0)),  # absent: no level changes
        [refill_level(BID, 7, 1)],  # an orphan
        [refill_end(BID)],  # an orphan
        refill(BID, BIDS),
    ],
)
def test_any_well_formed_level_or_refill_record_makes_the_sum_anew(touch):
    model = loaded()
    model.write(levels_n=1)
    model.feed(event(level(ASK, 11, 8)))
    assert model.view()["reasons"] == ViewReason.RETUNE
    model.feed(touch)
    view = model.view()
    assert (view["reasons"], view["bid_sum_lots"]) == (0, 1)


def test_a_malformed_record_and_a_trade_make_no_sum():
    model = loaded()
    model.write(levels_n=1)
    model.feed(record(InKind.TRADE, price=10, value=1), record(InKind.HEARTBEAT, tag=1))
    view = model.view()
    assert (view["reasons"], view["bid_sum_lots"]) == (ViewReason.RETUNE, 3)


def test_a_side_that_is_not_known_is_not_retuned():
    model = Model()
    model.write(levels_n=5)
    assert model.view()["reasons"] == ViewReason.UNKNOWN


def test_events_are_counted_by_what_is_valid():
    model = loaded(bids=BIDS[:2], bid_horizon=7)
    assert model.counted(event()) == {"events": 1, "events_bbo": 1, "events_valid": 1}
    assert model.counted(event(level(BID, 9, 0)))["events_bbo"] == 1
    assert "events_valid" not in model.counted(event())
    model.feed(event(level(BID, 12, 1)))
    assert model.counted(event()) == {"events": 1}


# Refill requests


def request(model, *levels):
    """The refill request of one event, None where there is none."""
    requests = model.of_kind(REQUEST, event(*levels))
    assert len(requests) <= 1
    return requests[0] if requests else None


def flags(model):
    got = request(model)
    return None if got is None else RefillFlag(int(got["flags"]))


def test_a_request_shows_every_field():
    model = loaded(bids=BIDS[:1], bid_horizon=7, refill_level=2)
    (wanted,) = model.of_kind(REQUEST, begin(), end(update_id=5))
    assert {name: int(wanted[name]) for name in wanted.dtype.names} == {
        "kind": 2,
        "flags": RefillFlag.BID,
        "symbol": 0,
        "reasons": ViewReason.SHALLOW,
        "seq": 0,
        "update_id": 5,
        "bid_depth": 1,
        "ask_depth": 3,
        **dict.fromkeys(("reserved0", "reserved1", "reserved2"), 0),
        **dict.fromkeys(("zero0", "zero1", "zero2", "zero3", "zero4"), 0),
    }
    assert model.reference.counters["refill_requests"] == 1


@pytest.mark.parametrize("threshold, wants", [(0, False), (2, False), (3, True), (127, True)])
def test_a_known_side_with_a_horizon_wants_levels_below_the_threshold(threshold, wants):
    model = loaded(bids=BIDS[:2], bid_horizon=7, refill_level=threshold)
    assert flags(model) == (RefillFlag.BID if wants else None)


def test_a_whole_side_wants_no_levels():
    assert flags(loaded(bids=BIDS[:1], refill_level=127)) is None


def test_both_sides_are_asked_for_at_once():
    model = loaded(bid_horizon=7, ask_horizon=14, refill_level=4)
    assert flags(model) == RefillFlag.BID | RefillFlag.ASK


def test_an_unknown_side_wants_a_snapshot():
    model = loaded()
    model.feed(clear(ASK))
    assert flags(model) == RefillFlag.ASK | RefillFlag.ASK_UNKNOWN
    assert flags(Model()) == RefillFlag(15)


@pytest.mark.parametrize("mark", [InFlag.GAP, InFlag.RESYNC])
def test_a_marked_side_wants_a_snapshot_unless_it_is_loading(mark):
    model = loaded()
    model.feed(clear(BID, mark))
    assert flags(model) == RefillFlag.BID | RefillFlag.BID_UNKNOWN
    model.feed(refill_begin(BID))
    assert flags(model) is None


def test_a_known_side_with_a_gap_wants_a_snapshot():
    model = loaded()
    model.feed(record(0))
    assert flags(model) == RefillFlag(15)
    assert model.view()["flags"] == BOTH_WHOLE


def test_a_loading_side_wants_nothing():
    model = loaded(refill_level=3)
    model.feed(refill_begin(BID))
    assert flags(model) is None


def test_retry_is_the_number_of_book_events_between_two_requests():
    model = Model(refill_retry=2)
    assert [request(model) is not None for _ in range(7)] == [1, 0, 0, 1, 0, 0, 1]


def test_retry_0_asks_at_every_book_event():
    model = Model()
    assert [request(model) is not None for _ in range(3)] == [1, 1, 1]


def test_the_wait_is_per_symbol_and_for_both_sides_together():
    model = loaded(refill_retry=3)
    model.feed(clear(BID))
    assert request(model) is not None
    model.feed(clear(ASK))
    assert request(model) is None
    assert len(model.of_kind(REQUEST, event(symbol=1))) == 1


def test_a_book_event_where_nothing_is_wanted_ends_the_wait():
    model = loaded(refill_retry=200)
    model.feed(clear(BID))
    assert request(model) is not None
    model.feed(refill(BID, BIDS))
    assert request(model) is None
    model.feed(clear(BID))
    assert request(model) is not None


def test_an_event_without_book_neither_asks_nor_waits():
    model = Model(refill_retry=1)
    model.feed(event())
    assert model.feed(begin(), record(InKind.EVENT_END)) == []
    assert request(model) is None
    assert request(model) is not None


def test_the_request_comes_before_the_view_and_seq_numbers_both():
    model = Model()
    out = model.feed(event(), event(symbol=1))
    assert [(row["kind"], row["symbol"], row["seq"]) for row in out] == [
        (OutKind.REFILL_REQUEST, 0, 0),
        (OutKind.VIEW, 0, 1),
        (OutKind.REFILL_REQUEST, 1, 2),
        (OutKind.VIEW, 1, 3),
    ]
