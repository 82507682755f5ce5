# SPDX-License-Identifier: Apache-2.0
"""The rule, the gate and the reports, by hand: best bid 100, best ask 104, N = 1, order of 5."""

import pytest

from host.contract.records import DecisionFlag, InFlag, InKind, Mode, OutKind, Reason
from host.contract.registers import COUNTERS
from sim.reference import Reference
from tests.reference.model import ASK, BID, BUY, SELL, U32, U64, Model, event, record, refill

OPEN = {
    "limit_permit": 1,
    "limit_mode": Mode.ACTIVE,
    "limit_waive": U64,
    "limit_max_qty": U64,
    "limit_max_notional": U64,
    "limit_collar_ticks": U32,
    "limit_max_position": U64,
}


def trader(bid_lots=9, ask_lots=3, bid=100, ask=104, qty_bits=8, **settings):
    """A model that wants to buy 5 at 104, and whose gate lets everything through."""
    model = Model(
        qty_bits,
        **{
            "report": 0,
            "levels_n": 1,
            "ratio_num": 2,
            "ratio_den": 1,
            "rule_enable": 3,
            "order_qty": 5,
            "mode": Mode.ACTIVE,
            "rate_interval_us": 1,
            "rate_burst_us": U32,
            "stale_us": U32,
            **settings,
        },
    )
    book(model, bid_lots, ask_lots, bid, ask)
    model.write(**{**OPEN, **{k: v for k, v in settings.items() if k.startswith("limit")}})
    model.write(limit_commit=0)
    return model


def book(model, bid_lots, ask_lots, bid=100, ask=104, symbol=0):
    model.feed(refill(BID, [(bid, bid_lots)], symbol=symbol))
    model.feed(refill(ASK, [(ask, ask_lots)], symbol=symbol))


def decision(model, **more):
    """The decision of one book event, None where there is none."""
    decisions = model.of_kind(OutKind.DECISION, event(**more))
    assert len(decisions) <= 1
    return decisions[0] if decisions else None


def reasons(model, **more):
    """Reasons of the next decision."""
    verdict = int(decision(model, **more)["verdict"])
    return {reason for reason in Reason if verdict >> reason & 1}


def report(kind, side, qty, **more):
    return record(kind, side, value=qty, **more)


# The rule


@pytest.mark.parametrize(
    "bid_lots, ask_lots, wants",
    [
        (6, 3, BUY),
        (5, 3, None),
        (3, 6, SELL),
        (3, 5, None),
        (7, 3, BUY),
        (3, 7, SELL),
        (4, 4, None),
    ],
)
def test_the_rule_compares_the_sums_by_cross_multiplying(bid_lots, ask_lots, wants):
    got = decision(trader(bid_lots, ask_lots))
    assert (None if got is None else got["flags"]) == wants


@pytest.mark.parametrize("enable, wants", [(0, None), (1, BUY), (2, SELL), (3, None)])
def test_neither_when_both_hold_and_a_disabled_side_does_not_hold(enable, wants):
    model = trader(4, 4, ratio_num=1, ratio_den=1, rule_enable=enable)
    got = decision(model)
    assert (None if got is None else got["flags"]) == wants


def test_a_buy_is_at_the_best_ask_and_a_sell_at_the_best_bid():
    assert decision(trader(9, 1))["price_ticks"] == 104
    assert decision(trader(1, 9))["price_ticks"] == 100


def test_the_rule_acts_on_a_valid_view_only():
    model = trader()
    model.write(levels_n=2)  # retune
    assert decision(model) is None
    assert decision(model, symbol=1) is None  # unknown
    assert model.reference.counters["intents"] == 0


# The decision


