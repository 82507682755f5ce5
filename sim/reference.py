# SPDX-License-Identifier: Apache-2.0
"""The reference model: what the fabric must answer, in plain Python.

Written from ``docs/contract.md`` alone and meant to be read beside it, top to bottom. A book
side is a dict; whatever can be looked up when asked is not kept. Nothing here knows of cycles,
so every cycle field of an expected record is 0. What is kept of a symbol is in
`sim.reference_symbol`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.features import FEATURES_PER_RECORD
from host.contract.records import (
    DECISION_DTYPE,
    FEATURES_DTYPE,
    IN_DTYPE,
    IN_FLAGS_BY_KIND,
    NO_REASON,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    DecisionFlag,
    FeaturesFlag,
    InFlag,
    InKind,
    Mode,
    OutKind,
    Reason,
    RefillFlag,
    TradesFlag,
    ViewFlag,
    ViewReason,
)
from host.contract.registers import COUNTERS, REGISTERS
from sim.reference_signal import BookSide, Moment, SignalSettings, SignalState
from sim.reference_strategy import Before, Intent, Seen, effective
from sim.reference_symbol import NO_HORIZON, Limits, Shown, Side, State, Symbol, Tape

__all__ = ["OUT_DTYPES", "Records", "Reference"]

#: What `Reference.feed` takes: records of `IN_DTYPE`, or their bytes.
Records = npt.NDArray[Any] | bytes | bytearray | memoryview

#: Layout of each kind of out record.
OUT_DTYPES: dict[int, np.dtype[Any]] = {
    int(OutKind.DECISION): DECISION_DTYPE,
    int(OutKind.REFILL_REQUEST): REFILL_REQUEST_DTYPE,
    int(OutKind.VIEW): VIEW_DTYPE,
    int(OutKind.TRADES): TRADES_DTYPE,
    int(OutKind.FEATURES): FEATURES_DTYPE,
}

# Kinds and flags as plain ints: an enum costs more to compare than the rest of the loop.
(LEVEL, TRADE, CLEAR, EVENT_BEGIN, EVENT_END, REFILL_BEGIN, REFILL_END) = map(int, list(InKind)[:7])
(ACK, FILL, CANCEL, REJECT, HEARTBEAT, TIMER, RECONCILE) = map(int, list(InKind)[7:])
(SIDE, REFILL, WHOLE, BOOK, GAP, RESYNC) = map(int, InFlag)

KINDS = frozenset(int(kind) for kind in InKind)
REPORTS = frozenset((ACK, FILL, CANCEL, REJECT))
#: Kinds that can be malformed without a book update being lost.
BOOKLESS = REPORTS | {HEARTBEAT, TIMER, RECONCILE}
FORBIDDEN_FLAGS = {int(kind): 0xFF & ~int(flags) for kind, flags in IN_FLAGS_BY_KIND.items()}
PRICE_ABOVE_ZERO = frozenset((LEVEL, TRADE))
PRICE_ZERO = frozenset((CLEAR, EVENT_BEGIN, EVENT_END, REFILL_BEGIN, HEARTBEAT, TIMER))
VALUE_IS_QTY = frozenset((LEVEL, TRADE, ACK, FILL, CANCEL, REJECT, RECONCILE))
QTY_ABOVE_ZERO = frozenset((TRADE, FILL, CANCEL, REJECT))
VALUE_ZERO = frozenset((CLEAR, REFILL_BEGIN, REFILL_END, HEARTBEAT))

#: N is never more.
MOST_N = 10
#: Reasons that leave the best bid and offer valid.
BBO_IGNORES = ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE
MAX_U32 = (1 << 32) - 1
MAX_U64 = (1 << 64) - 1


def _signed64(value: int) -> int:
    """`value`, saturated to a signed 64-bit number."""
    return max(-(1 << 63), min((1 << 63) - 1, value))


class Reference:
    """The fabric as ``docs/contract.md`` describes it, without a clock.

    Parameters
    ----------
    symbols, levels, qty_bits : int
        Build parameters S, K and Q.

    Attributes
    ----------
    limits_version : int
        Limit commits since reset.
    """

    def __init__(self, symbols: int = 16, levels: int = 32, qty_bits: int = 48) -> None:
        self.symbols = symbols
        self.levels = levels
        self.qty_bits = qty_bits
        self._reset()

    def _reset(self) -> None:
        self.limits_version = 0
        self.strategy_version = 0
        self._micro: dict[int, int] = {}  # address -> entry of a micro-price table
        self._register = {name: 0 for name, register in REGISTERS.items() if register.writable}
        self._counts: Counter[str] = Counter()
        self._books = [Symbol(self.levels, self.qty_bits) for _ in range(self.symbols)]
        self._now_us = 0
        self._frame_symbol: int | None = None  # symbol of the open frame
        self._frame_us = 0  # its exchange time
        self._rate_us = 0  # T of the token bucket
        self._seq = 0
        self._decisions = 0
        self._out: list[dict[str, int]] = []

    @property
    def counters(self) -> dict[str, int]:
        """Every counter register by name, saturated at 2^32 - 1."""
        return {name: min(self._counts[name], MAX_U32) for name in COUNTERS}

    def write(self, register_name: str, value: int) -> None:
        """Write a register between two records.

        Parameters
        ----------
        register_name : str
            A register of the table that the host may write.
        value : int
            Cut to the register's width.

        Raises
        ------
        ValueError
            There is no such register, or it is read-only.
        """
        register = REGISTERS.get(register_name)
        if register is None or not register.writable:
            raise ValueError(f"register: expected a writable one, was {register_name!r}")
        value &= (1 << register.bits) - 1
        if register_name == "control":
            if value & 1:
                self._reset()
        elif register_name == "limit_commit":
            if value < self.symbols:
                self._books[value].limits = Limits(
                    permit=self._register["limit_permit"],
                    max_qty_lots=self._register["limit_max_qty"],
                    max_notional=self._register["limit_max_notional"],
                    collar_ticks=self._register["limit_collar_ticks"],
                    max_position_lots=self._register["limit_max_position"],
                )
                self.limits_version += 1
        elif register_name == "strategy_commit":
            if value < self.symbols:
                self._books[value].settings = {
                    name.removeprefix("strategy_"): held
                    for name, held in self._register.items()
                    if name.startswith("strategy_")
                }
                self.strategy_version += 1
        elif register_name == "micro_entry":
            address = self._register["micro_address"]
            if address < 256 * self.symbols:
                self._micro[address] = value - ((value >> 17) << 18)
        elif register_name == "symbol_reset":
            if value < self.symbols:
                self._reset_symbol(value)
        else:
            self._register[register_name] = value

    @property
    def _n(self) -> int:
        """N: levels a decision rests on."""
        return min(self._register["levels_n"], MOST_N)

    def _reset_symbol(self, symbol: int) -> None:
        """Forget a symbol's book and trades; its limits and exposure stay."""
        book = self._books[symbol]
        for side in (book.bid, book.ask):
            self._clear(side)
        book.tape = Tape(self.qty_bits)
        book.signals = SignalState(self.qty_bits, visible=min(MOST_N, self.levels))
        if self._frame_symbol == symbol:
            self._frame_symbol = None
        self._counts["symbol_resets"] += 1

    def _clear(self, side: Side) -> None:
        """A CLEAR without flags."""
        side.sum_n = self._n
        side.empty(State.UNKNOWN)
        self._counts["clears"] += 1

    def feed(self, records: Records) -> npt.NDArray[np.uint8]:
        """Take records in order and answer what the fabric must emit for them.

        Parameters
        ----------
        records : ndarray of IN_DTYPE, or bytes
            Incoming records, 16 bytes each.

        Returns
        -------
        ndarray of uint8, shape (n, 64)
            Out records in order, their cycle fields 0.

        Raises
        ------
        ValueError
            The bytes are no whole number of records.
        """
        batch = _as_records(records)
        counts, books = self._counts, self._books
        n = self._n
        counts["records_in"] += len(batch)
        for kind, flags, symbol, tag, price_ticks, value in _rows(batch):
            malformed = self._malformed(kind, flags, symbol, tag, price_ticks, value)
            if malformed is not None:
                counts[malformed] += 1
                if kind not in BOOKLESS and symbol < self.symbols:
                    books[symbol].bid.gap = books[symbol].ask.gap = True
                continue
            book = books[symbol]

            if kind == LEVEL:
                side = book.ask if flags & SIDE else book.bid
                side.sum_n = n
                if flags & REFILL:
                    if side.state is State.LOADING:
                        side.store(side.sign * price_ticks, value)
                        counts["refill_levels"] += 1
                    else:
                        counts["refill_orphans"] += 1
                elif side.state is State.KNOWN:
                    for counter in side.store(side.sign * price_ticks, value):
                        counts[counter] += 1
                elif side.state is State.UNKNOWN:
                    counts["level_unknown"] += 1
                else:
                    side.empty(State.UNKNOWN)
                    counts["refill_broken"] += 1
            elif kind == EVENT_BEGIN:
                if self._frame_symbol is not None:
                    counts["events_unclosed"] += 1
                self._frame_symbol, self._frame_us = symbol, value
                self._now_us = max(self._now_us, value)
            elif kind == EVENT_END:
                if flags & BOOK:
                    self._evaluate(symbol, value)
                self._frame_symbol = None
            elif kind == TRADE:
                counts["trades"] += 1
                window = self._register["trade_window"]
                book.tape.trade(price_ticks, value, bool(flags & SIDE), self._now_us, window)
                book.signals.trade(value, bool(flags & SIDE))
            elif kind == CLEAR:
                side = book.ask if flags & SIDE else book.bid
                self._clear(side)
                side.gap |= bool(flags & GAP)
                side.resync |= bool(flags & RESYNC)
            elif kind == REFILL_BEGIN:
                side = book.ask if flags & SIDE else book.bid
                side.sum_n = n
                side.empty(State.LOADING)
                side.gap = side.resync = False
                counts["refill_begins"] += 1
            elif kind == REFILL_END:
                side = book.ask if flags & SIDE else book.bid
                side.sum_n = n
                counts[side.end_refill(side.sign * price_ticks, bool(flags & WHOLE))] += 1
            elif kind == HEARTBEAT:
                counts["heartbeats"] += 1
            elif kind == TIMER:
                counts["timers"] += 1
                self._now_us = max(self._now_us, value)
            elif kind == RECONCILE:
                counts["reconciles"] += 1
                is_short = bool(flags & SIDE)
                book.strategy.position.state(is_short, value, price_ticks, self._now_us)
                book.strategy.reported = True
            else:
                counts["reports"] += 1
                self._report(book, kind, bool(flags & SIDE), value)
                if kind == FILL:
                    is_sell = bool(flags & SIDE)
                    book.strategy.position.fill(is_sell, value, price_ticks, self._now_us)
                book.strategy.reported |= kind != ACK
        out, self._out = self._out, []
        return _as_bytes(out)

    def _malformed(
        self, kind: int, flags: int, symbol: int, tag: int, price_ticks: int, value: int
    ) -> str | None:
        """Counter of the first rule the record breaks, None for a well-formed one."""
        if kind not in KINDS:
            return "malformed_kind"
        if symbol >= self.symbols:
            return "malformed_symbol"
        if flags & FORBIDDEN_FLAGS[kind]:
            return "malformed_flags"
        if tag and kind not in REPORTS:
            return "malformed_reserved"
        if price_ticks == 0:
            if kind in PRICE_ABOVE_ZERO:
                return "malformed_price"
        elif kind in PRICE_ZERO or flags & WHOLE:
            return "malformed_price"
        if kind in VALUE_IS_QTY:
            if value >> self.qty_bits:
                return "malformed_qty"
            if value == 0 and (kind in QTY_ABOVE_ZERO or flags & REFILL):
                return "malformed_qty"
        elif value and kind in VALUE_ZERO:
            return "malformed_qty"
        framed = (kind == LEVEL and not flags & REFILL) or kind == EVENT_END
        if framed and symbol != self._frame_symbol:
            return "malformed_frame"
        return None

    def _report(self, book: Symbol, kind: int, is_sell: bool, qty_lots: int) -> None:
        """Take what became of an own order into its symbol's exposure."""
        if kind == ACK:
            return
        # A filled buy adds to the position and leaves the open buys: the long side's worst
        # stays. A buy that is gone unfilled leaves the open buys alone.
        if (kind == FILL) == is_sell:
            book.worst_long = _signed64(book.worst_long - qty_lots)
        else:
            book.worst_short = _signed64(book.worst_short - qty_lots)

    def _evaluate(self, symbol: int, update_id: int) -> None:
        """The view of a symbol at the end of a book event, and all that follows from it."""
        book = self._books[symbol]
        bid, ask = book.bid.shown(), book.ask.shown()
        age_us = min(self._now_us - self._frame_us, MAX_U32)
        reasons = self._view_reasons(book, bid, ask, age_us)
        bbo_valid = not reasons & ~BBO_IGNORES
        valid = not reasons
        self._counts["events"] += 1
        self._counts["events_bbo"] += bbo_valid
        self._counts["events_valid"] += valid

        features = self._features(symbol, update_id, bbo_valid, valid, age_us)

        request = self._refill_request(book)
        if request:
            self._counts["refill_requests"] += 1
            self._emit(
                kind=OutKind.REFILL_REQUEST,
                flags=request,
                symbol=symbol,
                reasons=reasons,
                update_id=update_id,
                bid_depth=bid.depth,
                ask_depth=ask.depth,
            )

        if self._register["report"] & 1:
            self._emit(
                kind=OutKind.VIEW,
                flags=(ViewFlag.BBO_VALID if bbo_valid else 0)
                | (ViewFlag.VALID if valid else 0)
                | (ViewFlag.BID_WHOLE if bid.whole else 0)
                | (ViewFlag.ASK_WHOLE if ask.whole else 0),
                symbol=symbol,
                reasons=reasons,
                update_id=update_id,
                bid_qty_lots=bid.qty_lots,
                ask_qty_lots=ask.qty_lots,
                bid_price_ticks=bid.price_ticks,
                ask_price_ticks=ask.price_ticks,
                bid_sum_lots=bid.sum_lots,
                ask_sum_lots=ask.sum_lots,
                bid_depth=bid.depth,
                ask_depth=ask.depth,
                levels_n=self._n,
                age_us=age_us,
            )

        if self._register["report"] & 2:
            tape, window = book.tape, self._register["trade_window"]
            self._emit(
                kind=OutKind.TRADES,
                flags=(TradesFlag.SIDE if tape.is_sell else 0)
                | (TradesFlag.KNOWN if tape.known else 0),
                symbol=symbol,
                window=window,
                update_id=update_id,
                qty_lots=tape.qty_lots,
                buy_lots=tape.volume(False, self._now_us, window),
                sell_lots=tape.volume(True, self._now_us, window),
                price_ticks=tape.price_ticks,
            )

        if self._register["report"] & 4:
            for page in range(0, len(features), FEATURES_PER_RECORD):
                values = features[page : page + FEATURES_PER_RECORD]
                self._emit(
                    kind=OutKind.FEATURES,
                    flags=FeaturesFlag.USABLE if bbo_valid else 0,
                    symbol=symbol,
                    page=page // FEATURES_PER_RECORD,
                    update_id=update_id,
                    **{f"value{n}": value for n, value in enumerate(values)},
                )

    def _features(
        self, symbol: int, update_id: int, usable: bool, valid: bool, age_us: int
    ) -> list[int]:
        """The features of an event; what the strategy wants is judged and told."""
        book, strategy = self._books[symbol], self._books[symbol].strategy
        if not usable:
            return book.signals.skip()
        tape, settings, window = book.tape, book.settings, self._register["trade_window"]
        visible = min(MOST_N, self.levels)
        bid, ask = (
            BookSide(side.levels()[:visible], side.shown().sum_lots, side.wall())
            for side in (book.bid, book.ask)
        )
        moment = Moment(
            self._now_us,
            tape.volume(False, self._now_us, window),
            tape.volume(True, self._now_us, window),
            tape.paid(self._now_us, window),
            tape.price_ticks if tape.known else None,
        )
        shape = SignalSettings(
            **{name: settings[name] for name in SignalSettings.__dataclass_fields__}
        )
        first = 256 * symbol + 128 * shape.micro_bank
        table = [self._micro.get(first + at, 0) for at in range(128)]
        before = Before.of(book.signals)
        features = book.signals.event(bid, ask, moment, shape, table)
        filtered = strategy.filtered
        row = effective(settings, self._register)
        intent = strategy.event(Seen(bid, ask, moment, valid, 0), before, book.signals, row)
        self._counts["filtered"] += strategy.filtered - filtered
        if intent is not None:
            self._counts["intents"] += 1
            self._counts["exits" if intent.reduce_only else "entries"] += 1
            self._decide(symbol, update_id, intent, bid.levels[0][0], ask.levels[0][0], age_us)
        return features

    def _view_reasons(self, book: Symbol, bid: Shown, ask: Shown, age_us: int) -> int:
        """Why the book is not valid for N levels; `ViewReason` bits, 0 for a valid one."""
        n = self._n
        reasons = ViewReason(0)
        if age_us > self._register["stale_us"]:
            reasons |= ViewReason.STALE
        for side in (book.bid, book.ask):
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
        if bid.depth and ask.depth and bid.price_ticks >= ask.price_ticks:
            reasons |= ViewReason.CROSSED
        return int(reasons)

    def _refill_request(self, book: Symbol) -> int:
        """What to ask the host for now; `RefillFlag` bits, 0 for nothing."""
        wanted = RefillFlag(0)
        if book.bid.wants_levels(self._register["refill_level"]):
            wanted |= RefillFlag.BID
        if book.ask.wants_levels(self._register["refill_level"]):
            wanted |= RefillFlag.ASK
        if book.bid.wants_snapshot():
            wanted |= RefillFlag.BID | RefillFlag.BID_UNKNOWN
        if book.ask.wants_snapshot():
            wanted |= RefillFlag.ASK | RefillFlag.ASK_UNKNOWN
        if not wanted:
            book.wait = 0
            return 0
        if book.wait:
            book.wait -= 1
            return 0
        book.wait = self._register["refill_retry"]
        return int(wanted)

    def _decide(
        self,
        symbol: int,
        update_id: int,
        intent: Intent,
        bid_ticks: int,
        ask_ticks: int,
        age_us: int,
    ) -> None:
        """Judge an intent, and take an accepted order into the exposure."""
        book = self._books[symbol]
        is_sell, qty_lots, price_ticks = intent.is_sell, intent.qty_lots, intent.price_ticks
        worst = (book.worst_short if is_sell else book.worst_long) + qty_lots
        mode, limits = self._register["mode"], book.limits
        interval_us = self._register["rate_interval_us"]
        from_mid_x2 = abs(2 * price_ticks - (bid_ticks + ask_ticks))
        refused = {
            Reason.HALTED: mode not in (Mode.REDUCE_ONLY, Mode.ACTIVE),
            Reason.REDUCE_ONLY: mode == Mode.REDUCE_ONLY and worst > 0,
            Reason.PERMISSION: not limits.permit,
            Reason.QUANTITY: qty_lots == 0 or qty_lots > limits.max_qty_lots,
            Reason.NOTIONAL: price_ticks * qty_lots > limits.max_notional,
            Reason.COLLAR: from_mid_x2 > 2 * limits.collar_ticks,
            Reason.POSITION: worst > limits.max_position_lots,
            Reason.RATE: interval_us == 0
            or self._now_us + self._register["rate_burst_us"] < self._rate_us,
            Reason.STALE: age_us > self._register["stale_us"],  # never: the view is valid
            Reason.BOOK: False,  # an intent is made on a valid view only
        }
        bits = [int(reason) for reason in Reason if refused[reason]]
        if bits:
            self._counts["refusals"] += 1
        else:
            self._counts["orders"] += 1
            if is_sell:
                book.worst_short = _signed64(worst)
            else:
                book.worst_long = _signed64(worst)
            self._rate_us = min(max(self._now_us, self._rate_us) + interval_us, MAX_U64)
        self._decisions += 1
        self._emit(
            kind=OutKind.DECISION,
            flags=(DecisionFlag.SIDE if is_sell else 0) | (DecisionFlag.REFUSED if bits else 0),
            symbol=symbol,
            order=intent.order,
            update_id=update_id,
            qty_lots=qty_lots,
            price_ticks=price_ticks,
            decision_id=self._decisions & MAX_U32,
            verdict=sum(1 << bit for bit in bits),
            first_reason=min(bits, default=NO_REASON),
            rule=intent.fired,
            limits_version=self.limits_version & MAX_U32,
        )

    def _emit(self, **fields: int) -> None:
        """Emit an out record; fields not named are 0."""
        self._out.append({"seq": self._seq & MAX_U32, **fields})
        self._seq += 1


