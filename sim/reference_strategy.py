# SPDX-License-Identifier: Apache-2.0
"""Position, exits, entries and size of one symbol, from ``docs/signals.md`` alone.

Meant to be read beside that page, in its order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from sim.reference_signal import BookSide, Moment, SignalState

__all__ = ["Before", "Intent", "Position", "Seen", "Strategy", "effective"]

#: Settings that hold whether or not the others are active.
ALWAYS = ("flow_decay", "average_decay", "bar_log2_us", "micro_bank")
EXIT = 0x80
MOST_PRICE = (1 << 32) - 1
IMBALANCE, VWAP, FLOW, WALL, MODEL = 0, 1, 2, 3, 4
SPREAD, EDGE, CANCELS, VOLATILITY, LIQUIDITY, PAUSE, FLAT = range(7)


class Intent(NamedTuple):
    """An order that is wanted."""

    is_sell: bool
    qty_lots: int
    price_ticks: int
    order: int
    fired: int
    reduce_only: bool


class Before(NamedTuple):
    """What is taken of the features' state before an event."""

    ranges: int
    moves: int
    removed: int
    traded: int

    @classmethod
    def of(cls, state: SignalState) -> Before:
        """Of the state as it is now."""
        return cls(state.bars.ranges.sum, state.moves.sum, state.removed, state.traded)


class Seen(NamedTuple):
    """What an event shows beside its features."""

    bid: BookSide
    ask: BookSide
    moment: Moment
    valid: bool  # for N levels
    score: int


def effective(settings: Mapping[str, int], registers: Mapping[str, int]) -> Mapping[str, int]:
    """The row that counts: a symbol's own, or what the registers for all symbols say."""
    if settings["active"]:
        return settings
    row = {name.removeprefix("strategy_"): 0 for name in registers if name.startswith("strategy_")}
    row |= {name: settings[name] for name in ALWAYS}
    row |= {
        "imbalance_sides": registers["rule_enable"],
        "imbalance_num": registers["ratio_num"],
        "imbalance_den": registers["ratio_den"],
        "sides": 3,
        "qty_most": registers["order_qty"],
        "entry_order": 0x11,
    }
    return row


class Position:
    """What is held, and at which price it was entered."""

    def __init__(self, qty_bits: int) -> None:
        self.most = (1 << (qty_bits + 8)) - 1
        self.lots = 0
        self.entered_lots = 0  # E
        self.entered_notional = 0  # C
        self.opened_us = 0
        self.blind = False
        self.peak: int | None = None

    @property
    def sign(self) -> int:
        """1 long, -1 short, 0 flat."""
        return (self.lots > 0) - (self.lots < 0)

    def fill(self, is_sell: bool, qty_lots: int, price_ticks: int, now_us: int) -> None:
        """Take a fill."""
        sign = -1 if is_sell else 1
        lots = max(-self.most, min(self.most, self.lots + sign * qty_lots))
        was, self.lots = self.sign, lots
        if was == sign:
            if self.entered_lots + qty_lots > self.most:
                self.blind = True
            else:
                self.entered_lots += qty_lots
                self.entered_notional += price_ticks * qty_lots
            self.blind |= price_ticks == 0
        elif self.sign == sign:  # opened, or turned
            self._open(qty_lots, price_ticks, now_us)
        elif self.sign == 0:
            self._flat()

    def state(self, is_short: bool, qty_lots: int, price_ticks: int, now_us: int) -> None:
        """Take what the host says of the position."""
        was, opened_us = self.sign, self.opened_us
        self.lots = -qty_lots if is_short else qty_lots
        if qty_lots == 0:
            self._flat()
            return
        self._open(qty_lots, price_ticks, opened_us if was == self.sign else now_us)

    def _open(self, qty_lots: int, price_ticks: int, opened_us: int) -> None:
        self.entered_lots, self.entered_notional = qty_lots, price_ticks * qty_lots
        self.blind, self.opened_us, self.peak = price_ticks == 0, opened_us, None

    def _flat(self) -> None:
        self.entered_lots = self.entered_notional = 0
        self.blind, self.peak = False, None

    def gain(self, price_ticks: int) -> int:
        """Gain in price x lots of E at a price."""
        return self.sign * (price_ticks * self.entered_lots - self.entered_notional)


