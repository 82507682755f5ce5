# SPDX-License-Identifier: Apache-2.0
"""A design placed on an ECP5, as nextpnr writes it: its cells, and what its paths take.

Times are a model of nextpnr's own for speed grade 6, nanoseconds: a wire takes `NEAR` and `A_TILE`
for each row and column, which is what its router comes to (65 tiles 4.52 ns, 36 tiles 2.67 ns).
"""

import copy
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LUT", "REGISTER", "TO_REGISTER", "End", "Placed", "away"]

PLACE, _STRENGTH = "NEXTPNR_BEL", "BEL_STRENGTH"
_FIXED = format(6, "032b")  # as a pin that the constraints name
_SITE = re.compile(r"X(\d+)/Y(\d+)/SLICE([A-D])\.(K|FF)([01])")
_TILE = re.compile(r"X(\d+)/Y(\d+)/")
_COMB, _FLIP_FLOP = "TRELLIS_COMB", "TRELLIS_FF"
#: Kinds of cells that may stand elsewhere: a LUT by itself, a register that no LUT stands before.
LUT, REGISTER = "LUT", "register"
NEAR, A_TILE = 0.35, 0.065
#: From a clock to an output; from an input of a LUT to its output.
TO_REGISTER = 0.52
_CLOCKED = {_FLIP_FLOP: TO_REGISTER, "DP16KD": 5.6}
_ENDS = {_FLIP_FLOP, "DP16KD", "TRELLIS_RAMW"}
_CLOCKS = {"CLK", "CLKA", "CLKB", "WCK", "LSR", "RSTA", "RSTB"}
#: Ports that a neighbour in the same slice drives, without a wire.
_BOUND = {"DI", "F1", "FXA", "FXB", "FCI"}
_NEVER = -1e3

Tile = tuple[int, int]
Pin = tuple[str, str]


def away(one: Tile, other: Tile) -> float:
    """Time of a wire from tile to tile."""
    return NEAR + A_TILE * (abs(one[0] - other[0]) + abs(one[1] - other[1]))


class End(NamedTuple):
    """Where a path ends."""

    ns: float
    pin: Pin
    driver: Pin


