# SPDX-License-Identifier: Apache-2.0
"""Features and strategy, view by view, with settings that change at any record."""

import random

import pytest

from hdl.config import BuildConfig
from sim.stimulus import random_stream
from sim.stimulus_strategy import random_strategy
from tests.unit.judged_bench import Write, check

BUILDS = [
    BuildConfig(symbols=2, levels=3, qty_bits=8),
    BuildConfig(symbols=3, levels=11, qty_bits=64),
    BuildConfig(symbols=2, levels=4, qty_bits=16, trees=1),
]


def build_name(config: BuildConfig) -> str:
    return f"{config.symbols}x{config.levels}x{config.qty_bits}-{config.model_cycles}"


def items(config, seed, length, every):
    """A random stream, every symbol's settings written anew each so many records."""
    rng = random.Random(seed)
    sizes = {"symbols": config.symbols, "levels": config.levels, "qty_bits": config.qty_bits}
    for name, value in (("trade_window", 4), ("rule_enable", 3), ("ratio_num", 2)):
        yield Write(name, value)
    yield Write("ratio_den", 1)
    yield Write("order_qty", 5)
    for at, record in enumerate(random_stream(seed, length, **sizes).tolist()):
        if at % every == 0:
            yield Write("levels_n", rng.choice((1, 2, 3, 10)))
            for write in random_strategy(seed * 1000 + at, config.symbols, config.qty_bits):
                yield Write(*write)
        yield record


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("config", BUILDS, ids=build_name)
def test_every_feature_and_intent_is_the_reference_s(config, seed):
    vectors, intents = check(config, items(config, seed, 2500, 250), gaps=range(0, 9999, 37))
    assert len(vectors) > 200
    assert len(intents) > 8


@pytest.mark.parametrize("seed", range(2))
def test_so_it_is_where_records_come_apart(seed):
    config = BuildConfig(symbols=2, levels=4, qty_bits=16, trees=1, spaced=True)
    vectors, intents = check(config, items(config, seed, 1200, 120))
    assert len(vectors) > 100
    assert len(intents) > 8
