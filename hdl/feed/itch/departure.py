# SPDX-License-Identifier: Apache-2.0
"""What is left of an order, and of its level, when shares leave it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.orders import order_layout, pick
from hdl.feed.itch.totals import total_layout

__all__ = ["Departure"]


class Departure(wiring.Component):
    """Take shares from an order and from the total of its level.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    look : In(1)
        The order stands here: its rest is kept from the next cycle on.
    old : In(order_layout), shares : In(32), entire : In(1)
        The order, what leaves it, and whether all of it does.
    ways : In
        Row of its level, in the cycle in which `price`, `total` and `emptied` are looked at.
    order : Out(order_layout)
        The order with what is left; not used any more if that is nothing.
    excess : Out(1)
        More shares leave than it has.
    price : Out(32), total : Out
        Its level: price, and shares that are left.
    emptied : Out(1)
        None are.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "look": In(1),
                "old": In(order_layout(config)),
                "shares": In(32),
                "entire": In(1),
                "ways": In(data.ArrayLayout(total_layout(config), config.level_ways)),
                "order": Out(order_layout(config)),
                "excess": Out(1),
                "price": Out(32),
                "total": Out(config.qty_bits),
                "emptied": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        ways = [self.ways[way] for way in range(self.config.level_ways)]
        rest, less = Signal(32), Signal(33)
        m.d.comb += less.eq(self.old.shares - self.shares)
        with m.If(self.look):
            m.d.sync += [
                rest.eq(Mux(self.entire, 0, less)),
                self.excess.eq(~self.entire & less[32]),
            ]
        level = Signal(self.config.qty_bits + 32)
        taken = Mux(self.entire, self.old.shares, self.shares)
        m.d.comb += [
            self.order.eq(self.old),
            self.order.shares.eq(rest),
            self.order.used.eq(rest != 0),
            level.eq(pick(self.old.place.way, [Cat(way.price, way.total) for way in ways])),
            self.price.eq(level[:32]),
            self.total.eq(level[32:] - taken),
            self.emptied.eq(level[32:] == taken),
        ]
        return m
