# SPDX-License-Identifier: Apache-2.0
"""Controls on what all symbols come to together: gross, net, open orders, credit."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.risk.exposure import exposure_layout
from hdl.risk.rows import VETOES
from hdl.risk.sums import above, add, beyond_room, total_of
from hdl.types import intent_layout

__all__ = ["Credit"]


class Credit(wiring.Component):
    """Value of everything open and held, over all symbols, and what may still be spent.

    Findings are of the token in stage 2 of the gate, `stale1` of the one in stage 1: what is left
    below each limit is found in stage 1, without the order's value. What an accepted order makes of
    the totals is found in stage 2 as well and chosen in stage 3. One token a cycle; orders that are
    accepted and records that change what is kept here are two clocks apart.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i, intent1, intent2 : In(intent_layout)
        Tokens in stages 0, 1 and 2.
    value : In
        What an order in stage 2 is worth.
    order, exits, done, adopt, credit_record : In(1), veto : In(VETOES)
        It is an order, accepted if there is no veto; that only reduces; ends an order; leaves
        nothing of its symbol open; states the credit.
    freed1 : In
        Value of the order that the token in stage 1 may end.
    row1 : In(exposure_layout)
        What is kept of its symbol.
    held_gross, held_net : In
        Value of all positions, added without and with their sign, as of the token in stage 0.
    max_gross, max_net, max_open_orders, credit_age_us : In
        Registers.
    gross, net, open_orders, credit, stale1 : Out(1)
        What refuses an order.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        held = config.held_bits
        super().__init__(
            {
                **{name: In(intent_layout(config)) for name in ("i", "intent1", "intent2")},
                "value": In(config.notional_bits),
                **dict.fromkeys(("order", "exits", "done", "adopt", "credit_record"), In(1)),
                "veto": In(VETOES),
                "freed1": In(config.notional_bits),
                "row1": In(exposure_layout(config)),
                "held_gross": In(held),
                "held_net": In(signed(held)),
                "max_gross": In(64),
                "max_net": In(64),
                "max_open_orders": In(16),
                "credit_age_us": In(32),
                **dict.fromkeys(("gross", "net", "open_orders", "credit", "stale1"), Out(1)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        row, freed, value = self.row1, self.freed1, self.value
        side, bits = self.intent2.side, self.config.notional_bits + 8
        all1 = self.intent1.kind == InKind.RECONCILE
        one, both = Const(1, 1), Const(1, 1)
        # More for an order, less for the end of one, and for all of a symbol.
        totals = (
            ("buys", bits, value, [Mux(all1, row.buy_value, freed)], ~side),
            ("sells", bits, value, [Mux(all1, row.sell_value, freed)], side),
            (
                *("both", bits + 1, value),
                [Mux(all1, row.buy_value, freed), Mux(all1, row.sell_value, 0)],
                both,
            ),
            ("count", 16, one, [Mux(all1, row.buys, one), Mux(all1, row.sells, 0)], both),
        )
        found, veto3, vetoes3 = dict[str, _Total](), Signal(), Signal(VETOES)
        m.d.sync += vetoes3.eq(self.veto)
        m.d.comb += veto3.eq(vetoes3.any())
        for name, width, more, less1, mine in totals:
            less = [
                Signal.like(Value.cast(each), name=f"{name}_less{at}")
                for at, each in enumerate(less1)
            ]
            m.d.sync += [each.eq(each1) for each, each1 in zip(less, less1, strict=True)]
            total, after = Signal(width, name=name), Signal(width, name=f"{name}_after")
            moved = Signal(name=f"{name}_moved")
            found[name] = _Total(after, total, moved)
            m.d.sync += [
                after.eq(_changed(total, self.order, more, less)),
                moved.eq(((self.order | self.done) & mine) | self.adopt),
                total.eq(Mux(moved & ~veto3, after, total)),
            ]
        self._rooms(m, found, veto3)
        self._credit(m, veto3)
        return m

    def _rooms(self, m: Module, found: dict[str, "_Total"], veto3: Value) -> None:
        """What open orders leave of the limits, and whether the order goes beyond it.

        Totals are as all tokens up to stage 3 leave them; the veto only chooses.
        """
        bits = max(self.config.held_bits, self.config.notional_bits + 9, 64) + 3
        below_gross, below_net = Signal(signed(bits)), Signal(signed(bits))
        left_gross, left_net = Signal(signed(bits)), Signal(signed(bits))
        net = Mux(self.i.side, self.held_net, ~self.held_net)  # ~x is -x - 1
        own = _Total(
            *(
                Mux(self.intent1.side, sell, buy)
                for buy, sell in zip(found["buys"], found["sells"], strict=True)
            )
        )

        def judged(total: _Total, judge: Callable[[Value], Value]) -> Value:
            return Mux(total.moved & ~veto3, judge(total.after), judge(total.before))

        def left(room: Value, all_: Value) -> Value:
            return total_of(m, [room], [all_], bits)

        m.d.sync += [
            below_gross.eq(self.max_gross - self.held_gross),
            below_net.eq(add(self.max_net, net, bits, ~self.i.side)),
            left_gross.eq(judged(found["both"], lambda all_: left(below_gross, all_))),
            left_net.eq(judged(own, lambda all_: left(below_net, all_))),
            self.open_orders.eq(judged(found["count"], lambda all_: all_ >= self.max_open_orders)),
        ]
        m.d.comb += [
            self.gross.eq(beyond_room(self.value, left_gross)),
            self.net.eq(beyond_room(self.value, left_net)),
        ]

    def _credit(self, m: Module, veto3: Value) -> None:
        """What may still be spent, and when it was told."""
        left, after, paid, now = Signal(64), Signal(64), Signal(), Signal(64)
        left2, since_us, known = Signal(64), Signal(64), Signal()
        oldest = Signal(signed(65))
        m.d.comb += [
            now.eq(Mux(paid & ~veto3, after, left)),
            self.credit.eq(above(self.value, left2)),
            self.stale1.eq(~known | (since_us < oldest)),
        ]
        m.d.sync += [
            left.eq(now),
            left2.eq(now),
            after.eq(Mux(self.credit, 0, (left2 - self.value)[:64])),
            paid.eq(self.order & ~self.exits),
            oldest.eq(self.i.now_us - self.credit_age_us),
        ]
        with m.If(self.credit_record):
            m.d.sync += [
                left.eq(self.intent2.update_id),
                since_us.eq(self.intent2.now_us),
                known.eq(1),
            ]


class _Total(NamedTuple):
    """A total once the token in stage 3 is accepted, and without it; whether it has a part."""

    after: Value
    before: Value
    moved: Value


def _changed(total: Value, order: Value, more: Value, less: Sequence[Value]) -> Value:
    """A total with what an order adds, or without one or two numbers that others take."""
    bits = len(total)
    more, *less = ((each | Const(0, bits))[:bits] for each in (more, *less))
    # To subtract is to add the complement and one.
    words = [total, Mux(order, more, ~less[0])] + [Mux(order, 0, ~each) for each in less[1:]]
    if len(words) == 2:
        return add(words[0], words[1], bits, ~order)
    a, b, c = words
    carries = (a & b) | (a & c) | (b & c)
    return add(a ^ b ^ c, Cat(~order, carries[: bits - 1]), bits, ~order)
