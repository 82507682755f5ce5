#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Estimate of a part's use by Yosys alone: ``python scripts/estimate.py pynq-z2|u50``.

Nothing is placed, and the vendor's tools will count somewhat differently; it tells whether the
whole pipeline fits. LUTs are counted as Yosys makes them, and with two in one where their inputs
allow it (`lut_pairs`), as the vendor's tools pack them. The exit status is 1 when even so it takes
more than the share that can be placed.
``--build levels=16`` makes it of other sizes than the board's.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bitstream import ROOT, synthesise
from lut_pairs import pairs
from route import largest
from vendor import VENDOR_BOARDS, VendorError, chosen, sizes_of

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
KINDS = (
    {f"LUT{n}": "lut" for n in range(1, 7)}
    | {f"RAM{n}": "lutram" for n in ("32M", "64M", "32X1D", "64X1D", "128X1D", "32M16", "64M8")}
    | {f"FD{kind}": "ff" for kind in ("RE", "SE", "CE", "PE")}
    | {f"DSP48E{n}": "dsp" for n in (1, 2)}
    | {f"RAMB18E{n}": "ram18" for n in (1, 2)}
    | {f"RAMB36E{n}": "ram36" for n in (1, 2)}
)


def main() -> int:
    """Synthesise, and compare with the part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", choices=sorted(PARTS))
    parser.add_argument("--build", nargs="+", default=[], help="other sizes, such as levels=16")
    options = parser.parse_args()
    name, part = options.board, PARTS[options.board]
    try:
        config = chosen(VENDOR_BOARDS[name], options.build, None).config
    except VendorError as error:
        sys.exit(f"{name}: {error}")
    work = ROOT / "build" / "estimate" / name
    work.mkdir(parents=True, exist_ok=True)
    command = f"synth_xilinx -family {part.family} -top top -noiopad -noclkbuf -flatten"
    command += "; write_json top.json"
    cells = synthesise(work, netlist(Core(config), "top"), command, KINDS)
    design = json.loads((work / "top.json").read_text(encoding="utf-8"))
    # A LUT RAM cell takes four LUTs, two block RAMs of 18 kbit one of 36.
    luts = cells["lut"] + 4 * cells["lutram"]
    used = {
        "LUT": (luts - pairs(largest(design)["cells"]), part.luts),
        "FF": (cells["ff"], part.ffs),
        "BRAM36": (cells["ram36"] + (cells["ram18"] + 1) // 2, part.ram36),
        "DSP": (cells["dsp"], part.dsps),
    }
    print(f"{name}, estimate by Yosys, not placed: {sizes_of(config)}")
    print(f"  LUT, each by itself: {luts:,}, {100 * luts / part.luts:.1f} %; two in one:")
    for kind, (count, has) in used.items():
        print(f"  {kind:7} {count:>9,} of {has:>9,}  {100 * count / has:5.1f} %")
    return int(any(count > part.share * has for count, has in used.values()))


if __name__ == "__main__":
    sys.exit(main())
