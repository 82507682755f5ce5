# SPDX-License-Identifier: Apache-2.0
"""LUTs that a placement left far off the way of their signals, found in what nextpnr wrote.

A register of the book feeds itself through a LUT that also takes a value from the other end of the
part. The wire is as long wherever between the two that LUT lies, so a placer that weighs wire by
length alone may leave it at the far end: the loop then crosses the part twice in a clock. A few
such LUTs, of thirty thousand, decide the clock of a seed. Here they lose their place, and all
others are fixed where they are, so that nextpnr's next run places these alone, with the timing of
all the rest known.
"""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

__all__ = ["loosen"]

#: A way of so many columns and rows from driver to receiver is looked at,
LONG = 85
#: when so many of them would not be, were the LUT at one of its neighbours.
DETOUR = 30
_PLACE, _STRENGTH = "NEXTPNR_BEL", "BEL_STRENGTH"
_FIXED = format(6, "032b")  # as a pin that the constraints name
#: Where a LUT's output goes when the two cannot be parted.
_BOUND = {"DI", "F1", "FXA", "FXB"}
_At = tuple[int, int]


def loosen(placed: Path, out: Path) -> list[str]:
    """Take the places of such LUTs out of a placed design, and fix all others.

    Parameters
    ----------
    placed : pathlib.Path
        Design as nextpnr writes it after placement, JSON.
    out : pathlib.Path
        Takes the same without those places.

    Returns
    -------
    list of str
        Names of the LUTs.
    """
    design = json.loads(placed.read_text(encoding="utf-8"))
    (cells,) = (module["cells"] for module in design["modules"].values())
    found = _found(cells)
    for name, cell in cells.items():
        if name in found:
            del cell["attributes"][_PLACE], cell["attributes"][_STRENGTH]
        elif _PLACE in cell["attributes"]:
            cell["attributes"][_STRENGTH] = _FIXED
    out.write_text(json.dumps(design), encoding="utf-8")
    return sorted(found)


def _found(cells: dict[str, Any]) -> set[str]:
    at: dict[str, _At] = {}
    for name, cell in cells.items():
        if place := re.match(r"X(\d+)/Y(\d+)/", cell["attributes"].get(_PLACE, "")):
            at[name] = int(place[1]), int(place[2])
    drivers: dict[int, str] = {}
    receivers: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for name, port, wire, is_output in _pins(cells):
        if is_output:
            drivers[wire] = name
        else:
            receivers[wire].append((name, port))
    found = set()
    for name, cell in cells.items():
        if name not in at or not _is_lut_alone(cell):
            continue
        (output,) = cell["connections"]["F"]
        taken = [
            at[drivers[wire]]
            for port in "ABCD"
            for wire in cell["connections"].get(port, ())
            if drivers.get(wire) in at
        ]
        given = [at[other] for other, _ in receivers[output] if other in at]
        if not taken or not given or any(port in _BOUND for _, port in receivers[output]):
            continue
        longest = _longest(at[name], taken, given)
        if longest >= LONG and longest - DETOUR >= min(
            _longest(other, taken, given) for other in {*taken, *given}
        ):
            found.add(name)
    return found


def _pins(cells: dict[str, Any]) -> Any:
    """Cell, port, wire and whether it is an output, of each pin."""
    for name, cell in cells.items():
        for port, wires in cell["connections"].items():
            for wire in wires:
                if isinstance(wire, int):
                    yield name, port, wire, cell["port_directions"][port] == "output"


def _is_lut_alone(cell: dict[str, Any]) -> bool:
    """A LUT that is no part of a carry, a memory or a wider multiplexer."""
    used = {port for port, wires in cell["connections"].items() if wires}
    mode = cell["parameters"].get("MODE", "LOGIC")
    return cell["type"] == "TRELLIS_COMB" and mode == "LOGIC" and {"F"} <= used <= set("ABCDF")


def _longest(place: _At, taken: list[_At], given: list[_At]) -> int:
    """Longest way of a signal through a cell at a place, columns and rows."""

    def away(other: _At) -> int:
        return abs(place[0] - other[0]) + abs(place[1] - other[1])

    return max(map(away, taken)) + max(map(away, given))
