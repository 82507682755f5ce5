# SPDX-License-Identifier: Apache-2.0
"""What a replay says on the terminal when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from host.replay.check import ExchangeCheck, ReferenceCheck
from host.replay.model import model_rows

__all__ = ["print_faults", "print_summary", "rows"]


def rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and text of each figure worth a line; also the table of the report."""
    settings, host, decisions = summary["settings"], summary["host"], summary["decisions"]
    speed, refills, spans = summary["speed"], summary["refills"], summary["invalid_spans"]
    n, without = settings["levels"], summary["events"] - summary["events_valid"]["count"]
    symbols = ", ".join(
        f"{name} (tick {entry['tick']}, lot {entry['lot']})"
        for name, entry in summary["symbols"].items()
    )
    lines = [
        ("captures", ", ".join(entry["file"] for entry in summary["captures"])),
        ("symbols", symbols or "none"),
        (
            "read",
            (
                f"{host.get('frames', 0):,} frames, {summary['depth_events']:,} depth events, "
                f"{host.get('levels', 0):,} level updates, {host.get('trades', 0):,} trades"
            ),
        ),
        (
            "speed",
            (
                f"{speed['level_updates_per_second_replay']:,} level updates/s from file to "
                f"decision; board alone {speed['level_updates_per_second_board']:,}/s"
            ),
        ),
        ("best bid and offer valid", _of(summary["events_bbo"], summary["depth_events"])),
        (f"first {n} levels valid", _of(summary["events_valid"], summary["depth_events"])),
        ("events without that", f"{without:,} in {spans['total']:,} spans"),
        ("not sent to the board", _not_sent(summary)),
        ("refills", f"{refills['sent']:,} sent, {refills['requested_by_fabric']:,} asked for"),
        (
            "decisions",
            (
                f"{decisions['total']:,}: {decisions['accepted_buys']:,} buys and "
                f"{decisions['accepted_sells']:,} sells accepted, {decisions['refused']:,} refused"
            ),
        ),
    ]
    fired = [f"{name} {count:,}" for name, count in decisions["by_rule"].items()]
    if fired:
        lines.append(("decided by", ", ".join(fired)))
    by_reason = [
        f"{name} {count:,}" for name, count in decisions["refused_by_reason"].items() if count
    ]
    if by_reason:
        lines.append(("refused for (may be several)", ", ".join(by_reason)))
    lines += model_rows(summary["model"])
    latency = summary["latency_cycles"]
    if latency is not None:
        spread = (
            f"{latency['min']} cycles, every decision"
            if latency["min"] == latency["max"]
            else f"{latency['min']} to {latency['max']} cycles"
        )
        lines.append(("latency, event end to verdict", spread))
    refused = [
        f"{name} {host[name]:,}"
        for name in dict.fromkeys(entry["reason"] for entry in summary["host_refusals"])
    ]
    if refused:
        lines.append(("refused by the host", ", ".join(refused)))
        first = summary["host_refusals"][0]
        lines.append(("first of these", f"{first['file']} line {first['line']}: {first['detail']}"))
    lines += _exchange(summary)
    wrong = summary["mismatches"]
    if wrong["records"] is None:
        lines.append(("reference model", "not asked for"))
    else:
        lines.append(
            (
                "reference model",
                (
                    f"{summary['reference_records']:,} records: {wrong['records']:,} differ; "
                    f"{len(summary['counters'])} counters: {len(wrong['counters'])} differ"
                ),
            )
        )
    return lines


def _exchange(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What the exchange itself tells of its book, and how it compares."""
    lines: list[tuple[str, str]] = []
    if summary["checksums"] is not None:
        verified, failed = summary["checksums"]["verified"], summary["checksums"]["failed"]
        lines.append(("exchange's checksums", f"{verified:,} verified, {failed:,} failed"))
    if summary["exchange_quotes"] is None:
        none = f"{summary['exchange']} tells none that are exact beside its book"
        return [*lines, ("exchange's quotes", none)]
    checked = summary["exchange_checked"]
    return [
        *lines,
        ("exchange's quotes", summary["exchange_quotes"]),
        ("equal to the exchange's quotes", f"{summary['exchange_equal']:,} of {checked:,} checked"),
    ]


def _not_sent(summary: dict[str, Any]) -> str:
    count = summary["depth_events_not_sent"]
    return f"{count:,} depth events: before a snapshot, refused, or after a loss"


def _of(entry: dict[str, Any], total: int) -> str:
    return f"{entry['count']:,} of {total:,} depth events ({entry['share_of_depth_events']:.2%})"


def print_summary(summary: dict[str, Any], files: Sequence[Path], console: Console) -> None:
    """Print the figures and what was written where."""
    total = summary["mismatches"]["total"]
    table = Table(title="tickgate replay", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows(summary):
        table.add_row(name, text)
    table.add_row("mismatches", "[green]0[/]" if not total else f"[red]{total:,}[/]")
    console.print(table)
    if summary["settings"]["fills"] == "assumed" and summary["decisions"]["accepted"]:
        console.print(f"note: {summary['assumption']}", highlight=False, soft_wrap=True)
    folder = files[0].parent
    names = ", ".join(path.name for path in files)
    console.print(f"written to {folder}: {names}", highlight=False, markup=False, soft_wrap=True)


def print_faults(
    summary: dict[str, Any],
    reference: ReferenceCheck | None,
    exchange: ExchangeCheck,
    console: Console,
) -> None:
    """Print what disagrees, with both sides."""
    wrong = summary["mismatches"]
    lines: list[str] = []
    if reference is not None and reference.wrong_records:
        lines.append(f"{reference.wrong_records} records differ from the reference model")
        lines.append(reference.first)
    for name, sides in (wrong["counters"] or {}).items():
        lines.append(f"counter {name}: expected {sides['expected']}, was {sides['actual']}")
    lines.extend(wrong["latency"])
    if exchange.wrong:
        lines.append(f"{exchange.wrong} quotes differ from the exchange; {exchange.first}")
    if wrong["unknown_records"]:
        lines.append(f"expected records of a known kind, was {wrong['unknown_records']} others")
    if wrong["views_of_other_events"]:
        lines.append(
            f"expected a view for each event sent, was {wrong['views_of_other_events']} others"
        )
    for line in lines:
        console.print(f"mismatch: {line}", markup=False, highlight=False, soft_wrap=True)
