# SPDX-License-Identifier: Apache-2.0
"""A file of ITCH 5.0 through a board that reads the packets itself: ``replay --wire itch``."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Union

import numpy as np
import numpy.typing as npt
import orjson
from rich.console import Console

from host.contract.records import (
    DECISION_DTYPE,
    IN_DTYPE,
    REFILL_REQUEST_DTYPE,
    VIEW_DTYPE,
    DecisionFlag,
    OutKind,
    ViewFlag,
)
from host.contract.registers import COUNTERS
from host.execution.assumed import assumed_fills
from host.feeds.scale import Scale, lot_scale, tick_scale
from host.links import open_link
from host.links.base import Identity, Link, Parts
from host.replay.command import Request
from host.replay.outputs import BBO_HEADER, remove_old
from host.replay.run import ReplayError
from host.replay.summary import capture_entry, version_text
from host.replay.tables import texts
from host.settings import SettingError, Write
from host.wire.itch import ItchBooks, MoldError, file_messages, mold_packets
from host.wire.itch_records import ItchRecords
from host.wire.selection import board_options, reads_packets

__all__ = ["ItchOutcome", "directory", "run_itch_replay"]

#: Prices of ITCH have four decimals, and shares none.
TICK, LOT = Decimal("0.0001"), Decimal(1)
_GZIP_MAGIC = b"\x1f\x8b"
_RESET_READS = 1 << 16
_SELECTED = 1 << 31
_Step = Union[Write, "npt.NDArray[Any]"]


@dataclass(frozen=True)
class ItchOutcome:
    """What came of it.

    Attributes
    ----------
    mismatches : int
        Records and counters that differ from the reference model, and latencies that vary.
    error : str
        Fault of the input, one line; empty for none.
    summary : dict
        What ``summary.json`` holds.
    """

    mismatches: int
    error: str
    summary: dict[str, Any]


@dataclass
class _Run:
    """Everything the board was given, and what it answered."""

    identity: Identity
    parts: Parts
    steps: list[_Step] = field(default_factory=list)
    out: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    beats: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    cycles: int = 0

    def rows(self) -> npt.NDArray[np.uint8]:
        return np.concatenate([np.zeros((0, 64), np.uint8), *self.out])


def directory(messages: Sequence[bytes]) -> dict[str, int]:
    """Stock locate of each name in the stock directory, in the file's order."""
    return {
        message[11:19].decode("ascii", "replace").rstrip(): int.from_bytes(message[1:3], "big")
        for message in messages
        if message[:1] == b"R"
    }


def run_itch_replay(request: Request, out: Console, err: Console) -> ItchOutcome:
    """Replay a file of ITCH messages in MoldUDP64 packets, and check every answer.

    Parameters
    ----------
    request : Request
        What is asked for; tick and lot can only be those of ITCH.
    out, err : rich.console.Console
        For the summary; for notes and faults.

    Raises
    ------
    ReplayError
        A file is no ITCH, or the board does not read it.
    LinkError, SettingError, OSError
        As of `host.replay.command.run_replay`.
    """
    for name, given, fixed in (("tick", request.tick, TICK), ("lot", request.lot, LOT)):
        if given not in (None, fixed):
            raise SettingError(f"--{name}: expected {fixed} with --wire itch, was {given}")
    for name in [*(["model"] if request.model else []), *(["set"] if request.named.values else [])]:
        raise SettingError(f"--{name}: expected none with --wire itch, was given")
    remove_old(request.folder)
    messages = list(_messages(request.captures))
    names = directory(messages)
    if not names:
        raise ReplayError(f"{request.captures[0]}: expected a stock directory, was none")
    link = open_link(request.link, **board_options(request.wire, request.link))
    with link:
        if not reads_packets(link):
            raise ReplayError("--wire itch: expected a board that reads packets, was one without")
        identity = link.identify()
        chosen = _chosen(request.symbols, names, identity.symbols)
        replayer = _Replayer(request, link, identity, chosen)
        replayer.run_all(messages)
    run = replayer.run
    summary = _summary(request, run, replayer.sender, chosen, names)
    if request.reference:
        summary["mismatches"] = _compare(run, link_large=replayer.large)
    wrong = summary["mismatches"]
    if summary["decisions"]["latency_cycles"][0] != summary["decisions"]["latency_cycles"][1]:
        wrong["latency"] = 1
    wrong["total"] = (wrong["records"] or 0) + len(wrong["counters"] or {}) + wrong["latency"]
    path = request.folder / "summary.json"
    path.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    paths = [path, *_write_bbo(run, chosen, request.folder)]
    error = ""
    if not run.counters["itch_adds"]:
        error = f"{request.captures[0]}: expected orders of {', '.join(chosen)}, was none"
    _tell(summary, paths, out, err)
    if error:
        err.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
    return ItchOutcome(wrong["total"], error, summary)


