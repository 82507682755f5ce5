# SPDX-License-Identifier: Apache-2.0
"""From an order message to the shares at its prices, in steps that never vary."""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.arrival import Arrival
from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.decoder import fields_layout
from hdl.feed.itch.departure import Departure
from hdl.feed.itch.lookup import Lookup
from hdl.feed.itch.orders import OrderTable
from hdl.feed.itch.registers import counts
from hdl.feed.itch.steps import Steps
from hdl.feed.itch.totals import LevelTable

__all__ = ["Engine", "change_layout"]


def change_layout(config: ItchConfig) -> data.StructLayout:
    """What a message did, as told to the host's kind of records."""
    return data.StructLayout(
        {
            "symbol": config.symbol_bits,
            "sequence": 64,
            "book": 1,  # evaluate the book
            "old": 1,  # a level that shares left
            "old_sell": 1,
            "old_price": 32,
            "old_total": config.qty_bits,
            "new": 1,  # a level that an order came to
            "new_sell": 1,
            "new_price": 32,
            "new_total": config.qty_bits,
            "trade": 1,
            "trade_sold": 1,  # the aggressor sold
            "trade_price": 32,
            "trade_shares": 32,
            "broken": 1,  # the symbol is invalid
        }
    )


class Engine(wiring.Component):
    """Look an order up, change it and its level, and say what changed.

    ===== ============================ ===============================
    step  shares leave an order        an order comes
    ===== ============================ ===============================
    0     row of the order is read
    1                                  row of the order is read
    2     compared                     row of the level is read
    3     its level's row is read      order compared
    4     a message that is not whole, or an event still being told, waits here
    5     shares taken, order written  level compared, ways chosen
    6     told, level written          shares added
    7                                  told, order and level written
    ===== ============================ ===============================

    The last byte a level needs comes in step 0 where shares leave an order and in step 1 where one
    comes; a replace has its first step in the beat before. So a level is told 6 cycles after
    that byte.

    Steps 0 and 1 of a message follow step 7 of the one before, so that no row is read that is
    still to be written; only the two halves of a replace overlap. The way that the old order
    leaves, and the level it leaves, are known by the time the new ones are chosen.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    fields : In(fields_layout), lead, start, whole, cut : In(1)
        From the decoder.
    print_price : In(32), print_zero : In(1), printable : In(1)
        Price of a message C.
    ready : Out(1), led : Out(1)
        To the decoder.
    symbol : In, selected : In(1)
        Of the message's stock locate, a cycle after step 0.
    trades : In(symbols)
        Symbols that trade.
    policy : In(3)
        Register `itch_policy`.
    free : In(1)
        The last event has been told.
    begin : Out(1), begin_add : Out(1)
        An event begins in the next cycle; no shares left an order in it.
    change : Out(change_layout)
        The event: its old level from the cycle after `begin` on, its new one a cycle later. It
        stays until `free` has been seen.
    ns : Out(48)
        Time of the message.
    break_all : In(1)
        Every symbol becomes invalid.
    busy : Out(1)
        A message is under way.
    done : Out(1)
        Tables are swept.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "fields": In(fields_layout()),
                "lead": In(1),
                "start": In(1),
                "whole": In(1),
                "cut": In(1),
                "print_price": In(32),
                "print_zero": In(1),
                "printable": In(1),
                "ready": Out(1),
                "led": Out(1),
                "symbol": In(config.symbol_bits),
                "selected": In(1),
                "trades": In(config.symbols),
                "policy": In(3),
                "free": In(1),
                "begin": Out(1),
                "begin_add": Out(1),
                "change": Out(change_layout(config)),
                "ns": Out(48),
                "break_all": In(1),
                "busy": Out(1),
                "done": Out(1),
                "counts": Out(
                    counts(
                        *("itch_unselected", "itch_adds", "itch_takes", "itch_prints"),
                        *("itch_fields", "itch_unknown", "itch_excess", "itch_duplicates"),
                        *("itch_order_full", "itch_level_full", "itch_breaks"),
                    )
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, change, pulses = self.config, self.change, self.counts
        m.submodules.orders = orders = OrderTable(config)
        m.submodules.levels = levels = LevelTable(config)
        m.submodules.steps = steps = Steps()
        m.submodules.lookup = lookup = Lookup(config)
        m.submodules.departure = departure = Departure(config)
        m.submodules.arrival = arrival = Arrival(config)
        at, now = steps.at, lookup.now
        symbol, selected, found, old = lookup.symbol, lookup.selected, lookup.found, lookup.old
        sell = Mux(now.add & now.take, old.sell, now.sell)
        self._connect(m, steps, lookup, departure, arrival, orders, levels)

        # --- step 3
        broken = Signal(config.symbols)
        was_broken, trading = Signal(), Signal()
        no_shares, no_price = Signal(), Signal()
        with m.If(at[3]):
            m.d.sync += [
                was_broken.eq(Array(broken)[symbol]),
                trading.eq(Array(self.trades)[symbol] | self.policy[2]),
                no_shares.eq(now.shares == 0),
                no_price.eq(now.price == 0),
            ]

        # --- step 4: the event begins
        hidden = now.print & (self.policy[1] | no_shares | no_price | ~now.side_known)
        ignored = now.take & ~found & self.policy[0]
        tells = selected & ~hidden & ~ignored
        m.d.sync += self.begin_add.eq(steps.goes & ~now.take & tells)
        m.d.comb += self.begin.eq((steps.goes & now.take & tells) | self.begin_add)
        with m.If(steps.goes & tells):
            m.d.sync += [
                change.symbol.eq(symbol),
                change.sequence.eq(now.sequence),
                change.book.eq(~now.print & trading),
                change.new_sell.eq(sell),
                change.new_price.eq(now.price),
                change.trade_shares.eq(now.shares),
            ]

        # --- step 5: shares leave
        bad = Mux(now.take & ~now.add, ~now.entire & no_shares, no_shares | no_price) | (
            ~now.take & ~now.side_known
        )
        wrong = bad | (now.priced & self.printable & self.print_zero)
        refused = selected & (~now.take | found) & wrong
        too_much = selected & found & ~wrong & departure.excess
        takes = selected & found & ~wrong & ~departure.excess
        unknown = selected & now.take & ~found
        took, emptied, failed, wants = Signal(), Signal(), Signal(), Signal()
        print_price = Mux(now.priced, self.print_price, departure.price)
        with m.If(at[5]):
            m.d.sync += [
                took.eq(takes),
                emptied.eq(departure.emptied),
                failed.eq((unknown & ~self.policy[0]) | (refused & ~now.print) | too_much),
                wants.eq(selected & now.add & ~bad & ~was_broken & (~now.take | takes)),
                change.old.eq(takes & ~was_broken),
                change.old_sell.eq(old.sell),
                change.old_price.eq(departure.price),
                change.old_total.eq(departure.total),
                change.trade.eq(
                    (takes & now.trade & (~now.priced | self.printable)) | (selected & now.print)
                ),
                change.trade_sold.eq(~Mux(now.print, now.sell, old.sell)),
                change.trade_price.eq(Mux(now.print, now.price, print_price)),
            ]

        # --- step 6: shares come
        m.d.comb += [
            arrival.choose.eq(at[5]),
            arrival.left_row.eq(takes & (lookup.new_row == old.place.row)),
            arrival.left_way.eq(old.place.way),
            arrival.left_total.eq(change.old_total),
            arrival.left_empty.eq(emptied),
            arrival.wants.eq(wants),
            arrival.shares.eq(now.shares),
        ]
        fails_new = arrival.twin | arrival.no_room | arrival.level_full
        comes, level_way = Signal(), Signal(config.level_ways)
        with m.If(at[6]):
            m.d.sync += [
                level_way.eq(arrival.level_way),
                change.new_total.eq(arrival.total),
                change.new.eq(wants & ~fails_new),
                comes.eq(wants & ~fails_new),
                change.broken.eq((was_broken & ~now.print) | failed | fails_new),
            ]

        # --- writes: what is left of the old, then the new
        order, level = orders.write_order, levels.write_level
        m.d.comb += level.symbol.eq(symbol)
        with m.If(at[7]):
            m.d.comb += [
                orders.write.eq(Mux(comes, arrival.order_way, 0)),
                orders.write_row.eq(arrival.order_row),
                order.used.eq(1),
                order.ref.eq(now.new_ref),
                order.symbol.eq(symbol),
                order.sell.eq(sell),
                order.shares.eq(now.shares),
                order.place.row.eq(lookup.new_row),
                order.place.way.eq(level_way),
                levels.write.eq(Mux(comes, level_way, 0)),
                levels.write_row.eq(lookup.new_row),
                level.used.eq(1),
                level.sell.eq(sell),
                level.price.eq(now.price),
                level.total.eq(change.new_total),
            ]
        with m.Else():
            m.d.comb += [
                orders.write.eq(Mux(at[5] & takes, lookup.old_hit, 0)),
                orders.write_row.eq(lookup.old_row),
                order.eq(departure.order),
                levels.write.eq(Mux(at[6] & took, old.place.way, 0)),
                levels.write_row.eq(old.place.row),
                level.used.eq(~emptied),
                level.sell.eq(old.sell),
                level.price.eq(change.old_price),
                level.total.eq(change.old_total),
            ]

        # --- symbols that are invalid
        breaks = at[7] & change.broken & selected & ~was_broken
        with m.If(self.break_all):
            m.d.sync += broken.eq(~0)
        with m.Elif(breaks):
            m.d.sync += broken.bit_select(symbol, 1).eq(1)
        m.d.comb += [
            pulses.itch_unselected.eq(at[5] & ~selected),
            pulses.itch_unknown.eq(at[5] & unknown),
            pulses.itch_fields.eq(at[5] & refused),
            pulses.itch_excess.eq(at[5] & too_much),
            pulses.itch_takes.eq(at[5] & takes),
            pulses.itch_prints.eq(at[6] & change.trade & tells),
            pulses.itch_duplicates.eq(at[6] & arrival.twin),
            pulses.itch_order_full.eq(at[6] & arrival.no_room),
            pulses.itch_level_full.eq(at[6] & arrival.level_full),
            pulses.itch_adds.eq(at[7] & comes),
            pulses.itch_breaks.eq(breaks),
        ]
        return m

    def _connect(
        self,
        m: Module,
        steps: Steps,
        lookup: Lookup,
        departure: Departure,
        arrival: Arrival,
        orders: OrderTable,
        levels: LevelTable,
    ) -> None:
        """Wires between the parts that carry nothing but what their names say."""
        now: Any = lookup.now
        fields: Any = self.fields
        look = steps.at[4] & ~steps.waited
        leaves_row = now.take & (orders.row == lookup.old_row)
        m.d.comb += [
            steps.lead.eq(self.lead),
            steps.start.eq(self.start),
            steps.take.eq(fields.take),
            steps.whole.eq(self.whole),
            steps.cut.eq(self.cut),
            steps.free.eq(self.free),
            self.busy.eq(steps.busy),
            self.ready.eq(~steps.busy),
            self.led.eq(steps.awaits),
            self.done.eq(orders.done & levels.done),
            self.ns.eq(now.ns),
            lookup.fields.eq(fields),
            lookup.lead.eq(self.lead),
            lookup.start.eq(self.start),
            lookup.symbol_in.eq(self.symbol),
            lookup.selected_in.eq(self.selected),
            lookup.at.eq(steps.at),
            lookup.awaits.eq(steps.awaits),
            lookup.busy.eq(steps.busy),
            lookup.hit.eq(orders.hit),
            lookup.row.eq(orders.row),
            lookup.order.eq(orders.order),
            orders.ref.eq(lookup.ref),
            orders.symbol.eq(lookup.symbol),
            levels.read_row.eq(lookup.read_row),
            levels.symbol.eq(lookup.symbol),
            levels.sell.eq(Mux(now.add & now.take, lookup.old.sell, now.sell)),
            levels.price.eq(now.price),
            departure.look.eq(look),
            departure.old.eq(lookup.old),
            departure.shares.eq(now.shares),
            departure.entire.eq(now.entire),
            departure.ways.eq(levels.ways),
            arrival.look.eq(look),
            arrival.row.eq(orders.row),
            arrival.hit.eq(orders.hit),
            arrival.used.eq(orders.used),
            arrival.leaving.eq(Mux(leaves_row, lookup.old_hit, 0)),
            arrival.level_hit.eq(levels.hit),
            arrival.ways.eq(levels.ways),
        ]
