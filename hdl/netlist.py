# SPDX-License-Identifier: Apache-2.0
"""A component as RTLIL for synthesis with Yosys."""

import re

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable

__all__ = ["netlist"]


def netlist(top: Elaboratable, name: str = "top") -> str:
    """RTLIL of a component, its memories marked as Yosys understands it.

    Amaranth says of each read port that it gives the row as it was before a write in the same
    clock. For a memory with the attribute ``no_rw_check`` (`hdl.memory.block_ram`) the text is
    changed to say that anything may come then: Yosys looks for that attribute only at memories it
    has made from Verilog.

    Parameters
    ----------
    top : Elaboratable
        Component with the ports of the design.
    name : str
        Name of the top module.
    """
    modules = re.split(
        r"^(?=attribute .*\nmodule |module )",
        rtlil.convert(top, name=name, emit_src=False),
        flags=re.M,
    )
    return "".join(map(_marked, modules))


def _marked(module: str) -> str:
    """One module, the read ports of its marked memories changed."""
    free = set(
        re.findall(
            r"attribute \\no_rw_check .*\n(?:\s*attribute .*\n)*\s*memory .* (\S+)\n", module
        )
    )

    def change(cell: re.Match[str]) -> str:
        text = cell.group()
        owner = re.search(r'parameter \\MEMID "\\(\S+)"', text)
        if owner is None or owner.group(1) not in free:
            return text
        return re.sub(r"(COLLISION_X_MASK \d+'0*)0\b", r"\g<1>1", text)

    return re.sub(r"^  cell \$memrd_v2 .*?^  end$", change, module, flags=re.M | re.S)
