# SPDX-License-Identifier: Apache-2.0
"""Break the hardware on purpose: ``python -m tests.mutate.run [NAME ...]``.

Each fault of `tests.mutate.faults` is put into a copy of the tree, and the one test or proof named
with it is run there. It must fail, and by an assertion. Before that every catcher must pass on
the tree as it is. Writes ``build/mutate.json``; ends with 1 when a fault was not caught.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.mutate.faults import FAULTS, Fault
from tests.mutate.witness import WITNESS

__all__ = ["FORMAL", "Misfit", "apply", "main", "mutate", "verify"]

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("hdl", "sim", "host", "tests", "pyproject.toml")
FORMAL = "formal:"
TIMEOUT_S = 900
CAUGHT, SURVIVED, ERROR = "caught", "NOT CAUGHT", "ERROR"


class Misfit(ValueError):
    """A fault's old text does not occur exactly once."""


def apply(fault: Fault, tree: Path) -> None:
    """Put a fault into a tree.

    Raises
    ------
    Misfit
        Its old text does not occur exactly once in its file.
    """
    path = tree / fault.file
    text = path.read_text(encoding="utf-8")
    if (found := text.count(fault.old)) != 1:
        raise Misfit(f"{fault.name}: expected its old text once in {fault.file}, was {found} times")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


@contextmanager
def _copy() -> Iterator[Path]:
    """A copy of what is tested, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tickgate-mutate-") as folder:
        tree = Path(folder).resolve() / "tree"
        tree.mkdir()
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                unwanted = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(source, tree / part, ignore=unwanted)
            else:
                shutil.copy(source, tree / part)
        yield tree


def _run(tree: Path, arguments: Sequence[str]) -> tuple[int | None, str]:
    """Run Python in a tree: its status, None when it took too long, and its output."""
    env = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TICKGATE_BUILD": str(tree / "build" / "sim"),
        WITNESS: str(tree / "witness.json"),
    }
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=tree,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            return None, ""
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, output


def _last_line(output: str) -> str:
    return next((line for line in reversed(output.splitlines()) if line.strip()), "no output")


def verify(tree: Path, catcher: str) -> tuple[str, str]:
    """Run one catcher in a tree.

    Returns
    -------
    outcome : str
        ``passed``, ``assertion``, or ``error`` for anything else.
    why : str
        What failed.
    """
    if catcher.startswith(FORMAL):
        name = catcher.removeprefix(FORMAL)
        (tree / "build").mkdir(exist_ok=True)
        status, output = _run(tree, ["-m", "tests.formal.run", name])
        refuted = [line.strip() for line in output.splitlines() if "Assert failed" in line]
        if status == 0:
            return "passed", ""
        if status is None:
            return "error", f"expected an end within {TIMEOUT_S} s, was none"
        return ("assertion", refuted[0]) if refuted else ("error", _last_line(output))

    pytest = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "tests.mutate.witness"]
    status, output = _run(tree, [*pytest, catcher])
    if status is None:
        return "error", f"expected an end within {TIMEOUT_S} s, was none"
    witness = tree / "witness.json"
    if not witness.is_file():
        return "error", _last_line(output)
    told = json.loads(witness.read_text(encoding="utf-8"))
    witness.unlink()
    if told["tree"] != str(tree):
        return "error", f"expected tests of {tree}, was {told['tree']}"
    ends = list(told["tests"].values())
    for end in ends:
        if end["outcome"] not in ("passed", "skipped"):
            return end["outcome"], end["why"]
    if status or not ends or all(end["outcome"] == "skipped" for end in ends):
        return "error", _last_line(output)
    return "passed", ""


def mutate(fault: Fault) -> dict[str, Any]:
    """Break a copy of the tree and run the catcher there; the fault's row of the table."""
    began = time.monotonic()
    with _copy() as tree:
        apply(fault, tree)
        outcome, why = verify(tree, fault.catcher)
    result = {"assertion": CAUGHT, "passed": SURVIVED}.get(outcome, ERROR)
    return {
        "fault": fault.name,
        "broken": fault.broken,
        "file": fault.file,
        "catcher": fault.catcher,
        "result": result,
        "seconds": round(time.monotonic() - began, 1),
        "why": why,
    }


def _sound(catchers: Sequence[str]) -> bool:
    """Whether every catcher passes on the tree as it is."""
    sound = True
    with _copy() as tree:
        for catcher in catchers:
            outcome, why = verify(tree, catcher)
            print(f"{'as it is':32} {outcome:10} {catcher}", flush=True)
            if outcome != "passed":
                sound = False
                print(f"{'':32} {why}", flush=True)
    return sound


def main(arguments: list[str] | None = None) -> int:
    """Put in the chosen faults one after the other, print the table, return 1 if one survives."""
    parser = argparse.ArgumentParser(prog="tests.mutate.run", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these faults")
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - {fault.name for fault in FAULTS}:
        parser.error(f"expected names of faults, was {' '.join(sorted(unknown))}")
    faults = [fault for fault in FAULTS if not chosen.names or fault.name in chosen.names]
    if chosen.list:
        for fault in faults:
            print(f"{fault.name:32} {fault.broken}")
        return 0
    if not _sound(sorted({fault.catcher for fault in faults})):
        print("a catcher does not pass on the tree as it is")
        return 1
    rows = []
    for fault in faults:
        row = mutate(fault)
        rows.append(row)
        print(f"{row['fault']:32} {row['result']:10} {row['seconds']:6.1f} s", flush=True)
        if row["result"] != CAUGHT:
            print(f"{'':32} {row['broken']} {row['why']}", flush=True)
    missed = [row["fault"] for row in rows if row["result"] != CAUGHT]
    total = sum(row["seconds"] for row in rows)
    print(f"\n{len(rows)} faults, {len(rows) - len(missed)} caught, {total:.0f} s")
    if missed:
        print(f"not caught: {', '.join(missed)}")
    (ROOT / "build").mkdir(exist_ok=True)
    table = json.dumps(rows, indent=2) + "\n"
    (ROOT / "build" / "mutate.json").write_text(table, encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
