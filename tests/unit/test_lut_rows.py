# SPDX-License-Identifier: Apache-2.0
"""Memories of few and wide rows are marked for LUTs, in what Yosys and in what Vivado is given."""

import re

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring

from hdl.memory import SweptMemory
from hdl.netlist import netlist
from scripts import vendor
from scripts.lut_rows import FewRows, in_luts

#: Bits and rows of memories; those of 100 bits or more and at most 16 rows are moved.
SIZES = [(100, 16), (99, 16), (101, 17), (300, 12), (8, 4)]
KINDS = {
    "rtlil": (netlist, r'attribute \\ram_style "(\w+)"\n(?: *attribute .*\n)* *memory width (\d+)'),
    "verilog": (
        lambda top: verilog.convert(top, emit_src=False, strip_internal_attrs=True),
        r'\(\* ram_style = "(\w+)" \*\)\n(?: *\(\*.*\n)* *reg \[(\d+):0\]',
    ),
}
#: What the kernel's description takes of its ports.
METADATA = {
    "interface": {
        "members": {
            "m_axi_gmem_wdata": {"width": 64},
            "s_axi_wdata": {"width": 32},
            "s_axi_awaddr": {"width": 12},
        }
    }
}


class Memories(wiring.Component):
    """One of each size, and one whose style is left to synthesis."""

    def __init__(self):
        super().__init__({})

    def elaborate(self, _platform):
        m = Module()
        for n, (bits, rows) in enumerate(SIZES):
            m.submodules[f"m{n}"] = SweptMemory(bits, rows, forwarded=n % 2 == 0)
        m.submodules.auto = SweptMemory(200, 16, style="auto")
        return m


@pytest.mark.parametrize("kind", KINDS)
def test_few_and_wide_rows_are_marked_and_nothing_else_is_changed(kind):
    write, pattern = KINDS[kind]
    text = write(Memories())
    marked, moved = in_luts(text, FewRows(rows=16, bits=100))
    assert moved == 2
    verilog_counts_to = int(kind == "verilog")
    found = {int(bits) + verilog_counts_to: style for style, bits in re.findall(pattern, marked)}
    assert found == {100: "distributed", 99: "block", 101: "block", 300: "distributed", 8: "block",
                     200: "auto"}  # fmt: skip
    assert marked.replace('"distributed"', '"block"') == text


@pytest.mark.parametrize(("name", "style"), [("pynq-z2", "distributed"), ("u50", "block")])
def test_a_board_marks_its_own_and_a_card_with_room_none(name, style, monkeypatch):
    text = 'x\n(* ram_style = "block" *)\n  reg [463:0] rows [15:0];\n'
    monkeypatch.setattr(vendor, "elaborate_verilog", lambda config, design: (METADATA, text))
    board = vendor.VENDOR_BOARDS[name]
    assert f'ram_style = "{style}"' in vendor._texts(board)[f"{board.design.top}.v"]
