# SPDX-License-Identifier: Apache-2.0
"""Memories of few and wide rows in LUTs, for a part that is short of block RAM.

A block RAM of AMD has at least 512 rows and at most 72 bits a row, so a memory of a row a symbol
leaves all but 16 of them empty. As LUTs the same bits cost four LUTs for every six. What a read
gives is the same in both, one clock later.
"""

import re
from functools import partial
from typing import NamedTuple

__all__ = ["FewRows", "in_luts"]

#: The attributes of a memory, the style among them, and what it is: in RTLIL, and in Verilog.
_RTLIL = re.compile(
    r'(?P<before>attribute \\ram_style )"block"'
    r"(?P<after>\n(?: *attribute .*\n)* *memory width (?P<bits>\d+) size (?P<rows>\d+) )"
)
_VERILOG = re.compile(
    r'(?P<before>\(\* ram_style = )"block"'
    r"(?P<after> \*\)\n(?: *\(\*.*\n)* *reg \[(?P<bits>\d+):0\] \S+ *\[(?P<rows>\d+):0\];)"
)


class FewRows(NamedTuple):
    """Which memories go into LUTs: of at most so many rows, and at least so many bits a row."""

    rows: int
    bits: int


def in_luts(text: str, which: FewRows) -> tuple[str, int]:
    """A netlist whose memories of few rows are marked ``distributed``, and how many these are.

    Parameters
    ----------
    text : str
        RTLIL or Verilog, as Amaranth writes them.
    which : FewRows
        The memories; others, and those that are not marked ``block``, stay as they are.
    """
    moved = 0

    def change(found: re.Match[str], verilog: bool) -> str:
        nonlocal moved
        # Verilog tells the last, RTLIL how many.
        rows, bits = int(found["rows"]) + verilog, int(found["bits"]) + verilog
        if rows > which.rows or bits < which.bits:
            return found.group()
        moved += 1
        return f'{found["before"]}"distributed"{found["after"]}'

    for kind, verilog in ((_RTLIL, False), (_VERILOG, True)):
        text = kind.sub(partial(change, verilog=verilog), text)
    return text, moved
