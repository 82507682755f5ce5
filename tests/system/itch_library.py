# SPDX-License-Identifier: Apache-2.0
"""An independent ITCH library's books, compared with the records of the feed message by message."""

from bisect import bisect_left, insort
from collections import Counter
from itertools import islice

import numpy as np
from itch_book._core import Session

from host.contract.records import InFlag, InKind
from sim.stimulus_itch import FlowSettings, Packets, order_flow
from tests.system.itch_tap import Bench

__all__ = ["DEPTH", "SameBooks", "flow_of", "moved"]

#: Levels a side the library shows.
DEPTH = 50
_KEEP_UNKNOWN = 1


def flow_of(messages, seed, step):
    """Order flow in parts of `step` messages: three symbols, about 60 orders live at a time.

    Over many messages even a few hundred would once fill a row of the small table.
    """
    settings = FlowSettings(messages, live=60, seed=seed, unknown_per_mille=20, states=True)
    flow = order_flow(settings)
    while part := list(islice(flow, step)):
        yield part


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


class SameBooks:
    """The feed in a board, its reference, and the library, given the same messages.

    Parameters
    ----------
    size : str
        Build of the feed (`tests.system.itch_tap.SIZES`).
    symbols : dict of int to int
        Symbol of each locate.

    Attributes
    ----------
    messages, compared : int
        Messages taken, and books compared that one of them changed.
    """

    def __init__(self, size, symbols):
        self.bench, self.symbols = Bench(size), symbols
        self.bench.write("policy", _KEEP_UNKNOWN)
        for locate, symbol in symbols.items():
            self.bench.select(locate, symbol)
        self.session = Session(tables=[], depth=DEPTH, symbols=[])
        self.books = {symbol: _Book() for symbol in symbols.values()}
        self.messages = self.compared = 0

    @property
    def stats(self):
        """The library's own counts."""
        return self.session.stats()

    def counters(self):
        """The feed's counters."""
        return Counter(self.bench.counters())

    def take(self, messages):
        """Give everyone more messages; every book after every message must be the same."""
        first = self.messages + 1
        packets = Packets(messages, most=30, seed=first, sequence=first)
        records = self.bench.check(list(packets))
        rows = self._library(messages)
        self.messages += len(messages)
        self._compare(records, rows)

    def _library(self, messages):
        """What the library shows: number, symbol, and both sides for each change of a book.

        A side is a pair of rows, prices and shares, 0 where there is no level.
        """
        self.session.reserve(len(messages) + 1)
        self.session.feed(b"".join(len(each).to_bytes(2, "big") + each for each in messages))
        stats = self.stats
        assert stats["malformed"] == stats["pending_bytes"] == 0
        table = self.session.take_depth()
        taken = np.flatnonzero(np.isin(table["locate"], list(self.symbols)))

        def matrix(side, what):
            columns = [table[f"{side}_{what}_{n:02}"][taken] for n in range(DEPTH)]
            return np.stack(columns, axis=1)

        symbols = [self.symbols[locate] for locate in table["locate"][taken].tolist()]
        bids, asks = ((matrix(side, "px"), matrix(side, "sz")) for side in ("bid", "ask"))
        numbers = table["seq"][taken].tolist()
        return list(
            zip(numbers, symbols, zip(*bids, strict=True), zip(*asks, strict=True), strict=True)
        )

    def _compare(self, records, rows):
        """Play the records; whatever changes a book must stand in the rows, and the other way."""
        names = ("kind", "flags", "symbol", "price_ticks", "value")
        columns = [records[name].tolist() for name in names]
        at, before, changed = 0, None, False
        for kind, flag, symbol, price, value in zip(*columns, strict=True):
            if kind == InKind.CLEAR:
                raise AssertionError(f"symbol {symbol}: expected no CLEAR, was one")
            if kind == InKind.EVENT_BEGIN:
                before, changed = None, False
            elif kind == InKind.LEVEL:
                book = self.books[symbol]
                if before is None:
                    before = (book.best(0), book.best(1))
                book.level(bool(flag & InFlag.SIDE), price, value)
                changed = True
            elif kind == InKind.EVENT_END and changed:
                after = (self.books[symbol].best(0), self.books[symbol].best(1))
                if at == len(rows) or rows[at][0] > value:
                    assert after == before, f"message {value}: expected no change, was one"
                    continue
                number, owner, *sides = rows[at]
                assert (number, owner) == (value, symbol), f"message {number}: expected a change"
                for side in (0, 1):
                    _same_side(value, side, after[side], *sides[side])
                self.compared += 1
                at += 1
        assert at == len(rows), f"message {rows[at][0]}: expected a change, was none"


def _same_side(number, side, told, px, sz):
    """One side of a book as told, and as the library has it."""
    prices, shares = told
    n = len(prices)
    assert px[:n].tolist() == prices and sz[:n].tolist() == shares and (n == DEPTH or not px[n]), (
        f"message {number}, side {side}: expected {px[: n + 1]}, was {prices}"
    )


def moved(message):
    """The same message with each reference one higher: the library takes no order 0."""

    def up(at):
        return (int.from_bytes(message[at : at + 8], "big") + 1).to_bytes(8, "big")

    kind = chr(message[0])
    if kind not in "AFECXDU":
        return message
    if kind == "U":
        return message[:11] + up(11) + up(19) + message[27:]
    return message[:11] + up(11) + message[19:]
