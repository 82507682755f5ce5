# SPDX-License-Identifier: Apache-2.0
"""The simulated kernel of an Alveo card: its control port, and the card's memory."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdl.config import BuildConfig
from hdl.link.axi.control import ARGUMENTS
from sim.build import Design
from sim.pins import build_pins

__all__ = ["MEMORY_BASE", "MEMORY_BYTES", "KernelBoard", "MemoryStalls"]

_SHIM = Path(__file__).with_name("kernel_shim.cpp")
_DESIGN = Design("hdl.top_kernel:KernelTop", ("hdl",), "tickgate_kernel")
#: Where the card's memory lies for the kernel, and how much of it there is.
MEMORY_BASE, MEMORY_BYTES = 1 << 34, 1 << 23
_CONTROL, _GLOBAL, _ENABLED, _STATUS = 0, 4, 8, 12
_NO_LIMIT = (1 << 64) - 1

#: Seed; how often each channel of the memory pauses, per mille; cycles it takes to answer at most;
#: how often each channel of the control port pauses.
MemoryStalls = tuple[int, int, int, int]


@cache
def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    handle, u32, u64, integer = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int
    prototypes: dict[str, tuple[Any, list[Any]]] = {
        "create": (handle, [u64, u64, u32]),
        "destroy": (None, [handle]),
        "reset": (None, [handle, u64]),
        "stalls": (None, [handle, u64, u32, u32, u32]),
        "limit": (None, [handle, u64, u64]),
        "memory": (handle, [handle]),
        "write": (integer, [handle, u32, u32, u32]),
        "read": (integer, [handle, u32, ctypes.POINTER(u32)]),
        "until": (integer, [handle, u64]),
        "run": (None, [handle, u64]),
        "cycles": (u64, [handle]),
        "errors": (u64, [handle]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, f"tgk_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class KernelBoard:
    """A Verilated kernel; time runs when it is told to.

    Parameters
    ----------
    config : BuildConfig or None
        Sizes of the fabric.
    seed : int
        Of what memories and registers hold at power-up.
    stalls : MemoryStalls or None
        Random pauses.

    Raises
    ------
    sim.build.BuildError
        The kernel could not be built.
    """

    def __init__(
        self,
        config: BuildConfig | None = None,
        *,
        seed: int = 1,
        stalls: MemoryStalls | None = None,
    ) -> None:
        self._handle = None
        path = build_pins(config or BuildConfig(), _DESIGN, _SHIM, "ap_clk", "~ap_rst_n")
        self._library = _load(str(path))
        self._handle = self._library.tgk_create(MEMORY_BASE, MEMORY_BYTES, seed)
        if stalls is not None:
            self.set_stalls(stalls)

    def set_stalls(self, stalls: MemoryStalls) -> None:
        """Pause at random from now on."""
        self._library.tgk_stalls(self._handle, *stalls)

    @property
    def memory(self) -> npt.NDArray[np.uint8]:
        """The card's memory, shape (`MEMORY_BYTES`,): the kernel's own, not a copy."""
        at = self._library.tgk_memory(self._handle)
        return np.ctypeslib.as_array((ctypes.c_uint8 * MEMORY_BYTES).from_address(at))

    def limit(self, reads: int = _NO_LIMIT, writes: int = _NO_LIMIT) -> None:
        """From these addresses on the memory answers reads, or writes, with an error."""
        self._library.tgk_limit(self._handle, reads, writes)

    def reset(self, cycles: int = 8) -> None:
        """Hold `ap_rst_n` low."""
        self._library.tgk_reset(self._handle, cycles)

    def write(self, address: int, value: int, strobes: int = 15) -> int:
        """Write a word of the control port; the response, -1 where none comes."""
        return int(self._library.tgk_write(self._handle, address, value, strobes))

    def read(self, address: int) -> tuple[int, int]:
        """Read a word of the control port; the word and the response, -1 where none comes."""
        value = ctypes.c_uint32()
        response = self._library.tgk_read(self._handle, address, ctypes.byref(value))
        return value.value, int(response)

    def run(self, cycles: int) -> None:
        """Let the clock run."""
        self._library.tgk_run(self._handle, cycles)

    def begin(self, **arguments: int) -> None:
        """Write the arguments and start a run, as XRT does."""
        for name, address, bits in ARGUMENTS:
            for part in range(bits // 32):
                self.write(address + 4 * part, arguments[name] >> 32 * part & 0xFFFFFFFF)
        self.write(_GLOBAL, 1)
        self.write(_ENABLED, 1)
        self.write(_CONTROL, 1)

    def ended(self, cycles: int) -> bool:
        """Wait for the run's interrupt, at most so many cycles, and take it back."""
        if not self._library.tgk_until(self._handle, cycles):
            return False
        self.write(_STATUS, self.read(_STATUS)[0])
        done = bool(self.read(_CONTROL)[0] & 2)
        self.write(_CONTROL, 16)
        return done

    @property
    def cycles(self) -> int:
        """Clock cycles since the kernel was made."""
        return int(self._library.tgk_cycles(self._handle))

    @property
    def protocol_errors(self) -> int:
        """Times the kernel broke AXI's rules."""
        return int(self._library.tgk_errors(self._handle))

    def close(self) -> None:
        """Free the kernel; a second call does nothing."""
        if self._handle is not None:
            self._library.tgk_destroy(self._handle)
            self._handle = None