def test_a_decision_shows_every_field():
    model = trader()
    model.feed(event(symbol=1))  # a refill request, record 0
    got = decision(model, update_id=99)
    assert {name: int(got[name]) for name in got.dtype.names} == {
        "kind": 1,
        "flags": 0,
        "symbol": 0,
        "order": 0x11,
        "seq": 1,
        "update_id": 99,
        "qty_lots": 5,
        "price_ticks": 104,
        "decision_id": 1 << 8,  # slot 0
        "verdict": 0,
        "cycle_decision": 0,
        "first_reason": 255,
        "rule": 1,
        "latency_cycles": 0,
        "span_cycles": 0,
        "score": 0,
        "limits_version": 1,
        # permit; mode 2 turned by 1; waive, max_qty, max_notional: 4 words of ones, each pair 0;
        # collar: 2 words, 0; max_position: 0.
        "limits_checksum": 1 ^ 4,
    }


def test_a_refusal_says_every_reason_and_the_lowest():
    model = trader(1, 9, limit_permit=0, limit_max_qty=4, limit_collar_ticks=0)
    got = decision(model)
    assert got["flags"] == DecisionFlag.SIDE | DecisionFlag.REFUSED
    assert got["verdict"] == 0b101100
    assert got["first_reason"] == Reason.PERMISSION


def test_every_intent_gives_one_numbered_decision_and_is_counted():
    model = trader()
    assert model.counted(event())["orders"] == 1
    model.write(mode=Mode.HALTED)
    assert decision(model)["decision_id"] == 2 << 8 | 255
    counters = model.reference.counters
    assert (counters["intents"], counters["orders"], counters["refusals"]) == (2, 1, 1)


@pytest.mark.parametrize(
    "report, reported",
    [(0, []), (1, [OutKind.VIEW]), (2, [OutKind.TRADES]), (3, [OutKind.VIEW, OutKind.TRADES])],
)
def test_the_order_of_records_is_decision_request_view_trades(report, reported):
    model = trader(report=report, refill_level=2)
    model.feed(refill(BID, [(100, 9)], 50))
    out = model.feed(event())
    kinds = [row["kind"] for row in out]
    assert kinds == [OutKind.DECISION, OutKind.REFILL_REQUEST, *reported]
    assert [row["seq"] for row in out] == list(range(len(out)))


# The gate


def test_after_reset_nothing_passes():
    model = Model(levels_n=1, ratio_den=1, rule_enable=1, order_qty=5)
    book(model, 9, 3)
    assert reasons(model) == {
        Reason.HALTED,
        Reason.PERMISSION,
        Reason.QUANTITY,
        Reason.NOTIONAL,
        Reason.COLLAR,
        Reason.POSITION,
        Reason.RATE,
        Reason.SYMBOL_HALTED,
        Reason.STRATEGY,
        *(Reason.COLLAR_PPM, Reason.COLLAR_LAST, Reason.COLLAR_LAST_PPM, Reason.PRICE),
        *(Reason.RATE_SYMBOL, Reason.WINDOW_QTY, Reason.WINDOW_NOTIONAL, Reason.REPEAT),
        *(Reason.ORDER_TRADE, Reason.OPEN_ORDERS, Reason.CREDIT_STALE, Reason.LOSSES),
        *(Reason.SPREAD, Reason.CLOCK),
    }


@pytest.mark.parametrize("mode, halted", [(0, True), (1, False), (2, False), (3, True)])
def test_halted_is_any_mode_but_reduce_only_and_active(mode, halted):
    assert (Reason.HALTED in reasons(trader(mode=mode))) == halted


@pytest.mark.parametrize("short, refused", [(5, False), (6, False), (4, True)])
def test_reduce_only_lets_through_what_cannot_add_exposure(short, refused):
    model = trader(mode=Mode.REDUCE_ONLY)
    model.feed(report(InKind.RECONCILE, SELL | InFlag.WHOLE, short))
    assert reasons(model) == ({Reason.REDUCE_ONLY} if refused else set())


def test_reduce_only_says_nothing_in_other_modes():
    assert Reason.REDUCE_ONLY not in reasons(trader(mode=Mode.HALTED))


@pytest.mark.parametrize("permit, refused", [(0, True), (1, False)])
def test_permission(permit, refused):
    assert reasons(trader(limit_permit=permit)) == ({Reason.PERMISSION} if refused else set())


