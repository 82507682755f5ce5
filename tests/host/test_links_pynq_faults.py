# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the link through PYNQ: each a named error, and a way back from it."""

import random

import numpy as np
import pytest

from host.contract.records import ViewReason
from host.links import LinkError
from host.links import pynq as module
from host.links.batch import RECORDS, header
from sim import hwh
from sim.axi_dma import RECEIVE, SEND
from tests.host.link_records import load, look
from tests.host.pynq_overlay import (
    CONFIG,
    SHORT_S,
    UNKNOWN,
    WHOLE,
    agree,
    devices,
    pynq,
    reasons,
    show,
)

pytestmark = pytest.mark.xdist_group("axi")


@pytest.fixture
def zynqs(tmp_path):
    with devices(tmp_path) as zynq:
        yield zynq


@pytest.fixture
def zynq(zynqs):
    return zynqs()


def harm_send_address(zynq, link):
    link._send.device_address = 0x1000


def harm_receive_address(zynq, link):
    link._receive[1].device_address = 0x1000


def harm_room(zynq, link):
    link._receive = link._receive[0], link._receive[1][:640]


def harm_beats(zynq, link):
    zynq.board.got = lambda got=zynq.board.got: got()[8:]


def harm_last(zynq, link):
    zynq.dma.lose_last = True


def harm_cut(zynq, link):
    zynq.dma.cut = 16 + 16 * 300


def harm_torn(zynq, link):
    zynq.dma.cut = 16 * 300 - 3


def harm_cut_header(zynq, link):
    zynq.dma.cut = 7


def harm_open(zynq, link):
    zynq.dma.cut, zynq.dma.lose_last = 16 * 500, True


HARMS = {
    harm_send_address: "expected a DMA without error, was one to the board: decode",
    harm_receive_address: "expected a DMA without error, was one from the board: decode",
    harm_room: "expected a DMA without error, was one from the board: internal",
    harm_beats: "expected a packet of whole out records, was 16376 bytes",
    harm_last: "expected a packet of the answer to 600 records within 0.0001 s, was none",
    harm_cut: "was shorter than its header said; the board took 300 of 600 records",
    harm_torn: "was shorter than its header said; the board took 298 of 600 records",
    harm_cut_header: "expected the answer to batch ",
    harm_open: "expected a packet of the answer to 600 records within 0.0001 s, was none",
}


@pytest.mark.parametrize("harm", HARMS)
def test_harm_is_one_error_and_after_recovery_books_are_silent_until_refilled(zynq, harm):
    link = zynq.link(timeout_s=SHORT_S)
    show(link)
    link.transfer(load(CONFIG.symbols))
    assert reasons(link) == WHOLE
    healthy = link._send.device_address, link._receive, link._receive[1].device_address
    harm(zynq, link)
    with pytest.raises(LinkError) as caught:
        link.transfer(np.concatenate([look(CONFIG.symbols, n) for n in range(100)]))
    assert HARMS[harm] in str(caught.value)
    with pytest.raises(LinkError, match=r"expected recover\(\) after an error, was a transfer"):
        link.transfer(look(CONFIG.symbols, 1))
    link._send.device_address, link._receive = healthy[:2]
    link._receive[1].device_address = healthy[2]
    vars(zynq.board).pop("got", None)
    zynq.recover(link)
    assert link.read("report") == 0
    assert link.read("records_in") == 0
    show(link)
    assert reasons(link, 2) == UNKNOWN
    link.transfer(load(CONFIG.symbols))
    assert reasons(link, 3) == WHOLE


@pytest.mark.parametrize("stalls", [None, (7, 500, 0, 300)])
def test_after_any_harm_the_recovered_board_is_that_of_the_reference(zynqs, stalls):
    """Harm of every kind, one after the other, in the middle of many packets."""
    zynq = zynqs(stalls=stalls)
    link = zynq.link(timeout_s=10 * SHORT_S)
    rng = random.Random(11)
    for harm in (harm_open, harm_last, harm_cut, harm_torn, harm_cut_header, harm_open):
        show(link)
        link.transfer(load(CONFIG.symbols))
        harm(zynq, link)
        if harm is harm_open:
            zynq.dma.cut = 16 * rng.randrange(2, 1900)
        with pytest.raises(LinkError):
            link.transfer(look(CONFIG.symbols, 1)[np.arange(2000) % 6])
        zynq.recover(link)
        agree(link, rng.randrange(1000), length=200, runs=1)
        link._faulty = True  # as an error would leave it
        zynq.recover(link)


def test_an_error_in_the_middle_of_a_packet_leaves_nothing_of_it(zynq):
    """The fabric still says something when the DMA is reset; it must not be taken later."""
    link = zynq.link(timeout_s=SHORT_S)
    show(link)
    link._receive[1].device_address += 1 << 20
    with pytest.raises(LinkError, match="was one from the board: decode"):
        link.transfer(np.concatenate([look(CONFIG.symbols, n) for n in range(600)]))
    link._receive[1].device_address -= 1 << 20
    zynq.recover(link)
    agree(link, 5)


