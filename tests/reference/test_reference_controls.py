# SPDX-License-Identifier: Apache-2.0
"""The controls of docs/risk.md by hand: bid 100, ask 104, last trade 101, buys of 5 at 104."""

import re
from pathlib import Path

import pytest

from host.contract.records import AlertCause, InKind, KillCause, Mode, Reason, ViewReason
from host.contract.registers import REGISTERS
from host.execution.steps import step
from sim.reference_gate import EXITS_PASS, LIMIT_BITS, REARM_KEYS, GateModel, Order

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
QTY_BITS = 16
OPEN = {
    **dict.fromkeys(
        ("max_qty", "max_notional", "window_qty", "window_notional", "max_position"), U64
    ),
    **dict.fromkeys(("collar_ticks", "last_ticks", "max_price", "drift_ticks", "max_spread"), U32),
    **dict.fromkeys(("burst_us", "pause_ticks", "trade_grace"), U32),
    **{"permit": 1, "mode": 2, "strategies": 255, "interval_us": 1, "max_repeats": 0xFFFF},
    **{"collar_ppm": 1_000_000, "last_ppm": 1_000_000, "max_open": 255, "tolerance": 0},
    **{"qty_inverse": 1, "qty_bound": U64, "tick_inverse": 1, "tick_bound": U32},
    **{"lot_value": 10, "tick_value": 1},
}
SETTINGS = {
    **{"mode": 2, "rate_interval_us": 1, "rate_burst_us": U32, "risk_window": 4, "stale_us": U32},
    **{"max_gross": U64, "max_net": U64, "max_open_orders": 0xFFFF, "credit_age_us": U32},
    **{"max_losses": 255, "max_day_loss": U64, "max_window_loss": U64, "max_drawdown": U64},
    **{"loss_window": 4, "clock_drift_us": U32},
}


class Gate:
    """A gate of two symbols that lets everything through but for what is asked of it."""

    def __init__(self, own_orders=4, **changed):
        self.registers = {name: 0 for name, register in REGISTERS.items() if register.writable}
        self.registers |= SETTINGS | {f"limit_{name}": OPEN.get(name, 0) for name in LIMIT_BITS}
        self.model = GateModel(2, QTY_BITS, own_orders, self.registers)
        self.set(**changed)
        self.model.timer(0)
        self.model.credit(U64, 0)
        self.slot = None

    def set(self, **changed):
        for name, value in changed.items():
            name = f"limit_{name}" if name in LIMIT_BITS and name not in SETTINGS else name
            assert name in self.registers
            self.registers[name] = value
        for symbol in (0, 1):
            self.model.commit(symbol)

    def order(self, sell=False, price=None, qty=5, now=0, symbol=0, bid=100, ask=104, **more):
        """Reasons of an order."""
        price = (bid if sell else ask) if price is None else price
        last = more.pop("last", 101)
        judged = self.model.order(Order(symbol, sell, price, qty, bid, ask, last, now, **more))
        self.slot = judged.slot
        return {reason for reason in Reason if judged.verdict >> reason & 1}

    def fill(self, qty=5, price=104, sell=False, symbol=0, slot=None):
        slot = self.slot if slot is None else slot
        return self.model.report(int(InKind.FILL), symbol, sell, slot, price, qty)

    def event(self, bid, ask, now=0, symbol=0, reasons=0):
        return self.model.book_event(symbol, bid, ask, reasons, now)


def refused(condition, reason):
    return {reason} if condition else set()


def test_the_open_gate_lets_an_order_through():
    assert Gate().order() == set()


@pytest.mark.parametrize("mode", range(4))
def test_modes_of_a_symbol(mode):
    gate = Gate()
    gate.registers["limit_mode"] = mode
    gate.model.commit(0)
    expected = {0: {Reason.SYMBOL_HALTED}, 1: {Reason.REDUCE_ONLY}, 3: {Reason.SYMBOL_HALTED}}
    assert gate.order() == expected.get(mode, set())
    assert gate.order(symbol=1) == set()


