# SPDX-License-Identifier: Apache-2.0
"""LUTs of a Xilinx netlist of which two are one: a LUT has two outputs, of at most five inputs.

Vivado combines such LUTs, Yosys does not. Two are taken as one here where they share an input and
have at most five between them; none that leads into a carry or a wide multiplexer, whose second
output these take. Each takes the partner it shares the most with, the widest LUTs first, so more
pairs than these may exist, and Vivado may find fewer where wires would get too long.
"""

from collections import defaultdict
from typing import Any

__all__ = ["pairs"]

_INPUTS = 5
#: A wire of more LUTs is no reason to stand together.
_MOST_ENDS = 200
_ALONE = {"CARRY4": "S", "CARRY8": "S", "MUXF7": ("I0", "I1"), "MUXF8": ("I0", "I1")}


def pairs(cells: dict[str, Any]) -> int:
    """How many LUTs of a netlist share one with another.

    Parameters
    ----------
    cells : dict
        Cells by name, as Yosys writes them in JSON.
    """
    inputs: dict[str, frozenset[int]] = {}
    outputs: dict[int, str] = {}
    for name, cell in cells.items():
        if cell["type"].startswith("LUT"):
            wires = cell["connections"]
            every = [bit for port, each in wires.items() if port != "O" for bit in each]
            inputs[name] = frozenset(bit for bit in every if isinstance(bit, int))
            outputs[wires["O"][0]] = name
    for cell in cells.values():
        for port in _ALONE.get(cell["type"], ()):
            for bit in cell["connections"].get(port, ()):
                inputs.pop(outputs.get(bit, ""), None)
    left = {name: bits for name, bits in inputs.items() if len(bits) <= _INPUTS}
    ends: dict[int, list[str]] = defaultdict(list)
    for name, bits in left.items():
        for bit in bits:
            ends[bit].append(name)
    found = 0
    for name in sorted(left, key=lambda name: (-len(left[name]), name)):
        if name not in left:
            continue
        bits = left.pop(name)
        near = {
            other
            for bit in bits
            if len(ends[bit]) <= _MOST_ENDS
            for other in ends[bit]
            if other in left and len(bits | left[other]) <= _INPUTS
        }
        if near:
            del left[max(near, key=lambda other: (len(bits & left[other]), other))]
            found += 1
    return found
