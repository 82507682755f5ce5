# SPDX-License-Identifier: Apache-2.0
from decimal import Decimal

import pytest

from host.feeds.scale import lot_scale, tick_scale
from host.settings import ReplaySettings, SettingError

PRICE, QTY = tick_scale(Decimal("0.1")), lot_scale(Decimal("0.001"))


def registers(**values):
    settings = ReplaySettings.checked(**values)
    return dict(settings.writes()) | dict(settings.symbol_writes(3, PRICE, QTY))


@pytest.mark.parametrize(
    ("ratio", "num", "den"),
    [("2.5", 5, 2), ("2", 2, 1), ("1.1", 11, 10), ("1.0001", 10001, 10000), ("65535", 65535, 1)],
)
def test_a_ratio_is_held_exactly(ratio, num, den):
    written = registers(ratio=ratio)
    assert (written["ratio_num"], written["ratio_den"]) == (num, den)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ratio": "1"}, "ratio: expected a ratio above 1, was 1"),
        ({"ratio": "0.5"}, "ratio: expected a ratio above 1"),
        ({"ratio": "65536"}, "ratio: expected a fraction of two whole numbers below 65536"),
        ({"ratio": "1.000001"}, "was 1000001/1000000"),
        ({"ratio": "2,5"}, "ratio: expected a plain decimal"),
        ({"ratio": "1e3"}, "ratio: expected a plain decimal"),
        ({"ratio": 2.5}, "ratio: expected a plain decimal"),
        ({"levels": 0}, "levels: expected 1 to 10, was 0"),
        ({"levels": 11}, "levels: expected 1 to 10, was 11"),
        ({"order_qty": "-1"}, "order_qty: expected a plain decimal"),
        ({"rate": "1000001"}, "rate: expected 0, or 0.001 to 1000000, was 1000001"),
        ({"burst": 0}, "burst: expected 1 to 65536, was 0"),
        ({"rate": "0.001", "burst": 6}, "burst: expected a burst of at most 5"),
        ({"stale_ms": 4294968}, "stale_ms: expected 0 to 4294967"),
    ],
)
def test_a_setting_that_cannot_be_is_named(values, message):
    with pytest.raises(SettingError) as error:
        ReplaySettings.checked(**values)
    assert message in str(error.value)


def test_an_order_that_leaves_a_position_may_be_as_large_as_one():
    settings = ReplaySettings.checked(max_position="0.07")
    assert ("limit_max_qty", 70) in settings.symbol_writes(3, PRICE, QTY, exits=True)
    assert ("limit_max_qty", 10) in settings.symbol_writes(3, PRICE, QTY)
    given = ReplaySettings.checked(max_position="0.07", max_qty="0.02")
    assert ("limit_max_qty", 20) in given.symbol_writes(3, PRICE, QTY, exits=True)


def test_defaults_are_ten_lots_and_ten_orders():
    written = registers()
    assert written["limit_max_qty"] == 10
    assert written["limit_max_position"] == 100
    assert written["limit_max_notional"] == (1 << 64) - 1
    assert written["limit_collar_ticks"] == 50
    assert written["limit_commit"] == 3
    assert (written["mode"], written["stale_us"], written["levels_n"]) == (2, 1_000_000, 10)


def test_limits_between_two_steps_are_rounded_down():
    written = registers(
        order_qty="0.005", max_qty="0.0059", max_position="0.0129", max_notional="1000.00019"
    )
    assert written["limit_max_qty"] == 5
    assert written["limit_max_position"] == 12
    # a tick times a lot is 0.0001
    assert written["limit_max_notional"] == 10_000_001


@pytest.mark.parametrize(
    ("rate", "burst", "interval_us", "burst_us"),
    [("10", 5, 100_000, 400_000), ("3", 1, 333_334, 0), ("0.5", 2, 2_000_000, 2_000_000)],
)
def test_rates_never_let_more_messages_pass_than_asked(rate, burst, interval_us, burst_us):
    written = registers(rate=rate, burst=burst)
    assert written["rate_interval_us"] == interval_us
    assert written["rate_burst_us"] == burst_us


def test_rate_zero_refuses_all():
    assert registers(rate="0")["rate_interval_us"] == 0


@pytest.mark.parametrize("qty", ["0.0001", "0", "999999999999"])
def test_an_order_quantity_that_is_no_number_of_lots_is_refused(qty):
    with pytest.raises(SettingError, match="--order-qty: "):
        ReplaySettings.checked(order_qty=qty).symbol_writes(0, PRICE, QTY)
