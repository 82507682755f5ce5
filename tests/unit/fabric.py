# SPDX-License-Identifier: Apache-2.0
"""The whole fabric against the reference model, for any build and stream."""

import numpy as np

from hdl.config import BuildConfig
from hdl.pipeline import decision_latency
from host.contract.records import IN_DTYPE, InFlag, InKind
from host.contract.registers import COUNTERS
from sim.board import Board
from sim.compare import compare, latency
from sim.reference import Reference

BID, ASK = 0, int(InFlag.SIDE)

#: Everything the gate asks for wide open, one symbol.
OPEN = (
    ("report", 1),
    ("levels_n", 1),
    ("ratio_num", 2),
    ("ratio_den", 1),
    ("rule_enable", 3),
    ("order_qty", 1),
    ("mode", 2),
    ("rate_interval_us", 1),
    ("rate_burst_us", (1 << 32) - 1),
    ("stale_us", (1 << 32) - 1),
    ("limit_permit", 1),
    ("limit_mode", 2),
    ("limit_waive", (1 << 64) - 1),
    ("limit_max_qty", (1 << 64) - 1),
    ("limit_max_notional", (1 << 64) - 1),
    ("limit_collar_ticks", (1 << 32) - 1),
    ("limit_max_position", (1 << 62)),
    ("limit_commit", 0),
)


def record(kind, flags=0, symbol=0, price=0, value=0, tag=0):
    return (int(kind), int(flags), symbol, tag, price, value)


def refill(side, levels, horizon=None, symbol=0):
    """Records that load one side; no horizon: it is known whole."""
    whole = InFlag.WHOLE if horizon is None else 0
    return [
        record(InKind.REFILL_BEGIN, side, symbol),
        *(record(InKind.LEVEL, side | InFlag.REFILL, symbol, p, q) for p, q in levels),
        record(InKind.REFILL_END, side | whole, symbol, horizon or 0),
    ]


def event(updates, update_id, time_us=0, symbol=0):
    """A book event of (side, price, qty)."""
    return [
        record(InKind.EVENT_BEGIN, 0, symbol, value=time_us),
        *(record(InKind.LEVEL, side, symbol, p, q) for side, p, q in updates),
        record(InKind.EVENT_END, InFlag.BOOK, symbol, value=update_id),
    ]


def array(records):
    return np.array(records, dtype=IN_DTYPE)


def assert_equal(board: Board, config: BuildConfig, settings, records):
    """Feed both from reset; every record, every counter and the latency must agree."""
    reference = Reference(
        config.symbols, config.levels, config.qty_bits, config.own_orders, vectors=config.vectors
    )
    for name, value in settings:
        board.write(name, value)
        reference.write(name, value)
    actual, expected = board.transfer(records), reference.feed(records)
    comparison = compare(expected, actual)
    assert comparison.equal, str(comparison)
    assert {name: board.read(name) for name in COUNTERS} == reference.counters
    assert board.protocol_errors == 0
    measured = latency(actual)
    if measured.decisions:
        cycles = decision_latency(config)
        assert measured.minimum == measured.maximum == cycles
        told = board.read_array("latency_histogram")
        assert (told[cycles], told.sum()) == (measured.decisions, measured.decisions)
        assert board.read_array("span_histogram").sum() == measured.decisions
    return actual
