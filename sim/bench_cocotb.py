# SPDX-License-Identifier: Apache-2.0
"""The fabric under cocotb: the Verilog of the simulated board as a cocotb model.

Needs the development packages and a checkout. Models are found again by their content, as the
board's libraries are, under ``build/cocotb``.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time
from cocotb_tools.runner import get_runner
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from hdl.config import BuildConfig
from host.contract.registers import REGISTERS
from host.links.base import OUT_BYTES, record_bytes
from sim import build as sim_build
from sim.build import CORE, BuildError
from sim.shim import PORTS

__all__ = ["CocotbError", "Driven", "build_model", "compile_model", "drive", "run_model"]

_ROOT = Path(__file__).resolve().parent.parent
_FOLDER = _ROOT / "build" / "cocotb"
_BUILD_ARGS = (
    *("--no-timing", "--x-assign", "unique", "--x-initial", "unique"),
    *("-Wno-fatal", "-Wno-lint", "-Wno-style"),
)
#: Optimised as the board is, and only the ports public: the runner makes every signal public.
_TUNED_ARGS = ("--no-public-flat-rw", "-O3")
#: Works around a makefile that does not find its precompiled header.
_MAKE_FLAGS = "CFG_CXXFLAGS_PCH_I=-include"
_LOG_LINES = 25
#: Names of the files through which a measurement and its simulation talk.
_JOB = "TICKGATE_BENCH_JOB"
_JOB_IN, _JOB_OUT, _JOB_SETTINGS, _JOB_TIMES = "in.npy", "out.npy", "settings.json", "times.json"
_PERIOD_NS = 10
#: Cycles without output after which everything has come.
_IDLE_CYCLES = 64


class CocotbError(AssertionError):
    """A cocotb test failed, or the simulation did not come to its end."""


def build_model(config: BuildConfig, *, tuned: bool = True) -> Path:
    """Build the cocotb model of a fabric, or find it in the cache.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the fabric.
    tuned : bool
        Optimised by hand: compiled as the board's library is, and with no signal but the ports
        public, so that Verilator may merge the others. Otherwise as cocotb's runner builds it.

    Returns
    -------
    pathlib.Path
        Folder of the model, for `run_model`.

    Raises
    ------
    sim.build.BuildError
        A tool or package is missing, or the build failed; then the text ends with its log.
    """
    board_key = sim_build.content_key(config, False, CORE, sim_build.compiler_version())
    build_args = (*_TUNED_ARGS, *_BUILD_ARGS) if tuned else _BUILD_ARGS
    make_flags = f"{_MAKE_FLAGS} {sim_build.make_flags()}" if tuned else _MAKE_FLAGS
    own = (board_key, sys.version, cocotb.__version__, *build_args, make_flags, *PORTS)
    key = hashlib.sha256(json.dumps(own).encode()).hexdigest()
    folder = _FOLDER / f"{CORE.top}-{key[:20]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not (folder / CORE.top).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=".work-", dir=folder.parent))
            try:
                _fill(work, config, build_args, make_flags)
                work.rename(folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return folder


def run_model(
    model: Path,
    module: str,
    *,
    test: str | None = None,
    environment: Mapping[str, str] | None = None,
    seed: int = 1,
    top: str = CORE.top,
) -> int:
    """Run the cocotb tests of a module on a model.

    Parameters
    ----------
    model : pathlib.Path
        From `build_model`.
    module : str
        Dotted name of the module with the tests.
    test : str or None
        Name of one test, with all its parameters; None: all tests of the module.
    environment : mapping or None
        Variables the tests shall find in their environment.
    seed : int
        Of cocotb's random numbers and of what memories hold at power-up.
    top : str
        Name of the model's top module.

    Returns
    -------
    int
        Tests that were run, at least 1.

    Raises
    ------
    CocotbError
        A test failed, none was run, or the simulation broke off. The text has the messages of
        the failed tests, or the last lines of the log.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{module.rpartition('.')[2]}-", dir=_FOLDER))
    results, log = folder / "results.xml", folder / "run.log"
    runner = get_runner("verilator")
    broken = ""
    try:
        runner.test(
            test_module=module,
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=model,
            test_dir=folder,
            results_xml=str(results),
            log_file=log,
            seed=seed,
            test_filter=None if test is None else rf"\.{test}(/|$)",
            plusargs=["+verilator+rand+reset+2", f"+verilator+seed+{seed}"],
            extra_env={"COCOTB_LOG_LEVEL": "WARNING", **(environment or {})},
        )
    except (RuntimeError, SystemExit) as error:
        broken = str(error)
    messages, run = _failures(results)
    if not messages and run and not broken:
        shutil.rmtree(folder)
        return run
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    what = "\n".join(messages) or f"{broken or 'no test was run'}; log {log} ends with\n{tail}"
    raise CocotbError(f"{module}: expected {test or 'all tests'} to pass, was\n{what}")


