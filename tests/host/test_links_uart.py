# SPDX-License-Identifier: Apache-2.0
"""The serial link against the Verilated board's pins: framing, registers, records, losses."""

import random

import numpy as np
import pytest

from hdl.config import BuildConfig
from hdl.link.uart.wire import FromBoard, ToBoard
from host.contract.records import IN_DTYPE, VIEW_DTYPE, InFlag, InKind, OutKind, ViewReason
from host.contract.registers import REGISTERS
from host.links import framing
from host.links.base import LinkError
from host.links.uart import UartLink
from sim import reference_uart as reference
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from sim.uart_board import BREAK, SerialWire, UartBoard, random_harm

pytestmark = pytest.mark.xdist_group("uart")

CONFIG = BuildConfig(symbols=3, levels=5, qty_bits=24)
SIZES = (CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)


@pytest.fixture
def board():
    board = UartBoard(CONFIG)
    yield board
    board.close()


def views(out):
    return out[out[:, 0] == OutKind.VIEW].copy().view(VIEW_DTYPE).reshape(-1)


def rows(*records):
    return np.array(list(records), dtype=IN_DTYPE)


def look(update_id):
    """A book event of each symbol without updates."""
    return rows(
        *(
            record
            for symbol in range(CONFIG.symbols)
            for record in (
                (InKind.EVENT_BEGIN, 0, symbol, 0, 0, 0),
                (InKind.EVENT_END, InFlag.BOOK, symbol, 0, 0, update_id),
            )
        )
    )


def load(bid=100, ask=101):
    """A whole book of one level a side, for each symbol."""
    records = []
    for symbol in range(CONFIG.symbols):
        for side, price in ((0, bid), (InFlag.SIDE, ask)):
            records += [
                (InKind.REFILL_BEGIN, side, symbol, 0, 0, 0),
                (InKind.LEVEL, side | InFlag.REFILL, symbol, 0, price, 7),
                (InKind.REFILL_END, side | InFlag.WHOLE, symbol, 0, 0, 0),
            ]
    return rows(*records)


# Framing: the host's code and the reference share nothing.


@pytest.mark.parametrize("length", [0, 1, 2, 63, 127, 128, 252, 253, 254, 255, 508, 600])
@pytest.mark.parametrize("zeros", [0.0, 0.05, 0.5, 1.0])
def test_frames_of_the_host_are_those_of_the_reference(length, zeros):
    rng = random.Random(length)
    payload = bytes(0 if rng.random() < zeros else rng.randint(1, 255) for _ in range(length))
    text = framing.encode(2, 77, payload)
    assert text == reference.frame(2, 77, payload)
    assert text.count(0) == 1
    assert framing.Unframer().feed(text) == [(2, 77, payload)]
    assert reference.Unframer().feed(text) == [(2, 77, payload)]


def test_the_check_is_that_of_ethernet():
    assert reference.check_of(b"123456789") == 0xCBF43926


