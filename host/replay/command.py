# SPDX-License-Identifier: Apache-2.0
"""The command ``tickgate replay``: run, check, write, and tell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from host.links import open_link
from host.model.rule import ModelRule
from host.replay.check import (
    ReferenceCheck,
    check_exchange,
    check_latency,
    check_reference,
)
from host.replay.outputs import remove_old, write_bbo, write_parquet
from host.replay.print import print_faults, print_summary
from host.replay.registers import NamedRegisters
from host.replay.run import Options, ReplayError, Run, replay
from host.replay.summary import summarise
from host.replay.tables import Tables
from host.settings import ReplaySettings
from host.wire.framing import Wire
from host.wire.selection import board_options

__all__ = ["Outcome", "Request", "run_replay"]


#: Names of refused symbols in the note; summary.json has all.
_MOST_NAMES = 8
#: A simulated board with a model has so many trees, or a multiple, so that few are built.
_TREES = 16


class _Advance(Protocol):
    def __call__(self, done: int, total: int, /) -> None: ...


@dataclass(frozen=True)
class Request:
    """A replay as it is asked for; see `host.replay.run.Options` for what is not here.

    Parameters
    ----------
    folder : pathlib.Path
        Takes the results.
    link : str
        Name of the link.
    reference, report : bool
        Compare with the reference model; make the report.
    """

    captures: Sequence[str]
    folder: Path
    settings: ReplaySettings
    symbols: Sequence[str] = ()
    tick: Decimal | None = None
    lot: Decimal | None = None
    link: str = "sim"
    refill_at: int | None = None
    fills: bool = True
    fill_delay_us: int = 100_000
    reference: bool = True
    report: bool = True
    wire: Wire = Wire.NATIVE
    model: ModelRule | None = None
    named: NamedRegisters = field(default_factory=NamedRegisters)

    def options(self) -> Options:
        """The part that decides what the board is sent."""
        return Options(
            captures=self.captures,
            settings=self.settings,
            symbols=self.symbols,
            tick=self.tick,
            lot=self.lot,
            refill_at=self.refill_at,
            fill_delay_us=self.fill_delay_us,
            fills=self.fills,
            wire=self.wire,
            model=self.model,
            named=self.named,
        )


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    mismatches : int
        Checks that disagree, all kinds together.
    error : str
        Fault of the input, one line; empty for none.
    summary : dict
        What ``summary.json`` holds.
    run : Run
        The run itself.
    """

    mismatches: int
    error: str
    summary: dict[str, Any]
    run: Run


def run_replay(request: Request, out: Console, err: Console) -> Outcome:
    """Replay captures, check every answer, write the results and tell about them.

    Parameters
    ----------
    request : Request
        What is asked for.
    out, err : rich.console.Console
        For the summary; for progress and faults.

    Raises
    ------
    CaptureError, LinkError, ReplayError, SettingError, OSError
        Nothing could be processed, or the results cannot be written.
    """
    began = time.perf_counter()
    report = _report_module() if request.report else None
    remove_old(request.folder)
    with err.status(f"opening link {request.link} (a simulated board is built the first time)"):
        link = open_link(request.link, **_board_options(request))
    with link:
        opened = time.perf_counter()
        with _progress(err) as advance:
            run = replay(request.options(), link, advance)
    checked = time.perf_counter()
    tables = Tables.of(run)
    exchange = check_exchange(run, tables)
    faults = check_latency(run, tables)
    compared = time.perf_counter()
    reference: ReferenceCheck | None = check_reference(run) if request.reference else None
    written = time.perf_counter()
    files = write_bbo(tables, request.folder)
    parquet = write_parquet(tables, request.folder)
    if not parquet:
        err.print("note: no .parquet files without pyarrow; pip install 'tickgate\\[report]'")
    files += parquet
    summary = summarise(run, tables, reference, exchange, faults)
    tabled = time.perf_counter()
    seconds = {
        "open_link": opened - began,
        "read_and_encode": run.feed_seconds,
        "board": run.link_seconds,
        "read_frames_back": run.expand_seconds,
        "checks": compared - checked,
        "reference": written - compared,
        "files": tabled - written,
    }
    replayed = run.feed_seconds + run.link_seconds
    levels = run.session.counters["levels"]
    summary["speed"] = {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "seconds_without_open_and_report": round(sum(seconds.values()) - seconds["open_link"], 3),
        "level_updates": levels,
        "level_updates_per_second_replay": round(levels / replayed) if replayed else 0,
        "level_updates_per_second_board": round(levels / run.link_seconds)
        if run.link_seconds
        else 0,
        "board_cycles": run.cycles,
    }
    if report is not None and len(tables.views):
        began_report = time.perf_counter()
        files += report.write_report(run, tables, summary, request.folder)
        seconds["report"] = time.perf_counter() - began_report
        summary["speed"]["seconds"]["report"] = round(seconds["report"], 3)
    summary["speed"]["seconds_in_all"] = round(time.perf_counter() - began, 3)
    path = request.folder / "summary.json"
    path.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    print_summary(summary, [path, *files], out)
    print_faults(summary, reference, exchange, err)
    error = _error(run)
    for name in [] if error else summary["symbols_without_events"]:
        err.print(f"note: {name}: no usable snapshot, so nothing of it was sent", highlight=False)
    if summary["symbols_refused"] and not request.symbols:
        err.print(f"note: {_no_room(summary)}", markup=False, highlight=False, soft_wrap=True)
    if error:
        err.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
    return Outcome(summary["mismatches"]["total"], error, summary, run)


def _board_options(request: Request) -> dict[str, Any]:
    """What a simulated board needs: a decoder for the wire, trees for the model."""
    options = board_options(request.wire, request.link)
    if request.model is not None and request.link == "sim":
        options |= {"trees": -(-max(1, request.model.image.trees) // _TREES) * _TREES}
    return options


def _no_room(summary: dict[str, Any]) -> str:
    """Symbols that found the board full, and how many messages of each were refused."""
    names = [f"{name} ({count:,} messages)" for name, count in summary["symbols_refused"].items()]
    more = len(names) - _MOST_NAMES
    shown = ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"the board has room for {summary['board']['symbols']} symbols; refused: {shown}"


def _error(run: Run) -> str:
    """Fault of the input, empty for none."""
    if run.capture_error is not None:
        return str(run.capture_error)
    if not run.session.counters["events"]:
        return (
            f"{run.options.captures[0]}: expected a snapshot and the depth events that follow it, "
            f"was {run.session.counters['snapshots']} snapshots and {run.depth_frames} depth "
            "events with nothing to send" + _first_refusal(run)
        )
    return ""


def _first_refusal(run: Run) -> str:
    for refusal in run.session.refusals:
        return f"; the first refusal was {refusal.reason} in line {refusal.line}: {refusal.detail}"
    return ""


def _report_module() -> Any:
    try:
        return import_module("host.report")
    except ModuleNotFoundError as error:
        raise ReplayError(
            f"report: expected the package {error.name}, was not found; "
            "pip install 'tickgate[report]' or use --no-report"
        ) from None


@contextmanager
def _progress(console: Console) -> Iterator[_Advance]:
    """A bar over the bytes of the captures, on a terminal only."""
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("replay"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replay", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
