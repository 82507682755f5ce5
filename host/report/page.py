# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from host.replay.print import rows

__all__ = ["CSS", "Section", "page", "table"]

CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #222;
  background: #fff; max-width: 1120px; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
p { max-width: 75ch; }
.lead { color: #6b6b6b; margin-top: 0; }
.verdict { font-weight: 600; padding: .5rem .8rem; border-left: 4px solid; }
.good { border-color: #009e73; background: #eef8f4; }
.bad { border-color: #cc3d6e; background: #fcf0f4; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e3e3e3; }
th { font-weight: 600; white-space: nowrap; }
td.number { text-align: right; }
figure { margin: 0; }
img { max-width: 100%; height: auto; }
figcaption { color: #444; max-width: 75ch; margin: .3rem 0 0; }
details { margin-top: .8rem; }
summary { cursor: pointer; font-weight: 600; }
"""


class Section(NamedTuple):
    """A figure with its title and what it means."""

    title: str
    image: Path
    caption: str


def page(summary: dict[str, Any], sections: Sequence[Section]) -> str:
    """The page.

    Parameters
    ----------
    summary : dict
        What ``summary.json`` holds.
    sections : sequence of Section
        Figures in order.
    """
    total = summary["mismatches"]["total"]
    verdict = (
        "Everything that was checked agrees."
        if not total
        else f"{total:,} mismatches: do not trust this run; summary.json says where."
    )
    captures = ", ".join(entry["file"] for entry in summary["captures"])
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>tickgate replay: {escape(captures)}</title><style>{CSS}</style></head><body>",
        "<h1>tickgate replay</h1>",
        f'<p class="lead">{escape(captures)}</p>',
        f'<p class="verdict {"bad" if total else "good"}">{escape(verdict)}</p>',
    ]
    if summary["capture_error"]:
        parts.append(f'<p class="verdict bad">{escape(summary["capture_error"])}</p>')
    parts += ["<h2>Figures</h2>", table(rows(summary))]
    for section in sections:
        data = base64.b64encode(section.image.read_bytes()).decode()
        parts += [
            f"<h2>{escape(section.title)}</h2><figure>",
            f'<img alt="{escape(section.title)}" src="data:image/png;base64,{data}">',
            f"<figcaption>{escape(section.caption)}</figcaption></figure>",
        ]
    parts += ["<h2>What these figures mean, and what not</h2>", *map(_paragraph, _notes(summary))]
    parts += ["<h2>Settings</h2>", table(_settings(summary))]
    parts += [
        "<details><summary>Counters of the board</summary>",
        table(((name, f"{count:,}") for name, count in summary["counters"].items()), True),
        "</details><details><summary>Counters of the host, those above 0</summary>",
        table(((name, f"{count:,}") for name, count in summary["host"].items()), True),
        "</details><details><summary>Captures</summary>",
        table((entry["file"], f"sha256 {entry['sha256']}") for entry in summary["captures"]),
        "</details></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _notes(summary: dict[str, Any]) -> list[str]:
    notes = [
        summary["assumption"],
        (
            "The orders exist only in this run. They were not sent anywhere, met no queue, and did "
            "not move the market. Whether they would have made or lost money is not asked."
        ),
        (
            "Latency is counted in clock cycles of the design, from the cycle in which the last "
            "record of an event is taken to the cycle of the verdict. It is not a time: that needs "
            "the clock of a board, and the way from the network to the fabric and back is no part "
            "of it."
        ),
        "Speed is that of a simulation on this computer and says nothing about hardware.",
        (
            "A book event counts as valid when the fabric could prove from the stream that what it "
            "shows is exact. Where it could not, it shows nothing and decides nothing."
        ),
        (
            "The exchange publishes its own best bid and offer. With it "
            f"{summary['exchange_checked']:,} events could be compared, and "
            f"{summary['exchange_equal']:,} were equal in price and quantity; "
            f"{summary['exchange_unchecked']:,} had no quote to compare with."
        ),
    ]
    if summary["mismatches"]["records"] is None:
        notes.append("The run was not compared with the reference model.")
    else:
        notes.append(
            "The same records went through the reference model, plain Python written from the "
            "contract. All out records but their cycle stamps, and all counters, were compared."
        )
    return notes


def _settings(summary: dict[str, Any]) -> list[tuple[str, str]]:
    settings = summary["settings"]
    names = (
        ("levels", "levels a side in the sums (N)"),
        ("ratio", "imbalance that makes an order"),
        ("order_qty", "quantity of an order"),
        ("max_qty", "limit: quantity"),
        ("max_notional", "limit: price x quantity"),
        ("collar_ticks", "limit: distance from the mid, ticks"),
        ("max_position", "limit: worst-case position"),
        ("rate", "limit: messages a second of stream time"),
        ("burst", "limit: messages at one moment"),
        ("stale_ms", "limit: age of an event, ms"),
        ("refill_at", "host refills a side below, levels"),
        ("fills", "fills"),
        ("fill_delay_ms", "stream time between reports, ms"),
    )
    defaults = {
        "order_qty": "10 lots (default)",
        "max_qty": "that of an order (default)",
        "max_notional": "none (default)",
        "max_position": "10 orders (default)",
    }
    return [
        (text, defaults[name] if settings[name] is None else str(settings[name]))
        for name, text in names
    ]


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def table(lines: Iterable[tuple[str, str]], numbers: bool = False) -> str:
    """Rows of a name and a text as an HTML table, numbers to the right."""
    kind = ' class="number"' if numbers else ""
    cells = (
        f"<tr><th>{escape(name)}</th><td{kind}>{escape(text)}</td></tr>" for name, text in lines
    )
    return "<table>" + "\n".join(cells) + "</table>"
