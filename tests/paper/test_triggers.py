# SPDX-License-Identifier: Apache-2.0
"""Orders that wait for a price."""

import pytest

from host.paper.errors import VenueError
from tests.paper.market import hand, qty


def test_a_stop_waits_for_a_print_at_its_price_and_then_takes_the_market() -> None:
    market = hand()
    market.buy("2")
    stop = market.sell("2", kind="STOP_MARKET", stop_ticks=995, reduce_only=True)
    market.trade("99.6", "1", sold=True)
    assert not stop.working
    market.trade("99.5", "1", sold=True)
    assert (stop.status, qty(stop)) == ("FILLED", 2)


def test_a_stop_that_would_be_hit_at_once_is_refused() -> None:
    market = hand()
    market.trade("100.0", "1", sold=True)
    with pytest.raises(VenueError, match="-2021"):
        market.sell("1", kind="STOP_MARKET", stop_ticks=1001)
    with pytest.raises(VenueError, match="-2021"):
        market.buy("1", kind="TAKE_PROFIT_MARKET", stop_ticks=1001)
    spot = hand("spot")
    spot.trade("100.0", "1", sold=True)
    with pytest.raises(VenueError, match="-2010: Stop price would trigger immediately"):
        spot.sell("1", kind="STOP_LOSS", stop_ticks=1001)


def test_a_stop_limit_rests_at_its_price_once_hit() -> None:
    market = hand("spot")
    stop = market.sell("1", "103.0", kind="STOP_LOSS_LIMIT", stop_ticks=995)
    market.trade("99.5", "1", sold=True)
    assert (stop.working, stop.status, stop.asked.kind) == (True, "NEW", "LIMIT")


def test_a_trailing_stop_follows_the_best_price_and_turns_with_it() -> None:
    market = hand()
    market.buy("1")
    stop = market.sell("1", kind="TRAILING_STOP_MARKET", callback_bp=100, reduce_only=True)
    for price in ("100.0", "110.0", "109.0"):  # 1 % of 110 is 1.1
        market.trade(price, "1", sold=False)
        assert not stop.working
    market.trade("108.9", "1", sold=False)
    assert stop.status == "FILLED"


def test_a_trailing_stop_begins_at_its_activation_price() -> None:
    market = hand()
    market.buy("1")
    stop = market.sell("1", kind="TRAILING_STOP_MARKET", callback_bp=100, stop_ticks=1200)
    for price in ("110.0", "100.0", "119.9", "110.0"):
        market.trade(price, "1", sold=False)
    assert not stop.working
    market.trade("120.0", "1", sold=False)
    market.trade("118.8", "1", sold=False)
    assert stop.status == "FILLED"


def test_a_close_position_order_closes_what_there_is_then() -> None:
    market = hand()
    market.buy("1")
    stop = market.sell("", kind="STOP_MARKET", stop_ticks=990, close_position=True)
    market.buy("1")
    market.trade("99.0", "1", sold=True)
    assert (stop.status, qty(stop)) == ("FILLED", 2)


def test_a_stop_whose_position_is_gone_expires() -> None:
    market = hand()
    market.buy("1")
    stop = market.sell("1", kind="STOP_MARKET", stop_ticks=990, reduce_only=True)
    market.sell("1")
    market.trade("99.0", "1", sold=True)
    assert (stop.status, qty(stop)) == ("EXPIRED", 0)
