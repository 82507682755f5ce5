# SPDX-License-Identifier: Apache-2.0
"""Dense random streams: every side exact after every record, and what the streams reach."""

from collections import Counter

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import IN_DTYPE, InFlag, InKind
from sim.board import Board
from sim.reference import Reference
from sim.stimulus import random_stream
from tests.unit.book_bench import check
from tests.unit.book_streams import dense_stream
from tests.unit.fabric import OPEN, assert_equal

SMALL = BuildConfig(symbols=2, levels=3, qty_bits=8, price_bits=8)
LARGER = BuildConfig(symbols=3, levels=5, qty_bits=24)
#: Clocks between two records of a row within which the second cannot read what the first wrote.
DISTANCES = range(1, 8)


@pytest.mark.parametrize("seed", range(3))
def test_every_side_is_exact_after_every_record(seed):
    check(SMALL, dense_stream(seed, 2500, 2, 3))


def test_every_side_is_exact_where_only_requests_are_told():
    check(SMALL, dense_stream(7, 1500, 2, 3), {"report": 0, "refill_level": 3})


def test_a_larger_build_is_exact_after_every_record():
    check(LARGER, dense_stream(9, 1500, 3, 5), {"levels_n": 4})


@pytest.mark.xdist_group("book-dense-fabric")
@pytest.mark.parametrize("seed", range(2))
def test_the_whole_fabric_equals_the_reference_on_dense_streams(seed):
    stream = [item for item in dense_stream(seed, 40_000, 3, 5) if item is not None]
    with Board(LARGER) as board:
        assert_equal(board, LARGER, OPEN, np.array(stream, IN_DTYPE))


def reached(stream, symbols: int, levels: int) -> Counter:
    """Situations in a stream that are hard for a pipelined book, by name.

    Updates of one side: what happened, and how it lies to the levels that were there.
    """
    reference = Reference(symbols, levels, 16)
    found: Counter = Counter()
    before: dict[tuple[int, int], tuple] = {}  # row: clock, what happened, price
    rows = []  # row of each clock
    for clock, item in enumerate(stream):
        rows.append(None if item is None else (item[2], item[1] & 1))
        if item is None:
            continue
        kind, flags, symbol, _, price, _ = (int(part) for part in item)
        counters = reference.counters
        levels_row = symbol < symbols and kind == InKind.LEVEL and not flags & InFlag.REFILL
        side = None
        if levels_row:
            book = reference._books[symbol]
            side = book.ask if flags & 1 else book.bid
            ranks, full = sorted(side.held), len(side.held) == levels
        reference.feed(np.array([tuple(item)], IN_DTYPE))
        if side is None:
            continue
        after = reference.counters
        did = {
            name.removeprefix("level_")
            for name in ("level_inserts", "level_deletes", "level_evicts", "level_changes")
            if after[name] != counters[name]
        }
        row = (symbol, flags & 1)
        last, what, near, was_full = before.get(row, (None, set(), 0, False))
        if last is not None and clock - last in DISTANCES:
            others = {at for at in rows[last + 1 : clock] if at is not None and at != row}
            same = "same" if near == price else "neighbour" if abs(near - price) == 1 else None
            if did and what and same and (others or clock - last == 1):
                found[f"{same} price {clock - last} later"] += 1
        if last == clock - 1:
            rank = side.sign * price
            if "deletes" in what and was_full and "inserts" in did and ranks:
                found["worse insert after delete"] += rank < ranks[0]
                found["better insert after delete"] += rank > ranks[-1]
            if "evicts" in what and "evicts" in did:
                found["eviction after eviction"] += 1
            if "evicts" in what and not did and side.horizon == rank:
                found["update of what was just evicted"] += 1
        before[row] = (clock, did, price, full)
    return found


SITUATIONS = {
    *(f"{name} price {distance} later" for name in ("same", "neighbour") for distance in DISTANCES),
    "worse insert after delete",
    "better insert after delete",
    "eviction after eviction",
    "update of what was just evicted",
}


def test_a_dense_stream_reaches_every_situation_within_ten_thousand_clocks():
    found = reached(dense_stream(0, 10_000, 2, 3), 2, 3)
    assert {name for name in SITUATIONS if found[name] < 5} == set()


@pytest.mark.parametrize("build", [(1, 3, 8), (3, 5, 16)])
def test_random_streams_of_the_fabric_reach_every_situation(build):
    found = reached(random_stream(0, 30_000, *build), *build[:2])
    assert {name for name in SITUATIONS if not found[name]} == set()
