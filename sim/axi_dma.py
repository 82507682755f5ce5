# SPDX-License-Identifier: Apache-2.0
"""A model of Xilinx's AXI DMA in simple mode, between a memory and a board's two streams.

Source: PG021, AXI DMA 7.1, direct register mode, both channels, without realignment.
"""

from typing import Protocol

from sim.axi_board import AxiBoard

__all__ = ["AxiDma", "Memory"]

#: Offsets of the channels' registers: memory to stream, stream to memory.
SEND, RECEIVE = 0x00, 0x30
#: Bits of DMASR.
HALTED, IDLE, INTERNAL_ERROR, DECODE_ERROR, IOC, ERR = 0x1, 0x2, 0x10, 0x40, 0x1000, 0x4000

_CONTROL, _STATUS, _ADDRESS, _ADDRESS_HIGH, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_RUN, _RESET = 0x1, 0x4
_LENGTH_BITS = 26
_MOST_BYTES = 1 << 20
#: Bytes that the receiving channel takes before it is told where to put them, halted or not: four
#: beats, by PG021, "Typical System Interconnect".
_EARLY_BYTES = 32
_CYCLES_A_READ = 64
_CYCLES_OF_RESET = 100


class Memory(Protocol):
    """What the DMA reads and writes."""

    def load(self, address: int, length: int) -> bytes:
        """Bytes at a physical address; IndexError where there is no memory."""

    def store(self, address: int, text: bytes) -> None:
        """Write bytes at a physical address; IndexError where there is no memory."""


class _Channel:
    """Registers of one direction."""

    def __init__(self) -> None:
        self.address = self.length = self.errors = self.interrupts = 0
        self.run = self.busy = self.idle = False

    @property
    def status(self) -> int:
        halted = HALTED if not (self.run or self.busy) else 0
        idle = IDLE if self.run and self.idle else 0
        return 0x10000 | self.interrupts | self.errors | halted | idle

    def control(self, value: int) -> None:
        run = bool(value & _RUN) and not self.errors  # only a reset ends an error
        self.idle = self.idle and run and self.run
        self.run = run

    def finish(self, length: int | None = None) -> None:
        self.busy, self.idle = False, True
        self.interrupts |= IOC
        if length is not None:
            self.length = length

    def fail(self, error: int) -> None:
        self.errors |= error
        self.interrupts |= ERR
        self.run = self.busy = False


class AxiDma:
    """The registers of a DMA; the board's clock runs while they are read.

    Parameters
    ----------
    board : AxiBoard
        Its streams.
    memory : Memory
        Where buffers are.

    Attributes
    ----------
    cut : int or None
        Harm: the next transfer to the board ends after so many bytes.
    lose_last : bool
        Harm: TLAST of the next transfer to the board is lost.
    stuck : bool
        Harm: a reset does not end.
    sent, received : list of int
        Bytes of each transfer to the board, and of each packet from it.
    asked : int
        Packets from the board that were asked for.
    """

    def __init__(self, board: AxiBoard, memory: Memory) -> None:
        self._board, self._memory = board, memory
        self.cut: int | None = None
        self.lose_last = self.stuck = False
        self.sent: list[int] = []
        self.received: list[int] = []
        self.asked = 0
        self._reset_until: int | None = None
        self.reset()

    def _clear(self) -> None:
        self._channels = {SEND: _Channel(), RECEIVE: _Channel()}
        self._early = b""
        self._board.abandon()

    def reset(self) -> None:
        """Begin as after power-up."""
        self._reset_until = None
        self._clear()
        self._listen()

    def read(self, offset: int) -> int:
        """Read a register at a byte offset; unused ones are 0."""
        self._board.run(_CYCLES_A_READ)
        self._settle()
        if offset >= 2 * RECEIVE:
            return 0
        base, register = divmod(offset, RECEIVE)
        channel = self._channels[base * RECEIVE]
        if register == _CONTROL:
            resetting = self._reset_until is not None
            return 0x10002 | (_RUN if channel.run else 0) | (_RESET if resetting else 0)
        if register == _STATUS:
            return channel.status
        if register in (_ADDRESS, _ADDRESS_HIGH):
            return channel.address >> (32 if register == _ADDRESS_HIGH else 0) & 0xFFFFFFFF
        return channel.length if register == _LENGTH else 0

    def write(self, offset: int, value: int) -> None:
        """Write a register at a byte offset.

        Raises
        ------
        RuntimeError
            A transfer is begun before the last one ended.
        """
        base, register = divmod(offset, RECEIVE)
        if base > 1 or self._reset_until is not None:
            return
        channel = self._channels[base * RECEIVE]
        if register == _CONTROL and value & _RESET:
            self._clear()
            self._reset_until = self._board.cycles + _CYCLES_OF_RESET
        elif register == _CONTROL:
            channel.control(value)
        elif register == _STATUS:
            channel.interrupts &= ~value
        elif register == _ADDRESS:
            channel.address = channel.address >> 32 << 32 | value
        elif register == _ADDRESS_HIGH:
            channel.address = channel.address & 0xFFFFFFFF | value << 32
        elif register == _LENGTH:
            self._begin(channel, value & ((1 << _LENGTH_BITS) - 1))

    def _begin(self, channel: _Channel, length: int) -> None:
        if channel.busy:
            raise RuntimeError("DMA: expected a channel that is idle, was one at work")
        if length == 0 or not channel.run:
            return
        channel.busy, channel.idle, channel.length = True, False, length
        if channel is self._channels[SEND]:
            self._send(channel)
            return
        self.asked += 1
        if self._board.ended:  # a packet this short is there already
            return
        self._early = self._board.got()
        rest = length - len(self._early)
        if rest > 0:
            self._board.arm(min(rest, _MOST_BYTES))
        else:
            channel.fail(INTERNAL_ERROR)

    def _listen(self) -> None:
        self._early = b""
        self._board.arm(_EARLY_BYTES)

    def _send(self, channel: _Channel) -> None:
        try:
            text = self._memory.load(channel.address, channel.length)
        except IndexError:
            channel.fail(DECODE_ERROR)
            return
        self.sent.append(len(text))
        self._board.put(text[: self.cut], last=not self.lose_last)
        self.cut, self.lose_last = None, False

    def _settle(self) -> None:
        """What has come about since the last look."""
        late = self._reset_until is not None and self._board.cycles >= self._reset_until
        if late and not self.stuck:
            self._reset_until = None
            self._listen()
        send, receive = self._channels[SEND], self._channels[RECEIVE]
        if send.busy and self._board.waiting == 0:
            send.finish()
        ended = self._board.ended
        if not receive.busy or ended is False:
            return
        text = self._early + self._board.got()
        try:
            self._memory.store(receive.address, text)
        except IndexError:
            receive.fail(DECODE_ERROR)
            return
        if ended is None:  # more comes than there is room for
            receive.fail(INTERNAL_ERROR)
            return
        self.received.append(len(text))
        receive.finish(len(text))
        self._listen()
