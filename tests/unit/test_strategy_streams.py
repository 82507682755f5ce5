# SPDX-License-Identifier: Apache-2.0
"""Random streams with every rule, filter and exit in play equal the reference."""

import os
from collections import Counter

import numpy as np
import pytest

from hdl.config import BuildConfig
from hdl.pipeline import decision_latency
from hdl.records import Rule
from host.contract.records import DECISION_DTYPE, OutKind
from host.contract.registers import COUNTERS
from sim.board import Board
from sim.compare import compare, latency
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from sim.stimulus_strategy import random_strategy

BUILDS = [
    BuildConfig(symbols=1, levels=3, qty_bits=8),
    BuildConfig(symbols=3, levels=5, qty_bits=16),
    BuildConfig(symbols=5, levels=11, qty_bits=56, result_depth=33),
    BuildConfig(),
]
CHUNK = 1500


def build_name(config: BuildConfig) -> str:
    return f"{config.symbols}x{config.levels}x{config.qty_bits}"


@pytest.fixture(scope="module", params=BUILDS, ids=build_name)
def config(request):
    return request.param


def run(config, seed, chunks, counted=None):
    """Settings change between chunks of one stream; every record and counter must agree."""
    sizes = {"symbols": config.symbols, "levels": config.levels, "qty_bits": config.qty_bits}
    reference = Reference(config.symbols, config.levels, config.qty_bits)
    records = random_stream(seed, CHUNK * chunks, **sizes)
    decided = []
    with Board(config, random_init=seed) as board:
        for at in range(chunks):
            settings = [
                *random_settings(seed * 1000 + at, **sizes),
                *random_strategy(seed * 1000 + at, config.symbols, config.qty_bits),
                ("stale_us", (1 << 32) - 1),
                ("levels_n", 1 + at % 5),
            ]
            for name, value in settings:
                board.write(name, value)
                reference.write(name, value)
            part = records[at * CHUNK : (at + 1) * CHUNK]
            actual, expected = board.transfer(part), reference.feed(part)
            comparison = compare(expected, actual)
            assert comparison.equal, f"chunk {at}: {comparison}"
            measured = latency(actual)
            if measured.decisions:
                assert measured.minimum == measured.maximum == decision_latency(config)
            decisions = np.ascontiguousarray(actual[actual[:, 0] == OutKind.DECISION])
            decided.append(decisions.view(DECISION_DTYPE).reshape(-1)["rule"])
        assert {name: board.read(name) for name in COUNTERS} == reference.counters
    if counted is not None:
        counted.update(reference.counters)
    return np.concatenate(decided)


@pytest.mark.parametrize("seed", range(3))
def test_every_decision_equals_the_reference(config, seed):
    fired = run(config, seed, 16)
    exits = fired[fired & int(Rule.EXIT) != 0]
    entries = fired[fired & int(Rule.EXIT) == 0]
    assert len(exits) > 50
    assert len(entries) > 50


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
@pytest.mark.skipif("TICKGATE_LONG" not in os.environ, reason="hours; set TICKGATE_LONG")
def test_a_million_events_equal_the_reference():
    counted, seed = Counter(), 100
    while counted["events"] < 1_000_000:
        run(BUILDS[-1], seed, 60, counted)
        seed += 1
