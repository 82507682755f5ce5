# SPDX-License-Identifier: Apache-2.0
"""What stands on the places of the part, and whether a slice and a tile may hold it.

The rules are those of nextpnr for ECP5. Both LUTs of a slice are carries or none is. Registers of a
slice share clock enable, those of a tile clock and reset. An input M of a place goes to its
register or to its multiplexer. The third slice of a tile with LUT RAM writes it.
"""

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from numba import njit

from .groups import HALF, SLICE, TILES, Groups
from .packed import LUT, REGISTER, WRITER, Cell, Packed, mode
from .part import HEIGHT, IS_LOGIC, WIDTH, Numbers

__all__ = ["BLOCKED", "CARRY", "PAIR", "PLAIN", "TAKES_M", "WIDE"]
__all__ += ["Cells", "Tiles", "cells_of", "empty", "slice_holds", "stand", "tile_holds"]

#: Marks of LUTs: one that may stand anywhere; of a slice's two; of more; a carry; a place that
#: LUT RAM takes; one whose multiplexer takes the slice's M.
PLAIN, PAIR, WIDE, CARRY, BLOCKED, TAKES_M = 1, 2, 8, 16, 64, 128


class Tiles(NamedTuple):
    """What stands where, -1 for nothing."""

    #: by place
    luts: Numbers
    registers: Numbers
    #: by tile: what writes a LUT RAM; sign of its clock and enable; a chain goes on to the right
    writers: Numbers
    ram_sign: Numbers
    link: Numbers
    #: whether a tile has slices
    is_logic: Numbers


class Cells(NamedTuple):
    """Of each cell. Signs are numbers that are equal where settings are."""

    #: -1: none of a slice
    place: Numbers
    #: column and row
    x: Numbers
    y: Numbers
    #: 1 a LUT, 2 a register, 3 the writer of a LUT RAM, 0 none of a slice
    sort: Numbers
    marks: Numbers
    #: of registers: input M; input from the LUT before it; what a slice and a tile have to share
    by_m: Numbers
    bound: Numbers
    slice_sign: Numbers
    tile_sign: Numbers
    #: what LUT RAM and registers in a tile have to share
    invert_sign: Numbers


def _setting(cell: Cell, name: str) -> str:
    return str(cell["parameters"].get(name, name.removesuffix("MUX"))).strip()


def _inverts(cell: Cell) -> tuple[bool, bool]:
    """Whether a clock and a reset, or of LUT RAM the enable that takes its wire, are inverted."""
    if cell["type"] == REGISTER:
        return _setting(cell, "CLKMUX") in ("INV", "0"), _setting(cell, "LSRMUX") == "INV"
    return _setting(cell, "WCKMUX") == "INV", _setting(cell, "WREMUX") in ("INV", "0")


def _marks(cell: Cell, kind: int, place: int) -> int:
    wires, use = cell["connections"], mode(cell)
    found = {"LOGIC": 0, "CCU2": CARRY, "DPRAM": WIDE, "RAMW_BLOCK": BLOCKED}[use]
    # The first carry of a slice: what it is written with has a multiplexer there (`written`).
    first = use == "CCU2" and place % 2 == 0
    if first or any(wires.get(port) for port in ("F1", "FXA", "FXB")):
        found |= TAKES_M
    if kind == SLICE:
        found |= PAIR
    if kind in (HALF, TILES) and use == "LOGIC":
        found |= WIDE
    return found or PLAIN


def cells_of(packed: Packed, groups: Groups) -> Cells:
    """Cells of a packed design, none at a place."""
    count = len(packed.names)
    found = Cells(np.full(count, -1, np.int64), *(np.zeros(count, np.int64) for _ in range(9)))
    known: dict[Hashable, int] = {}

    def sign(*settings: Hashable) -> int:
        return known.setdefault(settings, len(known))

    for number, name in enumerate(packed.names):
        cell, kind = packed.cells[name], packed.kinds[number]
        wires, group = cell["connections"], groups.of[number]
        if kind in (LUT, REGISTER):
            found.invert_sign[number] = sign(*_inverts(cell))
        if kind == LUT:
            found.sort[number] = 1
            found.marks[number] = _marks(cell, groups.kind[group], groups.place[number])
        elif kind == REGISTER:
            found.sort[number] = 2
            found.by_m[number], found.bound[number] = bool(wires.get("M")), bool(wires.get("DI"))
            enable = _setting(cell, "CEMUX")
            enable = enable if enable in ("0", "1", "INV") else ""
            reset = cell["parameters"].get("GSR", "ENABLED")
            found.slice_sign[number] = sign("slice", reset, enable, *wires.get("CE", ()))
            is_async = cell["parameters"].get("SRMODE") == "ASYNC"
            clock, reset = tuple(wires.get("CLK", ())), tuple(wires.get("LSR", ()))
            found.tile_sign[number] = sign("tile", clock, reset, is_async, _inverts(cell))
        elif kind == WRITER:
            found.sort[number] = 3
    return found


def empty() -> Tiles:
    """The part with nothing on it."""
    count = WIDTH * HEIGHT
    luts, registers = (np.full(8 * count, -1, np.int64) for _ in range(2))
    writers, ram_sign = (np.full(count, -1, np.int64) for _ in range(2))
    return Tiles(luts, registers, writers, ram_sign, np.zeros(count, np.bool_), IS_LOGIC)


@njit(cache=True)
def stand(cells, cell, place):  # type: ignore[no-untyped-def]
    """Note where a cell stands, if there is one."""
    if cell >= 0:
        cells.place[cell] = place
        cells.x[cell] = (place >> 3) % WIDTH
        cells.y[cell] = (place >> 3) // WIDTH


@njit(cache=True)
def slice_holds(tiles, cells, place):  # type: ignore[no-untyped-def]
    """Whether the slice of a place may hold what it does."""
    tile, first = place >> 3, place & ~1
    lut0, lut1 = tiles.luts[first], tiles.luts[first + 1]
    one, other = tiles.registers[first], tiles.registers[first + 1]
    if (first & 7) == 4 and tiles.writers[tile] >= 0:
        if lut0 >= 0 and not cells.marks[lut0] & BLOCKED:
            return False
        if lut1 >= 0 and not cells.marks[lut1] & BLOCKED:
            return False
    if lut0 >= 0 and lut1 >= 0 and (cells.marks[lut0] ^ cells.marks[lut1]) & CARRY:
        return False
    if one >= 0 and other >= 0 and cells.slice_sign[one] != cells.slice_sign[other]:
        return False
    if one >= 0 and lut0 >= 0 and cells.by_m[one] and cells.marks[lut0] & TAKES_M:
        return False
    return not (other >= 0 and lut1 >= 0 and cells.by_m[other] and cells.marks[lut1] & TAKES_M)


@njit(cache=True)
def tile_holds(tiles, cells, tile):  # type: ignore[no-untyped-def]
    """Whether the registers of a tile agree with each other and with its LUT RAM."""
    sign = -1
    for place in range(tile << 3, (tile << 3) + 8):
        one = tiles.registers[place]
        if one >= 0:
            if sign >= 0 and sign != cells.tile_sign[one]:
                return False
            sign = cells.tile_sign[one]
            if tiles.ram_sign[tile] >= 0 and tiles.ram_sign[tile] != cells.invert_sign[one]:
                return False
    return True
