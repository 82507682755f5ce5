# SPDX-License-Identifier: Apache-2.0
"""What the reference model keeps of one symbol: both sides of its book, its tape.

A side is kept by *rank*: the price of a bid, minus the price of an ask. A better level has the
higher rank on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from host.contract.records import RefillFlag, ViewReason
from sim.reference_signal import SignalState
from sim.reference_strategy import Strategy

__all__ = ["NO_HORIZON", "Shown", "Side", "State", "Symbol", "Tape"]

#: Horizon of a side that has none: every rank is above it.
NO_HORIZON = -(1 << 33)
#: Buckets of the trade window.
BUCKETS = 8


class State(Enum):
    """What is known of a side."""

    UNKNOWN = 0
    LOADING = 1
    KNOWN = 2


class Shown(NamedTuple):
    """A side as a view shows it: prices in ticks, quantities in lots."""

    price_ticks: int = 0
    qty_lots: int = 0
    sum_lots: int = 0
    depth: int = 0
    whole: bool = False


class Side:
    """One half of a symbol's book."""

    def __init__(self, sign: int, capacity: int) -> None:
        self.sign = sign  # 1 bids, -1 asks: rank = sign x price
        self.capacity = capacity
        self.state = State.UNKNOWN
        self.held: dict[int, int] = {}  # rank -> quantity, lots
        self.horizon = NO_HORIZON  # rank
        self.gap = False
        self.resync = False
        self.sum_n = 0  # the N of the last record on this side

    def empty(self, state: State) -> None:
        """Drop all levels and enter `state`."""
        self.state = state
        self.held = {}
        self.horizon = NO_HORIZON

    def store(self, rank: int, qty_lots: int) -> tuple[str, ...]:
        """Store one level; the counters of what happened."""
        held = self.held
        if rank <= self.horizon:
            return ("level_beyond",)
        if qty_lots == 0:
            if rank not in held:
                return ("level_absent",)
            del held[rank]
            return ("level_deletes",)
        if rank in held:
            held[rank] = qty_lots
            return ("level_changes",)
        held[rank] = qty_lots
        if len(held) <= self.capacity:
            return ("level_inserts",)
        worst = min(held)
        del held[worst]
        self.horizon = worst
        return ("level_evicts",) if worst == rank else ("level_evicts", "level_inserts")

    def end_refill(self, rank: int, whole: bool) -> str:
        """End a refill with its horizon at `rank`; the counter of what happened."""
        if self.state is not State.LOADING:
            return "refill_orphans"
        if not whole:
            if any(held <= rank for held in self.held):
                self.empty(State.UNKNOWN)
                return "refill_broken"
            self.horizon = max(self.horizon, rank)
        self.state = State.KNOWN
        return "refill_ends"

    def shown(self) -> Shown:
        """The side as a view shows it."""
        if self.state is not State.KNOWN:
            return Shown()
        whole = self.horizon == NO_HORIZON
        if not self.held:
            return Shown(whole=whole)
        ranks = sorted(self.held, reverse=True)
        # Levels change only by a record on this side, and each such record remembers its N:
        # the sum made by the last one is the sum of what is held now.
        total = sum(self.held[rank] for rank in ranks[: self.sum_n])
        best = ranks[0]
        return Shown(self.sign * best, self.held[best], total, len(ranks), whole)

    def levels(self) -> list[tuple[int, int]]:
        """All levels as (price, quantity), best first; none unless it is KNOWN."""
        if self.state is not State.KNOWN:
            return []
        return [(self.sign * rank, self.held[rank]) for rank in sorted(self.held, reverse=True)]

    def wall(self) -> tuple[int, int]:
        """Price and quantity of the largest level in the sum, the better of equals."""
        largest = (0, 0)
        for level in self.levels()[: self.sum_n]:
            largest = level if level[1] > largest[1] else largest
        return largest

    def wants_levels(self, refill_level: int) -> bool:
        """Whether it is known, but not to its end, and runs low."""
        low = len(self.held) < refill_level
        return self.state is State.KNOWN and self.horizon != NO_HORIZON and low

    def wants_snapshot(self) -> bool:
        """Whether what it holds is nothing, or not to be trusted."""
        if self.state is State.UNKNOWN:
            return True
        return (self.gap or self.resync) and self.state is not State.LOADING