@pytest.mark.parametrize("qty, most, refused", [(5, 5, 0), (5, 4, 1), (0, 5, 1), (0, 0, 1)])
def test_quantity_is_above_0_and_not_over_its_maximum(qty, most, refused):
    model = trader(order_qty=qty, limit_max_qty=most)
    assert reasons(model) == ({Reason.QUANTITY} if refused else set())


@pytest.mark.parametrize("written, wanted", [(255, 255), (256, 255), (U64, 255)])
def test_an_order_is_for_at_most_the_greatest_quantity_of_the_build(written, wanted):
    model = trader(order_qty=written, limit_max_qty=255, limit_max_position=255)
    got = decision(model)
    assert (got["qty_lots"], got["verdict"]) == (wanted, 0)


@pytest.mark.parametrize("most, refused", [(520, False), (519, True)])
def test_notional_is_price_times_quantity(most, refused):
    model = trader(limit_max_notional=most)
    assert reasons(model) == ({Reason.NOTIONAL} if refused else set())


def test_notional_is_kept_whole():
    # 2^10 x 2^54 is 0 in 64 bits.
    most = {"qty_bits": 56, "order_qty": 1 << 54}
    assert reasons(trader(bid=1023, ask=1024, **most)) == {Reason.NOTIONAL}
    assert reasons(trader(bid=1022, ask=1023, **most)) == set()


@pytest.mark.parametrize(
    "bid, ask, collar, refused",
    [(100, 104, 2, False), (100, 104, 1, True), (100, 105, 2, True), (100, 105, 3, False)],
)
@pytest.mark.parametrize("lots", [(9, 1), (1, 9)])
def test_collar_is_the_distance_from_the_mid(bid, ask, collar, refused, lots):
    # The mid of 100 and 105 is 102.5: 2.5 away.
    model = trader(*lots, bid=bid, ask=ask, limit_collar_ticks=collar)
    assert reasons(model) == ({Reason.COLLAR} if refused else set())


