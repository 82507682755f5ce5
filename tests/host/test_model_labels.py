# SPDX-License-Identifier: Apache-2.0
"""Labels and the walk forward: nothing of the future reaches what is learned."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.model.fit import Plan, train
from host.model.judge import calibration, judge_labels, trade
from host.model.labels import Costs, outcomes, walk_forward
from host.model.table import FeatureTable
from host.model.trees import Forest, Leaf, ModelError, Split
from tests.host.model_data import COUNT

FREE = Costs(Decimal(0), Decimal(0))


def table(times, bids, asks=None, usable=None, rows=None):
    count = len(times)
    asks = [bid + 1 for bid in bids] if asks is None else asks
    return FeatureTable(
        "X",
        Decimal("0.1"),
        np.array(times, np.int64),
        np.zeros((count, COUNT), np.int32) if rows is None else rows,
        np.ones(count, bool) if usable is None else np.array(usable),
        np.array(bids, np.int64),
        np.array(asks, np.int64),
    )


def test_outcomes_by_hand():
    """Quotes at 0, 10, 20, 30 us; a horizon of 15 looks at the quotes of 10, 20 and of no more."""
    events = table([0, 10, 20, 30], [100, 104, 101, 90], [102, 105, 103, 95])
    found = outcomes(events, 15, Costs(Decimal(100), Decimal("0.5")))
    assert found.known.tolist() == [True, True, False, False]
    assert found.exit_at[:2].tolist() == [1, 2]
    assert found.mid_move_ticks[:2].tolist() == [3.5, -2.5]
    assert found.long_ticks[:2].tolist() == [2, -4]  # 104 - 102, 101 - 105
    assert found.short_ticks[:2].tolist() == [-5, 1]  # 100 - 105, 104 - 103
    assert found.spread_ticks[:2].tolist() == [1.5, 1.5]
    assert found.cost_ticks[:2].tolist() == pytest.approx([2 * (1.01 + 0.5), 2 * (1.045 + 0.5)])
    assert found.labels("none").tolist() == [1, 0, -1, -1]
    assert found.labels("spread").tolist() == [1, 0, -1, -1]
    assert found.labels("all").tolist() == [-1, -1, -1, -1]


def test_events_without_a_usable_quote_now_or_later_have_no_outcome():
    events = table([0, 10, 20, 30, 40], [100] * 5, usable=[True, False, True, True, True])
    found = outcomes(events, 10, FREE)
    assert found.known.tolist() == [False, False, True, True, False]
    assert found.labels("none").tolist() == [-1] * 5  # no move


def market(seed, count=400):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(0, 4, count))
    bids = 1000 + np.cumsum(rng.integers(-2, 3, count))
    asks = bids + rng.integers(1, 4, count)
    return table(times, bids, asks, rng.random(count) < 0.9, rng.integers(-99, 99, (count, COUNT)))


def shuffled_after(events, at, seed):
    """The same events up to `at`; everything behind in another order."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([np.arange(at), at + rng.permutation(len(events) - at)])
    return FeatureTable(
        events.symbol,
        events.tick,
        events.time_us,
        events.rows[order],
        events.usable[order],
        events.bid_ticks[order],
        events.ask_ticks[order],
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9), at=st.integers(20, 380), horizon=st.integers(1, 40))
def test_shuffling_the_future_changes_no_outcome_whose_horizon_is_over(seed, at, horizon):
    events = market(seed)
    changed = shuffled_after(events, at, seed)
    over = events.time_us + horizon < events.time_us[at]
    before, after = (outcomes(each, horizon, Costs()) for each in (events, changed))
    for name in ("known", "exit_at", "mid_move_ticks", "long_ticks", "short_ticks", "cost_ticks"):
        assert np.array_equal(getattr(before, name)[over], getattr(after, name)[over]), name


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9),
    folds=st.integers(1, 9),
    horizon=st.integers(1, 40),
    embargo=st.integers(0, 40),
)
def test_what_is_learned_ends_a_horizon_and_an_embargo_before_what_is_judged(
    seed, folds, horizon, embargo
):
    times = market(seed).time_us
    judged = []
    for fold in walk_forward(times, folds, horizon, embargo):
        assert fold.starts_us == times[fold.test[0]]
        if len(fold.train):
            assert times[fold.train].max() + horizon + embargo < fold.starts_us
        judged += fold.test.tolist()
    assert judged == list(range(judged[0], len(times)))  # each once, none after a gap


