# SPDX-License-Identifier: Apache-2.0
"""The host's end of the serial link where the port, the wire or the board fails."""

import termios
import time

import numpy as np
import pytest
import serial

from host.links.base import LinkError
from host.links.uart import UartLink
from sim import reference_uart as reference
from tests.host.model_uart import DONE, RECORD, RECORDS, STATUS, VALUE, WRITE, ModelUart, Wire


def rows(*fills):
    return np.array([[fill] * 16 for fill in fills], np.uint8)


@pytest.fixture
def board():
    return ModelUart()


@pytest.fixture
def wire(board):
    return Wire(board)


def kind_of(text):
    found = reference.Unframer().feed(text)
    return found[0][0] if found and found[0] else None


def losing(wire, kind, times=1):
    """Lose the next frames of a kind on their way to the board."""
    left = [times]

    def to_board(text):
        if left[0] and kind_of(text) == kind:
            left[0] -= 1
            return b""
        return text

    wire.to_board = to_board


def test_a_late_answer_is_not_taken_for_that_of_a_later_request(board, wire):
    link = UartLink(serial=wire)
    board.words[9] = 1
    wire.late = lambda kind: 0.6 if kind == VALUE else 0.0
    assert link.read_word(9) == 1
    for value in (2, 3):
        board.words[9] = value
        assert link.read_word(9) == value
    wire.late = lambda kind: 0.6 if kind == DONE else 0.0
    link.write_word(5, 1)
    wire.late = lambda kind: 0.0
    losing(wire, WRITE)
    with pytest.raises(LinkError, match="may have taken effect"):
        link.write_word(5, 2)
    assert board.words[5] == 1


def test_a_write_counts_as_done_where_only_its_answer_was_lost(board, wire):
    link = UartLink(serial=wire)
    wire.drop = lambda kind: kind == DONE
    link.write_word(5, 7)
    assert board.words[5] == 7
    assert link.losses.host_lost == 1


def test_nothing_of_a_failed_transfer_is_told_later_and_reconnect_begins_anew(board, wire):
    link = UartLink(serial=wire)
    board.results = [bytes([2]) + bytes(63)]
    wire.drop = lambda kind: kind == STATUS
    with pytest.raises(LinkError, match="expected an answer to a flush, was none"):
        link.transfer(rows(1))
    wire.drop = lambda kind: False
    for request in (lambda: link.transfer(rows(2)), lambda: link.read_word(1)):
        with pytest.raises(LinkError, match="expected reconnect after a fault"):
            request()
    with pytest.raises(LinkError, match="written without an answer"):
        link.write_word(3, 1)
    assert board.words[3] == 1, "the kill switch gets through"
    link.reconnect()
    assert len(link.transfer(rows(3))) == 0
    assert board.applied[-1] == bytes([3] * 16)


def test_a_cut_of_any_length_is_never_gone_unseen(board, wire):
    """256 frames lost bring the number back to what the board expects."""
    link = UartLink(serial=wire)
    wire.to_board = lambda text: b""
    for _ in range(300):
        with pytest.raises(LinkError):
            link.transfer(rows(9))
    wire.to_board = lambda text: text
    board.applied.clear()
    with pytest.raises(LinkError):
        link.transfer(rows(4))
    link.reconnect()
    link.transfer(rows(4))
    assert board.applied == ["CLEAR", bytes([4] * 16)]


def test_half_a_frame_does_not_swallow_the_next_one(board, wire):
    link = UartLink(serial=wire)
    whole = wire.write

    def half(text):
        whole(text[: len(text) // 2])
        raise serial.SerialTimeoutException("Write timeout")

    wire.write = half
    with pytest.raises(LinkError, match="is gone: Write timeout"):
        link.transfer(rows(1))
    wire.write = whole
    with pytest.raises(LinkError, match="may have taken effect"):
        link.write_word(7, 1)
    assert board.words[7] == 1
    link.reconnect()
    link.transfer(rows(2))
    assert board.applied[-2:] == ["CLEAR", bytes([2] * 16)]


@pytest.mark.parametrize("before", [0, 1, 77, 254, 255])
def test_a_result_lost_before_the_answer_is_counted_whatever_the_answers_number(board, before):
    wire = Wire(board)
    link = UartLink(serial=wire)
    while (board.number + 2) & 0xFF != before:  # STATUS, RECORD, and then the answer
        link.transfer(rows()[:0].reshape(0, 16))
    wire.drop = lambda kind: kind == RECORD
    board.results = [bytes([2]) + bytes(63)]
    assert len(link.transfer(rows(1))) == 0
    assert link.losses.host_lost == 1
    assert link.lost_frames == 1


def test_a_board_that_was_reset_is_a_named_error_and_not_fewer_losses(board, wire):
    link = UartLink(serial=wire)
    losing(wire, RECORDS)
    link.transfer(rows(1))
    assert link.losses[:4] == (0, 0, 1, 1)
    wire.board = fresh = ModelUart()
    with pytest.raises(LinkError, match="the board was reset; reconnect and configure it again"):
        link.transfer(rows(2))
    assert fresh.applied[0] == "CLEAR"
    link.reconnect()
    assert link.losses == (0, 0, 0, 0, 0, 0)


class Chatter(Wire):
    """Something else on the port: so many bytes each so often."""

    def __init__(self, monkeypatch, text, every_s):
        super().__init__(ModelUart())
        self.text, self.every_s = text, every_s
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def write(self, text):
        return len(text)

    def read(self, size=1):
        self.now += self.every_s
        return self.text[:size]


@pytest.mark.parametrize(
    ("text", "every_s"),
    [(b"$GPGGA,1234.5,N,1234.5,E,1,08,0.9,545*4\n", 0.2), (b"x", 0.4), (b"\0", 1e-5)],
)
def test_a_port_that_chatters_is_given_up_within_a_minute(monkeypatch, text, every_s):
    port = Chatter(monkeypatch, text, every_s)
    with pytest.raises(LinkError, match=r"expected a board to answer, was \d+ bytes of something"):
        UartLink(serial=port)
    assert port.now < 60


@pytest.mark.parametrize("fault", [OSError(5, "x"), termios.error(5, "Input/output error")])
@pytest.mark.parametrize("method", ["read", "write", "reset_input_buffer", "in_waiting"])
def test_whatever_a_port_raises_is_a_link_error(board, fault, method):
    def fail(*_):
        raise fault

    fails = property(fail) if method == "in_waiting" else fail
    wire = Wire(board)
    link = UartLink(serial=wire)
    wire.__class__ = type("Failing", (Wire,), {method: fails})
    with pytest.raises(LinkError, match="is gone"):
        link.reconnect()
    with pytest.raises(LinkError):
        link.transfer(rows(1))


@pytest.mark.parametrize("fault", [termios.error(5, "Input/output error"), OSError(5, "x")])
def test_a_port_that_dies_while_it_is_opened_or_closed_is_a_link_error(monkeypatch, fault):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr(serial, "Serial", fail)
    with pytest.raises(LinkError, match="/dev/ttyX"):
        UartLink("/dev/ttyX")
    wire = Wire(ModelUart())
    monkeypatch.setattr(serial, "Serial", lambda *_, **__: wire)
    link = UartLink("/dev/ttyX")
    wire.close = fail
    link.close()
    link.close()


@pytest.mark.parametrize("given", [{"baud": 1 << 40}, {"baud": "x"}, {"timeout_s": None}])
def test_a_rate_or_a_time_that_is_none_is_a_link_error(tmp_path, given):
    with pytest.raises(LinkError, match="link uart: "):
        UartLink(str(tmp_path / "no-port"), **given)
