# SPDX-License-Identifier: Apache-2.0
"""A message, and the order it speaks of, as it stands in the table."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.decoder import fields_layout
from hdl.feed.itch.orders import order_layout
from hdl.feed.itch.steps import STEPS
from hdl.feed.itch.totals import level_index

__all__ = ["Lookup"]


class Lookup(wiring.Component):
    """Steps 0 to 3: say which rows of both tables are read, and keep what is in the order's.

    The row of an order that leaves is read in step 0, that of one that comes in step 1. The row
    of the level that is come to is read in step 2, that of the level that is left in step 3.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    fields : In(fields_layout), lead : In(1), start : In(1)
        As the engine's.
    symbol_in : In, selected_in : In(1)
        Of the message's stock locate, a cycle after step 0.
    at : In(STEPS), awaits : In(1), busy : In(1)
        From `Steps`.
    hit : In, row : In, order : In(order_layout)
        From the table of orders.
    ref : Out(64), read_row : Out
        To the tables.
    now : Out(fields_layout), symbol : Out, selected : Out(1)
        The message.
    found : Out(1), old : Out(order_layout), old_hit : Out, old_row : Out
        From step 4 on: there is the order that shares leave; it, its way, its row.
    new_row : Out
        From step 3 on: row of the level that an order comes to.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "fields": In(fields_layout()),
                "lead": In(1),
                "start": In(1),
                "symbol_in": In(config.symbol_bits),
                "selected_in": In(1),
                "at": In(STEPS),
                "awaits": In(1),
                "busy": In(1),
                "hit": In(config.order_ways),
                "row": In(config.order_bits),
                "order": In(order_layout(config)),
                "ref": Out(64),
                "read_row": Out(config.level_bits),
                "now": Out(fields_layout()),
                "symbol": Out(config.symbol_bits),
                "selected": Out(1),
                "found": Out(1),
                "old": Out(order_layout(config)),
                "old_hit": Out(config.order_ways),
                "old_row": Out(config.order_bits),
                "new_row": Out(config.level_bits),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        fields: Any = self.fields
        now: Any = self.now
        with m.If(self.lead | self.start):
            m.d.sync += now.eq(fields)
        with m.If(self.at[1] | (~self.busy & self.start)):
            m.d.sync += [self.symbol.eq(self.symbol_in), self.selected.eq(self.selected_in)]

        comes_now = (self.start & self.awaits) | (~self.busy & ~fields.take)
        with m.If(self.busy & ~self.awaits):
            m.d.comb += self.ref.eq(now.new_ref)
        with m.Else():
            m.d.comb += self.ref.eq(Mux(comes_now, fields.new_ref, fields.ref))
        with m.If(self.at[3]):
            m.d.sync += [
                self.found.eq(self.hit.any() & now.take),
                self.old_hit.eq(Mux(now.take, self.hit, 0)),
                self.old_row.eq(self.row),
                self.old.eq(self.order),
            ]

        hashed = Signal(self.config.level_bits)
        m.d.comb += hashed.eq(level_index(self.config, self.symbol, now.price))
        with m.If(self.at[2]):
            m.d.comb += self.read_row.eq(hashed)
            m.d.sync += self.new_row.eq(hashed)
        with m.Elif(self.at[3]):
            m.d.comb += self.read_row.eq(self.order.place.row)
        with m.Else():
            m.d.comb += self.read_row.eq(self.old.place.row)
        return m
