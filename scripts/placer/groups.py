# SPDX-License-Identifier: Apache-2.0
"""Cells that keep their places to each other: they are placed as one.

A chain of carries begins at the first place of a tile, takes all eight and goes on in the tile to
the right. A multiplexer of two LUTs lies on the even place of a slice, its second LUT beside it;
those of four and eight lie between the ones they choose from. LUT RAM takes the first four places,
the cell that writes it the third slice. A register whose input is the output of a LUT lies on its
place.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from .packed import BLOCK_RAM, LUT, MULTIPLIER, REGISTER, WRITER, Packed, mode
from .part import Numbers

__all__ = ["ANYWHERE", "HALF", "MACRO", "SLICE", "TILES", "Groups", "together"]

#: What a group can begin at: any place, the first of a slice, of half a tile, of a tile; a site.
ANYWHERE, SLICE, HALF, TILES, MACRO = range(5)


class Groups(NamedTuple):
    """Groups, and where in them each cell is.

    Attributes
    ----------
    of : array
        Group of each cell, -1 for one whose site is given.
    tile, place : array
        Of each cell: tiles from the first of the group, and place in the tile; 0 for ANYWHERE.
    kind, tiles : array
        Of each group.
    cells : list
        Cells of each group.
    """

    of: Numbers
    tile: Numbers
    place: Numbers
    kind: Numbers
    tiles: Numbers
    cells: list[list[int]]


class _Making:
    """Groups while they are made."""

    def __init__(self, packed: Packed) -> None:
        self.packed = packed
        self.kinds: list[int] = []
        self.held: list[list[str]] = []
        self.at: dict[str, tuple[int, int, int]] = {}
        self.luts = [name for name in packed.names if packed.cells[name]["type"] == LUT]

    def new(self, kind: int) -> int:
        """Number of a group without cells."""
        self.kinds.append(kind)
        self.held.append([])
        return len(self.held) - 1

    def put(self, group: int, name: str, tile: int, place: int) -> None:
        """Put a cell to a group."""
        if self.at.setdefault(name, (group, tile, place)) != (group, tile, place):
            raise ValueError(f"{name}: expected one place, was {self.at[name]} and {place}")
        self.held[group].append(name)

    def driver(self, name: str, port: str) -> str:
        """Cell that drives an input."""
        found = self.packed.source(name, port)
        if found is None:
            raise ValueError(f"{name}: expected {port} driven by a neighbour, was nothing")
        return found[0]

    def chains(self) -> None:
        """Carries, each chain from its first."""
        behind = {}
        for name in self.luts:
            source = self.packed.source(name, "FCI")
            if source and source[1] == "FCO":
                behind[source[0]] = name
        later = set(behind.values())
        for first in self.luts:
            if mode(self.packed.cells[first]) == "CCU2" and first not in later:
                group, one, at = self.new(TILES), first, 0
                while one:
                    self.put(group, one, at >> 3, at & 7)
                    one, at = behind.get(one, ""), at + 1

    def lut_ram(self) -> None:
        """The cell that writes, the LUTs it writes, and the two whose places it takes."""
        by_name = {}
        for name in self.packed.names:
            cell = self.packed.cells[name]
            if cell["type"] == WRITER:
                group = self.new(TILES)
                by_name[name.rpartition("$")[0]] = group
                self.put(group, name, 0, 4)
                for at in range(4):
                    (wire,) = cell["connections"][f"WDO{at}"]
                    ((lut, _),) = self.packed.receivers[wire]
                    self.put(group, lut, 0, at)
        blocked: dict[int, int] = defaultdict(int)
        for name in self.luts:
            if mode(self.packed.cells[name]) == "RAMW_BLOCK":
                group = by_name[name.rpartition("$")[0]]
                self.put(group, name, 0, 4 + blocked[group])
                blocked[group] += 1

    def inputs(self, name: str) -> int:
        """Inputs of the function a LUT and the multiplexer behind it make: 4 to 7."""
        cell = self.packed.cells[name]
        if cell["connections"].get("FXA"):
            return 1 + self.inputs(self.driver(name, "FXA"))
        return 5 if cell["connections"].get("F1") else 4

    def _pair(self, group: int, name: str, place: int) -> None:
        self.put(group, name, 0, place)
        self.put(group, self.driver(name, "F1"), 0, place + 1)

    def _four(self, group: int, name: str, place: int) -> None:
        self._pair(group, self.driver(name, "FXA"), place + 1)
        self._pair(group, self.driver(name, "FXB"), place - 1)
        if self.at.get(name) != (group, 0, place):
            raise ValueError(f"{name}: expected it between its inputs, was {self.at.get(name)}")

    def multiplexers(self) -> None:
        """The widest first, with all they choose from."""
        cells = self.packed.cells
        wide = [name for name in self.luts if cells[name]["connections"].get("FXA")]
        for name in sorted(wide, key=lambda name: -self.inputs(name)):
            count = self.inputs(name)
            if name in self.at and self.driver(name, "FXA") in self.at:
                continue  # of a wider one
            if count == 6:
                self._four(self.new(HALF), name, 1)
            elif count == 7:
                group = self.new(TILES)
                self._four(group, self.driver(name, "FXB"), 1)
                self._four(group, self.driver(name, "FXA"), 5)
            else:
                raise ValueError(f"{name}: expected a LUT of at most 7 inputs, was {count}")
        for name in self.luts:
            if name not in self.at and cells[name]["connections"].get("F1"):
                self._pair(self.new(SLICE), name, 0)

    def rest(self) -> None:
        """Single LUTs, registers behind LUTs and single ones, macros."""
        for name in self.luts:
            if name not in self.at:
                self.put(self.new(ANYWHERE), name, 0, 0)
        for name in self.packed.names:
            kind = self.packed.cells[name]["type"]
            if kind == REGISTER:
                source = self.packed.source(name, "DI")
                group, tile, place = self.at[source[0]] if source else (self.new(ANYWHERE), 0, 0)
                self.put(group, name, tile, place)
            elif kind in (MULTIPLIER, BLOCK_RAM):
                self.put(self.new(MACRO), name, 0, 0)


def together(packed: Packed) -> Groups:
    """Groups of a packed design.

    Raises
    ------
    ValueError
        Cells that no tile can hold as they are connected.
    """
    making = _Making(packed)
    making.chains()
    making.lut_ram()
    making.multiplexers()
    making.rest()
    count = len(packed.names)
    of, tile, place = np.full(count, -1), np.zeros(count, np.int64), np.zeros(count, np.int64)
    for name, at in making.at.items():
        number = packed.number[name]
        of[number], tile[number], place[number] = at
    tiles = [1 + max(making.at[name][1] for name in names) for names in making.held]
    cells = [[packed.number[name] for name in names] for names in making.held]
    return Groups(of, tile, place, np.array(making.kinds), np.array(tiles), cells)
