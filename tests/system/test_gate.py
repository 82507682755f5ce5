# SPDX-License-Identifier: Apache-2.0
"""The gate alone equals its reference on random orders, reports and limits."""

from hdl.config import BuildConfig
from host.contract.records import Reason
from sim.board import Board, Stalls
from sim.compare import compare
from tests.system.gate_bench import DESIGN
from tests.system.gate_stream import OWN_ORDERS, QTY_BITS, SYMBOLS, chunks, seen, verdicts_of

CONFIG = BuildConfig(symbols=SYMBOLS, qty_bits=QTY_BITS, own_orders=OWN_ORDERS)


def drive(seed, count, records, stalls=None):
    """Every chunk through the hardware; what was seen alone and among others, and decisions."""
    alone, among, decisions = set(), set(), 0
    with Board(CONFIG, design=DESIGN, stalls=stalls, random_init=seed) as board:
        for at, (focus, writes, made, expected) in enumerate(chunks(seed, count, records)):
            for name, value in writes:
                board.write(name, value)
            comparison = compare(expected, board.transfer(made))
            assert comparison.equal, f"chunk {at}, {focus}\n{comparison}"
            verdicts = verdicts_of(expected)
            decisions += len(verdicts)
            more_alone, more_among = seen(verdicts)
            alone |= more_alone
            among |= more_among
        assert board.protocol_errors == 0
    return alone, among, decisions


def test_every_verdict_and_alert_is_the_references():
    alone, among, decisions = drive(1, 8 * len(Reason), 250)
    assert decisions > 30_000
    assert among == set(Reason)
    assert alone == set(Reason)


def test_pauses_of_the_link_change_nothing():
    drive(2, 60, 200, Stalls(7, 400, 400))
