# SPDX-License-Identifier: Apache-2.0
"""The reference model of the risk gate, in plain Python.

Written from ``docs/risk.md`` alone. Numbers are whole and as long as they need to be; where the
page says that something saturates, it does. Nothing here knows of cycles: the watchdog and the
device's clock stand still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from host.contract.records import (
    NO_SLOT,
    AlertCause,
    InKind,
    KillCause,
    Mode,
    Reason,
    ViewReason,
)
from host.contract.registers import REGISTERS

__all__ = ["Alert", "GateModel", "Judged", "Order", "limits_checksum"]

MAX_U32 = (1 << 32) - 1
MAX_U64 = (1 << 64) - 1
MILLION = 1_000_000
#: Words that clear the kill latch, one after the other.
REARM_KEYS = (0x0DD50001, 0x0DD50002)
#: Buckets of the loss window.
LOSS_BUCKETS = 4
_NO_LIMIT = ("limit_commit", "limit_select", "limit_in_force")
#: Widths of a symbol's limits by name, in the order of their registers.
LIMIT_BITS = {
    name.removeprefix("limit_"): register.bits
    for name, register in REGISTERS.items()
    if name.startswith("limit_") and name not in _NO_LIMIT
}
#: Controls that an order which can only reduce a position passes.
EXITS_PASS = (
    *(Reason.POSITION, Reason.WINDOW_QTY, Reason.WINDOW_NOTIONAL, Reason.REPEAT),
    *(Reason.ORDER_TRADE, Reason.GROSS, Reason.NET, Reason.OPEN_ORDERS, Reason.CREDIT),
    *(Reason.CREDIT_STALE, Reason.LOSSES, Reason.LOSS_DAY, Reason.LOSS_WINDOW, Reason.DRAWDOWN),
    *(Reason.SPREAD, Reason.VOLATILITY, Reason.REPORT, Reason.RECONCILE),
)
#: Controls that no symbol can be spared.
NEVER_WAIVED = (
    *(reason for reason in Reason if reason <= Reason.BOOK),
    *(Reason.KILL, Reason.SYMBOL_HALTED, Reason.ORDER_TYPE, Reason.OWN_ORDERS, Reason.CROWDED),
)
#: Controls on what came before an order, which are not judged where that is not settled.
UNSETTLED = (
    *(Reason.REDUCE_ONLY, Reason.POSITION, Reason.RATE, Reason.DUPLICATE, Reason.SELF_TRADE),
    *(Reason.RATE_SYMBOL, Reason.WINDOW_QTY, Reason.WINDOW_NOTIONAL, Reason.DRIFT),
    *(Reason.REPEAT, Reason.ORDER_TRADE, Reason.GROSS, Reason.NET, Reason.OPEN_ORDERS),
    *(Reason.CREDIT, Reason.CREDIT_STALE, Reason.VOLATILITY, Reason.WATCHDOG),
    *(Reason.OWN_ORDERS, Reason.REPORT, Reason.RECONCILE),
)
_BBO_IGNORES = int(ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE)
_UNSETTLED_MASK = sum(1 << reason for reason in UNSETTLED)
_EXITS_MASK = sum(1 << reason for reason in EXITS_PASS)
_WAIVE_MASK = sum(1 << reason for reason in Reason if reason not in NEVER_WAIVED)
ACK, FILL, CANCEL, REJECT, CANCELLING = map(
    int, (InKind.ACK, InKind.FILL, InKind.CANCEL, InKind.REJECT, InKind.CANCELLING)
)


def limits_checksum(limits: Mapping[str, int]) -> int:
    """Exclusive or of the limits' 16-bit words, the n-th rotated left by n."""
    total, at = 0, 0
    for name, bits in LIMIT_BITS.items():
        for low in range(0, bits, 16):
            word, turn = limits[name] >> low & 0xFFFF, at % 16
            total ^= (word << turn | word >> (16 - turn)) & 0xFFFF
            at += 1
    return total


def bounded(value: int, bits: int) -> int:
    """`value`, saturated to a signed number of so many bits."""
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, value))