class Placed:
    """A placed design.

    Parameters
    ----------
    path : pathlib.Path
        JSON of nextpnr after placement.

    Attributes
    ----------
    cells : dict
        Cells by name.
    tile : dict
        Column and row of each cell.
    drivers : dict
        Output that drives a wire; constants drive none.
    receivers : dict
        Inputs on a wire.
    """

    def __init__(self, path: Path) -> None:
        self._design = json.loads(path.read_text(encoding="utf-8"))
        (self._module,) = (m for m in self._design["modules"].values() if m["cells"])
        self.cells: dict[str, Any] = self._module["cells"]
        self.tile: dict[str, Tile] = {}
        self.drivers: dict[int, Pin] = {}
        self.receivers: dict[int, list[Pin]] = defaultdict(list)
        self._sites: dict[Tile, dict[str, str]] = defaultdict(dict)
        self._last_wire = 0
        for name, cell in self.cells.items():
            self._stand(name)
            for port, wire, is_output in _pins(cell):
                self._last_wire = max(self._last_wire, wire)
                if not is_output:
                    self.receivers[wire].append((name, port))
                elif not name.startswith("$PACKER_"):
                    self.drivers[wire] = name, port
        self._arcs: dict[Pin, list[tuple[Pin, str, float]]] = {}
        self._order: list[Pin] = []
        self._connect()

    def write(self, path: Path) -> None:
        """Write it with every cell fixed where it is."""
        for cell in self.cells.values():
            if PLACE in cell["attributes"]:
                cell["attributes"][_STRENGTH] = _FIXED
        path.write_text(json.dumps(self._design), encoding="utf-8")

    # times

    def arrivals(self) -> dict[Pin, float]:
        """When each output has its value, after the clock."""
        found: dict[Pin, float] = {}
        for pin in self._order:
            times = [
                found[driver] + self._way(driver, pin[0], port) + ns
                for driver, port, ns in self._arcs[pin]
            ]
            start = _CLOCKED.get(self.cells[pin[0]]["type"], 0.0)
            found[pin] = max(times, default=start)
        return found

    def rests(self) -> dict[Pin, float]:
        """What is still to come behind each input."""
        behind: dict[Pin, float] = defaultdict(lambda: _NEVER)
        rests: dict[Pin, float] = defaultdict(lambda: _NEVER)
        for wire, pins in self.receivers.items():
            if wire in self.drivers:
                for name, port in pins:
                    if self.cells[name]["type"] in _ENDS and port not in _CLOCKS:
                        driver = self.drivers[wire]
                        rests[name, port] = 0.0
                        behind[driver] = max(behind[driver], self._way(driver, name, port))
        for pin in reversed(self._order):
            for driver, port, ns in self._arcs[pin]:
                rest = behind[pin] + ns
                rests[pin[0], port] = max(rests[pin[0], port], rest)
                behind[driver] = max(behind[driver], rest + self._way(driver, pin[0], port))
        return rests

    def ends(self, arrivals: dict[Pin, float]) -> list[End]:
        """Ends of all paths, the latest first."""
        found = []
        for wire, pins in self.receivers.items():
            if wire in self.drivers:
                driver = self.drivers[wire]
                for name, port in pins:
                    if self.cells[name]["type"] in _ENDS and port not in _CLOCKS:
                        ns = arrivals[driver] + self._way(driver, name, port)
                        found.append(End(ns, (name, port), driver))
        return sorted(found, key=lambda end: (-end.ns, end.pin))

    def way_of(self, end: End, arrivals: dict[Pin, float]) -> list[str]:
        """Cells on the path that ends there, from the end."""
        pin, names = end.driver, [end.pin[0]]
        while True:
            names.append(pin[0])
            if not self._arcs[pin]:
                return names
            at = pin[0]
            pin = max(
                (arrivals[driver] + self._way(driver, at, port) + ns, driver)
                for driver, port, ns in self._arcs[pin]
            )[1]

    # moves

    def kind(self, name: str) -> str:
        """`LUT`, `REGISTER`, or nothing where a cell has to stay."""
        cell = self.cells[name]
        used = {port for port, wires in cell["connections"].items() if wires}
        if _SITE.fullmatch(cell["attributes"].get(PLACE, "")) is None:
            return ""
        if cell["type"] == _FLIP_FLOP:
            return REGISTER if "M" in used and "DI" not in used else ""
        mode = cell["parameters"].get("MODE", "LOGIC")
        if cell["type"] != _COMB or mode != "LOGIC" or not {"F"} <= used <= set("ABCDF"):
            return ""
        (output,) = cell["connections"]["F"]
        return "" if any(port in _BOUND for _, port in self.receivers[output]) else LUT

    def uses(self, tile: Tile) -> bool:
        """Whether anything stands on a tile."""
        return tile in self._sites

    def free(self, name: str, tile: Tile) -> str:
        """A site of a tile where a cell of one of the two kinds may stand, or nothing.

        Only tiles that are in use, and hold neither carries nor LUT RAM. A register needs an empty
        slice in a tile whose registers have its clock, reset and settings.
        """
        used = self._sites.get(tile, {})
        if not used or any(map(self._is_special, used.values())):
            return ""
        x, y = tile
        if self.kind(name) == LUT:
            sites = (f"X{x}/Y{y}/SLICE{letter}.K{n}" for letter in "ABCD" for n in (0, 1))
            return next((site for site in sites if site not in used), "")
        signs = {_sign(self.cells[one]) for site, one in used.items() if ".FF" in site}
        if signs - {_sign(self.cells[name])}:
            return ""
        slices = (f"X{x}/Y{y}/SLICE{letter}." for letter in "ABCD")
        taken = {site.partition(".")[0] + "." for site in used}
        return next((f"{one}FF0" for one in slices if one not in taken), "")

    def move(self, name: str, site: str) -> None:
        """Put a cell to a free site."""
        attributes = self.cells[name]["attributes"]
        del self._sites[self.tile[name]][attributes[PLACE]]
        attributes[PLACE] = site
        self._stand(name)

    def divide(self, name: str, pins: list[Pin], site: str) -> str:
        """Put a copy of a LUT to a free site, which drives some of its receivers; its name."""
        cell = self.cells[name]
        (old,) = cell["connections"]["F"]
        new = self._last_wire = self._last_wire + 1
        twin, twin_name = copy.deepcopy(cell), f"{name}$copy{new}"
        twin["connections"]["F"] = [new]
        twin["attributes"][PLACE] = site
        self.cells[twin_name] = twin
        self._module["netnames"][twin_name] = {"hide_name": 1, "bits": [new], "attributes": {}}
        for other, port in pins:
            wires = self.cells[other]["connections"]
            wires[port] = [new if wire == old else wire for wire in wires[port]]
            self.receivers[old].remove((other, port))
            self.receivers[new].append((other, port))
        for port, wire, is_output in _pins(twin):
            if not is_output:
                self.receivers[wire].append((twin_name, port))
        self.drivers[new] = twin_name, "F"
        self._stand(twin_name)
        self._connect()
        return twin_name

    # inside

    def _stand(self, name: str) -> None:
        place = self.cells[name]["attributes"].get(PLACE, "")
        if tile := _TILE.match(place):
            self.tile[name] = int(tile[1]), int(tile[2])
            self._sites[self.tile[name]][place] = name

    def _is_special(self, name: str) -> bool:
        cell = self.cells[name]
        return cell["type"] not in (_COMB, _FLIP_FLOP) or (
            cell["type"] == _COMB and cell["parameters"].get("MODE", "LOGIC") != "LOGIC"
        )

    def _way(self, driver: Pin, name: str, port: str) -> float:
        one, other = self.tile.get(driver[0]), self.tile.get(name)
        if one is None or other is None or (port in _BOUND and one == other):
            return 0.0
        return away(one, other)

    def _connect(self) -> None:
        """Arcs to each output, and the outputs in an order in which each follows what it needs."""
        self._arcs = {}
        needs: dict[Pin, int] = {}
        follows: dict[Pin, list[Pin]] = defaultdict(list)
        for driver in self.drivers.values():
            cell = self.cells[driver[0]]
            arcs = self._arcs[driver] = []
            for port, wire, is_output in _pins(cell) if cell["type"] == _COMB else ():
                ns = None if is_output else _through(cell, port, driver[1])
                if ns is not None and wire in self.drivers:
                    arcs.append((self.drivers[wire], port, ns))
                    follows[self.drivers[wire]].append(driver)
            needs[driver] = len(arcs)
        ready = [pin for pin, count in needs.items() if not count]
        self._order = []
        while ready:
            pin = ready.pop()
            self._order.append(pin)
            for one in follows[pin]:
                needs[one] -= 1
                if not needs[one]:
                    ready.append(one)
        if len(self._order) < len(needs):
            raise ValueError("expected a design without combinational loops, was one with")


