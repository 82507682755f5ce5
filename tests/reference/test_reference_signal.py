# SPDX-License-Identifier: Apache-2.0
"""The features of the reference model against examples worked by hand and against floats."""

import math

import pytest

from host.contract.features import FEATURE_NAMES, FEATURES
from sim.reference_signal import (
    BookSide,
    Moment,
    SignalSettings,
    SignalState,
    curved,
    signed,
    straight,
)

NO_TABLE = [0] * 128


def side(*levels, n=10):
    counted = levels[:n]
    wall = max(counted, key=lambda level: level[1], default=(0, 0))
    return BookSide(levels, sum(lots for _, lots in counted), wall)


def moment(now_us=0, bought=0, sold=0, notional=0, last=None):
    return Moment(now_us, bought, sold, notional, last)


def event(state, bids, asks, settings=None, table=NO_TABLE, **tape):
    """One usable event; its features by name."""
    vector = state.event(
        side(*bids), side(*asks), moment(**tape), settings or SignalSettings(), table
    )
    return dict(zip(FEATURE_NAMES, vector, strict=True))


@pytest.mark.parametrize("x", [1, 2, 3, 7, 127, 128, 129, 1000, 12345, (1 << 48) - 1, 1 << 90])
def test_logarithms_are_those_of_mathematics_to_their_resolution(x):
    exact = 1024 * (1 + math.log2(x))
    assert exact - 12 <= curved(x) <= exact + 1e-6  # the step of the table
    assert exact - 90 <= straight(x) <= exact + 1e-6  # log2(1 + f) - f is at most 0.0861
    assert signed(-x) == -straight(x)


def test_logarithms_rise_and_are_exact_at_powers_of_two():
    for log in (curved, straight):
        assert log(0) == 0
        assert [log(1 << e) for e in range(80)] == [1024 * (e + 1) for e in range(80)]
        logs = [log(x) for x in range(5000)]
        assert logs == sorted(logs)


def test_a_ratio_of_two_is_1024_whichever_way():
    found = event(SignalState(), [(100, 8), (99, 24)], [(101, 4), (102, 4)])
    assert found["imbalance_1"] == 1024
    assert found["imbalance_n"] == 2048  # 32 to 8
    # 8 x 512 + 24 x 256 = 10240 to 4 x 512 + 4 x 256 = 3072: log2 of 10/3 is 1.737
    assert found["imbalance_weighted"] == pytest.approx(1779, abs=12)
    assert found["spread"] == 1024
    assert found["wall_bid"] == curved(24) - curved(32)
    assert found["wall_bid_distance"] == straight(1)
    assert found["wall_ask_distance"] == 0  # of equals the better one


def test_order_flow_is_that_of_the_paper():
    state = SignalState()
    event(state, [(100, 10)], [(102, 10)])
    for bids, asks, flow in (
        ([(100, 14)], [(102, 10)], 4),  # a bid grew
        ([(100, 14)], [(102, 7)], 3),  # an ask shrank
        ([(101, 5)], [(102, 7)], 5),  # a better bid
        ([(100, 14)], [(102, 7)], -5),  # it is gone
        ([(100, 14)], [(101, 6)], -6),  # a better ask
        ([(100, 14)], [(103, 9)], 6),  # it is gone
        ([(100, 14)], [(103, 9)], 0),
    ):
        assert event(state, bids, asks)["ofi_event"] == signed(flow), (bids, asks)


def test_leaky_sums_forget():
    state, settings = SignalState(), SignalSettings(flow_decay=1)
    event(state, [(100, 10)], [(102, 10)], settings)
    event(state, [(100, 30)], [(102, 10)], settings)
    assert state.ofi == 256 * 20
    event(state, [(100, 30)], [(102, 10)], settings)
    assert state.ofi == 256 * 10
    event(state, [(100, 29)], [(102, 10)], settings)
    assert state.ofi == 256 * 4


