# SPDX-License-Identifier: Apache-2.0
"""Dense random streams for the book: few prices, full rows, few clocks between records of a row."""

import random

import numpy as np

from host.contract.records import IN_DTYPE, InFlag, InKind
from sim.reference import Reference
from sim.reference_symbol import NO_HORIZON, Side, State
from tests.unit.fabric import record, refill

__all__ = ["dense_stream"]

CAUSES = (0, InFlag.GAP, InFlag.RESYNC)


def _price(side: int, distance: int) -> int:
    """Bids from 40 down, asks from 43 up: at distances below 0 they lock or cross."""
    return 43 + distance if side else 40 - distance


def _loads(rng: random.Random, symbol: int, side: int, levels: int) -> list[tuple]:
    """A refill of mostly all places, mostly in no order, at times broken or without an end."""
    count = rng.choice((0, 1, 1, levels - 1, levels, levels, levels, levels + 1))
    distances = rng.sample(range(levels + 4), count)
    if rng.random() < 0.3:
        distances.sort()
    held = sorted(distances)[:levels]
    behind = held[-1] + 1 if held else 0
    horizon = rng.choice((None, None, None, behind, behind, behind + 2, behind - 1, 20))
    price = None if horizon is None else _price(side, horizon)
    levels_sent = [(_price(side, distance), rng.randint(1, 60)) for distance in distances]
    records = refill(side, levels_sent, price, symbol)
    return records[:-1] if rng.random() < 0.05 else records


def _burst(rng: random.Random, touched: Side) -> list[tuple[int, int]]:
    """Updates of a full side that meet at its ends: (price, quantity), one a clock."""
    ranks = sorted(touched.held)
    better, worse = ranks[-1] + 1, ranks[0] - 1
    update = rng.choice(
        (
            ((rng.choice(ranks), 0), (worse, 3)),
            ((rng.choice(ranks), 0), (better, 4)),
            ((ranks[0], 0), (worse, 5), (ranks[0], 6)),
            ((better, 7), (better + 1, 8), (better + 2, 9)),
            ((better, 10), (ranks[0], 11)),
            ((better, 12), (ranks[1], 0), (ranks[0], 13)),
            ((worse, 14), (better, 15), (worse, 0)),
        )
    )
    return [(touched.sign * rank, qty) for rank, qty in update]


def dense_stream(seed: int, length: int, symbols: int, levels: int) -> list[tuple | None]:
    """Records, one a clock; None for a clock without one.

    Most updates are of the row of the one before them or of the other side of the same symbol,
    at the same or a neighbouring price. Refills and clears come now in one piece, now dealt in
    between, of rows that are being updated as well as of others.

    Parameters
    ----------
    seed : int
        The same arguments give the same stream.
    length : int
        Clocks.
    symbols, levels : int
        Build parameters.
    """
    rng = random.Random(seed)
    reference = Reference(symbols, levels, 8)  # to load what is unknown or runs dry
    stream: list[tuple | None] = []

    def put(*records: tuple) -> None:
        stream.extend(records)
        reference.feed(np.array(list(records), IN_DTYPE))

    loads: list[tuple] = []
    symbol = side = distance = update_id = 0
    deletes, stay = 0.35, 0.7
    put(record(InKind.EVENT_BEGIN, 0, symbol))
    while len(stream) < length:
        draw = rng.random()
        if loads and draw < 0.25:
            for _ in range(rng.choice((1, 1, 1, len(loads)))):
                put(loads.pop(0))
        elif draw < 0.31:
            update_id += 1
            book = rng.choice((0, *(InFlag.BOOK,) * 9))
            put(record(InKind.EVENT_END, book, symbol, value=update_id))
            if rng.random() < 0.3:
                symbol = rng.randrange(symbols)
                deletes, stay = rng.choice((0.1, 0.35, 0.5)), rng.choice((0.3, 0.7, 0.95))
            put(record(InKind.EVENT_BEGIN, 0, symbol, value=update_id))
        elif draw < 0.34:
            stream += [None] * rng.randint(1, 9)
        elif draw < 0.345:
            put(record(InKind.CLEAR, side | rng.choice(CAUSES), rng.randrange(symbols)))
        elif draw < 0.37:
            put(record(InKind.TRADE, rng.getrandbits(1), rng.randrange(symbols), 1, 1))
        elif draw < 0.372:
            put(record(InKind.LEVEL, 0, rng.randrange(symbols), 0, 1))  # malformed
        elif not loads and draw < 0.39:
            loads = _loads(rng, rng.randrange(symbols), rng.getrandbits(1), levels)
        else:
            if rng.random() > stay:
                side = 1 - side
            book = reference._books[symbol]
            touched = book.ask if side else book.bid
            scarce = len(touched.held) < levels - 1 and touched.horizon != NO_HORIZON
            if not loads and (touched.state is State.UNKNOWN or (scarce and rng.random() < 0.4)):
                loads = _loads(rng, symbol, side, levels)
                if rng.random() < 0.7:
                    put(*loads)
                    loads = []
            if len(touched.held) == levels and rng.random() < 0.1:
                for price, qty in _burst(rng, touched):
                    put(record(InKind.LEVEL, side, symbol, price, qty))
            if rng.random() < 0.6:
                distance = max(0, distance + rng.choice((0, 0, -1, 1)))
            else:
                distance = rng.choice((-1, *range(levels + 2), *range(levels + 2)))
            qty = 0 if rng.random() < deletes else rng.randint(1, 60)
            put(record(InKind.LEVEL, side, symbol, _price(side, distance), qty))
    return stream[:length]
