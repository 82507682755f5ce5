# SPDX-License-Identifier: Apache-2.0
"""What is known of each board: part, pins, clock, and the build that is made for it."""

from dataclasses import dataclass

from hdl.config import BuildConfig

__all__ = ["BOARDS", "Board", "Pin"]


@dataclass(frozen=True)
class Pin:
    """A pin of the part.

    Parameters
    ----------
    site : str
        Name of the ball.
    inverted : bool
        Low means 1.
    attributes : tuple of str
        Settings of the pin beside ``IO_TYPE=LVCMOS33``.
    """

    site: str
    inverted: bool = False
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Board:
    """A board with an ECP5 and a serial port.

    Parameters
    ----------
    name : str
        As in ``make bitstream BOARD=``.
    part : str
        Name of the part, with its speed grade.
    device : tuple of str
        Options of nextpnr for that part.
    oscillator_hz, clock_hz : int
        Rate of the oscillator, and of the fabric behind the PLL.
    baud : int
        Rate of the serial link.
    clock, rx, tx, kill : Pin
        Oscillator; serial port, seen from the part; kill input, 1 kills.
    lamps : tuple of Pin
        Lamps `alive`, `valid`, `armed`, `killed` of `hdl.pipeline.LAMPS`.
    high : tuple of Pin
        Pins that are held at 1.
    config : BuildConfig
        Build that is made for the board.
    loader : str
        Name of the board in openFPGALoader.
    usb : str
        Vendor and product of its USB bridge, ``vvvv:pppp``.
    """

    name: str
    part: str
    device: tuple[str, ...]
    oscillator_hz: int
    clock_hz: int
    baud: int
    clock: Pin
    rx: Pin
    tx: Pin
    kill: Pin
    lamps: tuple[Pin, Pin, Pin, Pin]
    high: tuple[Pin, ...]
    config: BuildConfig
    loader: str
    usb: str


#: What fits into 84,000 LUTs (``docs/boards/ulx3s.md``): a serial link brings one record at a time.
SMALL = BuildConfig(
    levels=32, qty_bits=24, own_orders=16, result_depth=16, spaced=True, vectors=False
)

_DOWN, _UP, _WEAK = ("PULLMODE=DOWN",), ("PULLMODE=UP",), ("DRIVE=4",)
_ALL = (
    Board(
        name="ulx3s-85f",
        part="LFE5U-85F-6",
        device=("--85k", "--speed", "6", "--package", "CABGA381"),
        oscillator_hz=25_000_000,
        clock_hz=75_000_000,
        baud=3_000_000,
        clock=Pin("G2"),
        rx=Pin("M1", attributes=_UP),
        tx=Pin("L4"),
        kill=Pin("R1", attributes=_DOWN),  # button FIRE1
        lamps=(
            Pin("B2", attributes=_WEAK),
            Pin("C2", attributes=_WEAK),
            Pin("C1", attributes=_WEAK),
            Pin("D2", attributes=_WEAK),
        ),
        high=(Pin("L2", attributes=_UP),),  # else the ESP32 takes the part over
        config=SMALL,
        loader="ulx3s",
        usb="0403:6015",
    ),
    Board(
        name="ecpix5-85f",
        part="LFE5UM5G-85F-8",
        device=("--um5g-85k", "--speed", "8", "--package", "CABGA554"),
        oscillator_hz=100_000_000,
        clock_hz=75_000_000,
        baud=3_000_000,
        clock=Pin("K23"),
        rx=Pin("R26", attributes=_UP),
        tx=Pin("R24", attributes=_UP),
        kill=Pin("T25", attributes=_DOWN),  # PMOD 0, contact 1
        lamps=(
            Pin("R21", inverted=True),  # green
            Pin("W21", inverted=True),
            Pin("M21", inverted=True),  # blue
            Pin("P21", inverted=True),  # red
        ),
        high=(),
        config=SMALL,
        loader="ecpix5",
        usb="0403:6010",
    ),
)
BOARDS = {board.name: board for board in _ALL}
