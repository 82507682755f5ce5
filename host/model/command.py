# SPDX-License-Identifier: Apache-2.0
"""The command ``tickgate train``: features, labels, a model, and plain words about its worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from host.links import open_link
from host.links.base import Link
from host.model.fit import Judged, Plan, train
from host.model.image import Image
from host.model.judge import SIGMAS
from host.model.source import FeatureSettings, features_of
from host.model.table import FeatureTable
from host.model.trees import ModelError

__all__ = ["TrainRequest", "run_train", "summarise"]

_FILES = ("model.tgm", "train.json", "report.html", "calibration.png", "profit.png", "features.png")
_NOTES = tuple(
    " ".join(text.split())
    for text in (
        """Everything but the model itself is out of sample: time is cut into parts, and each part
        is judged by a model that learned only from events whose horizon and embargo were over
        before it began. The model that is written was trained in the same way on everything, so
        nothing here was measured with it; its kind was.""",
        """Features are those of the fabric, to the bit, and so are the scores: the image was
        judged, not the floats it was made from.""",
        """A trade is bought at the ask and sold at the bid, both as they stood. No order met a
        queue, moved the market, or came late. Real trading is worse than this.""",
        """A hit rate alone says nothing: beside it stands what always naming the commoner side
        would reach, and below it what remains after costs.""",
    )
)


@dataclass(frozen=True)
class TrainRequest:
    """A training as it is asked for.

    Parameters
    ----------
    captures : sequence of str
        Files that follow each other.
    folder : pathlib.Path
        Takes the results.
    symbol : str or None
        The symbol to learn; None: the only one.
    tick, lot : Decimal or None
        Price and quantity step; None: from the snapshot.
    link : str
        Name of the link to the board the features come from.
    plan : Plan
        How to train and judge.
    features : FeatureSettings
        What shapes the features.
    report : bool
        Make the figures and the page.
    """

    captures: Sequence[str]
    folder: Path
    symbol: str | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    link: str = "sim"
    plan: Plan = field(default_factory=Plan)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    report: bool = True


def run_train(
    request: TrainRequest, out: Console, err: Console, link: Link | None = None
) -> dict[str, Any]:
    """Train, write the results and tell about them.

    Parameters
    ----------
    request : TrainRequest
        What is asked for.
    out, err : rich.console.Console
        For the figures; for progress.
    link : Link or None
        An open board; None: one is opened and closed.

    Returns
    -------
    dict
        What ``train.json`` holds.

    Raises
    ------
    ModelError, CaptureError, LinkError, ReplayError, SettingError, OSError
        Nothing could be learned, or the results cannot be written.
    """
    report = _report_module() if request.report else None
    _remove_old(request.folder)
    opened = link is None
    if link is None:
        with err.status(f"opening link {request.link} (a simulated board is built the first time)"):
            link = open_link(request.link)
    try:
        events = features_of(
            link, request.captures, request.features, request.symbol, request.tick, request.lot
        )
    finally:
        if opened:
            link.close()
    names = [Path(capture).name for capture in request.captures]
    notes = {
        "captures": names,
        "symbol": events.symbol,
        "settings": request.features.as_notes(),
        "horizon_us": request.plan.horizon_us,
    }
    judged = train(events, request.plan, notes)
    judged.image.save(request.folder / "model.tgm")
    Image.load(
        request.folder / "model.tgm"
    )  # what cannot be read back is not left behind unnoticed
    summary = summarise(request, events, judged)
    (request.folder / "train.json").write_bytes(
        orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n"
    )
    files = [request.folder / "model.tgm", request.folder / "train.json"]
    if report is not None:
        files += report.write_model_report(events, judged, summary, request.folder)
    _print(summary, files, out)
    return summary


def _report_module() -> Any:
    try:
        return import_module("host.report.model")
    except ModuleNotFoundError as error:
        raise ModelError(
            f"report: expected the package {error.name}, was not found; "
            "pip install 'tickgate[report]' or use --no-report"
        ) from None


def _remove_old(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


def _percent(share: float) -> str:
    return "none" if math.isnan(share) else f"{100 * share:.2f} %"


def summarise(request: TrainRequest, events: FeatureTable, judged: Judged) -> dict[str, Any]:
    """What ``train.json`` holds; its `rows` are what is printed."""
    plan, quality, trades = request.plan, judged.quality, judged.trades
    same = judged.agreement
    seconds = (int(events.time_us[-1]) - int(events.time_us[0])) / 1e6
    usable = int(events.usable.sum())
    learned = sum(fold["judged"] for fold in judged.folds)
    mean_cost = trades.gross_ticks - trades.net_ticks
    wanted = plan.label_costs
    rows = [
        ("events", f"{len(events):,} in {seconds:,.0f} s of {events.symbol}, {usable:,} usable"),
        (
            "labels",
            (
                f"the mid a horizon of {plan.horizon_us / 1e6:g} s later, moved by more than "
                f"{_LABEL_WORDS[judged.label_costs]}: {judged.counts[judged.label_costs]:,} events"
            ),
        ),
        (
            "moves in that time",
            ", ".join(
                f"{judged.counts[kind]:,} beyond {words}" for kind, words in _LABEL_WORDS.items()
            ),
        ),
        (
            "walk forward",
            (
                f"{len(judged.folds)} parts, {learned:,} events judged, "
                f"{plan.embargo_us / 1e6:g} s embargo"
            ),
        ),
        ("base rate", f"{_percent(quality.base_rate)} of {quality.rows:,} labelled events rose"),
        (
            "log loss",
            f"{quality.log_loss:.4f}; the base rate alone {quality.base_log_loss:.4f}",
        ),
        ("ranked rightly (AUC)", f"{quality.ranked:.4f}; by chance 0.5"),
        (
            "hit rate",
            (
                f"{_percent(quality.hit_rate)} of {quality.acted:,} labelled events acted on; "
                f"always naming the commoner side {_percent(quality.base_hit_rate)}"
            ),
        ),
        ("trades", f"{len(trades):,}, held for the horizon, one at a time"),
    ]
    if len(trades):
        rows += [
            ("mid's move a trade", f"{trades.gross_ticks.mean():+.2f} ticks"),
            ("after the spread", f"{trades.after_spread_ticks.mean():+.2f} ticks"),
            (
                "after all costs",
                (
                    f"{trades.mean:+.2f} ticks, standard error {trades.standard_error:.2f}; costs "
                    f"{mean_cost.mean():.2f} ticks a trade"
                ),
            ),
            (
                "always long, always short",
                ", ".join(f"{each.mean:+.2f}" for each in judged.always.values())
                + " ticks after all costs at the same times",
            ),
        ]
    rows.append(
        (
            "fabric against floats",
            (
                f"{_percent(same.decisions)} same decision of {same.rows:,} events "
                f"({same.acting:,} acted on), scores within {same.greatest_error:.1e}"
            ),
        )
    )
    rows.append(
        (
            "model",
            (
                f"{judged.image.trees} trees, id {judged.image.identity:#010x}, "
                f"acts from {plan.probability:g} and to {1 - plan.probability:g}"
            ),
        )
    )
    notes = list(_NOTES)
    if judged.label_costs != wanted:
        notes.insert(
            0,
            f"Labels were asked for of moves beyond {_LABEL_WORDS[wanted]}, but only "
            f"{judged.counts[wanted]:,} events moved so far in the horizon: too few to learn from. "
            f"Moves beyond {_LABEL_WORDS[judged.label_costs]} were learned instead; profit is "
            "after all costs nevertheless.",
        )
    return {
        "captures": [Path(capture).name for capture in request.captures],
        "symbol": events.symbol,
        "verdict": trades.verdict(),
        "has_edge": trades.has_edge,
        "rows": rows,
        "notes": notes,
        "events": len(events),
        "usable": usable,
        "labels": {"asked": wanted, "used": judged.label_costs, "counts": judged.counts},
        "base_rate": quality.base_rate,
        "hit_rate": quality.hit_rate if quality.acted else None,
        "base_hit_rate": quality.base_hit_rate,
        "acted": quality.acted,
        "log_loss": [quality.log_loss, quality.base_log_loss],
        "auc": quality.ranked,
        "trades": len(trades),
        "mean_ticks": {
            "mid": float(trades.gross_ticks.mean()) if len(trades) else None,
            "after_spread": float(trades.after_spread_ticks.mean()) if len(trades) else None,
            "net": trades.mean if len(trades) else None,
            "net_standard_error": trades.standard_error if len(trades) > 1 else None,
        },
        "agreement": same.decisions,
        "calibration": [[b.count, b.predicted, b.observed] for b in judged.bins],
        "folds": judged.folds,
        "gains": judged.gains,
        "model_id": judged.image.identity,
        "settings": {
            "horizon, s": plan.horizon_us / 1e6,
            "embargo, s": plan.embargo_us / 1e6,
            "parts judged": plan.folds,
            "fee of one side, bps": str(plan.costs.fee_bps),
            "slippage of one side, ticks": str(plan.costs.slippage_ticks),
            "acts from probability": plan.probability,
            "most trees": plan.trees,
            "an edge is above, standard errors": SIGMAS,
            **request.features.as_notes(),
        },
    }


_LABEL_WORDS = {"all": "spread, fees and slippage", "spread": "the spread", "none": "nothing"}


def _print(summary: dict[str, Any], files: list[Path], out: Console) -> None:
    grid = Table(show_header=False)
    grid.add_column(style="bold")
    grid.add_column()
    for name, text in summary["rows"]:
        grid.add_row(name, text)
    out.print(grid)
    for note in summary["notes"][: -len(_NOTES)]:
        out.print(note, markup=False, highlight=False)
    out.print(summary["verdict"], markup=False, highlight=False, style="bold")
    for path in files:
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)
