# SPDX-License-Identifier: Apache-2.0
"""Seeded record streams that drive the fabric into its corners.

Every symbol follows a script of its own: refills, book events, crossed books, lost updates,
broken records. Scripts are dealt into one stream in short runs: refills and reports of other
symbols fall into an open event, and now and then an event itself. Prices stay within a narrow
band so that records meet: the same level is updated again and again, sides fill over their
capacity, and run dry.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    IN_DTYPE,
    IN_FLAGS_BY_KIND,
    InFlag,
    InKind,
)

__all__ = ["MAX_U32", "MAX_U64", "home_ticks", "random_stream"]

#: One record as a tuple, fields in the order of `IN_DTYPE`.
Row = tuple[int, int, int, int, int, int]

MAX_U32 = (1 << 32) - 1
MAX_U64 = (1 << 64) - 1
#: Stream times a stream may start at, microseconds: zero, a date of 2023, the end of time.
STARTS_US = (0, 1_700_000_000_000_000, MAX_U64 - (1 << 35))
REPORTS = (InKind.ACK, InKind.FILL, InKind.CANCEL, InKind.REJECT)


class _Clock:
    """Stream time, shared by all symbols of a stream."""

    def __init__(self, rng: random.Random, now_us: int) -> None:
        self.rng = rng
        self.now_us = now_us

    def tick(self) -> int:
        """Time of the next event: mostly a little later, sometimes late itself."""
        step_us = self.rng.choice((0, 0, 1, 3, 10, 40))
        if self.rng.random() < 0.0005:
            step_us = 1 << 33
        self.now_us = min(MAX_U64, self.now_us + step_us)
        draw = self.rng.random()
        if draw < 0.02:
            return self.rng.choice((0, max(0, self.now_us - (1 << 32)), self.now_us // 2))
        if draw < 0.15:
            return max(0, self.now_us - self.rng.randrange(200))
        return self.now_us


def home_ticks(symbol: int, levels: int) -> int:
    """Price around which a symbol moves, ticks; some have no room for all their levels."""
    band = 2 * levels
    homes = (1_000_000, band, MAX_U32 - band, 1 << 31, 3, MAX_U32 - 3)
    return homes[symbol % len(homes)]


class _Script:
    """Endless scripted life of one symbol, one record at a time."""

    def __init__(
        self, rng: random.Random, clock: _Clock, symbol: int, build: _Build, faults: float
    ) -> None:
        self.rng = rng
        self.clock = clock
        self.symbol = symbol
        self.build = build
        self.faults = faults
        self.pending: deque[Row] = deque()
        self.update_id = rng.choice((0, 1, MAX_U64 - 1000, rng.getrandbits(40)))
        self.home = home_ticks(symbol, build.levels)
        self.mid = self.home  # the first bid; asks begin one above
        self.span = build.levels + 2  # distances that updates reach
        self.deletes = 0.2  # share of updates that delete
        self._load_both()

    def peek(self) -> Row:
        """The next record of the script."""
        while not self.pending:
            self._act()
        return self.pending[0]

    def take(self) -> Row:
        """The next record of the script, which moves on."""
        row = self.peek()
        self.pending.popleft()
        return row

    # Records

    def _put(self, kind: InKind, flags: int = 0, price: int = 0, value: int = 0) -> None:
        self.pending.append((int(kind), int(flags), self.symbol, 0, price, value))

    def _price(self, ask: int, distance: int) -> int:
        """Price `distance` levels behind the best of the side, within the price range."""
        price = self.mid + 1 + distance if ask else self.mid - distance
        return max(1, min(MAX_U32, price))

    def _distance(self) -> int:
        """Distance of an update: mostly near the top, at times just beyond the capacity."""
        draw = self.rng.random()
        if draw < 0.45:
            return self.rng.randrange(4)
        if draw < 0.98:
            return self.rng.randrange(self.span)
        return self.rng.choice((self.build.levels, self.span, MAX_U32))

    def _qty(self) -> int:
        """A quantity above zero, lots."""
        draw = self.rng.random()
        if draw < 0.01:
            return self.build.max_qty
        if draw < 0.02:
            return self.rng.randint(1, self.build.max_qty)
        return min(self.build.max_qty, self.rng.choice((1, 1, 2, 3, 5, 8, 13, 40)))

    def _side(self) -> int:
        return self.rng.getrandbits(1)

    def _level(self, ask: int, distance: int, value: int) -> None:
        self._put(InKind.LEVEL, ask, self._price(ask, distance), value)

    # Actions

    def _act(self) -> None:
        """Append the records of one action."""
        if self.rng.random() < 0.04:
            self.deletes = self.rng.choice((0.02, 0.1, 0.1, 0.2, 0.2, 0.4, 0.8))
            self.span = self.rng.choice((4, self.build.levels, 2 * self.build.levels))
        names, weights = zip(*self._actions().items(), strict=True)
        action = self.rng.choices(names, weights)[0]
        start = len(self.pending)
        getattr(self, f"_{action}")()
        for at in range(start, len(self.pending)):
            if self.rng.random() < self.faults:
                self.pending[at] = self._broken(self.pending[at])
        if self.rng.random() < self.faults * 20:
            self._load_both()

    @staticmethod
    def _actions() -> dict[str, float]:
        """Actions by name and how often they come."""
        return {
            "event": 60,
            "same_row": 6,
            "drift": 12,
            "cross": 1.5,
            "load": 2,
            "load_both": 2,
            "run_dry": 0.4,
            "clear": 0.7,
            "lose_load": 0.4,
            "restart_load": 0.3,
            "orphan": 0.4,
            "unframed": 0.2,
            "unclosed": 0.5,
            "trade": 3,
            "tape": 3,
            "timer": 2,
            "heartbeat": 1,
            "report": 6,
            "adopt": 5,
            "round_trip": 2,
            "steer": 2,
        }

    def _begin(self) -> None:
        self._put(InKind.EVENT_BEGIN, value=self.clock.tick())

    def _end(self) -> None:
        self.update_id = (self.update_id + 1) & MAX_U64
        flags = InFlag.BOOK if self.rng.random() < 0.92 else 0
        self._put(InKind.EVENT_END, flags, value=self.update_id)

    def _update(self, ask: int | None = None) -> None:
        """One update, a delete as often as the phase wants."""
        ask = self._side() if ask is None else ask
        qty = 0 if self.rng.random() < self.deletes else self._qty()
        self._level(ask, self._distance(), qty)

    def _event(self) -> None:
        """A book event of a few updates, often none or one."""
        self._begin()
        for _ in range(self.rng.choice((0, 1, 1, 2, 3, 5, 12))):
            self._update()
        if self.rng.random() < 0.05:
            self._trade()
        self._end()

    def _same_row(self) -> None:
        """Updates of one side and few prices back to back."""
        ask, near = self._side(), self._distance()
        self._begin()
        for _ in range(self.rng.randrange(2, 9)):
            distance = max(0, near + self.rng.choice((0, 0, 0, 1, -1)))
            self._level(ask, distance, self.rng.choice((0, self._qty())))
        self._end()

    def _drift(self) -> None:
        """The price moves: one side loses its best levels, the other gains as many."""
        up = self.mid < self.home if self.mid != self.home else bool(self._side())
        self._begin()
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            lost, gained = (1, 0) if up else (0, 1)
            self._level(lost, 0, 0)
            self.mid = max(1, min(MAX_U32 - 1, self.mid + (1 if up else -1)))
            self._level(gained, 0, self._qty())
        self._end()

    def _cross(self) -> None:
        """An event that locks or crosses the book, then one that mends it."""
        ask = self._side()
        distance = self.rng.choice((-1, -1, -2, -3, -MAX_U32))
        self._begin()
        self._level(ask, distance, self._qty())
        self._end()
        self._begin()
        self._level(ask, distance, 0)
        self._end()

    def _run_dry(self) -> None:
        """Delete a side from the top, with a view now and then."""
        ask = self._side()
        self._begin()
        for distance in range(self.span):
            self._level(ask, distance, 0)
            if self.rng.random() < 0.2:
                self._end()
                self._begin()
        self._end()
        if self.rng.random() < 0.7:
            self._load(ask)

    def _clear(self) -> None:
        """Clear one side or both, for each of the causes; mostly refilled soon."""
        flags = self.rng.choice((0, InFlag.GAP, InFlag.RESYNC, InFlag.GAP | InFlag.RESYNC))
        sides = self.rng.choice(((0,), (1,), (0, 1)))
        for ask in sides:
            self._put(InKind.CLEAR, flags | ask)
        for _ in range(self.rng.randrange(4)):
            self._event()
        for ask in sides:
            self._load(ask)

    def _load(self, ask: int | None = None) -> None:
        """A refill of one side; its end is at times at or before its last level."""
        ask = self._side() if ask is None else ask
        levels = self.build.levels
        count = self.rng.choice((0, 2, levels - 1, *(levels,) * 6, levels + 3))
        # With holes between them, so that later updates find a place inside a full side.
        distances = [0, *self.rng.sample(range(1, 2 * levels + 8), count)][:count]
        if self.rng.random() < 0.5:
            distances.sort()
        if distances and self.rng.random() < 0.2:
            distances.append(self.rng.choice(distances))
        self._put(InKind.REFILL_BEGIN, ask)
        for distance in distances:
            self._put(InKind.LEVEL, ask | InFlag.REFILL, self._price(ask, distance), self._qty())
        last = max(distances, default=-1)
        cut_off = self._price(ask, last) == self._price(ask, last + 1)  # by the price range
        draw = self.rng.random()
        if draw < 0.35 or (cut_off and draw < 0.95):
            self._put(InKind.REFILL_END, ask | InFlag.WHOLE)
        elif draw < 0.40:
            self._put(InKind.REFILL_END, ask, self._price(ask, self.rng.randint(0, last + 1)))
        elif draw < 0.42:
            self._put(InKind.REFILL_END, ask, self.rng.choice((0, 1, MAX_U32)))
        else:
            self._put(InKind.REFILL_END, ask, self._price(ask, last + self.rng.choice((1, 1, 4))))

    def _load_both(self) -> None:
        self._load(0)
        self._load(1)

    def _lose_load(self) -> None:
        """A refill with updates or an evaluation in its midst."""
        ask = self._side()
        start = len(self.pending)
        self._load(ask)
        load = [self.pending.pop() for _ in range(len(self.pending) - start)][::-1]
        cut = self.rng.randint(1, len(load) - 1)
        self.pending.extend(load[:cut])
        self._begin()
        if self.rng.random() < 0.7:
            self._update(self.rng.choice((ask, 1 - ask)))
        self._end()
        self.pending.extend(load[cut:])
        self._event()
        self._load(ask)

    def _restart_load(self) -> None:
        """A refill that is begun again before its end."""
        ask = self._side()
        self._load(ask)
        self.pending.pop()
        self._load(ask)

    def _orphan(self) -> None:
        """Records of a refill that was never begun."""
        ask = self._side()
        if self.rng.random() < 0.5:
            price = self._price(ask, self._distance())
            self._put(InKind.LEVEL, ask | InFlag.REFILL, price, self._qty())
        self._put(InKind.REFILL_END, ask, self._price(ask, self._distance()))

    def _unframed(self) -> None:
        """An update, or an end, outside an event; refilled later."""
        if self.rng.random() < 0.5:
            self._update()
        else:
            self._end()
        self._event()
        self._load_both()

    def _unclosed(self) -> None:
        """An event that never ends before the next one begins."""
        self._begin()
        self._update()
        self._event()

    def _trade(self) -> None:
        price = self._price(self._side(), self._distance())
        self._put(InKind.TRADE, self._side(), price, self._qty())

    def _tape(self) -> None:
        """Trades back to back, at times in an event of their own, with time going by."""
        for _ in range(self.rng.choice((2, 3, 8))):
            draw = self.rng.random()
            if draw < 0.3:
                self._begin()
                self._trade()
                self._end()
            else:
                if draw < 0.5:
                    self._timer()
                self._trade()

    def _timer(self) -> None:
        self._put(InKind.TIMER, value=self.clock.tick())

    def _heartbeat(self) -> None:
        self._put(InKind.HEARTBEAT)

    def _report(self) -> None:
        """What became of an own order, with or without a tag and a price."""
        kind = self.rng.choice(REPORTS)
        tag, price = self.rng.randrange(70), self.rng.choice((0, self.mid, MAX_U32))
        qty = self.build.max_qty if self.rng.random() < 0.15 else self._qty()
        self.pending.append((int(kind), self._side(), self.symbol, tag, price, qty))

    def _adopt(self) -> None:
        """The exchange's position, mostly taken over."""
        flags = self._side() | (InFlag.WHOLE if self.rng.random() < 0.8 else 0)
        qty = self.rng.choice((0, 0, 1, 5, self._qty(), self.build.max_qty))
        price = self.mid if self.rng.random() < 0.8 else 0
        self._put(InKind.RECONCILE, flags, price, qty)

    def _round_trip(self) -> None:
        """A position that is taken over and sold or bought back, mostly at a loss."""
        side, qty, other = self._side(), self._qty(), self.mid + self.rng.randint(-3, 3)
        self._put(InKind.RECONCILE, side | InFlag.WHOLE, self.mid, qty)
        price = max(0, min(MAX_U32, other))
        self.pending.append((int(InKind.FILL), 1 - side, self.symbol, 0, price, qty))

    def _steer(self) -> None:
        """Credit, a new day, throttles, cancels on their way."""
        kind = self.rng.choice((InKind.CREDIT, InKind.DAY, InKind.REARM, InKind.CANCELLING))
        if kind == InKind.CREDIT:
            self._put(kind, value=self.rng.choice((0, 5, 1000, MAX_U64)))
        elif kind == InKind.CANCELLING:
            self.pending.append(
                (int(kind), self._side(), self.symbol, self.rng.randrange(64), 0, 0)
            )
        else:
            self._put(kind)

    def _broken(self, row: Row) -> Row:
        """The record with one or two fields that break a rule, where its kind has such a rule."""
        kind, flags, symbol, tag, price, value = row
        for _ in range(self.rng.choice((1, 1, 2))):
            which = self.rng.choice(("kind", "symbol", "flags", "tag", "price", "value", "value"))
            if which == "kind":
                kind = self.rng.choice((0, 250, 15, 16, 17, 129, 255))
            elif which == "symbol" and self.build.symbols < 256:
                symbol = self.rng.choice((self.build.symbols, 255))
            elif which == "flags":
                allowed = IN_FLAGS_BY_KIND[InKind(row[0])]
                flags |= self.rng.choice([1 << bit for bit in range(8) if not allowed >> bit & 1])
            elif which == "tag":
                tag = self.rng.choice((1, 128, 255))
            elif which == "price":
                price = 0 if price else self.rng.choice((1, MAX_U32))
            elif row[0] not in (InKind.EVENT_BEGIN, InKind.TIMER):  # there any value is a time
                value = self.rng.choice((0, self.build.max_qty + 1, MAX_U64))
        return kind, flags, symbol, tag, price, value


