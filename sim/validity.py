# SPDX-License-Identifier: Apache-2.0
"""How often the fabric's book is valid, by the number of levels it keeps (K).

``python -m sim.validity CAPTURE...`` replays every capture through one simulated board for each K,
with all checks of ``tickgate replay``, prints a table and writes ``build/validity.json``. It ends
with status 1 when a check disagrees and with status 2 when a capture cannot be replayed to its
end. A share is of all depth events of a capture, those before its snapshots included. Wrong quotes
differ from the exchange's own stream, wrong records from the reference model. Files that follow
each other are one capture: join their names with commas.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hdl.config import BuildConfig
from host.feeds.capture import CaptureError
from host.links import LinkError, RegisterError
from host.links.sim import SimLink
from host.replay.check import check_exchange, check_latency, check_reference
from host.replay.run import Options, ReplayError, replay
from host.replay.summary import capture_entry, summarise
from host.replay.tables import Tables
from host.settings import ReplaySettings, SettingError
from sim.board import Board, BoardError
from sim.build import BuildError

__all__ = ["LEVELS", "Row", "ValidityError", "main", "measure"]

#: Levels a side that are measured (K).
LEVELS = (16, 32, 64)

_ROOT = Path(__file__).resolve().parent.parent
_NEVER_STALE_MS = ((1 << 32) - 1) // 1000
_SLICE = _ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
#: Columns of a table that goes to no terminal.
_WIDTH = 132
_OUTPUT = _ROOT / "build" / "validity.json"


class ValidityError(RuntimeError):
    """A capture that cannot be measured; the text is one line and names it."""


@dataclass(frozen=True)
class Row:
    """One capture on a board of one K.

    Attributes
    ----------
    capture : str
        Its name, without what says the format.
    exchange : str
        Whose it is.
    levels : int
        Levels the board keeps a side (K).
    sum_levels : int
        Levels that have to be known for a view to be valid (N).
    refill_at : int
        The host refills a side of the board with fewer levels.
    symbols : int
        Books.
    depth_events : int
        Depth events of the capture.
    events : int
        Of these, sent to the board.
    bbo_valid, valid : int
        Of these, after which the best bid and offer, and the first N levels, were valid.
    refills_sent : int
        Sides the host sent as a snapshot.
    refill_records : int
        Records of these: the levels, and a beginning and an end each.
    refills_asked_for : int
        Refill requests of the board.
    exchange_quotes : str or None
        The exchange's own stream the board is compared with, None where none is exact.
    exchange_checked, exchange_wrong : int
        Comparisons with it, and those that differ.
    reference_records, reference_wrong : int
        Records the reference model expects, and those that differ, are missing or too many.
    mismatches : int
        Checks that disagree, of all kinds.
    """

    capture: str
    exchange: str
    levels: int
    sum_levels: int
    refill_at: int
    symbols: int
    depth_events: int
    events: int
    bbo_valid: int
    valid: int
    refills_sent: int
    refill_records: int
    refills_asked_for: int
    exchange_quotes: str | None
    exchange_checked: int
    exchange_wrong: int
    reference_records: int
    reference_wrong: int
    mismatches: int


def measure(captures: Sequence[str], levels: int, refill_at: int | None = None) -> Row:
    """Replay a capture through a new simulated board and check every answer.

    Parameters
    ----------
    captures : sequence of str
        Files that follow each other.
    levels : int
        Levels the board keeps a side (K).
    refill_at : int or None
        As of `host.replay.run.Options`.

    Raises
    ------
    ValidityError
        It cannot be replayed to its end, nothing of it could be sent, or the board keeps fewer
        levels than are summed.
    sim.build.BuildError, sim.board.BoardError, LinkError, RegisterError
        There is no board to replay it on.
    """
    # How old an event is has nothing to do with how many levels are kept.
    settings = ReplaySettings(stale_ms=_NEVER_STALE_MS)
    if levels < settings.levels:
        raise ValidityError(
            f"--levels: expected at least the {settings.levels} that are summed, was {levels}"
        )
    options = Options(captures, settings, refill_at=refill_at)
    try:
        with SimLink(Board(BuildConfig(levels=levels))) as link:
            run = replay(options, link, lambda done, total: None)
    except (CaptureError, ReplayError, SettingError) as error:
        raise ValidityError(str(error)) from None
    if run.capture_error is not None:
        raise ValidityError(str(run.capture_error))
    tables = Tables.of(run)
    if not len(tables.views):
        raise ValidityError(f"{captures[0]}: expected depth events that can be sent, was none")
    summary = summarise(
        run, tables, check_reference(run), check_exchange(run, tables), check_latency(run, tables)
    )
    host = run.session.counters
    return Row(
        capture=_name(captures),
        exchange=summary["exchange"],
        levels=levels,
        sum_levels=settings.levels,
        refill_at=summary["settings"]["refill_at"],
        symbols=len(tables.feeds),
        depth_events=summary["depth_events"],
        events=summary["events"],
        bbo_valid=summary["events_bbo"]["count"],
        valid=summary["events_valid"]["count"],
        refills_sent=summary["refills"]["sent"],
        refill_records=host["refill_levels"] + 2 * host["refills"],
        refills_asked_for=summary["refills"]["requested_by_fabric"],
        exchange_quotes=summary["exchange_quotes"],
        exchange_checked=summary["exchange_checked"],
        exchange_wrong=summary["exchange_wrong"],
        reference_records=summary["reference_records"],
        reference_wrong=summary["mismatches"]["records"],
        mismatches=summary["mismatches"]["total"],
    )


def _name(captures: Sequence[str]) -> str:
    name = Path(captures[0]).name.partition(".")[0]
    return name if len(captures) == 1 else f"{name} +{len(captures) - 1}"


def _show(console: Console, rows: Sequence[Row]) -> None:
    table = Table(
        title=f"Validity by levels a side (K); N is {rows[0].sum_levels}", title_justify="left"
    )
    table.add_column("capture", no_wrap=True)
    names = ("K", "depth events", "best valid", "first N", "refills", "asked for")
    for name in (*names, "wrong quotes", "wrong records"):
        table.add_column(name, justify="right", no_wrap=True)
    for at, row in enumerate(rows):
        exchange = f"{row.exchange_wrong:,} of {row.exchange_checked:,}"
        last = at + 1 == len(rows) or rows[at + 1].capture != row.capture
        table.add_row(
            row.capture,
            str(row.levels),
            f"{row.depth_events:,}",
            f"{row.bbo_valid / row.depth_events:.2%}",
            f"{row.valid / row.depth_events:.2%}",
            f"{row.refills_sent:,}",
            f"{row.refills_asked_for:,}",
            "none exact" if row.exchange_quotes is None else exchange,
            f"{row.reference_wrong:,} of {row.reference_records:,}",
            end_section=last,
        )
    console.print(table)


def _content(captures: Sequence[Sequence[str]], rows: Sequence[Row]) -> dict[str, Any]:
    files = {path: capture_entry(path) for paths in captures for path in paths}
    return {"captures": list(files.values()), "rows": [asdict(row) for row in rows]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.validity", description="Measure how often the book is valid, by K."
    )
    parser.add_argument(
        "captures",
        metavar="CAPTURE",
        nargs="*",
        default=[str(_SLICE)],
        help="files joined with commas follow each other; the bundled minute if none is given",
    )
    parser.add_argument(
        "--levels", type=int, nargs="+", default=LEVELS, metavar="K", help="levels the board keeps"
    )
    parser.add_argument("--refill-at", type=int, help="as of tickgate replay")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="JSON file to write")
    options = parser.parse_args(arguments)
    captures = [text.split(",") for text in options.captures]
    err = Console(stderr=True)
    rows: list[Row] = []
    try:
        for paths in captures:
            for levels in options.levels:
                began = time.perf_counter()
                with err.status(f"{_name(paths)}, K = {levels} (boards are built the first time)"):
                    rows.append(measure(paths, levels, options.refill_at))
                if not err.is_terminal:
                    seconds = time.perf_counter() - began
                    print(f"{_name(paths)}, K = {levels}: {seconds:.1f} s", file=sys.stderr)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(_content(captures, rows), indent=1) + "\n")
    except (
        BoardError,
        BuildError,
        LinkError,
        RegisterError,
        ValidityError,
        ValueError,
        OSError,
    ) as error:
        print(f"validity: {error}", file=sys.stderr)
        return 2
    console = Console()
    _show(console if console.is_terminal else Console(width=_WIDTH), rows)
    wrong = [row for row in rows if row.mismatches]
    for row in wrong:
        print(
            f"validity: {row.capture}, K = {row.levels}: expected no mismatch, "
            f"was {row.mismatches:,}",
            file=sys.stderr,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
