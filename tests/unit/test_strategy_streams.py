# SPDX-License-Identifier: Apache-2.0
"""Features, model and strategy in the whole fabric, every record equal to the reference's."""

import pytest

from hdl.config import BuildConfig
from tests.system.strategy_long import CONFIG, EXITS, RULES, drive

BUILDS = [
    BuildConfig(symbols=1, levels=3, qty_bits=8),
    BuildConfig(symbols=3, levels=5, qty_bits=16, trees=4, phases=2),
    BuildConfig(symbols=5, levels=11, qty_bits=64, result_depth=33),
    BuildConfig(symbols=3, levels=8, qty_bits=32, spaced=True, vectors=False),
    BuildConfig(symbols=3, levels=5, qty_bits=16, trees=4, phases=2, spaced=True),
]


def build_name(config: BuildConfig) -> str:
    return f"{config.symbols}x{config.levels}x{config.qty_bits}-{config.trees}{config.spaced:d}"


@pytest.fixture(scope="module", params=BUILDS, ids=build_name)
def config(request):
    return request.param


@pytest.mark.parametrize("seed", range(3))
def test_every_decision_equals_the_reference(config, seed):
    found = drive(config, seed, 16)
    assert found["exits"] > 50
    assert found["decisions"] - found["exits"] > 50


def test_with_a_model_every_rule_and_every_exit_decides_and_equals_the_reference():
    """The quick share of `tests.system.strategy_long`."""
    found = drive(CONFIG, 2, 30)
    assert not [name for name in (*RULES, *EXITS) if not found[name.name]]
    assert found["events"] > 9000
    assert found["scores"] > 100
    assert found["model_loads"] > 4
    assert found["model_refusals"] > 0
