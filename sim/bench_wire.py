# SPDX-License-Identifier: Apache-2.0
"""The host's path from a depth frame to records, as JSON and as SBE, measured in one run.

``python -m sim.bench_wire`` takes the depth events of a recording, and of the same events the
binary frames, and measures what a frame and a level cost: reading alone, and all of the way to
records (or, for frames that the board reads itself, to beats). Beside it stands the board's share
of the same frames, their beats of 16 bytes counted as one cycle each: the rate at which its input
takes them.

Times are processor time of this process, the least of some runs. It ends with status 1 if the JSON
path is slower than `LEAST_LEVELS_PER_S` level updates a second, 2 when it cannot measure.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from host.contract.records import InKind, Protocol
from host.feeds.capture import CaptureError, CaptureReader, Frame
from host.feeds.messages import DepthUpdate, Snapshot
from host.feeds.session import FeedSession
from host.feeds.venues import BINANCE
from host.memory import collect_seldom
from host.wire.framing import frame_words
from host.wire.ingress import Steps, expand
from host.wire.sbe_encode import SbeEncoder
from host.wire.venue import BINANCE_SBE, over_sbe
from host.wire.writer import FrameWriter

__all__ = ["LEAST_LEVELS_PER_S", "WireBenchError", "WireRow", "main", "measure_wires"]

#: Level updates a second that the JSON path has to keep up with on one core.
LEAST_LEVELS_PER_S = 240_000

_ROOT = Path(__file__).resolve().parent.parent
_SLICE = _ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"
_OUTPUT = _ROOT / "build" / "bench_wire.json"
_READ_JSON, _READ_SBE = "JSON, read", "SBE, read"
_JSON, _SBE, _BEATS = "JSON to records", "SBE to records", "SBE to beats"
#: Clock the board is counted at, cycles a second.
_CLOCK_HZ = 100_000_000

Payload = bytes | str


class WireBenchError(RuntimeError):
    """Two ways to the same records gave different ones, so neither is measured."""


class WireRow(NamedTuple):
    """What one way costs.

    Attributes
    ----------
    name : str
        The way.
    frames, levels : int
        Depth events, and level updates in them.
    seconds : float
        Processor time, the least of some runs.
    """

    name: str
    frames: int
    levels: int
    seconds: float

    @property
    def levels_per_s(self) -> float:
        """Level updates a second."""
        return self.levels / self.seconds


def measure_wires(path: Path, repeats: int = 5) -> dict[str, Any]:
    """Measure every way of a recording's depth events.

    Parameters
    ----------
    path : pathlib.Path
        Lines of a time and a JSON frame, of one symbol of Binance.
    repeats : int
        Runs of each, taken in turn; the fastest counts.

    Returns
    -------
    dict
        ``rows`` (list of `WireRow`), ``cycles`` (of the board for the same frames),
        ``json_bytes`` and ``sbe_bytes``.

    Raises
    ------
    CaptureError
        The recording cannot be read.
    WireBenchError
        The ways do not lead to the same records, or there is no depth event.
    """
    texts, frames = _payloads(path)
    name, levels, sent = _agree(texts, frames)
    ways: dict[str, Callable[[], object]] = {
        _READ_JSON: lambda: [BINANCE.parse(text, "") for text in texts],
        _READ_SBE: lambda: [BINANCE_SBE.parse(frame, "") for frame in frames],
        _JSON: lambda: _session(texts, BINANCE),
        _SBE: lambda: _session(frames, BINANCE_SBE),
        _BEATS: lambda: _session(frames, over_sbe(BINANCE_SBE), writer=FrameWriter),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for way, work in ways.items():
            began = time.process_time()
            work()
            least[way] = min(least[way], time.process_time() - began)
    binary = [frame for frame in frames if isinstance(frame, bytes)]
    return {
        "recording": path.name,
        "symbol": name,
        "rows": [WireRow(way, sent, levels, seconds) for way, seconds in least.items()],
        "cycles": sum(len(frame_words(frame, 0, Protocol.SBE)) // 2 for frame in binary),
        "json_bytes": sum(
            len(text) for text, frame in zip(texts, frames, strict=True) if isinstance(frame, bytes)
        ),
        "sbe_bytes": sum(map(len, binary)),
    }


def _payloads(path: Path) -> tuple[list[Payload], list[Payload]]:
    """Snapshots and depth events as they came, and again with the events as SBE."""
    encoder = SbeEncoder()
    texts: list[Payload] = []
    frames: list[Payload] = []
    for entry in CaptureReader([path]):
        if not isinstance(entry, Frame):
            continue
        message = BINANCE.parse(entry.payload, "")
        if isinstance(message, Snapshot):
            texts.append(entry.payload)
            frames.append(entry.payload.decode())
        elif isinstance(message, DepthUpdate):
            texts.append(entry.payload)
            frames.append(encoder.depth(message))
    if not any(isinstance(frame, bytes) for frame in frames):
        raise WireBenchError(f"{path}: expected depth events, was none")
    return texts, frames


def _session(payloads: Sequence[Payload], venue: Any, **options: Any) -> FeedSession:
    session = FeedSession(adopt=True, venue=venue, **options)
    for payload in payloads:
        session.feed_payload(payload)
    return session


def _agree(texts: Sequence[Payload], frames: Sequence[Payload]) -> tuple[str, int, int]:
    """Check that all ways lead to the same records; the symbol, its levels and events."""
    native = _session(texts, BINANCE)
    binary = _session(frames, BINANCE_SBE)
    framed = _session(frames, over_sbe(BINANCE_SBE), writer=FrameWriter)
    if len(native.feeds) != 1 or not native.counters["events"]:
        raise WireBenchError("recording: expected events of one symbol, was none or several")
    ((name, feed),) = native.feeds.items()
    steps = {feed.instrument.symbol: Steps(*feed.instrument[2:4])}  # type: ignore[arg-type]
    expected, beats = native.take(), framed.take()
    if not (beats["kind"] == InKind.FRAME).any():
        raise WireBenchError("beats: expected frames, was none")
    for way, found in ((_SBE, binary.take()), (_BEATS, expand(beats, steps))):
        if not np.array_equal(found, expected):
            raise WireBenchError(f"{way}: expected the records of {_JSON}, was others")
    return name, native.counters["levels"], native.counters["events"]


def _show(console: Console, found: dict[str, Any]) -> None:
    rows: list[WireRow] = found["rows"]
    named = {row.name: row for row in rows}
    table = Table(title=f"Depth frames of {found['symbol']}, one core")
    for column in ("way", "us/frame", "ns/level", "levels/s", "to JSON"):
        table.add_column(column, justify="left" if column == "way" else "right", no_wrap=True)
    for row in rows:
        peer = named[_READ_JSON if row.name in (_READ_JSON, _READ_SBE) else _JSON]
        table.add_row(
            row.name,
            f"{row.seconds / row.frames * 1e6:.2f}",
            f"{row.seconds / row.levels * 1e9:.0f}",
            f"{row.levels_per_s:,.0f}",
            f"{peer.seconds / row.seconds:.2f} x",
        )
    row, cycles = named[_JSON], found["cycles"]
    seconds = cycles / _CLOCK_HZ
    table.add_row(
        f"board at {_CLOCK_HZ // 10**6} MHz",
        f"{seconds / row.frames * 1e6:.2f}",
        f"{seconds / row.levels * 1e9:.0f}",
        f"{row.levels / seconds:,.0f}",
        f"{row.seconds / seconds:.0f} x",
    )
    console.print(table)
    console.print(f"board: {cycles / row.frames:.2f} beats a frame, a cycle each")
    console.print(
        f"{found['recording']}: bytes a frame: JSON {found['json_bytes'] / row.frames:.0f}, "
        f"SBE {found['sbe_bytes'] / row.frames:.0f}; "
        f"{row.frames:,} frames, {row.levels:,} levels"
    )
    verdict = "is over" if row.levels_per_s > LEAST_LEVELS_PER_S else "expected over"
    console.print(f"{_JSON}: {row.levels_per_s:,.0f} levels/s, {verdict} {LEAST_LEVELS_PER_S:,}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m sim.bench_wire", description=main.__doc__)
    parser.add_argument("recording", nargs="?", type=Path, default=_SLICE)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; the fastest counts")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="JSON file to write")
    options = parser.parse_args(arguments)
    collect_seldom()
    try:
        found = measure_wires(options.recording, options.repeats)
        rows = [{**row._asdict(), "levels_per_s": row.levels_per_s} for row in found["rows"]]
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({**found, "rows": rows}, indent=1) + "\n")
    except (CaptureError, OSError, WireBenchError) as error:
        print(f"bench_wire: {error}", file=sys.stderr)
        return 2
    _show(Console(), found)
    speed = next(row.levels_per_s for row in found["rows"] if row.name == _JSON)
    return 0 if speed > LEAST_LEVELS_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
