# SPDX-License-Identifier: Apache-2.0
"""Controls on what a symbol's orders add up to over a short time."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.limits import limit_layout
from hdl.risk.price import beyond
from hdl.risk.rate import Rate
from hdl.risk.rows import Rows
from hdl.risk.sums import over
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
    gate refuses one that is not), so most of it is read a clock before the verdict.

    Findings belong to stage 2 of the gate; one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0 with the next clock.
    i : In(intent_layout)
        Token in stage 0.
    risk_window : In(5)
        Register.
    limits1, limits2 : In(limit_layout)
        Limits of the tokens in stages 1 and 2.
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
                "i": In(intent_layout(config)),
                "risk_window": In(5),
                "limits1": In(limit_layout()),
                "limits2": In(limit_layout()),
                "intent1": In(intent_layout(config)),
                "intent2": In(intent_layout(config)),
                "notional": In(config.notional_bits),
                "order": In(1),
                "accept": In(1),
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
        row1, row2, new = rows.row1, rows.row2, rows.new2
        one, two, limits = self.intent1, self.intent2, self.limits2
        m.d.comb += [
            rows.index.eq(self.symbol[: len(rows.index)]),
            rows.write2.eq(self.accept | self.rearm),
            rows.write_index2.eq(rows.index2),
            new.eq(row2),
            self.init_done.eq(rows.init_done),
        ]

        # Buckets: what is kept of the order's own bucket and of the one before it.
        bucket1, bucket2 = Signal(64), Signal(64)
        kept = {
            name: Signal(64, name=name)
            for name in ("qty", "notional", "qty_before", "notional_before")
        }
        newer = bucket1 - row1.bucket
        same, next_one = newer[:64] == 0, newer[:64] == 1
        m.d.sync += [bucket1.eq(self.i.now_us >> self.risk_window), bucket2.eq(bucket1)]
        for name in ("qty", "notional"):
            before = f"{name}_before"
            m.d.sync += [
                kept[name].eq(Mux(same, row1[name], 0)),
                kept[before].eq(Mux(same, row1[before], Mux(next_one, row1[name], 0))),
            ]
        notional = self.notional
        m.d.comb += [
            self.qty_total.eq(
                over(m, [kept["qty"], kept["qty_before"], two.qty], limits.window_qty, 66)
            ),
            self.notional_total.eq(
                over(
                    m,
                    [kept["notional"], kept["notional_before"], notional],
                    limits.window_notional,
                    max(66, len(notional) + 1),
                )
            ),
        ]

        # Drift from the first price of a window; the last order of the side.
        since_first, since_last = Signal(64), Signal(64)
        moved, known, equal = Signal(signed(33)), Signal(), Signal()
        last = row1.last[one.side]
        m.d.sync += [
            since_first.eq(one.now_us - row1.first_us),
            since_last.eq(one.now_us - last.time_us),
            moved.eq(one.price - row1.first_price),
            known.eq(row1.drifting),
            equal.eq(last.known & (last.price == one.price) & (last.qty == one.qty)),
        ]
        drifting = known & (since_first <= limits.drift_us)
        m.d.comb += [
            self.drift.eq(drifting & beyond(moved, limits.drift_ticks)),
            self.duplicate.eq(equal & (since_last < limits.duplicate_us)),
            self.repeat.eq(row2.repeats >= limits.max_repeats),
        ]

        # The symbol's own message rate.
        m.submodules.rate_of = rate = Rate()
        m.d.comb += [
            rate.now_us.eq(one.now_us),
            rate.interval_us.eq(self.limits1.interval_us),
            rate.burst_us.eq(self.limits1.burst_us),
            rate.due_us.eq(row2.due_us),
            self.rate.eq(rate.refuse),
        ]

        with m.If(self.rearm):
            m.d.comb += new.repeats.eq(0)
        with m.If(self.order):
            m.d.comb += [
                new.bucket.eq(bucket2),
                new.qty.eq(_capped(kept["qty"] + two.qty)),
                new.notional.eq(_capped(kept["notional"] + notional)),
                new.qty_before.eq(kept["qty_before"]),
                new.notional_before.eq(kept["notional_before"]),
                new.drifting.eq(1),
                new.due_us.eq(rate.next_us),
                new.repeats.eq(row2.repeats + (row2.repeats != 0xFFFF)),
                new.last[two.side].known.eq(1),
                new.last[two.side].price.eq(two.price),
                new.last[two.side].qty.eq(two.qty),
                new.last[two.side].time_us.eq(two.now_us),
            ]
            with m.If(~drifting):
                m.d.comb += [new.first_price.eq(two.price), new.first_us.eq(two.now_us)]
        return m


def _capped(total: Value) -> Value:
    """A total that stays at its greatest."""
    return Mux(total[64:].any(), _MOST, total[:64])
