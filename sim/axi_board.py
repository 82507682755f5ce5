# SPDX-License-Identifier: Apache-2.0
"""The simulated board behind AXI: its register port, and the streams a DMA would have."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hdl.config import BuildConfig
from sim.build import Design
from sim.pins import build_pins

__all__ = ["AxiBoard", "AxiStalls"]

_SHIM = Path(__file__).with_name("axi_shim.cpp")
_DESIGN = Design("hdl.top_axi:AxiTop", ("hdl",), "tickgate_axi")
_MOST_BYTES = 1 << 20

#: Seed, and how often each channel pauses, per mille: stream in, stream out, registers.
AxiStalls = tuple[int, int, int, int]


@cache
def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    handle, u32, u64, integer = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int
    prototypes: dict[str, tuple[Any, list[Any]]] = {
        "create": (handle, [u32]),
        "destroy": (None, [handle]),
        "reset": (None, [handle, u64]),
        "abandon": (None, [handle]),
        "stalls": (None, [handle, u64, u32, u32, u32]),
        "put": (None, [handle, handle, u64, integer]),
        "waiting": (u64, [handle]),
        "arm": (None, [handle, u64]),
        "ended": (integer, [handle]),
        "got": (u64, [handle, handle]),
        "run": (None, [handle, u64]),
        "kill_pin": (None, [handle, integer]),
        "write": (integer, [handle, u32, u32, u32]),
        "read": (integer, [handle, u32, ctypes.POINTER(u32)]),
        "cycles": (u64, [handle]),
        "errors": (u64, [handle]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, f"tga_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class AxiBoard:
    """A Verilated board of which only the AXI pins can be reached; time runs when it is told to.

    Parameters
    ----------
    config : BuildConfig or None
        Sizes of the fabric.
    seed : int
        Of what memories and registers hold at power-up.
    stalls : AxiStalls or None
        Random pauses.

    Raises
    ------
    sim.build.BuildError
        The board could not be built.
    """

    def __init__(
        self, config: BuildConfig | None = None, *, seed: int = 1, stalls: AxiStalls | None = None
    ) -> None:
        self._handle = None
        path = build_pins(config or BuildConfig(), _DESIGN, _SHIM, "aclk", "~aresetn")
        self._library = _load(str(path))
        self._handle = self._library.tga_create(seed)
        if stalls is not None:
            self._library.tga_stalls(self._handle, *stalls)

    def reset(self, cycles: int = 8) -> None:
        """Hold `aresetn` low; whatever the streams held is gone."""
        self._library.tga_reset(self._handle, cycles)

    def abandon(self) -> None:
        """Drop what the streams' far ends hold, as a DMA does that is reset."""
        self._library.tga_abandon(self._handle)

    def put(self, text: bytes, last: bool = True) -> None:
        """Queue bytes for the stream in; with `last` the packet ends there."""
        self._library.tga_put(self._handle, text, len(text), int(last))

    @property
    def waiting(self) -> int:
        """Beats that the board has not taken yet."""
        return int(self._library.tga_waiting(self._handle))

    def arm(self, most: int) -> None:
        """Take the next packet, of at most so many bytes; until then the output is held up."""
        if not 0 < most <= _MOST_BYTES:
            raise ValueError(f"most: expected 1 to {_MOST_BYTES} bytes, was {most}")
        self._library.tga_arm(self._handle, most)

    @property
    def ended(self) -> bool | None:
        """Whether that packet has come whole; None: it is longer."""
        return {1: True, 0: False}.get(self._library.tga_ended(self._handle))

    def got(self) -> bytes:
        """What has come of it."""
        room = np.empty(_MOST_BYTES, np.uint8)
        count = self._library.tga_got(self._handle, room.ctypes.data)
        return room[:count].tobytes()

    def run(self, cycles: int) -> None:
        """Let the clock run."""
        self._library.tga_run(self._handle, cycles)

    def kill_pin(self, high: bool) -> None:
        """Hold the kill pin high or low from here on, also through `reset`; low at first."""
        self._library.tga_kill_pin(self._handle, int(high))

    def write(self, address: int, value: int, strobes: int = 15) -> int:
        """Write a word at a byte address; the response, -1 where none comes."""
        return int(self._library.tga_write(self._handle, address, value, strobes))

    def read(self, address: int) -> tuple[int, int]:
        """Read a word at a byte address; the word and the response, -1 where none comes."""
        value = ctypes.c_uint32()
        response = self._library.tga_read(self._handle, address, ctypes.byref(value))
        return value.value, int(response)

    @property
    def cycles(self) -> int:
        """Clock cycles since the board was made."""
        return int(self._library.tga_cycles(self._handle))

    @property
    def protocol_errors(self) -> int:
        """Cycles in which AXI's rules were broken by the board."""
        return int(self._library.tga_errors(self._handle))

    def close(self) -> None:
        """Free the board; a second call does nothing."""
        if self._handle is not None:
            self._library.tga_destroy(self._handle)
            self._handle = None
