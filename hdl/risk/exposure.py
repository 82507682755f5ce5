# SPDX-License-Identifier: Apache-2.0
"""What a symbol could come to: position, and all that is open on each side."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.risk.rows import Rows
from hdl.risk.sums import over

__all__ = ["Exposure", "exposure_layout", "saturate"]

COUNT = 32  # bits of orders and of orders that fills allow


def saturate(m: Module, value: Value, bits: int, name: str) -> Signal:
    """`value` cut to the greatest or least signed number of so many bits."""
    cut = Signal(signed(bits), name=name)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    m.d.comb += cut.eq(Mux(value > high, high, Mux(value < low, low, value)))
    return cut


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
            "fault": 1,  # there was an untrue report
            "differs": 1,  # the exchange states another position
        }
    )


class Exposure(wiring.Component):
    """Worst case, open orders and blocks of each symbol; what an order would make of them.

    Findings belong to stage 2 of the gate and are complete; one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0 with the next clock.
    kind, side, price, qty, value : In
        Of the token in stage 2; `value` is what an order is worth.
    qty1, max_position1 : In
        Of the token in stage 1, and the limit of its symbol.
    trade_ratio, trade_grace, max_open, tolerance : In
        Limits of its symbol.
    order : In(1)
        It is an order: what follows from it is found before it is known to be accepted.
    accept, true, done, untrue, reconcile, adopt : In(1)
        It is an accepted order; a true report, which ends its order; one that is not true; a
        reconciliation, which is taken over.
    freed_value : In
        Value of the order that ends.
    exposes, position, order_trade, open_orders, self_trade : Out(1)
        The order could leave a position on its side; would pass its maximum; and so on.
    fault, differs : Out(1)
        The symbol is blocked.
    apart : Out(1)
        The position differs from the reconciliation's by more than the tolerance.
    row : Out(exposure_layout)
        All that is kept.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "symbol": In(8),
                "kind": In(5),
                "side": In(1),
                "price": In(32),
                "qty": In(config.qty_bits),
                "value": In(config.notional_bits),
                "qty1": In(config.qty_bits),
                "max_position1": In(64),
                "trade_ratio": In(16),
                "trade_grace": In(32),
                "max_open": In(8),
                "tolerance": In(64),
                **dict.fromkeys(
                    ("order", "accept", "true", "done", "untrue", "reconcile", "adopt"), In(1)
                ),
                "freed_value": In(config.notional_bits),
                **dict.fromkeys(
                    ("exposes", "position", "order_trade", "open_orders", "self_trade"), Out(1)
                ),
                "fault": Out(1),
                "differs": Out(1),
                "apart": Out(1),
                "row": Out(exposure_layout(config)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        layout, bits = exposure_layout(self.config), self.config.exposure_bits
        m.submodules.rows = rows = Rows(layout, self.config.symbols)
        now, side = rows.row2, self.side
        worst = Signal(signed(bits))
        stated = Signal(signed(bits))
        # What the worst case may be before an order, found a clock early.
        flat, room = (
            Signal(signed(self.config.qty_bits + 1)),
            Signal(signed(len(self.max_position1) + 2)),
        )
        m.d.sync += [flat.eq(-self.qty1), room.eq(self.max_position1 - self.qty1)]
        m.d.comb += [
            rows.index.eq(self.symbol[: len(rows.index)]),
            worst.eq(Mux(side, now.short, now.long)),
            stated.eq(Mux(side, -self.qty, self.qty)),
            self.exposes.eq(worst > flat),
            self.position.eq(worst > room),
            self.order_trade.eq(~over(m, [self.trade_grace, now.earned], now.spent, COUNT + 2)),
            self.open_orders.eq(now.buys + now.sells >= self.max_open),
            self.self_trade.eq(
                Mux(
                    side,
                    (now.buys != 0) & (self.price <= now.high_buy),
                    (now.sells != 0) & (self.price >= now.low_sell),
                )
            ),
            self.apart.eq(
                over(m, [now.position, -stated], self.tolerance, bits + 1)
                | over(m, [stated, -now.position], self.tolerance, bits + 1)
            ),
            self.fault.eq(now.fault),
            self.differs.eq(now.differs),
            self.row.eq(now),
            self.init_done.eq(rows.init_done),
        ]

        # Whether an order is accepted, or a report true, is known last: it only chooses.
        # An order adds to its side's worst case. A fill adds to the position and ends as much that
        # was open, so the side it was on keeps its worst case and the other is relieved; the rest
        # of an order that ends relieves its own side.
        new = rows.new2
        fill = self.kind == InKind.FILL
        gone = (self.kind == InKind.CANCEL) | (self.kind == InKind.REJECT)
        short, sells = side ^ (fill & ~self.order), side
        moves = self.order | (self.true & (fill | gone))
        change = Mux(self.order, self.qty, -self.qty)
        moved = saturate(m, Mux(short, now.short, now.long) + change, bits, "moved")
        filled = saturate(m, now.position + Mux(side, -self.qty, self.qty), bits, "filled")
        m.d.comb += [
            rows.write2.eq(self.accept | self.true | self.untrue | self.reconcile),
            rows.write_index2.eq(rows.index2),
            new.eq(now),
        ]
        with m.If(moves & short):
            m.d.comb += new.short.eq(moved)
        with m.If(moves & ~short):
            m.d.comb += new.long.eq(moved)
        with m.If(self.true & fill):
            m.d.comb += [
                new.position.eq(filled),
                new.earned.eq(_capped(now.earned + self.trade_ratio)),
            ]
        for sell, count, value in ((0, "buys", "buy_value"), (1, "sells", "sell_value")):
            with m.If(self.order & (sells == sell)):
                m.d.comb += [
                    new[count].eq(now[count] + 1),
                    new[value].eq(now[value] + self.value),
                ]
            with m.If(self.done & (sells == sell)):
                m.d.comb += [
                    new[count].eq(now[count] - 1),
                    new[value].eq(now[value] - self.freed_value),
                ]
        with m.If(self.order):
            m.d.comb += new.spent.eq(_capped(now.spent + 1))
        with m.If(self.order & side & ((now.sells == 0) | (self.price < now.low_sell))):
            m.d.comb += new.low_sell.eq(self.price)
        with m.If(self.order & ~side & ((now.buys == 0) | (self.price > now.high_buy))):
            m.d.comb += new.high_buy.eq(self.price)
        with m.If(self.untrue):
            m.d.comb += new.fault.eq(1)
        with m.If(self.reconcile):
            m.d.comb += new.differs.eq(self.apart)
        with m.If(self.adopt):
            m.d.comb += [
                new.long.eq(stated),
                new.short.eq(-stated),
                new.position.eq(stated),
                *(new[name].eq(0) for name in ("buys", "sells", "buy_value", "sell_value")),
                new.fault.eq(0),
                new.differs.eq(0),
            ]
        return m


def _capped(total: Value) -> Value:
    """A count that stays at its greatest."""
    return Mux(total[COUNT], (1 << COUNT) - 1, total[:COUNT])
