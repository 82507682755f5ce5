# SPDX-License-Identifier: Apache-2.0
"""Read fitted classifiers of scikit-learn: GradientBoosting and HistGradientBoosting.

scikit-learn has no model file of its own but pickles, which are not opened here; the fitted object
is read. Nothing of scikit-learn is imported.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from host.model.trees import Forest, Leaf, ModelError, Node, Split, finite

__all__ = ["read_sklearn"]


def read_sklearn(model: Any) -> Forest:
    """Read a fitted ``GradientBoostingClassifier`` or ``HistGradientBoostingClassifier``.

    Both send to the left what is at most the threshold. The way of missing values is of no account,
    the fabric has none.

    Parameters
    ----------
    model : object
        The fitted classifier.

    Raises
    ------
    ModelError
        It is another class, is not fitted, or is of a kind the fabric cannot run: more than two
        classes, another loss than log_loss, an estimator of one's own before the first tree,
        categorical splits.
    """
    kind = type(model).__name__
    readers = {
        "GradientBoostingClassifier": _gradient_boosting,
        "HistGradientBoostingClassifier": _hist_gradient_boosting,
    }
    if kind not in readers:
        raise ModelError(f"model: expected {' or '.join(readers)}, was {kind}")
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise ModelError(f"{kind}: expected a fitted model, was one before fit")
    if len(classes) != 2:
        raise ModelError(f"{kind}: expected 2 classes, was {len(classes)}")
    if model.loss != "log_loss":
        raise ModelError(f"{kind}: loss: expected log_loss, was {model.loss}")
    trees, bias = readers[kind](model)
    names = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
    features = int(model.n_features_in_)
    return Forest(trees, finite(bias, f"{kind}: bias"), features, names, f"scikit-learn {kind}")


def _gradient_boosting(model: Any) -> tuple[tuple[Node, ...], float]:
    before = model.init_
    if isinstance(before, str) and before == "zero":
        bias = 0.0
    elif type(before).__name__ == "DummyClassifier" and before.strategy == "prior":
        # As scikit-learn does: the share of the class, kept off 0 and 1 by a float32's step.
        least = float(np.finfo(np.float32).eps)
        share = min(1 - least, max(least, float(before.class_prior_[1])))
        bias = math.log(share / (1 - share))
    else:
        raise ModelError(f"init: expected the prior or zero, was {type(before).__name__}")
    trees = []
    for number, (estimator,) in enumerate(model.estimators_):
        part = estimator.tree_

        def node(at: int, part: Any = part, number: int = number) -> Node:
            if part.children_left[at] == -1:
                leaf = model.learning_rate * float(part.value[at, 0, 0])
                return Leaf(finite(leaf, f"tree {number}: leaf"))
            left, right = node(int(part.children_left[at])), node(int(part.children_right[at]))
            return Split(int(part.feature[at]), float(part.threshold[at]), left, right)

        trees.append(node(0))
    return tuple(trees), bias


def _hist_gradient_boosting(model: Any) -> tuple[tuple[Node, ...], float]:
    trees = []
    for number, (predictor,) in enumerate(model._predictors):
        rows = predictor.nodes

        def node(at: int, rows: Any = rows, number: int = number) -> Node:
            row = rows[at]
            if row["is_leaf"]:
                return Leaf(finite(float(row["value"]), f"tree {number}: leaf"))
            if row["is_categorical"]:
                raise ModelError(
                    f"tree {number}: node {at}: expected a number to compare, was categories"
                )
            left, right = node(int(row["left"])), node(int(row["right"]))
            return Split(int(row["feature_idx"]), float(row["num_threshold"]), left, right)

        trees.append(node(0))
    return tuple(trees), float(np.ravel(model._baseline_prediction)[0])
