# SPDX-License-Identifier: Apache-2.0
"""One replay of one capture over every link: the same records out, all but cycle stamps.

The boards have few levels, so that most refills of the replay come while it runs: an answer that
depended on how long a link takes would show. Builds that take one record at a time are among them.
"""

import gzip
import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from hdl.config import BuildConfig
from hdl.regs.table import addresses
from hdl.risk.registers import LIMITS
from host.contract.records import DECISION_DTYPE, VIEW_DTYPE, OutKind, ViewFlag
from host.links import open_link
from host.links.sim import SimLink
from host.links.uart import UartLink
from host.links.xrt import XrtLink
from host.replay.run import Options, replay
from host.settings import ReplaySettings, Write
from sim.axi_board import AxiBoard
from sim.board import Board
from sim.compare import compare
from sim.kernel_board import KernelBoard
from sim.reference import Reference
from sim.uart_board import SerialWire, UartBoard
from tests.host.replay_helpers import SLICE
from tests.host.xrt_standin import Runtime

pytestmark = pytest.mark.xdist_group("axi")

CONFIG = BuildConfig(symbols=3, levels=5, qty_bits=24)
SPACED = replace(CONFIG, spaced=True)
SIZES = (CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)
#: Of the bundled minute; refills and decisions, and not too long over a serial line.
LINES = 1500
PYNQ = Path(__file__).resolve().parents[2] / "build" / "pynq"


def over_sim(_folder):
    return SimLink(Board(CONFIG))


def over_uart(_folder):
    # Four clocks a bit instead of 25, which `tests/host/test_links_uart.py` has.
    return UartLink(serial=SerialWire(UartBoard(CONFIG, brief=True)))


def over_pynq(folder, config=CONFIG):
    if PYNQ.is_dir() and str(PYNQ) not in sys.path:
        sys.path.insert(0, str(PYNQ))
    if importlib.util.find_spec("pynq") is None:
        pytest.skip("needs the package pynq, which the Makefile installs into build/pynq")
    from sim.pynq_device import SimulatedZynq, write_overlay

    device = SimulatedZynq(AxiBoard(config, stalls=(1, 200, 200, 100)))
    device.activate()
    return open_link("pynq", bitfile=write_overlay(folder, config), clock=device.seconds)


def over_xrt(_folder, config=CONFIG):
    board = KernelBoard(config, stalls=(1, 200, 30, 100))
    return XrtLink("tickgate.xclbin", runtime=Runtime(board), timeout_s=60)


LINKS = {
    **{"sim": over_sim, "uart": over_uart, "pynq": over_pynq, "xrt": over_xrt},
    **{"pynq-spaced": partial(over_pynq, config=SPACED)},
    **{"xrt-spaced": partial(over_xrt, config=SPACED)},
}


@cache
def replayed(name, folder):
    """What a board on that link answered to the capture, and its counters."""
    capture = folder / "capture.gz"
    lines = gzip.decompress(SLICE.read_bytes()).splitlines()[:LINES]
    capture.write_bytes(gzip.compress(b"\n".join([*lines, b""]), 1))
    options = Options(
        [str(capture)],
        ReplaySettings(levels=3, ratio="2"),
        refill_at=0,  # the fabric asks
        writes=[Write("report", 1)],
    )
    with LINKS[name](folder) as link:
        return replay(options, link, lambda _done, _total: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("links")


@pytest.mark.slow
@pytest.mark.parametrize("name", LINKS)
def test_a_replay_gives_the_same_records_over_every_link(name, folder):
    here, there = replayed("sim", folder), replayed(name, folder)
    comparison = compare(here.out, there.out)
    assert comparison.equal, str(comparison)
    assert [len(step) for step in here.steps] == [len(step) for step in there.steps]
    counted = {key: value for key, value in here.registers.items() if "latency" not in key}
    assert {key: there.registers[key] for key in counted} == counted

    kinds = Counter(there.out[:, 0].tolist())
    assert kinds[OutKind.REFILL_REQUEST] > 2
    decisions = there.out[there.out[:, 0] == OutKind.DECISION].copy().view(DECISION_DTYPE)
    assert len(decisions) > 20 and len(np.unique(decisions["latency_cycles"])) == 1
    views = there.out[there.out[:, 0] == OutKind.VIEW].copy().view(VIEW_DTYPE)
    assert ((views["flags"] & ViewFlag.VALID) != 0).sum() > 50


@pytest.mark.slow
def test_that_replay_is_the_reference_models(folder):
    run, reference = replayed("sim", folder), Reference(*SIZES)
    expected = []
    for step in run.steps:
        if isinstance(step, Write):
            reference.write(*step)
        else:
            expected.append(reference.feed(step))
    comparison = compare(np.concatenate(expected), run.out)
    assert comparison.equal, str(comparison)


class Registers:
    """Registers of the AXI top, a word at a time, without what comes between on a real host."""

    def __init__(self, _folder):
        self.board = AxiBoard(SPACED)
        self.places = {register.name: (register, 4 * at) for register, at in addresses()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.board.close()

    def write(self, name, value):
        register, at = self.places[name]
        for word in range(register.words):
            assert self.board.write(at + 4 * word, value >> (32 * word) & 0xFFFF_FFFF) == 0

    def read(self, name):
        value, response = self.board.read(self.places[name][1])
        assert response == 0
        return value


@pytest.mark.slow
@pytest.mark.parametrize("name", ["axi", "xrt-spaced"])
def test_commits_one_behind_the_other_are_made_whole(name, tmp_path):
    links = LINKS | {"axi": Registers}
    rng, found = np.random.default_rng(4), {}
    values = rng.integers(1, 1 << 16, (CONFIG.symbols, len(LIMITS)))
    for link in ("sim", name):
        with links[link](tmp_path) as board:
            while not board.read("status") & 1:
                pass  # a commit before the memories are swept is lost
            for symbol, row in enumerate(values.tolist()):
                for (limit, bits, _), value in zip(LIMITS, row, strict=True):
                    board.write(f"limit_{limit}", value & ((1 << bits) - 1))
                # The second waits for the first, and is slower than writes that do not wait for it.
                board.write("strategy_commit", symbol)
                board.write("limit_commit", symbol)
            found[link] = []
            for symbol in range(CONFIG.symbols):
                board.write("limit_select", symbol)
                for _ in range(32):  # the row is read meanwhile
                    board.read("status")
                found[link].append(board.read("limit_in_force"))
    assert found[name] == found["sim"]
    assert len({checksum & 0xFFFF for checksum in found["sim"]}) == CONFIG.symbols
