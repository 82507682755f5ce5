# SPDX-License-Identifier: Apache-2.0
"""Input that is offered while the memories are swept waits, whole."""

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import InKind
from host.contract.registers import COUNTERS
from sim.board import Board
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings

CONFIG = BuildConfig()
SIZES = (CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)
#: Clocks from the write of `control` until registers may be written again.
RESTART = 3
#: Written while the sweep goes on; no limits, because theirs is one of the memories.
QUICK = [("report", 3), ("levels_n", 2), ("trade_window", 6), ("rule_enable", 3), ("ratio_num", 1)]
QUICK += [("ratio_den", 1), ("stale_us", (1 << 32) - 1), ("refill_level", 8)]


@pytest.mark.parametrize("rubbish", [None, 1, 2, 3])
def test_records_offered_during_the_sweep_are_neither_lost_nor_half_applied(rubbish):
    """Memories hold rubbish at power-up, and books, positions and trades of a run before."""
    before, after = random_stream(51, 20_000, *SIZES), random_stream(52, 4_000, *SIZES)
    with Board(CONFIG, random_init=rubbish) as board:
        for name, value in [*random_settings(3, *SIZES), ("report", 3)]:
            board.write(name, value)
        assert len(board.transfer(before)) > 1000

        board.write("control", 1)
        board.step(RESTART)
        reference = Reference(*SIZES)
        for name, value in QUICK:
            board.write(name, value)
            reference.write(name, value)
        assert board.read("status") == 0, "the sweep should still go on"
        assert board.read("records_in") == 0
        actual = board.transfer(after)
        expected = reference.feed(after)
        comparison = compare(expected, actual)
        assert comparison.equal, str(comparison)
        assert {name: board.read(name) for name in COUNTERS} == reference.counters
        assert board.read("status") == 1
        assert board.protocol_errors == 0
        assert reference.counters["events_valid"] > 0 and reference.counters["intents"] > 0


def test_the_first_record_waits_for_the_end_of_the_sweep_and_not_longer():
    heartbeat = np.zeros(1, random_stream(0, 1).dtype)
    heartbeat["kind"] = int(InKind.HEARTBEAT)
    with Board(CONFIG, random_init=9, idle_cycles=20) as board:
        board.write("control", 1)
        start = board.cycles
        board.step(RESTART)
        while board.read("status") == 0:
            assert board.cycles - start < 256 * CONFIG.symbols + 1000  # the micro-price tables
        swept = board.cycles - start
        board.write("control", 1)
        start = board.cycles
        board.step(RESTART)
        assert board.read("status") == 0
        board.transfer(heartbeat)
        waited = board.cycles - start - 20
        assert swept >= 2 * CONFIG.symbols  # one clock a row
        assert abs(waited - swept) <= 4
        assert board.read("heartbeats") == 1
