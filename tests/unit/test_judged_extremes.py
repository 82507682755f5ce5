# SPDX-License-Identifier: Apache-2.0
"""Features and strategy where a market is empty, flat, tiny or as large as numbers go."""

import pytest

from hdl.config import BuildConfig
from hdl.records import ExitCause, Rule
from host.contract.features import FEATURE_NAMES
from host.contract.records import InFlag, InKind
from tests.unit.fabric import ASK, BID, event, record, refill
from tests.unit.judged_bench import Write, check

CONFIG = BuildConfig(symbols=2, levels=10, qty_bits=48)
MOST_QTY, U32, U64 = (1 << 48) - 1, (1 << 32) - 1, (1 << 64) - 1
BUY, SELL = 0, int(InFlag.SIDE)


def book(bids, asks):
    return [*refill(BID, bids), *refill(ASK, asks)]


def settings(symbol=0, **values):
    """Active settings of a symbol; every rule, filter and exit is at zero where not named."""
    names = {"active": 1, "sides": 3, "entry_order": 0x11, "exit_order": 0x11, "qty_most": 1}
    writes = [Write(f"strategy_{name}", value) for name, value in (names | values).items()]
    return [Write("levels_n", 10), *writes, Write("strategy_commit", symbol)]


def fill(side, qty, price):
    return record(InKind.FILL, side, price=price, value=qty)


def named(vector):
    return dict(zip(FEATURE_NAMES, vector, strict=True))


def features(*items):
    return [named(vector) for vector in check(CONFIG, items)[0]]


def intents(*items):
    return [intent[:5] for intent in check(CONFIG, items)[1]]


def test_an_empty_side_gives_no_features_and_no_order():
    found = features(
        *settings(imbalance_sides=3),
        *book([(100, 5)], []),
        *event([], 1),
        *book([], [(101, 5)]),
        *event([], 2),
    )
    assert [set(vector.values()) for vector in found] == [{0}, {0}]
    assert intents(*settings(imbalance_sides=3), *book([(100, 5)], []), *event([], 1)) == []


def test_one_level_a_side_is_a_book():
    (found,) = features(*settings(), *book([(100, 4)], [(102, 2)]), *event([], 1))
    assert (found["spread"], found["imbalance_1"], found["imbalance_n"]) == (2048, 1024, 1024)
    assert (found["wall_bid"], found["wall_bid_distance"]) == (0, 0)


@pytest.mark.parametrize(("bid", "ask"), [(1, 2), (U32 - 1, U32), (1, U32)])
def test_prices_at_both_ends_of_their_range(bid, ask):
    found = features(
        *settings(),
        *book([(bid, 4)], [(ask, 4)]),
        record(InKind.TRADE, BUY, price=ask, value=7),
        *event([], 1),
        *event([(BID, bid, 9), (ASK, ask, 1)], 2),
        *event([], 3),
    )
    spread = ask - bid
    assert found[0]["spread"] == 1024 * spread.bit_length() + (
        (spread << 10 >> spread.bit_length() - 1) - 1024
    )
    assert found[1]["ofi_event"] == 4096  # 5 more bids, 3 fewer asks
    assert found[2]["ofi_event"] == 0


def test_the_greatest_quantities_on_every_level_and_in_every_trade():
    bids = [(1000 - at, MOST_QTY) for at in range(10)]
    asks = [(1001 + at, MOST_QTY) for at in range(10)]
    trades = [record(InKind.TRADE, side, price=U32, value=MOST_QTY) for side in (0, 1) * 20]
    found = features(
        Write("trade_window", 31),
        *settings(flow_decay=8, average_decay=8),
        *book(bids, asks),
        *event([], 1),
        *trades,
        *event([(BID, 1000, 0), (ASK, 1001, 0)], 2),
        *event([(BID, 1000, MOST_QTY)], 3),
        *trades,
        *event([(BID, 1000, 0)], 4),
    )
    assert found[0]["imbalance_weighted"] == 0
    assert found[1]["print_flow"] == 0
    assert found[2]["vwap_distance"] < 0
    assert max(abs(value) for vector in found for value in vector.values()) < (1 << 17) - 1


