# SPDX-License-Identifier: Apache-2.0
"""Sizes, windows and the ledger, by numbers worked out on paper."""

from decimal import Decimal

import pytest

from host.risk.ledger import Ledger
from host.risk.sizing import Sizing, Volatility, kelly_share, position_value, shares_of_groups
from host.risk.windows import DayClock, NoTrade
from host.venues.interface import Fill

D = Decimal
SIZING = Sizing(D("0.01"), D("0.02"), D(3))
DAY_MS = 86_400_000


def test_a_position_loses_the_risk_share_at_its_stop() -> None:
    value = position_value(SIZING, D(10_000))
    assert value == D(5_000)
    assert value * D("0.02") == D(10_000) * D("0.01")


def test_leverage_caps_it() -> None:
    assert position_value(Sizing(D("0.1"), D("0.01"), D(3)), D(10_000)) == D(30_000)


def test_volatility_beyond_three_deviations_lowers_the_cap() -> None:
    sizing = Sizing(D("0.1"), D("0.01"), D(3))
    assert position_value(sizing, D(10_000), D(3)) == D(30_000)
    assert position_value(sizing, D(10_000), D(6)) == D(15_000)


def test_kelly_bounds_the_risk() -> None:
    assert kelly_share(D("0.6"), D(1)) == D("0.2")
    assert kelly_share(D("0.4"), D(1)) == 0
    assert position_value(Sizing(D("0.5"), D(1), D(3), D("0.2")), D(1_000)) == D(200)
    assert position_value(Sizing(D("0.5"), D(1), D(3), D(0)), D(1_000)) == 0
    with pytest.raises(ValueError, match="expected a share"):
        kelly_share(D(2), D(1))


def test_without_equity_there_is_no_position() -> None:
    assert position_value(SIZING, D(-1)) == 0


def test_symbols_of_a_group_share_one_budget() -> None:
    shares = shares_of_groups({"a": "x", "b": "x", "c": "", "d": ""})
    assert shares == {"a": D("0.5"), "b": D("0.5"), "c": D(1), "d": D(1)}


def test_volatility_is_counted_in_deviations_of_the_moves_before() -> None:
    found = Volatility(samples=40, least=20)
    at = 1000
    for number in range(41):
        at += 2 if number % 2 else 4  # mean 3, deviation 1
        found.add(at)
    found.add(at + 9)
    assert found.sigmas == 6


def test_windows_of_a_day() -> None:
    windows = NoTrade(["07:55-08:05", "23:50-00:10"])
    minute = 60_000
    assert not windows.closed(475 * minute - 1)
    assert windows.closed(475 * minute)
    assert windows.closed(485 * minute - 1)
    assert not windows.closed(485 * minute)
    assert windows.closed(DAY_MS + 9 * minute)
    assert windows.closed(1435 * minute)


def test_a_day_turns_once() -> None:
    day = DayClock("08:00", 7 * 3_600_000)
    assert not day.turned(7 * 3_600_000 + 1)
    assert day.turned(8 * 3_600_000)
    assert not day.turned(9 * 3_600_000)
    assert not day.turned(1)
    assert day.turned(DAY_MS + 8 * 3_600_000)


def fill(number: int, side: str, price: str, qty: str, fee: str, asset: str = "USDT") -> Fill:
    return Fill(
        str(number), "1", "BTC/USDT:USDT", side, D(price), D(qty), D(fee), asset, False, number
    )


def test_profit_is_cash_and_position_less_fees() -> None:
    ledger = Ledger()
    fills = [
        fill(1, "buy", "100", "2", "0.1"),
        fill(2, "sell", "110", "1", "0.05"),
        fill(3, "sell", "90", "1", "0.05", "BNB"),
    ]
    assert ledger.add(fills) == 3
    assert ledger.add(fills) == 0  # told again
    account = ledger.account("BTC/USDT:USDT")
    assert (account.position, account.cash, account.fees) == (0, 0, D("0.15"))
    assert account.other_fees == {"BNB": D("0.05")}
    assert account.profit(D(123)) == D("-0.15")


def test_a_fee_in_the_base_asset_leaves_the_position() -> None:
    ledger = Ledger({"BTC/USDT:USDT": (D(1), D(100))})
    ledger.add([fill(1, "buy", "100", "1", "0.001", "BTC")])
    account = ledger.account("BTC/USDT:USDT")
    assert account.position == D("1.999")
    assert account.profit(D(100)) == D("-0.1")