@pytest.mark.parametrize(
    "strategy, allowed, bad", [(1, 1, 0), (2, 1, 1), (3, 1, 1), (3, 3, 0), (0, 3, 1)]
)
def test_every_strategy_behind_an_order_is_permitted(strategy, allowed, bad):
    assert Gate(strategies=allowed).order(strategy=strategy) == refused(bad, Reason.STRATEGY)


@pytest.mark.parametrize("least, bad", [(5, 0), (6, 1)])
def test_least_quantity(least, bad):
    assert Gate(min_qty=least).order() == refused(bad, Reason.QUANTITY_MIN)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
def test_steps_of_quantity_and_price(size):
    lots, ticks = step(size, QTY_BITS), step(size, 32)
    gate = Gate(
        own_orders=128,
        **{f"qty_{name}": value for name, value in lots._asdict().items()},
        **{f"tick_{name}": value for name, value in ticks._asdict().items()},
    )
    for number in range(1, 60):
        expected = refused(number % size, Reason.QUANTITY_STEP)
        assert gate.order(qty=number, price=size * 20) == expected
        assert gate.order(qty=size, price=number) == refused(number % size, Reason.TICK)


@pytest.mark.parametrize("ppm, bad", [(19_608, 0), (19_607, 1)])
def test_a_share_of_the_mid(ppm, bad):
    # 2 from 102 are 19,607.8 millionths.
    assert Gate(collar_ppm=ppm).order() == refused(bad, Reason.COLLAR_PPM)
    assert Gate(collar_ppm=ppm).order(sell=True) == refused(bad, Reason.COLLAR_PPM)


def test_the_last_trade_as_reference_and_none():
    assert Gate(last_ticks=3).order() == set()
    assert Gate(last_ticks=2).order() == {Reason.COLLAR_LAST}
    assert Gate(last_ppm=29_703).order() == set()  # 3 from 101 are 29,702.97 millionths
    assert Gate(last_ppm=29_702).order() == {Reason.COLLAR_LAST_PPM}
    assert Gate().order(last=None) == {Reason.COLLAR_LAST, Reason.COLLAR_LAST_PPM}


@pytest.mark.parametrize("low, high, bad", [(104, 104, 0), (105, 200, 1), (0, 103, 1)])
def test_range_of_a_price(low, high, bad):
    assert Gate(min_price=low, max_price=high).order() == refused(bad, Reason.PRICE)


@pytest.mark.parametrize(
    "order, bad", [(0x11, 0), (0x32, 0), (0x21, 0), (0x10, 1), (0x13, 1), (0x01, 1), (0x41, 1)]
)
def test_types_of_an_order(order, bad):
    assert Gate().order(order=order) == refused(bad, Reason.ORDER_TYPE)


def test_the_same_order_again_within_its_time():
    gate = Gate(duplicate_us=10, own_orders=16)
    assert gate.order(now=100) == set()
    assert gate.order(now=109) == {Reason.DUPLICATE}
    assert gate.order(now=109, qty=6) == set()
    assert gate.order(now=109) == set()  # the last one was another
    assert gate.order(now=118, symbol=1) == set()
    assert gate.order(now=119) == set()


def test_no_trade_with_an_own_order():
    gate = Gate(own_orders=16)
    assert gate.order(sell=True, price=104) == set()
    assert gate.order(price=103) == set()
    assert gate.order(price=104) == {Reason.SELF_TRADE}
    assert gate.order(price=104, symbol=1) == set()
    gate.fill(sell=True, slot=0)
    assert gate.order(price=104) == set()
    gate.model.reconcile(0, False, 0, 0, adopt=True)
    assert gate.order(price=100) == set()
    assert gate.order(sell=True, price=101) == set()
    assert gate.order(sell=True, price=100) == {Reason.SELF_TRADE}


