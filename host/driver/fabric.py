# SPDX-License-Identifier: Apache-2.0
"""The board of a session: whose it is, what is written to it, and how it is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from host.contract.records import KillCause, Mode
from host.contract.registers import COUNTERS
from host.links.base import Identity, LinkError
from host.settings import Write

__all__ = ["REARM_KEYS", "Board", "Fabric"]

#: Written one after the other, they clear the kill latch; see docs/risk.md.
REARM_KEYS = (0x0DD50001, 0x0DD50002)
_RESET_READS = 1 << 16
#: Register that is never 0 in a session and that a reset clears.
_WITNESS = "risk_window"


class Board(Protocol):
    """The part of a link that a session needs; `host.links.base.Link` has it."""

    def identify(self) -> Identity:
        """Check that the board speaks this host's contract. Raises `LinkError`."""

    def read(self, name: str) -> int:
        """Read a register."""

    def write(self, name: str, value: int) -> None:
        """Write a register."""

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers."""

    def close(self) -> None:
        """Let go of the board."""


class Fabric:
    """A board that has been reset and is halted.

    Parameters
    ----------
    board : Board
        An open link.

    Attributes
    ----------
    identity : Identity
        What the board says of itself.
    mode : Mode
        Mode that was written last.

    Raises
    ------
    LinkError
        It is another board, its register hash differs, or it does not get ready.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.identity = board.identify()
        board.write("control", 1)
        for _ in range(_RESET_READS):
            if board.read("status") & 1:
                break
        else:
            raise LinkError(f"status: expected bit 0 within {_RESET_READS} reads, was 0")
        self.mode = Mode.HALTED
        self._witness = 0

    def write(self, writes: Sequence[Write]) -> None:
        """Write registers in order."""
        for write in writes:
            self._board.write(*write)
            if write.register == _WITNESS:
                self._witness = write.value

    def set_mode(self, mode: Mode) -> None:
        """Let orders through, exits only, or nothing."""
        self._board.write("mode", int(mode))
        self.mode = mode

    @property
    def configured(self) -> bool:
        """Settings that were written are still there: the board was not reset behind our back."""
        return self._board.read(_WITNESS) == self._witness

    @property
    def losses(self) -> str:
        """What the link has lost, in words; empty for one that loses nothing."""
        return str(getattr(self._board, "losses", ""))

    def kill(self) -> None:
        """Set the kill latch; only `rearm` and a reset clear it."""
        self._board.write("kill", 1)

    def rearm(self) -> None:
        """Clear the kill latch; the board stays halted."""
        self.set_mode(Mode.HALTED)
        for key in REARM_KEYS:
            self._board.write("rearm", key)

    @property
    def kill_causes(self) -> KillCause:
        """What has set the kill latch."""
        return KillCause(self._board.read("kill_causes"))

    def counters(self) -> dict[str, int]:
        """All counters."""
        return {name: self._board.read(name) for name in COUNTERS}

    def count(self, name: str) -> int:
        """One counter."""
        return self._board.read(name)

    def limits_in_force(self, symbol: int) -> tuple[int, int]:
        """Number and checksum of a symbol's last commit."""
        self._board.write("limit_select", symbol)
        found = self._board.read("limit_in_force")
        return found >> 16, found & 0xFFFF