def _pins(cell: dict[str, Any]) -> list[tuple[str, int, bool]]:
    """Port, wire and whether it is an output, of each connected pin."""
    return [
        (port, wire, cell["port_directions"][port] == "output")
        for port, wires in cell["connections"].items()
        for wire in wires
        if isinstance(wire, int)
    ]


def _through(cell: dict[str, Any], port: str, output: str) -> float | None:
    """Time through a LUT, a carry or a multiplexer; None where there is no way."""
    lut, chain = port in "ABCD", cell["parameters"].get("MODE", "LOGIC") == "CCU2"
    if output == "FCO":
        return 0.036 if port == "FCI" else 0.45 if lut else None
    if output == "OFX":
        return {"M": 0.26, "F1": 0.16, "FXA": 0.16, "FXB": 0.16}.get(port, 0.4 if lut else None)
    if port == "FCI":
        return 0.44
    return (0.45 if chain else 0.24) if lut else None


def _sign(cell: dict[str, Any]) -> tuple[Any, ...]:
    """What registers of a tile share."""
    nets = tuple(tuple(cell["connections"].get(port, ())) for port in ("CLK", "LSR"))
    settings = {k: v for k, v in cell["parameters"].items() if k not in ("REGSET", "SD")}
    return nets, tuple(sorted(settings.items()))
