# SPDX-License-Identifier: Apache-2.0
"""The report of a session: its figures as PNG, and one HTML page with all of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timezone
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure

from host.driver.loop import Passage
from host.report.page import CSS, Section, table
from host.report.style import ASK, BID, FAIR, GOOD, INK, SOFT, context

__all__ = ["write_session_report"]

_WIDTH_INCHES = 11.0


def write_session_report(
    facts: dict[str, Any], passages: Sequence[Passage], folder: Path
) -> list[Path]:
    """Write ``session.json``, the figures and ``session.html``.

    Parameters
    ----------
    facts : dict
        Of `host.driver.outcome.facts_of`.
    passages : sequence of Passage
        Of the session's orders.
    folder : Path
        Takes the files.

    Returns
    -------
    list of Path
        The files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "session.json"
    data.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
    sections: list[Section] = []
    with context():
        sections.append(
            Section(
                "Equity and profit",
                _save(_equity(facts), folder / "equity.png"),
                "The venue's own figure of the equity at each look, and the profit that follows "
                "from the fills alone, fees included, marked at the mid.",
            )
        )
        for symbol in facts.get("accounts", {}):
            mark = symbol.replace("/", "").replace(":", "-").lower()
            sections.append(
                Section(
                    f"{symbol}: orders and position",
                    _save(_orders(facts, symbol), folder / f"orders-{mark}.png"),
                    "Mid price as the fabric had it, fills of our orders, and below the position.",
                )
            )
        if passages:
            sections.append(
                Section(
                    "Latency",
                    _save(_latency(passages), folder / "latency.png"),
                    "From the moment a frame of the market stream was there to the moment its "
                    "order had been handed to the connection, by part. The link is the simulated "
                    "board where the link is sim.",
                )
            )
    path = folder / "session.html"
    path.write_text(_page(facts, sections), encoding="utf-8")
    return [path, data, *(section.image for section in sections)]


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def _times(milliseconds: Sequence[int]) -> Any:
    return np.array(milliseconds, dtype="datetime64[ms]")


def _equity(facts: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(_WIDTH_INCHES, 4.4), layout="constrained")
    axes = figure.subplots()
    series = facts.get("series", {})
    start = float(facts["equity_start"])
    venue = series.get("equity", [])
    if venue:
        axes.step(
            _times([ms for ms, _ in venue]),
            [float(text) - start for _, text in venue],
            where="post",
            color=INK,
            label="equity at the venue, change",
        )
    times, profits = _profit(facts)
    if times:
        axes.plot(_times(times), profits, color=GOOD, linewidth=1, label="profit of the fills")
    axes.axhline(0, color=SOFT, linewidth=0.7)
    axes.set_title("Equity since the start, fees included")
    _finish(axes)
    return figure


