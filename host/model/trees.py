# SPDX-License-Identifier: Apache-2.0
"""A forest as it was trained, whatever library it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Forest", "Leaf", "ModelError", "Node", "Split", "match_features", "same_side"]


class ModelError(ValueError):
    """A model cannot be read, or cannot run in the fabric; the text is one line that says why."""


@dataclass(frozen=True)
class Leaf:
    """End of a tree.

    Parameters
    ----------
    value : float
        What is added, log-odds.
    """

    value: float


@dataclass(frozen=True)
class Split:
    """A node: left when the feature is at most the threshold, or below it.

    Parameters
    ----------
    feature : int
        Number of the feature in the model.
    threshold : float
        What it is compared with, in the unit the model was trained in.
    left, right : Split or Leaf
        Where it goes on.
    strict : bool
        Left only *below* the threshold.
    """

    feature: int
    threshold: float
    left: Node
    right: Node
    strict: bool = False

    def goes_left(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which of some values of its feature go left."""
        return values < self.threshold if self.strict else values <= self.threshold


Node = Split | Leaf


@dataclass(frozen=True)
class Forest:
    """A binary classifier: log-odds are `bias` and one leaf of each tree.

    Parameters
    ----------
    trees : tuple of Node
        Roots.
    bias : float
        Log-odds without any tree.
    features : int
        Inputs the model was trained with.
    names : tuple of str
        Their names; empty if the model does not tell.
    source : str
        Library and objective.
    """

    trees: tuple[Node, ...]
    bias: float
    features: int
    names: tuple[str, ...]
    source: str

    def log_odds(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Log-odds of some rows.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (n, features), in the unit the model was trained in; no NaN.

        Returns
        -------
        numpy.ndarray
            Shape (n,), float64.
        """
        total = np.full(len(rows), self.bias)
        for tree in self.trees:
            _add(tree, rows, np.arange(len(rows)), total)
        return total


def _add(
    node: Node,
    rows: npt.NDArray[np.float64],
    which: npt.NDArray[np.intp],
    total: npt.NDArray[np.float64],
) -> None:
    if isinstance(node, Leaf):
        total[which] += node.value
        return
    left = node.goes_left(rows[which, node.feature])
    _add(node.left, rows, which[left], total)
    _add(node.right, rows, which[~left], total)


def finite(value: float, what: str) -> float:
    """A number as it is; a `ModelError` names one that is none."""
    if not math.isfinite(value):
        raise ModelError(f"{what}: expected a finite number, was {value}")
    return value


def same_side(where: str, threshold: float, default_left: bool) -> None:
    """Refuse a split that takes 0 for missing and sends it elsewhere than 0 itself.

    The fabric has no missing values: every feature of a usable event is a number. So the way of
    missing values is of no account, unless a model counts zeros among them.

    Raises
    ------
    ModelError
        Zeros do not go where their value says.
    """
    if default_left != (threshold >= 0):
        raise ModelError(
            f"{where}: expected zeros on the side of their value, was zero_as_missing with the "
            "other side"
        )


def match_features(forest: Forest, names: Sequence[str]) -> tuple[int, ...]:
    """Place in the board's feature list of each feature of a model.

    Names of the model decide where it has names of the list; a model without names, or with the
    numbered ones libraries make up, must have all features in their order.

    Raises
    ------
    ModelError
        A name is not in the list, or the number of features differs.
    """
    made_up = all(
        name in (f"Column_{at}", f"f{at}", f"x{at}") for at, name in enumerate(forest.names)
    )
    if forest.names and not made_up:
        places = {name: at for at, name in enumerate(names)}
        if missing := [name for name in forest.names if name not in places]:
            raise ModelError(f"features: expected names of the board's list, was {missing[0]!r}")
        return tuple(places[name] for name in forest.names)
    if forest.features != len(names):
        raise ModelError(
            f"features: expected the {len(names)} of the board in their order, or names, "
            f"was {forest.features} without names"
        )
    return tuple(range(len(names)))
