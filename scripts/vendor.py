#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bitstream of a board that needs its vendor's tools: ``python scripts/vendor.py BOARD``.

The build is elaborated into ``build/vendor/BOARD``: Verilog, registers for the IP packager, a
card's ``kernel.xml``, and the hash of all that decides the result. Then Vivado is started, for a
card also v++. A bitstream comes into ``bitstreams/BOARD``, a card's xclbin stays in
``build/vendor/BOARD``, with ``report.json`` beside it. ``--prepare`` ends before the tools;
``--check`` only tells whether the report belongs to the sources. What is missing or wrong is told
in one line, and the exit status is 1.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import build_options  # noqa: E402
from build_options import OptionError  # noqa: E402
from lut_rows import FewRows, in_luts  # noqa: E402

from hdl.config import BuildConfig  # noqa: E402
from hdl.link.axi.control import ARGUMENTS  # noqa: E402
from hdl.regs.register import Access  # noqa: E402
from hdl.regs.table import addresses, contract_hash  # noqa: E402
from sim.build import BuildError, Design, elaborate_verilog  # noqa: E402

#: Release of Vivado and Vitis; the PYNQ 3.0 images are made with it.
VERSION = "2022.1"
VLNV = "tickgate.io:tickgate:{}:1.0"
#: What the kernel's slave has to be called as an interface, whatever its pins are called.
CONTROL_PORT, MEMORY_PORT = "s_axi_control", "m_axi_gmem"
PROTOCOL = "ap_ctrl_chain"
_BUILD = ROOT / "build" / "vendor"
_ACCESS = {Access.RO: "read-only", Access.RW: "read-write", Access.WO: "write-only"}
_CONTROL_REGISTERS = (
    ("CTRL", 0x0, "start, done, idle, ready, continue"),
    ("GIER", 0x4, "interrupt: enable"),
    ("IP_IER", 0x8, "interrupt: sources that are enabled"),
    ("IP_ISR", 0xC, "interrupt: sources that are pending"),
)
_DECLARE = """\
proc declare_register {name offset bits access text {bus {}}} {
    set made [ipx::add_register $name $::block]
    set_property address_offset $offset $made
    set_property size $bits $made
    set_property access $access $made
    set_property description $text $made
    if {$bus ne ""} {
        set_property value $bus [ipx::add_register_parameter ASSOCIATED_BUSIF $made]
    }
}
"""
#: Rows of Vivado's report of what is used.
_USED = {"lut": "Slice LUTs", "ff": "Slice Registers", "bram36": "Block RAM Tile", "dsp": "DSPs"}


class VendorError(Exception):
    """A bitstream cannot be made; the text is one line for the user."""


@dataclass(frozen=True)
class VendorBoard:
    """A board with a part of AMD.

    Parameters
    ----------
    name : str
        As in ``make bitstream BOARD=``.
    design : Design
        What is elaborated.
    config : BuildConfig
        Its sizes.
    clock_mhz : float
        Clock of the fabric.
    tools : tuple of str
        Programs that are needed.
    product : str
        What brings them.
    scripts : tuple of str
        Files that decide the result beside the generated ones.
    made : tuple of str
        What comes out, the bitstream first.
    lut_rows : FewRows or None
        Memories that are to stand in LUTs and not in block RAM.
    """

    name: str
    design: Design
    config: BuildConfig
    clock_mhz: float
    tools: tuple[str, ...]
    product: str
    scripts: tuple[str, ...]
    made: tuple[str, ...]
    lut_rows: FewRows | None = None

    def in_luts(self, text: str) -> str:
        """A netlist of the board, RTLIL or Verilog, with `lut_rows` marked so."""
        return text if self.lut_rows is None else in_luts(text, self.lut_rows)[0]

    @property
    def is_card(self) -> bool:
        """It holds a kernel that XRT runs."""
        return self.design.top == "tickgate_kernel"

    @property
    def folder(self) -> Path:
        """Where everything is prepared."""
        return _BUILD / self.name

    @property
    def out(self) -> Path:
        """Where the bitstream and its report come; an xclbin is too large for the tree."""
        return self.folder if self.is_card else ROOT / "bitstreams" / self.name


def _card(name: str) -> VendorBoard:
    return VendorBoard(
        name=name,
        design=Design("hdl.top_kernel:KernelTop", ("hdl",), "tickgate_kernel"),
        config=BuildConfig(symbols=256),
        clock_mhz=200.0,
        tools=("vivado", "v++", "xclbinutil"),
        product=f"Vitis {VERSION} and XRT",
        scripts=(
            "boards/alveo/package_kernel.tcl",
            "boards/alveo/connectivity.cfg",
            "boards/alveo/build.sh",
        ),
        made=("tickgate.xclbin", "tickgate_kernel.xo", "clocks.json"),
    )


