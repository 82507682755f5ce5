# SPDX-License-Identifier: Apache-2.0
"""Corners of the book that random streams seldom meet, each by its own few records."""

import pytest

from hdl.config import BuildConfig
from host.contract.records import InFlag, InKind
from tests.unit.book_bench import Register, check
from tests.unit.fabric import ASK, BID, event, record, refill

CONFIG = BuildConfig(symbols=2, levels=3, qty_bits=8, price_bits=8)
FULL = [(40, 1), (38, 2), (36, 3)]
ASKS = refill(ASK, [(50, 4), (52, 5)])


@pytest.mark.parametrize("gone", [40, 38, 36])
@pytest.mark.parametrize("horizon", [None, 20])
def test_a_full_side_that_loses_a_level_takes_a_worse_one_at_once(gone, horizon):
    updates = [(BID, gone, 0), (BID, 30, 7), (BID, 28, 8), (BID, 30, 0), (BID, 28, 0)]
    counts = check(CONFIG, refill(BID, FULL, horizon) + ASKS + event(updates, 1))
    assert (counts["level_inserts"], counts["level_evicts"]) == (1, 1)
    assert (counts["level_deletes"], counts["level_beyond"]) == (2, 1)


@pytest.mark.parametrize("side", [BID, ASK])
def test_a_side_marked_while_it_loads_is_not_asked_for_until_it_is_known(side):
    malformed = record(InKind.LEVEL, side, 0, 0, 1)
    other = ASKS if side == BID else refill(BID, FULL)
    load = refill(side, FULL)
    stream = [*other, *load[:2], malformed, *event([], 1), *load[2:], *event([], 2), *event([], 3)]
    counts = check(CONFIG, stream, {"refill_retry": 0})
    assert counts["refill_requests"] == 3  # the other side is marked as well


def test_a_snapshot_whose_last_level_evicts_may_end_at_the_evicted_price():
    load = [(40, 1), (36, 2), (38, 3), (39, 4)]  # 36 is dropped by the last
    counts = check(CONFIG, refill(BID, load, 36) + ASKS + event([], 1))
    assert counts["refill_ends"] == 2 and counts["events_valid"] == 1


@pytest.mark.parametrize("last", [36, 37])
@pytest.mark.parametrize("apart", range(7))
def test_a_snapshot_with_a_level_at_or_beyond_its_horizon_is_broken(last, apart):
    load = refill(BID, FULL, last)
    counts = check(CONFIG, [*ASKS, *load[:-1], *[None] * apart, load[-1], *event([], 1)])
    assert (counts["refill_broken"], counts["refill_ends"]) == (1, 1)


@pytest.mark.parametrize("apart", [0, 7])
@pytest.mark.parametrize("held", [1, 2, 3])
def test_a_snapshot_that_ends_at_a_level_in_any_place_is_broken(held, apart):
    load = refill(BID, FULL[:held], FULL[held - 1][0])
    counts = check(CONFIG, [*ASKS, *load[:-1], *[None] * apart, load[-1], *event([], 1)])
    assert (counts["refill_broken"], counts["refill_ends"]) == (1, 1)


@pytest.mark.parametrize("at", range(1, 5))
def test_a_gap_inside_a_snapshot_outlives_it_and_one_before_does_not(at):
    load, gap = refill(BID, FULL), record(InKind.CLEAR, ASK | InFlag.GAP)
    malformed = record(InKind.LEVEL, BID, 0, 0, 1)
    stream = [*ASKS, malformed, *load, *ASKS, *event([], 1)]
    stream += [*load[:at], malformed, *load[at:], *ASKS, *event([], 2)]
    counts = check(CONFIG, [gap, *stream, *load, *event([], 3)])
    assert (counts["events"], counts["events_valid"]) == (3, 2)


@pytest.mark.parametrize("apart", [0, 1, 6, 7, 8, 20])
def test_a_snapshot_may_come_slowly(apart):
    stream = []
    for item in refill(BID, FULL, 30) + ASKS:
        stream += [item, *[None] * apart]
    counts = check(CONFIG, stream + event([], 1))
    assert counts["events_valid"] == 1


@pytest.mark.parametrize("symbols", [2, 3])
@pytest.mark.parametrize("distance", range(5))
def test_a_record_of_a_symbol_that_there_is_not_leaves_every_side_as_it_is(symbols, distance):
    config = BuildConfig(symbols=symbols, levels=3, qty_bits=8, price_bits=8)
    last = symbols - 1
    stream = refill(BID, FULL) + ASKS + refill(BID, [(30, 9)], symbol=last)
    stream += refill(ASK, [(60, 8), (61, 7)], symbol=last)
    for symbol in (*range(symbols, 8), 255):
        for side in (BID, ASK):
            stray = record(InKind.LEVEL, side, symbol, 45, 1)
            stream += [stray, *[None] * distance]
            for known in (0, last):
                ends = event([], 1, symbol=known)
                stream += [*ends[:-1], stray, ends[-1], record(InKind.TRADE, ASK, known, 1, 1)]
    counts = check(config, stream)
    assert counts["events_bbo"] == counts["events"] > 0


@pytest.mark.parametrize("distance", range(9))
def test_one_price_on_both_sides_is_crossed(distance):
    filler = [record(InKind.TRADE, 0, 1, 1, 1)] * distance
    body = [*event([(BID, 49, 1)], 1), *filler, *event([(BID, 50, 1)], 2)]
    counts = check(CONFIG, refill(BID, FULL) + ASKS + body + event([(BID, 50, 0)], 3))
    assert counts["events_bbo"] == 2


def test_a_new_n_leaves_best_prices_valid_until_a_record_sums_anew():
    stream = refill(BID, FULL) + ASKS + event([], 1)
    stream += [Register(("levels_n", 1)), *event([], 2), *event([(BID, 40, 9)], 3)]
    stream += [*event([(ASK, 50, 9)], 4), Register(("levels_n", 3)), *event([], 5)]
    counts = check(CONFIG, stream)
    assert counts["events_bbo"] == 5 and counts["events_valid"] == 2


@pytest.mark.parametrize("report", [0, 1])
def test_requests_are_told_with_and_without_views(report):
    stream = []
    for number in range(8):
        stream += event([], number) + event([], number, symbol=1)
    counts = check(CONFIG, stream, {"report": report})
    assert counts["refill_requests"] == 6


@pytest.mark.parametrize("distance", range(9))
def test_rows_read_before_they_are_swept_are_taken_by_no_record(distance):
    """The last row stands at the input while a reset sweeps the memories."""
    last = CONFIG.symbols - 1
    left = refill(ASK, [(50, 1), (51, 2)], 60, last)
    first = [record(InKind.LEVEL, ASK | InFlag.REFILL, last, 50, 1)]  # of no refill
    update = event([(ASK, 51, 5)], 1, symbol=last)
    held = [None] * distance
    check(CONFIG, left, after_reset=[*first, *held, *update])
