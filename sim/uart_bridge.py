# SPDX-License-Identifier: Apache-2.0
"""The simulated board on a pseudo-terminal: ``python -m sim.uart_bridge PATH``.

PATH becomes a link to the terminal, to be opened like a serial port. Commands come on standard
input, a line each: ``unplug`` takes the terminal away while the board runs on, ``plug`` brings a
new one, ``harm SHARE SEED`` damages that share of the bytes to the board, ``quit`` ends. Each is
answered by a line on standard output, and so is the start.
"""

import argparse
import contextlib
import os
import select
import sys
import tty
from pathlib import Path

from hdl.config import BuildConfig
from sim.uart_board import UartBoard, random_harm

__all__ = ["Bridge", "main"]

_STEP_CYCLES = 2_000
#: Cycles without a byte in either direction after which the board may stand still.
_QUIET_CYCLES = 60_000
_READ_BYTES = 4096


class Bridge:
    """A board, and the terminal that is plugged into it or not.

    Parameters
    ----------
    board : UartBoard
        The board.
    path : pathlib.Path
        Name the terminal gets.
    """

    def __init__(self, board: UartBoard, path: Path) -> None:
        self.board, self.path = board, path
        self.harm = random_harm(0, 0.0)
        self._master: int | None = None
        self._quiet = 0

    def plug(self) -> None:
        """Make a terminal and give it the name."""
        self.unplug()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        """Take the terminal away: who has it open reads its end."""
        self.path.unlink(missing_ok=True)
        if self._master is not None:
            os.close(self._master)
            self._master = None

    def step(self) -> None:
        """Carry bytes both ways and let the board run a little."""
        come = b""
        if self._master is not None:
            try:
                come = os.read(self._master, _READ_BYTES)
            except OSError:
                come = b""  # nothing came, or nobody has it open
        if come:
            self.board.put([each for byte in come for each in self.harm(byte)])
        said = self.board.run(_STEP_CYCLES)
        if said and self._master is not None:
            with contextlib.suppress(OSError):  # as on a wire: what nobody reads is gone
                os.write(self._master, said)
        busy = come or said or self.board.waiting
        self._quiet = 0 if busy else self._quiet + _STEP_CYCLES

    def rest(self) -> None:
        """Wait for a byte or a command when nothing is under way."""
        waiting = [sys.stdin.fileno()]
        if self._master is not None:
            waiting.append(self._master)
        quiet = self._quiet > _QUIET_CYCLES
        select.select(waiting, [], [], 0.05 if quiet else 0)

    def command(self, words: list[str]) -> str:
        """Do what a line says, and the answer to it."""
        if words == ["unplug"]:
            self.unplug()
        elif words == ["plug"]:
            self.plug()
        elif len(words) == 3 and words[0] == "harm":
            self.harm = random_harm(int(words[2]), float(words[1]))
        else:
            return f"expected plug, unplug, harm SHARE SEED or quit, was {' '.join(words)}"
        return "done"


def main(arguments: list[str] | None = None) -> int:
    """Run the bridge until standard input ends or says ``quit``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    for name in ("symbols", "levels", "qty_bits"):
        parser.add_argument(f"--{name}", type=int, default=getattr(BuildConfig(), name))
    chosen = parser.parse_args(arguments)
    config = BuildConfig(symbols=chosen.symbols, levels=chosen.levels, qty_bits=chosen.qty_bits)
    bridge = Bridge(UartBoard(config), chosen.path)
    bridge.plug()
    print("ready", flush=True)
    os.set_blocking(sys.stdin.fileno(), False)
    text = b""
    try:
        while True:
            bridge.rest()
            try:
                come = os.read(sys.stdin.fileno(), _READ_BYTES)
                if not come:
                    return 0
                text += come
            except BlockingIOError:
                come = b""
            while b"\n" in text:
                line, _, text = text.partition(b"\n")
                words = line.decode().split()
                if words == ["quit"]:
                    return 0
                print(bridge.command(words), flush=True)
            bridge.step()
    finally:
        bridge.unplug()


if __name__ == "__main__":
    sys.exit(main())
