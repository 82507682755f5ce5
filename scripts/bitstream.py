#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bitstream of a board: ``python scripts/bitstream.py BOARD [--seeds 1 2 3 4] [--jobs 2]``.

Yosys makes a netlist of the whole pipeline, which is placed and routed once for each seed, and the
fastest becomes ``bitstreams/BOARD/tickgate.bit``, with ``report.json`` beside it. The exit
status is 1 when no seed reaches the clock; then nothing is written there. ``--check`` only tells
whether the report belongs to the sources; ``--synth-only`` ends with the sizes. All tools come with
the extra ``bitstream``. Boards that need their vendor's tools are handed on to ``vendor.py``.
"""

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import build_options  # noqa: E402
import global_nets  # noqa: E402
import route  # noqa: E402
import vendor  # noqa: E402
from build_options import OptionError  # noqa: E402
from placer.aim import Aim  # noqa: E402

from hdl.boards.board import BOARDS, Board  # noqa: E402
from hdl.boards.ecp5 import TOP_NAME, Ecp5Top, constraints, pll  # noqa: E402
from hdl.link.uart.serial import step_of  # noqa: E402
from hdl.netlist import netlist  # noqa: E402
from hdl.regs.table import contract_hash  # noqa: E402

PACK = "yowasp-ecppack"
#: Packages whose versions decide what comes out.
TOOLS = ("amaranth", "pyosys", route.NEXTPNR)
CELLS = {
    **{"LUT4": "lut4", "CCU2C": "carry", "TRELLIS_FF": "ff", "DP16KD": "bram", "L6MUX21": "mux"},
    **{"MULT18X18D": "dsp", "TRELLIS_DPR16X4": "lutram", "PFUMX": "mux"},
}
#: What the placer is told: a board is well filled, and its paths are longer than the gate's.
AIM = (
    *("density=0.85", "growth=1.0025", "spread_ns=11.5", "pull=1.5"),
    *("refine_ns=11.7", "rounds=90"),
)
#: What a part has: LUT4 (a carry takes two, 16 x 4 bits of LUT RAM six), block RAM, multipliers.
PARTS = {"85F": (83_640, 208, 156), "45F": (43_848, 108, 72)}
_ROWS = " ".join(
    f"*.{block}"
    for block in (
        *("gate.exposure.rows", "gate.exposure.blocks", "gate.orders.rows", "gate.window.*_rows"),
        *("gate.data*.rows", "gate.window.compare_*", "ladder.compare*"),
    )
)
SYNTH = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


def ecp5(top: str) -> str:
    """Commands of Yosys that make ``top.json`` of a design, for an ECP5.

    As ``synth_ecp5``, but that a wire takes 0.9 ns where LUTs are chosen, not 0.3: it does in a
    part that is well filled, and else ABC9 holds a chain of carries for as slow as a tree of gates.
    The rows of the risk gate are mapped by themselves: registers of the veto that stand in each of
    them would be merged, and what they choose would first be chosen for all in one gate. So are
    comparisons whose result a veto chooses: it comes last, and would else be taken into each gate.
    And those of the book: ABC9 takes what a memory holds for known as early as a register, and
    would give a comparison all the time that the slowest path of the design takes.
    """
    synth = f"synth_ecp5 -top {top}"
    return (
        f"setattr -mod -set keep_hierarchy 1 {_ROWS}; "
        f"{synth} -run begin:map_luts; techmap -map +/lattice/latches_map.v; abc9 -W 900; clean; "
        f"setattr -mod -unset keep_hierarchy {_ROWS}; flatten; opt_clean; "
        f"{synth} -json top.json -run map_cells:"
    )


def source(board: Board) -> tuple[str, str]:
    """What is synthesised, and SHA-256 of it, of the pins and of nextpnr's options."""
    text = netlist(Ecp5Top(board), TOP_NAME)
    whole = text + constraints(board) + " ".join(board.device)
    return text, hashlib.sha256(whole.encode()).hexdigest()


