# SPDX-License-Identifier: Apache-2.0
"""Strategies switched and retuned, and models swapped, a few clocks behind an event.

Five events go through the fabric; behind the third, after so many clocks, something is committed.
Each event must be the reference's, with features, score, rule, price and size, for a commit before
one of them: nothing in between and no mix may come.
"""

import copy
import random
import zlib

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.registers import COUNTERS
from sim.board import Board
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus_forest import random_image
from tests.system.strategy_long import CONFIG
from tests.unit.fabric import ASK, BID, OPEN, array, event, refill

#: One record at a time; a commit waits until it has gone.
SPACED = BuildConfig(spaced=True)
BEFORE, BEHIND = 3, 2
OFFSETS = range(26)  # clocks from the third event to the commit
DRAIN = 80
BASE = {"active": 1, "sides": 3, "entry_order": 0x12}
STRATEGIES = [
    {
        **{"model_mode": 1, "model_sides": 3, "entry_protect": 5, "qty_most": 3},
        **{"flow_decay": 2, "average_decay": 3},
    },
    {
        **{"model_mode": 0, "imbalance_sides": 3, "imbalance_num": 1, "imbalance_den": 1},
        **{"entry_order": 0x11, "qty_most": 7, "flow_decay": 5, "average_decay": 1},
    },
    {
        **{"model_mode": 1, "model_sides": 3, "entry_protect": 2, "imbalance_sides": 0},
        **{"entry_order": 0x22, "qty_most": 4, "flow_decay": 0, "average_decay": 6},
    },
]


def strategy(number):
    row = BASE | STRATEGIES[number % len(STRATEGIES)]
    return [(f"strategy_{name}", value) for name, value in row.items()], ("strategy_commit", 0)


def model(number):
    words = random_image(random.Random(number), CONFIG.trees)
    words[16], words[19], words[20] = 0, number + 1, 0
    crc = zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))
    return [("model_begin", 0), *(("model_data", word) for word in words)], ("model_commit", crc)


def events(rng, first):
    """Book events with other quantities each."""
    for at in range(first, first + BEFORE + BEHIND):
        side, price = rng.choice(((BID, 100), (ASK, 102)))
        yield array(event([(side, price, rng.randint(1, 200))], at, time_us=40 * at))


def drain(board):
    """What has been answered, when nothing is in flight any more."""
    board.step(DRAIN)
    return board.transfer(array([]))


@pytest.mark.parametrize(
    ("kind", "config"),
    [(strategy, CONFIG), (model, CONFIG), (strategy, SPACED)],
    ids=["strategy", "model", "spaced"],
)
def test_no_event_is_judged_by_a_mix(kind, config):
    rng = random.Random(11)
    reference = Reference(trees=config.trees, vectors=config.vectors)
    first_after = set()
    with Board(config, idle_cycles=1) as board:

        def write(writes):
            for name, value in writes:
                board.write(name, value)
                reference.write(name, value)

        write([*OPEN, ("report", 7), ("trade_window", 4)])
        for each in ([model(1000)] if config.trees else []) + [strategy(0)]:
            write([*each[0], each[1]])
        start = array([*refill(BID, [(100, 50)]), *refill(ASK, [(102, 50)])])
        board.transfer(start)
        reference.feed(start)
        drain(board)
        for at, offset in enumerate(OFFSETS):
            shadow, commit = kind(at + 1)
            write(shadow)
            parts = list(events(rng, 1 + at * (BEFORE + BEHIND)))
            out = [board.transfer(np.concatenate(parts[:BEFORE]))]
            board.step(offset)
            board.write(*commit)
            out += [board.transfer(np.concatenate(parts[BEFORE:])), drain(board)]
            fits = []
            for swapped in range(BEFORE + 1):
                own = copy.deepcopy(reference)
                expected = [own.feed(part) for part in parts[:swapped]]
                own.write(*commit)
                expected += [own.feed(part) for part in parts[swapped:]]
                if compare(np.concatenate(expected), np.concatenate(out)).equal:
                    fits.append((swapped, own))
            assert len(fits) == 1, f"{offset} clocks: expected one place of the commit, was {fits}"
            (swapped, reference) = fits[0]
            first_after.add(swapped)
        assert {name: board.read(name) for name in COUNTERS} == reference.counters
    # In flight, and too late; or always too late.
    assert first_after == {BEFORE} if config.spaced else first_after >= {BEFORE - 1, BEFORE}
