# SPDX-License-Identifier: Apache-2.0
"""Cells of a placed design that change places at random.

Three moves, each taken back where the part does not allow it or where it costs too much: what
stands on a LUT and its register changes with what stands on another; two whole slices change; runs
of whole tiles change, as long as the chains of carries that cross them. Half of them go to the
middle of what a cell is connected to.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from .part import HEIGHT, WIDTH, Numbers
from .tiles import BLOCKED, CARRY, PAIR, PLAIN, TAKES_M, WIDE, slice_holds, stand, tile_holds

__all__ = ["Ways", "Wires", "length", "sweep"]

#: Tiles that are changed at once, and how many of 1024 moves of single LUTs are of tiles.
_LONGEST, _OF_TILES = 24, 4
#: Of cells that move with their tile, one of so many is moved.
_SELDOM = 16


class Wires(NamedTuple):
    """Cells by wire and wires by cell, as ranges of one array; what each costs."""

    first: Numbers
    cells: Numbers
    of_first: Numbers
    of: Numbers
    share: Numbers
    cost: Numbers


class Ways(NamedTuple):
    """From a driver to one receiver: cells, time and weight; ways by cell."""

    driver: Numbers
    receiver: Numbers
    of_first: Numbers
    of: Numbers
    ns: Numbers
    weight: Numbers
    #: three numbers: of a wire, of one that leaves its tile, of each tile
    near_tile: Numbers


@njit(cache=True)
def length(wires, cells, wire):  # type: ignore[no-untyped-def]
    """Half the way around all ends of a wire, tiles."""
    low_x, high_x, low_y, high_y = WIDTH, -1, HEIGHT, -1
    for n in range(wires.first[wire], wires.first[wire + 1]):
        x, y = cells.x[wires.cells[n]], cells.y[wires.cells[n]]
        low_x, high_x = min(low_x, x), max(high_x, x)
        low_y, high_y = min(low_y, y), max(high_y, y)
    return high_x - low_x + high_y - low_y


@njit(cache=True)
def _time(ways, cells, way):  # type: ignore[no-untyped-def]
    one, other = ways.driver[way], ways.receiver[way]
    away = abs(cells.x[one] - cells.x[other]) + abs(cells.y[one] - cells.y[other])
    if away == 0:
        return ways.near_tile[0]
    return ways.near_tile[0] + ways.near_tile[1] + ways.near_tile[2] * away


@njit(cache=True)
def _change(cells, held, one, other):  # type: ignore[no-untyped-def]
    held[one], held[other] = held[other], held[one]
    stand(cells, held[one], one)
    stand(cells, held[other], other)


@njit(cache=True)
def _change_tiles(tiles, cells, one, other, count):  # type: ignore[no-untyped-def]
    for n in range(count):
        a, b = one + n, other + n
        for z in range(8):
            _change(cells, tiles.luts, (a << 3) + z, (b << 3) + z)
            _change(cells, tiles.registers, (a << 3) + z, (b << 3) + z)
        tiles.writers[a], tiles.writers[b] = tiles.writers[b], tiles.writers[a]
        stand(cells, tiles.writers[a], (a << 3) + 4)
        stand(cells, tiles.writers[b], (b << 3) + 4)
        tiles.ram_sign[a], tiles.ram_sign[b] = tiles.ram_sign[b], tiles.ram_sign[a]
        tiles.link[a], tiles.link[b] = tiles.link[b], tiles.link[a]


@njit(cache=True)
def _whole(tiles, first, last):  # type: ignore[no-untyped-def]
    """Run of tiles around some that cuts no chain."""
    while tiles.link[first - 1]:
        first -= 1
    while tiles.link[last]:
        last += 1
    return first, last


@njit(cache=True)
def _runs(tiles, one, other):  # type: ignore[no-untyped-def]
    """Two runs of as many tiles that cut no chain: first of each, count; 0 where there are none."""
    first, last = _whole(tiles, one, one)
    start, end = other, other + last - first
    for _ in range(4):
        start, end = _whole(tiles, start, end)
        first, last = _whole(tiles, first, first + end - start)
        if last - first == end - start:
            break
        end = start + last - first
    count = last - first + 1
    closed = _whole(tiles, first, last) == (first, last) and _whole(tiles, start, end) == (
        start,
        end,
    )
    same_rows = first // WIDTH == last // WIDTH and start // WIDTH == end // WIDTH
    apart = last < start or end < first
    if not (closed and same_rows and apart) or end - start + 1 != count or count > _LONGEST:
        return first, start, 0
    for n in range(count):
        if not (tiles.is_logic[first + n] and tiles.is_logic[start + n]):
            return first, start, 0
    return first, start, count


@njit(cache=True)
def _note(moved, count, cell):  # type: ignore[no-untyped-def]
    if cell >= 0:
        moved[count] = cell
        count += 1
    return count


@njit(cache=True)
def _random(state):  # type: ignore[no-untyped-def]
    """Next of Marsaglia's xorshift of 64 bits."""
    s = state[0]
    s ^= s << np.uint64(13)
    s ^= s >> np.uint64(7)
    s ^= s << np.uint64(17)
    state[0] = s
    return np.int64(s >> np.uint64(2))


