# SPDX-License-Identifier: Apache-2.0
"""Shorter ways in a placed design: cells off their paths move, LUTs that serve two ends are copied.

A register of the book feeds itself through a LUT that also takes a value from the other end of the
part. The wire is as long wherever between the two that LUT lies, so a placer that weighs wire by
length may leave it at the far end: the loop then crosses the part twice in a clock. A few such
cells, of fifty thousand, decide the clock of a seed. Here the slowest paths are looked at one by
one, and of each the cell is moved, or the LUT copied for its late receivers, that shortens it most.
Nothing else changes; nextpnr checks the places and routes them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from placed import LUT, TO_REGISTER, Pin, Placed, Tile, away

__all__ = ["Shortened", "shorten"]

#: Paths down to it are looked at, and those that take up to `SHARE` less than the slowest, ns.
GOAL, SHARE = 9.3, 1.0
#: A move that gains less is none; a copy has to gain so much more than a move.
LEAST, COPY = 0.15, 0.3
_ROUNDS, _TILES = 60, 400
_LUT_NS = 0.24


class Shortened(NamedTuple):
    """What came of it: the slowest path before and after, ns; cells that were moved or made."""

    before_ns: float
    after_ns: float
    cells: int


class _Step(NamedTuple):
    """Something to do for a path."""

    gain_ns: float
    name: str
    site: str
    #: receivers of a copy; none: the cell itself moves
    pins: tuple[Pin, ...] = ()


def shorten(placed: Path, out: Path) -> Shortened:
    """Shorten the slowest paths of a placed design.

    Parameters
    ----------
    placed : pathlib.Path
        Design as nextpnr writes it after placement, JSON.
    out : pathlib.Path
        Takes the same with every cell fixed.
    """
    design = Placed(placed)
    changed: set[str] = set()
    arrivals = design.arrivals()
    before_ns = _slowest(design, arrivals)
    for _ in range(_ROUNDS):
        done = _round(design, arrivals)
        if not done:
            break
        changed |= done
        arrivals = design.arrivals()
    design.write(out)
    return Shortened(before_ns, _slowest(design, arrivals), len(changed))


def _slowest(design: Placed, arrivals: dict[Pin, float]) -> float:
    ends = design.ends(arrivals)
    return ends[0].ns if ends else 0.0


def _round(design: Placed, arrivals: dict[Pin, float]) -> set[str]:
    """One step for each slow path that shares no cell with one before it; the cells."""
    rests = design.rests()
    ends = design.ends(arrivals)
    touched: set[str] = set()
    done: set[str] = set()
    for end in ends:
        if end.ns <= max(GOAL, ends[0].ns - SHARE):
            break
        path = design.way_of(end, arrivals)
        if touched.isdisjoint(path):
            steps = [step for name in path for step in _steps(design, name, arrivals, rests)]
            if steps:
                step = max(steps, key=lambda one: one.gain_ns - (COPY if one.pins else 0.0))
                touched.update(path)
                if step.pins:
                    twin = design.divide(step.name, list(step.pins), step.site)
                    arrivals[twin, "F"] = arrivals[step.name, "F"]
                    rests.update({(twin, port): rests[step.name, port] for port in "ABCD"})
                    done.add(twin)
                else:
                    design.move(step.name, step.site)
                    done.add(step.name)
    return done


def _steps(
    design: Placed, name: str, arrivals: dict[Pin, float], rests: dict[Pin, float]
) -> list[_Step]:
    """What could be done with a cell."""
    kind = design.kind(name)
    if not kind:
        return []
    outputs = design.cells[name]["connections"].get("F" if kind == LUT else "Q", ())
    receivers = [pin for wire in outputs for pin in design.receivers[wire] if pin[0] in design.tile]
    found = [_better(design, name, receivers, arrivals, rests)]
    if kind == LUT:
        at, there = design.tile[name], arrivals[name, "F"]
        late = [
            pin for pin in receivers if there + away(at, design.tile[pin[0]]) + rests[pin] > GOAL
        ]
        if late and len(late) < len(receivers):
            step = _better(design, name, late, arrivals, rests)
            found.append(step and step._replace(pins=tuple(late)))
    return [step for step in found if step is not None]


def _better(
    design: Placed,
    name: str,
    receivers: Sequence[Pin],
    arrivals: dict[Pin, float],
    rests: dict[Pin, float],
) -> _Step | None:
    """The place where the slowest path through a cell is shortest, None where it is there."""
    lut = design.kind(name) == LUT
    cell = design.cells[name]
    taken = [
        (design.tile[driver[0]], arrivals[driver])
        for port in ("ABCD" if lut else ("M", "CE"))
        for wire in cell["connections"].get(port, ())
        if (driver := design.drivers.get(wire)) and driver[0] in design.tile
    ]
    given = [(design.tile[pin[0]], rests[pin]) for pin in receivers]
    if not taken or not given:
        return None

    def cost(tile: Tile) -> float:
        first = max(ns + away(tile, other) for other, ns in taken)
        second = max(ns + away(tile, other) for other, ns in given)
        return first + _LUT_NS + second if lut else max(first, TO_REGISTER + second)

    now = cost(design.tile[name])
    columns, rows = zip(*(tile for tile, _ in [*taken, *given]), strict=True)
    tiles = sorted(
        (cost((x, y)), (x, y))
        for x in range(min(columns), max(columns) + 1)
        for y in range(min(rows), max(rows) + 1)
        if design.uses((x, y))
    )
    for ns, tile in tiles[:_TILES]:
        if ns >= now - LEAST:
            return None
        if site := design.free(name, tile):
            return _Step(now - ns, name, site)
    return None
