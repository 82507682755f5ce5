# SPDX-License-Identifier: Apache-2.0
"""Rules, prices and sizes at their edges."""

import pytest

from hdl.config import BuildConfig
from hdl.strategy.rules import RULES, Rules
from hdl.strategy.sizing import Prices, Sizes
from tests.unit.simulate import run

CONFIG = BuildConfig()
MOST_QTY = (1 << CONFIG.qty_bits) - 1
MOST = CONFIG.view_levels * MOST_QTY
U16, U32, U64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1


def put(ctx, target, values):
    """Set fields of a payload by dotted name."""
    for name, value in values.items():
        at = target
        for part in name.split("."):
            at = at[int(part)] if part.isdigit() else getattr(at, part)
        ctx.set(at, value)


def vote(rule, view, row, late=None):
    """'buy', 'sell' or None, as one rule says two clocks after a view."""
    dut, found = Rules(CONFIG), []

    async def testbench(ctx):
        put(ctx, dut.view, view)
        put(ctx, dut.row, {f"{rule}_sides": 3, **row})
        await ctx.tick().repeat(2)
        put(ctx, dut, late or {})
        at = RULES.index(rule)
        found.append(tuple(ctx.get(bits) >> at & 1 for bits in (dut.on, dut.buy, dut.sell)))

    run(dut, testbench)
    on, buy, sell = found[0]
    assert on == (row.get(f"{rule}_sides", 3) != 0)
    return {(1, 0): "buy", (0, 1): "sell", (0, 0): None}[buy, sell]


def imbalance(bid_sum, ask_sum, num=5, den=2, **row):
    view = {"bid.sum": bid_sum, "ask.sum": ask_sum}
    return vote("imbalance", view, {"imbalance_num": num, "imbalance_den": den, **row})


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
    assert imbalance(bid_sum, ask_sum) == expected


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
    assert imbalance(bid_sum, ask_sum, num, den) == expected


@pytest.mark.parametrize(
    ("sides", "expected"), [(0, (None, None)), (1, ("buy", None)), (2, (None, "sell"))]
)
def test_only_the_enabled_side_votes(sides, expected):
    assert imbalance(250, 100, imbalance_sides=sides) == expected[0]
    assert imbalance(100, 250, imbalance_sides=sides) == expected[1]


@pytest.mark.parametrize(
    ("distance", "volume", "half_ticks", "expected"),
    [
        (-300, 100, 3, "buy"),
        (-299, 100, 3, None),
        (300, 100, 3, "sell"),
        (299, 100, 3, None),
        (0, 0, 3, None),
        (0, 100, 0, None),
        (-1, 100, 0, "buy"),
        (1 << 84, (1 << 51) - 1, U16, "sell"),
        (-(1 << 84), (1 << 51) - 1, U16, "buy"),
    ],
)
def test_the_vwap_rule_fades_a_distance_that_is_met_exactly(distance, volume, half_ticks, expected):
    half = min(volume, (1 << 51) - 1)
    view = {"trades.buy_volume": half, "trades.sell_volume": 0}
    late = {"distance2": distance, "volume2": volume}
    assert vote("vwap", view, {"vwap_half_ticks": half_ticks}, late) == expected


@pytest.mark.parametrize(
    ("bought", "sold", "ofi", "lots", "expected"),
    [
        (3, 1, 256 * 5, 5, "buy"),
        (3, 1, 256 * 5 - 1, 5, None),
        (3, 2, 256 * 5, 5, None),
        (1, 3, -256 * 5, 5, "sell"),
        (1, 3, 256 * 5, 5, None),
        (0, 0, 256 * 5, 5, None),
        (3, 0, 256 * 5, 5, "buy"),
        (3, 1, (1 << 65) - 1, U64, None),
        (1, 3, -(1 << 65), 0, "sell"),
    ],
)
def test_flow_needs_trades_and_orders_to_agree(bought, sold, ofi, lots, expected):
    view = {"trades.buy_volume": bought, "trades.sell_volume": sold}
    row = {"flow_num": 2, "flow_den": 1, "flow_lots": lots}
    assert vote("flow", view, row, {"ofi2": ofi}) == expected


