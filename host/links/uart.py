# SPDX-License-Identifier: Apache-2.0
"""The link to a board on a serial port."""

import contextlib
import os
import struct
import time
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE
from host.links.base import OUT_BYTES, Link, LinkError, record_bytes
from host.links.framing import Frame, Unframer, encode

try:
    from termios import error as _TermiosError
except ImportError:  # a system without terminals: its ports fail as files do
    _TermiosError = OSError  # type: ignore[misc, assignment]

__all__ = ["Losses", "SerialPort", "UartLink"]

#: What a port raises that is gone: pyserial hands on what `termios` says, which is no `OSError`.
_PORT_FAULTS = (OSError, _TermiosError)

# Kinds of frames, see docs/uart.md.
_HELLO, _RECORDS, _READ, _WRITE, _FLUSH = 1, 2, 3, 4, 5
_STATUS, _RECORD, _VALUE, _DONE = 0x81, 0x82, 0x83, 0x84
_STATUS_FORMAT = struct.Struct("<BBIIIII")
_RECORDS_A_FRAME = 8
#: Frames that may be on their way, as many as the board has room for.
_WINDOW = 8
#: Requests after which a board that does not answer is given up.
_ATTEMPTS = 5
#: Bytes read without the answer that is waited for, after which it counts as not given.
_PATIENCE_BYTES = 1 << 20
#: Bytes, and timeouts of the port, in which not one frame was whole: nobody there speaks this.
_NOISE_BYTES, _NOISE_TIMEOUTS = 1024, 20
_READ_BYTES = 4096


