# SPDX-License-Identifier: Apache-2.0
"""What a symbol could come to: position, and all that is open on each side."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.risk.limits import limit_layout
from hdl.risk.rows import VETOES, Rows
from hdl.risk.sums import below, bounded, over, total_of
from hdl.types import intent_layout

__all__ = ["Exposure", "exposure_layout"]

COUNT = 32  # bits of orders and of orders that fills allow


def exposure_layout(config: BuildConfig) -> data.StructLayout:
    """What is kept of a symbol."""
    value, lots = config.notional_bits + 8, signed(config.exposure_bits)
    return data.StructLayout(
        {
            "long": lots,  # position + open buys, lots
            "short": lots,  # open sells - position, lots
            "position": lots,  # lots
            "buys": 8,  # open orders
            "sells": 8,
            "buy_value": value,  # of open orders, account units
            "sell_value": value,
            "low_sell": 32,  # least price of a sell since one is open, ticks
            "high_buy": 32,
            "spent": COUNT,  # orders
            "earned": COUNT,  # orders that fills allowed
        }
    )


def blocks_layout() -> data.StructLayout:
    """What takes new risk of a symbol off the gate."""
    # There was an untrue report; the exchange states another position.
    return data.StructLayout({"fault": 1, "differs": 1})


class Exposure(wiring.Component):
    """Worst case, open orders and blocks of each symbol; what an order would make of them.

    Findings are of the token in stage 1 of the gate, where they end in 1, and else of the one in
    stage 2, found a clock before: of an order that stands directly behind another they say nothing,
    and reports keep two clocks from both. One token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0 with the next clock; in a spaced build it stands from three
        clocks ahead of the token until it has passed.
    i, intent1, intent2 : In(intent_layout)
        Tokens in stages 0, 1 and 2.
    limits0, limits1, limits2 : In(limit_layout)
        Limits of their symbols.
    value : In
        What an order in stage 2 is worth.
    order, true, ends, untrue, reconcile, adopt : In(1), veto : In(VETOES)
        It is an order, accepted if there is no veto; a true report; one that ends its order if it
        is true; one that is not true; a reconciliation, which is taken over.
    freed_value : In
        Value of the order that ends.
    exposes1, exposes : Out(1)
        The order could leave a position on its side.
    position1, order_trade1, open_orders, self_trade1 : Out(1)
        It would pass the maximum; and so on.
    fault1, differs1 : Out(1)
        The symbol is blocked.
    apart : Out(1)
        The position differs from the reconciliation's by more than the tolerance.
    row1, row : Out(exposure_layout)
        All that is kept of the symbol of the token in stage 1, and in stage 2.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        bits = ("order", "true", "ends", "untrue", "reconcile", "adopt")
        found = ("exposes1", "exposes", "position1", "order_trade1", "open_orders", "self_trade1")
        super().__init__(
            {
                "symbol": In(8),
                **{name: In(intent_layout(config)) for name in ("i", "intent1", "intent2")},
                **{f"limits{n}": In(limit_layout()) for n in (0, 1, 2)},
                "value": In(config.notional_bits),
                **dict.fromkeys(bits, In(1)),
                "veto": In(VETOES),
                "freed_value": In(config.notional_bits),
                **dict.fromkeys((*found, "fault1", "differs1", "apart"), Out(1)),
                **dict.fromkeys(("row1", "row"), Out(exposure_layout(config))),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbols, spaced = self.config.symbols, self.config.spaced
        m.submodules.rows = rows = Rows(exposure_layout(self.config), symbols, spaced, stands=True)
        m.submodules.blocks = blocks = Rows(blocks_layout(), symbols, spaced, stands=True)
        for each in (rows, blocks):
            m.d.comb += each.index.eq(self.symbol[: len(each.index)])
        m.d.comb += [
            self.row1.eq(rows.row1),
            self.row.eq(rows.row2),
            self.init_done.eq(rows.init_done & blocks.init_done),
        ]
        stated = self._find(m, rows, blocks.row1)
        self._move(m, rows, stated)

        block = blocks.new2
        m.d.comb += [
            blocks.write2.eq(self.untrue | self.reconcile),
            blocks.write_index2.eq(blocks.index2),
            block.eq(blocks.row2),
        ]
        with m.If(self.untrue):
            m.d.comb += block.fault.eq(1)
        with m.If(self.reconcile):
            m.d.comb += block.differs.eq(self.apart & ~self.adopt)
        with m.If(self.adopt):
            m.d.comb += block.fault.eq(0)
        return m

    def _find(self, m: Module, rows: Rows, block: data.View) -> Signal:
        """Stages 0 and 1: what the row says of the token. Returns its quantity, short negative."""
        bits, limits = self.config.exposure_bits, self.limits1
        order = self.intent1
        qty_bits = self.config.qty_bits
        flat, room = Signal(signed(qty_bits + 1)), Signal(signed(66))
        stated1, stated2 = (Signal(signed(qty_bits + 1), name=f"stated{n}") for n in (1, 2))
        limit, wide = limits.tolerance, bits + 3

        def beyond(bound: Value) -> Value:
            return rows.judged(lambda row, _: below(bound, Mux(order.side, row.short, row.long)))

        def many_trades(row: Any, _written: bool) -> Value:
            return ~over(m, [limits.trade_grace, row.earned], row.spent, COUNT + 2)

        def meets(row: Any, _written: bool) -> Value:
            return Mux(
                order.side,
                (row.buys != 0) & (order.price <= row.high_buy),
                (row.sells != 0) & (order.price >= row.low_sell),
            )

        def is_apart(row: Any, _written: bool) -> Value:
            return (
                total_of(m, [limit, stated1], [row.position], wide)[-1]
                | total_of(m, [limit, row.position], [stated1], wide)[-1]
            )

        m.d.sync += [
            flat.eq(-self.i.qty),
            room.eq(self.limits0.max_position - self.i.qty),
            stated1.eq(Mux(self.i.side, -self.i.qty, self.i.qty)),
            stated2.eq(stated1),
            self.exposes.eq(self.exposes1),
            self.open_orders.eq(
                rows.judged(lambda row, _: row.buys + row.sells >= limits.max_open)
            ),
            self.apart.eq(rows.judged(is_apart)),
        ]
        m.d.comb += [
            self.exposes1.eq(beyond(flat)),
            self.position1.eq(beyond(room)),
            self.order_trade1.eq(rows.judged(many_trades)),
            self.self_trade1.eq(rows.judged(meets)),
            self.fault1.eq(block.fault),
            self.differs1.eq(block.differs),
        ]
        return stated2

    def _move(self, m: Module, rows: Rows, stated: Signal) -> None:
        """Stage 2: what the token makes of the row, if it is accepted, or true.

        Which of both is known last, and only chooses. An order adds to its side's worst case. A
        fill adds to the position and ends as much that was open, so the side it was on keeps its
        worst case and the other is relieved; the rest of an order that ends relieves its own side.
        """
        bits, now, new = self.config.exposure_bits, rows.row2, rows.new2
        one, two = self.intent1, self.intent2
        fill, gone, short = Signal(), Signal(), Signal()
        change = Signal(signed(self.config.qty_bits + 1))
        fill1 = (one.kind == InKind.FILL) & ~one.wanted
        m.d.sync += [
            fill.eq(fill1),
            gone.eq((one.kind == InKind.CANCEL) | (one.kind == InKind.REJECT)),
            short.eq(one.side ^ fill1),
            change.eq(Mux(one.wanted, one.qty, -one.qty)),
        ]
        moves = self.order | fill | gone
        moved = bounded(total_of(m, [Mux(short, now.short, now.long), change], [], bits + 1), bits)
        filled = bounded(total_of(m, [now.position, stated], [], bits + 1), bits)
        m.d.comb += [
            rows.write2.eq(self.order | self.true | self.adopt),
            rows.veto2.eq(self.veto),
            rows.write_index2.eq(rows.index2),
            new.eq(now),
        ]
        with m.If(moves & short):
            m.d.comb += new.short.eq(moved)
        with m.If(moves & ~short):
            m.d.comb += new.long.eq(moved)
        with m.If(fill):
            m.d.comb += [
                new.position.eq(filled),
                new.earned.eq(_capped(now.earned + self.limits2.trade_ratio)),
            ]
        for sell, count, value in ((0, "buys", "buy_value"), (1, "sells", "sell_value")):
            with m.If(self.order & (two.side == sell)):
                m.d.comb += [
                    new[count].eq(now[count] + 1),
                    new[value].eq(now[value] + self.value),
                ]
            with m.If(self.ends & (two.side == sell)):
                m.d.comb += [
                    new[count].eq(now[count] - 1),
                    new[value].eq(now[value] - self.freed_value),
                ]
        with m.If(self.order):
            m.d.comb += new.spent.eq(_capped(now.spent + 1))
        with m.If(self.order & two.side & ((now.sells == 0) | (two.price < now.low_sell))):
            m.d.comb += new.low_sell.eq(two.price)
        with m.If(self.order & ~two.side & ((now.buys == 0) | (two.price > now.high_buy))):
            m.d.comb += new.high_buy.eq(two.price)
        with m.If(self.adopt):
            m.d.comb += [
                new.long.eq(stated),
                new.short.eq(-stated),
                new.position.eq(stated),
                *(new[name].eq(0) for name in ("buys", "sells", "buy_value", "sell_value")),
            ]


def _capped(total: Value) -> Value:
    """A count that stays at its greatest."""
    return Mux(total[COUNT], (1 << COUNT) - 1, total[:COUNT])
