# SPDX-License-Identifier: Apache-2.0
"""A side of the book, by hand, on a build with K = 3 levels; N = 2."""

import pytest

from host.contract.records import InFlag, InKind, ViewFlag, ViewReason
from tests.reference.model import (
    ASK,
    BID,
    U32,
    Model,
    clear,
    event,
    level,
    record,
    refill,
    refill_begin,
    refill_end,
    refill_level,
)

WHOLE_BIDS = [(10, 1), (9, 2), (8, 4)]
WHOLE_ASKS = [(20, 8), (21, 16), (22, 32)]


def with_bids(levels=tuple(WHOLE_BIDS), horizon=None):
    model = Model()
    model.feed(refill(BID, levels, horizon))
    return model


def with_asks(levels=tuple(WHOLE_ASKS), horizon=None):
    model = Model()
    model.feed(refill(ASK, levels, horizon))
    return model


def updates(model, *levels):
    """Counters that updates move within a frame, but for those of the event itself."""
    moved = model.counted(event(*levels))
    return {name: n for name, n in moved.items() if name.startswith(("level", "refill_br"))}


def is_unknown(model, side):
    """Whether an update of the side finds it unknown."""
    return updates(model, level(side, 1, 0)) == {"level_unknown": 1}


def test_after_reset_a_side_is_unknown_and_ignores_updates():
    model = Model()
    assert updates(model, level(BID, 10, 1), level(ASK, 10, 1)) == {"level_unknown": 2}
    assert model.sides() == ((0, 0, 0, 0), (0, 0, 0, 0))


def test_a_refill_makes_a_side_known():
    model = Model()
    assert model.counted(refill(BID, WHOLE_BIDS)) == {
        "refill_begins": 1,
        "refill_levels": 3,
        "refill_ends": 1,
    }
    assert model.bids() == (10, 1, 3, 3)


def test_better_means_lower_for_asks():
    assert with_asks().asks() == (20, 8, 24, 3)


def test_refill_levels_may_come_in_any_order():
    assert with_bids([(8, 4), (10, 1), (9, 2)]).bids() == (10, 1, 3, 3)


def test_clear_makes_a_side_unknown_without_levels():
    model = with_bids()
    assert model.counted(clear(BID)) == {"clears": 1}
    assert model.bids() == (0, 0, 0, 0)
    assert is_unknown(model, BID)


def test_clear_leaves_the_other_side():
    model = with_bids()
    model.feed(refill(ASK, WHOLE_ASKS), clear(BID))
    assert model.asks() == (20, 8, 24, 3)


@pytest.mark.parametrize(
    "cause, reasons",
    [
        (0, 0),
        (InFlag.GAP, ViewReason.GAP),
        (InFlag.RESYNC, ViewReason.RESYNC),
        (InFlag.GAP | InFlag.RESYNC, ViewReason.GAP | ViewReason.RESYNC),
    ],
)
def test_clear_sets_the_marks_it_carries_and_a_refill_clears_them(cause, reasons):
    model = with_bids()
    model.feed(refill(ASK, WHOLE_ASKS), clear(BID, cause))
    assert model.view()["reasons"] == ViewReason.UNKNOWN | reasons
    model.feed(refill_begin(BID), refill_level(BID, 10, 1))
    assert model.view()["reasons"] == ViewReason.UNKNOWN
    model.feed(refill_end(BID))
    assert model.view()["reasons"] == 0


def test_a_mark_stays_through_a_clear_without_it():
    model = with_bids()
    model.feed(clear(BID, InFlag.GAP), clear(BID))
    assert model.view()["reasons"] & ViewReason.GAP


def test_a_refill_of_one_side_leaves_the_marks_of_the_other():
    model = with_bids()
    model.feed(refill(ASK, WHOLE_ASKS))
    model.feed(clear(BID, InFlag.GAP), clear(ASK, InFlag.RESYNC), refill(BID, WHOLE_BIDS))
    assert model.view()["reasons"] == ViewReason.UNKNOWN | ViewReason.RESYNC


def test_a_mark_set_while_loading_stays_until_the_next_refill():
    model = with_asks()
    model.feed(refill_begin(BID), refill_level(BID, 10, 0), refill_level(BID, 9, 1))
    model.feed(refill_end(BID), refill(ASK, WHOLE_ASKS))
    assert model.view()["reasons"] == ViewReason.GAP
    model.feed(refill(BID, WHOLE_BIDS))
    assert model.view()["reasons"] == 0


