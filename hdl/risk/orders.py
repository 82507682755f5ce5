# SPDX-License-Identifier: Apache-2.0
"""The table of own orders: what may still become of each."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.risk.rows import Rows

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

    Findings belong to stage 2 of the gate; one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    tag : In(8)
        Slot a report names, of the token in stage 0 with the next clock.
    kind, side, symbol, qty : In
        Of the token in stage 2.
    report : In(1)
        It is a report.
    tag2 : In(8)
        Slot it names.
    order, accept : In(1), value : In
        It is an order; it is accepted; what it is worth.
    adopt : In(1)
        Nothing of its symbol is open any more.
    next_slot : Out(8)
        Slot an accepted order takes.
    full : Out(1)
        It is not free.
    true, done : Out(1)
        The report is true; with it the order ends.
    freed_value : Out
        Value that was counted for it.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "tag": In(8),
                "kind": In(5),
                "side": In(1),
                "symbol": In(8),
                "qty": In(config.qty_bits),
                "report": In(1),
                "tag2": In(8),
                "order": In(1),
                "accept": In(1),
                "value": In(config.notional_bits),
                "adopt": In(1),
                "next_slot": Out(8),
                "full": Out(1),
                "true": Out(1),
                "done": Out(1),
                "freed_value": Out(config.notional_bits),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        slots, bits = config.own_orders, config.slot_bits
        layout = order_layout(config)
        m.submodules.rows = rows = Rows(layout, slots)
        order = rows.row2
        slot = Signal(bits)
        m.d.comb += [
            rows.index.eq(self.tag[:bits]),
            self.next_slot.eq(slot),
            self.init_done.eq(rows.init_done),
        ]

        # Which slots are taken, and of which symbol: all of one symbol are freed at once.
        taken = Signal(slots)
        owners = [Signal(8, name=f"owner{at}") for at in range(slots)]
        for at, owner in enumerate(owners):
            with m.If(self.accept & (slot == at)):
                m.d.sync += [taken[at].eq(1), owner.eq(self.symbol)]
            with m.Elif(
                (self.adopt & (owner == self.symbol)) | (self.done & (self.tag2[:bits] == at))
            ):
                m.d.sync += taken[at].eq(0)
        m.d.comb += self.full.eq(taken.bit_select(slot, 1))
        with m.If(self.accept):
            m.d.sync += slot.eq(slot + 1)

        # Whether a report is true.
        whole, within = self.qty == order.left, self.qty <= order.left
        ours = (
            taken.bit_select(self.tag2[:bits], 1)
            & ~self.tag2[bits:].any()
            & (order.symbol == self.symbol)
            & (order.side == self.side)
        )
        harmless = (self.kind == InKind.ACK) | (self.kind == InKind.CANCELLING)
        possible = Signal()
        m.d.comb += possible.eq(
            Cat(
                harmless,
                (self.kind == InKind.FILL) & within,
                (self.kind == InKind.CANCEL) & whole,
                (self.kind == InKind.REJECT) & whole & (order.state == OrderState.PENDING),
            ).any()
        )
        m.d.comb += [
            self.true.eq(self.report & ours & possible),
            self.done.eq(self.true & whole & ~harmless),
            self.freed_value.eq(order.value),
        ]

        # What it is then.
        new = rows.new2
        m.d.comb += [
            rows.write2.eq(self.accept | self.true),
            rows.write_index2.eq(Mux(self.order, slot, rows.index2)),
            new.symbol.eq(self.symbol),
            new.side.eq(self.side),
            new.state.eq(order.state),
            new.left.eq(order.left - Mux(harmless, 0, self.qty)),
            new.value.eq(order.value),
        ]
        with m.If(self.order):
            m.d.comb += [
                new.state.eq(OrderState.PENDING),
                new.left.eq(self.qty),
                new.value.eq(self.value),
            ]
        with m.Elif(self.kind == InKind.CANCELLING):
            m.d.comb += new.state.eq(OrderState.CANCELLING)
        with m.Elif(order.state == OrderState.PENDING):
            m.d.comb += new.state.eq(OrderState.OPEN)
        return m
