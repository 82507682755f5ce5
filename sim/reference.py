# SPDX-License-Identifier: Apache-2.0
"""The reference model: what the fabric must answer, in plain Python.

Written from ``docs/contract.md`` alone and meant to be read beside it, top to bottom. A book
side is a dict; whatever can be looked up when asked is not kept. Nothing here knows of cycles,
so every cycle field of an expected record is 0. What is kept of a symbol is in
`sim.reference_symbol`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from host.contract.features import FEATURES_PER_RECORD
from host.contract.records import (
    NO_REASON,
    AlertCause,
    AlertFlag,
    DecisionFlag,
    FeaturesFlag,
    InFlag,
    InKind,
    OutKind,
    TradesFlag,
    ViewFlag,
    ViewReason,
)
from host.contract.registers import COUNTERS, REGISTERS
from sim.reference_forest import forest_of
from sim.reference_gate import Alert, GateModel, Order
from sim.reference_records import (
    BOOKLESS,
    OUT_DTYPES,
    REPORTS,
    Records,
    as_bytes,
    as_records,
    malformed,
    rows_of,
)
from sim.reference_signal import BookSide, Moment, SignalSettings, SignalState
from sim.reference_strategy import Before, Intent, Seen, effective
from sim.reference_symbol import Side, State, Symbol, Tape

__all__ = ["OUT_DTYPES", "Records", "Reference"]

# Kinds and flags as plain ints: an enum costs more to compare than the rest of the loop.
(LEVEL, TRADE, CLEAR, EVENT_BEGIN, EVENT_END, REFILL_BEGIN, REFILL_END) = map(int, list(InKind)[:7])
(ACK, FILL, CANCEL, REJECT, HEARTBEAT, TIMER) = map(int, list(InKind)[7:13])
(RECONCILE, CREDIT, DAY, REARM) = map(int, list(InKind)[14:18])
(SIDE, REFILL, WHOLE, BOOK, GAP, RESYNC) = map(int, list(InFlag)[:6])

#: N is never more.
MOST_N = 10
#: Reasons that leave the best bid and offer valid.
BBO_IGNORES = ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE
MAX_U32 = (1 << 32) - 1
#: Sums of quantities are told as no more.
MAX_U64 = (1 << 64) - 1


class Reference:
    """The fabric as ``docs/contract.md`` describes it, without a clock.

    Parameters
    ----------
    symbols, levels, qty_bits, own_orders : int
        Build parameters S, K, Q and O.
    model : callable, optional
        Score of a vector of features, signed 32 bits, in place of the forest.
    trees : int
        Build parameter T; 0: no forest, and without `model` the score is 0.
    vectors : bool
        Build parameter: features are told.
    """

    def __init__(
        self,
        symbols: int = 16,
        levels: int = 32,
        qty_bits: int = 48,
        own_orders: int = 64,
        model: Callable[[Sequence[int]], int] | None = None,
        trees: int = 0,
        vectors: bool = True,
    ) -> None:
        self.model = model
        self.vectors = vectors
        self.trees = trees
        self.symbols = symbols
        self.levels = levels
        self.qty_bits = qty_bits
        self.own_orders = own_orders
        self._reset()

    def _reset(self) -> None:
        self.strategy_version = 0
        self._micro: dict[int, int] = {}  # address -> entry of a micro-price table
        self._register = {name: 0 for name, register in REGISTERS.items() if register.writable}
        self._counts: Counter[str] = Counter()
        self._books = [Symbol(self.levels, self.qty_bits) for _ in range(self.symbols)]
        self._now_us = 0
        self._frame_symbol: int | None = None  # symbol of the open frame
        self._frame_us = 0  # its exchange time
        # by symbol, of its last book event: update id and best levels, if those were valid
        self._shown: dict[int, tuple[int, int, int, int, int]] = {}
        self.gate = GateModel(self.symbols, self.qty_bits, self.own_orders, self._register)
        self.forest = forest_of(self.trees) if self.trees else None
        self._seq = 0
        self._decisions = 0
        self._out: list[dict[str, int]] = []

    @property
    def counters(self) -> dict[str, int]:
        """Every counter register by name, saturated at 2^32 - 1."""
        counts = Counter({**self._counts, "kills": self.gate.kills})
        if self.forest is not None:
            counts["model_loads"] = self.forest.loads
            counts["model_refusals"] = self.forest.refusals
        return {name: min(counts[name], MAX_U32) for name in COUNTERS}

    @property
    def limits_version(self) -> int:
        """Limit commits since reset."""
        return self.gate.commits

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
                self.gate.commit(value)
        elif register_name == "kill":
            self._alert(self.gate.kill())
        elif register_name == "rearm":
            self.gate.rearm(value)
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
        elif register_name.startswith("model_"):
            if self.forest is not None:
                self.forest.write(register_name, value)
        elif register_name == "symbol_reset":
            if value < self.symbols:
                self._reset_symbol(value)
        else:
            self._register[register_name] = value
            if register_name == "mode":
                self.gate.mode_written()

    def shown_last(self, symbol: int) -> tuple[int, int, int, int, int] | None:
        """Update id, best bid and best ask (price, quantity) of a symbol's last book event.

        None if best bid and offer were not valid then.
        """
        return self._shown.get(symbol)

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
        batch = as_records(records)
        counts, books = self._counts, self._books
        n = self._n
        counts["records_in"] += len(batch)
        for kind, flags, symbol, tag, price_ticks, value in rows_of(batch):
            record = kind, flags, symbol, tag, price_ticks, value
            breach = malformed(record, self.symbols, self.qty_bits, self._frame_symbol)
            if breach is not None:
                counts[breach] += 1
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
                self.gate.timer(self._now_us)
            else:
                self._steer(kind, flags, symbol, tag, price_ticks, value)
        out, self._out = self._out, []
        return as_bytes(out)

    def _steer(
        self, kind: int, flags: int, symbol: int, tag: int, price_ticks: int, value: int
    ) -> None:
        """What the host tells the gate, and the strategy of its position."""
        gate, side = self.gate, bool(flags & SIDE)
        strategy = self._books[symbol].strategy
        if kind == RECONCILE:
            self._counts["reconciles"] += 1
            if flags & WHOLE:
                strategy.position.state(side, value, price_ticks, self._now_us)
                strategy.reported = True
            alert = gate.reconcile(symbol, side, value, price_ticks, bool(flags & WHOLE))
            self._counts["reconcile_faults"] += alert is not None
            self._alert(alert)
        elif kind == CREDIT:
            gate.credit(value, self._now_us)
        elif kind == DAY:
            gate.day()
        elif kind == REARM:
            gate.rearm_repeats(symbol)
        else:
            self._counts["reports"] += kind in REPORTS
            if kind == FILL:
                strategy.position.fill(side, value, price_ticks, self._now_us)
            strategy.reported |= kind in (FILL, CANCEL, REJECT)
            alert = gate.report(kind, symbol, side, tag, price_ticks, value)
            self._counts["report_faults"] += alert is not None
            self._alert(alert)

    def _alert(self, alert: Alert | None) -> None:
        """Emit an alert, if there is one."""
        if alert is None:
            return
        is_kill = alert.cause is AlertCause.KILL
        self._emit(
            kind=OutKind.ALERT,
            flags=(AlertFlag.SIDE if alert.is_sell else 0)
            | (AlertFlag.CANCEL_ALL if is_kill else 0),
            symbol=alert.symbol,
            cause=alert.cause,
            value=alert.value,
            price_ticks=alert.price_ticks,
            tag=alert.tag,
            kind_in=alert.kind_in,
            kill_causes=self.gate.kill_causes,
        )

    def _evaluate(self, symbol: int, update_id: int) -> None:
        """The view of a symbol at the end of a book event, and all that follows from it."""
        book = self._books[symbol]
        bid, ask = book.bid.shown(), book.ask.shown()
        age_us = min(self._now_us - self._frame_us, MAX_U32)
        reasons = book.view_reasons(self._n, age_us > self._register["stale_us"])
        bbo_valid = not reasons & ~BBO_IGNORES
        valid = not reasons
        self._shown.pop(symbol, None)
        if bbo_valid:
            best = bid.price_ticks, bid.qty_lots, ask.price_ticks, ask.qty_lots
            self._shown[symbol] = (update_id, *best)
        self._counts["events"] += 1
        self._counts["events_bbo"] += bbo_valid
        self._counts["events_valid"] += valid

        killed = self.gate.book_event(
            symbol, bid.price_ticks, ask.price_ticks, reasons, self._now_us
        )
        features = self._features(symbol, update_id, bbo_valid, valid, age_us)
        self._alert(killed)

        request = book.refill_request(
            self._register["refill_level"], self._register["refill_retry"]
        )
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
                bid_sum_lots=min(bid.sum_lots, MAX_U64),
                ask_sum_lots=min(ask.sum_lots, MAX_U64),
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
                buy_lots=min(tape.volume(False, self._now_us, window), MAX_U64),
                sell_lots=min(tape.volume(True, self._now_us, window), MAX_U64),
                price_ticks=tape.price_ticks,
            )

        if self.vectors and self._register["report"] & 4:
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
        seen = Seen(bid, ask, moment, valid, self._score(features))
        intent = strategy.event(seen, before, book.signals, row)
        self._counts["filtered"] += strategy.filtered - filtered
        if intent is not None:
            self._counts["intents"] += 1
            self._counts["exits" if intent.reduce_only else "entries"] += 1
            self._decide(symbol, update_id, intent, seen, age_us)
        return features

    def _score(self, features: Sequence[int]) -> int:
        """What the model says of them."""
        if self.model is not None:
            return self.model(features)
        return 0 if self.forest is None else self.forest.score(features).score

    def _decide(self, symbol: int, update_id: int, intent: Intent, seen: Seen, age_us: int) -> None:
        """Have an intent judged."""
        judged = self.gate.order(
            Order(
                *(symbol, intent.is_sell, intent.price_ticks, intent.qty_lots),
                bid_ticks=seen.bid.levels[0][0],
                ask_ticks=seen.ask.levels[0][0],
                last_ticks=seen.moment.last_price_ticks,
                now_us=self._now_us,
                age_us=age_us,
                reduce_only=intent.reduce_only,
                order=intent.order,
                strategy=intent.fired,
            )
        )
        verdict = judged.verdict
        self._counts["refusals" if verdict else "orders"] += 1
        self._decisions += 1
        self._emit(
            kind=OutKind.DECISION,
            flags=(DecisionFlag.SIDE if intent.is_sell else 0)
            | (DecisionFlag.REFUSED if verdict else 0)
            | (DecisionFlag.REDUCE_ONLY if intent.reduce_only else 0),
            symbol=symbol,
            order=intent.order,
            update_id=update_id,
            qty_lots=intent.qty_lots,
            price_ticks=intent.price_ticks,
            decision_id=(self._decisions << 8 & MAX_U32) | judged.slot,
            verdict=verdict,
            first_reason=(verdict & -verdict).bit_length() - 1 if verdict else NO_REASON,
            rule=intent.fired,
            score=seen.score,
            limits_version=judged.limits_version,
            limits_checksum=judged.limits_checksum,
        )

    def _emit(self, **fields: int) -> None:
        """Emit an out record; fields not named are 0."""
        self._out.append({"seq": self._seq & MAX_U32, **fields})
        self._seq += 1
