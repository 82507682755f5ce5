# SPDX-License-Identifier: Apache-2.0
"""The simulated board: records and registers of the Verilated fabric from Python."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdl.config import BuildConfig
from hdl.regs.copier import COMMIT_CLOCKS
from host.links.base import OUT_BYTES, RegisterFile, record_bytes
from sim.build import CORE, Design, build

__all__ = ["Board", "BoardError", "BuildConfig", "Stalls"]

_RESET_CYCLES = 4
_INIT_STEP = 16
_IDLE_CYCLES, _ITCH_IDLE_CYCLES = 64, 2048
#: Cycles the memories may take to be swept after a reset.
INIT_LIMIT = 1 << 17
#: Cycles a record may wait to be taken, with no output meanwhile.
STALL_LIMIT = 1 << 16
#: Records the fabric may hold back, and answers it may give to a record; more is a fault.
_MOST_HELD, _MOST_EACH = 4096, 6

_DRAINED, _FULL, _STUCK = 0, 1, 2

_HANDLE = ctypes.c_void_p
_U32, _U64 = ctypes.c_uint32, ctypes.c_uint64
_COUNT = ctypes.POINTER(_U64)
_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "tg_in_bytes": (_U32, []),
    "tg_out_bytes": (_U32, []),
    "tg_create": (_HANDLE, [ctypes.c_int, _U32]),
    "tg_destroy": (None, [_HANDLE]),
    "tg_reset": (None, [_HANDLE, _U32]),
    "tg_step": (None, [_HANDLE, _U64]),
    "tg_write_register": (None, [_HANDLE, _U32, _U32]),
    "tg_read_register": (_U32, [_HANDLE, _U32]),
    "tg_transfer": (
        ctypes.c_int,
        [_HANDLE, _HANDLE, _U64, _COUNT, _HANDLE, _U64, _COUNT, _U64, _U64],
    ),
    "tg_set_stalls": (None, [_HANDLE, _U64, _U32, _U32]),
    "tg_cycles": (_U64, [_HANDLE]),
    "tg_protocol_errors": (_U64, [_HANDLE]),
    "tg_trace_start": (ctypes.c_int, [_HANDLE, ctypes.c_char_p]),
    "tg_trace_stop": (None, [_HANDLE]),
}


class BoardError(RuntimeError):
    """The simulated board does not do what a board must."""


class Stalls(NamedTuple):
    """Random pauses on both streams, the same for the same seed.

    Parameters
    ----------
    seed : int
        Start of the random sequence.
    input_per_mille, output_per_mille : int
        Share of the cycles in which no new record is offered, or no output is taken; 0 to 999.
    """

    seed: int
    input_per_mille: int
    output_per_mille: int


class Board(RegisterFile):
    """A Verilated core, reset and ready.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the fabric; the default ones if not given.
    trace : bool
        Build with wave dumps, for `wave`; slower.
    random_init : int or None
        Seed of the rubbish in memories and in registers at power-up; None: zeros.
    stalls : Stalls or None
        Random pauses on both streams.
    result_rows : int
        Out records taken in one call of the library.
    idle_cycles : int or None
        The streams are drained when so many cycles pass without output after the last input;
        must be more than the fabric's latency. None: 64, or enough for a packet of ITCH
        messages that tell nothing.
    design : Design
        What is built.

    Raises
    ------
    sim.build.BuildError
        The core could not be built.
    BoardError
        The core does not get ready after reset.
    ValueError
        An option is out of its range.
    """

    def __init__(
        self,
        config: BuildConfig | None = None,
        *,
        trace: bool = False,
        random_init: int | None = None,
        stalls: Stalls | None = None,
        result_rows: int = 4096,
        idle_cycles: int | None = None,
        design: Design = CORE,
    ) -> None:
        self._handle: int | None = None
        self.config = BuildConfig() if config is None else config
        if idle_cycles is None:
            idle_cycles = _ITCH_IDLE_CYCLES if self.config.itch else _IDLE_CYCLES
        for name, value in (("result_rows", result_rows), ("idle_cycles", idle_cycles)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, was {value}")
        self.built = build(self.config, trace=trace, design=design)
        self._idle_cycles = idle_cycles
        self._results = np.empty((result_rows, OUT_BYTES), dtype=np.uint8)
        self._library = _load(str(self.built.library))
        random = random_init is not None
        seed = (random_init or 0) & 0xFFFFFFFF
        self._handle = self._library.tg_create(int(random), seed)
        try:
            if stalls is not None:
                self.set_stalls(stalls)
            self.reset()
        except BaseException:
            self.close()
            raise

    @property
    def _open(self) -> int:
        if self._handle is None:
            raise BoardError("board: expected an open one, was closed")
        return self._handle

    @property
    def cycles(self) -> int:
        """Clock cycles since the board was made, resets included."""
        return int(self._library.tg_cycles(self._open))

    @property
    def protocol_errors(self) -> int:
        """Cycles in which a waiting output changed or was withdrawn."""
        return int(self._library.tg_protocol_errors(self._open))

    def set_stalls(self, stalls: Stalls) -> None:
        """Pause both streams at random from now on; shares of 0 end it."""
        for name in ("input_per_mille", "output_per_mille"):
            share = getattr(stalls, name)
            if not 0 <= share <= 999:
                raise ValueError(f"{name}: expected 0 to 999, was {share}")
        self._library.tg_set_stalls(self._open, stalls.seed & (1 << 64) - 1, *stalls[1:])

    def reset(self) -> None:
        """Hold the reset, then wait until the memories are swept.

        Records that were not taken or collected are lost.

        Raises
        ------
        BoardError
            Bit 0 of the register ``status`` stays 0 for `INIT_LIMIT` cycles.
        """
        self._library.tg_reset(self._open, _RESET_CYCLES)
        self._wait_ready()

    def soft_reset(self) -> None:
        """Reset through the register ``control``, then wait as `reset` does."""
        self.write("control", 1)
        self.step(_RESET_CYCLES)
        self._wait_ready()

    def _wait_ready(self) -> None:
        last = self.cycles + INIT_LIMIT
        while not (status := self.read("status")) & 1:
            if self.cycles > last:
                raise BoardError(
                    f"register status: expected bit 0 within {INIT_LIMIT} cycles after reset, "
                    f"was {status:#x}"
                )
            self.step(_INIT_STEP)

    def step(self, cycles: int) -> None:
        """Let the clock run without streams."""
        self._library.tg_step(self._open, cycles)

    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address; two cycles."""
        return int(self._library.tg_read_register(self._open, address))

    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address; a cycle, or what a commit may take."""
        self._library.tg_write_register(self._open, address, value)
        if self.config.spaced:
            self.step(COMMIT_CLOCKS)  # a serial link takes longer for a write

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and collect every answer.

        Parameters
        ----------
        records : numpy.ndarray
            Shape (n,) of `host.contract.records.IN_DTYPE`, or shape (n, 16) of uint8.

        Returns
        -------
        numpy.ndarray
            Shape (m, 64), uint8: the out records in order.

        Raises
        ------
        ValueError
            The array has another shape or type.
        BoardError
            The core takes no record for `STALL_LIMIT` cycles, or never stops answering.
        """
        data = record_bytes(records)
        handle, results = self._open, self._results
        most = _MOST_HELD + _MOST_EACH * len(data)
        consumed, produced = _U64(), _U64()
        done = total = 0
        chunks: list[npt.NDArray[np.uint8]] = []
        while True:
            status = self._library.tg_transfer(
                handle,
                data.ctypes.data + done * data.shape[1],
                len(data) - done,
                ctypes.byref(consumed),
                results.ctypes.data,
                len(results),
                ctypes.byref(produced),
                self._idle_cycles,
                STALL_LIMIT,
            )
            done += consumed.value
            total += produced.value
            chunks.append(results[: produced.value].copy())
            if status == _DRAINED:
                return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
            if status == _STUCK:
                raise BoardError(
                    f"record {done - 1}: expected to be taken within {STALL_LIMIT} cycles, "
                    "was left waiting"
                )
            if total > most:
                raise BoardError(
                    f"out records: expected at most {most} for {len(data)} records, was {total}"
                )

    @contextmanager
    def wave(self, path: str | Path) -> Iterator[Path]:
        """Dump waves of everything that happens inside the ``with`` block.

        Parameters
        ----------
        path : str or pathlib.Path
            The VCD file to write; `sim.wave` says how cycles become times.

        Raises
        ------
        BoardError
            The board was opened without ``trace``, or the file cannot be written.
        """
        path = Path(path)
        if not self.built.trace:
            raise BoardError("wave: expected a board opened with trace=True, was one without")
        if self._library.tg_trace_start(self._open, str(path).encode()):
            raise BoardError(f"wave {path}: expected a file to write, was refused")
        try:
            yield path
        finally:
            if self._handle is not None:
                self._library.tg_trace_stop(self._handle)

    def close(self) -> None:
        """Free the core; a second call does nothing."""
        if self._handle is not None:
            self._library.tg_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> "Board":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()


@cache
def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    found = (library.tg_in_bytes(), library.tg_out_bytes())
    if found != (16, OUT_BYTES):
        raise BoardError(f"{path}: expected records of 16 and {OUT_BYTES} bytes, was {found}")
    return library