class Strategy:
    """What one symbol wants, and what it remembers of what it wanted."""

    def __init__(self, qty_bits: int) -> None:
        self.most_qty = (1 << qty_bits) - 1
        self.position = Position(qty_bits)
        self.exit_us: int | None = None  # of the exit that is working
        self.reported = False  # since the last usable event
        self.order_us: int | None = None  # of the last intent
        self.filtered = 0

    def event(
        self, seen: Seen, before: Before, after: SignalState, row: Mapping[str, int]
    ) -> Intent | None:
        """A usable event.

        Parameters
        ----------
        seen : Seen
            What the event shows.
        before, after : Before, SignalState
            State of the features before and after it.
        row : mapping
            The settings that count.

        Returns
        -------
        Intent or None
        """
        now_us = seen.moment.now_us
        intent = self._exit(seen, before, row)
        if intent is None and seen.valid and not self._exit_fired:
            intent = self._entry(seen, before, after, row)
        if intent is not None:
            self.order_us = now_us
        return intent

    def _exit(self, seen: Seen, before: Before, row: Mapping[str, int]) -> Intent | None:
        position, now_us = self.position, seen.moment.now_us
        if self.reported:
            self.exit_us = None
        self.reported = False
        self._exit_fired = False
        if not position.sign:
            position.peak = None
            return None
        is_long = position.sign > 0
        mark = (seen.bid if is_long else seen.ask).levels[0][0]
        gain, e, known = position.gain(mark), position.entered_lots, not position.blind
        stop = row["stop_ticks"]
        if row["stop_ranges"]:
            range_sum = before.ranges >> min(row["average_decay"], 8)
            stop = min(row["stop_ranges"] * range_sum >> 13, (1 << 32) - 1)
        fires = [
            not known or gain <= -stop * e,
            known and gain >= row["take_ticks"] * e,
            False,
            now_us - position.opened_us >= row["time_us"],
            (seen.bid if is_long else seen.ask).sum_lots < row["exit_lots"],
        ]
        if position.peak is not None:
            best = position.gain(position.peak)
            kept = min(8, row["trail_eighths"]) * best
            fires[2] = known and best >= row["trail_ticks"] * e and 8 * gain < kept
        better = max if is_long else min
        position.peak = mark if position.peak is None else better(position.peak, mark)
        fired = sum(1 << bit for bit in range(5) if fires[bit] and row["exits"] >> bit & 1)
        fired |= 0x20 * row["flatten"]
        if not fired:
            return None
        self._exit_fired = True
        if self.exit_us is not None and now_us - self.exit_us < row["exit_retry_us"]:
            return None
        self.exit_us = now_us
        qty = min(abs(position.lots), self.most_qty)
        price = _price(is_long, seen, row["exit_order"], row["exit_protect"])
        return Intent(is_long, qty, price, row["exit_order"], EXIT | fired, True)

    def _entry(
        self, seen: Seen, before: Before, after: SignalState, row: Mapping[str, int]
    ) -> Intent | None:
        votes = _votes(seen, after, row)
        is_sell = _combined(votes, row)
        if is_sell is None or row["flatten"] or not row["sides"] >> is_sell & 1:
            return None
        fired = sum(1 << rule for rule, vote in votes.items() if vote is is_sell)
        if row["model_mode"] >= 2:
            if not (_model(seen.score, is_sell, row) and row["model_sides"] >> is_sell & 1):
                return None
            fired |= 1 << MODEL
        x = -seen.score if is_sell else seen.score
        level = (before.moves if row["volatility_source"] else before.ranges) >> min(
            row["average_decay"], 8
        )
        if not self._passes(seen, before, row, x, level):
            self.filtered += 1
            return None
        most, least = min(row["qty_most"], self.most_qty), min(row["qty_least"], self.most_qty)
        size = most
        if row["size_scaled"]:
            steps = sum(x - row["model_least"] >= i * row["score_step"] for i in (1, 2, 3))
            size = least + (max(0, most - least) * (1 + steps) >> 2)
        if row["filters"] >> VOLATILITY & 1 and level >= row["volatility_high"]:
            size = max(size >> row["high_shift"], min(size, least))
        price = _price(is_sell, seen, row["entry_order"], row["entry_protect"])
        return Intent(is_sell, size, price, row["entry_order"], fired, False)

    def _passes(
        self, seen: Seen, before: Before, row: Mapping[str, int], x: int, level: int
    ) -> bool:
        """Whether every filter that is on holds."""
        spread = seen.ask.levels[0][0] - seen.bid.levels[0][0]
        since = None if self.order_us is None else seen.moment.now_us - self.order_us
        p = row["edge_probability"]
        if row["model_mode"]:
            p = 0 if x < 0 else math.floor(256 / (1 + math.exp(-min(31, x >> 14) / 4)))
        holds = {
            SPREAD: spread <= row["spread_ticks"],
            EDGE: row["edge_ticks"] * p >= 256 * (16 * spread + row["edge_cost"]),
            CANCELS: before.removed * (256 - row["cancel_share"]) <= 256 * before.traded,
            VOLATILITY: level < row["volatility_extreme"],
            LIQUIDITY: min(seen.bid.sum_lots, seen.ask.sum_lots) >= row["liquidity_lots"],
            PAUSE: since is None or since >= row["pause_us"],
            FLAT: self.position.lots == 0,
        }
        return all(held for bit, held in holds.items() if row["filters"] >> bit & 1)


