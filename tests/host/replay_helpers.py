# SPDX-License-Identifier: Apache-2.0
"""Edited copies of the bundled minute, replayed, and the exchange's quotes to judge them by."""

import bisect
import csv
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as parquet
from rich.console import Console

from host.replay.command import Request, run_replay
from host.settings import ReplaySettings

SLICE = Path(__file__).resolve().parents[2] / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"


def slice_lines():
    """Lines of the bundled minute, as text."""
    return gzip.decompress(SLICE.read_bytes()).decode().splitlines()


def payload(line):
    """The JSON of a line."""
    return json.loads(line.split(" ", 1)[1])


def with_payload(line, frame):
    """The same line with another frame."""
    return line.split(" ", 1)[0] + " " + json.dumps(frame, separators=(",", ":"))


def depth_places(lines):
    """Index of every line with a depth event."""
    return [n for n, line in enumerate(lines) if '"depthUpdate"' in line]


def update_id(line):
    """Last update id of a depth event."""
    return payload(line)["data"]["u"]


def snapshot_after(lines, place):
    """A snapshot as the exchange would have answered after the depth event at `place`."""
    book = {"b": {}, "a": {}}
    for line in lines[: place + 1]:
        frame = payload(line)
        if "lastUpdateId" in frame:
            book = {"b": dict(frame["bids"]), "a": dict(frame["asks"])}
            last = frame["lastUpdateId"]
        elif '"depthUpdate"' in line and book["b"] and frame["data"]["u"] >= last:
            for side in "ba":
                book[side].update(dict(frame["data"][side]))
    sides = []
    for side, reverse in (("b", True), ("a", False)):
        levels = [level for level in book[side].items() if Decimal(level[1])]
        sides.append(sorted(levels, key=lambda level: Decimal(level[0]), reverse=reverse)[:1000])
    frame = {"lastUpdateId": update_id(lines[place]), "bids": sides[0], "asks": sides[1]}
    return with_payload(lines[place], frame)


def write_capture(folder, lines, name="capture.gz"):
    """Write lines as a capture."""
    path = folder / name
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), 1))
    return path


class Result:
    """A finished replay and its files, read again."""

    def __init__(self, outcome, folder, text):
        self.outcome, self.summary, self.text = outcome, outcome.summary, text
        with (folder / "bbo.csv").open(newline="") as file:
            self.bbo = list(csv.DictReader(file))
        self.ids = [int(row["update_id"]) for row in self.bbo]
        self.decisions = parquet.read_table(folder / "decisions.parquet").to_pylist()

    def acted_between(self, first, last):
        """Update ids from `first` to before `last` with a quote or a decision."""
        ids = [*self.ids, *(row["update_id"] for row in self.decisions)]
        return [number for number in ids if first <= number < last]


def replayed(folder, capture, report=False, settings=None, **options):
    """Replay one capture."""
    said = io.StringIO()
    console = Console(file=said, width=200)
    request = Request(
        [str(capture)], folder, settings or ReplaySettings(), report=report, **options
    )
    outcome = run_replay(request, console, console)
    return Result(outcome, folder, said.getvalue())


def wrong_quotes(result, lines):
    """Quotes that are not those of the exchange's last book ticker up to the same update id."""
    tickers = {}
    for line in lines:
        if "@bookTicker" in line:
            data = payload(line)["data"]
            tickers[data["u"]] = tuple(Decimal(data[name]) for name in "bBaA")
    known = sorted(tickers)
    wrong = []
    for row in result.bbo:
        at = bisect.bisect_right(known, int(row["update_id"]))
        if 0 < at < len(known):
            columns = ("bid_price", "bid_qty", "ask_price", "ask_qty")
            if tuple(Decimal(row[name]) for name in columns) != tickers[known[at - 1]]:
                wrong.append(row)
    return wrong
