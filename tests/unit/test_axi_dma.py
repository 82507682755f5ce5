# SPDX-License-Identifier: Apache-2.0
"""The model of the DMA against what PG021 says of simple mode, with a stand-in for the board."""

import pytest

from sim.axi_dma import DECODE_ERROR, ERR, HALTED, IDLE, INTERNAL_ERROR, IOC, RECEIVE, SEND, AxiDma

BASE = 0x1000
CONTROL, STATUS, ADDRESS, HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28


class Board:
    """Streams whose far ends a test holds."""

    def __init__(self):
        self.cycles = self.waiting = self.room = 0
        self.sent, self.come, self.ended = [], b"", False

    def run(self, cycles):
        self.cycles += cycles

    def abandon(self):
        self.waiting = self.room = 0
        self.come, self.ended = b"", False

    def put(self, text, last=True):
        self.sent.append((text, last))
        self.waiting = 1

    def arm(self, most):
        self.room, self.come, self.ended = most, b"", False

    def got(self):
        return self.come

    def say(self, text, last):
        """What the board offers; what is taken is returned."""
        taken, self.come = text[: self.room], self.come + text[: self.room]
        self.room -= len(taken)
        self.ended = None if self.room == 0 and not (last and len(taken) == len(text)) else last
        return len(taken)


class Memory:
    """Bytes at `BASE`."""

    def __init__(self):
        self.text = bytearray(range(256))

    def load(self, address, length):
        if not BASE <= address <= address + length <= BASE + len(self.text):
            raise IndexError
        return bytes(self.text[address - BASE :][:length])

    def store(self, address, text):
        self.load(address, len(text))
        self.text[address - BASE : address - BASE + len(text)] = text


@pytest.fixture
def dma():
    dma = AxiDma(Board(), Memory())
    for channel in (SEND, RECEIVE):
        dma.write(channel + CONTROL, 1)
    return dma


def begin(dma, channel, address=BASE, length=64):
    dma.write(channel + ADDRESS, address & 0xFFFFFFFF)
    dma.write(channel + HIGH, address >> 32)
    dma.write(channel + LENGTH, length)


def status(dma, channel):
    return dma.read(channel + STATUS) & 0xFFFF


def test_after_reset_a_channel_is_halted_and_runs_when_told_to():
    dma = AxiDma(Board(), Memory())
    for channel in (SEND, RECEIVE):
        assert dma.read(channel + CONTROL) == 0x10002
        assert status(dma, channel) == HALTED
        begin(dma, channel)  # no effect while halted
        assert (dma._board.sent, dma.asked) == ([], 0)
        dma.write(channel + CONTROL, 1)
        assert dma.read(channel + CONTROL) == 0x10003
        assert status(dma, channel) == 0  # not idle before the first transfer


def test_a_transfer_to_the_board_is_idle_when_the_board_has_taken_it(dma):
    begin(dma, SEND, BASE + 8, 100)
    assert dma._board.sent == [(bytes(range(8, 108)), True)]
    assert status(dma, SEND) == 0
    dma._board.waiting = 0
    assert status(dma, SEND) == IDLE | IOC
    dma.write(SEND + STATUS, IOC)
    assert status(dma, SEND) == IDLE
    begin(dma, SEND, length=0)  # no effect
    assert status(dma, SEND) == IDLE
    assert dma.read(SEND + ADDRESS) == BASE


def test_a_packet_from_the_board_tells_its_length(dma):
    assert dma._board.say(bytes(100), False) == 32  # it takes a few beats before it is told where
    begin(dma, RECEIVE, length=128)
    dma._board.say(b"x" * 40, False)
    assert status(dma, RECEIVE) == 0
    dma._board.say(b"y" * 8, True)
    assert status(dma, RECEIVE) == IDLE | IOC
    assert dma.read(RECEIVE + LENGTH) == 80
    assert dma._memory.text[:81] == bytes(32) + b"x" * 40 + b"y" * 8 + bytes([80])
    assert dma.received == [80]


@pytest.mark.parametrize("channel", [SEND, RECEIVE])
def test_an_address_outside_is_a_decode_error_that_only_a_reset_ends(dma, channel):
    begin(dma, channel, BASE + (1 << 32))
    dma._board.say(bytes(64), True)
    assert status(dma, channel) == HALTED | DECODE_ERROR | ERR
    dma.write(channel + STATUS, 0x7000)
    dma.write(channel + CONTROL, 1)
    assert status(dma, channel) == HALTED | DECODE_ERROR


def test_a_packet_that_is_too_long_is_an_internal_error(dma):
    begin(dma, RECEIVE, length=64)
    dma._board.say(b"z" * 72, True)
    assert status(dma, RECEIVE) == HALTED | INTERNAL_ERROR | ERR
    assert dma._memory.text[:65] == b"z" * 64 + bytes([64])


def test_a_length_has_26_bits(dma):
    begin(dma, SEND, length=(1 << 26) + 64)
    assert dma._board.sent == [(bytes(range(64)), True)]


@pytest.mark.parametrize("channel", [SEND, RECEIVE])
def test_a_reset_of_either_channel_drops_what_both_do(dma, channel):
    begin(dma, SEND)
    begin(dma, RECEIVE)
    dma._board.say(bytes(16), False)
    dma.write(channel + CONTROL, 4)
    assert (dma._board.waiting, dma._board.room) == (0, 0)
    assert dma.read(CONTROL) & 4
    dma.write(SEND + CONTROL, 1)  # no effect during reset
    assert dma.read(CONTROL) == 0x10002
    assert [status(dma, each) for each in (SEND, RECEIVE)] == [HALTED] * 2


def test_a_reset_can_be_stuck(dma):
    dma.stuck = True
    dma.write(CONTROL, 4)
    for _ in range(100):
        assert dma.read(CONTROL) & 4


def test_a_channel_that_is_stopped_ends_its_transfer_first(dma):
    begin(dma, SEND)
    dma.write(CONTROL, 0)
    assert status(dma, SEND) == 0
    dma._board.waiting = 0
    assert status(dma, SEND) == HALTED | IOC


def test_a_second_transfer_before_the_first_ends_is_refused(dma):
    begin(dma, SEND)
    with pytest.raises(RuntimeError, match="expected a channel that is idle"):
        dma.write(SEND + LENGTH, 64)


def test_harm_is_done_once(dma):
    dma.cut, dma.lose_last = 10, True
    for _ in range(2):
        begin(dma, SEND, length=16)
        dma._board.waiting = 0
        assert status(dma, SEND) & IDLE
    assert dma._board.sent == [(bytes(range(10)), False), (bytes(range(16)), True)]


def test_other_registers_are_nothing(dma):
    dma.write(0x100, 0xFF)
    assert dma.read(0x100) == dma.read(0x08) == 0