@pytest.mark.parametrize(
    ("bid", "ask", "row", "expected"),
    [
        ((98, 50), (101, 1), {}, "buy"),
        ((98, 49), (101, 1), {}, None),
        ((97, 50), (101, 1), {}, None),
        ((100, 1), (103, 50), {}, "sell"),
        ((98, 50), (103, 50), {}, None),
        ((98, 50), (101, 1), {"wall_invert": 1}, "sell"),
        ((0, 0), (0, 0), {"wall_num": 0}, None),
    ],
)
def test_a_wall_is_large_and_near(bid, ask, row, expected):
    view = {
        "bid.levels.0.price": 100,
        "ask.levels.0.price": 101,
        "bid.sum": 100,
        "ask.sum": 100,
        "profile.bid.wall.price": bid[0],
        "profile.bid.wall.qty": bid[1],
        "profile.ask.wall.price": ask[0],
        "profile.ask.wall.qty": ask[1],
    }
    settings = {"wall_num": 1, "wall_den": 2, "wall_ticks": 2, **row}
    assert vote("wall", view, settings) == expected


@pytest.mark.parametrize(
    ("bid", "ask", "order", "protect", "buy", "sell"),
    [
        (100, 101, 0x11, 9, 101, 100),
        (100, 101, 0x21, 9, 101, 100),
        (100, 101, 0x31, 9, 100, 101),
        (100, 101, 0x12, 9, 110, 91),
        (1, 2, 0x12, 1, 3, 1),
        (1, 2, 0x12, U16, 2 + U16, 1),
        (U32 - 1, U32, 0x12, 1, U32, U32 - 2),
        (U32 - 1, U32, 0x12, U16, U32, U32 - 1 - U16),
        (1, U32, 0x11, U16, U32, 1),
    ],
)
def test_prices_follow_the_order_and_stay_within_their_range(bid, ask, order, protect, buy, sell):
    dut, found = Prices(CONFIG), []

    async def testbench(ctx):
        put(ctx, dut.view, {"bid.levels.0.price": bid, "ask.levels.0.price": ask})
        put(ctx, dut, {"order": order, "protect": protect})
        await ctx.tick().repeat(2)
        found.append((ctx.get(dut.buy), ctx.get(dut.sell)))

    run(dut, testbench)
    assert found == [(buy, sell)]


@pytest.mark.parametrize(
    ("row", "normal", "high"),
    [
        ({"qty_most": 100, "qty_least": 9, "high_shift": 1}, [100] * 4, [50] * 4),
        ({"qty_most": 10, "qty_least": 9, "high_shift": 3}, [10] * 4, [9] * 4),
        ({"qty_most": 4, "qty_least": 9, "high_shift": 3}, [4] * 4, [4] * 4),
        (
            {"qty_most": 109, "qty_least": 9, "size_scaled": 1, "high_shift": 2},
            [34, 59, 84, 109],
            [9, 14, 21, 27],
        ),
        ({"qty_most": 4, "qty_least": 9, "size_scaled": 1}, [9] * 4, [9] * 4),
        ({"qty_most": U64, "qty_least": 0}, [MOST_QTY] * 4, [MOST_QTY] * 4),
        ({"qty_most": U64, "qty_least": U64, "size_scaled": 1}, [MOST_QTY] * 4, [MOST_QTY] * 4),
        ({"qty_most": 0, "qty_least": 0}, [0] * 4, [0] * 4),
    ],
)
def test_sizes_stay_between_their_bounds(row, normal, high):
    dut, found = Sizes(CONFIG), []

    async def testbench(ctx):
        put(ctx, dut.row, row)
        await ctx.tick().repeat(2)
        found.append([[ctx.get(part[at]) for at in range(4)] for part in (dut.normal, dut.high)])

    run(dut, testbench)
    assert found == [[normal, high]]
