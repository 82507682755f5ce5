# SPDX-License-Identifier: Apache-2.0
"""Random orders, reports and limits for the gate alone, and what the reference makes of them."""

import random

import numpy as np

from host.contract.records import (
    DECISION_DTYPE,
    IN_DTYPE,
    NO_REASON,
    AlertCause,
    AlertFlag,
    DecisionFlag,
    InFlag,
    InKind,
    OutKind,
    Reason,
    ViewReason,
)
from host.contract.registers import REGISTERS
from host.execution.steps import step
from sim.reference import OUT_DTYPES
from sim.reference_gate import LIMIT_BITS, REARM_KEYS, GateModel, Order
from tests.system.gate_bench import (
    AGAIN,
    EVENT,
    LAST_KNOWN,
    ORDER,
    QUOTE,
    REDUCE_ONLY,
    VALID,
)

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
SYMBOLS, QTY_BITS, OWN_ORDERS = 4, 48, 8
MIDDLE = 1000

#: Limits and settings that let everything through.
OPEN_LIMITS = dict.fromkeys(LIMIT_BITS, 0) | {
    **dict.fromkeys(("max_qty", "max_notional", "window_qty", "window_notional"), U64),
    **dict.fromkeys(("collar_ticks", "last_ticks", "max_price", "drift_ticks"), U32),
    **dict.fromkeys(("burst_us", "max_spread", "pause_ticks", "trade_grace"), U32),
    **dict.fromkeys(("collar_ppm", "last_ppm"), (1 << 20) - 1),
    **{"permit": 1, "mode": 2, "strategies": 255, "interval_us": 1, "max_repeats": 0xFFFF},
    **{"max_position": 1 << 62, "max_open": 255, "tolerance": U64},
    **{"lot_value": 3, "tick_value": 2, "pause_us": 30, "pause_window_us": 100},
    **{"qty_inverse": 1, "qty_bound": U64, "tick_inverse": 1, "tick_bound": U32},
}
OPEN_SETTINGS = {
    **{"mode": 2, "rate_interval_us": 1, "rate_burst_us": U32, "risk_window": 6},
    **{"max_gross": U64, "max_net": U64, "max_open_orders": 0xFFFF, "credit_age_us": U32},
    **{"max_losses": 255, "max_day_loss": U64, "max_window_loss": U64, "max_drawdown": U64},
    **{"loss_window": 6, "loss_kill": 0, "clock_step": 0, "clock_drift_us": U32},
    **{"watchdog_late_cycles": 0, "watchdog_dead_cycles": 0, "stale_us": U32},
}


def _steps(name, size, bits):
    found = step(size, bits)
    return {
        f"{name}_mask": found.mask,
        f"{name}_inverse": found.inverse,
        f"{name}_bound": found.bound,
    }


