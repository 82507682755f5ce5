#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Estimate of a part's use by Yosys alone: ``python scripts/estimate.py pynq-z2|u50``.

Nothing is placed, and the vendor's tools will count somewhat differently; it tells whether all that
is ours of the board fits: the pipeline behind its buses. What is the vendor's is not in it: DMA,
interconnects, a card's shell. LUTs are counted as Yosys makes them, and with two in one where their
inputs allow it (`lut_pairs`), as the vendor's tools pack them. The exit status is 1 when even so it
takes more than the share that can be placed.
``--build levels=16`` makes it of other sizes than the board's, ``--core`` of the pipeline alone.
"""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_options
from bitstream import ROOT, synthesise
from build_options import OptionError
from lut_pairs import pairs
from route import largest
from vendor import VENDOR_BOARDS, VendorBoard, chosen, sizes_of

from hdl.netlist import netlist
from hdl.top import Core


class Part(NamedTuple):
    """What a part has, and the most of it that may be taken."""

    family: str
    luts: int
    ffs: int
    ram36: int
    dsps: int
    share: float


PARTS = {
    "pynq-z2": Part("xc7", 53_200, 106_400, 140, 220, 0.7),
    "u50": Part("xcup", 872_000, 1_743_000, 1_344, 5_952, 0.7),
}
#: What stands beside our RTL in the part, and is not in the estimate.
VENDORS = {"pynq-z2": "DMA and interconnects", "u50": "shell and interconnects"}
#: LUTs of a cell of LUT RAM, for all that Yosys makes of either family.
LUTRAMS = {
    **{"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X16DR8": 8, "RAM64X8SW": 8},
    **{"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8},
    **{"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8},
}
KINDS = (
    {f"LUT{n}": "lut" for n in range(1, 7)}
    | dict.fromkeys(("SRL16E", "SRLC32E"), "lut")
    | dict.fromkeys(LUTRAMS, "lutram")
    | {f"FD{kind}": "ff" for kind in ("RE", "SE", "CE", "PE")}
    | {f"DSP48E{n}": "dsp" for n in (1, 2)}
    | {f"RAMB18E{n}": "ram18" for n in (1, 2)}
    | {f"RAMB36E{n}": "ram36" for n in (1, 2)}
)


def top_of(board: VendorBoard, core: bool) -> Any:
    """The component that is estimated: what the vendor's tools are given, or the pipeline alone."""
    if core:
        return Core(board.config)
    module, _, name = board.design.factory.partition(":")
    return getattr(import_module(module), name)(board.config)


def luts_of(cells: dict[str, int]) -> int:
    """LUTs by number of cells, each by itself."""
    return cells["lut"] + sum(luts * cells[name] for name, luts in LUTRAMS.items())


def main() -> int:
    """Synthesise, and compare with the part; what is wrong is one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", choices=sorted(PARTS))
    parser.add_argument("--build", nargs="+", default=[], help="other sizes, such as levels=16")
    parser.add_argument("--core", action="store_true", help="the pipeline alone, without its buses")
    options = parser.parse_args()
    try:
        return estimate(options.board, options.build, options.core)
    except OptionError as error:
        sys.exit(f"{options.board}: {error}")


def estimate(name: str, build: list[str], core: bool) -> int:
    """Synthesise, and compare with the part: 1 where it takes too much of it.

    Raises
    ------
    OptionError
        There is no such build, or Yosys is not installed.
    """
    part, board = PARTS[name], chosen(VENDOR_BOARDS[name], build, None)
    build_options.installed("pyosys")
    work = ROOT / "build" / "estimate" / name / ("core" if core else "top")
    work.mkdir(parents=True, exist_ok=True)
    command = f"synth_xilinx -family {part.family} -top top -noiopad -noclkbuf -flatten"
    command += "; write_json top.json"
    kinds = KINDS | {cell: cell for cell in LUTRAMS}
    text = board.in_luts(netlist(top_of(board, core), "top"))
    cells = synthesise(work, text, command, kinds)
    design = json.loads((work / "top.json").read_text(encoding="utf-8"))
    luts = luts_of(cells)
    used = {
        "LUT": (luts - pairs(largest(design)["cells"]), part.luts),
        "FF": (cells["ff"], part.ffs),
        # Two block RAMs of 18 kbit take one of 36.
        "BRAM36": (cells["ram36"] + (cells["ram18"] + 1) // 2, part.ram36),
        "DSP": (cells["dsp"], part.dsps),
    }
    what = "core" if core else f"top {board.design.top}"
    without = "its buses" if core else f"the vendor's {VENDORS[name]}"
    print(f"{name}, {what}, without {without}; estimate by Yosys, not placed: "
          f"{sizes_of(board.config)}")  # fmt: skip
    print(f"  LUT, each by itself: {luts:,}, {100 * luts / part.luts:.1f} %; two in one:")
    for kind, (count, has) in used.items():
        print(f"  {kind:7} {count:>9,} of {has:>9,}  {100 * count / has:5.1f} %")
    return int(any(count > part.share * has for count, has in used.values()))


if __name__ == "__main__":
    sys.exit(main())