def test_windows_count_this_bucket_and_the_one_before():
    gate = Gate(window_qty=12, own_orders=16)  # buckets of 16 us
    assert [gate.order(now=now) for now in (0, 15)] == [set(), set()]
    assert gate.order(now=15, qty=3) == {Reason.WINDOW_QTY}
    assert gate.order(now=16, qty=2) == set()  # 10 and 2
    assert gate.order(now=31, qty=1) == {Reason.WINDOW_QTY}
    assert gate.order(now=32, qty=10) == set()  # 2 and 10
    assert gate.order(now=64, qty=12) == set()


def test_notional_over_the_window():
    gate = Gate(window_notional=1040)
    assert [gate.order() for _ in range(3)] == [set(), set(), {Reason.WINDOW_NOTIONAL}]


def test_drift_is_from_the_first_price_of_its_window():
    gate = Gate(drift_ticks=2, drift_us=50, own_orders=16)
    assert gate.order(price=100) == set()
    assert gate.order(price=102, now=50) == set()
    assert gate.order(price=103, now=50) == {Reason.DRIFT}
    assert gate.order(price=103, now=51) == set()  # a new window
    assert gate.order(price=101, now=60) == set()
    assert gate.order(price=100, now=60) == {Reason.DRIFT}


def test_repetitions_until_they_are_rearmed():
    gate = Gate(max_repeats=2, own_orders=16)
    assert [gate.order() for _ in range(3)] == [set(), set(), {Reason.REPEAT}]
    gate.model.rearm_repeats(1)
    assert gate.order() == {Reason.REPEAT}
    gate.model.rearm_repeats(0)
    assert gate.order() == set()


def test_orders_to_fills():
    gate = Gate(trade_grace=1, trade_ratio=2, own_orders=16)
    assert gate.order() == set()
    slot = gate.slot
    assert gate.order() == {Reason.ORDER_TRADE}
    gate.fill(qty=1, slot=slot)
    assert [gate.order() for _ in range(3)] == [set(), set(), {Reason.ORDER_TRADE}]


def test_gross_and_net_over_symbols():
    gate = Gate(max_gross=150)  # a lot is worth 10
    assert gate.order() == set()
    gate.fill()
    assert gate.order(sell=True, symbol=1) == set()
    gate.fill(sell=True, symbol=1)
    assert gate.order() == set()  # 50 + 50 + 50
    assert gate.order(qty=1) == {Reason.GROSS}
    gate = Gate(max_net=50)
    assert gate.order() == set()
    gate.fill()
    assert gate.order(qty=1) == {Reason.NET}
    assert gate.order(sell=True, qty=10) == set()  # -50 + 100
    assert gate.order(sell=True, qty=1) == {Reason.NET}


def test_open_orders_of_a_symbol_and_of_all():
    gate = Gate(max_open=1)
    assert [gate.order(), gate.order(), gate.order(symbol=1)] == [
        set(),
        {Reason.OPEN_ORDERS},
        set(),
    ]
    gate = Gate(max_open_orders=1)
    assert [gate.order(), gate.order(symbol=1)] == [set(), {Reason.OPEN_ORDERS}]


def test_credit_is_spent_and_ages():
    gate = Gate(credit_age_us=10)
    gate.model.credit(70, 5)
    assert gate.order(now=15) == set()
    assert gate.order(now=15) == {Reason.CREDIT}  # 20 are left
    assert gate.order(now=15, qty=2) == set()
    assert gate.order(now=16, qty=0) == {Reason.QUANTITY, Reason.CREDIT_STALE}


def test_losing_round_trips_in_a_row():
    gate = Gate(max_losses=2, own_orders=64, waive=1 << Reason.SELF_TRADE)

    def trip(buy, sell):
        gate.order()
        gate.fill(price=buy)
        gate.order(sell=True)
        gate.fill(price=sell, sell=True)

    trip(104, 103)
    assert gate.order() == set()
    trip(104, 104)  # neither lost nor won
    trip(104, 100)
    # The order above is still open, but of the trips two were lost.
    assert gate.order() == {Reason.LOSSES}
    gate.model.day()
    assert gate.order() == set()