_ALL = (
    VendorBoard(
        name="pynq-z2",
        design=Design("hdl.top_axi:AxiTop", ("hdl",), "tickgate_axi"),
        # A record a clock takes twice the part (``docs/boards/pynq-z2.md``).
        config=BuildConfig(qty_bits=24, own_orders=16, result_depth=16, spaced=True, vectors=False),
        clock_mhz=62.5,
        tools=("vivado",),
        product=f"Vivado {VERSION}",
        scripts=(
            "boards/pynq-z2/package_ip.tcl",
            "boards/pynq-z2/build.tcl",
            "boards/pynq-z2/pins.xdc",
        ),
        made=("tickgate.bit", "tickgate.hwh", "utilization.rpt", "numbers.txt"),
        lut_rows=FewRows(rows=16, bits=400),
    ),
    _card("u50"),
    _card("u55c"),
)
VENDOR_BOARDS = {board.name: board for board in _ALL}


def _shown(path: Path) -> str:
    """A path from the top of the tree, where it lies there."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _declared(name: str, offset: int, bits: int, access: str, text: str, bus: str = "") -> str:
    if set(text) & set("{}\\\n"):
        raise ValueError(f"register {name}: expected a text without braces, was {text!r}")
    return f"declare_register {name} {offset:#05x} {bits} {access} {{{text}}} {bus}".rstrip()


def _table_lines() -> Iterator[str]:
    """The register table; an array is declared entry by entry, for the packager knows none."""
    for register, at in addresses():
        access, bits = _ACCESS[register.access], 32 * (register.words // register.length)
        for entry in range(register.length):
            name = register.name if register.length == 1 else f"{register.name}_{entry}"
            yield _declared(name, 4 * at + entry * bits // 8, bits, access, register.doc)


def _argument_lines() -> Iterator[str]:
    """The kernel's control registers and arguments; those of 64 bits are buffers."""
    for name, offset, text in _CONTROL_REGISTERS:
        yield _declared(name, offset, 32, "read-write", text)
    for number, (name, offset, bits) in enumerate(ARGUMENTS):
        bus = MEMORY_PORT if bits == 64 else ""
        yield _declared(name, offset, bits, "read-write", f"argument {number}", bus)


def registers_tcl(board: VendorBoard) -> str:
    """Tcl that declares every register in the address block ``$block`` of the IP packager."""
    origin = "hdl/link/axi/control.py" if board.is_card else "hdl/regs/table.py"
    lines = _argument_lines() if board.is_card else _table_lines()
    return (
        "# SPDX-License-Identifier: Apache-2.0\n"
        f"# Generated by scripts/vendor.py from {origin}; do not edit.\n"
        + _DECLARE
        + "".join(f"{line}\n" for line in lines)
    )


def kernel_xml(top: str, metadata: Mapping[str, Any]) -> str:
    """What v++ and XRT have to know of the kernel: its ports and arguments.

    Parameters
    ----------
    top : str
        Name of its Verilog module.
    metadata : mapping
        ``component.metadata.as_json()``.
    """
    members: Mapping[str, Any] = metadata["interface"]["members"]
    memory, slave = members[f"{MEMORY_PORT}_wdata"]["width"], members["s_axi_wdata"]["width"]
    span = 1 << members["s_axi_awaddr"]["width"]
    root = ElementTree.Element("root", versionMajor="1", versionMinor="6")
    kernel = ElementTree.SubElement(
        root,
        "kernel",
        name=top,
        language="ip_c",
        vlnv=VLNV.format(top),
        attributes="",
        preferredWorkGroupSizeMultiple="0",
        workGroupSize="1",
        interrupt="true",
        hwControlProtocol=PROTOCOL,
    )
    ports = ElementTree.SubElement(kernel, "ports")
    for name, mode, size, width in (
        (CONTROL_PORT, "slave", span, slave),
        (MEMORY_PORT, "master", (1 << 64) - 1, memory),
    ):
        told = {"name": name, "mode": mode, "range": f"0x{size:X}"}
        told |= {"dataWidth": str(width), "portType": "addressable", "base": "0x0"}
        ElementTree.SubElement(ports, "port", told)
    arguments = ElementTree.SubElement(kernel, "args")
    for number, (name, offset, bits) in enumerate(ARGUMENTS):
        buffer, size = bits == 64, f"{bits // 8:#x}"
        told = {"name": name, "addressQualifier": str(int(buffer)), "id": str(number)}
        told |= {"port": MEMORY_PORT if buffer else CONTROL_PORT, "size": size}
        told |= {"offset": f"{offset:#x}", "type": "void*" if buffer else "uint"}
        told |= {"hostOffset": "0x0", "hostSize": size}
        ElementTree.SubElement(arguments, "arg", told)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _texts(board: VendorBoard) -> dict[str, str]:
    """The generated files by name."""
    top = board.design.top
    metadata, verilog = elaborate_verilog(board.config, board.design)
    texts = {f"{top}.v": board.in_luts(verilog), "registers.tcl": registers_tcl(board)}
    return texts | ({"kernel.xml": kernel_xml(top, metadata)} if board.is_card else {})