def test_what_left_the_touch_without_a_trade_is_a_cancel():
    state, settings = SignalState(), SignalSettings(flow_decay=8)
    event(state, [(100, 10)], [(102, 10)], settings)
    state.trade(4, True)
    event(state, [(100, 6)], [(102, 10)], settings)
    assert (state.removed, state.traded) == (256 * 4, 256 * 4)
    found = event(state, [(99, 1)], [(102, 10)], settings)
    assert found["cancel_share"] == 0  # as much traded as left, before this event
    found = event(state, [(99, 1)], [(102, 10)], settings)
    assert found["cancel_share"] > 1024


def test_the_mid_is_compared_with_the_vwap_an_event_later():
    state = SignalState()
    # 30 lots at 100 and 10 at 104: the VWAP is 101, the mid 103, four half ticks above.
    tape = {"bought": 30, "sold": 10, "notional": 30 * 100 + 10 * 104, "last": 104}
    assert event(state, [(102, 1)], [(104, 1)], **tape)["vwap_distance"] == 0
    found = event(state, [(102, 1)], [(104, 1)], **tape)
    assert found["vwap_distance"] == straight(160) - straight(40) + 8192
    assert found["vwap_distance"] == pytest.approx(1024 * (math.log2(4) + 8), abs=90)
    assert found["print_offset"] == signed(2 * 104 - 206)


def test_true_range_reaches_over_the_gap_to_the_bar_before():
    state, settings = SignalState(), SignalSettings(bar_log2_us=4)
    for now_us, bid in ((0, 100), (3, 104), (15, 102), (16, 110), (31, 111)):
        event(state, [(bid, 1)], [(bid + 1, 1)], settings, now_us=now_us)
    assert state.bars.ranges.sum == 256 * 8  # high 209, low 201
    event(state, [(111, 1)], [(112, 1)], settings, now_us=32)
    assert state.bars.ranges.sum == 256 * 18  # high 223, and the close before was 205


def test_the_micro_price_is_the_entry_of_its_buckets():
    table = [at - 64 for at in range(128)]
    for bid_lots, ask_lots, spread, entry in (
        (8, 8, 1, 8),
        (1 << 47, 1, 1, 15),
        (1, 1 << 47, 1, 0),
        (8, 8, 8, 16 * 7 + 8),
        (8, 8, 4_000_000_000, 16 * 7 + 8),
        (12, 8, 3, 16 * 2 + 9),  # M(12) - M(8) is 512
    ):
        found = event(SignalState(), [(1, bid_lots)], [(1 + spread, ask_lots)], table=table)
        assert found["micro_offset"] == entry - 64


def test_averages_begin_at_their_first_value():
    state, settings = SignalState(), SignalSettings(average_decay=5)
    assert event(state, [(100, 8)], [(101, 8)], settings)["liquidity"] == curved(16)
    assert event(state, [(100, 8)], [(101, 8)], settings)["liquidity"] == 0
    assert event(state, [(100, 16)], [(101, 16)], settings)["liquidity"] == 1024


def test_an_event_that_is_not_usable_breaks_the_comparison_with_the_one_before():
    state = SignalState()
    event(state, [(100, 10)], [(102, 10)])
    state.trade(5, False)
    assert state.skip() == [0] * len(FEATURES)
    found = event(state, [(90, 3)], [(92, 3)], now_us=50)
    assert (found["ofi_event"], found["mid_change"], found["event_gap"]) == (0, 0, 0)
    assert found["print_flow"] == 0


@pytest.mark.parametrize("decay", [0, 8])
def test_no_feature_reaches_its_limit_however_large_the_market(decay):
    settings = SignalSettings(flow_decay=decay, average_decay=decay)
    state = SignalState(qty_bits=56)
    most, top = (1 << 56) - 1, (1 << 32) - 1
    seen = []
    for turn in range(3000):
        high = turn % 2
        bids = [(top - 1 - at if high else 10 - at, most) for at in range(10)]
        asks = [(top, most)] if high else [(11 + at, 1) for at in range(10)]
        state.trade(most, bool(high))
        tape = {"bought": 8 * most * high, "sold": 8 * most, "notional": 8 * most * top}
        found = event(state, bids, asks, settings, now_us=turn << 40, last=1, **tape)
        seen += [abs(value) for value in found.values()]
    assert max(seen) < (1 << 17) - 1