def tight(rng, reason):
    """Settings and limits by which one control refuses some orders: (settings, limits)."""
    pick = rng.choice
    return {
        Reason.HALTED: ({"mode": pick((0, 3))}, {}),
        Reason.REDUCE_ONLY: ({"mode": 1}, {}),
        Reason.PERMISSION: ({}, {"permit": 0}),
        Reason.QUANTITY: ({}, {"max_qty": pick((0, 5, 20))}),
        Reason.NOTIONAL: ({}, {"max_notional": rng.randrange(40_000)}),
        Reason.COLLAR: ({}, {"collar_ticks": rng.randrange(40)}),
        Reason.POSITION: ({}, {"max_position": pick((0, 20, 100, 1 << 63))}),
        Reason.RATE: ({"rate_interval_us": pick((0, 10, 40)), "rate_burst_us": pick((0, 90))}, {}),
        Reason.STALE: ({"stale_us": rng.randrange(250)}, {}),
        Reason.SYMBOL_HALTED: ({}, {"mode": pick((0, 3))}),
        Reason.STRATEGY: ({}, {"strategies": pick((0, 1, 5))}),
        Reason.QUANTITY_MIN: ({}, {"min_qty": pick((2, 10, 1 << 48))}),
        Reason.QUANTITY_STEP: ({}, _steps("qty", pick((2, 3, 5, 12, 40)), QTY_BITS)),
        Reason.COLLAR_PPM: ({}, {"collar_ppm": rng.randrange(40_000)}),
        Reason.COLLAR_LAST: ({}, {"last_ticks": rng.randrange(50)}),
        Reason.COLLAR_LAST_PPM: ({}, {"last_ppm": rng.randrange(50_000)}),
        Reason.PRICE: ({}, {"min_price": pick((1, 990)), "max_price": pick((1000, U32))}),
        Reason.TICK: ({}, _steps("tick", pick((2, 3, 5, 6)), 32)),
        Reason.DUPLICATE: ({}, {"duplicate_us": pick((10, 300, U32))}),
        Reason.RATE_SYMBOL: ({}, {"interval_us": pick((0, 20, 90)), "burst_us": pick((0, 200))}),
        Reason.WINDOW_QTY: ({}, {"window_qty": rng.randrange(300)}),
        Reason.WINDOW_NOTIONAL: ({}, {"window_notional": rng.randrange(300_000)}),
        Reason.DRIFT: ({}, {"drift_ticks": rng.randrange(40), "drift_us": pick((0, 100, 2000))}),
        Reason.REPEAT: ({}, {"max_repeats": rng.randrange(6)}),
        Reason.ORDER_TRADE: ({}, {"trade_grace": rng.randrange(4), "trade_ratio": pick((0, 1, 2))}),
        Reason.GROSS: ({"max_gross": rng.randrange(1500)}, {"lot_value": pick((1, 3, 7))}),
        Reason.NET: ({"max_net": rng.randrange(900)}, {"lot_value": pick((1, 3, 7))}),
        Reason.OPEN_ORDERS: pick((({}, {"max_open": 2}), ({"max_open_orders": 3}, {}))),
        Reason.CREDIT: ({}, {"lot_value": 9}),
        Reason.CREDIT_STALE: ({"credit_age_us": pick((0, 100, 1000))}, {}),
        Reason.LOSSES: ({"max_losses": rng.randrange(4)}, {}),
        Reason.LOSS_DAY: ({"max_day_loss": rng.randrange(20_000)}, {}),
        Reason.LOSS_WINDOW: (
            {"max_window_loss": rng.randrange(4000), "loss_window": pick((4, 8))},
            {},
        ),
        Reason.DRAWDOWN: ({"max_drawdown": rng.randrange(20_000)}, {}),
        Reason.SPREAD: ({}, {"max_spread": rng.randrange(12)}),
        Reason.VOLATILITY: ({}, {"pause_ticks": rng.randrange(20), "pause_us": pick((1, 300))}),
        Reason.CLOCK: ({"clock_drift_us": rng.randrange(100)}, {}),
        Reason.WATCHDOG: ({"watchdog_late_cycles": 1}, {}),
        Reason.RECONCILE: ({}, {"tolerance": rng.randrange(30)}),
        Reason.KILL: ({}, {}),
    }.get(reason, ({}, {}))


