# SPDX-License-Identifier: Apache-2.0
"""Read LightGBM's own model files: the text of ``save_model`` and the JSON of ``dump_model``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.model.trees import Forest, Leaf, ModelError, Node, Split, finite, same_side

__all__ = ["read_lightgbm_dump", "read_lightgbm_text"]

#: Bits of ``decision_type``: categorical, missing goes left, and two of what counts as missing.
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT = 1, 2, 2
_MISSING = ("None", "Zero", "NaN")
_MOST_NESTED = 64


def read_lightgbm_text(text: str) -> Forest:
    """Read the text of ``Booster.save_model``.

    Parameters
    ----------
    text : str
        The whole file.

    Raises
    ------
    ModelError
        It is none, is damaged, or is of a kind the fabric cannot run: another objective than
        binary, averaged or linear trees, categorical splits, zeros as missing values.
    """
    sections = text.split("\nTree=")
    head = _pairs(sections[0])
    if sections[0].split("\n", 1)[0].strip() != "tree" or len(sections) < 2:
        raise ModelError("lightgbm: expected the text of save_model with trees, was another")
    _check(head.get("objective", ""), head.get("num_class", ""), "average_output" in head)
    scale = _scale(head["objective"])
    body, _, rest = sections[-1].partition("\nend of trees")
    if not rest:
        raise ModelError("lightgbm: expected 'end of trees', was the end of the file")
    trees = []
    for number, section in enumerate((*sections[1:-1], body)):
        title, _, lines = section.partition("\n")
        if title.strip() != str(number):
            raise ModelError(f"lightgbm: expected Tree={number}, was Tree={title.strip()[:20]}")
        trees.append(_tree(number, _pairs(lines), scale))
    names = tuple(head.get("feature_names", "").split())
    features = _whole("max_feature_idx", head.get("max_feature_idx", "")) + 1
    if names and len(names) != features:
        raise ModelError(f"feature_names: expected {features} names, was {len(names)}")
    return Forest(tuple(trees), 0.0, features, names, f"LightGBM {head['objective']}")


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        pairs[name.strip()] = value.strip()
    return pairs


def _whole(what: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ModelError(f"{what}: expected a whole number, was {text[:40]!r}") from None


def _check(objective: str, classes: object, averaged: bool) -> None:
    kind = objective.split(" ")[0]
    if kind not in ("binary", "cross_entropy"):
        raise ModelError(f"objective: expected binary or cross_entropy, was {kind[:40]!r}")
    if str(classes) != "1":
        raise ModelError(f"num_class: expected 1, was {str(classes)[:40]}")
    if averaged:
        raise ModelError("boosting: expected a sum of trees, was their average (random forest)")


def _scale(objective: str) -> float:
    """What raw scores are multiplied with before the logistic function."""
    for option in objective.split()[1:]:
        name, _, value = option.partition(":")
        if name == "sigmoid":
            try:
                return finite(float(value), "sigmoid")
            except ValueError as error:
                raise ModelError(f"sigmoid: expected a number, was {value[:40]!r}") from error
    return 1.0


def _tree(number: int, pairs: Mapping[str, str], scale: float) -> Node:
    where = f"tree {number}"
    leaves = _whole(f"{where}: num_leaves", pairs.get("num_leaves", ""))
    if pairs.get("is_linear", "0") != "0":
        raise ModelError(f"{where}: expected constant leaves, was linear ones")
    if leaves < 1:
        raise ModelError(f"{where}: expected at least 1 leaf, was {leaves}")

    def numbers(name: str, count: int) -> list[float]:
        words = pairs.get(name, "").split()
        if len(words) != count:
            raise ModelError(f"{where}: {name}: expected {count} numbers, was {len(words)}")
        try:
            return [float(word) for word in words]
        except ValueError:
            raise ModelError(f"{where}: {name}: expected numbers, was something else") from None

    values = [scale * finite(value, f"{where}: leaf") for value in numbers("leaf_value", leaves)]
    if leaves == 1:
        return Leaf(values[0])
    inner = leaves - 1
    features, thresholds = numbers("split_feature", inner), numbers("threshold", inner)
    kinds = [int(kind) for kind in numbers("decision_type", inner)]
    lefts, rights = numbers("left_child", inner), numbers("right_child", inner)
    reached: set[int] = set()

    def node(at: int) -> Node:
        if at in reached or not -leaves <= at < inner:
            raise ModelError(f"{where}: expected each node once, was node {at} again or outside")
        reached.add(at)
        if at < 0:
            return Leaf(values[~at])
        if kinds[at] & _CATEGORICAL:
            raise ModelError(f"{where}: node {at}: expected a number to compare, was categories")
        if kinds[at] >> _MISSING_SHIFT & 3 == _MISSING.index("Zero"):
            same_side(f"{where}: node {at}", thresholds[at], bool(kinds[at] & _DEFAULT_LEFT))
        left, right = node(int(lefts[at])), node(int(rights[at]))
        return Split(int(features[at]), thresholds[at], left, right)

    try:
        root = node(0)
    except RecursionError:
        raise ModelError(f"{where}: expected a shallow tree, was a very deep one") from None
    if len(reached) != inner + leaves:
        raise ModelError(f"{where}: expected every node reached, was {len(reached)} of them")
    return root


def read_lightgbm_dump(dump: Mapping[str, Any]) -> Forest:
    """Read what ``Booster.dump_model`` returns, or its JSON parsed.

    Parameters
    ----------
    dump : mapping
        The whole model.

    Raises
    ------
    ModelError
        As of `read_lightgbm_text`.
    """
    objective = str(dump.get("objective", ""))
    _check(objective, dump.get("num_class"), bool(dump.get("average_output")))
    scale = _scale(objective)
    names = tuple(str(name) for name in dump.get("feature_names", ()))
    infos = dump.get("tree_info")
    if not isinstance(infos, Sequence) or not infos:
        raise ModelError("tree_info: expected trees, was none")
    trees = []
    for number, info in enumerate(infos):
        try:
            trees.append(_nested(f"tree {number}", info["tree_structure"], scale, 0))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"tree {number}: expected a tree of dump_model, was {error}") from None
    features = int(dump.get("max_feature_idx", len(names) - 1)) + 1
    return Forest(tuple(trees), 0.0, features, names, f"LightGBM {objective}")


def _nested(where: str, node: Mapping[str, Any], scale: float, depth: int) -> Node:
    if depth > _MOST_NESTED:
        raise ModelError(f"{where}: expected a shallow tree, was a very deep one")
    if "leaf_coeff" in node or "leaf_const" in node:
        raise ModelError(f"{where}: expected constant leaves, was linear ones")
    if "split_feature" not in node:
        return Leaf(scale * finite(float(node["leaf_value"]), f"{where}: leaf"))
    at = f"{where}: node {node.get('split_index', '?')}"
    if node["decision_type"] != "<=":
        raise ModelError(f"{at}: expected a number to compare, was categories")
    threshold = float(node["threshold"])
    if node.get("missing_type") == "Zero":
        same_side(at, threshold, bool(node["default_left"]))
    left = _nested(where, node["left_child"], scale, depth + 1)
    right = _nested(where, node["right_child"], scale, depth + 1)
    return Split(int(node["split_feature"]), threshold, left, right)
