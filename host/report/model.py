# SPDX-License-Identifier: Apache-2.0
"""The report of a training: calibration, profit and features as PNG, and one HTML page."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from host.model.fit import Judged
from host.model.table import FeatureTable
from host.report.page import CSS, Section, table
from host.report.profit import profit
from host.report.style import BID, FAIR, SOFT, context

__all__ = ["write_model_report"]

_WIDTH_INCHES = 11.0
_MOST_FEATURES = 12


def write_model_report(
    events: FeatureTable, judged: Judged, summary: dict[str, Any], folder: Path
) -> list[Path]:
    """Write the figures and ``report.html``.

    Parameters
    ----------
    events : FeatureTable
        What was learned from.
    judged : Judged
        What came of it.
    summary : dict
        What ``train.json`` holds.
    folder : pathlib.Path
        Takes the files.

    Returns
    -------
    list of pathlib.Path
        The files, the page first.
    """
    minutes = (events.time_us[judged.trades.at] - events.time_us[0]) / 60e6
    with context():
        sections = [
            Section(
                "Calibration",
                _save(_calibration(judged), folder / "calibration.png"),
                "Out of sample. On the line a predicted probability comes true as often as it "
                "says. Bars count the predictions; the dashed line is the base rate.",
            ),
            Section(
                "Profit",
                _save(profit(judged.trades, minutes), folder / "profit.png"),
                "Out of sample, one position at a time, each held for the horizon. The mid's move "
                "alone is what a hit rate speaks of; the spread, then fees and slippage, are what "
                "a trader pays.",
            ),
            Section(
                "What the model looks at",
                _save(_gains(judged), folder / "features.png"),
                "Share of the gain of all splits, of the model trained on everything.",
            ),
        ]
    path = folder / "report.html"
    path.write_text(_page(summary, sections), encoding="utf-8")
    return [path, *(section.image for section in sections)]


def _calibration(judged: Judged) -> Figure:
    figure = Figure(figsize=(_WIDTH_INCHES, 4.6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    predicted = [each.predicted for each in judged.bins]
    observed = np.array([each.observed for each in judged.bins])
    number = np.array([each.count for each in judged.bins])
    error = np.sqrt(np.maximum(observed * (1 - observed), 0.25 / number) / number)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    axes.axhline(judged.quality.base_rate, color=FAIR, linestyle="--", label="base rate")
    axes.errorbar(
        predicted, observed, error, color=BID, marker="o", linewidth=1.2, label="rose in fact"
    )
    axes.set(ylim=(0, 1), xlim=(0, 1), ylabel="share that rose")
    axes.legend(loc="upper left")
    axes.set_title("Calibration, out of sample")
    counts.bar(predicted, number, width=0.06, color=SOFT)
    counts.set(xlabel="predicted probability of a rise", ylabel="events")
    return figure


def _gains(judged: Judged) -> Figure:
    figure = Figure(figsize=(_WIDTH_INCHES, 3.8), layout="constrained")
    axes = figure.subplots()
    best = sorted(judged.gains.items(), key=lambda item: item[1])[-_MOST_FEATURES:]
    axes.barh([name for name, _ in best], [share for _, share in best], color=BID)
    axes.set(xlabel="share of the gain")
    axes.set_title("Features")
    return figure


def _page(summary: dict[str, Any], sections: list[Section]) -> str:
    captures = ", ".join(summary["captures"])
    kind = "good" if summary["has_edge"] else "bad"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>tickgate train: {escape(captures)}</title><style>{CSS}</style></head><body>",
        "<h1>tickgate train</h1>",
        f'<p class="lead">{escape(captures)}</p>',
        f'<p class="verdict {kind}">{escape(summary["verdict"])}</p>',
        "<h2>Figures</h2>",
        table(summary["rows"]),
    ]
    for section in sections:
        data = base64.b64encode(section.image.read_bytes()).decode()
        parts += [
            f"<h2>{escape(section.title)}</h2><figure>",
            f'<img alt="{escape(section.title)}" src="data:image/png;base64,{data}">',
            f"<figcaption>{escape(section.caption)}</figcaption></figure>",
        ]
    parts += ["<h2>What these figures mean, and what not</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in summary["notes"]]
    parts += ["<h2>Settings</h2>", table((k, str(v)) for k, v in summary["settings"].items())]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _save(figure: Figure, path: Path) -> Path:
    # no date or version in the file: the same run gives the same bytes
    figure.savefig(path, metadata={"Software": None})
    return path
