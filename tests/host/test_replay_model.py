# SPDX-License-Identifier: Apache-2.0
"""A replay with a model: it alone enters, time ends it, and what it made is told with its costs."""

from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import host.replay.command as command
from host.contract.features import FEATURE_NAMES, FEATURES
from host.contract.records import ExitCause, Rule
from host.model.image import Image
from host.model.labels import Costs
from host.model.rule import ModelRule
from host.model.source import FeatureSettings
from host.model.trees import ModelError
from host.replay.command import Request, run_replay
from host.replay.run import Options, ReplayError, replay
from host.replay.tables import Tables
from host.settings import ReplaySettings
from tests.host.reference_link import ReferenceLink
from tests.host.replay_helpers import SLICE

HORIZON_US = 500_000
COSTS = Costs(Decimal("2"), Decimal("0.5"))
NOTES = {
    "settings": FeatureSettings().as_notes(),
    "horizon_us": HORIZON_US,
    "captures": [SLICE.name],
}


def image(**notes):
    """One tree: above a ratio of two between the sums of N, act on it."""
    at = FEATURE_NAMES.index("imbalance_n")
    assert FEATURES[at].fraction_bits == 10  # 1024 is a factor of two
    thresholds = np.zeros((1, 31), np.int64)
    thresholds[0, 0], thresholds[0, 1:3] = 0, (-1024, 1023)
    leaves = np.zeros((1, 32), np.int64)
    leaves[0, :8], leaves[0, 24:] = -20_000, 20_000
    every = np.full((1, 31), at)
    return Image(every, thresholds, leaves, 0, 2, 40_000, -40_000, NOTES | notes)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    link, out = ReferenceLink(trees=2), StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "open_link", lambda _name, **_options: link)
        request = Request([str(SLICE)], folder, ReplaySettings(), model=ModelRule(image(), COSTS))
        outcome = run_replay(request, Console(file=out, width=150), Console(quiet=True))
    return outcome, Tables.of(outcome.run), folder, out.getvalue()


def orders(tables):
    """Update id, signed lots, price and rule of each accepted order."""
    own, sells = tables.decisions[tables.accepted], tables.sells[tables.accepted]
    for row, is_sell in zip(own, sells, strict=True):
        lots = -int(row["qty_lots"]) if is_sell else int(row["qty_lots"])
        yield int(row["update_id"]), lots, int(row["price_ticks"]), int(row["rule"])


def test_the_model_alone_enters_and_time_alone_leaves(done):
    outcome, tables, _, _ = done
    fired = {rule for *_, rule in orders(tables)}
    assert fired == {int(Rule.MODEL), int(Rule.EXIT) | int(ExitCause.TIME)}
    position = 0
    for _, lots, _, rule in orders(tables):
        assert (position == 0) == (rule == int(Rule.MODEL))
        position += lots
        assert abs(position) in (0, 10)
    entered = tables.decisions["rule"] == int(Rule.MODEL)
    scores = tables.decisions["score"][entered]
    assert set(np.abs(scores).tolist()) == {80_000}
    assert np.array_equal(scores < 0, tables.sells[entered])
    assert outcome.summary["counters"]["model_loads"] == 1
    assert outcome.summary["mismatches"]["records"] == 0


def test_a_position_is_held_for_the_horizon(done):
    _, tables, _, _ = done
    times = dict(zip(tables.views["update_id"].tolist(), tables.view_time_us.tolist(), strict=True))
    pairs = list(orders(tables))
    held = [
        times[out[0]] - times[into[0]] for into, out in zip(pairs[::2], pairs[1::2], strict=False)
    ]
    assert len(held) > 20
    assert min(held) >= HORIZON_US
    assert np.median(held) < HORIZON_US + 400_000  # fills are reported late, events are apart


def test_round_trips_and_their_costs_are_those_of_the_orders(done):
    outcome, tables, _, _ = done
    views = {int(view["update_id"]): view for view in tables.views}
    pairs = list(orders(tables))
    after, mids, net = [], [], []
    for into, out in zip(pairs[::2], pairs[1::2], strict=False):
        sign = 1 if into[1] > 0 else -1
        both = [
            int(views[order[0]][f"{side}_price_ticks"])
            for order in (into, out)
            for side in ("bid", "ask")
        ]
        after.append(sign * (out[2] - into[2]))
        mids.append(sign * (sum(both[2:]) - sum(both[:2])) / 2)
        net.append(after[-1] - (into[2] + out[2]) * 2 / 10_000 - 1)
    found = outcome.summary["model"]["symbols"]["BTCUSDT"]
    means = found["mean_ticks"]
    assert found["trips"] == len(after)
    assert means["mid"] == pytest.approx(np.mean(mids))
    assert means["after_spread"] == pytest.approx(np.mean(after))
    assert means["net"] == pytest.approx(np.mean(net))
    moved = [move for move in mids if move]
    assert found["hit_rate"] == sum(move > 0 for move in moved) / len(moved)
    assert 0.5 <= found["base_hit_rate"] <= 1
    assert found["verdict"].startswith("NO EDGE")
    assert found["in_sample"] == [SLICE.name]


def test_the_page_and_the_terminal_tell_it(done):
    outcome, _, folder, text = done
    page = (folder / "report.html").read_text()
    verdict = outcome.summary["model"]["symbols"]["BTCUSDT"]["verdict"]
    for told in (page, " ".join(text.split())):
        assert "always naming the commoner side" in told
        assert "after all costs" in told
    assert verdict in page
    assert (folder / "profit.png").stat().st_size > 10_000


def test_a_model_that_does_not_fit_is_one_named_error(tmp_path):
    def refused(link, **changes):
        options = Options([str(SLICE)], ReplaySettings(**changes), model=ModelRule(image()))
        replay(options, link, lambda _done, _total: None)

    with pytest.raises(ModelError, match="expected one with a forest, was one without"):
        refused(ReferenceLink())
    with pytest.raises(ReplayError, match="--levels: expected the 10 the model was trained with"):
        refused(ReferenceLink(trees=2), levels=5)
    with pytest.raises(ModelError, match="expected notes with a horizon"):
        ModelRule(image(horizon_us=None))
    with pytest.raises(ModelError, match="expected notes with flow_decay"):
        ModelRule(image(settings={}))