def _failures(results: Path) -> tuple[list[str], int]:
    """What failed, a text each, and how many tests there were."""
    messages: list[str] = []
    run = 0
    if results.is_file():
        for case in ElementTree.parse(results).getroot().iter("testcase"):
            run += case.find("skipped") is None
            for fault in (*case.findall("failure"), *case.findall("error")):
                said = fault.get("message") or fault.text or "no message"
                messages.append(f"{case.get('name')}: {said}")
    return messages, run


def _fill(folder: Path, config: BuildConfig, build_args: Sequence[str], make_flags: str) -> None:
    verilog = sim_build.build(config).verilog.read_text()  # a board that is mostly there already
    compile_model(folder, CORE.top, verilog, tuple(PORTS), build_args, make_flags)


def compile_model(
    folder: Path,
    top: str,
    verilog: str,
    ports: Sequence[str],
    build_args: Sequence[str] = (*_TUNED_ARGS, *_BUILD_ARGS),
    make_flags: str | None = None,
) -> None:
    """Compile Verilog into a cocotb model in `folder`.

    Raises
    ------
    sim.build.BuildError
        The build failed; the text ends with its log.
    """
    tools = str(sim_build.verilator_root() / "bin")
    if tools not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = tools + os.pathsep + os.environ["PATH"]
    source, public, log = folder / "core.v", folder / "public.vlt", folder / "build.log"
    source.write_text(sim_build.for_verilator(verilog))
    lines = [f'public_flat_rw -module "{top}" -var "{n}"' for n in ("clk", "rst", *ports)]
    public.write_text("\n".join(["`verilator_config", *lines, ""]))
    before = os.environ.get("MAKEFLAGS")
    os.environ["MAKEFLAGS"] = make_flags or f"{_MAKE_FLAGS} {sim_build.make_flags()}"
    try:
        get_runner("verilator").build(
            sources=[public, source],
            hdl_toplevel=top,
            build_dir=folder,
            build_args=build_args,
            timescale=("1ns", "1ps"),
            log_file=log,
        )
    except (RuntimeError, SystemExit) as error:
        kept = _FOLDER / "failed-build.log"
        text = log.read_text(errors="replace") if log.is_file() else ""
        kept.write_text(text)
        tail = "\n".join(text.splitlines()[-12:])
        raise BuildError(
            f"{top}: expected cocotb's build to end, was {error}; log {kept} ends with\n{tail}"
        ) from error
    finally:
        if before is None:
            del os.environ["MAKEFLAGS"]
        else:
            os.environ["MAKEFLAGS"] = before


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file; another process that wants the same model waits."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Driven(NamedTuple):
    """What came of records driven by cocotb.

    Attributes
    ----------
    out : ndarray of uint8, shape (n, 64)
        Out records.
    records : int
        Records driven.
    cycles : int
        Clock cycles they took.
    seconds : float
        Time for these, without start-up, reset and settings.
    """

    out: npt.NDArray[np.uint8]
    records: int
    cycles: int
    seconds: float