def _votes(seen: Seen, after: SignalState, row: Mapping[str, int]) -> dict[int, bool | None]:
    """Vote of each rule that is on: True to sell, False to buy, None neither."""
    b_sum, a_sum = seen.bid.sum_lots, seen.ask.sum_lots
    u, v = seen.moment.bought_lots, seen.moment.sold_lots
    d, volume = after.vwap
    reach = row["vwap_half_ticks"] * volume
    num, den = row["flow_num"], row["flow_den"]
    flow = 256 * row["flow_lots"]
    walls = [_is_wall(side, row) for side in (seen.bid, seen.ask)]
    wall_buy, wall_sell = walls[0] and not walls[1], walls[1] and not walls[0]
    if row["wall_invert"]:
        wall_buy, wall_sell = wall_sell, wall_buy
    conditions = {
        IMBALANCE: (
            row["imbalance_sides"],
            b_sum * row["imbalance_den"] >= a_sum * row["imbalance_num"],
            a_sum * row["imbalance_den"] >= b_sum * row["imbalance_num"],
        ),
        VWAP: (row["vwap_sides"], volume > 0 and d <= -reach, volume > 0 and d >= reach),
        FLOW: (
            row["flow_sides"],
            u > 0 and u * den >= v * num and after.ofi >= flow,
            v > 0 and v * den >= u * num and after.ofi <= -flow,
        ),
        WALL: (row["wall_sides"], wall_buy, wall_sell),
        MODEL: (
            row["model_sides"] if row["model_mode"] == 1 else 0,
            _model(seen.score, False, row),
            _model(seen.score, True, row),
        ),
    }
    votes: dict[int, bool | None] = {}
    for rule, (sides, buys, sells) in conditions.items():
        if sides:
            buy, sell = bool(sides & 1) and buys, bool(sides & 2) and sells
            votes[rule] = None if buy == sell else sell
    return votes


def _model(score: int, is_sell: bool, row: Mapping[str, int]) -> bool:
    return score <= -row["model_least"] if is_sell else score >= row["model_least"]


def _is_wall(side: BookSide, row: Mapping[str, int]) -> bool:
    price, lots = side.wall
    near = abs(side.levels[0][0] - price) <= row["wall_ticks"]
    return lots > 0 and near and lots * row["wall_den"] >= side.sum_lots * row["wall_num"]


def _combined(votes: Mapping[int, bool | None], row: Mapping[str, int]) -> bool | None:
    """What the rules come to: True to sell, False to buy, None nothing."""
    cast = set(votes.values())
    if row["combine"] == 0:
        cast.discard(None)
    if row["combine"] in (0, 1):
        return cast.pop() if len(cast) == 1 else None
    if row["combine"] == 3:
        return None
    weight = {rule: row["weights"] >> 6 * rule & 63 for rule in votes}
    sells = sum(weight[rule] for rule, vote in votes.items() if vote is True)
    buys = sum(weight[rule] for rule, vote in votes.items() if vote is False)
    if abs(sells - buys) < max(1, row["weight_least"]):
        return None
    return sells > buys


def _price(is_sell: bool, seen: Seen, order: int, protect: int) -> int:
    """Limit price of an order."""
    b, a = seen.bid.levels[0][0], seen.ask.levels[0][0]
    if order & 15 == 2:
        return max(1, b - protect) if is_sell else min(MOST_PRICE, a + protect)
    if order >> 4 == 3:
        return a if is_sell else b
    return b if is_sell else a