@dataclass(frozen=True)
class Order:
    """An order to judge, and what it rests on. Prices in ticks, quantities in lots."""

    symbol: int
    is_sell: bool
    price_ticks: int
    qty_lots: int
    bid_ticks: int
    ask_ticks: int
    last_ticks: int | None
    now_us: int
    age_us: int = 0
    reduce_only: bool = False
    order: int = 0x11
    strategy: int = 1
    valid: bool = True
    reasons: int = 0
    crowded: bool = False


@dataclass(frozen=True)
class Judged:
    """What came of an order."""

    verdict: int
    slot: int
    limits_version: int
    limits_checksum: int


@dataclass(frozen=True)
class Alert:
    """What the gate calls attention to; fields of the out record."""

    cause: AlertCause
    symbol: int = 0
    is_sell: bool = False
    value: int = 0
    price_ticks: int = 0
    tag: int = 0
    kind_in: int = 0


class _State(Enum):
    """Life of an own order."""

    PENDING = 0
    OPEN = 1
    CANCELLING = 2


@dataclass
class _Own:
    """An own order that is not done."""

    symbol: int
    is_sell: bool
    left_lots: int
    value: int
    state: _State = _State.PENDING


@dataclass
class _Last:
    """Last accepted order of a side."""

    price_ticks: int
    qty_lots: int
    time_us: int


@dataclass
class _Symbol:
    """All that is kept of a symbol."""

    limits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMIT_BITS, 0))
    version: int = 0
    checksum: int = 0
    # Exposure.
    worst_long: int = 0
    worst_short: int = 0
    position: int = 0
    open_orders: list[int] = field(default_factory=lambda: [0, 0])
    open_value: list[int] = field(default_factory=lambda: [0, 0])
    low_sell: int = 0
    high_buy: int = 0
    spent: int = 0
    earned: int = 0
    fault: bool = False
    differs: bool = False
    # Accepted orders over time.
    bucket: int = 0
    window: list[int] = field(default_factory=lambda: [0, 0])  # quantity, notional
    window_before: list[int] = field(default_factory=lambda: [0, 0])
    drift: tuple[int, int] | None = None  # price, time
    last: list[_Last | None] = field(default_factory=lambda: [None, None])
    due_us: int = 0
    repeats: int = 0
    # The mid.
    mid: tuple[int, int] | None = None  # twice the mid, time
    paused_until_us: int = 0
    # Profit.
    book_position: int = 0
    cash: int = 0
    trip: int = 0
    marked: int = 0
    worth: int = 0


