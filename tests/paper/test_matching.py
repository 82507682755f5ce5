# SPDX-License-Identifier: Apache-2.0
"""Who trades how much at which price; every figure is worked out by hand from the rules."""

from decimal import Decimal

import pytest

from host.paper.errors import VenueError
from tests.paper.market import Hand, hand, qty

D = Decimal


def prices(order: object) -> list[tuple[Decimal, Decimal]]:
    spec = order.spec  # type: ignore[attr-defined]
    return [(f.price_ticks * spec.tick, f.qty_lots * spec.lot) for f in order.fills]  # type: ignore[attr-defined]


def test_a_market_order_takes_the_levels_best_first() -> None:
    order = hand().buy("6")
    assert prices(order) == [(D("101.0"), D(4)), (D("102.0"), D(2))]
    assert order.status == "FILLED"
    assert order.average == (4 * D(101) + 2 * D(102)) / 6


def test_what_was_taken_is_gone_until_the_level_is_told_anew() -> None:
    market = hand()
    market.buy("3")
    assert prices(market.buy("2")) == [(D("101.0"), D(1)), (D("102.0"), D(1))]
    market.depth(asks=[("101.0", "4")])
    assert prices(market.buy("2")) == [(D("101.0"), D(2))]


def test_a_limit_order_trades_up_to_its_price_and_rests_with_the_remainder() -> None:
    market = hand()
    order = market.buy("7", "101.0")
    assert prices(order) == [(D("101.0"), D(4))]
    assert (order.status, order.remaining_lots) == ("PARTIALLY_FILLED", 3000)


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_ioc_and_fok_leave_nothing_resting(tif: str) -> None:
    market = hand("spot")
    order = market.buy("7", "101.0", tif=tif)
    assert qty(order) == (4 if tif == "IOC" else 0)
    assert order.status == "EXPIRED"
    assert not market.exchange.open


def test_a_fok_that_fits_is_filled_whole() -> None:
    order = hand("spot").buy("4", "101.0", tif="FOK")
    assert (order.status, qty(order)) == ("FILLED", 4)


def test_futures_refuse_a_fok_and_a_post_only_order_that_cannot_be_one() -> None:
    market = hand()
    with pytest.raises(VenueError, match="-5021"):
        market.buy("5", "101.0", tif="FOK")
    with pytest.raises(VenueError, match="-5022"):
        market.buy("1", "101.0", tif="GTX")
    assert market.buy("1", "100.9", tif="GTX").status == "NEW"
    assert len(market.exchange.orders) == 1


def test_spot_refuses_a_limit_maker_that_would_take() -> None:
    market = hand("spot")
    with pytest.raises(VenueError, match="-2010: Order would immediately match and take"):
        market.sell("1", "100.0", kind="LIMIT_MAKER")


def test_an_order_waits_for_the_quantity_that_was_there_before_it() -> None:
    market = hand()
    order = market.buy("2", "100.0")  # behind 5
    market.trade("100.0", "4", sold=True)
    assert qty(order) == 0
    market.trade("100.0", "2", sold=True)  # 1 before it, then 1 of ours
    assert qty(order) == 1
    market.trade("100.0", "9", sold=True)
    assert order.status == "FILLED"
    assert [f.maker for f in order.fills] == [True, True]


def test_prints_of_buyers_do_not_reach_a_resting_bid() -> None:
    market = hand()
    order = market.buy("2", "100.5")  # alone at its price
    market.trade("101.0", "9", sold=False)
    assert qty(order) == 0


def test_a_print_beyond_the_price_fills_with_no_more_than_was_printed() -> None:
    market = hand()
    order = market.buy("2", "100.0")
    market.trade("99.9", "0.5", sold=True)
    assert prices(order) == [(D("100.0"), D("0.5"))]


def test_two_orders_share_a_print_in_their_order() -> None:
    market = hand()
    first, second = market.buy("1", "100.5"), market.buy("1", "100.5")
    market.trade("100.5", "1.5", sold=True)
    assert (qty(first), qty(second)) == (1, D("0.5"))
    better = market.buy("1", "100.6")
    market.trade("100.5", "1.2", sold=True)
    assert (qty(better), qty(second)) == (1, D("0.7"))


