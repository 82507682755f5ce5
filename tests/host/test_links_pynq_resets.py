# SPDX-License-Identifier: Apache-2.0
"""Alerts that leave the board unasked, and resets that cut them, on the link through PYNQ."""

import numpy as np
import pytest

from host.contract.records import IN_DTYPE, KillCause, OutKind
from host.driver.fabric import Fabric
from host.links import LinkError
from host.links.batch import RECORDS, header
from sim import axi_dma, hwh
from sim.axi_dma import HALTED, RECEIVE
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from tests.host.link_records import load
from tests.host.pynq_overlay import CONFIG, SIZES, devices, pynq, reasons, show

pytestmark = pytest.mark.xdist_group("axi")

#: Cycles in which an alert is ready, and in which memories are swept and it is.
SOON, LATER = 2_000, 20_000


@pytest.fixture
def zynqs(tmp_path):
    with devices(tmp_path) as zynq:
        yield zynq


@pytest.fixture(params=[None, (9, 300, 600, 300)], ids=["steady", "pauses"])
def zynq(zynqs, request):
    return zynqs(stalls=request.param)


class Twin:
    """The reference beside a board; what it says of a kill is dropped."""

    def __init__(self, seed):
        self.seed, self.model = seed, Reference(*SIZES)

    def set(self, link):
        for name, value in [*random_settings(self.seed, *SIZES), ("report", 3)]:
            link.write(name, value)
            self.model.write(name, value)

    def agrees(self, link, runs=2):
        for _ in range(runs):
            self.seed += 1000
            records = random_stream(self.seed, 400, *SIZES)
            result = compare(self.model.feed(records), link.transfer(records))
            assert result.equal, str(result)
            assert result.expected > 40

    def killed(self, cause):
        self.model._alert(self.model.gate.kill(cause))
        alert = self.model.feed(np.empty(0, IN_DTYPE))
        assert list(alert[:, 0]) == [OutKind.ALERT]


def excused(zynq, reset, *arguments):
    """Do what resets the fabric: it takes back what it offers, which AXI forbids otherwise."""
    before = zynq.board.protocol_errors
    reset(*arguments)
    zynq.board.run(8)  # it takes back a few cycles after the write
    zynq.excused += zynq.board.protocol_errors - before


def kill(zynq, link):
    """Kill while the DMA is not told where to put the alert."""
    before = zynq.board.got()
    link.write("kill", 1)
    zynq.board.run(SOON)
    assert len(zynq.board.got()) > len(before)
    assert link.read("kill_causes") == KillCause.REGISTER


def test_the_alert_of_a_kill_between_transfers_is_in_the_next_answer(zynq):
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    kill(zynq, link)
    assert list(link.transfer(np.empty(0, IN_DTYPE))[:, 0]) == [OutKind.ALERT]
    assert link.transfer(np.empty(0, IN_DTYPE)).shape == (0, 64)


@pytest.mark.parametrize("beats", [1, 4, 8, 9])
def test_a_kill_then_a_reset_of_the_fabric_leaves_nothing_of_the_alert(zynq, monkeypatch, beats):
    monkeypatch.setattr(axi_dma, "_EARLY_BYTES", 8 * beats)
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    kill(zynq, link)
    excused(zynq, link.write, "control", 1)
    assert link.read("kill_causes") == 0
    twin = Twin(1)
    twin.set(link)
    twin.agrees(link)


def test_a_session_begins_after_a_kill_on_the_same_link(zynq):
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    for seed in range(3):
        kill(zynq, link)
        excused(zynq, Fabric, link)
        twin = Twin(seed)
        twin.set(link)
        twin.agrees(link)


@pytest.mark.parametrize("beats", [1, 4, 8, 9])
def test_a_kill_before_the_link_is_opened_again_leaves_nothing_of_the_alert(
    zynq, monkeypatch, beats
):
    monkeypatch.setattr(axi_dma, "_EARLY_BYTES", 8 * beats)
    link, twin = zynq.link(), Twin(2)
    twin.set(link)
    twin.agrees(link)
    kill(zynq, link)
    twin.killed(KillCause.REGISTER)
    link.close()
    again = zynq.link(download=False)
    assert again.read("kill_causes") == KillCause.REGISTER
    twin.agrees(again)


def test_a_watchdog_that_fires_after_the_host_has_gone_leaves_a_board_that_can_be_opened(zynq):
    link, twin = zynq.link(), Twin(3)
    twin.set(link)
    twin.agrees(link)
    link.write("watchdog_dead_cycles", LATER)
    link.close()
    zynq.board.run(2 * LATER)
    twin.killed(KillCause.WATCHDOG)
    again = zynq.link(download=False)
    assert again.read("kill_causes") == KillCause.WATCHDOG
    twin.agrees(again)
    assert zynq.downloads == 1


@pytest.mark.parametrize("begins", [None, Fabric], ids=["as loaded", "a session"])
def test_a_kill_pin_that_is_held_when_the_board_is_loaded_is_a_board_that_is_killed(zynq, begins):
    zynq.board.kill_pin(True)
    overlay = pynq.Overlay(str(zynq.bitfile))
    zynq.board.run(LATER)
    link, twin = zynq.link(overlay=overlay), Twin(4)
    if begins is not None:
        excused(zynq, begins, link)
    assert link.read("kill_causes") == KillCause.PIN
    twin.set(link)
    twin.killed(KillCause.PIN)
    twin.agrees(link)


def test_a_kill_pin_that_is_held_during_recovery_is_a_board_that_is_killed(zynq):
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    zynq.board.kill_pin(True)
    zynq.board.run(SOON)
    for seed in (5, 6):
        zynq.recover(link)
        zynq.board.run(SOON)
        assert link.read("kill_causes") == KillCause.PIN
        twin = Twin(seed)
        twin.set(link)
        twin.killed(KillCause.PIN)
        twin.agrees(link)
    zynq.board.kill_pin(False)
    zynq.recover(link)
    twin = Twin(7)
    twin.set(link)
    twin.agrees(link)


def test_what_another_host_did_not_take_is_dropped_and_the_books_stay(zynq):
    link = zynq.link()
    show(link)
    link.transfer(load(CONFIG.symbols))
    kill(zynq, link)
    for _ in range(3):  # each resets the DMA, which holds the next beats of the alert
        link = zynq.link(download=False)
    assert reasons(link) == [0] * CONFIG.symbols


def test_half_a_trailer_is_an_error_and_after_recovery_the_board_is_that_of_the_reference(zynq):
    link = zynq.link()
    zynq.board.put(header(RECORDS, 1))  # by a host that ends before the answer
    zynq.board.run(SOON)
    link = zynq.link(download=False)
    with pytest.raises(LinkError, match="expected a packet to end with a trailer, did not"):
        link.transfer(load(CONFIG.symbols))
    zynq.recover(link)
    twin = Twin(8)
    twin.set(link)
    twin.agrees(link)


def test_the_model_of_the_dma_takes_four_beats_while_it_is_halted(zynq):
    zynq.board.kill_pin(True)
    pynq.Overlay(str(zynq.bitfile))
    zynq.board.run(LATER)
    assert zynq.read_registers(hwh.DMA_BASE + RECEIVE + 4, 4)[0] == HALTED
    assert len(zynq.board.got()) == 32