class _Build:
    """Sizes of the build that is driven."""

    def __init__(self, symbols: int, levels: int, qty_bits: int) -> None:
        self.symbols = symbols
        self.levels = levels
        self.max_qty = (1 << qty_bits) - 1


def random_stream(
    seed: int,
    length: int,
    symbols: int = 16,
    levels: int = 32,
    qty_bits: int = 48,
    *,
    start_us: int | None = None,
    faults: float = 0.003,
    run: int = 24,
) -> npt.NDArray[Any]:
    """A stream of incoming records that meets every rule of the contract, given the length.

    Parameters
    ----------
    seed : int
        The same arguments give the same stream.
    length : int
        Records.
    symbols, levels, qty_bits : int
        Build parameters.
    start_us : int, optional
        Stream time of the first event, microseconds; by default one of `STARTS_US`. The last
        of them reaches the greatest time within some ten thousand records.
    faults : float
        Share of the records that are broken on purpose, beside those of scripted faults.
    run : int
        Most records of one symbol in a row while others have records too.

    Returns
    -------
    ndarray of IN_DTYPE, shape (length,)
    """
    rng = random.Random(seed)
    clock = _Clock(rng, rng.choice(STARTS_US) if start_us is None else start_us)
    build = _Build(symbols, levels, qty_bits)
    scripts = [_Script(rng, clock, symbol, build, faults) for symbol in range(symbols)]
    return np.array(list(islice(_deal(rng, scripts, run), length)), IN_DTYPE)


def _deal(rng: random.Random, scripts: Sequence[_Script], run: int) -> Iterator[Row]:
    """Records of all scripts in turns, mostly so that the one frame is left to its symbol."""
    framed: _Script | None = None
    while True:
        script = framed if framed and rng.random() < 0.7 else rng.choice(scripts)
        for _ in range(rng.randint(1, run)):
            kind, flags = script.peek()[:2]
            needs_frame = kind in (InKind.EVENT_BEGIN, InKind.EVENT_END) or (
                kind == InKind.LEVEL and not flags & InFlag.REFILL
            )
            if needs_frame and framed not in (None, script) and rng.random() < 0.996:
                break
            if kind == InKind.EVENT_BEGIN:
                framed = script
            elif kind == InKind.EVENT_END:
                framed = None
            yield script.take()
