# SPDX-License-Identifier: Apache-2.0
"""Training with LightGBM: an edge that is there is found, one that is not is not."""

from decimal import Decimal

import numpy as np

from host.model.fit import Plan, fit_forest, train
from host.model.labels import Costs
from host.model.table import FeatureTable
from tests.host.model_data import COUNT

COSTS = Costs(Decimal(0), Decimal(1))
PLAN = Plan(horizon_us=1000, embargo_us=1000, folds=3, costs=COSTS, trees=100)


def market(strength, seed=1, count=6000):
    """Events 500 us apart; feature 3 tells `strength` of the move to come, the rest is noise."""
    rng = np.random.default_rng(seed)
    rows = np.rint(rng.normal(0, 900, (count, COUNT))).astype(np.int32)
    moves = rng.normal(0, 1, count) * 6
    moves += strength * np.sign(rows[:, 3])
    bids = 100_000 + np.cumsum(np.concatenate([[0], np.rint(moves[:-1])])).astype(np.int64)
    return FeatureTable(
        "X", Decimal(1), 500 * np.arange(count), rows, np.ones(count, bool), bids, bids + 1
    )


def test_an_edge_greater_than_its_costs_is_found():
    judged = train(market(9), PLAN)
    assert judged.label_costs == "all"
    assert judged.trades.has_edge
    assert judged.quality.hit_rate > judged.quality.base_hit_rate + 0.2
    assert judged.quality.log_loss < judged.quality.base_log_loss
    assert max(judged.gains, key=judged.gains.get) == "imbalance_weighted"
    assert judged.agreement.decisions >= 0.995
    # One feature has two values that matter, so two bins hold most rows; what lies between them is
    # the model's noise, and comes out nearer to those two than it says.
    off = [(each.count, abs(each.predicted - each.observed)) for each in judged.bins]
    assert all(error < 0.05 for count, error in off if count > 1000)
    assert sum(count * error for count, error in off) / sum(count for count, _ in off) < 0.08
    assert all(each.mean < 0 for each in judged.always.values())


def test_noise_has_no_edge_and_the_report_says_so():
    judged = train(market(0), PLAN)
    assert not judged.trades.has_edge
    assert judged.trades.verdict().startswith("NO EDGE")
    assert judged.quality.log_loss > judged.quality.base_log_loss - 0.005


def test_a_right_prediction_that_does_not_pay_its_costs_is_no_edge():
    plan = Plan(
        horizon_us=1000, embargo_us=1000, folds=3, trees=40, label_costs="none",
        costs=Costs(Decimal(0), Decimal(20)),
    )  # fmt: skip
    judged = train(market(9), plan)
    assert judged.quality.hit_rate > 0.7
    assert judged.trades.after_spread_ticks.mean() > 0
    assert judged.trades.verdict().startswith("NO EDGE: -")


def test_the_same_events_give_the_same_image():
    first, second = (train(market(9, 2, 3000), PLAN) for _ in range(2))
    assert first.image.identity == second.image.identity
    assert np.array_equal(first.image.words(128), second.image.words(128))


def test_the_number_of_trees_is_chosen_without_the_last_events():
    """What is validated lies behind a horizon and an embargo, inside what is learned."""
    events = market(9, 3, 3000)
    labels = (np.arange(3000) % 2).astype(np.int64)
    forest, gains = fit_forest(events.rows, labels, events.time_us, PLAN)
    assert 1 <= len(forest.trees) <= PLAN.trees
    assert set(gains) == set(forest.names)