class GateModel:
    """The gate as ``docs/risk.md`` describes it.

    Parameters
    ----------
    symbols, qty_bits, own_orders : int
        Build parameters.
    registers : mapping
        Registers that may be written, by name; read when needed.
    """

    def __init__(
        self, symbols: int, qty_bits: int, own_orders: int, registers: Mapping[str, int]
    ) -> None:
        self.qty_bits = qty_bits
        self.exposure_bits = max(64, qty_bits + 2)
        self.own_orders = own_orders
        self.register = registers
        self.symbols = [_Symbol() for _ in range(symbols)]
        self.commits = 0
        self.kill_causes = 0
        self.kills = 0
        self._half_armed = False
        self._slots: dict[int, _Own] = {}
        self._next_slot = 0
        self._due_us = 0
        self._credit: tuple[int, int] | None = None  # left, time
        self._timer_us: int | None = None
        self._streak = 0
        self._profit2 = 0  # twice the profit, of all symbols
        self._base2 = 0
        self._best2 = 0
        self._highs: dict[int, tuple[int, int]] = {}  # place -> bucket, best in it
        # Of the book event that is being judged.
        self._over = (False, False, False)
        self._trips = False

    # Registers

    def commit(self, symbol: int) -> None:
        """The shadow becomes the limits of a symbol, all at once."""
        row = self.symbols[symbol]
        row.limits = {name: self.register[f"limit_{name}"] for name in LIMIT_BITS}
        self.commits += 1
        row.version = self.commits & 0xFFFF
        row.checksum = limits_checksum(row.limits)

    def in_force(self, symbol: int) -> int:
        """Register `limit_in_force`."""
        if symbol >= len(self.symbols):
            return 0
        return self.symbols[symbol].version << 16 | self.symbols[symbol].checksum

    @property
    def _halted(self) -> bool:
        return self.register["mode"] not in (Mode.REDUCE_ONLY, Mode.ACTIVE)

    def mode_written(self) -> None:
        """The register `mode` has a new value."""
        if not self._halted:
            self._half_armed = False

    def kill(self, cause: KillCause = KillCause.REGISTER) -> Alert | None:
        """Set the kill latch."""
        self._half_armed = False
        return self._set_kill(cause)

    def _set_kill(self, cause: KillCause) -> Alert | None:
        fresh = self.kill_causes == 0
        self.kill_causes |= int(cause)
        self.kills += fresh
        return Alert(AlertCause.KILL) if fresh else None

    def rearm(self, word: int) -> None:
        """A write to the register `rearm`."""
        if self._half_armed and word == REARM_KEYS[1] and self._halted:
            self.kill_causes = 0
        self._half_armed = word == REARM_KEYS[0] and self._halted

    # Records of the host

    def timer(self, now_us: int) -> None:
        """TIMER: stream time and device time are taken as equal."""
        self._timer_us = now_us

    def credit(self, value: int, now_us: int) -> None:
        """CREDIT: what may be spent from now on."""
        self._credit = value, now_us

    def day(self) -> None:
        """DAY: profit counts from here."""
        self._base2 = self._best2 = self._profit2
        self._highs = {}
        self._streak = 0

    def rearm_repeats(self, symbol: int) -> None:
        """REARM: repetitions count from here."""
        self.symbols[symbol].repeats = 0

    def reconcile(
        self, symbol: int, is_short: bool, qty_lots: int, price_ticks: int, adopt: bool
    ) -> Alert | None:
        """RECONCILE: the exchange's position, compared or taken over."""
        row, stated = self.symbols[symbol], -qty_lots if is_short else qty_lots
        apart = abs(row.position - stated) > row.limits["tolerance"]
        if not adopt:
            row.differs = apart
            if not apart:
                return None
            return Alert(
                *(AlertCause.RECONCILE, symbol, is_short, qty_lots, price_ticks),
                kind_in=InKind.RECONCILE,
            )
        row.position, row.worst_long, row.worst_short = stated, stated, -stated
        row.open_orders, row.open_value = [0, 0], [0, 0]
        row.fault = row.differs = False
        self._slots = {at: own for at, own in self._slots.items() if own.symbol != symbol}
        row.book_position = stated
        row.cash = row.trip = -stated * price_ticks
        row.marked = 0
        self._revalue(row)
        return None

    def report(
        self, kind: int, symbol: int, is_sell: bool, tag: int, price_ticks: int, qty_lots: int
    ) -> Alert | None:
        """ACK, FILL, CANCEL, REJECT, CANCELLING: what became of an own order."""
        row = self.symbols[symbol]
        if kind == FILL:
            self._book_fill(row, is_sell, price_ticks, qty_lots)
        own = self._slots.get(tag)
        if own is None or not self._true(own, kind, symbol, is_sell, qty_lots):
            row.fault = True
            return Alert(AlertCause.REPORT, symbol, is_sell, qty_lots, price_ticks, tag, kind)
        if kind == CANCELLING:
            own.state = _State.CANCELLING
        elif own.state is _State.PENDING:
            own.state = _State.OPEN
        if kind in (ACK, CANCELLING):
            return None
        # A fill adds to the position what it takes off what is open: its own side's worst case
        # stays, the other one's is relieved. What ends unfilled relieves its own side.
        if is_sell != (kind == FILL):
            row.worst_short = bounded(row.worst_short - qty_lots, self.exposure_bits)
        else:
            row.worst_long = bounded(row.worst_long - qty_lots, self.exposure_bits)
        if kind == FILL:
            row.position = bounded(
                row.position + (-qty_lots if is_sell else qty_lots), self.exposure_bits
            )
            row.earned = min(row.earned + row.limits["trade_ratio"], MAX_U32)
        own.left_lots -= qty_lots
        if own.left_lots == 0:
            del self._slots[tag]
            row.open_orders[is_sell] -= 1
            row.open_value[is_sell] -= own.value
        return None

    @staticmethod
    def _true(own: _Own, kind: int, symbol: int, is_sell: bool, qty_lots: int) -> bool:
        """Whether a report says what can have happened to the order in its slot."""
        if (own.symbol, own.is_sell) != (symbol, is_sell):
            return False
        if kind == FILL:
            return qty_lots <= own.left_lots
        if kind == CANCEL:
            return qty_lots == own.left_lots
        if kind == REJECT:
            return qty_lots == own.left_lots and own.state is _State.PENDING
        return True

    # Profit

    def _book_fill(self, row: _Symbol, is_sell: bool, price_ticks: int, qty_lots: int) -> None:
        """Position, cash and round trip by a fill, whoever's order it was."""
        signed_qty = -qty_lots if is_sell else qty_lots
        cash_bits = self.qty_bits + 48
        paid = -signed_qty * price_ticks
        row.cash = bounded(row.cash + paid, cash_bits)
        trip = bounded(row.trip + paid, cash_bits)
        flat = row.book_position + signed_qty == 0
        row.book_position = bounded(row.book_position + signed_qty, self.qty_bits + 8)
        row.trip = 0 if flat else trip
        if flat and trip < 0:
            self._streak = min(self._streak + 1, 255)
        elif flat and trip > 0:
            self._streak = 0
        self._revalue(row)

    @staticmethod
    def _revalue(row: _Symbol) -> None:
        """What the position counts for in gross and net."""
        row.worth = row.book_position * row.limits["lot_value"]

    def book_event(
        self, symbol: int, bid_ticks: int, ask_ticks: int, reasons: int, now_us: int
    ) -> Alert | None:
        """A book event, before the order it may cause: mark, move of the mid, loss limits."""
        row = self.symbols[symbol]
        self._revalue(row)
        self._trips = False
        marks = not reasons & ~_BBO_IGNORES
        bucket = now_us >> self.register["loss_window"]
        if marks:
            tick_value, mid2 = row.limits["tick_value"], bid_ticks + ask_ticks
            profit2 = (row.book_position * mid2 + 2 * row.cash) * tick_value
            self._profit2 += profit2 - row.marked
            row.marked = profit2
            self._move(row, mid2, now_us)
        self._over = self._losses(bucket)
        if marks:
            place = bucket % LOSS_BUCKETS
            number, high = self._highs.get(place, (None, 0))
            if number != bucket or self._profit2 > high:
                self._highs[place] = bucket, self._profit2
            self._best2 = max(self._best2, self._profit2)
        if any(over and self.register["loss_kill"] >> at & 1 for at, over in enumerate(self._over)):
            return self._set_kill(KillCause.LOSS)
        return None

    def _losses(self, bucket: int) -> tuple[bool, bool, bool]:
        """Whether the loss of the day, of the window, and the drawdown are over their limits."""
        window = max(
            (
                high - self._profit2
                for number, high in self._highs.values()
                if (bucket - number) & MAX_U64 < LOSS_BUCKETS
            ),
            default=0,
        )
        return (
            self._base2 - self._profit2 > 2 * self.register["max_day_loss"],
            window > 2 * self.register["max_window_loss"],
            self._best2 - self._profit2 > 2 * self.register["max_drawdown"],
        )

    def _move(self, row: _Symbol, mid2: int, now_us: int) -> None:
        """A move of the mid that is too far too fast pauses the symbol."""
        limits = row.limits
        if row.mid is None or now_us - row.mid[1] > limits["pause_window_us"]:
            row.mid = mid2, now_us
        elif abs(mid2 - row.mid[0]) > 2 * limits["pause_ticks"]:
            self._trips = True
            row.mid = mid2, now_us
            row.paused_until_us = now_us + limits["pause_us"]

    # The verdict

    def order(self, order: Order) -> Judged:
        """Judge an order, and take an accepted one into all that is kept."""
        row = self.symbols[order.symbol]
        limits = row.limits
        exits = (
            order.reduce_only
            or self.register["mode"] == Mode.REDUCE_ONLY
            or limits["mode"] == Mode.REDUCE_ONLY
        )
        found = self._found(order, row, exits)
        verdict = sum(1 << reason for reason, refuses in found.items() if refuses)
        verdict &= ~(limits["waive"] & _WAIVE_MASK)
        if exits:
            verdict &= ~_EXITS_MASK
        if order.crowded:
            verdict &= ~_UNSETTLED_MASK
        slot = NO_SLOT
        if not verdict:
            slot = self._next_slot
            self._accept(order, row, exits)
        return Judged(verdict, slot, row.version, row.checksum)

    @property
    def _late(self) -> bool:
        """A watchdog of one cycle is always late, as no heartbeat comes right before an order."""
        return self.register["watchdog_late_cycles"] == 1

    def _found(self, order: Order, row: _Symbol, exits: bool) -> dict[Reason, bool]:
        """What each control says of an order, by itself."""
        limits, register, now_us = row.limits, self.register, order.now_us
        price, qty, sell = order.price_ticks, order.qty_lots, order.is_sell
        value = qty * limits["lot_value"]
        mid2, last = order.bid_ticks + order.ask_ticks, order.last_ticks
        worst = (row.worst_short if sell else row.worst_long) + qty
        window, before = self._window(row, now_us)
        drift, same = row.drift, row.last[sell]
        net = sum(each.worth for each in self.symbols)
        open_value = [sum(each.open_value[side] for each in self.symbols) for side in (0, 1)]
        credit = self._credit
        over = self._over
        return {
            Reason.HALTED: self._halted,
            Reason.REDUCE_ONLY: exits and worst > 0,
            Reason.PERMISSION: not limits["permit"],
            Reason.QUANTITY: qty == 0 or qty > limits["max_qty"],
            Reason.NOTIONAL: price * qty > limits["max_notional"],
            Reason.COLLAR: abs(2 * price - mid2) > 2 * limits["collar_ticks"],
            Reason.POSITION: worst > limits["max_position"],
            Reason.RATE: register["rate_interval_us"] == 0
            or now_us + register["rate_burst_us"] < self._due_us,
            Reason.STALE: order.age_us > register["stale_us"],
            Reason.BOOK: not order.valid,
            Reason.KILL: self.kill_causes != 0,
            Reason.SYMBOL_HALTED: limits["mode"] not in (Mode.REDUCE_ONLY, Mode.ACTIVE),
            Reason.STRATEGY: order.strategy == 0 or bool(order.strategy & ~limits["strategies"]),
            Reason.QUANTITY_MIN: qty < limits["min_qty"],
            Reason.QUANTITY_STEP: bool(qty & limits["qty_mask"])
            or qty * limits["qty_inverse"] % (1 << self.qty_bits) > limits["qty_bound"],
            Reason.COLLAR_PPM: abs(2 * price - mid2) * MILLION > limits["collar_ppm"] * mid2,
            Reason.COLLAR_LAST: last is None or abs(price - last) > limits["last_ticks"],
            Reason.COLLAR_LAST_PPM: last is None
            or abs(price - last) * MILLION > limits["last_ppm"] * last,
            Reason.PRICE: price == 0 or not limits["min_price"] <= price <= limits["max_price"],
            Reason.TICK: bool(price & limits["tick_mask"])
            or price * limits["tick_inverse"] % (1 << 32) > limits["tick_bound"],
            Reason.ORDER_TYPE: order.order & 15 not in (1, 2) or order.order >> 4 not in (1, 2, 3),
            Reason.DUPLICATE: same is not None
            and (same.price_ticks, same.qty_lots) == (price, qty)
            and now_us - same.time_us < limits["duplicate_us"],
            Reason.SELF_TRADE: bool(row.open_orders[not sell])
            and (price <= row.high_buy if sell else price >= row.low_sell),
            Reason.RATE_SYMBOL: limits["interval_us"] == 0
            or now_us + limits["burst_us"] < row.due_us,
            Reason.WINDOW_QTY: window[0] + before[0] + qty > limits["window_qty"],
            Reason.WINDOW_NOTIONAL: window[1] + before[1] + price * qty > limits["window_notional"],
            Reason.DRIFT: drift is not None
            and now_us - drift[1] <= limits["drift_us"]
            and abs(price - drift[0]) > limits["drift_ticks"],
            Reason.REPEAT: row.repeats >= limits["max_repeats"],
            Reason.ORDER_TRADE: row.spent >= limits["trade_grace"] + row.earned,
            Reason.GROSS: sum(abs(each.worth) for each in self.symbols) + sum(open_value) + value
            > register["max_gross"],
            Reason.NET: (-net if sell else net) + open_value[sell] + value > register["max_net"],
            Reason.OPEN_ORDERS: sum(row.open_orders) >= limits["max_open"]
            or len(self._slots) >= register["max_open_orders"],
            Reason.CREDIT: value > (credit[0] if credit else 0),
            Reason.CREDIT_STALE: credit is None or now_us - credit[1] > register["credit_age_us"],
            Reason.LOSSES: self._streak >= register["max_losses"],
            Reason.LOSS_DAY: over[0],
            Reason.LOSS_WINDOW: over[1],
            Reason.DRAWDOWN: over[2],
            Reason.SPREAD: order.ask_ticks - order.bid_ticks > limits["max_spread"],
            Reason.VOLATILITY: now_us < row.paused_until_us or self._trips,
            Reason.CLOCK: self._timer_us is None
            or abs(now_us - self._timer_us) > register["clock_drift_us"],
            Reason.GAP: bool(order.reasons & ViewReason.GAP),
            Reason.CROSSED: bool(order.reasons & ViewReason.CROSSED),
            Reason.SHALLOW: bool(order.reasons & ViewReason.SHALLOW),
            Reason.RESYNC: bool(order.reasons & ViewReason.RESYNC),
            Reason.WATCHDOG: self._late and worst > 0,
            Reason.OWN_ORDERS: self._next_slot in self._slots,
            Reason.REPORT: row.fault,
            Reason.RECONCILE: row.differs,
            Reason.CROWDED: order.crowded,
        }

    def _window(self, row: _Symbol, now_us: int) -> tuple[list[int], list[int]]:
        """Totals of the bucket of now and of the one before it."""
        later = (now_us >> self.register["risk_window"]) - row.bucket
        if later == 0:
            return row.window, row.window_before
        return [0, 0], row.window if later == 1 else [0, 0]

    def _accept(self, order: Order, row: _Symbol, exits: bool) -> None:
        """An accepted order counts in everything."""
        limits, now_us = row.limits, order.now_us
        price, qty, sell = order.price_ticks, order.qty_lots, order.is_sell
        value = qty * limits["lot_value"]
        if sell:
            row.worst_short = bounded(row.worst_short + qty, self.exposure_bits)
            row.low_sell = min(row.low_sell, price) if row.open_orders[1] else price
        else:
            row.worst_long = bounded(row.worst_long + qty, self.exposure_bits)
            row.high_buy = max(row.high_buy, price) if row.open_orders[0] else price
        row.open_orders[sell] += 1
        row.open_value[sell] += value
        row.spent = min(row.spent + 1, MAX_U32)
        self._slots[self._next_slot] = _Own(order.symbol, sell, qty, value)
        self._next_slot = (self._next_slot + 1) % self.own_orders
        window, before = self._window(row, now_us)
        row.bucket = now_us >> self.register["risk_window"]
        row.window = [min(window[0] + qty, MAX_U64), min(window[1] + price * qty, MAX_U64)]
        row.window_before = list(before)
        if row.drift is None or now_us - row.drift[1] > limits["drift_us"]:
            row.drift = price, now_us
        row.last[sell] = _Last(price, qty, now_us)
        row.repeats = min(row.repeats + 1, 0xFFFF)
        row.due_us = min(max(row.due_us, now_us) + limits["interval_us"], MAX_U64)
        interval_us = self.register["rate_interval_us"]
        self._due_us = min(max(self._due_us, now_us) + interval_us, MAX_U64)
        if not exits and self._credit is not None:
            self._credit = max(0, self._credit[0] - value), self._credit[1]
