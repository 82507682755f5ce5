# SPDX-License-Identifier: Apache-2.0
"""Records per clock: the count is exact, and the mix is as hard as it says."""

import itertools

import numpy as np
import pytest

from host.contract.records import DECISION_DTYPE, IN_DTYPE, InKind, OutKind
from host.contract.registers import COUNTERS
from sim import bench, bench_mix
from sim.board import Board, Stalls
from sim.compare import Latency
from sim.reference import Reference

ROUNDS = 8


@pytest.fixture(scope="module")
def mix():
    return bench_mix.mix_records(ROUNDS)


@pytest.fixture(scope="module")
def board():
    with Board() as opened:
        yield opened


def count(board, records):
    return bench_mix.sustained("it", board, records, lambda: bench._prepare(board))


def test_fabric_takes_a_record_of_the_mix_in_every_clock(board, mix):
    counted, _ = count(board, mix)
    assert counted.records == counted.cycles == len(mix)
    assert counted.updates == np.count_nonzero(mix["kind"] == InKind.LEVEL)
    assert counted.latency.decisions == ROUNDS * 18
    assert counted.latency.minimum == counted.latency.maximum > 0
    assert counted.unbroken


def test_stamps_of_decisions_tell_the_same_clocks(board, mix):
    """The fabric stamps each event's begin, and each end by verdict and latency."""
    _, out = count(board, mix)
    decisions = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION])
    decisions = decisions.view(DECISION_DTYPE).reshape(-1)
    begins = np.flatnonzero(mix["kind"] == InKind.EVENT_BEGIN)
    ends = np.flatnonzero(mix["kind"] == InKind.EVENT_END)
    # Every event of the mix decides, so that the n-th decision is of the n-th event.
    np.testing.assert_array_equal(decisions["update_id"], mix["value"][ends])
    accepted = np.stack(
        [
            decisions["cycle_decision"].astype(np.int64) - decisions["span_cycles"],
            decisions["cycle_decision"].astype(np.int64) - decisions["latency_cycles"],
        ]
    )
    positions = np.stack([begins, ends])
    assert np.unique(accepted - positions).size == 1


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_draining_is_left_out_whatever_comes_last(board, mix, cut):
    counted, _ = count(board, mix[:-cut])
    assert counted.cycles == len(mix) - cut


def test_pauses_of_the_input_are_counted(board, mix):
    board.set_stalls(Stalls(1, 500, 0))
    try:
        counted, _ = count(board, mix)
    finally:
        board.set_stalls(Stalls(1, 0, 0))
    # A record waits for one clock more on average.
    assert 1.8 < counted.cycles / counted.records < 2.2
    assert not counted.unbroken


def test_output_that_blocks_is_counted(board, mix):
    board.set_stalls(Stalls(1, 0, 990))
    try:
        counted, _ = count(board, mix)
    finally:
        board.set_stalls(Stalls(1, 0, 0))
    assert counted.cycles > 1.5 * counted.records


def test_different_latencies_are_not_unbroken():
    assert bench_mix.Sustained("it", 9, 5, 9, Latency(3, 3.0, 3, 2)).unbroken
    assert not bench_mix.Sustained("it", 9, 5, 9, Latency(3, 3.5, 4, 2)).unbroken
    assert not bench_mix.Sustained("it", 9, 5, 10, Latency(3, 3.0, 3, 2)).unbroken


def test_mix_does_what_it_says_and_nothing_is_ignored(mix):
    """Counts by hand for a round: two long events, two refills of 32 a side, 16 short events."""
    reference = Reference(16, 32, 48)
    for register, value in bench.SETTINGS:
        reference.write(register, value)
    reference.feed(mix)
    by_round = {
        "refill_begins": 2 * 2,
        "refill_levels": 2 * 2 * 32,
        "refill_ends": 2 * 2,
        # A side of a long event: 8 changes, 4 deletes and 4 adds of one price, 8 adds at the
        # best that drop the worst, and 20 deletes of the best.
        "level_changes": 2 * 2 * 8 + 8,
        "level_inserts": 2 * 2 * (4 + 8) + 4,
        "level_evicts": 2 * 2 * 8,
        "level_deletes": 2 * 2 * (4 + 20) + 4,
        "events": 18,
        "events_bbo": 18,
        "events_valid": 18,
        "intents": 18,
        "entries": 18,
        "refill_requests": 2,
    }
    counters = {name: reference.counters[name] for name in COUNTERS}
    for name in ("records_in", "orders", "refusals"):
        counters.pop(name)
    expected = {name: ROUNDS * by_round.get(name, 0) for name in counters}
    assert counters == expected


def test_records_of_the_mix_meet_back_to_back(mix):
    """Same price, same side, other side and other symbol, each on the heels of the last."""
    met = {"price": 0, "other side": 0, "other symbol": 0}
    for last, row in itertools.pairwise(mix[mix["kind"] == InKind.LEVEL]):
        same_side = (last["flags"] ^ row["flags"]) & 1 == 0
        if last["symbol"] != row["symbol"]:
            met["other symbol"] += 1
        elif not same_side:
            met["other side"] += 1
        elif last["price_ticks"] == row["price_ticks"]:
            met["price"] += 1
    assert min(met.values()) > ROUNDS * 16, met


@pytest.mark.parametrize(("symbols", "levels", "named"), [(1, 32, "symbols"), (16, 11, "levels")])
def test_mix_refuses_a_build_it_does_not_fit(symbols, levels, named):
    with pytest.raises(ValueError, match=f"{named}: expected at least"):
        bench_mix.mix_records(1, symbols=symbols, levels=levels)


@pytest.mark.parametrize("levels", [12, 20, 64])
def test_mix_fits_other_builds(levels):
    mix = bench_mix.mix_records(3, symbols=2, levels=levels)
    assert mix.dtype == IN_DTYPE
    reference = Reference(2, levels, 48)
    for register, value in bench.SETTINGS:
        reference.write(register, value)
    reference.feed(mix)
    counters = reference.counters
    assert counters["events_valid"] == counters["events"] == 3 * 18
    assert counters["level_absent"] == counters["level_beyond"] == counters["refill_broken"] == 0
