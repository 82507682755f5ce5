# SPDX-License-Identifier: Apache-2.0
"""Models of each library through its own file format: same scores, same decisions, named errors."""

import json

import lightgbm as lgb
import numpy as np
import pytest
from sklearn import ensemble

from host.contract.features import FEATURE_NAMES, FEATURES
from host.model.lightgbm import read_lightgbm_dump, read_lightgbm_text
from host.model.load import read_model
from host.model.quantise import agreement, quantise
from host.model.sklearn import read_sklearn
from host.model.trees import ModelError
from host.model.xgboost import read_xgboost
from sim.reference_forest import ForestSizes, Model
from tests.host.model_data import rows_and_labels

xgb = pytest.importorskip("xgboost", reason="xgboost-cpu has wheels for x86_64 alone")

SIZES = ForestSizes(trees=64, features=len(FEATURES))


def train_lightgbm(rows, labels, **options):
    settings = {"objective": "binary", "num_leaves": 24, "max_depth": 5, "verbose": -1, "seed": 3}
    settings |= {"learning_rate": 0.2, "num_threads": 1, "min_data_in_leaf": 5}
    names = options.pop("names", list(FEATURE_NAMES))
    categories = options.pop("categories", "auto")
    data = lgb.Dataset(
        rows, labels, feature_name=names, categorical_feature=categories, free_raw_data=False
    )
    return lgb.train(settings | options, data, num_boost_round=40)


def train_xgboost(rows, labels, rounds=40, **options):
    settings = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.2, "nthread": 1}
    data = xgb.DMatrix(rows, labels, feature_names=list(FEATURE_NAMES))
    return xgb.train(settings | options, data, num_boost_round=rounds)


def xgboost_json(booster, tmp_path):
    path = tmp_path / "model.json"
    booster.save_model(path)
    return path


def trained(kind, tmp_path, rows, labels):
    """A forest as read from the library's file, and what the library predicts as log-odds."""
    if kind == "lightgbm text":
        booster = train_lightgbm(rows, labels)
        booster.save_model(tmp_path / "m.txt")
        return read_model(tmp_path / "m.txt"), lambda x: booster.predict(x, raw_score=True)
    if kind == "lightgbm json":
        booster = train_lightgbm(rows, labels, sigmoid=0.7)
        (tmp_path / "m.json").write_text(json.dumps(booster.dump_model()))
        return (
            read_model(tmp_path / "m.json"),
            lambda x: 0.7 * booster.predict(x, raw_score=True),
        )
    if kind == "xgboost":
        booster = train_xgboost(rows, labels, base_score=0.3)
        path = xgboost_json(booster, tmp_path)
        return read_model(path), lambda x: booster.predict(
            xgb.DMatrix(x, feature_names=list(FEATURE_NAMES)), output_margin=True
        )
    if kind == "gradient boosting":
        model = ensemble.GradientBoostingClassifier(n_estimators=30, max_depth=5, random_state=1)
    else:
        model = ensemble.HistGradientBoostingClassifier(max_iter=40, max_depth=5, random_state=1)
    model.fit(rows, labels)
    return read_sklearn(model), model.decision_function


