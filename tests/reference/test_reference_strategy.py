# SPDX-License-Identifier: Apache-2.0
"""Position, exits, entries and size of the reference model, worked by hand."""

import pytest

from host.contract.records import ExitCause, Rule
from host.contract.registers import REGISTERS
from sim.reference_signal import BookSide, Moment, SignalState
from sim.reference_strategy import Before, Position, Seen, Strategy

BUY, SELL = False, True
U32 = (1 << 32) - 1
EXIT = int(Rule.EXIT)


def settings(**changes):
    row = {name.removeprefix("strategy_"): 0 for name in REGISTERS if name.startswith("strategy_")}
    return row | {"active": 1, "sides": 3, "qty_most": 10, "entry_order": 0x11} | changes


def one_side(price, lots, wall=None):
    return BookSide([(price, lots)], lots, wall or (price, lots))


def seen(bid=100, ask=101, bid_lots=10, ask_lots=10, now_us=0, **more):
    tape = [more.pop(name, 0) for name in ("bought", "sold", "notional")]
    walls = more.pop("walls", (None, None))
    return Seen(
        one_side(bid, bid_lots, walls[0]),
        one_side(ask, ask_lots, walls[1]),
        Moment(now_us, *tape, None),
        more.pop("valid", True),
        more.pop("score", 0),
    )


def judge(strategy, what, row, ranges=0, moves=0, removed=0, traded=0, ofi=0, vwap=(0, 0)):
    state = SignalState()
    state.ofi, state.vwap = ofi, vwap
    return strategy.event(what, Before(ranges, moves, removed, traded), state, row)


def holding(lots, price, now_us=0):
    strategy = Strategy(48)
    strategy.position.fill(lots < 0, abs(lots), price, now_us)
    return strategy


# Position


def test_a_position_keeps_lots_and_price_of_what_entered():
    position = Position(48)
    position.fill(BUY, 10, 100, 5)
    position.fill(BUY, 10, 110, 9)
    assert (position.lots, position.entered_lots, position.entered_notional) == (20, 20, 2100)
    position.fill(SELL, 5, 500, 9)
    assert (position.lots, position.entered_lots, position.entered_notional) == (15, 20, 2100)
    assert position.opened_us == 5
    position.fill(SELL, 15, 1, 9)
    assert (position.lots, position.entered_lots, position.entered_notional) == (0, 0, 0)


def test_a_fill_that_turns_a_position_opens_one_at_its_price():
    position = Position(48)
    position.fill(BUY, 10, 100, 5)
    position.fill(SELL, 25, 120, 9)
    assert (position.lots, position.opened_us, position.sign) == (-15, 9, -1)
    assert position.entered_notional == 120 * position.entered_lots


def test_what_the_host_states_replaces_what_was_counted():
    position = Position(48)
    position.fill(BUY, 10, 100, 5)
    position.state(False, 7, 104, 9)
    assert (position.lots, position.entered_notional, position.opened_us) == (7, 7 * 104, 5)
    position.state(True, 7, 104, 9)
    assert (position.lots, position.opened_us) == (-7, 9)
    position.state(True, 0, 104, 11)
    assert (position.lots, position.entered_lots, position.blind) == (0, 0, False)


def test_a_price_that_was_not_told_leaves_the_position_blind():
    position = Position(48)
    position.fill(BUY, 1, 0, 0)
    assert position.blind
    position.state(False, 1, 50, 0)
    assert not position.blind


def test_the_greatest_position_is_cut_and_blind():
    position = Position(8)
    for _ in range(300):
        position.fill(SELL, 255, U32, 0)
    assert position.lots == -((1 << 16) - 1)
    assert position.entered_lots <= (1 << 16) - 1
    assert position.blind


# Exits


@pytest.mark.parametrize(("lots", "price"), [(10, 105), (-10, 96)])
def test_the_hard_stop_fires_at_its_distance_and_not_before(lots, price):
    for stop, fires in ((5, True), (6, False)):
        intent = judge(holding(lots, price), seen(), settings(exits=1, stop_ticks=stop))
        assert (intent is not None) == fires
    assert (intent or judge(holding(lots, price), seen(), settings(exits=1, stop_ticks=5)))[:2] == (
        lots > 0,
        10,
    )