def test_losses_are_marked_at_the_mid_of_every_event():
    gate = Gate(max_day_loss=10, max_drawdown=12, waive=1 << Reason.SELF_TRADE)
    gate.order()
    gate.fill(price=104)  # 5 at 104
    gate.event(100, 104)  # mid 102: 10 lost
    assert gate.order(qty=1) == set()
    gate.event(100, 103)  # mid 101.5: 12.5 lost
    assert gate.order(qty=1) == {Reason.LOSS_DAY, Reason.DRAWDOWN}
    assert gate.order(sell=True, qty=1, reduce_only=True) == set()
    gate.model.day()
    gate.event(100, 103)
    assert gate.order(qty=1) == set()


def test_the_loss_window_forgets():
    gate = Gate(max_window_loss=9)
    gate.order()
    gate.fill(price=104)
    gate.event(103, 105, now=0)  # nothing lost yet
    gate.event(102, 104, now=16)  # 5
    gate.event(101, 103, now=32)  # 10
    assert gate.order(qty=1, now=32) == {Reason.LOSS_WINDOW}
    gate.event(101, 103, now=64)  # the best of the buckets 16 to 64 was -5
    assert gate.order(qty=1, now=64) == set()


def test_a_loss_kills_where_it_is_told_to():
    gate = Gate(max_day_loss=10, loss_kill=1)
    gate.order()
    gate.fill(price=104)
    alert = gate.event(90, 92)
    assert alert is not None and alert.cause is AlertCause.KILL
    assert gate.model.kill_causes == KillCause.LOSS
    assert gate.order(sell=True, reduce_only=True) == {Reason.KILL}


def test_spread_and_data_of_the_view():
    assert Gate(max_spread=4).order() == set()
    assert Gate(max_spread=3).order() == {Reason.SPREAD}
    for name in ("GAP", "CROSSED", "SHALLOW", "RESYNC"):
        assert Gate().order(reasons=ViewReason[name]) == {Reason[name]}
    assert Gate().order(valid=False) == {Reason.BOOK}


def test_a_fast_move_pauses():
    gate = Gate(pause_ticks=2, pause_window_us=100, pause_us=50)
    gate.event(100, 104, now=0)
    gate.event(102, 106, now=10)  # 2: not more than 2
    assert gate.order(now=10) == set()
    gate.event(103, 107, now=20)  # 3 within 100 us
    assert gate.order(now=20) == {Reason.VOLATILITY}
    gate.event(103, 107, now=69)
    assert gate.order(now=69) == {Reason.VOLATILITY}
    gate.event(103, 107, now=70)
    assert gate.order(now=70) == set()
    gate.event(120, 124, now=300)  # the window is over
    assert gate.order(now=300) == set()


def test_stream_time_against_the_device():
    gate = Gate(clock_drift_us=20)
    assert gate.order(now=20) == set()
    assert gate.order(now=21) == {Reason.CLOCK}
    gate.model.timer(21)
    assert gate.order(now=21, qty=6) == set()


def test_the_table_of_own_orders_is_full_until_one_ends():
    gate = Gate(own_orders=2)
    assert [gate.order(), gate.order(), gate.order()] == [set(), set(), {Reason.OWN_ORDERS}]
    gate.fill(slot=1)
    assert gate.order() == {Reason.OWN_ORDERS}  # slot 0 is next
    gate.fill(slot=0)
    assert gate.order() == set()


