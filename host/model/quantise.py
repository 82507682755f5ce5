# SPDX-License-Identifier: Apache-2.0
"""From a trained forest to an image: whole thresholds, leaves of 16 bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.features import FEATURE_BITS, FEATURE_NAMES, FEATURES, SCORE_FRACTION_BITS
from host.model.image import BIAS_BITS, DEPTH, MOST_SHIFT, MOST_TREES, Image
from host.model.trees import Forest, Leaf, ModelError, Node, Split, match_features

__all__ = ["Agreement", "agreement", "quantise", "score_of"]

_LEAST, _MOST = -(1 << FEATURE_BITS - 1), (1 << FEATURE_BITS - 1) - 1
_LEAF_MOST = 32767


@dataclass(frozen=True)
class _Turn:
    """A split in whole numbers: right when the feature is greater."""

    feature: int
    threshold: int
    left: _Turn | Leaf
    right: _Turn | Leaf


def score_of(probability: float) -> int:
    """Score of a probability, in units of 2^-16 log-odds.

    Raises
    ------
    ModelError
        It is not between 0 and 1.
    """
    if not 0 < probability < 1:
        raise ModelError(f"probability: expected between 0 and 1, was {probability}")
    return round(math.log(probability / (1 - probability)) * (1 << SCORE_FRACTION_BITS))


def quantise(
    forest: Forest,
    *,
    upper: float = 0.65,
    lower: float = 0.35,
    in_units: bool = False,
    notes: dict[str, Any] | None = None,
) -> Image:
    """Make the image of a forest.

    A feature is a whole number, so a threshold is exact when cut to the next whole number below: a
    row takes the same way as in the forest it comes from, always. What is rounded are the leaves,
    to a unit that the greatest of them decides; each tree's middle goes to the bias first.

    Parameters
    ----------
    forest : Forest
        The model.
    upper, lower : float
        Probabilities from which up, and to which down, the model calls a decision.
    in_units : bool
        Trained on features in their units (1.0 as the feature list says); else on the whole
        numbers of the board.
    notes : dict or None
        Kept with the image.

    Raises
    ------
    ModelError
        Too many trees, a tree too deep, a feature that is not in the list, or numbers too great.
    """
    if not 0 < lower <= upper < 1:
        raise ModelError(f"thresholds: expected 0 < lower <= upper < 1, was {lower} and {upper}")
    if not 1 <= len(forest.trees) <= MOST_TREES:
        raise ModelError(f"trees: expected 1 to {MOST_TREES}, was {len(forest.trees)}")
    places = match_features(forest, FEATURE_NAMES)
    bits = [FEATURES[place].fraction_bits if in_units else 0 for place in places]
    whole = [
        _whole(tree, places, bits, f"tree {number}") for number, tree in enumerate(forest.trees)
    ]
    for number, tree in enumerate(whole):
        if (depth := _depth(tree)) > DEPTH:
            raise ModelError(f"tree {number}: expected a depth of at most {DEPTH}, was {depth}")

    nodes = (1 << DEPTH) - 1
    features = np.zeros((len(whole), nodes), np.int64)
    thresholds = np.full((len(whole), nodes), _MOST, np.int64)
    values = np.zeros((len(whole), nodes + 1))
    for number, tree in enumerate(whole):
        _place(tree, 0, 0, features[number], thresholds[number], values[number])
    middles = (values.max(axis=1) + values.min(axis=1)) / 2
    values -= middles[:, None]
    bias = forest.bias + float(middles.sum())

    greatest = float(np.abs(values).max())
    for shift in range(MOST_SHIFT + 1):
        unit = 2.0 ** (SCORE_FRACTION_BITS - shift)
        if round(greatest * unit) <= _LEAF_MOST:
            break
    else:
        raise ModelError(f"leaves: expected under {32767.5 / unit:.0f} log-odds, was {greatest}")
    bias_units = round(bias * unit)
    if abs(bias_units) >= 1 << BIAS_BITS - 1:
        raise ModelError(f"bias: expected under {(1 << BIAS_BITS - 1) / unit:.0f}, was {bias}")
    return Image(
        features,
        thresholds,
        np.rint(values * unit).astype(np.int64),
        bias_units,
        shift,
        score_of(upper),
        score_of(lower),
        {"source": forest.source, **(notes or {})},
    )


def _whole(node: Node, places: tuple[int, ...], bits: list[int], where: str) -> _Turn | Leaf:
    """The same tree over whole numbers, without the turns no number can take."""
    if isinstance(node, Leaf):
        return node
    if not 0 <= node.feature < len(places):
        raise ModelError(f"{where}: expected features under {len(places)}, was {node.feature}")
    threshold = _whole_threshold(node, bits[node.feature], where)
    if threshold >= _MOST:
        return _whole(node.left, places, bits, where)
    if threshold < _LEAST:
        return _whole(node.right, places, bits, where)
    left = _whole(node.left, places, bits, where)
    right = _whole(node.right, places, bits, where)
    return _Turn(places[node.feature], threshold, left, right)


def _whole_threshold(split: Split, bits: int, where: str) -> int:
    """Greatest whole number that goes left."""
    if math.isnan(split.threshold):
        raise ModelError(f"{where}: expected a threshold, was NaN")
    if math.isinf(split.threshold):
        return _MOST if split.threshold > 0 else _LEAST - 1
    exact = Fraction(split.threshold) * (1 << bits)
    return math.ceil(exact) - 1 if split.strict else math.floor(exact)


def _depth(node: _Turn | Leaf) -> int:
    return 0 if isinstance(node, Leaf) else 1 + max(_depth(node.left), _depth(node.right))


def _place(
    node: _Turn | Leaf,
    place: int,
    depth: int,
    features: npt.NDArray[np.int64],
    thresholds: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
) -> None:
    """Put a subtree where it belongs in the complete tree; a leaf high up fills all below it."""
    if depth == DEPTH:
        assert isinstance(node, Leaf)
        values[place - len(features)] = node.value
        return
    left = right = node
    if isinstance(node, _Turn):
        features[place], thresholds[place] = node.feature, node.threshold
        left, right = node.left, node.right
    _place(left, 2 * place + 1, depth + 1, features, thresholds, values)
    _place(right, 2 * place + 2, depth + 1, features, thresholds, values)


@dataclass(frozen=True)
class Agreement:
    """How an image compares with the forest it was made from.

    Attributes
    ----------
    rows : int
        Sets of features compared.
    decisions : float
        Share with the same decision (up, down, neither).
    acting : int
        Rows in which either of them decides up or down.
    greatest_error : float
        Greatest difference of the scores, log-odds.
    """

    rows: int
    decisions: float
    acting: int
    greatest_error: float


def agreement(
    forest: Forest, image: Image, rows: npt.NDArray[Any], log_odds: npt.NDArray[Any] | None = None
) -> Agreement:
    """Compare an image with floats over some sets of whole-number features.

    Parameters
    ----------
    forest : Forest
        The model, trained on whole numbers.
    image : Image
        Made from it.
    rows : ndarray, shape (n, features)
        Sets of features in the board's order.
    log_odds : ndarray or None
        What the library itself predicts for them; None: what `forest` gives.
    """
    if not len(rows):
        raise ModelError("agreement: expected rows to compare, was none")
    if log_odds is None:
        places = match_features(forest, FEATURE_NAMES)
        log_odds = forest.log_odds(np.asarray(rows, float)[:, list(places)])
    unit = 1 << SCORE_FRACTION_BITS
    exact, scores = np.asarray(log_odds, float) * unit, image.scores(rows)
    wanted, given = image.decisions(exact), image.decisions(scores)
    return Agreement(
        len(rows),
        float((wanted == given).mean()),
        int(((wanted != 0) | (given != 0)).sum()),
        float(np.abs(exact - scores).max()) / unit,
    )
