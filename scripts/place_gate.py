#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Size and clock of the gate alone: ``python scripts/place_gate.py ecp5|xc7 [--symbols S ...]``.

As `scripts/place_book.py` does for the book: ``xc7`` is an estimate of cells by Yosys alone,
``ecp5`` places and routes gate and losses on an ECP5-85F of speed grade 6, some ten minutes a seed.
``--build spaced=1 qty_bits=32 own_orders=16`` is the gate of the small boards.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_options
from bitstream import CELLS, ROOT, ecp5, prepare, synthesise
from estimate import KINDS
from place_book import DEVICE, PINS, clocked
from route import place

from hdl.config import BuildConfig
from hdl.netlist import netlist
from hdl.risk.gate import Gate
from hdl.risk.losses import Losses

#: What the placer is told.
AIM = ("spread_ns=9", "refine_ns=10", "rounds=80")


class Harness(wiring.Component):  # type: ignore[type-arg]
    """Gate and losses between registers, behind one pin in and one out; reset as on a board."""

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
        gate: Any = Gate(self.config)
        losses: Any = Losses(self.config, 7)
        m.submodules.gate, m.submodules.losses = gate, losses
        m.d.comb += gate.losses.eq(losses.o)
        inputs: list[Value] = [losses.tokens.valid, losses.views.valid]
        outputs: list[Value] = []
        tokens, views = losses.tokens.p, losses.views.p
        for name in ("kind", "adopt", "side", "book", "value", "price", "symbol"):
            inputs.append(Value.cast(tokens[name]))
        for name in ("now_us", "book", "reasons", "symbol"):
            inputs.append(Value.cast(views[name]))
        inputs += [Value.cast(views[side].levels[0].price) for side in ("bid", "ask")]
        for block in (gate, losses):
            for path, member, value in block.signature.flatten(block):
                if path[0] in ("tokens", "views"):
                    continue  # what is used of them is above
                if path[-1] in ("ready", "losses") or (block is losses and path == ("o",)):
                    continue
                (inputs if member.flow is In else outputs).append(Value.cast(value))
        # Each input is a register that no other is equal to: in a plain shift register each bit
        # would be what registers behind the one before it hold, and they would be merged.
        bits = sum(len(value) for value in inputs)
        stable = Signal(bits)
        m.d.sync += stable.eq(Cat(self.d, stable[:-1]) ^ (stable << 3)[:bits])
        m.d.comb += Cat(inputs).eq(stable)
        folded = Signal(sum(len(value) for value in outputs))
        m.d.sync += folded.eq(Cat(outputs))
        while len(folded) > 1:
            parts = [folded[at : at + 4].xor() for at in range(0, len(folded), 4)]
            folded = Signal(len(parts))
            m.d.sync += folded.eq(Cat(parts))
        m.d.comb += self.q.eq(folded)
        return m


def main() -> int:
    """Measure, and print a line for each build and seed; what is wrong is one line."""
    return build_options.in_a_line(measure)


def measure() -> int:
    """Measure, and print a line for each build and seed.

    Raises
    ------
    OptionError
        An option cannot be used, or a package is missing.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("ecp5", "xc7"))
    parser.add_argument("--symbols", type=int, nargs="+", default=[16])
    parser.add_argument("--build", nargs="+", default=[], help="other sizes, such as qty_bits=32")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds at a time")
    parser.add_argument("--minutes", type=float, default=60, help="for the routes of a seed")
    options = parser.parse_args()
    synth, kinds = {
        "ecp5": (ecp5("top"), CELLS),
        "xc7": ("synth_xilinx -top top -noiopad", KINDS),
    }[options.part]
    build_options.runs(options.seeds, options.jobs, options.minutes)
    configs = [
        build_options.sized(build_options.made(symbols=count), options.build, but=("symbols",))
        for count in options.symbols
    ]
    build_options.installed("pyosys")
    for symbols, config in zip(options.symbols, configs, strict=True):
        name = "_".join([options.part, "gate", str(symbols), *sorted(options.build)])
        work = ROOT / "build" / "place" / name
        work.mkdir(parents=True, exist_ok=True)
        sizes = synthesise(work, netlist(Harness(config)), synth, kinds)
        print(f"{symbols}:", ", ".join(f"{n:,} {kind}" for kind, n in sizes.items()), flush=True)
        if options.part == "ecp5":
            (work / "pins.lpf").write_text(PINS, encoding="utf-8")
            prepare(work)
            clocks = place(work, DEVICE, options.seeds, options.jobs, options.minutes, AIM)
            found = ", ".join(f"seed {seed} {mhz} MHz" for seed, mhz in clocks.items())
            print(f"{symbols}: {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