def test_nothing_moves_and_nothing_trades():
    quiet = [row for at in range(6) for row in event([], at, time_us=at)]
    found = features(
        *settings(average_decay=2, bar_log2_us=1),
        *book([(100, 5)], [(101, 5)]),
        *quiet,
    )
    last = found[-1]
    still = ("mid_change", "mid_change_mean", "true_range", "ofi", "ofi_multi", "cancel_share")
    silent = ("trade_flow", "print_flow", "volume_spike", "vwap_distance", "print_offset")
    assert {last[name] for name in (*still, *silent, "liquidity")} == {0}
    assert last["event_gap"] == 1024


def test_ratios_of_zero_by_zero_vote_for_neither_side():
    zeros = settings(
        imbalance_sides=3, vwap_sides=3, flow_sides=3, wall_sides=3, combine=0, filters=0
    )
    found = intents(*zeros, *book([(100, 5)], [(101, 5)]), *event([], 1), *event([], 2))
    assert found == []  # both sides of each hold, or none


def test_a_size_of_zero_is_wanted_and_left_to_the_gate():
    rule = settings(imbalance_sides=1, imbalance_den=1, qty_most=0)
    found = intents(*rule, *book([(100, 5)], [(101, 5)]), *event([], 1))
    assert found == [(0, 0, 101, 0x11, int(Rule.IMBALANCE))]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_greatest_position_at_the_greatest_price_is_left_in_parts(side):
    fills = [fill(side, MOST_QTY, U32 - 1)] * 6
    mark = (U32 - 12, U32 - 11) if side == BUY else (U32 - 1, U32)
    found = intents(
        *settings(exits=1, stop_ticks=1 if side == SELL else 11),
        *book([(mark[0], 5)], [(mark[1], 5)]),
        *fills,
        *event([], 1),
        fill(1 - side, MOST_QTY, 5),
        *event([], 2),
    )
    price = mark[0] if side == BUY else mark[1]
    stop = int(Rule.EXIT) | int(ExitCause.STOP)
    assert found == [(1 - side, MOST_QTY, price, 0x11, stop)] * 2


def test_fills_back_to_back_turn_a_position_and_each_counts():
    found = intents(
        *settings(flatten=1),
        *book([(100, 5)], [(101, 5)]),
        fill(BUY, 10, 100),
        fill(SELL, 25, 90),
        fill(BUY, 4, 95),
        fill(BUY, 4, 95),
        *event([], 1),
        record(InKind.RECONCILE, InFlag.WHOLE | SELL, price=50, value=3),
        fill(SELL, 2, 50),
        *event([], 2),
        record(InKind.RECONCILE, InFlag.WHOLE, price=0, value=0),
        *event([], 3),
    )
    flatten = int(Rule.EXIT) | int(ExitCause.FLATTEN)
    assert found == [(0, 7, 101, 0x11, flatten), (0, 5, 101, 0x11, flatten)]


def test_a_position_without_an_entry_price_is_stopped_at_once():
    found = intents(
        *settings(exits=0b111, stop_ticks=(1 << 24) - 1, trail_eighths=8),
        *book([(100, 5)], [(101, 5)]),
        fill(BUY, 1, 0),
        *event([], 1),
    )
    assert found == [(1, 1, 100, 0x11, int(Rule.EXIT) | int(ExitCause.STOP))]


@pytest.mark.parametrize(
    ("rule", "bid", "ask", "price"), [(1, U32 - 1, U32, U32), (2, 1, 2, 1)], ids=["buy", "sell"]
)
def test_a_protected_price_stays_within_the_prices_there_are(rule, bid, ask, price):
    one = settings(imbalance_sides=rule, imbalance_den=1, entry_order=0x12, entry_protect=5)
    found = intents(*one, *book([(bid, 5)], [(ask, 5)]), *event([], 1))
    assert found == [(rule - 1, 1, price, 0x12, int(Rule.IMBALANCE))]