def _messages(paths: Sequence[str]) -> Iterator[bytes]:
    for path in paths:
        octets = Path(path).read_bytes()
        try:
            if octets[:2] == _GZIP_MAGIC:
                octets = gzip.decompress(octets)
            yield from file_messages(octets, path)
        except (MoldError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ReplayError(f"--wire itch: {path}: {error}") from None


def _chosen(asked: Sequence[str], names: dict[str, int], room: int) -> dict[str, int]:
    """Locate of each name that is followed: those asked for, or as many as the board takes."""
    for name in asked:
        if name not in names:
            raise ReplayError(f"--symbol: expected a name of the stock directory, was {name!r}")
    if len(set(asked)) > room:
        raise ReplayError(f"--symbol: expected at most {room} of this board, was {len(asked)}")
    return {name: names[name] for name in dict.fromkeys(asked or list(names)[:room])}


class _Replayer:
    """One run in the making."""

    def __init__(
        self, request: Request, link: Link, identity: Identity, chosen: dict[str, int]
    ) -> None:
        self._request, self._link = request, link
        self.run = _Run(identity, link.parts())
        self.large = bool(link.read("build_feeds") & 4)
        levels, wanted = identity.levels, request.settings.levels
        if wanted > levels:
            raise ReplayError(f"--levels: expected at most {levels} of this board, was {wanted}")
        refill_at = request.refill_at
        if refill_at is None:
            refill_at = max(levels // 2, min(levels, wanted))
        self._locates = {locate: number for number, locate in enumerate(chosen.values())}
        try:
            self.sender = ItchRecords(
                ItchBooks(self._locates), levels=levels, refill_at=refill_at, wire="itch"
            )
        except ValueError as error:
            raise ReplayError(f"--{str(error).replace('_', '-', 1)}") from None

    def _write(self, writes: Sequence[Write]) -> None:
        for write in writes:
            self._link.write(*write)
        self.run.steps.extend(writes)

    def run_all(self, messages: Sequence[bytes]) -> None:
        """Everything from the reset to the last counter."""
        self._begin()
        sender, delay_us = self.sender, self._request.fill_delay_us
        sender.start()
        carry, chunk = np.empty(0, IN_DTYPE), -1
        for octets in mold_packets(messages):
            sender.packet(octets)
            newest = sender.books.last_us // delay_us
            if newest > chunk:
                chunk = newest
                carry = self._send(np.concatenate([carry, sender.take()]))
        carry = self._send(np.concatenate([carry, sender.take()]))
        self._send(np.concatenate([carry, sender.take()]))
        self.run.counters = {name: self._link.read(name) for name in COUNTERS}
        self.run.cycles = self._link.read("cycle")

    def _begin(self) -> None:
        self._link.write("control", 1)
        # The reset takes effect some clocks after the write: a first read may still tell of before.
        self._link.read("cycle")
        if not any(self._link.read("status") & 1 for _ in range(_RESET_READS)):
            raise ReplayError(f"status: expected bit 0 within {_RESET_READS} reads, was 0")
        settings = self._request.settings
        price: Scale = tick_scale(TICK)
        qty: Scale = lot_scale(LOT, self.run.identity.qty_bits)
        self._write(settings.writes())
        self._write([Write("order_qty", settings.order_lots(qty))])
        for locate, number in self._locates.items():
            self._write(settings.symbol_writes(number, price, qty))
            self._write([Write("itch_locate", _SELECTED | number << 16 | locate)])

    def _send(self, beats: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Send a chunk; the reports that go before the next one."""
        nothing = np.empty(0, IN_DTYPE)
        if not len(beats):
            return nothing
        out = self._link.transfer(beats)
        self.run.beats += len(beats)
        self.run.steps.append(beats)
        self.run.out.append(out)
        requests = np.ascontiguousarray(out[out[:, 0] == OutKind.REFILL_REQUEST])
        asked = requests.view(REFILL_REQUEST_DTYPE).reshape(-1)["symbol"]
        for symbol in dict.fromkeys(asked.tolist()):
            self.sender.on_refill_request(symbol)
        return assumed_fills(out) if self._request.fills and len(out) else nothing


def _compare(run: _Run, *, link_large: bool) -> dict[str, Any]:
    """Do to the reference models what was done to the board; what differs."""
    try:
        wire, itch = import_module("sim.reference_wire"), import_module("sim.reference_itch")
        compare = import_module("sim.compare").compare
    except ModuleNotFoundError as error:
        raise ReplayError(
            f"reference: expected the package {error.name}, was not found; use --no-reference"
        ) from None
    sizes = run.identity
    tables = itch.LARGE_TABLES if link_large else {}
    reference = wire.WireReference(
        sizes.symbols,
        sizes.levels,
        sizes.qty_bits,
        sbe=False,
        itch=itch.ItchSizes(symbols=sizes.symbols, qty_bits=sizes.qty_bits, width=16, **tables),
        own_orders=run.parts.own_orders,
        vectors=run.parts.vectors,
    )
    expected = [np.zeros((0, 64), np.uint8)]
    for step in run.steps:
        if isinstance(step, Write):
            reference.write(*step)
        else:
            expected.append(reference.feed(step))
    found = compare(np.concatenate(expected), run.rows())
    return {
        "records": found.mismatches + found.missing + found.extra,
        "expected_records": found.expected,
        "first": found.first_mismatch,
        "counters": {
            name: {"expected": value, "actual": run.counters[name]}
            for name, value in reference.counters.items()
            if value != run.counters[name]
        },
        "latency": 0,
    }


def _summary(
    request: Request,
    run: _Run,
    sender: ItchRecords,
    chosen: dict[str, int],
    names: dict[str, int],
) -> dict[str, Any]:
    rows = run.rows()
    decisions = np.ascontiguousarray(rows[rows[:, 0] == OutKind.DECISION])
    decided = decisions.view(DECISION_DTYPE).reshape(-1)
    refused = np.count_nonzero(decided["flags"] & DecisionFlag.REFUSED)
    views = rows[rows[:, 0] == OutKind.VIEW]
    cycles = decided["latency_cycles"].tolist() or [0]
    return {
        "tickgate": version_text(),
        "captures": [capture_entry(path) for path in request.captures],
        "wire": {"name": request.wire.value, "beats": run.beats},
        "symbols": {name: number for number, name in enumerate(chosen)},
        "symbols_left_out": sorted(set(names) - set(chosen)),
        "counters": run.counters,
        "host": {name: count for name, count in Counter(sender.counters).items() if count},
        "broken": sorted(sender.books.broken),
        "events": len(views),
        "events_bbo": int(np.count_nonzero(views[:, 1] & ViewFlag.BBO_VALID)),
        "events_valid": int(np.count_nonzero(views[:, 1] & ViewFlag.VALID)),
        "decisions": {
            "orders": len(decided) - int(refused),
            "refused": int(refused),
            "latency_cycles": [min(cycles), max(cycles)],
        },
        "cycles": run.cycles,
        "mismatches": {"records": None, "counters": None, "latency": 0},
    }


def _write_bbo(run: _Run, chosen: dict[str, int], folder: Path) -> list[Path]:
    """Quotes of each symbol after every event with a valid best bid and offer."""
    rows = run.rows()
    views = np.ascontiguousarray(rows[rows[:, 0] == OutKind.VIEW]).view(VIEW_DTYPE).reshape(-1)
    views = views[(views["flags"] & ViewFlag.BBO_VALID) != 0]
    price, qty = tick_scale(TICK), lot_scale(LOT, run.identity.qty_bits)
    paths = []
    for number, name in enumerate(chosen):
        mine = views[views["symbol"] == number]
        columns = (
            map(str, mine["update_id"].tolist()),
            texts(mine["bid_price_ticks"], price),
            texts(mine["bid_qty_lots"], qty),
            texts(mine["ask_price_ticks"], price),
            texts(mine["ask_qty_lots"], qty),
        )
        lines = [BBO_HEADER, *(",".join(row) for row in zip(*columns, strict=True)), ""]
        # A name is the file's: what may not stand in a file name is told by the symbol's number.
        shown = name if name.replace(".", "").isalnum() else str(number)
        paths.append(folder / ("bbo.csv" if len(chosen) == 1 else f"bbo.{shown}.csv"))
        paths[-1].write_text("\n".join(lines))
    return paths


def _tell(summary: dict[str, Any], paths: Sequence[Path], out: Console, err: Console) -> None:
    counts, wrong = summary["counters"], summary["mismatches"]
    decided = summary["decisions"]
    for line in (
        (
            f"packets {counts['mold_packets']:,}, messages {counts['itch_messages']:,}, "
            f"of other symbols {counts['itch_unselected']:,}"
        ),
        (
            f"orders added {counts['itch_adds']:,}, reduced or removed {counts['itch_takes']:,}, "
            f"trades {counts['itch_prints']:,}, unknown references {counts['itch_unknown']:,}"
        ),
        (
            f"events {summary['events']:,}, with best bid and ask {summary['events_bbo']:,}, "
            f"with all levels {summary['events_valid']:,}"
        ),
        (
            f"decisions: {decided['orders']:,} orders, {decided['refused']:,} refused, "
            f"{decided['latency_cycles'][0]} to {decided['latency_cycles'][1]} cycles"
        ),
        f"differences from the reference: {wrong['total']}"
        if wrong["records"] is not None
        else "not compared with the reference",
        *map(str, paths),
    ):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    lines = [f"mismatch: {wrong['first']}"] if wrong.get("first") else []
    for name, sides in (wrong["counters"] or {}).items():
        lines.append(f"mismatch: {name}: expected {sides['expected']}, was {sides['actual']}")
    if counts["itch_breaks"] or counts["itch_losses"]:
        lines.append(
            f"note: {counts['itch_breaks']} symbols became invalid "
            f"(orders without room: {counts['itch_order_full']}, "
            f"levels: {counts['itch_level_full']}, unknown: {counts['itch_unknown']})"
        )
    if summary["symbols_left_out"]:
        left = len(summary["symbols_left_out"])
        lines.append(f"note: the board has no room for {left} more symbols of the directory")
    for line in lines:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
