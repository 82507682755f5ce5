# SPDX-License-Identifier: Apache-2.0
"""What is on the small boards, behind its serial pins, decides as a whole build does."""

import gzip
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from hdl.boards.board import BOARDS
from hdl.pipeline import decision_latency
from host.contract.records import DECISION_DTYPE, OutKind
from host.links.base import Parts
from host.links.sim import SimLink
from host.links.uart import UartLink
from host.replay.check import check_latency, check_reference
from host.replay.run import Options, replay
from host.replay.tables import Tables
from host.settings import ReplaySettings, Write
from sim.board import Board
from sim.compare import compare
from sim.uart_board import SerialWire, UartBoard
from tests.host.replay_helpers import SLICE

BOARD = BOARDS["ulx3s-85f"]
SMALL = BOARD.config
WHOLE = replace(SMALL, result_depth=64, spaced=False, vectors=True)
#: Of the bundled minute.
LINES = 2000


def replayed(link, folder):
    capture = folder / "capture.gz"
    lines = gzip.decompress(SLICE.read_bytes()).splitlines()[:LINES]
    capture.write_bytes(gzip.compress(b"\n".join([*lines, b""]), 1))
    options = Options(
        [str(capture)],
        ReplaySettings(levels=8, ratio="2"),
        refill_at=0,  # the fabric asks
        writes=[Write("report", 3), Write("refill_level", SMALL.levels)],
    )
    with link:
        return replay(options, link, lambda _done, _total: None)


def decisions(run):
    return run.out[run.out[:, 0] == OutKind.DECISION].copy().view(DECISION_DTYPE)


@pytest.mark.slow
def test_the_build_of_the_small_boards_decides_as_a_whole_one_does(tmp_path):
    assert (BOARD.clock_hz, BOARD.baud) == (UartBoard.CLOCK_HZ, UartBoard.BAUD)
    there = replayed(UartLink(serial=SerialWire(UartBoard(SMALL))), tmp_path)
    here = replayed(SimLink(Board(WHOLE)), tmp_path)
    comparison = compare(here.out, there.out)
    assert comparison.equal, str(comparison)
    checked = check_reference(there)
    assert checked.wrong_records == 0, checked.first
    assert not checked.counters
    assert not check_latency(there, Tables.of(there))
    assert there.parts == Parts(vectors=False, spaced=True, own_orders=SMALL.own_orders)
    kinds = Counter(there.out[:, 0].tolist())
    assert kinds[OutKind.REFILL_REQUEST] and kinds[OutKind.VIEW] > 100
    for run, config in ((here, WHOLE), (there, SMALL)):
        made = decisions(run)
        assert len(made) > 10
        assert np.unique(made["latency_cycles"]) == [decision_latency(config)]