KINDS = ["lightgbm text", "lightgbm json", "xgboost", "gradient boosting", "hist"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_decides_as_in_its_library(kind, tmp_path):
    rows, labels = rows_and_labels(1)
    fresh, _ = rows_and_labels(2, 3000)
    forest, predict = trained(kind, tmp_path, rows, labels)
    own = np.asarray(predict(fresh), float)
    assert np.abs(forest.log_odds(fresh.astype(float)) - own).max() < 2e-5
    image = quantise(forest, upper=0.6, lower=0.4)
    found = agreement(forest, image, fresh, own)
    print(f"{kind}: {found}")
    assert found.decisions >= 0.995
    assert found.acting > 1000
    assert found.greatest_error < len(forest.trees) * 2.0 ** (image.shift - 17) + 3e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_board_s_reference_gives_the_scores_the_host_expects(kind, tmp_path):
    rows, labels = rows_and_labels(3, 1500)
    forest, _ = trained(kind, tmp_path, rows, labels)
    image = quantise(forest)
    model = Model(SIZES, tuple(image.words(64).tolist()))
    for row, score in zip(rows[:200].tolist(), image.scores(rows[:200]).tolist(), strict=True):
        told = model.score(row)
        assert (told.score, told.model) == (score, image.identity)
        assert told.above - told.below == image.decisions(np.array([score]))[0]


@pytest.mark.parametrize("kind", ["lightgbm text", "xgboost", "gradient boosting", "hist"])
def test_every_row_takes_the_way_it_takes_in_floats(kind, tmp_path):
    """At each threshold, one below and one above it: the sums differ by rounded leaves alone."""
    rows, labels = rows_and_labels(4, 1500)
    forest, predict = trained(kind, tmp_path, rows, labels)
    image = quantise(forest)
    near = np.repeat(rows[:1], image.thresholds.size * 3, axis=0)
    for at, (feature, threshold) in enumerate(
        zip(image.features.flat, image.thresholds.flat, strict=True)
    ):
        for step in (0, 1, 2):
            near[3 * at + step, feature] = min(131071, threshold - 1 + step)
    found = agreement(forest, image, near, np.asarray(predict(near), float))
    assert found.greatest_error < len(forest.trees) * 2.0 ** (image.shift - 17) + 3e-5


def test_models_trained_on_units_are_brought_to_whole_numbers():
    rows, labels = rows_and_labels(5, 1500)
    units = rows / 2.0 ** np.array([feature.fraction_bits for feature in FEATURES])
    booster = train_lightgbm(units, labels)
    forest = read_lightgbm_text(booster.model_to_string())
    image = quantise(forest, in_units=True)
    error = image.scores(rows) / 65536 - booster.predict(units, raw_score=True)
    assert np.abs(error).max() < 40 * 2.0 ** (image.shift - 17) + 1e-5


def test_missing_value_options_of_the_libraries_change_nothing_without_missing_values(tmp_path):
    rows, labels = rows_and_labels(6, 2000)
    holes = rows.astype(float)
    holes[::7, ::3] = np.nan
    booster = train_lightgbm(holes, labels)
    assert "default_left" in json.dumps(booster.dump_model())
    forest = read_lightgbm_text(booster.model_to_string())
    assert (
        np.abs(forest.log_odds(rows.astype(float)) - booster.predict(rows, raw_score=True)).max()
        < 1e-9
    )
    other = train_xgboost(holes, labels)
    forest = read_model(xgboost_json(other, tmp_path))
    own = other.predict(xgb.DMatrix(rows, feature_names=list(FEATURE_NAMES)), output_margin=True)
    assert np.abs(forest.log_odds(rows.astype(float)) - own).max() < 2e-5
    hist = ensemble.HistGradientBoostingClassifier(max_iter=20, max_depth=5).fit(holes, labels)
    own = hist.decision_function(rows)
    assert np.abs(read_sklearn(hist).log_odds(rows.astype(float)) - own).max() < 1e-9


def test_zeros_as_missing_values_are_refused_where_it_matters():
    rows, labels = rows_and_labels(7, 2000)
    rows[::2, :] = np.where(np.arange(rows.shape[1]) % 2, 0, rows[::2, :])
    labels[::2] = 1
    booster = train_lightgbm(rows, labels, zero_as_missing=True)
    dump = booster.dump_model()
    for read in (read_lightgbm_text, read_lightgbm_dump):
        argument = booster.model_to_string() if read is read_lightgbm_text else dump
        with pytest.raises(ModelError, match="was zero_as_missing with the other side"):
            read(argument)


def refused(kind, tmp_path):
    rows, labels = rows_and_labels(8, 900)
    if kind == "objective":
        return read_lightgbm_text, train_lightgbm(rows, labels, objective="regression")
    if kind == "classes":
        _, three = rows_and_labels(8, 900, 3)
        return read_lightgbm_text, train_lightgbm(rows, three, objective="multiclass", num_class=3)
    if kind == "average":
        options = {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}
        return read_lightgbm_text, train_lightgbm(rows, labels, **options)
    if kind == "linear":
        return read_lightgbm_text, train_lightgbm(rows.astype(float), labels, linear_tree=True)
    kinds = rows.copy()
    kinds[:, 4] = np.abs(kinds[:, 4]) % 5
    labels = (kinds[:, 4] % 2 == 0).astype(int)
    return read_lightgbm_text, train_lightgbm(kinds, labels, categories=[4])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("objective", "objective: expected binary or cross_entropy, was 'regression'"),
        ("classes", "objective: expected binary or cross_entropy, was 'multiclass'"),
        ("average", r"expected a sum of trees, was their average \(random forest\)"),
        ("linear", "tree 0: expected constant leaves, was linear ones"),
        ("categories", r"tree \d+: node \d+: expected a number to compare, was categories"),
    ],
)
def test_lightgbm_models_the_fabric_cannot_run_are_refused_by_name(kind, message, tmp_path):
    read, booster = refused(kind, tmp_path)
    with pytest.raises(ModelError, match=message):
        read(booster.model_to_string())
    with pytest.raises(ModelError):
        read_lightgbm_dump(booster.dump_model())


