# SPDX-License-Identifier: Apache-2.0
"""Whether there is room for an order that comes, and where."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.orders import pick
from hdl.feed.itch.totals import total_layout

__all__ = ["Arrival"]


def _first(bits: Value) -> Value:
    """Lowest set bit alone."""
    return bits & (~bits + 1)[: len(bits)]


class Arrival(wiring.Component):
    """Choose the ways of an order and of its level, and add its shares to those of the level.

    An order that leaves the same rows in the same message makes room in them.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    look : In(1)
        Step 4: the rows are here.
    hit : In, used : In, leaving : In
        Ways of the order's row: with this order, with any, with the one that leaves.
    level_hit : In, ways : In
        Way of the level's row that has its price and side; the row.
    choose : In(1)
        Step 5, and what else is known in it:
    left_row : In(1), left_way : In
        Shares leave a level of the same row, in this way of it.
    left_total : In, left_empty : In(1)
        Step 6: what is left of that level.
    wants : In(1), shares : In(32)
        Step 6: the order is to come, with so many shares.
    row : In, order_row : Out
        Row of the order in step 4, kept.
    order_way : Out, level_way : Out, total : Out
        Step 6: the ways that are taken, and the level's new total.
    twin : Out(1), no_room : Out(1), level_full : Out(1)
        Step 6: there is such an order already; its row, its level's row or total is full.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        orders, levels = config.order_ways, config.level_ways
        super().__init__(
            {
                "look": In(1),
                "hit": In(orders),
                "used": In(orders),
                "leaving": In(orders),
                "level_hit": In(levels),
                "ways": In(data.ArrayLayout(total_layout(config), levels)),
                "choose": In(1),
                "left_row": In(1),
                "left_way": In(levels),
                "left_total": In(config.qty_bits),
                "left_empty": In(1),
                "wants": In(1),
                "shares": In(32),
                "row": In(config.order_bits),
                "order_row": Out(config.order_bits),
                "order_way": Out(orders),
                "level_way": Out(levels),
                "total": Out(config.qty_bits),
                "twin": Out(1),
                "no_room": Out(1),
                "level_full": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        twin, room = Signal(), Signal(config.order_ways)
        hit, used = Signal(config.level_ways), Signal(config.level_ways)
        totals = Signal(data.ArrayLayout(config.qty_bits, config.level_ways))
        with m.If(self.look):
            m.d.sync += [
                twin.eq((self.hit & ~self.leaving).any()),
                room.eq(~self.used | self.leaving),
                self.order_row.eq(self.row),
                hit.eq(self.level_hit),
                *(used[n].eq(self.ways[n].used) for n in range(config.level_ways)),
                *(totals[n].eq(self.ways[n].total) for n in range(config.level_ways)),
            ]
        base, same, left_row = Signal(config.qty_bits), Signal(), Signal()
        with m.If(self.choose):
            m.d.sync += [
                base.eq(pick(hit, list(totals))),
                same.eq(self.left_row & (hit & self.left_way).any()),
                left_row.eq(self.left_row),
                self.order_way.eq(_first(room)),
            ]
        total = Signal(config.qty_bits + 1)
        m.d.comb += total.eq(Mux(same, self.left_total, base) + self.shares)
        with m.If(hit.any()):
            m.d.comb += self.level_way.eq(hit)
        with m.Elif(~used.all()):
            m.d.comb += self.level_way.eq(_first(~used))
        with m.Elif(left_row & self.left_empty):
            m.d.comb += self.level_way.eq(self.left_way)
        m.d.comb += [
            self.total.eq(total),
            self.twin.eq(self.wants & twin),
            self.no_room.eq(self.wants & ~twin & ~room.any()),
            self.level_full.eq(
                self.wants
                & ~(twin | ~room.any())
                & (~self.level_way.any() | total[config.qty_bits])
            ),
        ]
        return m
