# SPDX-License-Identifier: Apache-2.0
"""Updates of one row in neighbouring clocks: every combination, against the reference."""

from itertools import product

import pytest

from hdl.config import BuildConfig
from host.contract.records import InKind
from sim.board import Board
from tests.unit.fabric import ASK, BID, OPEN, array, assert_equal, event, record, refill

CONFIG = BuildConfig(symbols=9, levels=3, qty_bits=8)
#: Set or delete each of four neighbouring prices, on a side that holds three levels.
ACTIONS = [(price, qty) for price in (10, 11, 12, 13) for qty in (0, 7)]


@pytest.fixture(scope="module")
def board():
    with Board(CONFIG) as opened:
        yield opened


@pytest.mark.parametrize("side", [BID, ASK], ids=["bid", "ask"])
@pytest.mark.parametrize("apart", range(4))
def test_every_run_of_four_updates_of_one_row(board, side, apart):
    """`apart` updates of another row stand between the second and the third."""
    other = ASK if side == BID else BID
    far = 5 if other == BID else 40
    prices, horizon = ((12, 11, 10), 9) if side == BID else ((10, 11, 12), 13)
    start = [(price, 1 + at) for at, price in enumerate(prices)]
    records = refill(other, [(far, 50)])
    for number, run in enumerate(product(ACTIONS, repeat=4)):
        records += refill(side, start, horizon)
        updates = [(side, price, qty) for price, qty in run]
        updates[2:2] = [(other, far, 50 + n) for n in range(apart)]
        records += event(updates, number)
    board.reset()
    assert_equal(board, CONFIG, [*OPEN, ("refill_level", 2)], array(records))


@pytest.mark.parametrize("distance", range(8))
def test_a_cleared_or_reloaded_side_is_seen_by_updates_at_every_distance(board, distance):
    """The state of a row is forwarded like its levels."""
    filler = [record(InKind.TRADE, symbol=1, price=1, value=1)] * distance
    records = []
    for number, opening in enumerate(
        (
            refill(BID, [(10, 1), (9, 2)], 8),
            refill(BID, [(10, 1)]),
            [record(InKind.CLEAR, BID)],
            [record(InKind.REFILL_BEGIN, BID)],
        )
    ):
        records += refill(ASK, [(20, 4)])
        body = event([(BID, 10, 5), (BID, 11, 6), (BID, 8, 3)], number)
        records += [*opening, *filler, *body]
    board.reset()
    assert_equal(board, CONFIG, OPEN, array(records))


@pytest.mark.parametrize("distance", range(8))
def test_two_symbols_in_alternate_clocks_do_not_touch_each_other(board, distance):
    records = []
    for symbol in (0, 1):
        records += refill(BID, [(10 + symbol, 3)], 2, symbol) + refill(ASK, [(20, 4)], 40, symbol)
    for number in range(40):
        symbol = number % 2
        filler = [record(InKind.LEVEL, BID | 2, 1 - symbol, 3, 1)] * distance  # orphans
        records += filler + event([(BID, 4 + number % 9, number % 3)], number, number, symbol)
    board.reset()
    assert_equal(board, CONFIG, OPEN, array(records))
