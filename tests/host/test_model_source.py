# SPDX-License-Identifier: Apache-2.0
"""Features and quotes of the bundled minute, and a training on it, on the reference as a board."""

from io import StringIO
from pathlib import Path

import numpy as np
import orjson
import pytest
from rich.console import Console

import sim.demo
from host.contract.features import FEATURE_NAMES
from host.model.command import TrainRequest, run_train
from host.model.fit import Plan
from host.model.image import Image
from host.model.source import FeatureSettings, features_of
from host.model.trees import ModelError
from tests.host.reference_link import ReferenceLink

MINUTE = str(Path(sim.demo.__file__).parent / "data" / "usdm_btcusdt_20240808_60s.gz")


@pytest.fixture(scope="module")
def table():
    return features_of(ReferenceLink(), [MINUTE], FeatureSettings())


def test_every_event_of_the_minute_has_its_features_and_its_quote(table):
    assert table.symbol == "BTCUSDT"
    assert str(table.tick) == "0.1"
    assert len(table) == 1144  # as the replay of the minute tells
    assert table.usable.all()
    assert (table.ask_ticks > table.bid_ticks).all()
    spread = table.rows[:, FEATURE_NAMES.index("spread")]
    assert np.array_equal(spread == 1024, table.ask_ticks - table.bid_ticks == 1)  # M(1) = 1024
    changed = np.diff(table.bid_ticks + table.ask_ticks) != 0
    assert np.array_equal(table.rows[1:, FEATURE_NAMES.index("mid_change")] != 0, changed)


def test_the_settings_of_the_features_reach_the_board(table):
    other = features_of(ReferenceLink(), [MINUTE], FeatureSettings(flow_decay=1, trade_window=10))
    for name, same in (
        ("spread", True),
        ("ofi_event", True),
        ("ofi", False),
        ("trade_flow", False),
    ):
        at = FEATURE_NAMES.index(name)
        assert np.array_equal(table.rows[:, at], other.rows[:, at]) == same, name


def test_a_symbol_that_is_not_there_is_one_named_error():
    with pytest.raises(ModelError, match="expected book events of ETHUSDT, was none"):
        features_of(ReferenceLink(), [MINUTE], FeatureSettings(), symbol="ETHUSDT")


def test_a_board_without_features_is_one_named_error():
    with pytest.raises(ModelError, match="expected one that tells features, was one without"):
        features_of(ReferenceLink(vectors=False), [MINUTE], FeatureSettings())


def test_training_on_the_minute_writes_all_files_and_says_what_it_is_worth(tmp_path):
    plan = Plan(horizon_us=500_000, embargo_us=100_000, folds=2, trees=30)
    out = Console(width=200, record=True, file=StringIO())
    summary = run_train(
        TrainRequest([MINUTE], tmp_path, plan=plan), out, Console(quiet=True), ReferenceLink()
    )
    text = out.export_text()
    assert summary["verdict"] in text
    assert summary["verdict"].startswith("NO EDGE")
    assert "base rate" in text and "always naming the commoner side" in text
    assert summary["labels"]["used"] != "all"  # fees of a minute's moves: nobody earns them
    assert "too few to learn from" in " ".join(text.split())
    assert summary["agreement"] >= 0.995
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "model.tgm",
        "train.json",
        "report.html",
        "calibration.png",
        "profit.png",
        "features.png",
    }
    image = Image.load(tmp_path / "model.tgm")
    assert image.identity == summary["model_id"]
    assert image.notes["settings"] == FeatureSettings().as_notes()
    assert orjson.loads((tmp_path / "train.json").read_bytes())["verdict"] == summary["verdict"]
    assert summary["verdict"] in (tmp_path / "report.html").read_text()
