# SPDX-License-Identifier: Apache-2.0
"""Figures of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)

from host.contract.records import DecisionFlag, Reason, ViewFlag, ViewReason
from host.replay.tables import Tables
from host.report.style import ASK, BAD, BID, FAIR, GOOD, INK, SOFT

__all__ = ["SymbolData", "imbalance", "latency", "price", "validity"]

_WIDTH_INCHES = 11.0
#: State of the book after the host cleared it.
_CLEARED = 3


@dataclass(frozen=True)
class SymbolData:
    """One symbol's rows of the tables, floats for drawing only.

    Attributes
    ----------
    name : str
        Symbol.
    tick, lot : float
        Price of a tick and quantity of a lot.
    time : ndarray of datetime64[us], shape (v,)
        Exchange time of each view.
    views : ndarray of VIEW_DTYPE, shape (v,)
        Views.
    cleared : ndarray of bool, shape (v,)
        Of each view, whether the host cleared the book before the next one.
    end : datetime64[us]
        Newest time in the stream.
    decision_time : ndarray of datetime64[us], shape (d,)
        Exchange time of each decision.
    decisions : ndarray of DECISION_DTYPE, shape (d,)
        Decisions.
    """

    name: str
    tick: float
    lot: float
    time: npt.NDArray[Any]
    views: npt.NDArray[Any]
    cleared: npt.NDArray[np.bool_]
    end: np.datetime64
    decision_time: npt.NDArray[Any]
    decisions: npt.NDArray[Any]

    @classmethod
    def of(cls, tables: Tables, symbol: int) -> SymbolData:
        """Take the rows of a symbol; rows without a time are left out."""
        feed = tables.feeds[symbol]
        assert feed.price_scale is not None and feed.qty_scale is not None
        views = (tables.views["symbol"] == symbol) & (tables.view_time_us > 0)
        decisions = (tables.decisions["symbol"] == symbol) & (tables.decision_time_us > 0)
        return cls(
            feed.instrument.name,
            float(feed.price_scale.step),
            float(feed.qty_scale.step),
            tables.view_time_us[views].astype("datetime64[us]"),
            tables.views[views],
            tables.cleared[views],
            np.datetime64(tables.end_us, "us"),
            tables.decision_time_us[decisions].astype("datetime64[us]"),
            tables.decisions[decisions],
        )

    def flag(self, flag: ViewFlag) -> npt.NDArray[np.bool_]:
        """Of each view, whether a flag is set."""
        found: npt.NDArray[np.bool_] = (self.views["flags"] & int(flag)) != 0
        return found


def price(data: SymbolData) -> Figure:
    """Best bid and offer with accepted orders, and a strip of refusals for each reason."""
    rows, accepted = data.decisions, (data.decisions["flags"] & int(DecisionFlag.REFUSED)) == 0
    sells = (rows["flags"] & int(DecisionFlag.SIDE)) != 0
    reasons = [reason for reason in Reason if (rows["verdict"] >> int(reason) & 1).any()]
    strip = 0.2 + 0.26 * max(1, len(reasons))
    figure = Figure(figsize=(_WIDTH_INCHES, 5.2 + strip), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4.6, strip])
    time, bid, ask = _quotes(data)
    top.fill_between(time, bid, ask, step="post", color=SOFT, alpha=0.25, linewidth=0)
    top.step(time, ask, where="post", color=ASK, linewidth=0.9, alpha=0.8, label="best ask")
    top.step(time, bid, where="post", color=BID, linewidth=0.9, alpha=0.8, label="best bid")
    for side, marker, colour, name in ((~sells, "^", BID, "buy"), (sells, "v", ASK, "sell")):
        mine = accepted & side
        top.plot(
            data.decision_time[mine],
            rows["price_ticks"][mine] * data.tick,
            linestyle="none",
            marker=marker,
            markersize=5,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=f"accepted {name} ({np.count_nonzero(mine):,})",
        )
    top.set_title(f"{data.name}: best bid and offer, and what the gate let through")
    top.set_ylabel("price")
    top.yaxis.set_major_formatter(_plain())
    _legend(top)
    for row, reason in enumerate(reasons):
        hit = (rows["verdict"] >> int(reason) & 1) != 0
        bottom.plot(
            data.decision_time[hit],
            np.full(np.count_nonzero(hit), row),
            linestyle="none",
            marker="|",
            markersize=11,
            markeredgewidth=0.6,
            color=BAD,
            alpha=0.7,
        )
    counts = [int(np.count_nonzero(rows["verdict"] >> int(reason) & 1)) for reason in reasons]
    names = [f"{reason.name} {count:,}" for reason, count in zip(reasons, counts, strict=True)]
    bottom.set_yticks(range(len(reasons)), labels=names, fontsize=8)
    bottom.set_ylim(max(1, len(reasons)) - 0.4, -0.6)
    bottom.set_title(
        "orders refused, at every reason that applied", fontsize=9, fontweight="normal", pad=4
    )
    bottom.grid(axis="y", visible=False)
    bottom.tick_params(axis="y", length=0)
    _time_axis(bottom, data.time)
    if not reasons:
        bottom.set_yticks([0], labels=["none"])
    return figure


def imbalance(data: SymbolData, n: int, ratio: float) -> Figure:
    """Sum of the first N bids over that of the asks, with the rule's two thresholds."""
    figure = Figure(figsize=(_WIDTH_INCHES, 3.9), layout="constrained")
    axes = figure.subplots()
    views = data.views
    usable = data.flag(ViewFlag.VALID) & (views["bid_sum_lots"] > 0) & (views["ask_sum_lots"] > 0)
    value = np.full(len(views), np.nan)
    value[usable] = views["bid_sum_lots"][usable] / views["ask_sum_lots"][usable].astype(float)
    time, (value,) = _as_steps(data, [value])
    axes.set_yscale("log")
    inner = np.where((value < ratio) & (value > 1 / ratio), value, np.nan)
    axes.plot(time, value, color=SOFT, linewidth=0.4, alpha=0.5)
    axes.plot(time, inner, ".", color=SOFT, markersize=1.8)
    axes.plot(time, np.where(value >= ratio, value, np.nan), ".", color=BID, markersize=2.6)
    axes.plot(time, np.where(value <= 1 / ratio, value, np.nan), ".", color=ASK, markersize=2.6)
    for level, colour, text in (
        (ratio, BID, f"at {ratio:g} and above: buy"),
        (1 / ratio, ASK, f"at 1/{ratio:g} and below: sell"),
    ):
        axes.axhline(level, color=colour, linewidth=1.2, label=text)
    finite = value[np.isfinite(value)]
    reach = max(ratio * 2, *(np.maximum(finite, 1 / finite) * 1.15).tolist()) if len(finite) else 10
    axes.set_ylim(1 / reach, reach)
    fine = (1, 2, 5, 10, 20, 50, 100)
    coarse = tuple(10**power for power in range(0, 19, 1 if reach < 1e6 else 3))
    marks = [float(mark) for mark in (fine if reach < 150 else coarse) if mark <= reach]
    axes.yaxis.set_major_locator(FixedLocator([1 / mark for mark in marks[:0:-1]] + marks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_ratio_text))
    axes.set_ylabel("bids / asks (log)")
    _time_axis(axes, data.time)
    axes.set_title(f"{data.name}: quantity of the first {n} bids over that of the first {n} asks")
    _legend(axes)
    return figure