def _digest(board: VendorBoard, texts: Mapping[str, str]) -> str:
    """SHA-256 of all that decides the result."""
    whole = hashlib.sha256(f"{board.name} {board.clock_mhz:g}\n".encode())
    for name in sorted(texts):
        whole.update(f"{name}\n{texts[name]}".encode())
    for name in board.scripts:
        whole.update(f"{name}\n".encode() + (ROOT / name).read_bytes())
    return whole.hexdigest()


def prepare(board: VendorBoard) -> tuple[str, list[str]]:
    """Write what the tools take into the board's folder; its hash, and the files' names."""
    texts = _texts(board)
    digest = _digest(board, texts)
    board.folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts, "source.sha256": f"{digest}\n"}.items():
        (board.folder / name).write_text(text, encoding="utf-8")
    return digest, list(texts)


def _command(board: VendorBoard) -> list[str]:
    """What makes the bitstream from the folder."""
    folder, clock = str(board.folder), f"{board.clock_mhz:g}"
    if board.is_card:
        return ["bash", str(ROOT / "boards" / "alveo" / "build.sh"), board.name, folder, clock]
    script, jobs = str(ROOT / "boards" / board.name / "build.tcl"), str(os.cpu_count() or 1)
    head = ["vivado", "-mode", "batch", "-nojournal", "-log", "vivado.log"]
    return [*head, "-source", script, "-tclargs", folder, clock, jobs]


def _why(text: str) -> str:
    """The line of a log that tells why a tool has failed: the first error, or the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = (line for line in lines if line.startswith("ERROR"))
    return next(errors, lines[-1] if lines else "nothing printed")


def build(board: VendorBoard) -> None:
    """Run the tools on what is prepared.

    Raises
    ------
    VendorError
        One of them failed, or did not make what it should.
    """
    for name in board.made:
        (board.folder / name).unlink(missing_ok=True)
    log = board.folder / "build.log"
    print(f"{board.name}: {board.product} runs; log {_shown(log)}", flush=True)
    with log.open("wb") as out:
        status = subprocess.run(
            _command(board), cwd=board.folder, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status:
        why = _why(log.read_text(encoding="utf-8", errors="replace"))
        raise VendorError(f"{board.name}: expected status 0, was {status}: {why}")
    absent = [name for name in board.made if not (board.folder / name).is_file()]
    if absent:
        raise VendorError(
            f"{board.name}: expected {', '.join(absent)} in {_shown(board.folder)}, was not made"
        )


def used(report: str) -> dict[str, float]:
    """What Vivado's report of a Zynq says is used, by kind.

    Raises
    ------
    VendorError
        A kind is not in it.
    """
    found = {}
    for kind, name in _USED.items():
        row = re.search(rf"^\|\s*{re.escape(name)}\*?\s*\|\s*([\d.]+)\s*\|", report, re.M)
        if row is None:
            raise VendorError(f"utilization.rpt: expected a row {name}, was none")
        found[kind] = float(row[1])
    return found


def check_xo(path: Path, expected: str) -> None:
    """Compare the kernel's description in a packaged kernel with the one it was made from.

    Raises
    ------
    VendorError
        It has another protocol or other arguments.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if PurePosixPath(name).name == "kernel.xml"]
        if len(names) != 1:
            raise VendorError(f"{path.name}: expected one kernel.xml, was {len(names)}")
        packed = archive.read(names[0]).decode()
    seen, wanted = _interface(packed), _interface(expected)
    if seen != wanted:
        raise VendorError(f"{path.name}: expected a kernel {wanted}, was {seen}")


def _interface(text: str) -> tuple[str | None, list[tuple[str, ...]]]:
    """Protocol of a kernel; name, number, offset and port of its arguments."""
    kernel = next(ElementTree.fromstring(text.encode()).iter("kernel"))
    return kernel.get("hwControlProtocol"), [
        (arg.get("name", ""), arg.get("id", ""), str(int(arg.get("offset", "0"), 16)))
        + (arg.get("port", "").lower(),)
        for arg in kernel.iter("arg")
    ]