def test_collar_uses_all_bits():
    assert reasons(trader(bid=1, ask=U32, limit_collar_ticks=(U32 - 1) // 2)) == set()
    assert reasons(trader(bid=1, ask=U32, limit_collar_ticks=U32 // 2 - 1)) == {Reason.COLLAR}


@pytest.mark.parametrize("lots", [(9, 1), (1, 9)])
def test_position_counts_accepted_orders(lots):
    model = trader(*lots, limit_max_position=12)
    assert [reasons(model) for _ in range(3)] == [set(), set(), {Reason.POSITION}]


def test_position_at_the_limit_passes():
    assert reasons(trader(limit_max_position=5)) == set()
    assert reasons(trader(limit_max_position=4)) == {Reason.POSITION}


def test_a_refused_order_changes_nothing():
    model = trader(limit_max_position=5, mode=Mode.HALTED)
    for _ in range(3):
        assert reasons(model) == {Reason.HALTED}
    model.write(mode=Mode.ACTIVE)
    assert reasons(model) == set()


def test_long_and_short_and_symbols_have_their_own_worst():
    model = trader(limit_max_position=5)
    model.write(limit_commit=1)
    book(model, 9, 3, symbol=1)
    assert reasons(model) == set()
    assert reasons(model, symbol=1) == set()
    book(model, 3, 9)
    assert reasons(model) == set()
    assert reasons(model) == {Reason.POSITION}


@pytest.mark.parametrize(
    "kind, side, freed",
    [
        (InKind.ACK, BUY, False),
        (InKind.ACK, SELL, False),
        (InKind.FILL, BUY, False),  # the position now holds what the order held
        (InKind.FILL, SELL, False),  # the others are untrue: no sell is open
        (InKind.CANCEL, BUY, True),
        (InKind.CANCEL, SELL, False),
        (InKind.REJECT, BUY, True),
        (InKind.REJECT, SELL, False),
    ],
)
def test_reports_that_lower_the_long_side(kind, side, freed):
    model = trader(limit_max_position=5)
    assert reasons(model) == set()
    untrue = {"report_faults": 1} if side == SELL else {}
    assert model.counted(report(kind, side, 5, price=104)) == {"reports": 1, **untrue}
    assert reasons(model) == (set() if freed else {Reason.POSITION})


@pytest.mark.parametrize(
    "kind, side, freed",
    [
        (InKind.ACK, BUY, False),
        (InKind.FILL, BUY, False),
        (InKind.FILL, SELL, False),
        (InKind.CANCEL, BUY, False),
        (InKind.CANCEL, SELL, True),
        (InKind.REJECT, BUY, False),
        (InKind.REJECT, SELL, True),
    ],
)
def test_reports_that_lower_the_short_side(kind, side, freed):
    model = trader(1, 9, limit_max_position=5)
    assert reasons(model) == set()
    model.feed(report(kind, side, 5))
    assert reasons(model) == (set() if freed else {Reason.POSITION})


def test_a_fill_of_a_sell_relieves_the_long_side():
    model = trader(limit_max_position=5)
    assert reasons(model) == set()  # slot 0
    model.feed(report(InKind.FILL, BUY, 5))
    assert reasons(model) == {Reason.POSITION}
    book(model, 1, 9)
    assert reasons(model) == set()  # a sell: slot 1
    model.feed(report(InKind.FILL, SELL, 3, tag=1))
    book(model, 9, 1)
    assert reasons(model) == {Reason.POSITION}
    model.feed(report(InKind.FILL, SELL, 2, tag=1))
    assert reasons(model) == set()


def test_a_report_takes_its_quantity_and_only_of_its_symbol():
    model = trader(limit_max_position=5)
    assert reasons(model) == set()
    model.feed(report(InKind.CANCEL, BUY, 5, symbol=1), report(InKind.CANCEL, BUY, 4))
    assert reasons(model) == {Reason.POSITION}
    model.feed(report(InKind.FILL, BUY, 2), report(InKind.CANCEL, BUY, 3))
    assert reasons(model) == {Reason.POSITION}  # 2 are held, and 5 more would be 7
    model.write(limit_max_position=7, limit_commit=0)
    assert reasons(model) == set()


def traded(model, side, times):
    """So many orders, each accepted and filled."""
    for _ in range(times):
        got = decision(model)
        assert got["verdict"] == 0
        model.feed(
            report(InKind.FILL, side, int(got["qty_lots"]), tag=int(got["decision_id"]) & 255)
        )


def test_worst_saturates_at_the_top():
    model = trader(bid=1, ask=2, qty_bits=56, order_qty=1 << 55)
    traded(model, BUY, 257)  # 256 x 2^55 is one more than the greatest, 2^63 - 1
    model.write(order_qty=1, limit_max_position=1 << 63)
    model.write(limit_commit=0)
    assert reasons(model) == set()  # 2^63 - 1 + 1 is not over 2^63
    model.write(limit_max_position=(1 << 63) - 1)
    model.write(limit_commit=0)
    assert reasons(model) == {Reason.POSITION}


def test_worst_saturates_at_the_bottom():
    model = trader(1, 9, qty_bits=56, order_qty=1 << 55)
    traded(model, SELL, 300)  # 256 reach -2^63
    book(model, 9, 1)
    model.write(mode=Mode.REDUCE_ONLY)
    traded(model, BUY, 256)  # until as many have brought it back to 0
    assert reasons(model) == {Reason.REDUCE_ONLY}


# Rate and age


def test_rate_is_a_token_bucket_in_stream_time():
    # Each order moves T 10 on; an order is let through while T is at most 25 ahead.
    model = trader(rate_interval_us=10, rate_burst_us=25)
    times = [100, 100, 100, 100, 105, 115, 115]
    # T before each: 0 110 120 130 130 140 150; now + 25 is 125 125 125 125 130 140 140
    refused = [reasons(model, time_us=time) == {Reason.RATE} for time in times]
    assert refused == [False, False, False, True, False, False, True]


def test_rate_interval_0_refuses():
    assert reasons(trader(rate_interval_us=0)) == {Reason.RATE}


def test_rate_is_shared_by_all_symbols():
    model = trader(rate_interval_us=10, rate_burst_us=0)
    model.write(limit_commit=1)
    book(model, 9, 3, symbol=1)
    assert reasons(model) == set()
    assert reasons(model, symbol=1) == {Reason.RATE}
    model.feed(record(InKind.TIMER, value=10))
    assert reasons(model, symbol=1) == set()


def test_rate_time_saturates():
    model = trader(rate_interval_us=U32, rate_burst_us=0)
    assert reasons(model, time_us=U64) == set()
    assert reasons(model, time_us=U64) == set()  # T is 2^64 - 1 and not over now


def test_rate_does_not_wrap_with_the_burst():
    model = trader(rate_interval_us=1, rate_burst_us=U32)
    assert reasons(model, time_us=U64 - 5) == set()
    assert reasons(model, time_us=U64 - 5) == set()


@pytest.mark.parametrize("age, ordered", [(7, True), (8, False)])
def test_a_stale_event_makes_no_order(age, ordered):
    model = trader(stale_us=7)
    model.feed(record(InKind.TIMER, value=100))
    assert (decision(model, time_us=100 - age) is not None) == ordered
    assert model.reference.counters["intents"] == ordered


# Registers


def test_limits_take_effect_together_when_committed():
    model = trader()
    model.write(limit_permit=0, limit_max_qty=4)
    assert reasons(model) == set()
    model.write(limit_commit=1)
    assert reasons(model) == set()
    model.write(limit_commit=0)
    assert reasons(model) == {Reason.PERMISSION, Reason.QUANTITY}


def test_limits_version_counts_commits_of_symbols_there_are():
    model = trader()
    for symbol in (2, 255, 256, U32):
        model.write(limit_commit=symbol)
    assert model.reference.limits_version == 1
    model.write(limit_commit=1)
    assert model.reference.limits_version == 2
    assert decision(model)["limits_version"] == 1
    model.write(limit_commit=0)
    assert decision(model)["limits_version"] == 3


def test_a_register_keeps_its_width():
    model = trader(report=8, rule_enable=5, levels_n=17, ratio_num=0x10002, mode=6)
    got = model.feed(event())
    assert [row["kind"] for row in got] == [OutKind.DECISION]  # report 0, buy on, N 1, ACTIVE
    assert got[0]["verdict"] == 0


def test_soft_reset_returns_everything_to_the_reset_state():
    model = trader(report=1)
    model.feed(event(time_us=1000), record(0), record(InKind.EVENT_BEGIN, symbol=1))
    model.write(control=1)
    assert set(model.reference.counters.values()) == {0}
    assert model.reference.limits_version == 0
    model.write(report=1)
    assert model.counted(record(InKind.EVENT_END)) == {"malformed_frame": 1}
    fresh = Model(levels_n=0)
    fresh.feed(record(InKind.EVENT_END))
    for records in (event(), event(symbol=1), refill(BID, [(1, 1)]), event()):
        assert [row.tobytes() for row in model.feed(records)] == [
            row.tobytes() for row in fresh.feed(records)
        ]


def test_control_without_bit_0_resets_nothing():
    model = trader()
    model.write(control=2)
    assert reasons(model) == set()


@pytest.mark.parametrize("name", ["records_in", "cycle", "nothing"])
def test_only_a_register_that_may_be_written_is(name):
    with pytest.raises(ValueError, match=f"expected a writable one, was '{name}'"):
        Reference().write(name, 1)


def test_heartbeats_timers_and_counters_of_the_table():
    model = Model()
    model.feed(record(InKind.HEARTBEAT), record(InKind.TIMER), record(InKind.TIMER))
    counters = model.reference.counters
    assert list(counters) == list(COUNTERS)
    assert (counters["heartbeats"], counters["timers"], counters["records_in"]) == (1, 2, 3)


def test_counters_saturate():
    model = Model()
    model.reference._counts["timers"] = U32 - 1
    model.feed([record(InKind.TIMER)] * 3)
    assert model.reference.counters["timers"] == U32