def test_an_entry_price_between_two_ticks_is_compared_exactly():
    strategy = Strategy(48)
    strategy.position.fill(BUY, 1, 102, 0)
    strategy.position.fill(BUY, 2, 103, 0)  # 102 2/3; the mark 100 is 2 2/3 below
    assert judge(strategy, seen(), settings(exits=1, stop_ticks=3)) is None
    intent = judge(strategy, seen(), settings(exits=1, stop_ticks=2))
    assert intent is not None
    assert intent.fired == EXIT | ExitCause.STOP


def test_the_stop_follows_the_true_range():
    # a mean true range of 8 half ticks, x 24/16: 6 ticks
    row = settings(exits=1, stop_ranges=24, average_decay=3)
    for price, fires in ((105, False), (106, True)):
        intent = judge(holding(10, price), seen(), row, ranges=8 * 256 << 3)
        assert (intent is not None) == fires


def test_the_trailing_stop_arms_at_a_gain_and_locks_its_share():
    row = settings(exits=4, trail_ticks=10, trail_eighths=4)
    strategy = holding(10, 100)
    for bid, fires in ((109, False), (101, False), (112, False), (106, False), (105, True)):
        intent = judge(strategy, seen(bid=bid, ask=bid + 1), row)
        assert (intent is not None) == fires, bid
    strategy = holding(-10, 100)
    for ask, fires in ((91, False), (99, False), (88, False), (94, False), (95, True)):
        intent = judge(strategy, seen(bid=ask - 1, ask=ask), row)
        assert (intent is not None) == fires, ask


def test_take_profit_time_and_liquidity_each_say_so():
    row = settings(exits=0b11010, take_ticks=5, time_us=100, exit_lots=10)
    for what, cause in (
        (seen(bid=105, ask=106), ExitCause.TAKE),
        (seen(now_us=100), ExitCause.TIME),
        (seen(bid_lots=9), ExitCause.LIQUIDITY),
    ):
        intent = judge(holding(10, 100), what, row)
        assert intent is not None
        assert intent.fired == EXIT | cause
        assert intent.reduce_only
    assert judge(holding(10, 100), seen(bid=104, ask=105, now_us=99), row) is None


def test_flatten_leaves_the_position_and_enters_nothing():
    row = settings(flatten=1, imbalance_sides=3, imbalance_num=0, imbalance_den=1)
    assert judge(Strategy(48), seen(ask_lots=0), row) is None
    intent = judge(holding(-3, 100), seen(valid=False), row)
    assert intent is not None
    assert (intent.is_sell, intent.qty_lots, intent.fired) == (BUY, 3, EXIT | ExitCause.FLATTEN)


def test_an_exit_waits_for_its_report_or_its_time():
    row = settings(flatten=1, exit_retry_us=100)
    strategy = holding(5, 100)
    assert judge(strategy, seen(now_us=0), row) is not None
    assert judge(strategy, seen(now_us=99), row) is None
    assert judge(strategy, seen(now_us=100), row) is not None
    strategy.reported = True
    assert judge(strategy, seen(now_us=101), row) is not None


def test_no_filter_stops_an_exit_and_an_exit_goes_before_an_entry():
    row = settings(
        flatten=0,
        exits=8,
        filters=127,
        imbalance_sides=3,
        imbalance_num=1,
        imbalance_den=1,
    )
    intent = judge(holding(5, 100), seen(bid_lots=50), row)
    assert intent is not None
    assert intent.reduce_only


# Rules and what they come to


def rules(**changes):
    """Imbalance says buy, the VWAP says sell."""
    return settings(
        **{
            "imbalance_sides": 3,
            "imbalance_num": 2,
            "imbalance_den": 1,
            "vwap_sides": 3,
            "vwap_half_ticks": 1,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "vwap", "expected"),
    [
        ({}, (9, 3), None),
        ({}, (-9, 3), (BUY, 3)),
        ({}, (0, 3), (BUY, 1)),
        ({"combine": 1}, (0, 3), None),
        ({"combine": 1}, (-9, 3), (BUY, 3)),
        ({"combine": 1, "vwap_sides": 2}, (-9, 3), None),
        ({"combine": 2, "weights": 5 | 7 << 6, "weight_least": 2}, (9, 3), (SELL, 2)),
        ({"combine": 2, "weights": 5 | 7 << 6, "weight_least": 3}, (9, 3), None),
        ({"combine": 2, "weights": 5 | 5 << 6}, (9, 3), None),
        ({"combine": 2, "weights": 5 | 5 << 6, "weight_least": 10}, (-9, 3), (BUY, 3)),
        ({"combine": 3}, (-9, 3), None),
        ({"sides": 2}, (-9, 3), None),
    ],
)
def test_rules_come_to_one_side_or_none(changes, vwap, expected):
    intent = judge(Strategy(48), seen(bid_lots=20), rules(**changes), vwap=vwap)
    assert (None if intent is None else (intent.is_sell, intent.fired)) == expected