def reached_mhz(text: str, asked: float) -> float:
    """The kernel's clock as the xclbin tells it: v++ lowers it where timing is not met.

    Raises
    ------
    VendorError
        It is lower than was asked for, or not told.
    """
    clocks = json.loads(text)["clock_freq_topology"]["m_clock_freq"]
    found = [float(clock["m_freq_Mhz"]) for clock in clocks if clock["m_type"] == "DATA"]
    if not found:
        raise VendorError("clocks.json: expected a clock of type DATA, was none")
    if found[0] < asked:
        raise VendorError(f"kernel clock: expected {asked:g} MHz, was {found[0]:g}")
    return found[0]


def _results(board: VendorBoard) -> dict[str, Any]:
    """What the tools tell of their result."""
    folder = board.folder
    if board.is_card:
        check_xo(folder / "tickgate_kernel.xo", (folder / "kernel.xml").read_text("utf-8"))
        clocks = (folder / "clocks.json").read_text(encoding="utf-8")
        return {"kernel_clock_mhz": reached_mhz(clocks, board.clock_mhz)}
    lines = (folder / "numbers.txt").read_text(encoding="utf-8").splitlines()
    numbers = dict(line.split(maxsplit=1) for line in lines)
    text = numbers.pop("vivado")
    slack = {name: float(value) for name, value in numbers.items()}
    report = (folder / "utilization.rpt").read_text(encoding="utf-8")
    return {"vivado": text, **slack, "used": used(report)}


def finish(board: VendorBoard, digest: str) -> Path:
    """Put the bitstream in its place and write the report; where it is.

    Raises
    ------
    VendorError
        It is not what was asked for.
    """
    results = _results(board)
    board.out.mkdir(parents=True, exist_ok=True)
    kept = board.made[:1] if board.is_card else board.made[:2]
    hashes = {}
    for name in kept:
        data = (board.folder / name).read_bytes()
        hashes[name] = hashlib.sha256(data).hexdigest()
        if board.out != board.folder:
            (board.out / name).write_bytes(data)
    report = {
        "board": board.name,
        "build": asdict(board.config),
        "clock_mhz": board.clock_mhz,
        **results,
        "tools": {"release": VERSION, "amaranth": version("amaranth")},
        "source_sha256": digest,
        "register_hash": f"{contract_hash():#010x}",
        "sha256": hashes,
        "rebuild": f"make bitstream BOARD={board.name} ARGS='--clock-mhz {board.clock_mhz:g} "
        f"--build {sizes_of(board.config)}'",
    }
    text = json.dumps(report, indent=2) + "\n"
    (board.out / "report.json").write_text(text, encoding="utf-8")
    return board.out / kept[0]


def sizes_of(config: BuildConfig) -> str:
    """A build, as the option takes it."""
    return " ".join(f"{name}={int(value)}" for name, value in asdict(config).items())


def chosen(board: VendorBoard, build: Sequence[str], clock_mhz: float | None) -> VendorBoard:
    """The board with other sizes and another clock.

    Raises
    ------
    OptionError
        There is no such build.
    """
    clock = build_options.told_clock(clock_mhz, board.clock_mhz)
    return replace(board, config=build_options.sized(board.config, build), clock_mhz=clock)


def _check(board: VendorBoard) -> int:
    """Whether the report there is belongs to these sources: 0, or 1 and a line that tells."""
    path = board.out / "report.json"
    if not path.exists():
        raise VendorError(f"{_shown(path)}: expected a report, was none")
    report = build_options.report(
        path, {"build": dict, "clock_mhz": (int, float), "source_sha256": str}
    )
    then = replace(board, config=report["build"], clock_mhz=report["clock_mhz"])
    digest = _digest(then, _texts(then))
    if report["source_sha256"] != digest:
        raise VendorError(
            f"{_shown(path)}: expected sources {digest}, was {report['source_sha256']}"
        )
    return 0


def _run(options: argparse.Namespace) -> int:
    board = VENDOR_BOARDS[options.board]
    if options.check:
        return _check(board)
    board = chosen(board, options.build or (), options.clock_mhz)
    digest, names = prepare(board)
    prepared = f"{', '.join(names)} in {_shown(board.folder)}"
    if options.prepare:
        print(f"{board.name}: prepared {prepared}")
        return 0
    missing = [tool for tool in board.tools if shutil.which(tool) is None]
    if missing:
        raise VendorError(
            f"{board.name}: expected {', '.join(missing)} of {board.product} on PATH, "
            f"was not found; prepared {prepared}"
        )
    build(board)
    print(_shown(finish(board, digest)))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, and build where the tools are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", choices=sorted(VENDOR_BOARDS))
    parser.add_argument("--prepare", action="store_true", help="only what the tools take")
    parser.add_argument("--check", action="store_true", help="does the report belong here")
    parser.add_argument("--build", nargs="+", help="other sizes, such as symbols=4 levels=8")
    parser.add_argument("--clock-mhz", type=float, help="instead of the board's own clock")
    try:
        return _run(parser.parse_args(arguments))
    except (BuildError, OptionError, VendorError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