@pytest.mark.parametrize(("model", "before"), [("back", 5), ("proportional", 3)])
def test_cancels_shorten_the_queue_as_the_model_says(model: str, before: int) -> None:
    # 5 before us, the level grows to 10 and falls to 6: of 10 others 4 cancel. `back`: those
    # behind us, 5 stay before us, and 3 after a print of 2; `proportional`: 4 x 5 / 10 = 2 of
    # those before us, 3 stay
    market = hand(queue_model=model)
    order = market.buy("1", "100.0")
    market.depth(bids=[("100.0", "10")])
    market.depth(bids=[("100.0", "6")])
    assert order.ahead_lots * order.spec.lot == before
    market.trade("100.0", "2", sold=True)
    market.depth(bids=[("100.0", "4")])  # what was printed is no cancel
    assert order.ahead_lots * order.spec.lot == before - 2
    market.trade("100.0", str(before - 2), sold=True)
    assert qty(order) == 0
    market.trade("100.0", "1", sold=True)
    assert order.status == "FILLED"


def test_the_queue_before_an_order_is_never_longer_than_the_level() -> None:
    market = hand()
    order = market.buy("1", "100.0")
    market.depth(bids=[("100.0", "1.5")])
    assert order.ahead_lots == 1500
    market.depth(bids=[("100.0", "0")])
    assert order.ahead_lots == 0


def test_the_other_side_arriving_at_the_price_fills_a_resting_order() -> None:
    market = hand()
    order = market.buy("3", "100.5")
    market.depth(asks=[("100.4", "1"), ("100.5", "1")])
    assert prices(order) == [(D("100.5"), D(1)), (D("100.5"), D(1))]
    assert order.remaining_lots == 1000


def test_an_own_order_on_the_other_side_expires_instead_of_trading_with_itself() -> None:
    market = hand()
    resting = market.sell("1", "100.6")
    order = market.buy("1", "100.8")
    assert (resting.status, order.status) == ("EXPIRED_IN_MATCH", "NEW")
    other = market.sell("1", "100.7", stp="EXPIRE_TAKER")
    assert (other.status, order.status) == ("EXPIRED_IN_MATCH", "NEW")


def test_an_amendment_keeps_the_queue_only_for_less_at_the_same_price() -> None:
    market = hand()
    order = market.buy("2", "100.0")
    market.trade("100.0", "3", sold=True)
    market.exchange.amend(order, 1000, 1000)
    assert (order.ahead_lots, order.remaining_lots) == (2000, 1000)
    market.depth(bids=[("100.0", "7")])
    market.exchange.amend(order, 1500, 1000)
    assert order.ahead_lots == 7000
    market.exchange.amend(order, 1500, 1010)
    assert prices(order) == [(D("101.0"), D("1.5"))]


def test_an_amendment_that_is_refused_leaves_the_order_where_it_was() -> None:
    market = hand(balances={"USDT": D(50)}, leverage=1)
    order = market.buy("0.2", "100.0")
    market.trade("100.0", "1", sold=True)
    with pytest.raises(VenueError, match="-2019"):
        market.exchange.amend(order, 2000, 1000)
    assert (order.asked.qty_lots, order.ahead_lots, order.status) == (200, 4000, "NEW")
    market.trade("100.0", "9", sold=True)
    assert order.status == "FILLED"


def test_a_missing_depth_event_closes_the_market_until_a_snapshot() -> None:
    market = hand()
    market._update += 5
    market.depth()
    assert not market.exchange.books["BTCUSDT"].synced
    with pytest.raises(VenueError, match="Market is closed"):
        market.buy("1")


def sequence(market: Hand) -> list[tuple[object, ...]]:
    for number in range(40):
        price = f"{100 + number % 3 * Decimal('0.1'):.1f}"
        market.order(1 if number % 2 else -1, "1", price if number % 5 else None)
        market.depth(bids=[(price, str(number % 4 + 1))], asks=[("101.5", str(number % 3 + 1))])
        market.trade(price, "0.7", sold=bool(number % 3))
    return [
        (order.order_id, fill.trade_id, fill.price_ticks, fill.qty_lots, fill.time_us)
        for order, fill in market.exchange.own_fills
    ]


def test_the_same_market_and_orders_give_the_same_fills() -> None:
    first = sequence(hand())
    assert len(first) > 20
    assert first == sequence(hand())