def test_a_pause_longer_than_any_width_is_the_longest():
    found = features(
        *settings(average_decay=2),
        *book([(100, 5)], [(101, 5)]),
        *event([], 1, time_us=5),
        *event([], 2, time_us=5 + (1 << 40)),
        *event([], 3, time_us=5 + (1 << 40)),
    )
    longest = 1024 * 33 - 1  # M(2^32 - 1)
    assert [vector["event_gap"] for vector in found] == [0, longest, 0]


def test_lots_traded_beyond_the_greatest_quantity_are_the_greatest():
    (found,) = features(
        *settings(),
        *book([(100, 5)], [(101, 5)]),
        *[record(InKind.TRADE, BUY, price=100, value=MOST_QTY)] * 3,
        record(InKind.TRADE, SELL, price=100, value=MOST_QTY),
        *event([], 1),
    )
    assert found["print_flow"] == 0  # 3 x the greatest would wrap to 2 less than it


@pytest.mark.parametrize(("ticks", "entries"), [(2, 0), (3, 1)])
def test_a_wall_counts_up_to_its_distance_from_the_touch(ticks, entries):
    rule = settings(wall_sides=3, wall_num=1, wall_den=2, wall_ticks=ticks)
    found = intents(
        *rule, *book([(100, 1), (97, 50)], [(101, 5), (102, 5), (103, 5)]), *event([], 1)
    )
    assert len(found) == entries


@pytest.mark.parametrize(("lots", "entries"), [(50, 1), (51, 0)])
def test_an_entry_needs_the_liquidity_asked_for_on_both_sides(lots, entries):
    rule = settings(imbalance_sides=1, imbalance_den=1, filters=1 << 4, liquidity_lots=lots)
    found = intents(*rule, *book([(100, 50)], [(101, 60)]), *event([], 1))
    assert len(found) == entries


def test_a_symbol_that_is_to_be_flat_is_not_entered():
    rule = settings(imbalance_sides=1, imbalance_den=1, flatten=1)
    assert intents(*rule, *book([(100, 5)], [(101, 5)]), *event([], 1)) == []


@pytest.mark.parametrize(("wall_sides", "entries"), [(2, 0), (0, 1)])
def test_rules_that_disagree_come_to_nothing(wall_sides, entries):
    rule = settings(imbalance_sides=1, imbalance_den=1, wall_num=1, wall_den=2, wall_ticks=3)
    also = [Write("strategy_wall_sides", wall_sides), Write("strategy_commit", 0)]
    bids = [(100, 5), (99, 5), (98, 5)]
    found = intents(*rule, *also, *book(bids, [(101, 9)]), *event([], 1))
    assert len(found) == entries


def scored(*items, spaced=False):
    config = BuildConfig(symbols=2, levels=10, qty_bits=48, trees=1, spaced=spaced)
    return check(config, items)[1]


def test_a_model_that_is_not_sure_lets_no_entry_through():
    rule = settings(
        imbalance_sides=1, imbalance_den=1, model_mode=2, model_sides=3, model_least=(1 << 31) - 1
    )
    assert scored(*rule, *book([(100, 5)], [(101, 5)]), *event([], 1)) == []


def test_with_a_model_the_edge_is_judged_by_its_own_probability():
    rule = settings(
        model_mode=1, model_sides=3, filters=1 << 1, edge_ticks=65535, edge_probability=0
    )
    (found,) = scored(*rule, *book([(100, 5)], [(101, 5)]), *event([], 1))
    assert found[4] == int(Rule.MODEL)


@pytest.mark.parametrize("spaced", [False, True], ids=["a record a clock", "spaced"])
@pytest.mark.parametrize("steps", range(4))
def test_an_entry_grows_by_a_quarter_with_each_step_of_the_score(steps, spaced):
    names = {"model_mode": 1, "model_sides": 3, "qty_least": 4, "qty_most": 104, "size_scaled": 1}
    market = (*book([(100, 5)], [(101, 5)]), *event([], 1))
    (found,) = scored(*settings(**names, score_step=1), *market)
    score = abs(found[5])
    assert score > 1000
    step = score // steps if steps else score + 1
    (found,) = scored(*settings(**names, score_step=step), *market, spaced=spaced)
    assert found[1] == 4 + 25 * (1 + steps)
