# SPDX-License-Identifier: Apache-2.0
"""How long the paths of a packed design take when each wire takes a given time.

Times are those of nextpnr for speed grade 6. Paths from or to pins of the part do not count.
"""

from collections import defaultdict

import numpy as np
from numba import njit

from .packed import (
    BLOCK_RAM,
    CLOCKS,
    LUT,
    MULTIPLIER,
    REGISTER,
    WRITER,
    Cell,
    Packed,
    Pin,
    mode,
    pins,
    ranges,
)
from .part import Numbers

__all__ = ["Paths"]

#: When an output has its value after the clock, ns; all others follow from inputs or never change.
_STARTS = {REGISTER: 0.52, BLOCK_RAM: 5.6, LUT: 0.0, MULTIPLIER: 0.0}
_NEVER = -1e3
_ENDS = {REGISTER, BLOCK_RAM, WRITER}
_PIN = "TRELLIS_IO"


def _through(cell: Cell, port: str, output: str) -> float | None:
    """Time from an input to an output, None where the output does not follow from it."""
    if cell["type"] == MULTIPLIER:
        return 3.93 if port[0] in "AB" and port[1:].isdigit() and output[0] == "P" else None
    if cell["type"] != LUT:
        return None
    lut, chain = port in "ABCD", mode(cell) == "CCU2"
    if output == "FCO":
        return 0.036 if port == "FCI" else 0.45 if lut else None
    if output == "OFX":
        return {"M": 0.26, "F1": 0.16, "FXA": 0.16, "FXB": 0.16}.get(port, 0.4 if lut else None)
    if port == "FCI":
        return 0.44
    return (0.45 if chain else 0.24) if lut else None


class Paths:
    """Paths of a design between registers and memories.

    Attributes
    ----------
    end_names : list of tuple
        Cell and input at which each path ends.
    """

    def __init__(self, packed: Packed) -> None:
        arcs: dict[Pin, list[tuple[Pin, int, float]]] = {}
        for driver in packed.drivers.values():
            cell = packed.cells[driver[0]]
            arcs[driver] = [
                (source, packed.ways.get((source, (driver[0], port)), -1), ns)
                for port, wire, is_output in pins(cell)
                if not is_output and (source := packed.drivers.get(wire)) is not None
                if (ns := _through(cell, port, driver[1])) is not None
            ]
        order = _in_order(arcs)
        number = {pin: at for at, pin in enumerate(order)}
        self._first, self._from = ranges(
            [[number[one] for one, _, _ in arcs[pin]] for pin in order]
        )
        self._way = np.array([way for pin in order for _, way, _ in arcs[pin]], np.int64)
        self._ns = np.array([ns for pin in order for _, _, ns in arcs[pin]], float)
        kinds = [packed.cells[name]["type"] for name, _ in order]
        self._start = np.array([_STARTS.get(kind, _NEVER) for kind in kinds])
        ends = [
            (number[driver], packed.ways.get((driver, pin), -1), pin)
            for wire, driver in packed.wires()
            if packed.cells[driver[0]]["type"] != _PIN
            for pin in packed.receivers[wire]
            if _is_end(packed.cells[pin[0]]["type"], pin[1])
        ]
        self._end = np.array([pin for pin, _, _ in ends], np.int64)
        self._end_way = np.array([way for _, way, _ in ends], np.int64)
        self.end_names = [pin for _, _, pin in ends]
        self._through = np.zeros(len(packed.ways))

    def through(self, ns: Numbers) -> tuple[float, Numbers]:
        """The slowest path of all, and the slowest through each way, ns.

        Parameters
        ----------
        ns : array
            Time of each way.
        """
        slowest = _find(
            *(self._first, self._from, self._way, self._ns, self._start, self._end, self._end_way),
            *(ns, self._through),
        )
        return float(slowest), self._through

    def ends(self, ns: Numbers) -> Numbers:
        """When each end has its value, ns."""
        there = _arrivals(self._first, self._from, self._way, self._ns, self._start, ns)
        wires = np.where(self._end_way >= 0, ns[self._end_way], 0.0)
        found: Numbers = there[self._end] + wires
        return found


def _is_end(kind: str, port: str) -> bool:
    return port == "WRE" or (kind in _ENDS and port not in CLOCKS)


def _in_order(arcs: dict[Pin, list[tuple[Pin, int, float]]]) -> list[Pin]:
    """Outputs, each behind those it follows from."""
    behind: dict[Pin, list[Pin]] = defaultdict(list)
    needs = {pin: len(each) for pin, each in arcs.items()}
    for pin, each in arcs.items():
        for source, _, _ in each:
            behind[source].append(pin)
    ready = [pin for pin, count in needs.items() if not count]
    order = []
    while ready:
        pin = ready.pop()
        order.append(pin)
        for one in behind[pin]:
            needs[one] -= 1
            if not needs[one]:
                ready.append(one)
    if len(order) < len(needs):
        raise ValueError("expected a design without combinational loops, was one with")
    return order


@njit(cache=True)
def _arrivals(first, sources, ways, through, start, ns):  # type: ignore[no-untyped-def]
    there = start.copy()
    for pin in range(len(start)):
        for n in range(first[pin], first[pin + 1]):
            wire = ns[ways[n]] if ways[n] >= 0 else 0.0
            there[pin] = max(there[pin], there[sources[n]] + wire + through[n])
    return there


@njit(cache=True)
def _find(first, sources, ways, through, start, ends, end_ways, ns, slowest):  # type: ignore[no-untyped-def]
    there = _arrivals(first, sources, ways, through, start, ns)
    rest = np.full(len(start), -1e3)
    most = 0.0
    slowest[:] = 0.0
    for n in range(len(ends)):
        way = end_ways[n]
        wire = ns[way] if way >= 0 else 0.0
        whole = there[ends[n]] + wire
        rest[ends[n]] = max(rest[ends[n]], wire)
        most = max(most, whole)
        if way >= 0:
            slowest[way] = max(slowest[way], whole)
    for pin in range(len(start) - 1, -1, -1):
        for n in range(first[pin], first[pin + 1]):
            way = ways[n]
            behind = (ns[way] if way >= 0 else 0.0) + through[n] + rest[pin]
            rest[sources[n]] = max(rest[sources[n]], behind)
            if way >= 0:
                slowest[way] = max(slowest[way], there[sources[n]] + behind)
    return most