def _profit(facts: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Profit of all symbols at each sample, from the fills until then."""
    series = facts.get("series", {})
    fills = sorted(series.get("fills", []), key=lambda fill: fill["time_ms"])
    held: dict[str, Decimal] = {}
    cash, at = Decimal(0), 0
    times, profits = [], []
    for ms, mids in series.get("mid", []):
        while at < len(fills) and fills[at]["time_ms"] <= ms:
            fill = fills[at]
            qty = Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
            held[fill["symbol"]] = held.get(fill["symbol"], Decimal(0)) + qty
            cash -= qty * Decimal(fill["price"]) + Decimal(fill["fee"])
            at += 1
        value = sum(
            (qty * Decimal(mids[symbol]) for symbol, qty in held.items() if symbol in mids),
            Decimal(0),
        )
        times.append(ms)
        profits.append(float(cash + value))
    return times, profits


def _orders(facts: dict[str, Any], symbol: str) -> Figure:
    figure = Figure(figsize=(_WIDTH_INCHES, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
    series = facts.get("series", {})
    mids = [(ms, float(found[symbol])) for ms, found in series.get("mid", []) if symbol in found]
    if mids:
        top.plot(_times([ms for ms, _ in mids]), [mid for _, mid in mids], color=SOFT, label="mid")
    fills = [fill for fill in series.get("fills", []) if fill["symbol"] == symbol]
    for side, marker, colour in (("buy", "^", BID), ("sell", "v", ASK)):
        mine = [fill for fill in fills if fill["side"] == side]
        top.plot(
            _times([fill["time_ms"] for fill in mine]),
            [float(fill["price"]) for fill in mine],
            linestyle="none",
            marker=marker,
            markersize=5,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=f"{side} fills ({len(mine):,})",
        )
    top.set_title(f"{symbol}: fills")
    position, times, steps = Decimal(0), [facts["started_ms"]], [0.0]
    for fill in sorted(fills, key=lambda fill: fill["time_ms"]):
        position += Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
        times.append(fill["time_ms"])
        steps.append(float(position))
    bottom.step(_times(times), steps, where="post", color=FAIR)
    bottom.axhline(0, color=SOFT, linewidth=0.7)
    bottom.set_title("Position of the fills")
    _finish(top)
    bottom.xaxis.set_major_formatter(_clock())
    return figure


def _latency(passages: Sequence[Passage]) -> Figure:
    figure = Figure(figsize=(_WIDTH_INCHES, 3.8), layout="constrained")
    axes = figure.subplots()
    found = np.array(passages, dtype=np.int64) / 1000
    received, fed, linked, sent = found.T
    parts = (
        ("normaliser", fed - received, BID),
        ("link", linked - fed, SOFT),
        ("order", sent - linked, ASK),
        ("all without the link", sent - received - (linked - fed), GOOD),
    )
    for name, values, colour in parts:
        ranked = np.sort(np.maximum(values, 1))
        shares = np.arange(1, len(ranked) + 1) / len(ranked)
        axes.step(ranked, shares, where="post", color=colour, label=name)
    axes.set_xscale("log")
    axes.set_xlabel("microseconds")
    axes.set_ylabel("share of orders")
    axes.set_title("From frame to order")
    axes.legend(loc="lower right")
    return figure


def _clock() -> Any:
    return DateFormatter("%H:%M:%S")  # type: ignore[no-untyped-call]


def _finish(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(_clock())
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderpad=0)
    axes.set_title(axes.get_title(loc="left"), pad=26)


def _page(facts: dict[str, Any], sections: Sequence[Section]) -> str:
    problems = facts["problems"]
    verdict = (
        "Fabric, journal and venue agree; nothing is open."
        if not problems
        else "This session did not end in agreement: " + "; ".join(problems)
    )
    began = datetime.fromtimestamp(facts["started_ms"] / 1000, timezone.utc)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>tickgate session {facts['session']}</title><style>{CSS}</style></head><body>",
        f"<h1>tickgate session {facts['session']}</h1>",
        (
            f'<p class="lead">{escape(facts["venue"])}, {escape(facts["mode"])}, link '
            f"{escape(facts['link'])}; began {began:%Y-%m-%d %H:%M:%S} UTC, ended because "
            f"{escape(facts['reason'])}</p>"
        ),
        f'<p class="verdict {"bad" if problems else "good"}">{escape(verdict)}</p>',
        "<h2>Figures</h2>",
        table(_rows(facts)),
    ]
    for section in sections:
        data = base64.b64encode(section.image.read_bytes()).decode()
        parts += [
            f"<h2>{escape(section.title)}</h2><figure>",
            f'<img alt="{escape(section.title)}" src="data:image/png;base64,{data}">',
            f"<figcaption>{escape(section.caption)}</figcaption></figure>",
        ]
    for title, name in (
        ("Counters of the board", "fabric"),
        ("Counters of the loop", "driver"),
        ("Counters of the normaliser", "feed"),
    ):
        rows = [(key, str(value)) for key, value in facts.get(name, {}).items()]
        parts.append(f"<details><summary>{title}</summary>{table(rows, True)}</details>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    decisions = facts["decisions"]
    rows = [
        ("equity at the venue", f"{facts['equity_start']} at the start, {facts['equity_end']}"),
        ("profit of the fills, fees included", str(facts.get("profit", "unknown"))),
        ("decisions", f"{decisions['accepted']:,} accepted, {decisions['refused']:,} refused"),
        (
            "refused for (may be several)",
            ", ".join(f"{name} {n:,}" for name, n in facts["refused_for"].items()) or "none",
        ),
        ("orders", ", ".join(f"{n:,} {state}" for state, n in facts["orders"].items()) or "none"),
    ]
    for symbol, account in facts.get("accounts", {}).items():
        rows += [
            (
                f"{symbol}: position",
                f"{account['position_venue']} at the venue, {account['position_fills']} by fills",
            ),
            (
                f"{symbol}: fills",
                f"{account['fills']:,}, volume {account['volume']}, fees {account['fees']}",
            ),
        ]
    for name, found in facts["latency_us"].items():
        if isinstance(found, dict):
            text = ", ".join(f"{share} {value:,.1f} us" for share, value in found.items())
            rows.append((name, text))
    return rows
