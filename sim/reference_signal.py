# SPDX-License-Identifier: Apache-2.0
"""The features of one symbol in plain whole numbers, from ``docs/signals.md`` alone.

Meant to be read beside that page, in its order. Research may call it on data of its own: what goes
in is a book and a tape, what comes out is what the fabric would say, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from host.contract.features import FEATURE_BITS, FEATURE_NAMES

__all__ = ["BookSide", "Moment", "SignalSettings", "SignalState", "curved", "signed", "straight"]

#: Levels whose flow `ofi_multi` adds up.
FLOW_LEVELS = 5
MAX_U32 = (1 << 32) - 1
MOST_K = 8
#: T: floor(1024 log2(1 + j / 128)), by the number of bits of a power.
TABLE = tuple(((128 + j) ** 1024).bit_length() - 1 - 7 * 1024 for j in range(128))
FEATURE_MOST = (1 << (FEATURE_BITS - 1)) - 1


def _parts(x: int) -> tuple[int, int]:
    """Parts e and f of a number above zero."""
    e = x.bit_length() - 1
    return e, (x << 10 >> e) - 1024


def straight(x: int) -> int:
    """M of a number not below zero."""
    if x == 0:
        return 0
    e, f = _parts(x)
    return 1024 * (e + 1) + f


def curved(x: int) -> int:
    """L of a number not below zero."""
    if x == 0:
        return 0
    e, f = _parts(x)
    return 1024 * (e + 1) + TABLE[f >> 3]


def signed(x: int) -> int:
    """S of any number."""
    return straight(x) if x >= 0 else -straight(-x)


class BookSide(NamedTuple):
    """One side as features see it: visible (price, lots) best first, and the sum and wall of N."""

    levels: Sequence[tuple[int, int]]
    sum_lots: int
    wall: tuple[int, int]  # (price, lots), zeros without one


class Moment(NamedTuple):
    """What an event brings, beside the book: the tape's window and last trade, the time."""

    now_us: int
    bought_lots: int
    sold_lots: int
    notional: int
    last_price_ticks: int | None


@dataclass(frozen=True)
class SignalSettings:
    """Settings of a symbol that shape its features."""

    flow_decay: int = 0
    average_decay: int = 0
    bar_log2_us: int = 0
    micro_bank: int = 0


class _Average:
    """A leaky sum that begins at its first value."""

    def __init__(self) -> None:
        self.sum = 0
        self.begun = False

    def take(self, x: int, k: int) -> None:
        self.sum = self.sum - (self.sum >> k) + 256 * x if self.begun else x << (8 + k)
        self.begun = True


