# SPDX-License-Identifier: Apache-2.0
"""Features of random streams through the whole fabric equal the reference, bit for bit."""

import random

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.features import FEATURE_NAMES, FEATURES_PER_RECORD
from host.contract.records import FEATURES_DTYPE, OutKind
from sim.board import Board
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from tests.unit.fabric import assert_equal

BUILDS = [
    BuildConfig(symbols=1, levels=3, qty_bits=8),
    BuildConfig(symbols=3, levels=5, qty_bits=24),
    BuildConfig(symbols=5, levels=11, qty_bits=64, result_depth=33),
    BuildConfig(),
]


def build_name(config: BuildConfig) -> str:
    return f"{config.symbols}x{config.levels}x{config.qty_bits}"


@pytest.fixture(scope="module", params=BUILDS, ids=build_name)
def config(request):
    return request.param


def signal_settings(seed, symbols):
    """Register writes that shape the features of every symbol, micro-price tables included."""
    rng = random.Random(seed)
    writes = []
    for symbol in range(symbols):
        bank = rng.getrandbits(1)
        writes += [
            ("strategy_flow_decay", rng.choice((0, 1, 3, 8, 9, 15))),
            ("strategy_average_decay", rng.choice((0, 2, 5, 8, 12))),
            ("strategy_bar_log2_us", rng.choice((0, 3, 6, 10, 40, 63))),
            ("strategy_micro_bank", bank),
            ("strategy_commit", symbol),
        ]
        for _ in range(60):
            writes += [
                ("micro_address", 256 * symbol + 128 * bank + rng.randrange(128)),
                ("micro_entry", rng.choice((0, 1, (1 << 17) - 1, 1 << 17, rng.getrandbits(18)))),
            ]
    return writes


def features(out):
    """Feature vectors of a stream of out records, one row an event."""
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.FEATURES]).view(FEATURES_DTYPE)
    pages = -(-len(FEATURE_NAMES) // FEATURES_PER_RECORD)
    names = [f"value{n}" for n in range(FEATURES_PER_RECORD)]
    columns = np.stack([rows.reshape(-1)[name] for name in names], axis=1)
    return columns.reshape(-1, pages * FEATURES_PER_RECORD)[:, : len(FEATURE_NAMES)]


@pytest.mark.parametrize("seed", range(3))
def test_every_feature_equals_the_reference(config, seed):
    sizes = {"symbols": config.symbols, "levels": config.levels, "qty_bits": config.qty_bits}
    settings = [
        *random_settings(seed, **sizes),
        *signal_settings(seed, config.symbols),
        ("report", 4 | seed % 4),
        ("stale_us", (1 << 32) - 1),
        ("levels_n", 3),
    ]
    records = random_stream(seed + 100, 20_000, **sizes)
    with Board(config, random_init=seed) as board:
        out = assert_equal(board, config, settings, records)
    vectors = features(out)
    assert len(vectors) > 1000
    moving = (vectors != vectors[:1]).any(axis=0)
    assert moving.all(), [
        name for name, moves in zip(FEATURE_NAMES, moving, strict=True) if not moves
    ]