class SerialPort(Protocol):
    """What the link needs of a serial port; `serial.Serial` has it."""

    def read(self, size: int = 1) -> bytes:
        """Bytes that have come, at most `size`; none after the port's timeout."""

    def write(self, text: bytes) -> int | None:
        """Send bytes."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""

    def reset_input_buffer(self) -> None:
        """Forget what has come."""

    def close(self) -> None:
        """Let go of the port."""


class Losses(NamedTuple):
    """Frames that did not arrive whole, since the link was opened or reconnected.

    Attributes
    ----------
    board_bad : int
        Frames to the board that were cut or whose check was wrong, as the board counts them.
    board_malformed : int
        Frames to the board of an unknown kind or length.
    board_lost : int
        Frames to the board that are missing by their numbers.
    invalidated : int
        Times the board made all symbols invalid.
    host_bad : int
        Frames from the board whose coding or check was wrong.
    host_lost : int
        Frames from the board that are missing by their numbers: out records may be among them.
    """

    board_bad: int
    board_malformed: int
    board_lost: int
    invalidated: int
    host_bad: int
    host_lost: int


class UartLink(Link):
    """A board on a serial port.

    Nothing is sent twice. A frame to the board that is lost makes every symbol of the board
    invalid, so its books are silent until they are refilled; one from the board is missing in what
    `transfer` returns, where the records' own numbers tell of it. Both are counted in `losses`.

    Once the port or the board has failed, nothing is taken from it until `reconnect`; a register
    can still be written, for the sake of the kill switch, but that never counts as confirmed.

    Parameters
    ----------
    port : str or None
        Name of the port, such as ``/dev/ttyUSB0``; None with `serial`.
    baud : int
        Rate of the board.
    timeout_s : float
        Time without a byte after which an answer counts as lost.
    serial : SerialPort or None
        A port that is open already, instead of `port`.

    Raises
    ------
    LinkError
        The port cannot be opened, or no board answers on it.
    ModuleNotFoundError
        pyserial is not installed.
    """

    def __init__(
        self,
        port: str | None = None,
        *,
        baud: int = 3_000_000,
        timeout_s: float = 0.5,
        serial: SerialPort | None = None,
    ) -> None:
        if (port is None) == (serial is None):
            raise LinkError("link uart: expected the name of a port, such as port=/dev/ttyUSB0")
        self._name, self._baud, self._timeout_s = port, baud, timeout_s
        self._port: SerialPort | None = serial
        self._unframer = Unframer()
        self._number = self._acknowledged = self._expected = self._host_lost = 0
        self._board = (0, 0, 0, 0)
        self._board_before = (0, 0, 0, 0)
        self._nonce = int.from_bytes(os.urandom(4), "little")
        self._answered: int | None = None
        self._results: list[bytes] = []
        self._answers: list[Frame] = []
        self._frames = self._bytes = 0
        self._greeting, self._failed = False, ""
        self._open()

    def _open(self) -> None:
        if self._port is None:
            import serial

            try:
                self._port = serial.Serial(
                    self._name,
                    self._baud,
                    timeout=self._timeout_s,
                    write_timeout=10 * self._timeout_s,
                    exclusive=True,
                )
            except (*_PORT_FAULTS, ValueError, OverflowError, TypeError) as error:
                raise LinkError(f"link uart: {self._name}: {error}") from error
        try:
            self._hello()
        except LinkError:
            if self._name is not None:
                self.close()
            raise

    def reconnect(self) -> None:
        """Open the port again and begin a new session; all symbols of the board become invalid.

        Raises
        ------
        LinkError
            The port cannot be opened, or no board answers on it.
        """
        if self._name is not None:
            self.close()
        self._open()

    @property
    def losses(self) -> Losses:
        """What did not arrive whole."""
        board = (now - before for now, before in zip(self._board, self._board_before, strict=True))
        bad, malformed, lost, invalidated = board
        return Losses(bad, malformed, lost, invalidated, self._unframer.bad, self._host_lost)

    @property
    def lost_frames(self) -> int:
        """Sum of `losses`: it grows with each frame that does not arrive whole."""
        return sum(self.losses)

    # The wire

    def _open_port(self) -> SerialPort:
        if self._port is None:
            raise LinkError("link uart: expected an open one, was closed")
        return self._port

    def _fail(self, text: str) -> LinkError:
        """The error, once nothing can be taken for an answer any more."""
        self._failed = text
        self._results.clear()
        return LinkError(f"link uart: {text}")

    def _gone(self, error: Exception) -> LinkError:
        return self._fail(f"{self._name or 'port'} is gone: {error}")

    def _write(self, text: bytes) -> None:
        try:
            self._open_port().write(text)
        except _PORT_FAULTS as error:
            raise self._gone(error) from error

    def _pump(self) -> int:
        """Read what has come and sort it; the number of bytes, 0 after the port's timeout."""
        port = self._open_port()
        try:
            text = port.read(max(1, min(_READ_BYTES, port.in_waiting)))
        except _PORT_FAULTS as error:
            raise self._gone(error) from error
        self._bytes += len(text)
        for frame in self._unframer.feed(text):
            self._sort(frame)
        return len(text)

    def _sort(self, frame: Frame) -> None:
        lengths = {_STATUS: _STATUS_FORMAT.size, _RECORD: OUT_BYTES, _VALUE: 6, _DONE: 2}
        if lengths.get(frame.kind) != len(frame.payload):
            self._unframer.bad += 1
            return
        self._frames += 1
        if frame.kind == _STATUS:
            expected, answer, nonce, *counts = _STATUS_FORMAT.unpack(frame.payload)
            bad, malformed, lost, invalidated = counts
            if answer:
                self._answered = nonce
            if self._greeting and answer and frame.number == 0 and nonce == self._nonce:
                self._expected = 0  # the first frame of this session
            now = (bad, malformed, lost, invalidated)
            fell = any(new < old for new, old in zip(now, self._board, strict=True))
            self._board = now
            if fell and not self._greeting:
                raise self._fail("the board was reset; reconnect and configure it again")
            if (self._number - expected) & 0xFF <= (self._number - self._acknowledged) & 0xFF:
                self._acknowledged = expected
        self._host_lost += (frame.number - self._expected) & 0xFF
        self._expected = (frame.number + 1) & 0xFF
        if frame.kind == _RECORD:
            self._results.append(frame.payload)
        elif frame.kind in (_VALUE, _DONE):
            self._answers.append(frame)

    def _send(self, kind: int, payload: bytes) -> None:
        text = encode(kind, self._number, payload)
        self._number = (self._number + 1) & 0xFF
        self._write(text)

    def _wait(self, until: Any) -> bool:
        """Read until `until()`; False when the port's timeout passes, or all that comes is else."""
        come, noise, frames, since = 0, 0, self._frames, time.monotonic()
        while not until():
            got = self._pump()
            come, noise = come + got, noise + got
            if frames != self._frames:
                noise, frames, since = 0, self._frames, time.monotonic()
            late = time.monotonic() - since > _NOISE_TIMEOUTS * self._timeout_s
            if got == 0 or late or noise > _NOISE_BYTES or come > _PATIENCE_BYTES:
                return False
        return True

    # Requests

    def _hello(self) -> None:
        port, before = self._open_port(), self._bytes
        self._greeting = True
        for _ in range(_ATTEMPTS):
            try:
                port.reset_input_buffer()
            except _PORT_FAULTS as error:
                raise self._gone(error) from error
            self._unframer.clear()
            self._nonce = (self._nonce + 1) & 0xFFFFFFFF
            self._answered, self._number = None, 0
            self._write(b"\0")  # ends whatever the board had begun to read
            self._send(_HELLO, self._nonce.to_bytes(4, "little"))
            if self._wait(lambda: self._answered == self._nonce):
                self._number = self._acknowledged = 1
                self._results.clear()
                self._answers.clear()
                self._unframer.bad = self._host_lost = 0
                self._board_before = self._board
                self._greeting, self._failed = False, ""
                return
        came = self._bytes - before
        was = f"was {came} bytes of something else" if came else f"was silent {_ATTEMPTS} times"
        raise self._fail(
            f"{self._name or 'port'}: expected a board to answer, {was}; "
            f"check the port, the rate ({self._baud}) and that a bitstream runs"
        )

    def _flush(self) -> None:
        """Wait until the board has taken all that was sent and said all it has to say."""
        for _ in range(_ATTEMPTS):
            self._nonce = (self._nonce + 1) & 0xFFFFFFFF
            self._send(_FLUSH, self._nonce.to_bytes(4, "little"))
            if self._wait(lambda: self._answered == self._nonce):
                return
        raise self._fail(f"expected an answer to a flush, was none after {_ATTEMPTS} requests")

    def _sound(self) -> None:
        if self._failed:
            raise LinkError(f"link uart: expected reconnect after a fault: {self._failed}")

    def _answer(self, address: bytes) -> Frame | None:
        """The answer about an address; none is left on its way to be taken for a later one's."""

        def come() -> list[Frame]:
            return [frame for frame in self._answers if frame.payload[:2] == address]

        if not self._wait(come):
            self._flush()
        return come()[0] if come() else None

    def _credit(self) -> None:
        """Wait until the board has room for one more frame."""
        if not self._wait(lambda: (self._number - self._acknowledged) & 0xFF < _WINDOW):
            self._flush()  # what is missing at the end shows by the number of the next frame

    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address; asks again when an answer is lost.

        Raises
        ------
        LinkError
            No answer comes, or none can be told from an older one.
        """
        self._sound()
        asked = address.to_bytes(2, "little")
        for _ in range(_ATTEMPTS):
            self._credit()
            self._answers.clear()
            self._send(_READ, asked)
            if (answer := self._answer(asked)) is not None:
                return int.from_bytes(answer.payload[2:], "little")
        raise LinkError(
            f"link uart: word {address}: expected an answer, was none after {_ATTEMPTS} requests"
        )

    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address.

        Raises
        ------
        LinkError
            It is not known whether the board is done: the write may have taken effect, or not. It
            is not sent again, because some registers act each time they are written.
        """
        told = address.to_bytes(2, "little")
        if self._failed:  # what was cut before must not be read as its beginning
            self._write(b"\0")
            self._send(_WRITE, told + value.to_bytes(4, "little"))
            raise LinkError(
                f"link uart: word {address}: written without an answer, it may have taken effect; "
                f"expected reconnect after a fault: {self._failed}"
            )
        self._credit()
        self._answers.clear()
        before = self._board[:3]
        self._send(_WRITE, told + value.to_bytes(4, "little"))
        # Only the answer was lost where the board has taken all frames up to a flush behind it.
        if self._answer(told) is None and self._board[:3] != before:
            raise LinkError(
                f"link uart: word {address}: expected the write to be acknowledged, was not; "
                "it may have taken effect"
            )

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers; see `Link.transfer`.

        Out records that are lost on the way are missing; `losses` counts their frames.
        """
        text = record_bytes(records).tobytes()
        self._sound()
        most = _RECORDS_A_FRAME * IN_DTYPE.itemsize
        for at in range(0, len(text), most):
            self._credit()
            self._send(_RECORDS, text[at : at + most])
        self._flush()
        results: npt.NDArray[np.uint8] = np.frombuffer(b"".join(self._results), np.uint8).copy()
        self._results.clear()
        return results.reshape(-1, OUT_BYTES)

    def close(self) -> None:
        """Let go of the port; a second call does nothing."""
        if self._port is not None:
            port, self._port = self._port, None
            with contextlib.suppress(*_PORT_FAULTS):  # it may be gone already
                port.close()
