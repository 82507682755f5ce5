# SPDX-License-Identifier: Apache-2.0
"""The random streams: that they reach everything, and are what they say."""

import numpy as np
import pytest

from host.contract.records import DECISION_DTYPE, IN_DTYPE, InKind, OutKind, Reason, Rule
from host.contract.registers import REGISTERS
from sim.coverage import UNSEEN, uncovered
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_run, random_settings


def run(seed, length, *build, **more):
    """Counters and out records of a random run."""
    reference = Reference(*build)
    out = []
    for settings, records in random_run(seed, length, *build, **more):
        for name, value in settings:
            reference.write(name, value)
        out.append(reference.feed(records))
    return reference.counters, np.concatenate(out)


@pytest.fixture(scope="module")
def default_run():
    return run(1, 50_000, 16, 32, 48)


def test_fifty_thousand_records_reach_every_counter_reason_and_flag(default_run):
    assert uncovered(*default_run) == []


@pytest.mark.parametrize("build", [(1, 3, 8), (3, 5, 64), (7, 8, 20)])
def test_small_builds_reach_every_counter_reason_and_flag(build):
    missing = [set(uncovered(*run(seed, 60_000, *build))) for seed in (1, 2)]
    assert not set.intersection(*missing)


def test_a_build_of_256_symbols_reaches_all_but_a_symbol_it_does_not_have():
    assert uncovered(*run(1, 100_000, 256, 64, 48)) == ["malformed_symbol"]


def test_every_reason_of_the_gate_refuses_an_order_alone_at_times(default_run):
    _, out = default_run
    decisions = out[out[:, 0] == OutKind.DECISION].view(DECISION_DTYPE).reshape(-1)
    alone = {reason for reason in Reason if (decisions["verdict"] == 1 << reason).any()}
    assert alone >= {reason for reason in Reason if reason <= Reason.BOOK} - UNSEEN


def test_the_controls_with_a_bench_of_their_own_refuse_here_too(default_run):
    _, out = default_run
    decisions = out[out[:, 0] == OutKind.DECISION].view(DECISION_DTYPE).reshape(-1)
    shown = int(np.bitwise_or.reduce(decisions["verdict"]))
    assert sum(shown >> reason & 1 for reason in UNSEEN) > 25


def test_a_tenth_of_the_orders_passes_and_most_events_are_valid(default_run):
    counters, _ = default_run
    assert counters["orders"] > counters["intents"] // 10
    assert counters["events_valid"] > counters["events"] // 2


def test_the_reason_book_never_occurs_and_stale_for_exits_alone(default_run):
    _, out = default_run
    decisions = out[out[:, 0] == OutKind.DECISION].view(DECISION_DTYPE).reshape(-1)
    assert not (decisions["verdict"] & 1 << Reason.BOOK).any()
    stale = decisions[decisions["verdict"] & 1 << Reason.STALE != 0]
    assert len(stale)
    assert (stale["rule"] & int(Rule.EXIT) != 0).all()


def test_uncovered_names_what_is_missing():
    reference = Reference(1, 3, 8)
    out = reference.feed(np.array([(InKind.HEARTBEAT, 0, 0, 0, 0, 0)], IN_DTYPE))
    missing = uncovered(reference.counters, out)
    assert "heartbeats" not in missing and "records_in" not in missing
    assert {"timers", "Reason.RATE", "VIEW.ViewReason.EMPTY", "DECISION.DecisionFlag.SIDE"} <= set(
        missing
    )


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    first, again, other = (list(random_run(seed, 3000, 4, 8, 20)) for seed in (5, 5, 6))
    for (settings, records), (settings_again, records_again) in zip(first, again, strict=True):
        assert settings == settings_again
        assert records.tobytes() == records_again.tobytes()
    assert first[0][0] != other[0][0]
    assert first[0][1].tobytes() != other[0][1].tobytes()


def test_chunks_of_a_run_are_its_stream():
    chunks = [records for _, records in random_run(3, 2500, 4, 8, 20, chunk=1000)]
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]
    assert np.concatenate(chunks).tobytes() == random_stream(3, 2500, 4, 8, 20).tobytes()


def test_chunk_borders_change_no_answer():
    stream = random_stream(4, 5000, 4, 8, 20)
    whole, split = Reference(4, 8, 20), Reference(4, 8, 20)
    for reference in (whole, split):
        for name, value in random_settings(5, 4, 8, 20):
            reference.write(name, value)
        reference.write("report", 1)
    parts = [split.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)]
    assert np.concatenate(parts).tobytes() == whole.feed(stream).tobytes()
    assert split.counters == whole.counters


def test_extreme_prices_quantities_and_times_occur():
    stream = np.concatenate([random_stream(seed, 30_000) for seed in range(4)])
    levels = stream[stream["kind"] == InKind.LEVEL]
    assert {1, (1 << 32) - 1} <= set(levels["price_ticks"].tolist())
    assert {1, (1 << 48) - 1} <= set(levels["value"].tolist())
    late = random_stream(0, 50_000, start_us=(1 << 64) - 1000)
    times = late["value"][late["kind"] == InKind.EVENT_BEGIN].tolist()
    assert (1 << 64) - 1 in times


def test_without_faults_the_only_malformed_records_are_scripted_ones():
    reference = Reference(4, 8, 20)
    reference.feed(random_stream(1, 50_000, 4, 8, 20, faults=0))
    malformed = {n for n, count in reference.counters.items() if count and "malformed" in n}
    assert malformed == {"malformed_frame"}


def test_settings_name_registers_that_may_be_written_and_fit():
    for seed in range(50):
        for name, value in random_settings(seed):
            assert REGISTERS[name].writable
            assert 0 <= value < 1 << REGISTERS[name].bits