def test_xgboost_models_the_fabric_cannot_run_are_refused_by_name(tmp_path):
    rows, labels = rows_and_labels(9, 900)
    for options, message in (
        ({"booster": "dart"}, "booster: expected gbtree, was dart"),
        ({"booster": "gblinear"}, "booster: expected gbtree, was gblinear"),
        ({"objective": "reg:squarederror"}, "objective: expected one of .* was 'reg:squarederror'"),
    ):
        with pytest.raises(ModelError, match=message):
            read_model(xgboost_json(train_xgboost(rows, labels, 3, **options), tmp_path))
    kinds = np.abs(rows[:, :1]) % 6
    data = xgb.DMatrix(kinds, kinds[:, 0] % 2, feature_types=["c"], enable_categorical=True)
    booster = xgb.train({"objective": "binary:logistic", "tree_method": "hist"}, data, 2)
    with pytest.raises(ModelError, match="expected a number to compare, was categories"):
        read_model(xgboost_json(booster, tmp_path))


def test_scikit_learn_models_the_fabric_cannot_run_are_refused_by_name():
    rows, labels = rows_and_labels(10, 900)
    _, three = rows_and_labels(10, 900, 3)
    boosting, hist = ensemble.GradientBoostingClassifier, ensemble.HistGradientBoostingClassifier
    kinds = rows.copy()
    kinds[:, 3] = np.abs(kinds[:, 3]) % 6
    by_kind = (kinds[:, 3] % 2 == 0).astype(int)
    first = ensemble.RandomForestClassifier(n_estimators=3)
    for model, message in (
        (ensemble.RandomForestClassifier(n_estimators=3).fit(rows, labels), "was RandomForest"),
        (boosting(n_estimators=3), "expected a fitted model"),
        (boosting(n_estimators=3).fit(rows, three), "expected 2 classes, was 3"),
        (boosting(n_estimators=3, loss="exponential").fit(rows, labels), "was exponential"),
        (boosting(n_estimators=3, init=first).fit(rows, labels), "was RandomForest"),
        (hist(max_iter=3, categorical_features=[3]).fit(kinds, by_kind), "was categories"),
    ):
        with pytest.raises(ModelError, match=message):
            read_sklearn(model)


def test_trees_too_deep_or_too_many_are_refused_by_name():
    rows, labels = rows_and_labels(11, 2500)
    deep = read_lightgbm_text(
        train_lightgbm(rows, labels, max_depth=6, num_leaves=60).model_to_string()
    )
    with pytest.raises(ModelError, match=r"tree \d+: expected a depth of at most 5, was 6"):
        quantise(deep)
    data = lgb.Dataset(rows, labels)
    many = lgb.train({"objective": "binary", "verbose": -1, "num_leaves": 3}, data, 257)
    forest = read_lightgbm_text(many.model_to_string())
    with pytest.raises(ModelError, match="trees: expected 1 to 256, was 257"):
        quantise(forest)
    fewer = lgb.train({"objective": "binary", "verbose": -1, "num_leaves": 3}, data, 70)
    image = quantise(read_lightgbm_text(fewer.model_to_string()))
    with pytest.raises(ModelError, match="trees: expected at most the 64 of the board, was 70"):
        image.words(64)


def test_features_by_name_may_be_fewer_and_in_another_order():
    rows, labels = rows_and_labels(12, 1500)
    taken = [9, 1, 20, 7, 5]
    names = [FEATURE_NAMES[at] for at in taken]
    booster = train_lightgbm(rows[:, taken], labels, names=names)
    image = quantise(read_lightgbm_text(booster.model_to_string()))
    error = image.scores(rows) / 65536 - booster.predict(rows[:, taken], raw_score=True)
    assert np.abs(error).max() < 40 * 2.0 ** (image.shift - 17) + 1e-5
    names[2] = "moon_phase"
    booster = train_lightgbm(rows[:, taken], labels, names=names)
    with pytest.raises(ModelError, match="expected names of the board's list, was 'moon_phase'"):
        quantise(read_lightgbm_text(booster.model_to_string()))
    unnamed = train_lightgbm(rows[:, taken], labels, names=[f"Column_{at}" for at in range(5)])
    with pytest.raises(ModelError, match="expected the 24 of the board in their order, or names"):
        quantise(read_lightgbm_text(unnamed.model_to_string()))


@pytest.mark.parametrize("cut", [0, 1, 100, 2000, -30, -1])
def test_a_truncated_or_foreign_file_is_one_named_error(cut, tmp_path):
    rows, labels = rows_and_labels(13, 900)
    text = train_lightgbm(rows, labels).model_to_string()
    path = tmp_path / "m.txt"
    cuts = text[: text.index("end of trees") + cut] if cut < 0 else text[:cut]
    path.write_text(cuts)
    with pytest.raises(ModelError):
        read_model(path)
    model = json.loads(xgboost_json(train_xgboost(rows, labels, 2), tmp_path).read_text())
    part = model["learner"]["gradient_booster"]["model"]["trees"][0]
    for name in ("left_children", "split_conditions"):
        saved = part[name]
        part[name] = saved[:-1]
        with pytest.raises(ModelError):
            read_xgboost(model)
        part[name] = saved
    part["left_children"] = [0] * len(part["left_children"])
    with pytest.raises(ModelError, match="expected each node once, was node 0 again"):
        read_xgboost(model)
