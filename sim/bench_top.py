# SPDX-License-Identifier: Apache-2.0
"""Any component with flat ports as a cocotb model, found again by its Verilog."""

import fcntl
import hashlib
import importlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cocotb
from amaranth.back import verilog

from sim.bench_cocotb import compile_model
from sim.build import compiler_version

__all__ = ["build_top"]

_FOLDER = Path(__file__).resolve().parent.parent / "build" / "cocotb"


def build_top(factory: str, options: Mapping[str, int], top: str) -> Path:
    """Build the cocotb model of a component, or find it in the cache.

    Parameters
    ----------
    factory : str
        ``module:name`` of what makes the component.
    options : mapping
        Its arguments.
    top : str
        Name of the Verilog top module.

    Returns
    -------
    pathlib.Path
        Folder of the model, for `sim.bench_cocotb.run_model`.

    Raises
    ------
    sim.build.BuildError
        A tool is missing or the build failed.
    """
    module, _, name = factory.partition(":")
    component = getattr(importlib.import_module(module), name)(**options)
    text = verilog.convert(component, name=top, emit_src=False, strip_internal_attrs=True)
    inputs = (text, sys.version, cocotb.__version__, compiler_version())
    key = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    folder = _FOLDER / f"{top}-{key[:20]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (folder / top).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=".work-", dir=folder.parent))
            try:
                compile_model(work, top, text, tuple(component.signature.members))
                work.rename(folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return folder
