# SPDX-License-Identifier: Apache-2.0
"""Sums over all symbols at their greatest: nothing wraps."""

import numpy as np

from hdl.config import BuildConfig
from host.contract.records import DECISION_DTYPE, InKind, OutKind, Reason
from sim.board import Board
from tests.unit.fabric import ASK, BID, OPEN, array, assert_equal, event, record, refill

CONFIG = BuildConfig(symbols=9, levels=3, qty_bits=8)
MOST_LOTS = 255
FILLS = 130  # more than a position of Q + 8 bits, one of them its sign, can hold
MOST_VALUE = (1 << 32) - 1


def test_every_position_at_its_greatest_is_gross_and_net_beyond_a_limit_near_it():
    # 9 symbols x (2^15 - 1) lots x (2^32 - 1) units, a little above 2^50.
    settings = [*OPEN, ("limit_waive", 0), ("limit_lot_value", MOST_VALUE)]
    for limit, refused in ((1 << 50, True), (1 << 51, False)):
        settings += [("max_gross", limit), ("max_net", limit)]
        commits = [("limit_commit", symbol) for symbol in range(CONFIG.symbols)]
        records = [
            record(InKind.FILL, BID, symbol, 1, MOST_LOTS)
            for symbol in range(CONFIG.symbols)
            for _ in range(FILLS)
        ]
        for symbol in range(CONFIG.symbols):
            records += [
                *refill(BID, [(100, 9)], symbol=symbol),
                *refill(ASK, [(101, 1)], symbol=symbol),
                *event([], 1, 1000, symbol),
            ]
        with Board(CONFIG) as board:
            out = assert_equal(board, CONFIG, [*settings, *commits], array(records))
        rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION]).view(DECISION_DTYPE)
        verdict = int(rows.reshape(-1)["verdict"][-1])
        assert (bool(verdict >> Reason.GROSS & 1), bool(verdict >> Reason.NET & 1)) == (
            refused,
        ) * 2
