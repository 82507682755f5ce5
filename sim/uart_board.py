# SPDX-License-Identifier: Apache-2.0
"""The simulated board behind its serial pins, and a wire to it that may do harm."""

import ctypes
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hdl.config import BuildConfig
from sim.build import Design
from sim.pins import build_pins

__all__ = ["BREAK", "Harm", "SerialWire", "UartBoard", "random_harm"]

#: In place of a byte: the line is low for two bytes' time.
BREAK = 256
#: What the harm done to a byte on the wire leaves of it: any number of bytes, or `BREAK`.
Harm = Callable[[int], list[int]]

_SHIM = Path(__file__).with_name("uart_shim.cpp")
_DESIGN = Design("hdl.top_uart:UartTop", ("hdl",), "tickgate_uart")
_BRIEF = Design("hdl.top_uart:brief_top", ("hdl",), "tickgate_uart")


@cache
def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    handle, u64 = ctypes.c_void_p, ctypes.c_uint64
    prototypes: dict[str, tuple[Any, list[Any]]] = {
        "tgu_create": (handle, [u64, ctypes.c_uint32]),
        "tgu_destroy": (None, [handle]),
        "tgu_put": (None, [handle, handle, u64]),
        "tgu_waiting": (u64, [handle]),
        "tgu_run": (u64, [handle, u64, handle, u64]),
        "tgu_cycles": (u64, [handle]),
        "tgu_broken": (u64, [handle]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class UartBoard:
    """A Verilated board of which only the serial pins can be reached.

    Parameters
    ----------
    config : BuildConfig or None
        Sizes of the fabric.
    brief : bool
        With a clock of four times the baud rate, not of the board.
    host_baud : float or None
        Rate of the other end; None: the same.
    seed : int
        Of what memories and registers hold at power-up.

    Raises
    ------
    sim.build.BuildError
        The board could not be built.
    """

    CLOCK_HZ, BAUD = 75_000_000, 3_000_000

    def __init__(
        self,
        config: BuildConfig | None = None,
        *,
        brief: bool = False,
        host_baud: float | None = None,
        seed: int = 1,
    ) -> None:
        self._handle = None
        design = _BRIEF if brief else _DESIGN
        self._library = _load(str(build_pins(config or BuildConfig(), design, _SHIM)))
        clock_hz = 4 * self.BAUD if brief else self.CLOCK_HZ
        clocks = round((clock_hz << 16) / (host_baud or self.BAUD))
        self._handle = self._library.tgu_create(clocks, seed)
        self._out = np.empty(1 << 16, np.uint8)

    def put(self, text: bytes | list[int]) -> None:
        """Queue bytes, or `BREAK`, for the board."""
        words = np.array(list(text), np.uint16)
        self._library.tgu_put(self._handle, words.ctypes.data, len(words))

    @property
    def waiting(self) -> int:
        """Bytes that are not on the wire yet."""
        return int(self._library.tgu_waiting(self._handle))

    def run(self, cycles: int) -> bytes:
        """Let the clock run; bytes the board has sent."""
        got = self._library.tgu_run(self._handle, cycles, self._out.ctypes.data, len(self._out))
        return self._out[:got].tobytes()

    @property
    def cycles(self) -> int:
        """Clock cycles since the board was made."""
        return int(self._library.tgu_cycles(self._handle))

    @property
    def broken(self) -> int:
        """Bytes of the board without a stop bit."""
        return int(self._library.tgu_broken(self._handle))

    def close(self) -> None:
        """Free the board; a second call does nothing."""
        if self._handle is not None:
            self._library.tgu_destroy(self._handle)
            self._handle = None


class SerialWire:
    """The host's end of the wire, with the methods of a pyserial port that the link uses.

    Time is the board's clock: a read that waits lets it run, so nothing here waits for a real one.

    Parameters
    ----------
    board : UartBoard
        The board.
    to_board, to_host : Harm or None
        What the wire does to the bytes of a direction.
    timeout_cycles : int
        Cycles without a byte after which a read gives up.
    """

    STEP_CYCLES = 2_000

    def __init__(
        self,
        board: UartBoard,
        to_board: Harm | None = None,
        to_host: Harm | None = None,
        timeout_cycles: int = 400_000,
    ) -> None:
        self.board, self.to_board, self.to_host = board, to_board, to_host
        self.timeout_cycles = timeout_cycles
        self.plugged = True
        self._come = bytearray()

    def write(self, text: bytes) -> int:
        """Put bytes on the wire."""
        if not self.plugged:
            raise OSError("no device")
        if self.to_board is None:
            self.board.put(text)
        else:
            self.board.put([each for byte in text for each in self.to_board(byte)])
        return len(text)

    def _take(self) -> None:
        text = self.board.run(self.STEP_CYCLES)
        if self.to_host is not None:
            text = bytes(each for byte in text for each in self.to_host(byte) if each < 256)
        if self.plugged:
            self._come += text

    def read(self, size: int = 1) -> bytes:
        """Bytes that have come, at most `size`; none after the timeout."""
        if not self.plugged:
            raise OSError("no device")
        since = self.board.cycles
        while not self._come:
            if not self.board.waiting and self.board.cycles - since > self.timeout_cycles:
                return b""
            self._take()
        text = bytes(self._come[:size])
        del self._come[:size]
        return text

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return len(self._come)

    def reset_input_buffer(self) -> None:
        """Forget what has come."""
        self._come.clear()

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """The board stays."""


def random_harm(seed: int, share: float) -> Harm:
    """Bytes changed, lost, doubled or broken, a share of them."""
    rng = random.Random(seed)

    def harm(byte: int) -> list[int]:
        if rng.random() >= share:
            return [byte]
        return rng.choice(
            [
                [byte ^ 1 << rng.randrange(8)],
                [rng.getrandbits(8)],
                [0],
                [],
                [byte, byte],
                [byte, rng.getrandbits(8)],
                [BREAK],
            ]
        )

    return harm