class Tape:
    """The last trade of a symbol, and what was bought and sold of late."""

    def __init__(self, qty_bits: int) -> None:
        self.most_lots = (1 << qty_bits) - 1  # a bucket holds no more
        self.known = False
        self.price_ticks = 0
        self.qty_lots = 0
        self.is_sell = False  # the aggressor sold
        self.window = 0  # the w of the last trade
        self.lots: dict[tuple[int, bool], int] = {}  # (bucket, is_sell) -> volume
        self.most_notional = (1 << (qty_bits + 33)) - 1
        self.notional: dict[int, int] = {}  # bucket -> price x lots of both sides

    def trade(
        self, price_ticks: int, qty_lots: int, is_sell: bool, now_us: int, window: int
    ) -> None:
        """Take one trade; `window` is w."""
        now = now_us >> window
        kept = self.lots if window == self.window else {}
        self.lots = {key: lots for key, lots in kept.items() if key[0] > now - BUCKETS}
        lots = self.lots.get((now, is_sell), 0) + qty_lots
        self.lots[now, is_sell] = min(lots, self.most_lots)
        spent = self.notional if window == self.window else {}
        self.notional = {at: paid for at, paid in spent.items() if at > now - BUCKETS}
        paid = self.notional.get(now, 0) + price_ticks * qty_lots
        self.notional[now] = min(paid, self.most_notional)
        self.known, self.window = True, window
        self.price_ticks, self.qty_lots, self.is_sell = price_ticks, qty_lots, is_sell

    def volume(self, is_sell: bool, now_us: int, window: int) -> int:
        """Lots that aggressors sold, or bought, in the window; `window` is w."""
        if window != self.window:
            return 0
        first = (now_us >> window) - BUCKETS + 1
        return sum(
            lots for (at, sold), lots in self.lots.items() if sold == is_sell and at >= first
        )

    def paid(self, now_us: int, window: int) -> int:
        """Price x lots of all trades in the window; `window` is w."""
        if window != self.window:
            return 0
        first = (now_us >> window) - BUCKETS + 1
        return sum(paid for at, paid in self.notional.items() if at >= first)


class Symbol:
    """All that is kept of one symbol."""

    def __init__(self, capacity: int, qty_bits: int) -> None:
        self.bid = Side(1, capacity)
        self.ask = Side(-1, capacity)
        self.tape = Tape(qty_bits)
        self.wait = 0  # book events until a refill may be asked for again
        self.strategy = Strategy(qty_bits)
        self.signals = SignalState(qty_bits, visible=min(10, capacity))
        self.settings: Mapping[str, int] = Counter()  # what was never committed is 0

    def view_reasons(self, n: int, stale: bool) -> int:
        """Why the book is not valid for N levels; `ViewReason` bits, 0 for a valid one."""
        reasons = ViewReason.STALE if stale else ViewReason(0)
        for side in (self.bid, self.ask):
            if side.gap:
                reasons |= ViewReason.GAP
            if side.resync:
                reasons |= ViewReason.RESYNC
            if side.state is not State.KNOWN:
                reasons |= ViewReason.UNKNOWN
                continue
            if side.horizon != NO_HORIZON and len(side.held) < n:
                reasons |= ViewReason.SHALLOW
            if not side.held:
                reasons |= ViewReason.EMPTY
            if side.sum_n != n:
                reasons |= ViewReason.RETUNE
        known = all(side.held and side.state is State.KNOWN for side in (self.bid, self.ask))
        if known and max(self.bid.held) >= -max(self.ask.held):
            reasons |= ViewReason.CROSSED
        return int(reasons)

    def refill_request(self, level: int, retry: int) -> int:
        """What to ask the host for now; `RefillFlag` bits, 0 for nothing."""
        wanted = RefillFlag(0)
        if self.bid.wants_levels(level):
            wanted |= RefillFlag.BID
        if self.ask.wants_levels(level):
            wanted |= RefillFlag.ASK
        if self.bid.wants_snapshot():
            wanted |= RefillFlag.BID | RefillFlag.BID_UNKNOWN
        if self.ask.wants_snapshot():
            wanted |= RefillFlag.ASK | RefillFlag.ASK_UNKNOWN
        if not wanted:
            self.wait = 0
            return 0
        if self.wait:
            self.wait -= 1
            return 0
        self.wait = retry
        return int(wanted)
