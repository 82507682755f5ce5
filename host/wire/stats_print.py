# SPDX-License-Identifier: Apache-2.0
"""Tables of ``tickgate feed-stats``."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_stats"]

_MOST_GAPS = 10


def print_stats(summary: dict[str, Any], out: Console) -> None:
    """Print what `FeedStats.summary` gives."""
    out.print(_overview(summary))
    for title, columns, pick in (
        ("Messages", ("messages", "frames", "JSON bytes", "SBE bytes", "SBE beats"), _sizes),
        ("Levels an event", ("levels", "min", "mean", "p50", "p99", "max"), _levels),
        ("Receive time less exchange time, ms", ("min", "mean", "p50", "p99", "max"), _delays),
    ):
        table = Table("symbol", "kind", title=title, title_justify="left")
        for name in columns:
            table.add_column(name, justify="right")
        for symbol, kinds in summary["symbols"].items():
            for kind, found in kinds.items():
                cells = pick(found)
                if cells is not None:
                    table.add_row(Text(symbol), kind, *map(_shown, cells))
        if table.row_count:
            out.print(table)
    for gap in summary["first_gaps"][:_MOST_GAPS]:
        text = "gap: {file} line {line}: {symbol} {first_id} after {last_id}".format(**gap)
        out.print(Text(text))


def _overview(summary: dict[str, Any]) -> Table:
    table = Table("what", "figure", title="Capture", title_justify="left")
    frames, levels = summary["rates"]["frames"], summary["rates"]["levels"]
    refused = [f"{name} {count:,}" for name, count in summary["refused"].items()]
    sequence = summary["sequence"]
    for name, value in (
        ("exchange, encoding", f"{summary['exchange']}, {summary['encoding']}"),
        ("frames", f"{summary['frames']:,}, of other channels {summary['other_frames']:,}"),
        ("refused", ", ".join(refused) or "none"),
        ("time span", f"{summary['seconds']:,.3f} s"),
        ("received out of order", f"{summary['received_out_of_order']:,}"),
        ("frames a second", _rate(frames)),
        ("level updates a second", _rate(levels)),
        (
            "gaps",
            "{gaps:,} in depth, {stream_gaps:,} in connections, {repeated:,} repeated".format(
                **sequence
            ),
        ),
    ):
        table.add_row(name, Text(value))
    return table


def _rate(rate: dict[str, Any]) -> str:
    mean = "" if rate["mean_per_s"] is None else f"mean {rate['mean_per_s']:,.0f}, "
    return f"{mean}peak {rate['peak_per_s']:,}; in a millisecond {rate['peak_per_ms']:,}"


def _sizes(found: dict[str, Any]) -> list[Any]:
    names = ("json_bytes_per_frame", "sbe_bytes_per_frame", "sbe_beats_per_frame")
    return [found["messages"], found["frames"], *map(found.get, names)]


def _levels(found: dict[str, Any]) -> list[Any] | None:
    spread = found.get("levels_per_event")
    return None if spread is None else [found["levels"], *spread.values()]


def _delays(found: dict[str, Any]) -> list[Any] | None:
    spread = found["delay_us"]
    return None if spread is None else [value / 1000 for value in spread.values()]


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
