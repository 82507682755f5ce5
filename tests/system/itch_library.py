# SPDX-License-Identifier: Apache-2.0
"""An independent ITCH library's books, compared with the records of the feed message by message."""

from bisect import bisect_left, insort

import numpy as np
from itch_book._core import Session

from host.contract.records import InFlag, InKind

#: Levels a side the library shows.
DEPTH = 50


def library_rows(messages):
    """Number of each message that changed a book, its locate, and both sides after it.

    Numbers count from 1. A side is a pair of arrays, prices and shares, 0 where there is no level.
    """
    session = Session(tables=[], depth=DEPTH, symbols=[])
    session.reserve(len(messages) + 1)
    session.feed(b"".join(len(message).to_bytes(2, "big") + message for message in messages))
    stats = session.stats()
    assert stats["malformed"] == stats["pending_bytes"] == 0
    table = session.take_depth()

    def matrix(side, what):
        return np.stack([table[f"{side}_{what}_{n:02}"] for n in range(DEPTH)], axis=1)

    sides = [(matrix(side, "px"), matrix(side, "sz")) for side in ("bid", "ask")]
    return table["seq"], table["locate"], sides, stats


class _Book:
    """Levels of one symbol as the records tell them."""

    def __init__(self):
        self.prices = ([], [])
        self.shares = ({}, {})

    def level(self, side, price, shares):
        prices, held = self.prices[side], self.shares[side]
        if shares:
            if price not in held:
                insort(prices, price)
            held[price] = shares
        elif price in held:
            del held[price]
            del prices[bisect_left(prices, price)]

    def best(self, side):
        prices = self.prices[side][:DEPTH] if side else self.prices[side][: -DEPTH - 1 : -1]
        held = self.shares[side]
        return prices, [held[price] for price in prices]


def assert_same_books(messages, records, symbols):
    """Every book after every message, level for level.

    Parameters
    ----------
    messages : list of bytes
        All messages from the first on; number n of the session is at n - 1.
    records : ndarray of IN_DTYPE
        What the feed told.
    symbols : dict of int to int
        Symbol of each locate.

    Returns
    -------
    int, dict
        Books compared, and the library's statistics.
    """
    numbers, locates, sides, stats = library_rows(messages)
    taken = np.isin(locates, list(symbols))
    rows = np.flatnonzero(taken)
    books = {symbol: _Book() for symbol in symbols.values()}
    compared, at = 0, 0
    changed = False
    kinds, flags = records["kind"].tolist(), records["flags"].tolist()
    owners, prices = records["symbol"].tolist(), records["price_ticks"].tolist()
    values = records["value"].tolist()
    row_numbers, row_symbols = (
        numbers[rows].tolist(),
        [symbols[locate] for locate in locates[rows].tolist()],
    )
    before = None
    for kind, flag, symbol, price, value in zip(kinds, flags, owners, prices, values, strict=True):
        if kind == InKind.CLEAR:
            raise AssertionError(f"symbol {symbol}: expected no CLEAR, was one")
        if kind == InKind.EVENT_BEGIN:
            before, changed = None, False
        elif kind == InKind.LEVEL:
            book = books[symbol]
            if before is None:
                before = (book.best(0), book.best(1))
            book.level(bool(flag & InFlag.SIDE), price, value)
            changed = True
        elif kind == InKind.EVENT_END and changed:
            after = (books[symbol].best(0), books[symbol].best(1))
            if at == len(rows) or row_numbers[at] != value:
                assert after == before, f"message {value}: expected no change, was one"
                continue
            assert row_symbols[at] == symbol
            for side in (0, 1):
                px, sz = sides[side]
                mine, shares = after[side]
                n, row = len(mine), rows[at]
                assert (
                    px[row, :n].tolist() == mine
                    and sz[row, :n].tolist() == shares
                    and (n == DEPTH or not px[row, n])
                ), f"message {value}, side {side}: expected {px[row, : n + 1]}, was {mine}"
            compared += 1
            at += 1
    assert at == len(rows), f"message {row_numbers[at]}: expected a change, was none"
    return compared, stats
