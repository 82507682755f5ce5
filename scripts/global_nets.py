# SPDX-License-Identifier: Apache-2.0
"""Resets of an ECP5 design on the wires of clocks, which reach every register.

The reset of all goes to three of four registers, and on the wires of signals it is the net that
most others have to make way for. Clocks of an ECP5 have sixteen nets of their own, whose last
branch can be taken by the resets of a tile as well, if its number is one of `RESET_BRANCHES` (the
database of Project Trellis, ``PLC2/bits.db``). nextpnr gives a net of its own to each ``DCCA`` of
the netlist, but not of its own accord to resets, and numbers them from 0 in the order in which it
holds their cells: the clock, then these from the last name to the first. So the first numbers are
taken by buffers with a single register each.
"""

import json
import re
from collections import defaultdict
from typing import Any

__all__ = ["RESET_BRANCHES", "misplaced", "promote"]

#: Nets whose branches a tile's resets can be taken from.
RESET_BRANCHES = (4, 5, 6, 7, 8, 14, 15)
#: nextpnr gives numbers below this to nets that go to more than clocks; the first is the clock's.
_NUMBERS = 8
_BEFORE = RESET_BRANCHES[0] - 1
#: A reset of fewer registers stays where it is.
_FEWEST = 200
#: Names that nextpnr, which sorts them, holds before those of all other cells.
_NET, _TAKEN = "$$global", "$$taken"
_ROUTED = re.compile(r"routing clock net (\S+) using global (\d+)")

Cell = dict[str, Any]


def promote(module: dict[str, Any]) -> list[int]:
    """Put the resets of the most registers of a netlist of Yosys behind global buffers.

    Parameters
    ----------
    module : dict
        The module of all cells, which is changed: ``cells`` and ``netnames`` by name.

    Returns
    -------
    list of int
        Registers on each net, the most first.
    """
    cells: dict[str, Cell] = module["cells"]
    loads = _resets(cells)
    nets = sorted(loads, key=lambda bit: (-len(loads[bit]), bit))[: _NUMBERS - 1 - _BEFORE]
    nets = [bit for bit in nets if len(loads[bit]) >= _FEWEST]
    if not nets:
        return []
    bits = (bit for name in module["netnames"].values() for bit in name["bits"])
    free = 1 + max(bit for bit in bits if isinstance(bit, int))
    single = [(nets[0], [loads[nets[0]].pop()]) for _ in range(_BEFORE)]
    groups = [(f"{_NET}{n}", bit, loads[bit]) for n, bit in enumerate(nets)]
    groups += [(f"{_TAKEN}{n}", bit, few) for n, (bit, few) in enumerate(single)]
    for name, bit, registers in groups:
        for register in registers:
            register["connections"]["LSR"] = [free]
        cells[name] = {
            "hide_name": 0,
            "type": "DCCA",
            "parameters": {},
            "attributes": {},
            "port_directions": {"CLKI": "input", "CE": "input", "CLKO": "output"},
            "connections": {"CLKI": [bit], "CE": ["1"], "CLKO": [free]},
        }
        module["netnames"][f"{name}_net"] = {"hide_name": 0, "bits": [free], "attributes": {}}
        free += 1
    return [len(loads[bit]) for bit in nets]


def _resets(cells: dict[str, Cell]) -> dict[int, list[Cell]]:
    """Registers by the net of their reset; nets of equal LUTs are one."""
    loads: dict[int, list[Cell]] = defaultdict(list)
    drivers: dict[int, Cell] = {}
    for cell in cells.values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                drivers.update(dict.fromkeys(bits, cell))
        if cell["type"] == "TRELLIS_FF":
            (bit,) = cell["connections"].get("LSR", ["0"])
            if isinstance(bit, int):
                loads[bit].append(cell)
    first: dict[str, int] = {}
    for bit in sorted(loads, key=lambda bit: (-len(loads[bit]), bit)):
        driver = drivers.get(bit)
        if driver is None:
            del loads[bit]  # of a pin, through a cell that nextpnr makes
        elif driver["type"] == "LUT4":
            inputs = {port: driver["connections"].get(port) for port in "ABCD"}
            same = json.dumps([driver["parameters"].get("INIT"), inputs])
            if first.setdefault(same, bit) != bit:
                loads[first[same]] += loads.pop(bit)
    return loads


def misplaced(log: str) -> list[str]:
    """Global nets that resets cannot be taken from, by what nextpnr printed."""
    found = {name: int(number) for name, number in _ROUTED.findall(log)}
    return [
        f"{name} on {number}"
        for name, number in found.items()
        if name.startswith(_NET) and number not in RESET_BRANCHES
    ]