def test_refill_begin_drops_levels_and_horizon():
    model = with_bids(WHOLE_BIDS, horizon=7)
    model.feed(refill_begin(BID), refill_end(BID))
    assert model.bids() == (0, 0, 0, 0)
    assert updates(model, level(BID, 1, 1)) == {"level_inserts": 1}


def test_refill_begin_while_loading_starts_anew():
    model = Model()
    model.feed(refill_begin(BID), refill_level(BID, 10, 1))
    assert model.counted(refill_begin(BID)) == {"refill_begins": 1}
    model.feed(refill_level(BID, 9, 2), refill_end(BID))
    assert model.bids() == (9, 2, 2, 1)


def test_a_loading_side_shows_nothing():
    model = Model()
    model.feed(refill_begin(BID), refill_level(BID, 10, 1))
    assert model.bids() == (0, 0, 0, 0)


def test_refill_records_of_a_side_that_is_not_loading_are_orphans():
    model = with_bids()
    orphans = [refill_level(BID, 11, 1), refill_end(BID, 9), refill_end(BID)]
    assert model.counted(*orphans) == {"refill_orphans": 3}
    assert model.bids() == (10, 1, 3, 3)
    assert model.counted(refill_level(ASK, 11, 1), refill_end(ASK)) == {"refill_orphans": 2}
    assert is_unknown(model, ASK)


def test_an_orphan_refill_end_clears_no_mark():
    model = Model()
    model.feed(clear(BID, InFlag.GAP), refill_end(BID))
    assert model.view()["reasons"] & ViewReason.GAP


def test_an_update_of_a_loading_side_makes_it_unknown():
    model = Model()
    model.feed(refill_begin(BID), refill_level(BID, 10, 1))
    assert updates(model, level(BID, 9, 1)) == {"refill_broken": 1}
    assert is_unknown(model, BID)
    assert model.counted(refill_end(BID)) == {"refill_orphans": 1}


def test_an_update_of_the_other_side_breaks_no_refill():
    model = Model()
    model.feed(refill_begin(BID), refill_level(BID, 10, 1))
    model.feed(event(level(ASK, 9, 1)), refill_end(BID))
    assert model.bids() == (10, 1, 1, 1)


@pytest.mark.parametrize("horizon, broken", [(7, False), (8, True), (9, True), (11, True)])
def test_a_bid_at_or_beyond_the_horizon_of_its_refill_breaks_it(horizon, broken):
    model = Model()
    moved = model.counted(refill(BID, WHOLE_BIDS, horizon))
    assert ("refill_broken" in moved) == broken
    assert ("refill_ends" in moved) != broken
    assert is_unknown(model, BID) == broken


@pytest.mark.parametrize("horizon, broken", [(23, False), (22, True), (21, True), (0, True)])
def test_an_ask_at_or_beyond_the_horizon_of_its_refill_breaks_it(horizon, broken):
    model = Model()
    assert ("refill_broken" in model.counted(refill(ASK, WHOLE_ASKS, horizon))) == broken
    assert is_unknown(model, ASK) == broken


def test_a_broken_refill_leaves_a_marked_side_unknown():
    model = with_asks()
    model.feed(clear(BID, InFlag.GAP), refill(BID, WHOLE_BIDS, 8))
    assert model.view()["reasons"] == ViewReason.UNKNOWN


def test_the_horizon_of_a_refill_bounds_what_is_stored():
    model = with_bids(WHOLE_BIDS[:2], horizon=7)
    assert updates(model, level(BID, 7, 1), level(BID, 6, 0)) == {"level_beyond": 2}
    assert updates(model, level(BID, 8, 1)) == {"level_inserts": 1}
    model = with_asks(WHOLE_ASKS[:2], horizon=24)
    assert updates(model, level(ASK, 24, 1), level(ASK, U32, 0)) == {"level_beyond": 2}
    assert updates(model, level(ASK, 23, 1)) == {"level_inserts": 1}


def test_a_horizon_of_price_0_is_a_horizon():
    model = with_bids([], horizon=0)
    assert not model.view()["flags"] & ViewFlag.BID_WHOLE
    assert updates(model, level(BID, 1, 1)) == {"level_inserts": 1}


