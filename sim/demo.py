# SPDX-License-Identifier: Apache-2.0
"""What ``make sim`` runs: a replay of the bundled minute, the benches, a wave of a decision."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from host.contract.records import DECISION_DTYPE, InFlag, InKind, OutKind
from host.feeds.capture import CaptureError
from host.links import LinkError, RegisterError
from host.replay.command import Outcome, Request, run_replay
from host.replay.run import ReplayError, Run
from host.settings import ReplaySettings, SettingError, Write
from sim.board import Board, BoardError
from sim.build import BuildError
from sim.compare import CYCLE_FIELDS
from sim.wave import CYCLE_NS, WaveError, signals, window_ns

__all__ = ["Step", "first_decision_wave", "main"]

_ROOT = Path(__file__).resolve().parent.parent
_CAPTURE = _ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
_FOLDER = _ROOT / "build" / "report"
_BENCHES = _ROOT / "tests" / "cocotb"
#: Records before the last one of the event that are in the wave.
_RECORDS_BEFORE = 20
#: Cycles the wave goes on after the last output; more than a decision takes.
_CYCLES_AFTER = 24


class DemoError(RuntimeError):
    """A step of the demonstration did not do what it should."""


class Step(NamedTuple):
    """What came of one step."""

    name: str
    ok: bool
    text: str
    seconds: float


def first_decision_wave(run: Run, path: Path) -> str:
    """Dump waves around the first decision of a run.

    A board with waves is taken through the run up to a few records before the last one of the
    event, without a dump; then these records are dumped until the board is quiet.

    Parameters
    ----------
    run : Run
        A finished replay.
    path : pathlib.Path
        The VCD file to write.

    Returns
    -------
    str
        What is in the file, one sentence.

    Raises
    ------
    DemoError
        The run has no decision, or the traced board decides something else.
    """
    rows = run.out[run.out[:, 0] == OutKind.DECISION]
    if not len(rows):
        raise DemoError("wave: expected a decision in the replay, was none")
    wanted = np.ascontiguousarray(rows[:1]).view(DECISION_DTYPE).reshape(-1)[0]
    with Board(trace=True, idle_cycles=_CYCLES_AFTER) as board:
        for step in run.steps:
            if isinstance(step, Write):
                board.write(*step)
                continue
            end = _event_end(step, wanted)
            if end is None:
                board.transfer(step)
                continue
            start = max(0, end - _RECORDS_BEFORE)
            board.transfer(step[:start])
            with board.wave(path):
                out = board.transfer(step[start : end + 1])
            break
        else:
            raise DemoError("wave: expected the event of the first decision, was not sent")
    found = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION]).view(DECISION_DTYPE)
    same = len(found) == 1 and all(
        found.reshape(-1)[0][name] == wanted[name]
        for name in DECISION_DTYPE.names or ()
        if name not in CYCLE_FIELDS
    )
    if not same:
        raise DemoError("wave: expected the first decision of the replay, was another or none")
    first, last = window_ns(path)
    return f"{(last - first) // CYCLE_NS} cycles of {len(signals(path))} signals"


def _event_end(records: npt.NDArray[Any], decision: Any) -> int | None:
    """Place of the record that ends a decision's event, None where it is not there."""
    at = np.flatnonzero(
        (records["kind"] == InKind.EVENT_END)
        & ((records["flags"] & int(InFlag.BOOK)) != 0)
        & (records["symbol"] == decision["symbol"])
        & (records["value"] == decision["update_id"])
    )
    return int(at[0]) if len(at) else None


def _replay(console: Console, err: Console) -> tuple[Step, Outcome | None]:
    began = time.perf_counter()
    request = Request([str(_CAPTURE)], _FOLDER, ReplaySettings())
    try:
        outcome = run_replay(request, console, err)
    except (CaptureError, LinkError, RegisterError, ReplayError, SettingError, OSError) as error:
        return Step("replay", False, str(error), time.perf_counter() - began), None
    summary = outcome.summary
    decisions, seconds = summary["decisions"], time.perf_counter() - began
    if outcome.error:
        return Step("replay", False, outcome.error, seconds), outcome
    if outcome.mismatches:
        return Step("replay", False, f"{outcome.mismatches:,} mismatches", seconds), outcome
    text = (
        f"{summary['events']:,} book events, {decisions['total']:,} decisions, 0 mismatches with "
        f"the reference model; {summary['exchange_equal']:,} of {summary['exchange_checked']:,} "
        "quotes equal to the exchange's"
    )
    return Step("replay", True, text, seconds), outcome


def _benches(err: Console) -> Step:
    """Run the cocotb benches in a process of their own."""
    began = time.perf_counter()
    if not list(_BENCHES.glob("test_*.py")):
        return Step("cocotb benches", False, f"{_BENCHES}: expected benches, was none", 0.0)
    command = [sys.executable, "-m", "pytest", str(_BENCHES), "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = run.stdout.strip().splitlines() or ["no output"]
    if run.returncode:
        err.print("\n".join(lines[-40:]), markup=False, highlight=False, soft_wrap=True)
    text = lines[-1].strip("= ")
    return Step("cocotb benches", run.returncode == 0, text, time.perf_counter() - began)


def _wave(outcome: Outcome | None, path: Path) -> Step:
    began = time.perf_counter()
    path.unlink(missing_ok=True)
    if outcome is None:
        return Step("wave", False, "expected a replay to take the decision from, was none", 0.0)
    try:
        text, ok = first_decision_wave(outcome.run, path), True
    except (BoardError, BuildError, DemoError, WaveError, OSError) as error:
        text, ok = str(error), False
    return Step("wave", ok, text, time.perf_counter() - began)


def main() -> int:
    """Run every step, tell what came of it, and return the exit status."""
    console, err = Console(), Console(stderr=True)
    wave = _FOLDER / "first_decision.vcd"
    step, outcome = _replay(console, err)
    steps = [step]
    with err.status("running the cocotb benches"):
        steps.append(_benches(err))
    with err.status("dumping the first decision (a board with waves is built the first time)"):
        steps.append(_wave(outcome, wave))
    table = Table(title="make sim", title_justify="left")
    for name in ("step", "result", "what came of it", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    for step in steps:
        result = "[green]ok[/]" if step.ok else "[red]FAILED[/]"
        table.add_row(step.name, result, step.text.replace("[", r"\["), f"{step.seconds:.1f}")
    console.print(table)
    console.print(f"report: {_shown(_FOLDER / 'report.html')}", highlight=False, soft_wrap=True)
    if steps[-1].ok:
        shown = _shown(wave)
        console.print(
            f"wave:   gtkwave {shown}   or   surfer {shown}", highlight=False, soft_wrap=True
        )
    return 0 if all(step.ok for step in steps) else 1


def _shown(path: Path) -> str:
    """A path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    sys.exit(main())
