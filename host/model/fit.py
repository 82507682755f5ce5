# SPDX-License-Identifier: Apache-2.0
"""Train a forest that fits the fabric, and judge it by walking forward through time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.features import FEATURE_NAMES
from host.model.image import DEPTH, Image
from host.model.judge import Bin, Quality, Trades, calibration, judge_labels, trade
from host.model.labels import Costs, Outcomes, outcomes, walk_forward
from host.model.lightgbm import read_lightgbm_text
from host.model.quantise import Agreement, agreement, quantise
from host.model.table import FeatureTable
from host.model.trees import Forest, ModelError

__all__ = ["LABEL_COSTS", "Judged", "Plan", "fit_forest", "train"]

#: What a move must exceed to be a label, strictest first.
LABEL_COSTS = ("all", "spread", "none")
#: With fewer labels of either side in what is learned from, nothing is learned.
LEAST_LABELS = 50
#: Fewest trees, and trees without gain after which no more are tried.
LEAST_TREES, PATIENCE = 8, 20


@dataclass(frozen=True)
class Plan:
    """How to train and judge.

    Parameters
    ----------
    horizon_us, embargo_us : int
        How far labels look ahead, and how much more is kept between what is learned and judged.
    folds : int
        Parts of time that are judged.
    costs : Costs
        Fees and slippage.
    label_costs : str
        What a move must exceed to be a label: ``all``, ``spread`` or ``none``. Where too few
        events move so far, the next weaker is taken, and the report says so.
    probability : float
        From which the model acts; the mirror image for falls.
    trees, learning_rate, leaves : int, float, int
        Most trees, their steps, and the leaves of each.
    seed : int
        Of LightGBM; the same gives the same model.
    """

    horizon_us: int = 1_000_000
    embargo_us: int = 1_000_000
    folds: int = 5
    costs: Costs = field(default_factory=Costs)
    label_costs: str = "all"
    probability: float = 0.65
    trees: int = 128
    learning_rate: float = 0.04
    leaves: int = 16
    seed: int = 1


@dataclass(frozen=True)
class Judged:
    """A model, and what its kind did out of sample.

    Attributes
    ----------
    image : Image
        Trained on everything.
    forest : Forest
        The same in floats.
    label_costs : str
        What a move had to exceed in fact.
    counts : dict
        Labelled events by what a move must exceed.
    quality : Quality
        Out of sample, all folds together, scores as the fabric gives them.
    bins : list of Bin
        Their calibration.
    trades : Trades
        Out of sample.
    always : dict of Trades
        The same times with each side always taken, for comparison.
    agreement : Agreement
        Of each fold's fabric scores with its floats, out of sample.
    gains : dict
        Share of the splits' gain by feature.
    folds : list of dict
        What was learned and judged in each.
    """

    image: Image
    forest: Forest
    label_costs: str
    counts: dict[str, int]
    quality: Quality
    bins: list[Bin]
    trades: Trades
    always: dict[str, Trades]
    agreement: Agreement
    gains: dict[str, float]
    folds: list[dict[str, Any]]
    places: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]


def fit_forest(
    rows: npt.NDArray[Any],
    labels: npt.NDArray[np.int64],
    time_us: npt.NDArray[np.int64],
    plan: Plan,
) -> tuple[Forest, dict[str, float]]:
    """Train LightGBM on whole-number features, and read what it would save.

    The number of trees is the one that was best on the last fifth of the time, learned from what
    lies a horizon and an embargo before it; the model is then trained on all of it.

    Parameters
    ----------
    rows, labels, time_us : ndarray
        What is learned from, in order of time; nothing later is seen.
    plan : Plan
        How.

    Returns
    -------
    Forest, dict
        The model, and the share of its gain by feature.

    Raises
    ------
    ModelError
        LightGBM is not installed.
    """
    try:
        lightgbm = import_module("lightgbm")
    except ModuleNotFoundError:
        raise ModelError(
            "train: expected the package lightgbm, was not found; pip install 'tickgate[model]'"
        ) from None
    settings = {
        "objective": "binary",
        "learning_rate": plan.learning_rate,
        "num_leaves": plan.leaves,
        "max_depth": DEPTH,
        "min_data_in_leaf": max(20, len(rows) // 100),
        "lambda_l2": 10.0,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.6,
        "bagging_freq": 1,
        "use_missing": False,
        "seed": plan.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }

    def data(which: npt.NDArray[np.bool_]) -> Any:
        return lightgbm.Dataset(
            np.asarray(rows[which], float), labels[which], feature_name=list(FEATURE_NAMES)
        )

    split_us = time_us[len(time_us) - len(time_us) // 5 - 1]
    early, late = time_us + plan.horizon_us + plan.embargo_us < split_us, time_us >= split_us
    trees = LEAST_TREES
    if len(np.unique(labels[early])) == 2:
        booster = lightgbm.train(
            settings,
            data(early),
            num_boost_round=plan.trees,
            valid_sets=[data(late)],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        trees = max(LEAST_TREES, booster.best_iteration)
    booster = lightgbm.train(settings, data(time_us >= 0), num_boost_round=min(plan.trees, trees))
    gain = np.asarray(booster.feature_importance("gain"), float)
    shares = gain / gain.sum() if gain.sum() > 0 else gain
    forest = read_lightgbm_text(booster.model_to_string())
    return forest, dict(zip(FEATURE_NAMES, shares.tolist(), strict=True))


def _image(forest: Forest, plan: Plan, notes: dict[str, Any] | None = None) -> Image:
    return quantise(forest, upper=plan.probability, lower=1 - plan.probability, notes=notes)


def _choose_labels(
    found: Outcomes, time_us: npt.NDArray[np.int64], plan: Plan
) -> tuple[str, npt.NDArray[np.int64], dict[str, int]]:
    """The strictest labels, from what is asked for on, of which every fold has enough."""
    counts = {kind: int((found.labels(kind) >= 0).sum()) for kind in LABEL_COSTS}
    for kind in LABEL_COSTS[LABEL_COSTS.index(plan.label_costs) :]:
        labels = found.labels(kind)
        if all(
            min((labels[fold.train] == 1).sum(), (labels[fold.train] == 0).sum()) >= LEAST_LABELS
            for fold in walk_forward(time_us, plan.folds, plan.horizon_us, plan.embargo_us)
        ):
            return kind, labels, counts
    raise ModelError(
        f"events: expected at least {LEAST_LABELS} rises and falls before the first part that is "
        f"judged, was fewer ({counts['none']} of {len(time_us)} events move at all); use longer "
        "captures, or a longer --horizon-ms"
    )


def train(
    table: FeatureTable,
    plan: Plan,
    notes: dict[str, Any] | None = None,
    fit: Callable[..., tuple[Forest, dict[str, float]]] = fit_forest,
) -> Judged:
    """Walk forward, judge, and train the model to be loaded on everything.

    Parameters
    ----------
    table : FeatureTable
        Events.
    plan : Plan
        How.
    notes : dict or None
        Kept with the image.
    fit : callable
        Trains one forest, see `fit_forest`.

    Raises
    ------
    ModelError
        There is too little to learn from, or the model does not fit the fabric.
    """
    if not 0.5 < plan.probability < 1:
        raise ModelError(f"probability: expected above 0.5 and below 1, was {plan.probability:g}")
    found = outcomes(table, plan.horizon_us, plan.costs)
    label_costs, labels, counts = _choose_labels(found, table.time_us, plan)
    places, scores, agreements, folds = [], [], [], []
    decisions = []
    for fold in walk_forward(table.time_us, plan.folds, plan.horizon_us, plan.embargo_us):
        learned = fold.train[labels[fold.train] >= 0]
        forest, _ = fit(table.rows[learned], labels[learned], table.time_us[learned], plan)
        image = _image(forest, plan)
        judged = fold.test[table.usable[fold.test]]
        if not len(judged):
            continue
        given = image.scores(table.rows[judged])
        places.append(judged)
        scores.append(image.probabilities(given))
        decisions.append(image.decisions(given))
        agreements.append(agreement(forest, image, table.rows[judged]))
        own = trade(decisions[-1], found, judged)
        folds.append(
            {
                "starts_us": fold.starts_us,
                "learned": len(learned),
                "trees": len(forest.trees),
                "judged": len(judged),
                "trades": len(own),
                "net_ticks": float(own.net_ticks.sum()),
            }
        )
    if not places:
        raise ModelError("events: expected usable ones in the parts that are judged, was none")
    at, probabilities = np.concatenate(places), np.concatenate(scores)
    acts = np.concatenate(decisions)
    labelled = labels[at] >= 0
    own_labels = labels[at][labelled]
    everything = np.flatnonzero(labels >= 0)
    forest, gains = fit(table.rows[everything], labels[everything], table.time_us[everything], plan)
    image = _image(forest, plan, notes)
    trades = trade(acts, found, at)
    return Judged(
        image=image,
        forest=forest,
        label_costs=label_costs,
        counts=counts,
        quality=judge_labels(probabilities[labelled], own_labels, acts[labelled]),
        bins=calibration(probabilities[labelled], own_labels),
        trades=trades,
        always={
            "always long": trade(np.ones(len(trades), np.int64), found, trades.at),
            "always short": trade(-np.ones(len(trades), np.int64), found, trades.at),
        },
        agreement=_together(agreements),
        gains=gains,
        folds=folds,
        places=at,
        probabilities=probabilities,
    )


def _together(parts: list[Agreement]) -> Agreement:
    rows = sum(part.rows for part in parts)
    return Agreement(
        rows,
        sum(part.decisions * part.rows for part in parts) / rows,
        sum(part.acting for part in parts),
        max(part.greatest_error for part in parts),
    )