class Bars:
    """High, low and close of bars, and the average of their true ranges."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.high = self.low = self.close = 0
        self.close_before: int | None = None
        self.ranges = _Average()

    def take(self, m: int, number: int, k: int) -> None:
        """The mid, doubled, at an event of bar `number`."""
        if self.number == number:
            self.high, self.low, self.close = max(self.high, m), min(self.low, m), m
            return
        if self.number is not None:
            high, low = self.high, self.low
            if self.close_before is not None:
                high, low = max(high, self.close_before), min(low, self.close_before)
            self.ranges.take(high - low, k)
            self.close_before = self.close
        self.number = number
        self.high = self.low = self.close = m


@dataclass
class SignalState:
    """All that the features keep of one symbol.

    Parameters
    ----------
    qty_bits, price_bits, visible : int
        Q, width of a price, and V of the build.
    """

    qty_bits: int = 48
    price_bits: int = 32
    visible: int = 10
    primed: bool = False
    bids: list[tuple[int, int]] = field(default_factory=list)  # (key, lots) at the last event
    asks: list[tuple[int, int]] = field(default_factory=list)
    m: int = 0
    last_us: int = 0
    ofi: int = 0
    ofi_multi: int = 0
    removed: int = 0
    traded: int = 0
    prints: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    liquidity: _Average = field(default_factory=_Average)
    volume: _Average = field(default_factory=_Average)
    moves: _Average = field(default_factory=_Average)
    gaps: _Average = field(default_factory=_Average)
    bars: Bars = field(default_factory=Bars)
    vwap: tuple[int, int] = (0, 0)  # D and V at the last usable event

    def trade(self, qty_lots: int, is_sell: bool) -> None:
        """Take one trade."""
        most = (1 << self.qty_bits) - 1
        self.prints[is_sell] = min(most, self.prints[is_sell] + qty_lots)

    def skip(self) -> list[int]:
        """An event that is not usable; its features."""
        self.primed = False
        self.prints = {False: 0, True: 0}
        return [0] * len(FEATURE_NAMES)

    def event(
        self,
        bid: BookSide,
        ask: BookSide,
        moment: Moment,
        settings: SignalSettings,
        micro_table: Sequence[int],
    ) -> list[int]:
        """A usable event.

        Parameters
        ----------
        bid, ask : BookSide
            The book.
        moment : Moment
            Tape and time.
        settings : SignalSettings
            Settings of the symbol.
        micro_table : sequence of int
            The table that is in use, 128 entries.

        Returns
        -------
        list of int
            The features, in the order of the catalogue.
        """
        flow_k, average_k = min(settings.flow_decay, MOST_K), min(settings.average_decay, MOST_K)
        found: dict[str, int] = {}
        (b, b_lots), (a, a_lots) = bid.levels[0], ask.levels[0]
        m = a + b

        # Order flow.
        most_price = (1 << self.price_bits) - 1
        bids = _padded((price, lots) for price, lots in bid.levels)
        asks = _padded((most_price - price, lots) for price, lots in ask.levels)
        e = [0] * FLOW_LEVELS
        removed = 0
        if self.primed:
            for i in range(min(FLOW_LEVELS, self.visible)):
                e[i] = _gain(bids[i], self.bids[i]) - _gain(asks[i], self.asks[i])
            removed = _left(bids[0], self.bids[0]) + _left(asks[0], self.asks[0])
        before_removed, before_traded = self.removed, self.traded
        self.ofi = _leak(self.ofi, e[0], flow_k)
        self.ofi_multi = _leak(self.ofi_multi, sum(e[i] << (4 - i) for i in range(5)), flow_k)
        self.removed = _leak(self.removed, removed, flow_k)
        self.traded = _leak(self.traded, sum(self.prints.values()) * self.primed, flow_k)
        found["ofi_event"] = signed(e[0])
        found["ofi"] = signed(self.ofi)
        found["ofi_multi"] = signed(self.ofi_multi)
        found["cancel_share"] = curved(before_removed) - curved(before_traded)

        # Prints.
        found["print_flow"] = signed(self.prints[False] - self.prints[True])
        last = moment.last_price_ticks
        found["print_offset"] = 0 if last is None else signed(2 * last - m)
        self.prints = {False: 0, True: 0}

        # Book.
        found["spread"] = straight(a - b)
        found["imbalance_1"] = curved(b_lots) - curved(a_lots)
        found["imbalance_n"] = curved(bid.sum_lots) - curved(ask.sum_lots)
        found["imbalance_weighted"] = curved(self._weighted(bid)) - curved(self._weighted(ask))
        total = bid.sum_lots + ask.sum_lots
        found["liquidity"] = curved(total) - _level(curved, self.liquidity.sum, 8 + average_k)
        self.liquidity.take(total, average_k)

        # Walls.
        for name, side, best in (("bid", bid, b), ("ask", ask, a)):
            price, lots = side.wall
            found[f"wall_{name}"] = curved(lots) - curved(side.sum_lots) if lots else 0
            found[f"wall_{name}_distance"] = straight(abs(best - price)) if lots else 0

        # Tape.
        bought, sold = moment.bought_lots, moment.sold_lots
        found["trade_flow"] = curved(bought) - curved(sold)
        spike = curved(bought + sold) - _level(curved, self.volume.sum, 8 + average_k)
        found["volume_spike"] = spike
        self.volume.take(bought + sold, average_k)
        d_before, v_before = self.vwap
        away = max(0, straight(abs(d_before)) - straight(v_before) + 8192)
        found["vwap_distance"] = (d_before > 0) * away - (d_before < 0) * away
        self.vwap = (m * (bought + sold) - 2 * moment.notional, bought + sold)

        # Micro-price.
        lean = straight(b_lots) - straight(a_lots)
        bucket = min(15, max(0, (lean + 4096) >> 9))
        found["micro_offset"] = micro_table[16 * (min(a - b, 8) - 1) + bucket]

        # Motion.
        found["mid_change_mean"] = _level(straight, self.moves.sum, average_k)
        found["update_rate"] = 32768 - _level(straight, self.gaps.sum, average_k)
        found["mid_change"] = found["event_gap"] = 0
        if self.primed:
            gap = min(moment.now_us - self.last_us, MAX_U32)
            found["mid_change"] = signed(m - self.m)
            found["event_gap"] = straight(gap)
            self.moves.take(abs(m - self.m), average_k)
            self.gaps.take(gap, average_k)

        # True range.
        found["true_range"] = _level(straight, self.bars.ranges.sum, average_k)
        self.bars.take(m, moment.now_us >> settings.bar_log2_us, average_k)

        self.primed, self.bids, self.asks = True, bids, asks
        self.m, self.last_us = m, moment.now_us
        vector = [found[name] for name in FEATURE_NAMES]
        return [max(-FEATURE_MOST - 1, min(FEATURE_MOST, value)) for value in vector]

    def _weighted(self, side: BookSide) -> int:
        return sum(lots << (self.visible - 1 - i) for i, (_, lots) in enumerate(side.levels))


def _padded(levels: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The first levels as (key, lots), zeros where there is none."""
    held = list(levels)[:FLOW_LEVELS]
    return held + [(0, 0)] * (FLOW_LEVELS - len(held))


def _gain(now: tuple[int, int], before: tuple[int, int]) -> int:
    """g: what one level of a side gained."""
    return (now[0] >= before[0]) * now[1] - (now[0] <= before[0]) * before[1]


def _left(now: tuple[int, int], before: tuple[int, int]) -> int:
    """r: what left the best level of a side."""
    if now[0] == before[0]:
        return max(0, before[1] - now[1])
    return before[1] if now[0] < before[0] else 0


def _leak(total: int, x: int, k: int) -> int:
    """A leaky sum's next value."""
    return total - (total >> k) + 256 * x


def _level(log: Callable[[int], int], total: int, shift: int) -> int:
    """Logarithm of total / 2^shift, not below zero."""
    return max(0, log(total) - 1024 * shift)
