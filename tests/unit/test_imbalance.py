# SPDX-License-Identifier: Apache-2.0
"""The imbalance rule and the order it asks for, at its edges."""

import pytest

from hdl.config import BuildConfig
from hdl.records import Rule
from hdl.signal.imbalance import Imbalance
from hdl.strategy.taker import Taker
from tests.unit.simulate import run

CONFIG = BuildConfig()
MOST = CONFIG.view_levels * ((1 << CONFIG.qty_bits) - 1)
U16 = (1 << 16) - 1


def direction(bid_sum, ask_sum, num=5, den=2, enable=3, reasons=0, book=1):
    """'buy', 'sell' or None."""
    dut, found = Imbalance(CONFIG), []

    async def testbench(ctx):
        ctx.set(dut.ratio_num, num)
        ctx.set(dut.ratio_den, den)
        ctx.set(dut.enable, enable)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.p.book, book)
        ctx.set(dut.i.p.reasons, reasons)
        ctx.set(dut.i.p.bid.sum, bid_sum)
        ctx.set(dut.i.p.ask.sum, ask_sum)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        await ctx.tick()
        assert ctx.get(dut.o.valid)
        found.append((ctx.get(dut.o.p.buy), ctx.get(dut.o.p.sell)))

    run(dut, testbench)
    return {(1, 0): "buy", (0, 1): "sell", (0, 0): None}[found[0]]


@pytest.mark.parametrize(
    ("bid_sum", "ask_sum", "expected"),
    [
        (250, 100, "buy"),
        (249, 100, None),
        (100, 250, "sell"),
        (100, 249, None),
        (1, 0, "buy"),
        (0, 1, "sell"),
        (0, 0, None),
        (100, 100, None),
    ],
)
def test_the_ratio_is_met_exactly_in_both_directions(bid_sum, ask_sum, expected):
    assert direction(bid_sum, ask_sum) == expected


@pytest.mark.parametrize(
    ("bid_sum", "ask_sum", "num", "den", "expected"),
    [
        (MOST, MOST, U16, U16 - 1, None),
        (MOST, MOST // U16, U16, 1, "buy"),
        (MOST // U16, MOST, U16, 1, "sell"),
        (MOST, MOST // U16 + 1, U16, 1, None),
    ],
)
def test_the_greatest_sums_and_ratios_do_not_wrap(bid_sum, ask_sum, num, den, expected):
    assert direction(bid_sum, ask_sum, num, den) == expected


@pytest.mark.parametrize("off", [{"enable": 2}, {"reasons": 2}, {"book": 0}, {"num": 0, "den": 0}])
def test_it_is_silent_unless_enabled_on_a_valid_view_of_a_book_event(off):
    assert direction(250, 100) == "buy"
    assert direction(250, 100, **off) is None


def test_only_the_enabled_side_trades():
    assert direction(100, 250, enable=1) is None
    assert direction(100, 250, enable=2) == "sell"


@pytest.mark.parametrize(("way", "price", "side"), [("buy", 101, 0), ("sell", 100, 1)])
def test_an_order_takes_the_far_touch_and_its_size_from_the_register(way, price, side):
    dut, orders = Taker(CONFIG), []

    async def testbench(ctx):
        ctx.set(dut.order_qty, 1 << 60)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.p.bid_price, 100)
        ctx.set(dut.i.p.ask_price, 101)
        ctx.set(dut.i.p.value, 12345)
        ctx.set(dut.i.p.side, 1 - side)
        ctx.set(getattr(dut.i.p, way), 1)
        await ctx.tick()
        orders.append(ctx.get(dut.o.p))

    run(dut, testbench)
    (order,) = orders
    assert (order.wanted, order.price, order.side) == (1, price, side)
    assert order.qty == (1 << CONFIG.qty_bits) - 1
    assert (order.strategy, order.update_id) == (int(Rule.IMBALANCE), 12345)
