# SPDX-License-Identifier: Apache-2.0
"""A simulated Zynq for tests of the link through PYNQ; whoever imports it is skipped without PYNQ.

The packages may be in ``build/pynq`` of the checkout, apart from all others.
"""

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

_BUILT = Path(__file__).resolve().parents[2] / "build" / "pynq"
if _BUILT.is_dir():
    sys.path.insert(0, str(_BUILT))
pynq = pytest.importorskip("pynq", reason="needs the package pynq, installed or in build/pynq")

from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser  # noqa: E402, F401
from pynq.overlay import Metadata  # noqa: E402, F401

from hdl.config import BuildConfig  # noqa: E402
from host.contract.records import ViewReason  # noqa: E402
from host.links import open_link  # noqa: E402
from sim.axi_board import AxiBoard  # noqa: E402
from sim.compare import compare  # noqa: E402
from sim.pynq_device import SimulatedZynq, write_overlay  # noqa: E402
from sim.reference import Reference  # noqa: E402
from sim.stimulus import random_stream  # noqa: E402
from sim.stimulus_run import random_settings  # noqa: E402
from tests.host.link_records import look, views  # noqa: E402

CONFIG = BuildConfig(symbols=3, levels=5, qty_bits=24)
SIZES = (CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)
#: Deadlines, in time of the board: for what works, and for what is to fail.
LONG_S, SHORT_S = 2e-3, 1e-4
#: Reasons of every symbol's view: its book is unknown; and whole.
UNKNOWN, WHOLE = [int(ViewReason.UNKNOWN)] * CONFIG.symbols, [0] * CONFIG.symbols


class Zynq(SimulatedZynq):
    """A device, the links that a test opens on it, and whether it was left in order."""

    def __init__(self, bitfile, stalls=None):
        super().__init__(AxiBoard(CONFIG, seed=5, stalls=stalls))
        self.bitfile, self.links, self.excused = bitfile, [], 0
        self.activate()

    def link(self, timeout_s=LONG_S, bitfile=None, **options):
        if "overlay" not in options:
            options["bitfile"] = bitfile or self.bitfile
        link = open_link("pynq", timeout_s=timeout_s, clock=self.seconds, **options)
        self.links.append(link)
        return link

    def recover(self, link):
        """A reset of the fabric takes back what it offers, which AXI forbids otherwise."""
        before = self.board.protocol_errors
        link.recover()
        self.excused += self.board.protocol_errors - before

    def end(self):
        for link in self.links:
            link.close()
        assert self.buffers == 0
        assert self.board.protocol_errors == self.excused
        self.board.close()


@contextmanager
def devices(folder):
    """Opens devices with an overlay in a folder; in the end each must be in order."""
    made, bitfile = [], write_overlay(folder, CONFIG)

    def zynq(**options):
        made.append(Zynq(bitfile, **options))
        return made[-1]

    yield zynq
    for each in made:
        each.end()


def show(link):
    """Settings with which every book event is shown."""
    link.write("report", 1)
    link.write("levels_n", 1)


def reasons(link, update_id=1):
    """Why the book of each symbol may not be used."""
    return [int(each) for each in views(link.transfer(look(CONFIG.symbols, update_id)))["reasons"]]


def agree(link, seed, length=400, runs=2):
    """Random settings and streams on a fabric after reset give what the reference gives."""
    model = Reference(*SIZES)
    for name, value in [*random_settings(seed, *SIZES), ("report", 3)]:
        link.write(name, value)
        model.write(name, value)
    for run in range(runs):
        records = random_stream(1000 * run + seed, length, *SIZES)
        result = compare(model.feed(records), link.transfer(records))
        assert result.equal, str(result)
        assert result.expected > length // 10
    assert link.read("records_in") == model.counters["records_in"]