def test_a_reset_while_a_packet_flows_leaves_whole_packets(zynq):
    link = zynq.link()
    show(link)
    link._dma.recvchannel.transfer(link._receive[0])
    zynq.board.put(header(RECORDS, 1, count=600) + look(1, 1)[np.arange(600) % 2].tobytes())
    zynq.board.run(600)
    link.write("control", 1)  # while the DMA still takes what comes
    zynq.board.run(1)
    link.close()
    agree(zynq.link(download=False), 7)


def test_an_interrupted_transfer_leaves_the_link_faulty(zynq):
    link = zynq.link()

    def interrupted():
        raise KeyboardInterrupt

    link._clock = interrupted
    with pytest.raises(KeyboardInterrupt):
        link.transfer(look(CONFIG.symbols, 1))
    link._clock = zynq.seconds
    with pytest.raises(LinkError, match=r"expected recover\(\)"):
        link.transfer(look(CONFIG.symbols, 1))
    zynq.recover(link)
    agree(link, 6)


def test_a_process_that_was_asleep_takes_what_came_meanwhile(zynq):
    link = zynq.link(timeout_s=SHORT_S)
    show(link)
    assert reasons(link) == UNKNOWN
    sleeps = iter([0, 20_000])  # after the deadline is set, longer than it is

    def asleep():
        zynq.board.run(next(sleeps, 0))
        return zynq.seconds()

    link._clock = asleep
    assert reasons(link, 2) == UNKNOWN


def test_a_dma_that_another_process_left_halted_is_taken_over(zynq):
    overlay = pynq.Overlay(str(zynq.bitfile))
    zynq.write_registers(hwh.DMA_BASE + RECEIVE + 0x18, (0x1000).to_bytes(4, "little"))
    zynq.write_registers(hwh.DMA_BASE + SEND, b"\1\0\0\0")
    zynq.write_registers(hwh.DMA_BASE + SEND + 0x28, b"\x10\0\0\0")  # from address 0
    assert zynq.read_registers(hwh.DMA_BASE + SEND + 4, 4)[0] == 0x41
    agree(zynq.link(overlay=overlay), 8)


def test_a_batch_that_another_process_left_open_is_an_error_not_a_book(zynq):
    link = zynq.link(timeout_s=SHORT_S)
    show(link)
    link.transfer(load(CONFIG.symbols))
    harm_open(zynq, link)
    with pytest.raises(LinkError):
        link.transfer(look(CONFIG.symbols, 1)[np.arange(1000) % 6])
    again = zynq.link(timeout_s=SHORT_S, download=False)
    with pytest.raises(LinkError, match="expected the answer to batch"):
        again.transfer(look(CONFIG.symbols, 2))
    third = zynq.link(download=False)
    gap = int(ViewReason.UNKNOWN | ViewReason.GAP)
    assert reasons(third, 3) == [gap] * CONFIG.symbols


def test_a_dma_that_stays_in_reset_is_an_error_and_keeps_its_buffers(zynq):
    link = zynq.link(timeout_s=SHORT_S)
    zynq.dma.stuck = True
    with pytest.raises(LinkError, match=r"expected an end of the DMA's reset within 0\.0001 s"):
        zynq.recover(link)
    with pytest.raises(LinkError, match=r"expected recover\(\)"):
        link.transfer(look(1, 1))
    with pytest.raises(LinkError, match="expected an end of the DMA's reset"):
        zynq.link(timeout_s=SHORT_S, download=False)
    link.close()
    assert zynq.buffers == 3
    while module._LEFT:
        module._LEFT.pop().freebuffer()


def test_a_fabric_that_stays_in_reset_is_an_error(zynq, monkeypatch):
    link = zynq.link(timeout_s=SHORT_S)
    monkeypatch.setattr(zynq.board, "read", lambda address, read=zynq.board.read: (0, read(0)[1]))
    with pytest.raises(LinkError, match=r"expected swept memories after a reset within 0\.0001 s"):
        zynq.recover(link)
    monkeypatch.undo()
    with pytest.raises(LinkError, match=r"expected recover\(\)"):
        link.transfer(look(1, 1))


def test_a_closed_link_says_so_and_closes_once(zynq):
    link = zynq.link()
    assert zynq.buffers == 3
    link.close()
    assert zynq.buffers == 0
    link.close()
    for use in (
        lambda: link.transfer(look(1, 1)),
        lambda: link.read("id"),
        lambda: link.write("report", 1),
        link.recover,
    ):
        with pytest.raises(LinkError, match="link pynq: expected an open one, was closed"):
            use()


def test_errors_of_the_system_are_errors_of_the_link(zynq, monkeypatch):
    link = zynq.link()

    def refuse(*_):
        raise OSError("Root permissions required.")

    monkeypatch.setattr(zynq, "read_registers", refuse)
    with pytest.raises(LinkError, match="link pynq: word 0: Root permissions required"):
        link.read("id")
    with pytest.raises(LinkError, match=r"tickgate\.bit: Root permissions required"):
        zynq.link(download=False)
    monkeypatch.undo()