class Stream:
    """Chunks of register writes and records, and the out records that must follow."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.register = {name: 0 for name, register in REGISTERS.items() if register.writable}
        self.model = GateModel(SYMBOLS, QTY_BITS, OWN_ORDERS, self.register)
        self.quote = (0, 0, 0, False, 0)  # bid, ask, last, known, reasons
        self.now_us = 0
        self.out = []
        self.seq = self.decisions = 0
        self.mids = [MIDDLE] * SYMBOLS

    # Registers

    def _write(self, writes, name, value):
        writes.append((name, value))
        if name == "kill":
            self._alert(self.model.kill())
        elif name == "rearm":
            self.model.rearm(value)
        elif name == "limit_commit":
            if value < SYMBOLS:
                self.model.commit(value)
        else:
            self.register[name] = value
            if name == "mode":
                self.model.mode_written()

    def settings(self, focus):
        """Register writes of a chunk in which the controls of `focus` may refuse."""
        rng, writes = self.rng, []
        self.focus = focus
        if self.model.kill_causes and Reason.KILL not in focus:
            for name, value in rng.choice(
                (
                    (("mode", 0), ("rearm", REARM_KEYS[0]), ("rearm", REARM_KEYS[1])),
                    (("mode", 3), ("rearm", REARM_KEYS[0]), ("rearm", 1), ("rearm", REARM_KEYS[1])),
                    (("mode", 0), ("rearm", REARM_KEYS[0]), ("mode", 2), ("rearm", REARM_KEYS[1])),
                    (("mode", 0), ("rearm", REARM_KEYS[0]), ("rearm", REARM_KEYS[1])),
                )
            ):
                self._write(writes, name, value)
        settings, limits = dict(OPEN_SETTINGS), dict(OPEN_LIMITS)
        for reason in focus:
            more, less = tight(rng, reason)
            settings |= more
            limits |= less
        if focus & {Reason.LOSS_DAY, Reason.LOSS_WINDOW, Reason.DRAWDOWN}:
            settings["loss_kill"] = rng.choice((0, 0, 0, rng.randrange(8)))
        for name, value in settings.items():
            self._write(writes, name, value)
        for symbol in range(SYMBOLS):
            if rng.random() < 0.9:
                waive = U64 & ~sum(1 << reason for reason in focus)
                if (odd := rng.random()) < 0.2:
                    waive = 0 if odd < 0.15 else rng.getrandbits(64)
                for name, value in (limits | {"waive": waive}).items():
                    if self.register[f"limit_{name}"] != value:
                        self._write(writes, f"limit_{name}", value)
                self._write(writes, "limit_commit", symbol)
        if Reason.KILL in focus:
            self._write(writes, "kill", rng.getrandbits(32))
        if rng.random() < 0.1:
            self._write(writes, "limit_commit", rng.choice((SYMBOLS, 255, 256, U32)))
        return writes

    # Out records

    def _emit(self, **fields):
        self.out.append({"seq": self.seq & U32, **fields})
        self.seq += 1

    def _alert(self, alert):
        if alert is None:
            return
        kill = alert.cause is AlertCause.KILL
        self._emit(
            kind=int(OutKind.ALERT),
            flags=int(AlertFlag.SIDE) * alert.is_sell | int(AlertFlag.CANCEL_ALL) * kill,
            symbol=alert.symbol,
            cause=int(alert.cause),
            value=alert.value,
            price_ticks=alert.price_ticks,
            tag=alert.tag,
            kind_in=int(alert.kind_in),
            kill_causes=self.model.kill_causes,
        )

    def expected(self):
        """Out records of everything so far that were not asked for yet."""
        out, self.out = self.out, []
        rows = np.zeros((len(out), 64), np.uint8)
        kinds = np.array([record["kind"] for record in out], np.uint8)
        for kind in (OutKind.DECISION, OutKind.ALERT):
            dtype = OUT_DTYPES[int(kind)]
            found = [
                tuple(record.get(name, 0) for name in dtype.names)
                for record in out
                if record["kind"] == kind
            ]
            rows[kinds == kind] = np.array(found, dtype).view(np.uint8).reshape(-1, 64)
        return rows

    # Records

    def records(self, count):
        """So many records; the model has taken them when they are returned."""
        made = []
        while len(made) < count:
            made.append(self._record())
        return np.array(made, IN_DTYPE)

    def _record(self):
        rng, draw = self.rng, self.rng.random()
        symbol = rng.choice((0, 0, 0, 1, 1, 2, 3))
        if draw < 0.42:
            return self._order(symbol)
        if draw < 0.50:
            return self._event(symbol)
        if draw < 0.62:
            return self._quote(symbol)
        if draw < 0.70:
            return self._time()
        if draw < 0.94:
            return self._report()
        return self._steer(symbol)

    def _order(self, symbol):
        rng, focus = self.rng, self.focus
        bid, ask, last, known, reasons = self.quote
        sell = rng.getrandbits(1)
        price = (bid if sell else ask) + rng.choice((0, 0, 0, 1, -1, rng.randint(-30, 30)))
        price = max(0, min(U32, price))
        if rng.random() < 0.02:
            price = rng.choice((0, 1, U32, rng.getrandbits(32)))
        qty = rng.choice((1, 2, 3, 5, 10, 12, rng.randrange(40)))
        if rng.random() < 0.01:
            qty = rng.choice((0, (1 << QTY_BITS) - 1, rng.getrandbits(QTY_BITS)))
        reduce_only = rng.random() < 0.12
        valid = not (Reason.BOOK in focus and rng.random() < 0.4)
        kind = 0x11
        if rng.random() < 0.15:
            kind = rng.choice((0x12, 0x21, 0x22, 0x31))
        if Reason.ORDER_TYPE in focus and rng.random() < 0.4:
            kind = rng.getrandbits(8)
        strategy = (
            rng.choice((1, 1, 2, 4, 5, 0)) if Reason.STRATEGY in focus else 1 << rng.randrange(8)
        )
        age = rng.randrange(256)
        again = Reason.CROWDED in focus and rng.random() < 0.3
        flags = sell | REDUCE_ONLY * reduce_only | VALID * valid | AGAIN * bool(again)
        order = Order(
            *(symbol, bool(sell), price, qty, bid, ask, last if known else None, self.now_us, age),
            **{"reduce_only": reduce_only, "order": kind, "strategy": strategy},
            **{"valid": valid, "reasons": reasons},
        )
        value = qty | strategy << 48 | age << 56
        killed = self.model.book_event(symbol, bid, ask, reasons, self.now_us)
        self._decide(order, value)
        self._alert(killed)
        if again:
            self._decide(Order(**{**vars(order), "crowded": True}), value)
        return (ORDER, flags, symbol, kind, price, value)

    def _decide(self, order, value):
        judged = self.model.order(order)
        verdict = judged.verdict
        self.decisions += 1
        self._emit(
            kind=int(OutKind.DECISION),
            flags=int(DecisionFlag.SIDE) * order.is_sell
            | int(DecisionFlag.REFUSED) * (verdict != 0)
            | int(DecisionFlag.REDUCE_ONLY) * order.reduce_only,
            symbol=order.symbol,
            order=order.order,
            update_id=value,
            qty_lots=order.qty_lots,
            price_ticks=order.price_ticks,
            decision_id=(self.decisions << 8 & U32) | judged.slot,
            verdict=verdict,
            first_reason=(verdict & -verdict).bit_length() - 1 if verdict else NO_REASON,
            rule=order.strategy,
            limits_version=judged.limits_version,
            limits_checksum=judged.limits_checksum,
        )

    def _event(self, symbol):
        bid, ask, _, _, reasons = self.quote
        self._alert(self.model.book_event(symbol, bid, ask, reasons, self.now_us))
        return (EVENT, 0, symbol, 0, 0, 0)

    def _quote(self, symbol):
        rng, focus = self.rng, self.focus
        self.mids[symbol] += rng.choice((0, 1, -1, 2, -2, rng.randint(-20, 20)))
        if not 900 < self.mids[symbol] < 1100:
            self.mids[symbol] = MIDDLE
        bid = self.mids[symbol] - rng.randrange(4)
        ask = self.mids[symbol] + 1 + rng.choice((0, 0, 1, 2, 8))
        if rng.random() < 0.02:
            bid, ask = rng.choice(((0, 0), (ask, bid), (U32 - 1, U32), (1, U32)))
        last = self.mids[symbol] + rng.randint(-15, 15)
        wants_last = focus & {Reason.COLLAR_LAST, Reason.COLLAR_LAST_PPM}
        known = not (wants_last and rng.random() < 0.1)
        reasons = 0
        data = focus & {Reason.GAP, Reason.CROSSED, Reason.SHALLOW, Reason.RESYNC, Reason.CROWDED}
        if data and rng.random() < 0.6:
            named = [
                ViewReason[reason.name] for reason in data if reason.name in ViewReason.__members__
            ]
            reasons = int(rng.choice(named or [ViewReason.GAP]))
            if rng.random() < 0.2:
                reasons |= rng.getrandbits(8)
        self.quote = (bid, ask, last, known, reasons)
        return (QUOTE, LAST_KNOWN * known, 0, reasons, bid, ask | last << 32)

    def _time(self):
        rng = self.rng
        told = self.now_us + rng.choice((0, 1, 5, 20, 20, 64, 300))
        if rng.random() < 0.05:
            told = rng.randrange(told + 1)
        self.now_us = max(self.now_us, told)
        if rng.random() < 0.5:
            return (int(InKind.EVENT_BEGIN), 0, 0, 0, 0, told)
        self.model.timer(self.now_us)
        return (int(InKind.TIMER), 0, 0, 0, 0, told)

    def _report(self):
        rng, slots = self.rng, self.model._slots
        kind = rng.choice(
            (
                *(InKind.ACK, InKind.FILL, InKind.FILL, InKind.FILL, InKind.CANCEL),
                *(InKind.CANCEL, InKind.REJECT, InKind.CANCELLING),
            )
        )
        tag = rng.choice(list(slots)) if slots else rng.randrange(OWN_ORDERS)
        own = slots.get(tag)
        symbol, sell, qty = rng.randrange(SYMBOLS), rng.getrandbits(1), rng.randrange(1, 12)
        price = self.mids[symbol] + rng.randint(-12, 12)
        if own:
            symbol, sell, qty = own.symbol, int(own.is_sell), own.left_lots
            price = self.mids[symbol] + rng.randint(-12, 12)
            if kind == InKind.FILL and rng.random() < 0.5:
                qty = rng.randint(1, qty)
        lie = 0.2 if Reason.REPORT in self.focus else 0.002
        if not own and lie < 0.1:
            return (int(InKind.HEARTBEAT), 0, 0, 0, 0, 0) if self._beats else self._time()
        if rng.random() < lie:
            symbol, sell = rng.choice(((symbol, 1 - sell), (rng.randrange(SYMBOLS), sell)))
            # What is wider than the build's quantity never reaches the gate (`hdl.feed.native`).
            most = (1 << QTY_BITS) - 1
            qty = rng.choice((qty, min(qty + 1, most), max(1, qty - 1), most))
            tag = rng.choice((tag, tag, rng.randrange(OWN_ORDERS), rng.randrange(256)))
        if kind == InKind.CANCELLING:
            qty = price = 0
        elif kind == InKind.ACK:
            qty = rng.choice((0, qty))
        self._alert(self.model.report(int(kind), symbol, bool(sell), tag, price, qty))
        return (int(kind), sell, symbol, tag, price, qty)

    @property
    def _beats(self):
        """A heartbeat may come; none does where the watchdog is always late."""
        return self.register["watchdog_late_cycles"] == 0

    def _steer(self, symbol):
        rng, model, draw = self.rng, self.model, self.rng.random()
        if draw < 0.5:
            adopt = rng.random() < 0.6 and not (Reason.REPORT in self.focus and rng.random() < 0.8)
            position = model.symbols[symbol].position
            if rng.random() < 0.5:
                position = rng.randint(-40, 40)
            short, qty = int(position < 0), min(abs(position), (1 << QTY_BITS) - 1)
            price = self.mids[symbol]
            self._alert(model.reconcile(symbol, bool(short), qty, price, adopt))
            return (int(InKind.RECONCILE), short | int(InFlag.WHOLE) * adopt, symbol, 0, price, qty)
        if draw < 0.65:
            credit = rng.choice((0, 50, 500, U64))
            model.credit(credit, self.now_us)
            return (int(InKind.CREDIT), 0, 0, 0, 0, credit)
        if draw < 0.7:
            model.day()
            return (int(InKind.DAY), 0, 0, 0, 0, 0)
        if draw < 0.9 or not self._beats:
            model.rearm_repeats(symbol)
            return (int(InKind.REARM), 0, symbol, 0, 0, 0)
        return (int(InKind.HEARTBEAT), 0, 0, 0, 0, 0)


def chunks(seed, count, records):
    """Chunks of a stream: the reasons in focus, writes, records, and what must come out."""
    stream = Stream(seed)
    reasons = list(Reason)
    for at in range(count):
        focus = {reasons[(at // 2) % len(reasons)]}
        if at % 2:
            focus |= set(stream.rng.sample(reasons, stream.rng.choice((1, 2, 4))))
        writes = stream.settings(focus)
        made = stream.records(records)
        yield focus, writes, made, stream.expected()


def verdicts_of(out):
    """Verdicts of the decisions among out records."""
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.DECISION])
    return rows.view(DECISION_DTYPE).reshape(-1)["verdict"]


def seen(verdicts):
    """Reasons seen alone, and reasons seen with others."""
    alone, among = set(), set()
    for verdict in np.unique(verdicts).tolist():
        bits = {reason for reason in Reason if verdict >> reason & 1}
        if len(bits) == 1:
            alone |= bits
        elif bits:
            among |= bits
    return alone, among