@pytest.mark.parametrize(
    ("mode", "score", "expected"),
    [
        (1, 500, (BUY, Rule.MODEL | Rule.IMBALANCE)),
        (1, 499, (BUY, Rule.IMBALANCE)),
        (1, -500, None),
        (2, 500, (BUY, Rule.MODEL | Rule.IMBALANCE)),
        (2, 499, None),
        (0, 0, (BUY, Rule.IMBALANCE)),
    ],
)
def test_the_model_votes_or_filters(mode, score, expected):
    row = rules(vwap_sides=0, model_mode=mode, model_sides=3, model_least=500)
    intent = judge(Strategy(48), seen(bid_lots=20, score=score), row)
    assert (None if intent is None else (intent.is_sell, intent.fired)) == expected


# Before entry


@pytest.mark.parametrize(
    ("bit", "changes", "what", "holds"),
    [
        (0, {"spread_ticks": 1}, {}, True),
        (0, {"spread_ticks": 1}, {"ask": 102}, False),
        # 16 x 4 ticks at 1/2 against a spread of 1 and costs of 1
        (1, {"edge_ticks": 64, "edge_probability": 128, "edge_cost": 16}, {}, True),
        (1, {"edge_ticks": 64, "edge_probability": 128, "edge_cost": 17}, {}, False),
        (4, {"liquidity_lots": 10}, {}, True),
        (4, {"liquidity_lots": 11}, {}, False),
        (6, {}, {}, True),
    ],
)
def test_a_filter_holds_an_entry_back(bit, changes, what, holds):
    strategy = Strategy(48)
    row = rules(vwap_sides=0, filters=1 << bit, **changes)
    intent = judge(strategy, seen(**{"bid_lots": 20, **what}), row)
    assert (intent is not None) == holds
    assert strategy.filtered == (not holds)


def test_the_edge_of_a_model_is_its_probability():
    # logit 1.0: 0.731 x 256 = 187; 16 x 4 ticks x 187/256 = 46.75 sixteenths
    for cost, holds in ((30, True), (31, False)):
        row = rules(
            vwap_sides=0, filters=2, model_mode=1, model_sides=0, edge_ticks=64, edge_cost=cost
        )
        assert (judge(Strategy(48), seen(bid_lots=20, score=1 << 16), row) is not None) == holds
        assert judge(Strategy(48), seen(bid_lots=20, score=-(1 << 16)), row) is None


def test_cancels_and_volatility_hold_back_and_a_pause_ends():
    row = rules(vwap_sides=0, filters=4, cancel_share=128)
    assert judge(Strategy(48), seen(bid_lots=20), row, removed=512, traded=256) is not None
    assert judge(Strategy(48), seen(bid_lots=20), row, removed=513, traded=256) is None
    row = rules(vwap_sides=0, filters=8, volatility_high=256, volatility_extreme=512, high_shift=1)
    sizes = [
        judge(Strategy(48), seen(bid_lots=20), row, ranges=level) for level in (255, 256, 511, 512)
    ]
    assert [intent and intent.qty_lots for intent in sizes] == [10, 5, 5, None]
    strategy, row = Strategy(48), rules(vwap_sides=0, filters=32, pause_us=100)
    times = [0, 99, 100, 199, 200]
    wanted = [judge(strategy, seen(bid_lots=20, now_us=at), row) is not None for at in times]
    assert wanted == [True, False, True, False, True]


def test_the_size_grows_by_quarters_with_the_score():
    row = rules(
        vwap_sides=0, model_mode=1, model_least=100, score_step=50, size_scaled=1, qty_least=2
    )
    sizes = [
        judge(Strategy(48), seen(bid_lots=20, score=score), row).qty_lots
        for score in (-500, 149, 150, 200, 250, 1 << 30)
    ]
    assert sizes == [4, 4, 6, 8, 10, 10]
