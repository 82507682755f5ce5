# SPDX-License-Identifier: Apache-2.0
"""Money and positions: worked out by hand, and conserved whatever happens."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.paper.errors import VenueError
from host.paper.spot import SpotAccount
from host.paper.symbols import SymbolSpec
from host.paper.usdm import Position, UsdmAccount
from tests.paper.market import SYMBOL, hand

D = Decimal
SPEC = SymbolSpec(SYMBOL, "BTC", "USDT", "usdm", D("0.1"), D("0.001"))


def usdm(market: object) -> UsdmAccount:
    account = market.market.account  # type: ignore[attr-defined]
    assert isinstance(account, UsdmAccount)
    return account


def spot(market: object) -> SpotAccount:
    account = market.market.account  # type: ignore[attr-defined]
    assert isinstance(account, SpotAccount)
    return account


def test_a_round_trip_moves_the_wallet_by_its_amounts_and_commissions() -> None:
    market = hand()
    account = usdm(market)
    market.buy("2")  # 2 at 101, taker 0.05 %: 0.101
    assert account.wallet["USDT"] == D("99999.899")
    position = account.position(market.exchange.specs[SYMBOL])
    assert (position.qty, position.entry) == (2, 101)
    market.sell("1")  # 1 at 100: -1, commission 0.05
    assert account.wallet["USDT"] == D("99998.849")
    assert (position.qty, position.entry) == (1, 101)
    market.sell("3")  # 3 at 100: closes 1 (-1), opens 2 short; commission 0.15
    assert account.wallet["USDT"] == D("99997.699")
    assert (position.qty, position.entry) == (-2, 100)
    assert [(e.kind, e.amount) for e in account.income] == [
        ("COMMISSION", D("-0.101")),
        ("REALIZED_PNL", D(-1)),
        ("COMMISSION", D("-0.05")),
        ("REALIZED_PNL", D(-1)),
        ("COMMISSION", D("-0.15")),
    ]


def test_a_maker_pays_the_makers_commission() -> None:
    market = hand()
    order = market.buy("1", "100.5")
    market.trade("100.5", "1", sold=True)
    (fill,) = order.fills
    assert fill.commission == D("100.5") * D("0.0002")


@given(
    st.lists(
        st.tuples(st.sampled_from([1, -1]), st.integers(1, 10**7), st.integers(1, 10**6)),
        max_size=60,
    )
)
def test_realised_and_unrealised_profit_are_exactly_the_amounts_that_moved(
    trades: list[tuple[int, int, int]],
) -> None:
    position, realized = Position(SPEC, "BOTH"), D(0)
    cash, lots = Fraction(0), 0
    for side, price, qty in trades:
        realized += position.trade(side, price, qty)
        cash -= side * Fraction(SPEC.unit) * price * qty
        lots += side * qty
    assert position.lots == lots
    assert Fraction(realized) - Fraction(position.cost) == cash
    if not lots:
        assert position.cost == 0
        assert Fraction(realized) == cash


def test_margin_is_asked_for_the_larger_side_and_given_back() -> None:
    market = hand(balances={"USDT": D(100)}, leverage=10)
    account = usdm(market)
    market.buy("4", "99.0")  # 396 / 10
    market.sell("4", "103.0")  # 412 / 10: the larger of the two counts
    assert account.available("USDT") == D(100) - D("41.2")
    with pytest.raises(VenueError, match="-2019"):
        market.buy("6.5", "99.0")
    for order in market.exchange.open_orders():
        market.exchange.cancel(order)
    assert account.available("USDT") == 100


def test_reduce_only_orders_reduce_and_nothing_else() -> None:
    market = hand()
    with pytest.raises(VenueError, match="-2022"):
        market.sell("1", reduce_only=True)
    market.buy("1")
    with pytest.raises(VenueError, match="-2022"):
        market.buy("1", reduce_only=True)
    order = market.sell("3", reduce_only=True)
    assert (order.filled_lots, order.status) == (1000, "EXPIRED")
    assert usdm(market).position(order.spec).lots == 0


def test_a_resting_reduce_only_order_ends_with_its_position() -> None:
    market = hand()
    market.buy("1")
    exit_order = market.sell("1", "103.0", reduce_only=True)
    market.sell("1")
    assert exit_order.status == "EXPIRED"


def test_a_position_side_must_fit_the_mode() -> None:
    market = hand()
    with pytest.raises(VenueError, match="-4061"):
        market.buy("1", position_side="LONG")
    usdm(market).hedged = True
    market.buy("1", position_side="LONG")
    market.sell("1", position_side="SHORT")
    spec = market.exchange.specs[SYMBOL]
    account = usdm(market)
    assert account.position(spec, "LONG").lots == 1000
    assert account.position(spec, "SHORT").lots == -1000
    with pytest.raises(VenueError, match="-4061"):
        market.sell("2", position_side="BOTH")
    market.sell("1", position_side="LONG")
    with pytest.raises(VenueError, match="-2022"):
        market.sell("1", position_side="LONG")


def test_funding_is_paid_by_longs_at_the_hour() -> None:
    market = hand(funding_rate=D("0.001"))
    market.buy("2")
    before = usdm(market).wallet["USDT"]
    hours_us = 8 * 3_600_000_000
    end_us = (market.venue.clock.now_us // hours_us + 1) * hours_us
    market.venue.clock.advance(end_us - 1)
    assert usdm(market).wallet["USDT"] == before
    market.venue.clock.advance(end_us)
    mark = market.exchange.books[SYMBOL].mark_ticks
    assert usdm(market).wallet["USDT"] == before - 2 * mark * D("0.1") * D("0.001")
    assert usdm(market).income[-1].kind == "FUNDING_FEE"


def test_an_account_below_its_maintenance_margin_is_closed() -> None:
    market = hand(balances={"USDT": D(30)}, leverage=20)
    market.buy("4")  # 404 at 20x
    market.buy("0.1", "90.0")
    market.depth(bids=[("100.0", "0"), ("99.0", "0"), ("92.0", "9")], asks=[("93.0", "5")])
    assert usdm(market).position(market.exchange.specs[SYMBOL]).lots == 0
    assert not market.exchange.open
    # 30 - commission of 404 - loss of 4 x (101 - 92) - commission of 368
    assert usdm(market).wallet["USDT"] == 30 - D("0.202") - 36 - D("0.184")


def test_spot_locks_what_an_order_may_need_and_gives_the_rest_back() -> None:
    market = hand("spot", balances={"USDT": D(1000), "BTC": D(1)})
    account = spot(market)
    order = market.buy("5", "101.0")  # 4 at once, 1 rests
    assert account.free["USDT"] == 1000 - 505
    assert account.locked["USDT"] == 101
    assert account.free["BTC"] == 1 + 4 - 4 * D("0.0005")
    market.exchange.cancel(order)
    assert (account.free["USDT"], account.locked["USDT"]) == (1000 - 404, 0)
    with pytest.raises(VenueError, match="-2010: Account has insufficient balance"):
        market.sell("6", "105.0")


def test_spot_market_orders_spend_an_amount() -> None:
    market = hand("spot", balances={"USDT": D(1000), "BTC": D(1)})
    order = market.buy("", None, quote_qty=D(505))
    # 4 at 101 is 404, and 101 at 102 buys 0.990 of lots of 0.001
    assert order.filled_lots == 4990
    assert spot(market).free["USDT"] == 1000 - 404 - D("100.98")


actions = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "cancel", "sold", "bought"]),
        st.integers(980, 1040),
        st.integers(1, 3000),
        st.booleans(),
    ),
    max_size=40,
)


@given(actions)
def test_spot_assets_are_conserved_but_for_commissions(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    market = hand("spot", balances={"USDT": D(500), "BTC": D(3)})
    account = spot(market)
    for kind, ticks, lots, is_market in steps:
        price, amount = f"{ticks / 10:.1f}", f"{lots / 1000:.3f}"
        try:
            if kind in ("buy", "sell"):
                side = 1 if kind == "buy" else -1
                market.order(side, amount, None if is_market else price)
            elif kind == "cancel" and market.exchange.open:
                market.exchange.cancel(market.exchange.open_orders()[0])
            else:
                market.trade(price, amount, sold=kind == "sold")
        except VenueError as error:
            assert error.code in (-2010, -1013)
    fills = market.exchange.own_fills
    base = sum((o.side * f.qty_lots * o.spec.lot for o, f in fills), D(0))
    quote = sum((-o.side * f.quote for o, f in fills), D(0))
    fees = {
        a: sum((f.commission for _, f in fills if f.commission_asset == a), D(0))
        for a in ("BTC", "USDT")
    }
    assert account.free["BTC"] + account.locked["BTC"] == 3 + base - fees["BTC"]
    assert account.free["USDT"] + account.locked["USDT"] == 500 + quote - fees["USDT"]
    assert min(*account.free.values(), *account.locked.values()) >= 0
    if not market.exchange.open:
        assert not any(account.locked.values())


@given(actions)
def test_futures_wallet_and_positions_follow_from_the_fills(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    market = hand(balances={"USDT": D(2000)}, leverage=5)
    account = usdm(market)
    for kind, ticks, lots, flag in steps:
        price, amount = f"{ticks / 10:.1f}", f"{lots / 1000:.3f}"
        try:
            if kind in ("buy", "sell"):
                side = 1 if kind == "buy" else -1
                market.order(side, amount, price, reduce_only=flag)
            elif kind == "cancel" and market.exchange.open:
                market.exchange.cancel(market.exchange.open_orders()[0])
            else:
                market.trade(price, amount, sold=kind == "sold")
        except VenueError as error:
            assert error.code in (-2019, -2022, -4164)
    fills = market.exchange.own_fills
    position = account.position(market.exchange.specs[SYMBOL])
    assert position.lots == sum(o.side * f.qty_lots for o, f in fills)
    cash = sum((-o.side * f.quote for o, f in fills), D(0))
    fees = sum((f.commission for _, f in fills), D(0))
    assert account.wallet["USDT"] == 2000 + cash + position.cost - fees
    assert account.wallet["USDT"] == 2000 + sum((e.amount for e in account.income), D(0))
    if not market.exchange.open:
        assert account.order_margin(position.spec) == account.position_margin(position)