def test_a_frame_with_any_one_bit_wrong_is_no_frame():
    text = framing.encode(2, 5, bytes(range(16)))
    for bit in range(8 * len(text) - 8):
        broken = bytearray(text)
        broken[bit // 8] ^= 1 << bit % 8
        for unframer in (framing.Unframer(), reference.Unframer()):
            assert all(frame is None for frame in unframer.feed(bytes(broken)))


def test_endless_noise_takes_no_memory():
    unframer = framing.Unframer()
    for _ in range(50):
        assert unframer.feed(b"\x55" * 5000) == []
    assert len(unframer._text) <= 1024
    assert unframer.feed(b"\0" + framing.encode(2, 1, b"x")) == [(2, 1, b"x")]
    assert unframer.bad == 1


# The board, spoken to frame by frame with the reference.


def talk(board, *frames, cycles=40_000):
    """Frames to the board, and what it says."""
    for frame in frames:
        board.put(frame)
    out, unframer = [], reference.Unframer()
    while board.waiting:
        out += unframer.feed(board.run(2000))
    return out + unframer.feed(board.run(cycles))


def hello(board, number=0, nonce=b"\1\0\2\0"):
    return talk(board, reference.frame(ToBoard.HELLO, number, nonce))


def test_a_hello_begins_a_session_and_is_answered_by_frame_zero(board):
    kind, number, payload = hello(board, 41, b"abcd")[-1]
    assert (kind, number) == (FromBoard.STATUS, 0)
    assert payload[:6] == b"\x2a\x01abcd"
    assert int.from_bytes(payload[18:22], "little") == 1  # every symbol was made invalid


def test_registers_are_read_and_written_over_the_wire(board):
    hello(board)
    ratio = REGISTERS["ratio_num"].address.to_bytes(2, "little")
    out = talk(
        board,
        reference.frame(ToBoard.READ, 1, b"\0\0"),
        reference.frame(ToBoard.WRITE, 2, ratio + b"\x34\x12\0\0"),
        reference.frame(ToBoard.READ, 3, ratio),
        reference.frame(ToBoard.READ, 4, b"\0\x10"),  # behind the table
    )
    answers = [(kind, payload) for kind, _, payload in out if kind != FromBoard.STATUS]
    assert answers[0] == (FromBoard.VALUE, b"\0\0TAGT")
    assert answers[1] == (FromBoard.DONE, ratio)
    assert answers[2] == (FromBoard.VALUE, ratio + b"\x34\x12\0\0")
    assert answers[3] == (FromBoard.VALUE, b"\0\x10\0\0\0\0")


#: What is put on the wire after a HELLO, and the counters bad, malformed, lost it must give.
WRONG = {
    "check": (reference.frame(2, 1, bytes(16))[:-2] + b"\x7f\0", (1, 0, 0)),
    "cut": (reference.frame(2, 1, bytes(range(1, 17)))[:9] + b"\0", (1, 0, 0)),
    "short": (reference.cobs(b"\2\1\0") + b"\0", (1, 0, 0)),
    "code past the end": (b"\x09\x02\0", (1, 0, 0)),
    "long": (reference.frame(2, 1, bytes(16 * 9)), (1, 0, 0)),
    "very long": (b"\x55" * 3000 + b"\0", (1, 0, 0)),
    "no records": (reference.frame(2, 1, b""), (0, 1, 0)),
    "part of a record": (reference.frame(2, 1, bytes(17)), (0, 1, 0)),
    "unknown kind": (reference.frame(9, 1, bytes(4)), (0, 1, 0)),
    "kind zero": (reference.frame(0, 1, bytes(16)), (0, 1, 0)),
    "read of three bytes": (reference.frame(3, 1, bytes(3)), (0, 1, 0)),
    "missing number": (reference.frame(5, 4, bytes(4)), (0, 0, 3)),
    "number again": (reference.frame(5, 0, bytes(4)), (0, 0, 255)),
    "broken byte": ([5, 6, BREAK, 7, 0], (1, 0, 0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_counted_once_and_makes_every_symbol_invalid(board, name):
    hello(board)
    text, expected = WRONG[name]
    status = [payload for kind, _, payload in talk(board, text) if kind == FromBoard.STATUS][-1]
    counts = [int.from_bytes(status[at : at + 4], "little") for at in (6, 10, 14, 18)]
    assert (*expected, 2) == tuple(counts)


def test_delimiters_with_nothing_between_them_are_no_frames(board):
    hello(board)
    out = talk(board, b"\0\0\0", reference.frame(ToBoard.READ, 1, b"\0\0"))
    assert [kind for kind, _, _ in out if kind == FromBoard.VALUE]
    status = [payload for kind, _, payload in out if kind == FromBoard.STATUS][-1]
    assert status[6:18] == bytes(12)


# The host's link over the wire.


@pytest.mark.parametrize("host_baud", [None, 3_060_000, 2_940_000])
def test_records_and_registers_give_what_the_reference_gives(host_baud):
    """Also with the two ends two percent apart, which is what 8N1 has to bear."""
    board = UartBoard(CONFIG, host_baud=host_baud, seed=5)
    link = UartLink(serial=SerialWire(board))
    assert link.identify()[1:] == SIZES
    model = Reference(*SIZES)
    # The session began by clearing every side.
    model.feed(
        rows(*((InKind.CLEAR, InFlag.GAP | side, s, 0, 0, 0) for s in range(3) for side in (0, 1)))
    )
    settings = [*random_settings(3, *SIZES), ("report", 3)]
    for name, value in settings:
        link.write(name, value)
        model.write(name, value)
    for seed in range(2 if host_baud is None else 1):
        records = random_stream(seed, 200, *SIZES)
        result = compare(model.feed(records), link.transfer(records))
        assert result.equal, str(result)
        assert result.expected > 25
    assert link.read("records_in") == model.counters["records_in"]
    assert link.losses == (0, 0, 0, 0, 0, 0)
    assert board.broken == 0
    link.close()


class Once:
    """Harm to one byte of a direction, chosen by its place."""

    def __init__(self, at, leaves):
        self.at, self.leaves, self.seen = at, leaves, 0

    def __call__(self, byte):
        self.seen += 1
        return self.leaves(byte) if self.seen - 1 == self.at else [byte]


HARMS = {
    "changed": lambda byte: [byte ^ 0x10],
    "lost": lambda byte: [],
    "doubled": lambda byte: [byte, byte],
    "zero": lambda byte: [0],
    "break": lambda byte: [BREAK],
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("at", [0, 1, 5, 139, 141, 200, 300])
def test_one_harmed_byte_is_found_and_the_books_are_silent_until_refilled(board, harm, at):
    """The harm falls into one of three frames with records, or into the flush behind them."""
    wire = SerialWire(board)
    link = UartLink(serial=wire)
    link.write("report", 1)
    link.write("levels_n", 1)
    out = link.transfer(np.concatenate([load(), look(1)]))
    assert not views(out)["reasons"].any()
    wire.to_board = Once(at, HARMS[harm])
    link.transfer(look(2)[np.zeros(18, int)])  # 18 EVENT_BEGIN: they change nothing
    wire.to_board = None
    told = link.losses
    assert told.board_bad + told.board_lost > 0
    assert told.invalidated > 0
    out = link.transfer(look(3))
    wanted = ViewReason.UNKNOWN | ViewReason.GAP
    assert [int(each) for each in views(out)["reasons"]] == [wanted] * CONFIG.symbols
    out = link.transfer(np.concatenate([load(), look(4)]))
    assert not views(out)["reasons"].any()
    assert link.losses == told


def test_a_harmed_byte_from_the_board_is_counted_and_harms_no_book(board):
    wire = SerialWire(board)
    link = UartLink(serial=wire)
    link.write("report", 1)
    link.write("levels_n", 1)
    link.transfer(load())
    wire.to_host = Once(300, HARMS["changed"])
    out = link.transfer(np.concatenate([look(n) for n in range(4)]))
    assert (link.losses.host_bad, link.losses.host_lost) == (1, 1)
    assert link.losses.invalidated == 0
    assert len(out) in (11, 12)
    assert not views(out)["reasons"].any()


def test_a_port_without_a_board_is_one_clear_error():
    class Silent:
        in_waiting = 0

        def read(self, size=1):
            return b""

        def write(self, text):
            return len(text)

        def reset_input_buffer(self):
            pass

        def close(self):
            pass

    with pytest.raises(LinkError, match="expected a board to answer, was silent 5 times"):
        UartLink(serial=Silent())
    with pytest.raises(LinkError, match="expected the name of a port"):
        UartLink()
    with pytest.raises(LinkError, match=r"/dev/no-such-port"):
        UartLink("/dev/no-such-port")


def test_unplug_and_replug_begin_a_session_with_every_symbol_invalid(board):
    wire = SerialWire(board)
    link = UartLink(serial=wire)
    link.write("report", 1)
    link.write("levels_n", 1)
    link.transfer(load())
    wire.plugged = False
    with pytest.raises(LinkError, match="is gone"):
        link.transfer(look(1))
    board.put(b"\x03\x55")  # what a plug that is pulled leaves on the wire
    board.run(20_000)
    wire.plugged = True
    link.reconnect()
    out = link.transfer(look(2))
    wanted = ViewReason.UNKNOWN | ViewReason.GAP
    assert [int(each) for each in views(out)["reasons"]] == [wanted] * CONFIG.symbols
    out = link.transfer(np.concatenate([load(), look(3)]))
    assert not views(out)["reasons"].any()


def soak(records, share, seed, brief=False):
    """Random byte errors in both directions; returns the link's losses and recoveries seen.

    What the board applied is what it counted: nothing of a frame that was harmed is among it.
    """
    board = UartBoard(CONFIG, seed=seed, brief=brief)
    wire = SerialWire(board, timeout_cycles=60_000)
    link = UartLink(serial=wire)
    settled = 0
    rng = random.Random(seed)
    for name, value in (("report", 1), ("levels_n", 1)):
        link.write(name, value)
    sent = valid = silent = 0
    while sent < records:
        bid = rng.randint(100, 60_000)
        batch = np.concatenate([load(bid, bid + 1), look(sent), look(sent + 1)])
        wire.to_board = random_harm(rng.getrandbits(32), share)
        wire.to_host = random_harm(rng.getrandbits(32), share / 4)
        try:
            out = link.transfer(batch)
        except LinkError:
            settled += 1
            wire.to_board = wire.to_host = None
            link.reconnect()
            continue
        sent += len(batch)
        for view in views(out):
            told = (int(view["bid_price_ticks"]), int(view["ask_price_ticks"]))
            if view["reasons"] == 0:
                valid += 1
                assert told == (bid, bid + 1), "valid, and not the book this batch loads"
            else:
                silent += 1
    losses = link.losses
    wire.to_board = wire.to_host = None
    link.transfer(rows((InKind.HEARTBEAT, 0, 0, 0, 0, 0)))
    out = link.transfer(np.concatenate([load(77, 78), look(1)]))
    assert [int(each) for each in views(out)["bid_price_ticks"]] == [77] * CONFIG.symbols
    assert not views(out)["reasons"].any()
    malformed = sum(link.read(f"malformed_{n}") for n in ("kind", "symbol", "reserved", "price"))
    assert malformed == 0, "no record that was not sent"
    link.close()
    board.close()
    return losses, valid, silent, settled


def test_random_byte_errors_are_all_found_none_is_applied_and_the_books_recover():
    losses, valid, silent, _ = soak(3_000, 0.002, 3)
    assert losses.board_bad > 3
    assert losses.board_lost > 3
    assert losses.invalidated > 3
    assert valid > 100
    assert silent > 3