@njit(cache=True)
def _cost(moved, count, mark, cells, wires, ways, by_wire, by_way, changed):  # type: ignore[no-untyped-def]
    """What it costs that cells were moved; wires and ways that changed, and how many."""
    wires_n, ways_n, more = 0, 0, 0.0
    for n in range(count):
        cell = moved[n]
        for at in range(wires.of_first[cell], wires.of_first[cell + 1]):
            wire = wires.of[at]
            if by_wire[wire] != mark:
                by_wire[wire] = mark
                more += wires.share[wire] * length(wires, cells, wire) - wires.cost[wire]
                changed[0, wires_n] = wire
                wires_n += 1
        for at in range(ways.of_first[cell], ways.of_first[cell + 1]):
            way = ways.of[at]
            if by_way[way] != mark:
                by_way[way] = mark
                more += ways.weight[way] * (_time(ways, cells, way) - ways.ns[way])
                changed[1, ways_n] = way
                ways_n += 1
    return more, wires_n, ways_n


@njit(cache=True)
def _middle(cell, cells, wires, ways):  # type: ignore[no-untyped-def]
    """Where a cell is drawn to: the middle of what it is connected to, by weight."""
    sx, sy, total = 0.0, 0.0, 0.0
    for at in range(ways.of_first[cell], min(ways.of_first[cell + 1], ways.of_first[cell] + 24)):
        way = ways.of[at]
        other = ways.driver[way] + ways.receiver[way] - cell
        w = 0.3 + ways.weight[way]
        sx += w * cells.x[other]
        sy += w * cells.y[other]
        total += w
    if total == 0.0:
        return float(cells.x[cell]), float(cells.y[cell])
    return sx / total, sy / total


@njit(cache=True)
def _there(bits, cell, reach, limit, cells, wires, ways):  # type: ignore[no-untyped-def]
    """Tile a cell could go to: near the middle of what it is connected to, or anywhere near."""
    x, y = cells.x[cell], cells.y[cell]
    one, other = bits & 0xFFFF, (bits >> 16) & 0xFFFF
    if (bits >> 58) & 1:
        to_x, to_y = _middle(cell, cells, wires, ways)
        near = 1 + ((bits >> 59) & 1) * 2
        dx = np.int64(np.floor(to_x + 0.5)) + one % (2 * near + 1) - near - x
        dy = np.int64(np.floor(to_y + 0.5)) + other % (2 * near + 1) - near - y
        far = max(abs(dx), abs(dy))
        if far > limit:
            dx, dy = dx * limit // far, dy * limit // far
    else:
        dx, dy = one % (2 * reach + 1) - reach, other % (2 * reach + 1) - reach
    x, y = x + dx, y + dy
    return y * WIDTH + x if 1 <= x < WIDTH and 0 <= y < HEIGHT else 0


@njit(cache=True)
def _of_places(kind, one, other, tiles, cells):  # type: ignore[no-untyped-def]
    """What of two places can change: first of each, how many places, LUTs, registers."""
    marks, bound = 0, False
    for place in (one, other):
        lut, register = tiles.luts[place], tiles.registers[place]
        if lut >= 0:
            marks |= cells.marks[lut]
        bound |= register >= 0 and cells.bound[register] != 0
    if not marks & ~PLAIN:
        return one, other, 1, bound or kind % 3 != 0, bound or kind % 3 != 1
    if not kind & 1:
        return one & ~1, other & ~1, 2, True, True
    return one, other, 0 if bound else 1, False, True