def test_an_eviction_while_loading_sets_the_horizon_and_is_not_counted():
    model = Model()
    moved = model.counted(refill(BID, [(10, 1), (9, 2), (8, 4), (7, 8)]))
    assert moved == {"refill_begins": 1, "refill_levels": 4, "refill_ends": 1}
    assert updates(model, level(BID, 7, 0)) == {"level_beyond": 1}
    assert not model.view()["flags"] & ViewFlag.BID_WHOLE


def test_a_refill_level_beyond_an_evicted_price_counts_as_refill_level_only():
    model = Model()
    levels = [(10, 1), (9, 2), (8, 4), (7, 8), (6, 1)]
    assert model.counted(refill(BID, levels))["refill_levels"] == 5
    assert model.bids() == (10, 1, 3, 3)


@pytest.mark.parametrize("given, horizon", [(6, 7), (7, 7)])
def test_refill_end_does_not_move_a_better_horizon_back(given, horizon):
    model = with_bids([(10, 1), (9, 2), (8, 4), (7, 8)], horizon=given)
    model.feed(event(level(BID, 8, 0)))
    assert updates(model, level(BID, horizon, 0)) == {"level_beyond": 1}
    assert updates(model, level(BID, horizon + 1, 0)) == {"level_absent": 1}


def test_refill_end_moves_the_horizon_to_a_better_price():
    model = with_bids([(20, 1), (19, 2), (15, 4), (7, 8)], horizon=12)
    model.feed(event(level(BID, 15, 0)))
    assert updates(model, level(BID, 12, 0)) == {"level_beyond": 1}
    assert updates(model, level(BID, 13, 0)) == {"level_absent": 1}


def test_quantity_0_removes_the_level_or_finds_none():
    model = with_bids()
    assert updates(model, level(BID, 10, 0)) == {"level_deletes": 1}
    assert model.bids() == (9, 2, 6, 2)
    assert updates(model, level(BID, 10, 0)) == {"level_absent": 1}
    assert model.bids() == (9, 2, 6, 2)


def test_a_held_level_takes_the_new_quantity():
    model = with_bids()
    assert updates(model, level(BID, 10, 100)) == {"level_changes": 1}
    assert model.bids() == (10, 100, 102, 3)


def test_fewer_than_k_levels_take_another():
    model = with_bids(WHOLE_BIDS[:2])
    assert updates(model, level(BID, 12, 7)) == {"level_inserts": 1}
    assert model.bids() == (12, 7, 8, 3)


def test_a_full_side_drops_its_worst_for_a_better_level():
    model = with_bids()
    assert updates(model, level(BID, 12, 7)) == {"level_evicts": 1, "level_inserts": 1}
    assert model.bids() == (12, 7, 8, 3)
    assert updates(model, level(BID, 8, 0)) == {"level_beyond": 1}


def test_a_full_side_drops_a_level_worse_than_all():
    model = with_bids()
    assert updates(model, level(BID, 5, 7)) == {"level_evicts": 1}
    assert model.bids() == (10, 1, 3, 3)
    assert updates(model, level(BID, 5, 0), level(BID, 6, 0)) == {
        "level_beyond": 1,
        "level_absent": 1,
    }


def test_a_full_ask_side_drops_its_highest_price():
    model = with_asks()
    assert updates(model, level(ASK, 19, 7)) == {"level_evicts": 1, "level_inserts": 1}
    assert model.asks() == (19, 7, 15, 3)
    assert updates(model, level(ASK, 22, 0), level(ASK, 21, 0)) == {
        "level_beyond": 1,
        "level_deletes": 1,
    }


def test_a_delete_does_not_move_the_horizon():
    model = with_bids(WHOLE_BIDS, horizon=5)
    model.feed(event(level(BID, 8, 0)))
    assert updates(model, level(BID, 6, 1)) == {"level_inserts": 1}


def test_trades_and_event_marks_change_no_side():
    model = with_bids()
    assert model.counted(record(InKind.TRADE, price=10, value=1)) == {"trades": 1}
    assert model.bids() == (10, 1, 3, 3)


def test_extreme_prices_are_prices():
    model = with_bids([(U32, 1), (1, 2)])
    model.feed(refill(ASK, [(1, 3), (U32, 4)]))
    assert model.sides() == ((U32, 1, 3, 2), (1, 3, 7, 2))
