# SPDX-License-Identifier: Apache-2.0
"""Real captures through the whole fabric; rules, filters, exits and models change on the way."""

import os
from collections import Counter

import numpy as np
import pytest

from hdl.pipeline import decision_latency
from host.contract.registers import COUNTERS
from host.links.sim import SimLink
from host.replay.run import Options, replay
from host.settings import ReplaySettings
from sim.board import Board
from sim.compare import compare, latency
from sim.reference import Reference
from sim.stimulus_forest import random_forest
from sim.stimulus_strategy import random_strategy
from tests.system.strategy_long import CONFIG, EXITS, RULES, seen_in
from tests.system.test_captures import CHAINS
from tests.unit.fabric import OPEN

CHUNKS = 60
#: Of the chains that are not WHOLE, unless ``TICKGATE_WHOLE`` is set as `make soak` does.
QUICK = 15
WHOLE = ("spot",)


def settings(at):
    """What is written before a chunk."""
    writes = [*OPEN, ("report", 7), ("levels_n", (10, 5, 1)[at % 3]), ("trade_window", 17)]
    writes += random_strategy(at, 1, CONFIG.qty_bits)
    return writes + (random_forest(at, CONFIG.trees) if at % 4 == 0 else [])


@pytest.mark.captures
@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_every_record_of_a_capture_is_the_reference_s(captures, chain):
    whole = chain in WHOLE or bool(os.environ.get("TICKGATE_WHOLE"))
    files = [str(captures / "binance" / name) for name in CHAINS[chain]]
    reference, found = Reference(trees=CONFIG.trees), Counter()
    with SimLink(Board(CONFIG)) as link:
        run = replay(Options(files, ReplaySettings()), link, lambda _done, _total: None)
        assert run.capture_error is None
        board = link.board
        board.reset()
        parts = np.array_split(run.records(), CHUNKS)
        for at, part in enumerate(parts if whole else parts[:QUICK]):
            for name, value in settings(at):
                board.write(name, value)
                reference.write(name, value)
            actual = board.transfer(part)
            comparison = compare(reference.feed(part), actual)
            assert comparison.equal, f"chunk {at}: {comparison}"
            measured = latency(actual)
            if measured.decisions:
                assert measured.minimum == measured.maximum == decision_latency(CONFIG) == 22
            found += seen_in(actual)
        assert {name: board.read(name) for name in COUNTERS} == reference.counters
    print(chain, dict(found), "events", reference.counters["events"])
    assert reference.counters["events"] > 1000
    assert found["scores"] > 100
    if not whole:
        return
    assert not [rule.name for rule in RULES if not found[rule.name]]
    assert sum(found[cause.name] > 0 for cause in EXITS) > 2