def deep_stack() -> None:
    """Yosys recurses along the logic, deeper than the usual stack."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))


def run(work: Path, log: str, command: list[str], **more: Any) -> str:
    """What a tool prints, kept in a log; ends the program when it fails."""
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, **more)
    text = str(done.stdout + done.stderr)
    (work / log).write_text(text, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{command[0]}: expected status 0, was {done.returncode}\n{text[-2000:]}")
    return text


def synthesise(work: Path, text: str, command: str, kinds: dict[str, str]) -> dict[str, int]:
    """Netlist of cells by commands of Yosys, and how many there are of each kind.

    What the same Yosys has made of the same text before is used again.

    Raises
    ------
    OptionError
        Yosys is not installed.
    """
    key, done = f"{command}\n{build_options.installed('pyosys')}\n", work / "top.done"
    whole = hashlib.sha256((key + text).encode()).hexdigest()
    if not done.exists() or done.read_text(encoding="utf-8") != whole:
        done.unlink(missing_ok=True)
        (work / "top.il").write_text(text, encoding="utf-8")
        (work / "yosys.log").unlink(missing_ok=True)
        passes = ["read_rtlil top.il", *command.split("; ")]
        commands = [f"tee -q -a yosys.log {each}" for each in passes]
        # ABC9's proof of its own result takes longer than all else for sums of many terms.
        commands.insert(0, "scratchpad -set abc9.verify 0")
        commands += ["flatten", "tee -q -o top.stat stat"]
        run(work, "yosys.err", [sys.executable, "-c", SYNTH, *commands], preexec_fn=deep_stack)
        done.write_text(whole, encoding="utf-8")
    found = dict.fromkeys(kinds.values(), 0)
    for count, name in re.findall(r"^\s*(\d+)\s+(\w+)\s*$", (work / "top.stat").read_text(), re.M):
        if kind := kinds.get(name):
            found[kind] += int(count)
    return found


def fits(board: Board, cells: dict[str, int]) -> list[str]:
    """What the part has too little of."""
    luts, brams, dsps = next(size for part, size in PARTS.items() if part in board.part)
    needed = {
        "LUT4": (cells["lut4"] + 2 * cells["carry"] + 6 * cells["lutram"], luts),
        "FF": (cells["ff"], luts),
        "DP16KD": (cells["bram"], brams),
        "MULT18X18D": (cells["dsp"], dsps),
    }
    print(", ".join(f"{name} {used:,} of {has:,}" for name, (used, has) in needed.items()))
    return [f"{name}: {used} of {has}" for name, (used, has) in needed.items() if used > has]


def prepare(work: Path) -> None:
    """Write what is packed, ``netlist.json``: the netlist with resets on global nets."""
    design = json.loads((work / "top.json").read_text(encoding="utf-8"))
    resets = global_nets.promote(route.largest(design))
    print(f"registers whose resets are global nets: {', '.join(map(str, resets))}", flush=True)
    (work / "netlist.json").write_text(json.dumps(design), encoding="utf-8")


def sizes_of(board: Board) -> str:
    """Its build, as the option takes it."""
    return " ".join(f"{name}={int(value)}" for name, value in asdict(board.config).items())


def belongs(board: Board, path: Path) -> int:
    """Whether a report is of these sources: 0, or 1 and a line that tells.

    Raises
    ------
    OptionError
        It is no report.
    """
    if not path.exists():
        print(f"{path}: expected a report, was none")
        return 1
    report = build_options.report(path, {"build": dict, "clock_hz": int, "source_sha256": str})
    try:
        then = clocked(replace(board, config=report["build"]), report["clock_hz"])
    except OptionError as error:
        raise OptionError(
            f"{path}: expected a report of this version, was one whose clock_hz is wrong: {error}"
        ) from None
    _, digest = source(then)
    if report["source_sha256"] != digest:
        print(f"{path}: expected sources {digest}, was {report['source_sha256']}")
    return int(report["source_sha256"] != digest)


def clocked(board: Board, clock_hz: int) -> Board:
    """The board at another clock.

    Raises
    ------
    OptionError
        Its PLL does not give it, or its serial link does not run at it.
    """
    try:
        pll(board.oscillator_hz, clock_hz)
        step_of(clock_hz, board.baud)
    except ValueError as error:
        raise OptionError(str(error)) from None
    return replace(board, clock_hz=clock_hz)


def asked(board: Board, sizes: Iterable[str], clock_mhz: float | None) -> Board:
    """The board with other sizes and another clock.

    Raises
    ------
    OptionError
        There is no such build.
    """
    mhz = build_options.told_clock(clock_mhz, board.clock_hz / 1e6)
    board = replace(board, config=build_options.sized(board.config, sizes))
    try:
        return clocked(board, round(mhz * 1e6))
    except OptionError as error:
        raise OptionError(f"--clock-mhz: {error}") from None


def main() -> int:
    """Build, or check what is there; what is wrong is one line."""
    if vendor.VENDOR_BOARDS.keys() & sys.argv[1:]:
        return vendor.main()
    return build_options.in_a_line(lambda: build(arguments()))


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", choices=sorted([*BOARDS, *vendor.VENDOR_BOARDS]))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--synth-only", action="store_true")
    parser.add_argument("--build", nargs="+", help="other sizes, such as symbols=4 levels=8")
    parser.add_argument("--minutes", type=float, default=90, help="for the routes of a seed")
    parser.add_argument("--clock-mhz", type=float, help="instead of the board's own clock")
    parser.add_argument("--places", type=Path, help="of all cells, of a build before")
    parser.add_argument("--aim", nargs="+", default=AIM, help="of the placer, such as density=0.9")
    return parser.parse_args()


def build(options: argparse.Namespace) -> int:
    """Build, or check what is there.

    Raises
    ------
    OptionError
        An option or a report cannot be used, or a package is missing.
    """
    board = BOARDS[options.board]
    out, work = ROOT / "bitstreams" / board.name, ROOT / "build" / "bitstream" / board.name
    if options.check:
        return belongs(board, out / "report.json")
    if options.places and not options.places.is_file():
        sys.exit(f"{options.places}: expected places that were kept by a build, was no file")
    board = asked(board, options.build or (), options.clock_mhz)
    build_options.runs(options.seeds, options.jobs, options.minutes)
    build_options.numbers("--aim", options.aim, {n: type(v) for n, v in Aim()._asdict().items()})
    for name in TOOLS[:-1] if options.synth_only else TOOLS:
        build_options.installed(name)
    text, digest = source(board)
    work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    cells = synthesise(work, text, ecp5(TOP_NAME), CELLS)
    print(f"synthesis: {time.monotonic() - begun:.0f} s", flush=True)
    if missing := fits(board, cells):
        sys.exit(f"{board.name}: expected a design that fits, was {'; '.join(missing)}")
    if options.synth_only:
        return 0
    prepare(work)
    (work / "pins.lpf").write_text(constraints(board), encoding="utf-8")
    aim = [f"places={options.places.resolve()}"] if options.places else options.aim
    clocks = route.place(work, board.device, options.seeds, options.jobs, options.minutes, aim)
    best, best_mhz = max(
        ((seed, clock) for seed, clock in clocks.items() if clock is not None),
        key=lambda one: (one[1], -one[0]),
    )
    print(f"place and route: {time.monotonic() - begun:.0f} s", flush=True)
    if best_mhz * 1e6 < board.clock_hz:
        print(f"{board.name}: expected {board.clock_hz / 1e6} MHz, was {best_mhz} at best")
        return 1
    run(work, "pack.log", [route.tool(PACK), "--compress", f"seed{best}.config", "tickgate.bit"])
    bits = (work / "tickgate.bit").read_bytes()
    report = {
        "board": board.name,
        "part": board.part,
        "build": asdict(board.config),
        "clock_hz": board.clock_hz,
        "pll": pll(board.oscillator_hz, board.clock_hz)._asdict(),
        "baud": board.baud,
        "clock_mhz_by_seed": {str(seed): clocks[seed] for seed in sorted(clocks)},
        "seed": best,
        "cells": cells,
        "tools": {name: version(name) for name in TOOLS},
        "source_sha256": digest,
        "register_hash": f"{contract_hash():#010x}",
        "bitstream_sha256": hashlib.sha256(bits).hexdigest(),
        "rebuild": f"make bitstream BOARD={board.name} ARGS='--seeds {best} "
        f"--places bitstreams/{board.name}/places.json.gz "
        f"--clock-mhz {board.clock_hz / 1e6:g} --build {sizes_of(board)}'",
    }
    same = repeats(out / "report.json", report) if options.places else None
    if same is False:
        print(f"{work / 'tickgate.bit'}: expected the bytes that {out / 'report.json'} tells of, "
              f"was {report['bitstream_sha256']}")  # fmt: skip
        return 1
    out.mkdir(parents=True, exist_ok=True)
    (out / "tickgate.bit").write_bytes(bits)
    shutil.copyfile(work / f"seed{best}.places", out / "places.json.gz")
    if not same:
        (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{out / 'tickgate.bit'}: {len(bits):,} bytes, seed {best}, {best_mhz} MHz"
          f"{', the bytes its report tells of' if same else ''}")  # fmt: skip
    return 0


def repeats(path: Path, made: dict[str, Any]) -> bool | None:
    """Whether a build with kept places is that of a report, byte for byte.

    Its report then stays, since it tells of more seeds.

    Parameters
    ----------
    path : pathlib.Path
        The report.
    made : dict
        Report of the build.

    Returns
    -------
    bool or None
        None where there is no report of the same sources and tools.
    """
    try:
        told = build_options.report(
            path, {"source_sha256": str, "tools": dict, "bitstream_sha256": str}
        )
    except OptionError:
        return None
    if any(told[name] != made[name] for name in ("source_sha256", "tools")):
        return None
    return bool(told["bitstream_sha256"] == made["bitstream_sha256"])


if __name__ == "__main__":
    sys.exit(main())
