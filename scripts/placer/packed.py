# SPDX-License-Identifier: Apache-2.0
"""A design that nextpnr has packed: cells of slices, block RAM and multipliers, and their wires.

Read from the JSON of ``nextpnr-ecp5 --pack-only --write``.
"""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from .part import Numbers

__all__ = [
    "BLOCK_RAM",
    "CLOCKS",
    "LUT",
    "MULTIPLIER",
    "REGISTER",
    "WRITER",
    "Cell",
    "Packed",
    "Pin",
    "largest",
    "mode",
    "pins",
    "ranges",
]

LUT, REGISTER, WRITER = "TRELLIS_COMB", "TRELLIS_FF", "TRELLIS_RAMW"
MULTIPLIER, BLOCK_RAM = "MULT18X18D", "DP16KD"
#: Inputs that clocks and resets of clocks drive.
CLOCKS = {"CLK", "CLKA", "CLKB", "CLK0", "CLK1", "CLK2", "CLK3", "WCK", "RSTA", "RSTB"}
#: Inputs that a neighbour in the same slice or tile drives, without a wire.
_BOUND = {"DI", "F1", "FXA", "FXB", "FCI"}
#: Cells whose outputs reach every register on wires of their own.
_GLOBAL = {"DCCA", "EHXPLLL"}
_TIED = "$PACKER_"
_TILE = re.compile(r"X(\d+)/Y(\d+)/")

Cell = dict[str, Any]
Pin = tuple[str, str]


def ranges(lists: list[list[int]]) -> tuple[Numbers, Numbers]:
    """Lists one behind the other in an array, and where each begins, with an end behind them."""
    first = np.zeros(len(lists) + 1, np.int64)
    first[1:] = np.cumsum([len(each) for each in lists])
    return first, np.array([one for each in lists for one in each], np.int64)


def largest(design: dict[str, Any]) -> Cell:
    """The module of a design that is no model of a cell."""
    module: Cell = max(design["modules"].values(), key=lambda one: len(one["cells"]))
    return module


class Packed:
    """Cells and wires of a packed design.

    Parameters
    ----------
    path : pathlib.Path
        JSON of nextpnr.

    Raises
    ------
    ValueError
        It is none.

    Attributes
    ----------
    names, kinds : list of str
        Cells and their types; a cell's number is its index.
    drivers : dict
        Cell and output that drive a wire; constants drive none.
    receivers : dict
        Cells and inputs on a wire.
    ways : dict
        Number of each way from an output to an input that takes a wire's time.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.design: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self.module = largest(self.design)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected a packed design, was none: {error!r}") from error
        self.cells: dict[str, Cell] = self.module["cells"]
        self.names = list(self.cells)
        self.number = {name: number for number, name in enumerate(self.names)}
        self.kinds = [str(cell["type"]) for cell in self.cells.values()]
        self.drivers: dict[int, Pin] = {}
        self.receivers: dict[int, list[Pin]] = defaultdict(list)
        self._ties: dict[int, Pin] = {}
        for name, cell in self.cells.items():
            for port, wire, is_output in pins(cell):
                if is_output:
                    drivers = self._ties if name.startswith(_TIED) else self.drivers
                    drivers[wire] = name, port
                else:
                    self.receivers[wire].append((name, port))
        self.ways: dict[tuple[Pin, Pin], int] = {}
        for wire, driver in self.wires():
            kind = self.cells[driver[0]]["type"]
            if driver[1] != "FCO" and kind != WRITER:
                for pin in self.receivers[wire]:
                    if pin[1] not in CLOCKS | _BOUND:
                        self.ways[driver, pin] = len(self.ways)
        #: Cells at both ends of each way.
        self.way_driver = np.array([self.number[one] for (one, _), _ in self.ways], np.int64)
        self.way_receiver = np.array([self.number[one] for _, (one, _) in self.ways], np.int64)

    def wires(self) -> list[tuple[int, Pin]]:
        """Wires that are no global net, with what drives them."""
        return [
            (wire, driver)
            for wire, driver in self.drivers.items()
            if self.cells[driver[0]]["type"] not in _GLOBAL
        ]

    def on(self, wire: int) -> list[int]:
        """Cells on a wire, but for those it is a clock of."""
        found = {self.number[self.drivers[wire][0]]}
        found |= {self.number[name] for name, port in self.receivers[wire] if port not in CLOCKS}
        return sorted(found)

    def source(self, name: str, port: str) -> Pin | None:
        """What drives an input, constants too."""
        for wire in self.cells[name]["connections"].get(port, ()):
            if isinstance(wire, int):
                return self.drivers.get(wire) or self._ties.get(wire)
        return None

    def fixed(self, number: int) -> tuple[int, int]:
        """Column and row of a cell that has its site; the middle of the left edge for others."""
        attributes = self.cells[self.names[number]]["attributes"]
        found = _TILE.match(attributes.get("NEXTPNR_BEL") or attributes.get("BEL", ""))
        return (int(found[1]), int(found[2])) if found else (2, 48)


def pins(cell: Cell) -> list[tuple[str, int, bool]]:
    """Port, wire and whether it is an output, of all that is connected."""
    ways = cell["port_directions"]
    return [
        (port, wire, ways[port] == "output")
        for port, wires in cell["connections"].items()
        for wire in wires
        if isinstance(wire, int)
    ]


def mode(cell: Cell) -> str:
    """What a LUT is used for: LOGIC, CCU2, DPRAM or RAMW_BLOCK."""
    return str(cell["parameters"].get("MODE", "LOGIC"))