@pytest.mark.parametrize(
    "kind, qty, true",
    [
        *((InKind.ACK, 0, 1), (InKind.CANCELLING, 0, 1), (InKind.FILL, 5, 1), (InKind.FILL, 6, 0)),
        *(
            (InKind.CANCEL, 5, 1),
            (InKind.CANCEL, 4, 0),
            (InKind.REJECT, 5, 1),
            (InKind.REJECT, 1, 0),
        ),
    ],
)
def test_a_report_is_true_when_it_can_have_happened(kind, qty, true):
    gate = Gate()
    gate.order()
    alert = gate.model.report(int(kind), 0, False, 0, 104, qty)
    assert (alert is None) == true
    assert gate.order(qty=1) == refused(not true, Reason.REPORT)
    gate.model.reconcile(0, False, 0, 0, adopt=True)
    assert gate.order(qty=1) == set()


@pytest.mark.parametrize("first", [InKind.ACK, InKind.FILL, InKind.CANCELLING])
def test_nothing_that_was_heard_of_is_rejected(first):
    gate = Gate()
    gate.order()
    assert gate.model.report(int(first), 0, False, 0, 104, int(first == InKind.FILL)) is None
    left = 4 if first == InKind.FILL else 5
    assert gate.model.report(int(InKind.REJECT), 0, False, 0, 104, left) is not None


def test_reconciliation_within_and_beyond_the_tolerance():
    gate = Gate(tolerance=2)
    assert gate.model.reconcile(0, True, 2, 100, adopt=False) is None
    alert = gate.model.reconcile(0, True, 3, 100, adopt=False)
    assert alert is not None and alert.cause is AlertCause.RECONCILE
    assert gate.order() == {Reason.RECONCILE}
    assert gate.model.reconcile(0, False, 1, 100, adopt=False) is None
    assert gate.order() == set()


def test_an_exit_passes_what_guards_against_new_risk_and_only_that():
    """Everything refuses: an exit is left with what is not in the table's column."""
    gate = Gate()
    gate.model.reconcile(0, True, 50, 100, adopt=True)
    zero = {name: 0 for name in LIMIT_BITS} | {"permit": 1, "mode": 2, "strategies": 255}
    gate.registers |= {f"limit_{name}": value for name, value in zero.items()}
    gate.registers |= dict.fromkeys(SETTINGS, 0)
    gate.model.commit(0)
    new_risk = gate.order()
    leaving = gate.order(reduce_only=True)
    assert leaving == new_risk - set(EXITS_PASS)
    assert new_risk - leaving


def test_the_kill_latch_needs_both_keys_in_halted():
    gate = Gate()
    assert gate.model.kill() is not None
    assert gate.model.kill() is None  # told once
    for key in REARM_KEYS:
        gate.model.rearm(key)
    assert gate.order() == {Reason.KILL}
    gate.registers["mode"] = int(Mode.HALTED)
    gate.model.rearm(REARM_KEYS[0])
    gate.model.rearm(REARM_KEYS[1])
    gate.registers["mode"] = int(Mode.ACTIVE)
    assert gate.order() == set()


def test_a_waiver_takes_a_control_off_where_it_may():
    gate = Gate(min_qty=9, max_qty=4)
    assert gate.order() == {Reason.QUANTITY_MIN, Reason.QUANTITY}
    gate.set(waive=U64)
    assert gate.order() == {Reason.QUANTITY}


def test_the_page_names_every_control_by_its_number():
    page = Path(__file__).parents[2] / "docs" / "risk.md"
    rows = re.findall(
        r"^\| (\d+)(?: to (\d+))? \| ([A-Z_, 0-9]+) \|(.*)\|$", page.read_text(), re.M
    )
    found, passes = {}, set()
    for low, high, names, rest in rows:
        numbers = range(int(low), int(high or low) + 1)
        named = names.split(", ")
        found |= dict(zip(numbers, named, strict=True))
        if rest.split("|")[1].strip() == "yes":
            passes |= set(named)
    assert found == {int(reason): reason.name for reason in Reason}
    assert passes == {reason.name for reason in EXITS_PASS}
