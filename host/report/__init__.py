# SPDX-License-Identifier: Apache-2.0
"""The report of a replay: figures as PNG, and one HTML page with all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from host.model.trips import trips_of
from host.replay.run import Run
from host.replay.tables import Tables
from host.report import figures
from host.report.page import Section, page
from host.report.profit import profit
from host.report.style import context

__all__ = ["write_report"]


def write_report(run: Run, tables: Tables, summary: dict[str, Any], folder: Path) -> list[Path]:
    """Write the figures and ``report.html``.

    Parameters
    ----------
    run : Run
        A finished run.
    tables : Tables
        Its tables, with at least one view.
    summary : dict
        What ``summary.json`` holds.
    folder : pathlib.Path
        Takes the files.

    Returns
    -------
    list of pathlib.Path
        The files, the page first.
    """
    n, ratio = run.options.settings.levels, float(run.options.settings.ratio)
    refill_at = run.session.settings.refill_at or 0
    sections: list[Section] = []
    with context():
        for symbol in tables.feeds:
            data = figures.SymbolData.of(tables, symbol)
            mark = "" if len(tables.feeds) == 1 else f".{data.name}"
            sections += [
                Section(
                    f"{data.name}: prices and orders",
                    _save(figures.price(data), folder / f"price{mark}.png"),
                    "Best bid and ask as the fabric held them, wherever it held them for certain. "
                    "Triangles are orders the gate accepted; the strips below show the orders it "
                    "refused, one mark each, at every reason that applied.",
                ),
                Section(
                    f"{data.name}: imbalance",
                    _save(figures.imbalance(data, n, ratio), folder / f"imbalance{mark}.png"),
                    "Every dot is a book event with a valid view. Outside the two lines the rule "
                    "wants an order; nothing is drawn where the view is not valid.",
                ),
                Section(
                    f"{data.name}: validity and depth",
                    _save(figures.validity(data, n, refill_at), folder / f"validity{mark}.png"),
                    "The fabric holds a number of levels a side and is refilled from the host's "
                    "full book before it runs low.",
                ),
            ]
        if run.options.model is not None:
            for symbol in tables.feeds:
                sections += _trips(run, tables, symbol, folder)
        if len(tables.decisions):
            arrays = run.arrays
            figure = figures.latency(arrays["latency_histogram"], arrays["span_histogram"])
            sections.append(
                Section(
                    "Latency",
                    _save(figure, folder / "latency.png"),
                    "Left: from the last record of an event to the verdict; one bar means every "
                    "decision took the same number of cycles. Right: from the first record of the "
                    "event, which grows with the length of the event and with pauses of the "
                    "input, in bins of powers of two.",
                )
            )
    path = folder / "report.html"
    path.write_text(page(summary, sections), encoding="utf-8")
    return [path, *(section.image for section in sections)]


def _trips(run: Run, tables: Tables, symbol: int, folder: Path) -> list[Section]:
    """The round trips of a symbol, if there are any."""
    assert run.options.model is not None
    trips = trips_of(tables, symbol, run.options.model.costs)
    name = tables.feeds[symbol].instrument.name
    if not len(trips.trades):
        return []
    mark = "" if len(tables.feeds) == 1 else f".{name}"
    start_us = int(tables.view_time_us.min())
    figure = profit(trips.trades, (trips.time_us - start_us) / 60e6)
    return [
        Section(
            f"{name}: profit of the model's orders",
            _save(figure, folder / f"profit{mark}.png"),
            "Round trips from flat to flat, every accepted order filled at its limit price, the "
            "best price of the other side. The mid's move alone is what a hit rate speaks of; the "
            "spread, then fees and slippage, are what a trader pays.",
        )
    ]


def _save(figure: Figure, path: Path) -> Path:
    # no date or version in the file: the same run gives the same bytes
    figure.savefig(path, metadata={"Software": None})
    return path
