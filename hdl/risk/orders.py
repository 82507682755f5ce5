# SPDX-License-Identifier: Apache-2.0
"""The table of own orders: what may still become of each."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.risk.rows import VETOES, Rows
from hdl.types import intent_layout

__all__ = ["OrderState", "Orders", "order_layout"]


class OrderState(enum.Enum, shape=2):  # type: ignore[call-arg]
    """Life of an own order; one that is done has no state, its slot is free."""

    PENDING = 0
    OPEN = 1
    CANCELLING = 2


def order_layout(config: BuildConfig) -> data.StructLayout:
    """An own order."""
    return data.StructLayout(
        {
            "symbol": 8,
            "side": 1,
            "state": OrderState,
            "left": config.qty_bits,  # not yet filled, lots
            "value": config.notional_bits,  # counted for it, account units
        }
    )


class Orders(wiring.Component):
    """Own orders by slot, and whether a report on one can be true.

    A slot is taken in turn by each accepted order; where it is still taken, the table has no room.
    A report is true when its slot is taken by an order of its symbol and side and when it says
    what can have happened: ACK and CANCELLING always; FILL of at most what is left; CANCEL of all
    that is left; REJECT of the whole of an order that nothing was heard of.

    Findings are of the token in stage 2 of the gate, `full1` of the one in stage 1; one token a
    cycle. Orders that are accepted and reports are two clocks apart.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    tag : In(8)
        Slot a report names, of the token in stage 0 with the next clock.
    intent1, intent2 : In(intent_layout)
        Tokens in stages 1 and 2.
    report : In(1)
        The one in stage 2 is a report.
    order : In(1), veto : In(VETOES), value : In
        It is an order, accepted if there is no veto; what it is worth.
    adopt : In(1)
        Nothing of its symbol is open any more.
    next_slot : Out(8)
        Slot an accepted order takes.
    full1 : Out(1)
        It is not free.
    true, ends, done : Out(1)
        The report is true; its order ends if it is true; it ends.
    freed1, freed_value : Out
        Value that was counted for the order of its slot, for the tokens in stages 1 and 2.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "tag": In(8),
                "intent1": In(intent_layout(config)),
                "intent2": In(intent_layout(config)),
                "report": In(1),
                "order": In(1),
                "veto": In(VETOES),
                "value": In(config.notional_bits),
                "adopt": In(1),
                "next_slot": Out(8),
                **dict.fromkeys(("full1", "true", "ends", "done"), Out(1)),
                **dict.fromkeys(("freed1", "freed_value"), Out(config.notional_bits)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        bits = config.slot_bits
        m.submodules.rows = rows = Rows(order_layout(config), config.own_orders, config.spaced)
        one, two = self.intent1, self.intent2
        accept3, slot, tag2 = Signal(), Signal(bits), Signal(bits)
        after = Signal(bits, init=1)
        m.d.comb += [
            rows.index.eq(self.tag[:bits]),
            self.next_slot.eq(slot),
            self.init_done.eq(rows.init_done),
        ]
        order3, veto3 = Signal(), Signal(VETOES)
        m.d.comb += accept3.eq(order3 & ~veto3.any())
        m.d.sync += [
            order3.eq(self.order),
            veto3.eq(self.veto),
            tag2.eq(one.tag[:bits]),
        ]
        with m.If(accept3):
            m.d.sync += [slot.eq(after), after.eq(after + 1)]

        slots = config.own_orders
        taken, owners = Signal(slots), [Signal(8, name=f"owner{at}") for at in range(slots)]
        self._take(m, taken, owners, slot, accept3, tag2)
        # The order two clocks ahead is in stage 3.
        full, full_after = taken.bit_select(slot, 1), taken.bit_select(after, 1)
        m.d.comb += self.full1.eq(Mux(accept3, full_after, full))
        self._judge(m, rows, taken, slot, accept3)

        # What the order of the slot is then.
        new, order = rows.new2, rows.row2
        harmless, passing, pending = Signal(), Signal(), Signal()
        m.d.sync += [
            harmless.eq((one.kind == InKind.ACK) | (one.kind == InKind.CANCELLING)),
            passing.eq(one.kind == InKind.CANCELLING),
        ]
        m.d.comb += [
            pending.eq(order.state == OrderState.PENDING),
            self.freed1.eq(rows.row1.value),
            self.freed_value.eq(order.value),
            rows.write2.eq(self.order | self.true),
            rows.veto2.eq(self.veto),
            rows.write_index2.eq(Mux(self.order, slot, rows.index2)),
            new.symbol.eq(two.symbol),
            new.side.eq(two.side),
            new.state.eq(
                Mux(passing, OrderState.CANCELLING, Mux(pending, OrderState.OPEN, order.state))
            ),
            new.left.eq(Mux(harmless, order.left, order.left - two.qty)),
            new.value.eq(order.value),
        ]
        with m.If(self.order):
            m.d.comb += [
                new.state.eq(OrderState.PENDING),
                new.left.eq(two.qty),
                new.value.eq(self.value),
            ]
        return m

    def _take(
        self,
        m: Module,
        taken: Signal,
        owners: list[Signal],
        slot: Signal,
        accept3: Signal,
        tag2: Signal,
    ) -> None:
        """Which slots are taken, and of which symbol: all of one symbol are freed at once."""
        symbol3 = Signal(8)
        m.d.sync += symbol3.eq(self.intent2.symbol)
        for at, owner in enumerate(owners):
            takes, frees = accept3 & (slot == at), Signal(name=f"frees{at}")
            mine = owner == self.intent2.symbol
            m.d.comb += frees.eq((self.adopt & mine) | (self.done & (tag2 == at)))
            m.d.sync += taken[at].eq((taken[at] & ~frees) | takes)
            with m.If(takes):
                m.d.sync += owner.eq(symbol3)

    def _judge(self, m: Module, rows: Rows, taken: Signal, slot: Signal, accept3: Signal) -> None:
        """Stage 1: whether a report is true of the order in its slot."""
        one, bits = self.intent1, self.config.slot_bits
        kind, tag = one.kind, one.tag[:bits]
        harmless = (kind == InKind.ACK) | (kind == InKind.CANCELLING)

        def possible(order: Any, _written: bool) -> Value:
            whole = one.qty == order.left
            kinds = Cat(
                harmless,
                (kind == InKind.FILL) & (one.qty <= order.left),
                (kind == InKind.CANCEL) & whole,
                (kind == InKind.REJECT) & whole & (order.state == OrderState.PENDING),
            )
            ours = (order.symbol == one.symbol) & (order.side == one.side)
            return ours & kinds.any()

        # The order two clocks ahead has its slot with the next clock.
        held = taken.bit_select(tag, 1) | (accept3 & (slot == tag))
        can_be, is_held, ends = Signal(), Signal(), Signal(name="ends2")
        m.d.sync += [
            can_be.eq(~one.tag[bits:].any() & rows.judged(possible)),
            is_held.eq(held),
            ends.eq(rows.judged(lambda order, _: one.qty == order.left) & ~harmless),
        ]
        m.d.comb += [
            self.true.eq(self.report & can_be & is_held),
            self.ends.eq(self.report & ends),
            self.done.eq(self.true & ends),
        ]