def _as_records(records: Records) -> npt.NDArray[Any]:
    """The batch as an array of `IN_DTYPE`, shape (n,)."""
    if isinstance(records, np.ndarray):
        if records.dtype == IN_DTYPE:
            return records.reshape(-1)
        records = records.tobytes()
    if len(memoryview(records).cast("B")) % IN_DTYPE.itemsize:
        raise ValueError(
            f"records: expected a multiple of {IN_DTYPE.itemsize} bytes, "
            f"was {len(memoryview(records).cast('B'))}"
        )
    return np.frombuffer(records, IN_DTYPE)


def _rows(batch: npt.NDArray[Any]) -> zip[Any]:
    """Records of a batch as tuples of plain ints, fields in the order of `IN_DTYPE`."""
    return zip(*(batch[name].tolist() for name in IN_DTYPE.names or ()), strict=True)


def _as_bytes(out: list[dict[str, int]]) -> npt.NDArray[np.uint8]:
    """Out records by field name as their bytes, shape (n, 64)."""
    rows = np.zeros((len(out), 64), np.uint8)
    kinds = np.array([record["kind"] for record in out], np.uint8)
    for kind, dtype in OUT_DTYPES.items():
        names = dtype.names or ()
        of_kind = [
            tuple(int(record.get(name, 0)) for name in names)
            for record in out
            if record["kind"] == kind
        ]
        rows[kinds == kind] = np.array(of_kind, dtype).view(np.uint8).reshape(-1, 64)
    return rows
