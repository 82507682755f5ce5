# SPDX-License-Identifier: Apache-2.0
"""Controls on what a symbol's orders add up to over a short time."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.limits import limit_layout
from hdl.risk.rate import Rate
from hdl.risk.rows import VETOES, Rows
from hdl.risk.sums import add, below, beyond_room, total_of
from hdl.types import intent_layout

__all__ = ["Window", "window_layouts"]

_MOST = (1 << 64) - 1


def window_layouts(config: BuildConfig) -> dict[str, data.StructLayout]:
    """What is kept of a symbol's accepted orders, by what it is kept for."""
    last = data.StructLayout({"known": 1, "price": 32, "qty": config.qty_bits, "time_us": 64})
    return {
        "totals": data.StructLayout(
            {
                "bucket": 64,  # stream time of the last order >> risk_window
                "qty": 64,  # of that bucket, lots
                "notional": 64,  # tick lots
                "qty_before": 64,  # of the bucket before it
                "notional_before": 64,
            }
        ),
        "drift": data.StructLayout({"drifting": 1, "first_price": 32, "first_us": 64}),
        "last": data.StructLayout({"orders": data.ArrayLayout(last, 2)}),  # buy, sell
        "pace": data.StructLayout({"due_us": 64, "repeats": 16}),  # the token bucket
    }