def latency(histogram: Sequence[int], spans: Sequence[int]) -> Figure:
    """Both latency histograms of the board."""
    figure = Figure(figsize=(_WIDTH_INCHES, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
    used = np.flatnonzero(histogram)
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
    shown = range(max(0, low - 4), min(len(histogram), high + 5))
    _bars(left, [str(cycles) for cycles in shown], [histogram[cycles] for cycles in shown])
    left.set_title("Event end to verdict")
    left.set_xlabel("clock cycles")
    left.set_ylabel("decisions")
    used = np.flatnonzero(spans)
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
    bins = range(low, high + 1)
    _bars(right, [_bin_text(b) for b in bins], [spans[b] for b in bins])
    right.set_title("First record of the event to verdict")
    right.set_xlabel("clock cycles, growing with the number of records in the event")
    return figure


def validity(data: SymbolData, n: int, refill_at: int) -> Figure:
    """When the book was valid, why not, and how many levels the fabric held."""
    figure = Figure(figsize=(_WIDTH_INCHES, 5.0), layout="constrained")
    strip, bids, asks = figure.subplots(3, 1, sharex=True, height_ratios=[0.8, 2, 2])
    valid, bbo = data.flag(ViewFlag.VALID), data.flag(ViewFlag.BBO_VALID)
    state = np.where(valid, 0, np.where(bbo, 1, 2))
    kinds = (
        (0, GOOD, f"first {n} levels valid"),
        (1, FAIR, "best bid and offer only"),
        (2, BAD, "not valid"),
        (_CLEARED, INK, "cleared"),
    )
    for kind, colour, _ in kinds:
        boxes = _boxes(data, state, kind)
        if boxes:
            strip.add_collection(
                PolyCollection(boxes, facecolors=colour, edgecolors=colour, linewidths=1.2)
            )
    strip.set_ylim(0, 1)
    strip.set_yticks([])
    strip.grid(visible=False)
    strip.spines["left"].set_visible(False)
    strip.set_title(f"{data.name}: validity of the book, and levels the fabric held")
    counts = [int(np.count_nonzero(state == kind)) for kind, _, _ in kinds[:3]]
    patches = [
        Patch(color=colour, label=f"{name} ({count:,} events)")
        for (_, colour, name), count in zip(kinds[:3], counts, strict=True)
        if count
    ]
    if data.cleared.any():
        times = np.count_nonzero(data.cleared)
        patches.append(Patch(color=INK, label=f"cleared, no book ({times:,} times)"))
    strip.legend(handles=patches, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderpad=0)
    strip.set_title(strip.get_title(loc="left"), pad=26)
    bits = int(np.bitwise_or.reduce(data.views["reasons"])) if len(data.views) else 0
    parts = [
        f"{reason.name} {int(np.count_nonzero(data.views['reasons'] & int(reason))):,}"
        for reason in ViewReason
        if bits & reason
    ]
    if parts:
        strip.annotate(
            "events by reason: " + ", ".join(parts),
            (1, 1.0),
            xycoords="axes fraction",
            xytext=(0, 5),
            textcoords="offset points",
            ha="right",
            fontsize=8.5,
        )
    columns = [data.views["bid_depth"].astype(float), data.views["ask_depth"].astype(float)]
    time, held = _as_steps(data, columns)
    for axes, levels, colour, name in ((bids, held[0], BID, "bids"), (asks, held[1], ASK, "asks")):
        axes.fill_between(time, levels, step="post", color=colour, alpha=0.18, linewidth=0)
        axes.step(time, levels, where="post", color=colour, linewidth=0.7)
        for level in {n, refill_at} - {0}:
            axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_ylim(0, max(1, *columns[0].tolist(), *columns[1].tolist()) * 1.08)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylabel(f"{name} held")
    lines = f"dashed: N = {n}" + (
        f", and {refill_at}, below which the host refills" if refill_at else ""
    )
    bids.set_title(lines, fontsize=8.5, fontweight="normal", pad=4)
    _time_axis(asks, data.time)
    return figure


def _quotes(data: SymbolData) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Times and prices of the best bid and ask, NaN where they are not valid."""
    bbo = data.flag(ViewFlag.BBO_VALID)
    bid = np.where(bbo, data.views["bid_price_ticks"] * data.tick, np.nan)
    ask = np.where(bbo, data.views["ask_price_ticks"] * data.tick, np.nan)
    time, (bid, ask) = _as_steps(data, [bid, ask])
    return time, bid, ask


def _as_steps(
    data: SymbolData, columns: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[Any], list[npt.NDArray[Any]]]:
    """Times and columns to the end of the stream, broken where the book was cleared."""
    time = np.append(data.time, data.end)
    at = np.flatnonzero(data.cleared) + 1
    broken = np.insert(time, at, time[at - 1] + np.timedelta64(1, "us"))
    longer = [np.append(column, column[-1:]) for column in columns]
    if len(data.cleared) and data.cleared[-1]:
        for column in longer:
            column[-1] = np.nan
    return broken, [np.insert(column, at, np.nan) for column in longer]


def _boxes(data: SymbolData, state: npt.NDArray[Any], kind: int) -> list[Any]:
    """Rectangles over the times in which a state held, in days since the epoch."""
    # a cleared book ends at the last event before: its state has no length, the clear has it all
    time = np.repeat(np.append(data.time, data.end).astype("int64"), 2)[1:-1]
    spans = time.reshape(-1, 2).copy()
    states = np.where(data.cleared, _CLEARED, state)
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], states == kind, [False]]).astype(np.int8))
    )
    day = 86_400e6
    found = []
    for first, end in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        left, right = spans[first, 0] / day, spans[end - 1, 1] / day
        found.append([(left, 0), (left, 1), (right, 1), (right, 0)])
    return found


def _bars(axes: Axes, names: Sequence[str], counts: Sequence[int]) -> None:
    bars = axes.bar(range(len(counts)), counts, color=BID, width=0.75)
    axes.bar_label(
        bars, [f"{count:,}" if count else "" for count in counts], padding=2, fontsize=8.5
    )
    axes.set_xticks(range(len(counts)), labels=names)
    axes.margins(y=0.15)
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _bin_text(bits: int) -> str:
    """Range of the numbers with so many bits."""
    return "0" if bits == 0 else "1" if bits == 1 else f"{1 << bits - 1:,}\nto {(1 << bits) - 1:,}"


def _ratio_text(value: float, _: object) -> str:
    return f"{value:g}" if value >= 1 else f"1/{1 / value:g}"


def _time_axis(axes: Axes, time: npt.NDArray[Any]) -> None:
    axes.margins(x=0.01)
    formatter: Any = DateFormatter
    axes.xaxis.set_major_formatter(formatter("%H:%M:%S"))
    days = sorted({str(day) for day in time[[0, -1]].astype("datetime64[D]")}) if len(time) else []
    axes.set_xlabel(f"exchange time, UTC, {' to '.join(days)}")


def _plain() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.8f}".rstrip("0").rstrip("."))


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderpad=0)
    axes.set_title(axes.get_title(loc="left"), pad=26)