def drive(
    model: Path,
    settings: Sequence[tuple[str, int]],
    records: npt.NDArray[Any],
    *,
    bus_models: bool,
) -> Driven:
    """Drive records through a model, cycle by cycle.

    Parameters
    ----------
    model : pathlib.Path
        From `build_model`.
    settings : sequence of (str, int)
        Registers written first.
    records : ndarray of IN_DTYPE, shape (n,)
        In records.
    bus_models : bool
        With the source and the sink of cocotbext-axi, as benches are written. Otherwise with
        one loop that does nothing but the two handshakes: the least Python a cycle.

    Raises
    ------
    CocotbError
        The simulation did not come to its end.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / _JOB_IN, record_bytes(records))
        (folder / _JOB_SETTINGS).write_text(json.dumps(list(settings)))
        test = "with_bus_models" if bus_models else "with_one_loop"
        run_model(model, __name__, test=test, environment={_JOB: name})
        cycles, seconds = json.loads((folder / _JOB_TIMES).read_text())
        return Driven(np.load(folder / _JOB_OUT), len(records), cycles, seconds)


@cocotb.test()
async def with_one_loop(dut: Any) -> None:
    """The job of `drive`, inside the simulation, with no more Python a cycle than it takes."""
    in_bytes = await _start(dut)
    words = [int.from_bytes(row, "little") for row in in_bytes]
    dut.m_tready.value = 1
    await RisingEdge(dut.clk)
    edge = RisingEdge(dut.clk)
    s_tdata, s_tvalid, s_tready = dut.s_tdata, dut.s_tvalid, dut.s_tready
    m_tdata, m_tvalid = dut.m_tdata, dut.m_tvalid
    out: list[int] = []
    cycles = quiet = 0
    began = time.perf_counter()
    s_tvalid.value = 1
    for word in words:
        s_tdata.value = word
        taken = False
        while not taken:
            await edge
            cycles += 1
            taken = bool(s_tready.value)
            if m_tvalid.value:
                out.append(m_tdata.value.to_unsigned())
    s_tvalid.value = 0
    while quiet < _IDLE_CYCLES:
        await edge
        cycles += 1
        quiet += 1
        if m_tvalid.value:
            out.append(m_tdata.value.to_unsigned())
            quiet = 0
    seconds = time.perf_counter() - began
    _finish(b"".join(record.to_bytes(OUT_BYTES, "little") for record in out), cycles, seconds)


@cocotb.test()
async def with_bus_models(dut: Any) -> None:
    """The job of `drive`, inside the simulation, with cocotbext-axi."""
    for name in ("s", "m"):
        logging.getLogger(f"cocotb.{dut._name}.{name}").setLevel(logging.WARNING)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s"), dut.clk, dut.rst)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m"), dut.clk, dut.rst)
    in_bytes = await _start(dut)
    began_ns = get_sim_time("ns")
    began = time.perf_counter()
    source.send_nowait(AxiStreamFrame(in_bytes.tobytes()))
    await source.wait()
    seen = -1
    while sink.count() != seen:
        seen = sink.count()
        await ClockCycles(dut.clk, _IDLE_CYCLES)
    seconds = time.perf_counter() - began
    cycles = round((get_sim_time("ns") - began_ns) / _PERIOD_NS)
    out = bytearray()
    while not sink.empty():
        out += bytes(sink.recv_nowait().tdata)
    _finish(bytes(out), cycles, seconds)


async def _start(dut: Any) -> npt.NDArray[np.uint8]:
    """Reset, write the settings, wait for the sweep; the records to be sent, shape (n, 16)."""
    folder = Path(os.environ[_JOB])
    in_bytes: npt.NDArray[np.uint8] = np.load(folder / _JOB_IN)
    edge = RisingEdge(dut.clk)
    for port, (direction, _, _) in PORTS.items():
        if direction == "in":
            getattr(dut, port).value = 0
    dut.rst.value = 1
    Clock(dut.clk, _PERIOD_NS, "ns").start()
    for _ in range(4):
        await edge
    dut.rst.value = 0
    for register, value in json.loads((folder / _JOB_SETTINGS).read_text()):
        address, bits = REGISTERS[register].address, REGISTERS[register].bits
        for word in range((bits + 31) // 32):
            dut.reg_addr.value = address + word
            dut.reg_w_data.value = value >> 32 * word & 0xFFFFFFFF
            dut.reg_w_en.value = 1
            await edge
    dut.reg_w_en.value = 0
    await edge
    while not dut.s_tready.value:
        await edge
    return in_bytes


def _finish(out: bytes, cycles: int, seconds: float) -> None:
    folder = Path(os.environ[_JOB])
    np.save(folder / _JOB_OUT, np.frombuffer(out, np.uint8).reshape(-1, OUT_BYTES))
    (folder / _JOB_TIMES).write_text(json.dumps([cycles, seconds]))