class Window(wiring.Component):
    """Totals of two buckets, drift of the price, the same order again, rate, repetitions.

    Only accepted orders and re-arming change what is kept, and orders are two clocks apart (the
    gate refuses one that is not), so all of it is read a clock before the verdict.

    Findings are of the token in stage 1 of the gate, where they end in 1, and else of the one in
    stage 2; one token a cycle.

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
    limits0, limits1 : In(limit_layout)
        Limits of the tokens in stages 0 and 1.
    intent1, intent2 : In(intent_layout)
        These tokens.
    notional : In
        Price times quantity of the token in stage 2.
    order, rearm : In(1), veto : In(VETOES)
        It is an order, accepted if there is no veto; it starts the count of repetitions anew.
    qty_total1, repeat1, notional_total, drift, duplicate, rate : Out(1)
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
                **{f"limits{n}": In(limit_layout()) for n in (0, 1)},
                "intent1": In(intent_layout(config)),
                "intent2": In(intent_layout(config)),
                "notional": In(config.notional_bits),
                "order": In(1),
                "veto": In(VETOES),
                "rearm": In(1),
                **dict.fromkeys(
                    ("qty_total1", "repeat1", "notional_total", "drift", "duplicate", "rate"),
                    Out(1),
                ),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        kept: dict[str, Rows] = {}
        for name, layout in window_layouts(self.config).items():
            m.submodules[f"{name}_rows"] = kept[name] = rows = Rows(
                layout, self.config.symbols, self.config.spaced, stands=True
            )
            m.d.comb += [
                rows.index.eq(self.symbol[: len(rows.index)]),
                rows.write2.eq(self.order),
                rows.veto2.eq(self.veto),
                rows.write_index2.eq(rows.index2),
                rows.new2.eq(rows.row2),
            ]
        m.d.comb += self.init_done.eq(Cat(rows.init_done for rows in kept.values()).all())
        self._totals(m, kept["totals"])
        self._drift(m, kept["drift"])
        self._last_orders(m, kept["last"])

        # The symbol's own message rate, and repetitions.
        m.submodules.rate_of = rate = Rate()
        pace, two = kept["pace"], self.intent2
        now, new = pace.row2, pace.new2
        m.d.comb += [
            rate.now_us.eq(self.i.now_us),
            rate.interval_us.eq(self.limits0.interval_us),
            rate.burst_us.eq(self.limits0.burst_us),
            rate.due_us.eq(pace.held1.due_us),
            rate.other_us.eq(pace.written1.due_us),
            rate.other.eq(pace.same1),
            self.rate.eq(rate.refuse),
            pace.write2.eq(self.order | self.rearm),
            new.repeats.eq(Mux(self.rearm, 0, now.repeats + (now.repeats != 0xFFFF))),
        ]
        with m.If(two.wanted):
            m.d.comb += new.due_us.eq(rate.next_us)
        most = self.limits1.max_repeats
        m.d.comb += self.repeat1.eq(pace.judged(lambda row, _: row.repeats >= most))
        return m

    def _totals(self, m: Module, rows: Rows) -> None:
        """Buckets: what is kept of the order's own bucket and of the one before it."""
        two, new = self.intent2, rows.new2
        buckets = [Signal(64, name=f"bucket{n}") for n in range(4)]
        m.d.sync += buckets[0].eq(self.ahead_us >> self.risk_window)
        m.d.sync += [buckets[n].eq(buckets[n - 1]) for n in (1, 2, 3)]
        same, next_one = self._compared(m, rows, buckets)
        lots_left, left = Signal(signed(66)), Signal(signed(67))
        m.d.sync += lots_left.eq(self.limits0.window_qty - self.i.qty)
        for name, room in (("qty", lots_left), ("notional", self.limits1.window_notional)):
            added = {"qty": two.qty, "notional": self.notional}[name]
            earlier = f"{name}_before"

            def rest(row: Any, written: bool, room: Value = room, name: str = name) -> Value:
                # Of the last bucket and the one before it, what counts with the order's own.
                counts = [
                    Mux(same[written] | next_one[written], row[name], 0),
                    Mux(same[written], row[f"{name}_before"], 0),
                ]
                return total_of(m, [room], counts, 68)

            def kept(row: Any, written: bool, name: str = name) -> Value:
                newer = Mux(next_one[written], row[name], 0)
                return Cat(
                    Mux(same[written], row[name], 0),
                    Mux(same[written], row[f"{name}_before"], newer),
                )

            own, before = Signal(64, name=name), Signal(64, name=earlier)
            total = rows.judged(rest).as_signed()
            m.d.sync += Cat(own, before).eq(rows.judged(kept))
            if name == "qty":
                m.d.comb += self.qty_total1.eq(total[-1])
            else:
                m.d.sync += left.eq(total)
            m.d.comb += [
                new[name].eq(_capped_sum(own, added)),
                new[earlier].eq(before),
            ]
        m.d.comb += [
            new.bucket.eq(buckets[2]),
            self.notional_total.eq(beyond_room(self.notional, left)),
        ]

    def _drift(self, m: Module, rows: Rows) -> None:
        """Drift from the first price of a window."""
        new, two = rows.new2, self.intent2
        low, high, since = Signal(signed(34)), Signal(signed(34)), Signal(signed(65))
        drifting, far = Signal(), Signal()
        m.d.sync += [
            low.eq(self.i.price - self.limits0.drift_ticks),
            high.eq(self.i.price + self.limits0.drift_ticks),
            since.eq(self.i.now_us - self.limits0.drift_us),
            drifting.eq(rows.judged(lambda row, _: row.drifting & ~below(row.first_us, since))),
            far.eq(
                rows.judged(
                    lambda row, _: below(row.first_price, low) | below(high, row.first_price)
                )
            ),
        ]
        m.d.comb += [self.drift.eq(drifting & far), new.drifting.eq(1)]
        with m.If(~drifting):
            m.d.comb += [new.first_price.eq(two.price), new.first_us.eq(two.now_us)]

    def _last_orders(self, m: Module, rows: Rows) -> None:
        """The last order of the side."""
        one, two, new = self.intent1, self.intent2, rows.new2
        since, alike, soon = Signal(signed(65)), Signal(), Signal()

        def is_alike(row: Any, _written: bool) -> Value:
            last = row.orders[one.side]
            return last.known & (last.price == one.price) & (last.qty == one.qty)

        m.d.sync += [
            since.eq(self.i.now_us - self.limits0.duplicate_us),
            alike.eq(rows.judged(is_alike)),
            soon.eq(rows.judged(lambda row, _: below(since, row.orders[one.side].time_us))),
        ]
        m.d.comb += [
            self.duplicate.eq(alike & soon),
            new.orders[two.side].known.eq(1),
            new.orders[two.side].price.eq(two.price),
            new.orders[two.side].qty.eq(two.qty),
            new.orders[two.side].time_us.eq(two.now_us),
        ]

    def _compared(self, m: Module, rows: Rows, buckets: list[Signal]) -> list[dict[bool, Signal]]:
        """Whether the bucket of a token is that of its row, and whether it is the next; in stage 1.

        Of the row it holds, and of the row that the token in stage 3 writes.
        """
        found = []
        for name, bucket in (
            ("stored", rows.stored0.bucket),
            ("three", buckets[3]),
            ("two", buckets[2]),
        ):
            block = _Compare()
            m.submodules[f"compare_{name}"] = block
            m.d.comb += [block.before.eq(bucket), block.after.eq(buckets[0])]
            found.append((block.same, block.follows))
        chosen = []
        for name, stored, three, two in zip(("same", "next"), *found, strict=True):
            held, written = Signal(name=f"{name}_stored"), Signal(name=f"{name}_two")
            m.d.sync += [held.eq(Mux(rows.same0, three, stored)), written.eq(two)]
            chosen.append({False: held, True: written})
        return chosen


class _Compare(wiring.Component):
    """Two numbers of buckets, in a block of its own: what chooses from it is known later.

    Members
    -------
    before, after : In(64)
        Numbers.
    same, follows : Out(1)
        They are equal; the second is the first and one.
    """

    before: In(64)
    after: In(64)
    same: Out(1)
    follows: Out(1)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.same.eq(self.before == self.after),
            self.follows.eq(_follows(self.before, self.after)),
        ]
        return m


def _follows(before: Value, after: Value) -> Value:
    """Whether a number is the other and one, without a chain of carries.

    before + ~after is -2 then; two numbers add up to one that is known when in each place their sum
    without carries, and the carry that has to come from the place below, agree with it.
    """
    a, b = before, ~after
    known = Const((1 << len(before)) - 2, len(before))
    carries = (a & b) | ((a | b) & ~known)
    return (a ^ b ^ known) == Cat(Const(0, 1), carries)[: len(before)]


def _capped_sum(total: Value, more: Value) -> Value:
    """A total of 64 bits with more, which stays at its greatest."""
    after = add(total, more[:64], 65)
    return Mux(more[64:].any() | after[64], _MOST, after[:64])
