# SPDX-License-Identifier: Apache-2.0
"""The link to a card against the Verilated kernel: registers, records, slow memory, errors."""

import itertools
import struct

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import IN_DTYPE, VIEW_DTYPE, InFlag, InKind, OutKind, ViewReason
from host.contract.registers import REGISTERS
from host.links.base import LinkError
from host.links.xrt import BATCH_RECORDS, XrtLink
from sim.compare import compare
from sim.kernel_board import MEMORY_BASE, MEMORY_BYTES, KernelBoard
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


def check_records(link, lengths):
    """Compare what a link in its reset state answers with what the reference does."""
    reference = Reference(*SIZES)
    for name, value in [*random_settings(3, *SIZES), ("report", 3)]:
        link.write(name, value)
        reference.write(name, value)
    for seed, length in enumerate(lengths):
        records = random_stream(seed, length, *SIZES)
        comparison = compare(reference.feed(records), link.transfer(records))
        assert comparison.equal, str(comparison)


def interrupt(board, count, run=1):
    """Leave the answer to `count` events, two rows each, after some of its runs."""
    runtime = Runtime(board)
    with XrtLink("tickgate.xclbin", runtime=runtime) as link:
        ready(link)
        link.write("report", 1)
        runtime.interrupted = runtime.runs + run
        with pytest.raises(KeyboardInterrupt):
            link.transfer(events(count))


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
        check_records(link, (700, 1, 2, 3, 4, 5, 63, 64, 65, 700))


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


# What a link leaves that was interrupted or killed, and what the next one makes of it.


def test_an_interrupted_link_takes_nothing_more(link, board):
    link.write("report", 1)
    runtime = Runtime(board)
    with XrtLink("tickgate.xclbin", runtime=runtime) as second:
        runtime.interrupted = runtime.runs + 1
        with pytest.raises(KeyboardInterrupt):
            second.transfer(events(BATCH_RECORDS // 2))
        runs = runtime.runs
        for use in (lambda: second.transfer(events(BATCH_RECORDS // 2)), second.identify):
            with pytest.raises(LinkError, match="without an error before, was: KeyboardInterrupt"):
                use()
        assert runtime.runs == runs


@pytest.mark.parametrize(
    ("count", "run"),
    [(2040, 1), (BATCH_RECORDS // 2, 1), (BATCH_RECORDS // 2, 3)],
    ids=["trailer", "most", "some"],
)
def test_a_link_behind_an_interrupted_one_begins_anew(board, count, run):
    interrupt(board, count, run)
    with opened(board) as link:
        assert link.identify()[1:] == SIZES
        assert link.read("status") & 1
        check_records(link, (700, 1, 64))


def test_the_last_trailer_alone_is_left_of_4080_rows(link):
    link.write("report", 1)
    assert len(link.transfer(events(2040))) == 4080  # sixteen whole packets


def test_a_link_that_is_interrupted_when_it_opens_leaves_the_rest_to_the_next(board):
    interrupt(board, BATCH_RECORDS // 2)
    runtime = Runtime(board)
    runtime.interrupted = 1
    with pytest.raises(KeyboardInterrupt):
        XrtLink("tickgate.xclbin", runtime=runtime)
    with opened(board) as link:
        check_records(link, (700,))


def test_a_link_behind_one_that_failed_in_mid_answer_begins_anew(board):
    with opened(board) as link:
        ready(link)
        link.write("report", 1)
        link._timeout_ms = 1
        with pytest.raises(LinkError, match="expected a run to end within 1 ms"):
            link.transfer(events(BATCH_RECORDS // 2))
    assert board.ended(100_000)  # XRT's driver goes on waiting
    with opened(board) as again:
        check_records(again, (700,))


def test_a_link_behind_one_that_took_its_answers_leaves_the_registers(link, board):
    link.write("ratio_num", 77)
    link.close()
    with opened(board) as again:
        assert again.read("ratio_num") == 77


def test_two_links_number_their_batches_differently(board):
    numbers = set()
    for _ in range(3):
        with opened(board) as link:
            link.read("status")
        numbers.add(bytes(board.memory[4096 + 4 : 4096 + 8]))
    assert len(numbers) == 3


class Told:
    """A kernel whose memory holds after each run what is told, one row of bytes after the other."""

    def __init__(self, *answers):
        self.memory, self._answers = np.zeros(MEMORY_BYTES, np.uint8), iter(answers)

    def begin(self, source, target, **_):
        at, source = target - MEMORY_BASE, source - MEMORY_BASE
        answer = next(self._answers)
        if callable(answer):  # it wants the number of the batch
            answer = answer(*struct.unpack_from("<I", self.memory, source + 4))
        self.memory[at : at + len(answer)] = np.frombuffer(answer, np.uint8)

    def ended(self, _cycles):
        return True


def told(packets, *, number=5, status=1, records=0, faults=0):
    """A trailer."""
    head = (0xFF, status, records, number, 0, 0, packets, faults)
    return struct.pack("<BBHIIIII40x", *head)


def test_what_nobody_took_is_the_base_of_packets_and_of_the_memorys_errors():
    with opened(Told(told(7, faults=2), lambda n: told(8, number=n, faults=2))):
        pass
    with pytest.raises(LinkError, match="expected packet 8, was 9: out records are lost"):
        opened(Told(told(7), lambda n: told(9, number=n)))
    with pytest.raises(LinkError, match="expected 2 errors of the card's memory, was 3"):
        opened(Told(told(7, faults=2), lambda n: told(8, number=n, faults=3)))


def test_an_answer_nobody_took_that_does_not_end_is_told():
    packet = bytes([1, *bytes(63)]) * 255 + told(0, status=0, records=255)
    with pytest.raises(LinkError, match="expected the answer before to end within 1024 runs"):
        opened(Told(*itertools.repeat(16 * packet, 1024)))


def test_rows_nobody_took_without_a_trailer_are_told():
    with pytest.raises(LinkError, match="expected a trailer in 256 rows, was none"):
        opened(Told(bytes([1] * 64)))


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
