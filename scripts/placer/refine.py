# SPDX-License-Identifier: Apache-2.0
"""Places refined by moves: wires get shorter, and late paths a weight of their own that grows.

The weight of each way from an output to an input follows the slowest path through it, as the
multiplier of a limit that is passed: it grows while that path takes longer than the goal, and falls
again behind it.
"""

from collections.abc import Callable

import numpy as np

from . import moves
from .packed import Packed, ranges
from .part import Numbers, wire_ns
from .paths import Paths
from .tiles import Cells, Tiles

__all__ = ["refine", "way_ns"]

#: Wires with more ends than that are left to the ways on them.
_MOST_ENDS = 48
#: How much longer a wire of many ends is than the box around them, by end beyond the third.
_MORE = 0.027
#: Moves by cell in each round.
_MOVES = 6
#: Of each cell on a late path besides, as far as these are few, and how far such moves go.
_LATE_MOVES, _FAR = 200, 60
#: Of the first round: how much more a move may cost, tiles, and how far it goes.
_HEAT, _REACH, _LIMIT = 0.4, 8, 30
#: Share of the rounds, the last ones, of which the fastest is kept: wires are short by then.
_SETTLED = 0.3
#: Weights of ways, tiles by ns: of one as late as the goal, and at most.
_LEAST, _MOST = 6.0, 400.0


def way_ns(packed: Packed, cells: Cells) -> Numbers:
    """Time of each way between cells at their places, ns."""
    one, other = packed.way_driver, packed.way_receiver
    return wire_ns(
        np.abs(cells.x[one] - cells.x[other]) + np.abs(cells.y[one] - cells.y[other]).astype(float)
    )


def refine(
    packed: Packed,
    cells: Cells,
    tiles: Tiles,
    paths: Paths,
    goal_ns: float,
    rounds: int,
    seed: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Move cells, round after round.

    Parameters
    ----------
    cells, tiles : Cells, Tiles
        Where all stand, which is changed.
    goal_ns : float
        Paths that take longer are made shorter at the cost of wire.
    rounds : int
        Some seconds each; the fastest of the last ones is kept.
    seed : int
        Of the order of moves.
    tell : callable
        Takes a line every tenth round.
    """
    wires, ways = _wires(packed, cells), _ways(packed, cells)
    slowest, through = paths.through(ways.ns)
    ways.weight[:] = _LEAST * np.clip(through / slowest, 0, 1) ** 8
    movable = np.flatnonzero(cells.place >= 0)
    state = np.array([88172645463325252 + 7919 * seed], np.uint64)
    changing = (*(cells.place, cells.x, cells.y), *(array for array in tiles[:-1]))
    best_ns, best = np.inf, [array.copy() for array in changing]
    for at in range(rounds):
        left = 1 - at / rounds
        moves.sweep(
            _MOVES * len(movable),
            *(_HEAT * left**2 if left > 0.1 else 0.0, max(2, round(_REACH * left))),
            *(max(4, round(_LIMIT * left)), state, tiles, cells, wires, ways, movable),
        )
        slowest, through = paths.through(ways.ns)
        late = np.flatnonzero(through > goal_ns)
        few = np.unique(np.r_[packed.way_driver[late], packed.way_receiver[late]])
        few = few[cells.place[few] >= 0]
        if len(few):
            count = min(_LATE_MOVES * len(few), _MOVES * len(movable))
            moves.sweep(count, 0.0, _FAR, _FAR, state, tiles, cells, wires, ways, few)
            slowest, through = paths.through(ways.ns)
        if left <= max(_SETTLED, 1 / rounds) and slowest < best_ns:
            best_ns, best = slowest, [array.copy() for array in changing]
        share = through / goal_ns
        grown = np.where(share > 1, np.minimum(1.6, share**4), np.maximum(0.8, share**2))
        least = _LEAST * np.clip(share, 0, 1) ** 10
        ways.weight[:] = np.clip(ways.weight * grown, least, _MOST)
        if at % 10 == 9:
            tell(f"round {at + 1}: {wires.cost.sum():,.0f} tiles of wire, {slowest:.2f} ns")
    for array, kept in zip(changing, best, strict=True):
        array[:] = kept


def _wires(packed: Packed, cells: Cells) -> moves.Wires:
    ends = [on for wire, _ in packed.wires() if 2 <= len(on := packed.on(wire)) <= _MOST_ENDS]
    by_cell: list[list[int]] = [[] for _ in packed.names]
    for wire, each in enumerate(ends):
        for cell in each:
            by_cell[cell].append(wire)
    share = np.array([1 + _MORE * max(0, len(each) - 3) for each in ends])
    found = moves.Wires(*ranges(ends), *ranges(by_cell), share, np.zeros(len(ends)))
    for wire in range(len(ends)):
        found.cost[wire] = share[wire] * moves.length(found, cells, wire)
    return found


def _ways(packed: Packed, cells: Cells) -> moves.Ways:
    by_cell: list[list[int]] = [[] for _ in packed.names]
    both = zip(packed.way_driver.tolist(), packed.way_receiver.tolist(), strict=True)
    for way, (one, other) in enumerate(both):
        if one != other:
            by_cell[one].append(way)
            by_cell[other].append(way)
    near = wire_ns(np.array([0.0, 1.0, 2.0]))
    tile = near[2] - near[1]
    steps = np.array([near[0], near[1] - near[0] - tile, tile])
    return moves.Ways(
        *(packed.way_driver, packed.way_receiver, *ranges(by_cell)),
        *(way_ns(packed, cells), np.zeros(len(packed.ways)), steps),
    )