@njit(cache=True)
def sweep(moves, heat, reach, limit, state, tiles, cells, wires, ways, movable):  # type: ignore[no-untyped-def]
    """Try so many moves; how many were made.

    One that costs `c` more is made with probability ``exp(-c / heat)``. A move at random goes up to
    `reach` tiles, one to the middle up to `limit`.
    """
    by_wire = np.zeros(len(wires.cost), np.int64)
    by_way = np.zeros(len(ways.ns), np.int64)
    changed = np.zeros((2, max(len(wires.cost), len(ways.ns))), np.int64)
    moved = np.zeros(34 * _LONGEST, np.int64)
    made = 0
    for mark in range(1, moves + 1):
        chosen = movable[_random(state) % len(movable)]
        whole = (cells.marks[chosen] & (WIDE | CARRY | BLOCKED)) != 0
        if whole and _random(state) % _SELDOM:
            continue
        one, bits = cells.place[chosen], _random(state)
        tile, there = one >> 3, _there(bits, chosen, reach, limit, cells, wires, ways)
        if not tiles.is_logic[there]:
            continue
        kind, other = (bits >> 32) & 1023, (there << 3) + ((bits >> 42) & 7)
        run, width, of_luts, of_registers = 0, 0, False, False
        if whole or kind < _OF_TILES:
            tile, there, run = _runs(tiles, tile, there)
            count = _on_tiles(moved, tile, there, run, tiles)
        elif one >> 1 == other >> 1:
            count = 0
        else:
            one, other, width, of_luts, of_registers = _of_places(kind, one, other, tiles, cells)
            count = _on_places(moved, one, other, width, of_luts, of_registers, tiles, cells)
        if count == 0:
            continue
        _exchange(run, width, one, other, tile, there, of_luts, of_registers, tiles, cells)
        holds = run > 0 or (slice_holds(tiles, cells, one) and slice_holds(tiles, cells, other))
        if holds and run == 0 and of_registers:
            holds = tile_holds(tiles, cells, tile) and tile_holds(tiles, cells, there)
        if holds:
            more, wires_n, ways_n = _cost(
                moved, count, mark, cells, wires, ways, by_wire, by_way, changed
            )
            chance = (_random(state) >> 9) / float(1 << 53)
            if more <= 0 or (heat > 0 and chance < np.exp(-more / heat)):
                made += 1
                for n in range(wires_n):
                    wire = changed[0, n]
                    wires.cost[wire] = wires.share[wire] * length(wires, cells, wire)
                for n in range(ways_n):
                    ways.ns[changed[1, n]] = _time(ways, cells, changed[1, n])
                continue
        _exchange(run, width, one, other, tile, there, of_luts, of_registers, tiles, cells)
    return made


@njit(cache=True)
def _exchange(  # type: ignore[no-untyped-def]
    run, width, one, other, tile, there, of_luts, of_registers, tiles, cells
):
    """Change what stands on two runs of tiles or on two places; a second time, back."""
    if run:
        _change_tiles(tiles, cells, tile, there, run)
    for n in range(width):
        if of_luts:
            _change(cells, tiles.luts, one + n, other + n)
        if of_registers:
            _change(cells, tiles.registers, one + n, other + n)


@njit(cache=True)
def _on_tiles(moved, one, other, run, tiles):  # type: ignore[no-untyped-def]
    """Note all cells on two runs of tiles; how many."""
    count = 0
    for n in range(run):
        for tile in (one + n, other + n):
            for place in range(tile << 3, (tile << 3) + 8):
                count = _note(moved, count, tiles.luts[place])
                count = _note(moved, count, tiles.registers[place])
            count = _note(moved, count, tiles.writers[tile])
    return count


@njit(cache=True)
def _on_places(moved, one, other, width, of_luts, of_registers, tiles, cells):  # type: ignore[no-untyped-def]
    """Note the cells that change on some places; how many, 0 where one of them must not."""
    count = 0
    for n in range(width):
        for place in (one + n, other + n):
            lut = tiles.luts[place]
            if of_luts:
                if lut >= 0 and cells.marks[lut] & ~(PLAIN | PAIR | TAKES_M):
                    return 0
                count = _note(moved, count, lut)
            if of_registers:
                count = _note(moved, count, tiles.registers[place])
    return count
