# SPDX-License-Identifier: Apache-2.0
"""Places near where groups of cells were spread to, each the nearest that may hold it.

The largest groups are first, and of those of one size the ones whose registers share their tile
with the fewest others.
"""

from collections import Counter

import numpy as np
from numba import njit

from .groups import ANYWHERE, HALF, MACRO, SLICE, Groups
from .packed import Packed, mode, ranges
from .part import COLUMNS, ROWS, WIDTH, Numbers
from .tiles import Cells, Tiles, empty, slice_holds, stand, tile_holds

__all__ = ["settle"]

_STEPS = {ANYWHERE: 1, SLICE: 2, HALF: 4}
_LUT, _REGISTER, _WRITER = 1, 2, 3


def settle(packed: Packed, groups: Groups, cells: Cells, x: Numbers, y: Numbers) -> Tiles:
    """Give all cells of slices places.

    Parameters
    ----------
    x, y : array
        Column and row of the middle of each group.

    Returns
    -------
    Tiles
        What stands where; `cells` has the places as well.

    Raises
    ------
    ValueError
        A group found no room.
    """
    tiles = empty()
    first, members = ranges(groups.cells)
    counts = Counter(cells.tile_sign[cells.sort == _REGISTER].tolist())
    count = len(groups.kind)
    rare, ram_sign = np.full(count, 1e9), np.full(count, -1, np.int64)
    for group, each in enumerate(groups.cells):
        for cell in each:
            if cells.sort[cell] == _REGISTER:
                rare[group] = min(rare[group], counts[cells.tile_sign[cell]])
            elif mode(packed.cells[packed.names[cell]]) == "DPRAM":
                ram_sign[group] = cells.invert_sign[cell]
    sizes = np.diff(first)
    order = np.lexsort((np.arange(count), rare, -sizes, -groups.tiles, -groups.kind))
    order = order[groups.kind[order] != MACRO]
    steps = np.array([_STEPS.get(kind, 8) for kind in groups.kind.tolist()])
    left = _settle(
        *(order, x - (groups.tiles - 1) / 2, y, first, members, groups.tile, groups.place),
        *(steps, groups.tiles, ram_sign, cells, tiles, *_ring()),
    )
    if left >= 0:
        name = packed.names[groups.cells[left][0]]
        raise ValueError(f"{name}: expected room for it, was none in the part")
    for group in np.flatnonzero(groups.tiles > 1).tolist():
        over = sorted({int(cells.place[cell]) >> 3 for cell in groups.cells[group]})
        tiles.link[over[:-1]] = True
    return tiles


def _ring() -> tuple[Numbers, Numbers, Numbers]:
    """Ways to all tiles around one, the nearest first, and how far they are."""
    columns, rows = np.meshgrid(np.arange(-122, 123), np.arange(-91, 92))
    across, down = columns.ravel(), rows.ravel()
    away = np.abs(across) + np.abs(down)
    order = np.lexsort((down, across, away))
    return across[order], down[order], away[order].astype(float)


@njit(cache=True)
def _free(members, n0, n1, tile, shift, offsets, places, cells, tiles):  # type: ignore[no-untyped-def]
    for n in range(n0, n1):
        cell = members[n]
        at = tile + offsets[cell]
        place = at * 8 + places[cell] + shift
        if not tiles.is_logic[at]:
            return False
        if cells.sort[cell] == _LUT and tiles.luts[place] >= 0:
            return False
        if cells.sort[cell] == _REGISTER and tiles.registers[place] >= 0:
            return False
        if cells.sort[cell] == _WRITER and tiles.writers[at] >= 0:
            return False
    return True


@njit(cache=True)
def _put(members, n0, n1, tile, shift, offsets, places, cells, tiles, there):  # type: ignore[no-untyped-def]
    """Put a group there, or take it away again."""
    for n in range(n0, n1):
        cell = members[n]
        at = tile + offsets[cell]
        place = at * 8 + places[cell] + shift
        what = cell if there else -1
        if cells.sort[cell] == _LUT:
            tiles.luts[place] = what
        elif cells.sort[cell] == _REGISTER:
            tiles.registers[place] = what
        else:
            tiles.writers[at] = what
        if there:
            stand(cells, cell, place)


@njit(cache=True)
def _holds(members, n0, n1, cells, tiles):  # type: ignore[no-untyped-def]
    for n in range(n0, n1):
        place = cells.place[members[n]]
        if not slice_holds(tiles, cells, place):
            return False
        if cells.sort[members[n]] == _LUT:
            continue
        third, tile = (place & ~7) + 4, place >> 3  # of a writer, whose slice is the third
        if not slice_holds(tiles, cells, third) or not tile_holds(tiles, cells, tile):
            return False
    return True


@njit(cache=True)
def _settle(  # type: ignore[no-untyped-def]
    order, xs, ys, first, members, offsets, places, steps, lengths, signs, cells, tiles, dx, dy, far
):
    """Place group after group; one that found no room, or -1."""
    for group in order:
        n0, n1 = first[group], first[group + 1]
        best, best_tile, best_shift = 1e18, -1, 0
        column, row = int(np.floor(xs[group] + 0.5)), int(np.floor(ys[group] + 0.5))
        for n in range(len(dx)):
            if far[n] - 1.5 > best:
                break
            x, y = column + dx[n], row + dy[n]
            if x < COLUMNS[0] or x + lengths[group] - 1 > COLUMNS[1]:
                continue
            cost = abs(x - xs[group]) + abs(y - ys[group])
            if y < ROWS[0] or y > ROWS[1] or cost >= best:
                continue
            tile = y * WIDTH + x
            had = tiles.ram_sign[tile]
            for shift in range(0, 8, steps[group]):
                if not _free(members, n0, n1, tile, shift, offsets, places, cells, tiles):
                    continue
                _put(members, n0, n1, tile, shift, offsets, places, cells, tiles, True)
                if signs[group] >= 0:
                    tiles.ram_sign[tile] = signs[group]
                holds = _holds(members, n0, n1, cells, tiles)
                if signs[group] >= 0:
                    holds = holds and tile_holds(tiles, cells, tile)
                _put(members, n0, n1, tile, shift, offsets, places, cells, tiles, False)
                tiles.ram_sign[tile] = had
                if holds:
                    best, best_tile, best_shift = cost, tile, shift
                    break
        if best_tile < 0:
            return group
        _put(members, n0, n1, best_tile, best_shift, offsets, places, cells, tiles, True)
        if signs[group] >= 0:
            tiles.ram_sign[best_tile] = signs[group]
    return -1
