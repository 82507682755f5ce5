# SPDX-License-Identifier: Apache-2.0
"""Random streams through the whole fabric equal the reference, for every shape of build."""

import numpy as np
import pytest

from hdl.config import BuildConfig
from sim.board import Board, Stalls
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from tests.unit.fabric import assert_equal

BUILDS = [
    BuildConfig(symbols=1, levels=3, qty_bits=8),
    BuildConfig(symbols=3, levels=5, qty_bits=24),
    BuildConfig(symbols=5, levels=11, qty_bits=64, result_depth=33),
    BuildConfig(symbols=9, levels=5, qty_bits=24, spaced=True),
    BuildConfig(symbols=3, levels=8, qty_bits=32, spaced=True, vectors=False),
    BuildConfig(),
]


def build_name(config: BuildConfig) -> str:
    parts = "-spaced" * config.spaced + "-no-vectors" * (not config.vectors)
    return f"{config.symbols}x{config.levels}x{config.qty_bits}{parts}"


@pytest.fixture(scope="module", params=BUILDS, ids=build_name)
def config(request):
    return request.param


def stream(config, seed, length):
    sizes = {"symbols": config.symbols, "levels": config.levels, "qty_bits": config.qty_bits}
    return random_settings(seed, **sizes), random_stream(seed, length, **sizes)


@pytest.mark.parametrize("seed", range(4))
def test_every_record_and_counter_equals_the_reference(config, seed):
    settings, records = stream(config, seed, 30_000)
    with Board(config) as board:
        assert_equal(board, config, settings, records)


@pytest.mark.parametrize("stalls", [(700, 0), (0, 700), (500, 500), (0, 990)])
def test_stalls_on_either_side_change_no_record_and_no_latency(config, stalls):
    settings, records = stream(config, 11, 5_000)
    with Board(config, stalls=Stalls(5, *stalls)) as board:
        assert_equal(board, config, settings, records)


@pytest.mark.parametrize("rubbish", [1, 2, 3])
def test_rubbish_in_memories_at_power_up_changes_nothing(config, rubbish):
    settings, records = stream(config, 21, 5_000)
    with Board(config, random_init=rubbish) as board:
        assert_equal(board, config, settings, records)


def test_soft_reset_forgets_books_limits_positions_and_counters(config):
    settings, records = stream(config, 31, 10_000)
    with Board(config) as board:
        before = assert_equal(board, config, settings, records)
        board.soft_reset()
        assert board.read("mode") == 0
        assert board.read("limits_version") == 0
        after = assert_equal(board, config, settings, records)
    assert len(before) == len(after) > 0


def test_same_input_gives_the_same_bytes(config):
    settings, records = stream(config, 41, 5_000)
    outputs = []
    for _ in range(2):
        with Board(config) as board:
            outputs.append(assert_equal(board, config, settings, records))
    assert np.array_equal(*outputs)
