# SPDX-License-Identifier: Apache-2.0
"""Read XGBoost's own model files, the JSON of ``save_model``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from host.model.trees import Forest, Leaf, ModelError, Node, Split, finite

__all__ = ["read_xgboost"]

_OBJECTIVES = ("binary:logistic", "reg:logistic", "binary:logitraw")


def read_xgboost(model: Mapping[str, Any]) -> Forest:
    """Read the JSON of ``Booster.save_model("x.json")``, parsed.

    A split sends to the left what is below its threshold. The way of missing values is of no
    account, the fabric has none. The base score is a probability in the file and becomes the bias.

    Parameters
    ----------
    model : mapping
        The whole file.

    Raises
    ------
    ModelError
        It is damaged, or of a kind the fabric cannot run: another booster than gbtree, another
        objective than a logistic one, several outputs, categorical splits.
    """
    try:
        learner = model["learner"]
        booster = learner["gradient_booster"]
        objective = learner["objective"]["name"]
        parameters = learner["learner_model_param"]
        kind = booster.get("name", "gbtree")
        if kind != "gbtree":
            raise ModelError(f"booster: expected gbtree, was {kind}")
        if objective not in _OBJECTIVES:
            raise ModelError(f"objective: expected one of {_OBJECTIVES}, was {objective!r}")
        if int(parameters.get("num_class", 0)) > 1 or int(parameters.get("num_target", 1)) != 1:
            raise ModelError("outputs: expected one, was several")
        features = int(parameters["num_feature"])
        names = tuple(str(name) for name in learner.get("feature_names", ()))
        bias = _bias(parameters["base_score"])
        parts = booster["model"]["trees"]
        trees = tuple(_tree(number, part, features) for number, part in enumerate(parts))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ModelError(f"xgboost: expected the JSON of save_model, was without {error}") from None
    except ValueError as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"xgboost: expected numbers, was {error}") from None
    if not trees:
        raise ModelError("xgboost: expected trees, was none")
    if names and len(names) != features:
        raise ModelError(f"feature_names: expected {features} names, was {len(names)}")
    return Forest(trees, bias, features, names, f"XGBoost {objective}")


def _bias(text: object) -> float:
    """Log-odds of the base score; newer versions write it as a list of one."""
    probability = float(str(text).strip("[] "))
    if not 0 < probability < 1:
        raise ModelError(f"base_score: expected a probability, was {text}")
    return math.log(probability / (1 - probability))


def _tree(number: int, tree: Mapping[str, Any], features: int) -> Node:
    where = f"tree {number}"
    lefts, rights = tree["left_children"], tree["right_children"]
    conditions, indices = tree["split_conditions"], tree["split_indices"]
    kinds = tree.get("split_type") or [0] * len(lefts)
    if len({len(each) for each in (lefts, rights, conditions, indices, kinds)}) != 1:
        raise ModelError(f"{where}: expected lists of one length, was several")
    reached: set[int] = set()

    def node(at: int) -> Node:
        if at in reached or not 0 <= at < len(lefts):
            raise ModelError(f"{where}: expected each node once, was node {at} again or outside")
        reached.add(at)
        # Thresholds and leaves are numbers of 32 bits; the text is the shortest that names them.
        value = float(np.float32(conditions[at]))
        if lefts[at] == -1:
            return Leaf(finite(value, f"{where}: leaf"))
        if kinds[at]:
            raise ModelError(f"{where}: node {at}: expected a number to compare, was categories")
        if not 0 <= indices[at] < features:
            raise ModelError(f"{where}: node {at}: expected under {features}, was {indices[at]}")
        return Split(indices[at], value, node(lefts[at]), node(rights[at]), strict=True)

    try:
        return node(0)
    except RecursionError:
        raise ModelError(f"{where}: expected a shallow tree, was a very deep one") from None
