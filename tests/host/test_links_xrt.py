# SPDX-License-Identifier: Apache-2.0
"""The link to a card against the Verilated kernel: registers, records, slow memory, errors."""

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import IN_DTYPE, VIEW_DTYPE, InFlag, InKind, OutKind, ViewReason
from host.contract.registers import REGISTERS
from host.links.base import LinkError
from host.links.xrt import BATCH_RECORDS, XrtLink
from sim.compare import compare
from sim.kernel_board import MEMORY_BASE, KernelBoard
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from tests.host.xrt_standin import Runtime

pytestmark = pytest.mark.xdist_group("axi")

CONFIG = BuildConfig(symbols=3, levels=5, qty_bits=24)
SIZES = (CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)


def opened(board, **options):
    return XrtLink("tickgate.xclbin", runtime=Runtime(board), **options)


@pytest.fixture
def board():
    board = KernelBoard(CONFIG)
    yield board
    assert board.protocol_errors == 0
    board.close()


@pytest.fixture
def link(board):
    with opened(board) as link:
        ready(link)
        yield link


def ready(link):
    for _ in range(200):
        if link.read("status") & 1:
            return
    raise AssertionError("status: expected bit 0, was 0")


def events(count):
    """Book events without updates; each answers with views once `report` is set."""
    return np.array(
        [
            record
            for at in range(count)
            for record in (
                (InKind.EVENT_BEGIN, 0, at % 3, 0, 0, 0),
                (InKind.EVENT_END, InFlag.BOOK, at % 3, 0, 0, at),
            )
        ],
        dtype=IN_DTYPE,
    )


def test_a_card_says_what_it_is(link):
    assert link.identify()[1:] == SIZES


def test_registers_are_read_and_written(link):
    link.write("ratio_num", 1234)
    assert link.read("ratio_num") == 1234
    link.write("limit_max_qty", 0x123456789ABCDEF0)
    assert link.read("limit_max_qty") == 0x123456789ABCDEF0
    assert link.read_word(0xFFFF) == 0  # behind the table
    link.write_word(0x1000 + REGISTERS["ratio_num"].address, 5)
    assert link.read("ratio_num") == 1234


@pytest.mark.parametrize("stalls", [None, (1, 300, 40, 200), (2, 800, 200, 700), (3, 0, 900, 0)])
def test_records_are_answered_as_the_reference_does(board, stalls):
    if stalls is not None:
        board.set_stalls(stalls)
    with opened(board) as link:
        ready(link)
        reference = Reference(*SIZES)
        for name, value in [*random_settings(3, *SIZES), ("report", 3)]:
            link.write(name, value)
            reference.write(name, value)
        for seed, length in enumerate((700, 1, 2, 3, 4, 5, 63, 64, 65, 700)):
            records = random_stream(seed, length, *SIZES)
            comparison = compare(reference.feed(records), link.transfer(records))
            assert comparison.equal, str(comparison)


def test_nothing_sent_still_drains(link):
    assert link.transfer(events(0)).shape == (0, 64)


def test_an_answer_longer_than_its_buffer_goes_on_with_the_next_run(board):
    runtime = Runtime(board)
    with XrtLink("tickgate.xclbin", runtime=runtime) as link:
        ready(link)
        link.write("report", 1)
        runs, records = runtime.runs, events(BATCH_RECORDS // 2)
        out = link.transfer(records)
        assert runtime.runs > runs + 1
        views = out[out[:, 0] == OutKind.VIEW].copy().view(VIEW_DTYPE).reshape(-1)
        assert list(views["update_id"]) == list(range(len(records) // 2))


def test_more_records_than_a_batch(link):
    link.write("report", 1)
    out = link.transfer(events(BATCH_RECORDS // 2 + 5))
    assert (out[:, 0] == OutKind.VIEW).sum() == BATCH_RECORDS // 2 + 5


def test_what_cannot_be_read_is_not_applied(board):
    with opened(board) as link:
        ready(link)
        link.write("report", 1)
        board.limit(MEMORY_BASE + 4096 + 128)  # behind the seventh record
        with pytest.raises(LinkError, match=r"was shorter than its header said; the board took 7 "):
            link.transfer(events(20))
        with pytest.raises(LinkError, match="expected one without an error before"):
            link.transfer(events(1))


def test_what_cannot_be_written_is_told(board):
    with opened(board) as link:
        ready(link)
        board.limit(writes=MEMORY_BASE)  # what is in the buffer is the answer before
        with pytest.raises(LinkError, match=r"expected packet \d+, was \d+: out records are lost"):
            link.transfer(events(3))


def test_after_a_loss_every_symbol_is_invalid(board):
    with opened(board) as link:
        ready(link)
        link.write("report", 1)
        load = [
            record
            for side, price in ((0, 100), (InFlag.SIDE, 101))
            for record in (
                (InKind.REFILL_BEGIN, side, 0, 0, 0, 0),
                (InKind.LEVEL, side | InFlag.REFILL, 0, 0, price, 7),
                (InKind.REFILL_END, side | InFlag.WHOLE, 0, 0, 0, 0),
            )
        ]
        look = [(InKind.EVENT_BEGIN, 0, 0, 0, 0, 0), (InKind.EVENT_END, InFlag.BOOK, 0, 0, 0, 1)]
        out = link.transfer(np.array(load + look, IN_DTYPE))
        assert out[-1].view(VIEW_DTYPE)["reasons"][0] == 0
        board.limit(MEMORY_BASE + 4096 + 64)
        with pytest.raises(LinkError):
            link.transfer(np.array(look * 8, IN_DTYPE))
        board.limit()
    with opened(board) as again:
        out = again.transfer(np.array(look, IN_DTYPE))
        views = out[out[:, 0] == OutKind.VIEW].copy().view(VIEW_DTYPE)
        assert views["reasons"][-1] & (ViewReason.UNKNOWN)


def test_a_run_that_does_not_end_is_told(board):
    with opened(board) as link:
        ready(link)
        link._timeout_ms = 1
        with pytest.raises(LinkError, match="expected a run to end within 1 ms"):
            link.transfer(events(BATCH_RECORDS // 2))


@pytest.mark.parametrize("options", [{"xclbin": "nothing"}, {"xclbin": "a.xclbin", "device": 3}])
def test_what_does_not_open_is_named(board, options):
    with pytest.raises(LinkError, match=options["xclbin"]):
        XrtLink(**options, runtime=Runtime(board))


def test_closed_is_closed(link):
    link.close()
    link.close()
    with pytest.raises(LinkError, match="was closed"):
        link.transfer(events(1))


# The kernel itself, without the link.


def test_a_run_without_room_or_without_a_batch_ends_at_once(board):
    for arguments in ({"units": 0, "room": 1000}, {"units": 0, "room": 255}):
        board.begin(source=MEMORY_BASE, target=MEMORY_BASE + 8192, **arguments)
        assert board.ended(500)
    assert (board.memory[8192:16384] == 0xA5).all()


def test_reset_in_mid_run_leaves_a_kernel_that_works(board):
    with opened(board) as link:
        ready(link)
        head = np.frombuffer(b"\1\0\0\0" + bytes(4) + b"\xff\xff\0\0" + bytes(4), np.uint8)
        board.memory[4096 : 4096 + 16] = head
        board.begin(source=MEMORY_BASE + 4096, target=MEMORY_BASE + 8192, units=30_000, room=1000)
        board.run(300)
    board.reset()
    with opened(board) as link:
        ready(link)
        assert link.identify()[1:] == SIZES
        assert link.transfer(events(4)).shape[1] == 64
