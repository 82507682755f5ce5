# SPDX-License-Identifier: Apache-2.0
"""Quantities as wide as a record's field: what is added up does not wrap, and is told cut."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from hdl.config import BuildConfig
from hdl.sums import cut
from host.contract.records import TRADES_DTYPE, VIEW_DTYPE, InFlag, InKind, OutKind
from sim.board import Board
from sim.reference_records import VALUE_IS_QTY
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from tests.unit.fabric import ASK, BID, OPEN, array, assert_equal, event, record, refill

CONFIG = BuildConfig(symbols=5, levels=11, qty_bits=64, result_depth=33)
MOST = (1 << 64) - 1
NEAR = (MOST, MOST - 1, 1 << 63, (1 << 63) - 1, (1 << 60) - 1, 1)
SETTINGS = [
    *OPEN,
    ("report", 7),
    ("levels_n", 3),
    ("trade_window", 4),
    ("order_qty", MOST),
    ("limit_max_position", MOST),
    ("limit_lot_value", (1 << 32) - 1),
    ("limit_tick_value", (1 << 16) - 1),
    ("limit_commit", 0),
]


@pytest.fixture(scope="module")
def board():
    with Board(CONFIG) as opened:
        yield opened


def told(board, records, settings=SETTINGS):
    """Views and tapes that came of records, equal to the reference's."""
    board.reset()
    out = assert_equal(board, CONFIG, settings, array(records))
    views = out[out[:, 0] == OutKind.VIEW].view(VIEW_DTYPE).reshape(-1)
    tapes = out[out[:, 0] == OutKind.TRADES].view(TRADES_DTYPE).reshape(-1)
    return views, tapes


@pytest.mark.parametrize("qty", NEAR)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_sum_of_the_first_levels_is_told_as_no_more_than_its_field_holds(board, qty, count):
    bids, asks = ([(at, qty) for at in range(first, first + count)] for first in (100, 200))
    views, _ = told(board, [*refill(BID, bids), *refill(ASK, asks), *event([], 1)])
    assert (views["bid_qty_lots"][0], views["ask_qty_lots"][0]) == (qty, qty)
    assert views["bid_sum_lots"][0] == views["ask_sum_lots"][0] == min(count * qty, MOST)


@pytest.mark.parametrize("qty", NEAR)
def test_volumes_of_the_window_are_told_as_no_more_than_their_fields_hold(board, qty):
    records = []
    for at in range(9):
        trades = [record(InKind.TRADE, side, price=7, value=qty) for side in (BID, ASK)]
        records += [*trades, *event([], at, time_us=16 * at)]
    _, tapes = told(board, records)
    # A trade falls into the bucket of the event before its own: two into the first, none into the
    # last, and at the ninth event the first bucket is over.
    counted = [min(qty * trades, MOST) for trades in (1, 2, 3, 4, 5, 6, 7, 8, 7)]
    assert [int(lots) for lots in tapes["buy_lots"]] == counted
    assert [int(lots) for lots in tapes["sell_lots"]] == counted
    assert set(tapes["qty_lots"].tolist()) == {qty}


@pytest.mark.parametrize("qty", NEAR)
def test_positions_and_worst_cases_do_not_wrap(board, qty):
    """Positions of the greatest size are stated, filled over and turned, and orders judged."""
    book = [*refill(BID, [(100, MOST)]), *refill(ASK, [(101, 1)])]
    records, number = list(book), 0
    for side in (BID, ASK):
        for kind, flags, price in (
            (InKind.RECONCILE, InFlag.WHOLE, 100),
            (InKind.RECONCILE, 0, 100),
            (InKind.FILL, 0, 101),
            (InKind.FILL, 1, 99),
            (InKind.FILL, 1, 99),
        ):
            records.append(record(kind, side ^ flags, price=price, value=qty))
            number += 1
            turn = [(BID, 100, MOST if number % 2 else 1), (ASK, 101, 1 if number % 2 else MOST)]
            records += event(turn, number, time_us=number)
    told(board, records)
    told(board, records, [*SETTINGS, ("order_qty", 1), ("mode", 1)])


@pytest.mark.parametrize("seed", range(2))
def test_random_streams_equal_the_reference(board, seed):
    sizes = {"symbols": CONFIG.symbols, "levels": CONFIG.levels, "qty_bits": CONFIG.qty_bits}
    settings, records = random_settings(seed, **sizes), random_stream(seed, 20_000, **sizes)
    # Most quantities of a stream are small; here they are as near to the other end.
    lots = np.isin(records["kind"], [kind for kind in VALUE_IS_QTY if kind != InKind.RECONCILE])
    lots &= (records["value"] > 0) & (records["value"] < 1 << 20)
    records["value"][lots] = np.uint64(MOST) - records["value"][lots]
    board.reset()
    assert_equal(board, CONFIG, settings, records)


def test_a_sum_that_fits_is_not_cut_and_costs_nothing():
    narrow = Signal(64)
    assert cut(narrow, 64) is narrow


@pytest.mark.parametrize("value", [0, 15, 16, 31, 32, 63])
def test_a_sum_that_does_not_fit_is_the_greatest_that_does(value):
    wide, shown, m = Signal(6), Signal(4), Module()
    m.d.comb += shown.eq(cut(wide, 4))

    async def testbench(ctx):
        ctx.set(wide, value)
        await ctx.delay(1e-9)
        assert ctx.get(shown) == min(value, 15)

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