def recorder(seen):
    def fit(rows, labels, time_us, plan):
        seen.append((rows.copy(), labels.copy(), time_us.copy()))
        return Forest((Split(0, 0.0, Leaf(1.0), Leaf(-1.0)),), 0.0, COUNT, (), "fixed"), {}

    return fit


PLAN = Plan(horizon_us=5, embargo_us=3, folds=4, costs=FREE, label_costs="none")


@pytest.mark.parametrize("fold", range(4))
def test_shuffling_what_is_judged_changes_nothing_that_was_learned_before_it(fold):
    """By construction: the learner is handed arrays, and these are the same."""
    events = market(3, 2000)
    starts = list(walk_forward(events.time_us, 4, 5, 3))[fold].test[0]
    seen, again = [], []
    train(events, PLAN, fit=recorder(seen))
    train(shuffled_after(events, starts, 1), PLAN, fit=recorder(again))
    for before, after in zip(seen[: fold + 1], again[: fold + 1], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    assert not np.array_equal(seen[-1][0], again[-1][0])  # the last one has learned it all


def test_trades_are_one_after_another_and_pay_as_told():
    events = table([0, 1, 2, 3, 10, 11, 12, 30], [100, 101, 102, 103, 110, 111, 112, 113])
    found = outcomes(events, 2, Costs(Decimal(0), Decimal("0.25")))
    made = trade(np.array([1, 1, 0, -1, 0, 1, 1, 1]), found, np.arange(8))
    assert made.at.tolist() == [
        0,
        3,
        5,
    ]  # 1 is while the first is held, 6 while the third; 7 unknown
    assert made.side.tolist() == [1, -1, 1]
    assert made.gross_ticks.tolist() == [2, 0, 1]
    assert made.after_spread_ticks.tolist() == [1, -1, 0]
    assert made.net_ticks.tolist() == [0.5, -1.5, -0.5]
    assert made.mean == -0.5
    assert not made.has_edge and "fewer than the 30" in made.verdict()


def test_verdicts_are_plain():
    quiet = table(list(range(0, 400, 2)), [100 + 5 * at for at in range(200)])
    found = outcomes(quiet, 2, FREE)
    every = np.arange(200)
    rising = trade(np.ones(200, np.int64), found, every)
    assert rising.has_edge and rising.verdict().startswith("An edge out of sample")
    falling = trade(-np.ones(200, np.int64), found, every)
    assert falling.verdict().startswith("NO EDGE: -6.00 ticks")
    none = trade(np.zeros(200, np.int64), found, every)
    assert none.verdict().startswith("NO EDGE: no event passed")


def test_quality_by_hand():
    probabilities = np.array([0.9, 0.8, 0.3, 0.1])
    labels = np.array([1, 0, 1, 0])
    found = judge_labels(probabilities, labels, np.array([1, 1, 0, -1]))
    assert (found.base_rate, found.acted, found.hits) == (0.5, 3, 2)
    assert found.ranked == 0.75  # 3 of the 4 pairs
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.2, 0.3, 0.9]).mean())
    assert found.base_log_loss == pytest.approx(np.log(2))
    assert [(b.count, b.observed) for b in calibration(probabilities, labels)] == [
        (1, 0),
        (1, 1),
        (1, 0),
        (1, 1),
    ]
    assert judge_labels(np.full(4, 0.5), labels, np.zeros(4)).ranked == 0.5


def test_too_little_to_learn_from_is_one_named_error():
    with pytest.raises(ModelError, match="expected at least 50 rises and falls"):
        train(market(1, 100), PLAN, fit=recorder([]))
    still = table(list(range(3000)), [100] * 3000)
    with pytest.raises(ModelError, match=r"0 of 3000 events move at all"):
        train(still, PLAN, fit=recorder([]))


def test_labels_of_rare_moves_give_way_to_weaker_ones():
    events = market(5, 3000)
    plan = Plan(horizon_us=5, embargo_us=0, folds=2, costs=Costs(Decimal(100)), label_costs="all")
    judged = train(events, plan, fit=recorder([]))
    assert judged.counts["all"] < 100 < judged.counts["spread"] < judged.counts["none"]
    assert judged.label_costs == "spread"
