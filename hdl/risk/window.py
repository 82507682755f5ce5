# SPDX-License-Identifier: Apache-2.0
"""Controls on what a symbol's orders add up to over a short time."""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.limits import limit_layout
from hdl.risk.rate import Rate
from hdl.risk.rows import Rows
from hdl.risk.sums import add, below, beyond_room, total_of
from hdl.types import intent_layout

__all__ = ["Window", "window_layout"]

_MOST = (1 << 64) - 1


def window_layout(config: BuildConfig) -> data.StructLayout:
    """What is kept of a symbol's accepted orders."""
    last = data.StructLayout({"known": 1, "price": 32, "qty": config.qty_bits, "time_us": 64})
    return data.StructLayout(
        {
            "bucket": 64,  # stream time of the last order >> risk_window
            "qty": 64,  # of that bucket, lots
            "notional": 64,  # tick lots
            "qty_before": 64,  # of the bucket before it
            "notional_before": 64,
            "drifting": 1,
            "first_price": 32,  # of the drift window, ticks
            "first_us": 64,
            "last": data.ArrayLayout(last, 2),  # buy, sell
            "due_us": 64,  # of the token bucket
            "repeats": 16,
        }
    )


class Window(wiring.Component):
    """Totals of two buckets, drift of the price, the same order again, rate, repetitions.

    Only accepted orders and re-arming change what is kept, and orders are two clocks apart (the
    gate refuses one that is not), so all of it is read a clock before the verdict.

    Findings belong to stage 2 of the gate; one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0 with the next clock.
    ahead_us : In(64)
        Its stream time.
    i : In(intent_layout)
        Token in stage 0.
    risk_window : In(5)
        Register.
    limits0, limits1, limits2 : In(limit_layout)
        Limits of the tokens in stages 0, 1 and 2.
    intent1, intent2 : In(intent_layout)
        These tokens.
    notional : In
        Price times quantity of the token in stage 2.
    order, accept, rearm : In(1)
        It is an order; it is accepted; it starts the count of repetitions anew.
    qty_total, notional_total, drift, duplicate, rate, repeat : Out(1)
        What refuses it.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "symbol": In(8),
                "ahead_us": In(64),
                "i": In(intent_layout(config)),
                "risk_window": In(5),
                **{f"limits{n}": In(limit_layout()) for n in (0, 1, 2)},
                "intent1": In(intent_layout(config)),
                "intent2": In(intent_layout(config)),
                "notional": In(config.notional_bits),
                "order": In(1),
                "accept": In(1),
                "veto": In(1),
                "rearm": In(1),
                **dict.fromkeys(
                    ("qty_total", "notional_total", "drift", "duplicate", "rate", "repeat"), Out(1)
                ),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = Rows(window_layout(self.config), self.config.symbols)
        now, new, two = rows.row2, rows.new2, self.intent2
        m.d.comb += [
            rows.index.eq(self.symbol[: len(rows.index)]),
            rows.write2.eq(self.accept | self.rearm),
            rows.veto2.eq(self.veto),
            rows.write_index2.eq(rows.index2),
            new.eq(now),
            self.init_done.eq(rows.init_done),
        ]
        bucket, kept = self._totals(m, rows)
        drifting = self._last_orders(m, rows.row1)

        # The symbol's own message rate.
        m.submodules.rate_of = rate = Rate()
        m.d.comb += [
            rate.now_us.eq(self.i.now_us),
            rate.interval_us.eq(self.limits0.interval_us),
            rate.burst_us.eq(self.limits0.burst_us),
            rate.due_us.eq(rows.row1.due_us),
            self.rate.eq(rate.refuse),
        ]
        m.d.sync += self.repeat.eq(rows.row1.repeats >= self.limits1.max_repeats)

        notional_bits = max(64, len(self.notional)) + 1
        with m.If(self.rearm):
            m.d.comb += new.repeats.eq(0)
        with m.If(self.order):
            m.d.comb += [
                new.bucket.eq(bucket),
                new.qty.eq(_capped(add(kept["qty"], two.qty, 65))),
                new.notional.eq(_capped(add(kept["notional"], self.notional, notional_bits))),
                new.qty_before.eq(kept["qty_before"]),
                new.notional_before.eq(kept["notional_before"]),
                new.drifting.eq(1),
                new.due_us.eq(rate.next_us),
                new.repeats.eq(now.repeats + (now.repeats != 0xFFFF)),
                new.last[two.side].known.eq(1),
                new.last[two.side].price.eq(two.price),
                new.last[two.side].qty.eq(two.qty),
                new.last[two.side].time_us.eq(two.now_us),
            ]
            with m.If(~drifting):
                m.d.comb += [new.first_price.eq(two.price), new.first_us.eq(two.now_us)]
        return m

    def _totals(self, m: Module, rows: Rows) -> tuple[Signal, dict[str, Signal]]:
        """Buckets: what is kept of the order's own bucket and of the one before it."""
        limits = self.limits1
        buckets = [Signal(64, name=f"bucket{n}") for n in range(4)]
        m.d.sync += buckets[0].eq(self.ahead_us >> self.risk_window)
        m.d.sync += [buckets[n].eq(buckets[n - 1]) for n in (1, 2, 3)]
        kept = {
            name: Signal(64, name=name)
            for name in ("qty", "notional", "qty_before", "notional_before")
        }
        # Against the row in memory, and against the orders that may be about to change it. A token
        # that only starts the count of repetitions anew leaves the bucket as it is.
        order3 = Signal()
        m.d.sync += order3.eq(self.order)
        same, next_one = (
            self._compared(m, name, rows, buckets, order3, equal)
            for name, equal in (("same", lambda a, b: a == b), ("next", _follows))
        )
        row = rows.row1
        for name in ("qty", "notional"):
            before = f"{name}_before"
            m.d.sync += [
                kept[name].eq(Mux(same, row[name], 0)),
                kept[before].eq(Mux(same, row[before], Mux(next_one, row[name], 0))),
            ]

        # What is left below the limits, whichever bucket it is.
        lots_left, left = Signal(signed(66)), Signal(signed(67))
        m.d.sync += lots_left.eq(self.limits0.window_qty - self.i.qty)
        for name, room, bits in (("qty", lots_left, 68), ("notional", limits.window_notional, 67)):
            after = [
                total_of(m, [room], [row[name], row[f"{name}_before"]], bits),
                total_of(m, [room], [row[name]], bits),
                (room | Const(0, signed(bits)))[:bits].as_signed(),
            ]
            chosen = Mux(same, after[0], Mux(next_one, after[1], after[2]))
            if name == "qty":
                m.d.sync += self.qty_total.eq(chosen[-1])
            else:
                m.d.sync += left.eq(chosen)
        m.d.comb += self.notional_total.eq(beyond_room(self.notional, left))
        return buckets[2], kept

    def _compared(
        self,
        m: Module,
        name: str,
        rows: Rows,
        buckets: list[Signal],
        order3: Signal,
        equal: Callable[[Value, Value], Value],
    ) -> Value:
        """What comparing the bucket of a token with that of its row gives in stage 1."""
        stored, two = Signal(name=f"{name}_stored"), Signal(name=f"{name}_two")
        own = buckets[0]
        m.d.sync += [
            stored.eq(
                Mux(rows.same0 & order3, equal(buckets[3], own), equal(rows.stored0.bucket, own))
            ),
            two.eq(equal(buckets[2], own)),
        ]
        return Mux(rows.same1 & order3, two, stored)

    def _last_orders(self, m: Module, row: data.View) -> Signal:
        """Drift from the first price of a window; the last order of the side."""
        one = self.intent1
        low, high = Signal(signed(34)), Signal(signed(34))
        drift_from, duplicate_from = Signal(signed(65)), Signal(signed(65))
        drifting, far, alike, soon = Signal(), Signal(), Signal(), Signal()
        last = row.last[one.side]
        m.d.sync += [
            low.eq(self.i.price - self.limits0.drift_ticks),
            high.eq(self.i.price + self.limits0.drift_ticks),
            drift_from.eq(self.i.now_us - self.limits0.drift_us),
            duplicate_from.eq(self.i.now_us - self.limits0.duplicate_us),
            drifting.eq(row.drifting & ~below(row.first_us, drift_from)),
            far.eq(below(row.first_price, low) | below(high, row.first_price)),
            alike.eq(last.known & (last.price == one.price) & (last.qty == one.qty)),
            soon.eq(below(duplicate_from, last.time_us)),
        ]
        m.d.comb += [self.drift.eq(drifting & far), self.duplicate.eq(alike & soon)]
        return drifting


def _follows(before: Value, after: Value) -> Value:
    """Whether a number is the other and one, without a chain of carries.

    before + ~after is -2 then; two numbers add up to one that is known when in each place their sum
    without carries, and the carry that has to come from the place below, agree with it.
    """
    a, b = before, ~after
    known = Const((1 << len(before)) - 2, len(before))
    carries = (a & b) | ((a | b) & ~known)
    return (a ^ b ^ known) == Cat(Const(0, 1), carries)[: len(before)]


def _capped(total: Value) -> Value:
    """A total that stays at its greatest."""
    return Mux(total[64:].any(), _MOST, total[:64])
