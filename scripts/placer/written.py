# SPDX-License-Identifier: Apache-2.0
"""A placed design for nextpnr, which packs it again, checks all places and routes it.

nextpnr keeps no signs of what it has packed in its JSON, and a design that is loaded as packed is
not the same: both carries of a slice count as its first, and which inputs of a LUT may be exchanged
is known only of cells that were packed. So all cells are given as if from a netlist, each with its
site as a constraint.
"""

import copy
import json
from pathlib import Path
from typing import Any

from .packed import LUT, REGISTER, WRITER, Cell, Packed, largest, mode
from .part import SITES, WIDTH, Numbers

__all__ = ["written"]

_SLICES = {LUT: "K", REGISTER: "FF", WRITER: "RAMW"}
_TIED = "$PACKER_"


def _sites(packed: Packed, places: Numbers) -> dict[str, str]:
    """Site of each cell that was placed, as nextpnr names it."""
    found = {}
    for name, kind, place in zip(packed.names, packed.kinds, places.tolist(), strict=True):
        if place >= 0 and kind in SITES:
            x, y, site = SITES[kind][place]
            found[name] = f"X{x}/Y{y}/{site}"
        elif place >= 0:
            tile, at = place >> 3, place & 7
            sort = _SLICES[kind]
            end = sort if kind == WRITER else f"{sort}{at & 1}"
            found[name] = f"X{tile % WIDTH}/Y{tile // WIDTH}/SLICE{'ABCD'[at >> 1]}.{end}"
    return found


def written(packed: Packed, places: Numbers, path: Path) -> None:
    """Write the design with all places.

    Parameters
    ----------
    packed : Packed
        The design.
    places : array
        Of each cell: its place, of a macro its site (`part.SITES`), else -1.
    path : pathlib.Path
        Takes the JSON.
    """
    sites = _sites(packed, places)
    design = copy.deepcopy(packed.design)
    module = largest(design)
    module["settings"] = {}
    _open_pins(module)
    _halves(packed, places, module)
    for name, cell in list(module["cells"].items()):
        attributes = cell["attributes"]
        given = sites.get(name) or attributes.pop("NEXTPNR_BEL", None)
        for old in ("NEXTPNR_BEL", "BEL_STRENGTH"):
            attributes.pop(old, None)
        if given:
            attributes["BEL"] = given
        cell["connections"] = {port: wires for port, wires in cell["connections"].items() if wires}
        ways = cell["port_directions"]
        cell["port_directions"] = {port: ways[port] for port in cell["connections"]}
        if name.startswith(_TIED):  # nextpnr makes cells of that name
            module["cells"][f"tied_{name[len(_TIED) :].lower()}"] = module["cells"].pop(name)
    for name in list(module["netnames"]):
        net = module["netnames"][name]
        net["attributes"].pop("ROUTING", None)
        if name.startswith(_TIED):
            module["netnames"][f"tied_{name[len(_TIED) :].lower()}"] = module["netnames"].pop(name)
    path.write_text(json.dumps(design), encoding="utf-8")


def _open_pins(module: Cell) -> None:
    """Take out the cells of pins, which nextpnr makes again, and connect ports to what they did."""
    for name, cell in list(module["cells"].items()):
        if cell["type"] == "TRELLIS_IO":
            (pin,) = cell["connections"]["B"]
            (wire,) = cell["connections"]["O"] or cell["connections"]["I"]
            for port in module["ports"].values():
                port["bits"] = [wire if bit == pin else bit for bit in port["bits"]]
            del module["cells"][name]


def _halves(packed: Packed, places: Numbers, module: Cell) -> None:
    """Tell nextpnr which carry is the second of its slice: a multiplexer that nothing reads.

    It packs the LUTs of a ``PFUMX`` as first and second of a slice.
    """
    used = [bit for net in module["netnames"].values() for bit in net["bits"]]
    free = 1 + max(bit for bit in used if isinstance(bit, int))

    def wire() -> list[int]:
        nonlocal free
        free += 1
        net: dict[str, Any] = {"hide_name": 1, "bits": [free - 1], "attributes": {}}
        module["netnames"][f"$half{free}"] = net
        return [free - 1]

    chained = [name for name in packed.names if mode(packed.cells[name]) == "CCU2"]
    by_place = {int(places[packed.number[name]]): name for name in chained}
    for place, name in by_place.items():
        if place & 1:
            ends = [module["cells"][each] for each in (by_place[place - 1], name)]
            for cell in ends:
                if not cell["connections"].get("F"):
                    cell["connections"]["F"], cell["port_directions"]["F"] = wire(), "output"
            module["cells"][f"{name}$half"] = {
                "hide_name": 1,
                "type": "PFUMX",
                "parameters": {},
                "attributes": {},
                "port_directions": {"Z": "output"} | dict.fromkeys(("BLUT", "ALUT", "C0"), "input"),
                "connections": {
                    "BLUT": ends[0]["connections"]["F"],
                    "ALUT": ends[1]["connections"]["F"],
                    "C0": ["x"],
                    "Z": wire(),
                },
            }
