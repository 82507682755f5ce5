# SPDX-License-Identifier: Apache-2.0
"""From an order message to the shares at its prices, in steps that never vary."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.decoder import fields_layout
from hdl.feed.itch.orders import OrderTable, order_layout, pick
from hdl.feed.itch.registers import counts
from hdl.feed.itch.totals import LevelTable, level_index

__all__ = ["STEPS", "Engine", "change_layout"]

#: Cycles of a message, and so the least from one to the next.
STEPS = 8


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


def _first(bits: Value) -> Value:
    """Lowest set bit alone."""
    return bits & (~bits + 1)[: len(bits)]


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
        config, fields, change = self.config, self.fields, self.change
        m.submodules.orders = orders = OrderTable(config)
        m.submodules.levels = levels = LevelTable(config)
        step, awaits, open_ = Signal(range(STEPS)), Signal(), Signal()
        now: Any = Signal(fields_layout())
        symbol, selected = Signal(config.symbol_bits), Signal()
        replaces = now.add & now.take

        # --- steps
        at = [Signal(name=f"step{n}") for n in range(STEPS)]
        waited = Signal()
        ended = ~open_ | self.whole
        m.d.comb += [
            self.busy.eq(step != 0),
            self.ready.eq(~self.busy),
            self.led.eq(awaits),
            self.done.eq(orders.done & levels.done),
            self.ns.eq(now.ns),
            *(signal.eq(step == n) for n, signal in enumerate(at) if n),
        ]
        begins_old = self.lead | (self.start & fields.take & ~awaits)
        with m.If(self.lead | self.start):
            m.d.sync += [now.eq(fields), open_.eq(~self.whole)]
        with m.Elif(self.whole):
            m.d.sync += open_.eq(0)
        with m.If(~self.busy):
            with m.If(begins_old):
                m.d.sync += [step.eq(1), awaits.eq(self.lead)]
            with m.Elif(self.start):
                m.d.sync += step.eq(2)
        with m.Elif(awaits & self.start):
            m.d.sync += [awaits.eq(0), step.eq(2)]
        with m.Elif(at[4]):
            m.d.sync += waited.eq(1)
            with m.If(ended & self.free):
                m.d.sync += [step.eq(5), waited.eq(0)]
        with m.Elif(~awaits):
            m.d.sync += step.eq(step + 1)
        with m.If(self.cut & open_ & self.busy):
            m.d.sync += [step.eq(0), awaits.eq(0), waited.eq(0), open_.eq(0)]
        goes = at[4] & ended & self.free

        # --- steps 0 to 3: the orders
        comes_now = (self.start & awaits) | (~self.busy & ~fields.take)
        m.d.comb += orders.symbol.eq(symbol)
        with m.If(self.busy & ~awaits):
            m.d.comb += orders.ref.eq(now.new_ref)
        with m.Else():
            m.d.comb += orders.ref.eq(Mux(comes_now, fields.new_ref, fields.ref))
        with m.If(at[1] | (~self.busy & self.start)):
            m.d.sync += [symbol.eq(self.symbol), selected.eq(self.selected)]

        broken = Signal(config.symbols)
        was_broken, trading = Signal(), Signal()
        no_shares, no_price = Signal(), Signal()
        found, old_hit, old_row = Signal(), Signal(config.order_ways), Signal(config.order_bits)
        old = Signal(order_layout(config))
        new_row = Signal(config.level_bits)
        with m.If(at[3]):
            m.d.sync += [
                found.eq(orders.hit.any() & now.take),
                old_hit.eq(Mux(now.take, orders.hit, 0)),
                old_row.eq(orders.row),
                old.eq(orders.order),
                was_broken.eq(Array(broken)[symbol]),
                trading.eq(Array(self.trades)[symbol] | self.policy[2]),
                no_shares.eq(now.shares == 0),
                no_price.eq(now.price == 0),
            ]
        hashed = Signal(config.level_bits)
        m.d.comb += hashed.eq(level_index(config, symbol, now.price))
        with m.If(at[2]):
            m.d.sync += new_row.eq(hashed)
        m.d.comb += levels.read_row.eq(
            Mux(at[2], hashed, Mux(at[3], orders.order.place.row, old.place.row))
        )

        # --- step 4: what is there of the new order and its level
        sell = Mux(replaces, old.sell, now.sell)
        rest, excess = Signal(32), Signal()
        twin, room = Signal(), Signal(config.order_ways)
        order_row = Signal(config.order_bits)
        level_hit, level_used = Signal(config.level_ways), Signal(config.level_ways)
        totals = Signal(data.ArrayLayout(config.qty_bits, config.level_ways))
        m.d.comb += [
            levels.symbol.eq(symbol),
            levels.sell.eq(sell),
            levels.price.eq(now.price),
        ]
        leaves_row = now.take & (orders.row == old_row)
        leaving = Signal(config.order_ways)
        m.d.comb += leaving.eq(Mux(leaves_row, old_hit, 0))
        less = Signal(33)
        m.d.comb += less.eq(old.shares - now.shares)
        with m.If(at[4] & ~waited):
            m.d.sync += [
                twin.eq((orders.hit & ~leaving).any()),
                room.eq(~orders.used | leaving),
                order_row.eq(orders.row),
                level_hit.eq(levels.hit),
                level_used.eq(levels.used),
                *(totals[n].eq(levels.ways[n].total) for n in range(config.level_ways)),
                rest.eq(Mux(now.entire, 0, less)),
                excess.eq(~now.entire & less[32]),
            ]

        # --- the event begins
        hidden = now.print & (self.policy[1] | no_shares | no_price | ~now.side_known)
        ignored = now.take & ~found & self.policy[0]
        tells = selected & ~hidden & ~ignored
        begins_add = Signal()
        m.d.sync += begins_add.eq(goes & ~now.take & tells)
        m.d.comb += [
            self.begin.eq((goes & now.take & tells) | begins_add),
            self.begin_add.eq(begins_add),
        ]
        with m.If(goes & tells):
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
        bad_print = now.priced & self.printable & self.print_zero
        refused = selected & (~now.take | found) & (bad | bad_print)
        too_much = selected & found & ~(bad | bad_print) & excess
        takes = selected & found & ~(bad | bad_print | excess)
        level = Signal(config.qty_bits + 32)  # price and total of the old level
        m.d.comb += level.eq(
            pick(old.place.way, [Cat(way.price, way.total) for way in levels.ways])
        )
        taken = Mux(now.entire, old.shares, now.shares)
        left = Signal(config.qty_bits)
        emptied, took = Signal(), Signal()
        unknown = selected & now.take & ~found
        failed = Signal()
        base = Signal(config.qty_bits)
        same = Signal()
        same_row = new_row == old.place.row
        wants = Signal()
        m.d.comb += left.eq(level[32:] - taken)
        order_way = Signal(config.order_ways)
        same_level_row = Signal()
        with m.If(at[5]):
            m.d.sync += [
                took.eq(takes),
                emptied.eq(level[32:] == taken),
                change.old.eq(takes & ~was_broken),
                change.old_sell.eq(old.sell),
                change.old_price.eq(level[:32]),
                change.old_total.eq(left),
                change.trade.eq(
                    (takes & now.trade & (~now.priced | self.printable)) | (selected & now.print)
                ),
                change.trade_sold.eq(~Mux(now.print, now.sell, old.sell)),
                change.trade_price.eq(
                    Mux(now.print, now.price, Mux(now.priced, self.print_price, level[:32]))
                ),
                failed.eq((unknown & ~self.policy[0]) | ((refused & ~now.print) | too_much)),
                wants.eq(selected & now.add & ~bad & ~was_broken & (~now.take | takes)),
                base.eq(pick(level_hit, list(totals))),
                same.eq(takes & same_row & (level_hit & old.place.way).any()),
                same_level_row.eq(takes & same_row),
                order_way.eq(_first(room)),
            ]
        write_old = Signal(order_layout(config))
        m.d.comb += [
            write_old.eq(old),
            write_old.shares.eq(rest),
            write_old.used.eq(rest != 0),
        ]

        # --- step 6: shares come
        total = Signal(config.qty_bits + 1)
        level_way, comes = Signal(config.level_ways), Signal()
        way = Signal(config.level_ways)
        unused = ~level_used
        m.d.comb += total.eq(Mux(same, change.old_total, base) + now.shares)
        with m.If(level_hit.any()):
            m.d.comb += way.eq(level_hit)
        with m.Elif(unused.any()):
            m.d.comb += way.eq(_first(unused))
        with m.Elif(same_level_row & emptied):
            m.d.comb += way.eq(old.place.way)
        level_full = Signal()
        m.d.comb += level_full.eq(~way.any() | total[config.qty_bits])
        no_room = ~room.any()
        fails_new = wants & (twin | no_room | level_full)
        with m.If(at[6]):
            m.d.sync += [
                level_way.eq(way),
                change.new_total.eq(total),
                change.new.eq(wants & ~twin & ~no_room & ~level_full),
                comes.eq(wants & ~twin & ~no_room & ~level_full),
                change.broken.eq((was_broken & ~now.print) | failed | fails_new),
            ]

        # --- writes
        write_level = levels.write_level
        m.d.comb += [write_level.symbol.eq(symbol), orders.write_row.eq(old_row)]
        with m.If(at[7]):
            m.d.comb += [
                orders.write.eq(Mux(comes, order_way, 0)),
                orders.write_row.eq(order_row),
                orders.write_order.used.eq(1),
                orders.write_order.ref.eq(now.new_ref),
                orders.write_order.symbol.eq(symbol),
                orders.write_order.sell.eq(sell),
                orders.write_order.shares.eq(now.shares),
                orders.write_order.place.row.eq(new_row),
                orders.write_order.place.way.eq(level_way),
                levels.write.eq(Mux(comes, level_way, 0)),
                levels.write_row.eq(new_row),
                write_level.used.eq(1),
                write_level.sell.eq(sell),
                write_level.price.eq(now.price),
                write_level.total.eq(change.new_total),
            ]
        with m.Else():
            m.d.comb += [
                orders.write.eq(Mux(at[5] & takes, old_hit, 0)),
                orders.write_order.eq(write_old),
                levels.write.eq(Mux(at[6] & took, old.place.way, 0)),
                levels.write_row.eq(old.place.row),
                write_level.used.eq(~emptied),
                write_level.sell.eq(old.sell),
                write_level.price.eq(change.old_price),
                write_level.total.eq(change.old_total),
            ]

        # --- symbols that are invalid
        bit = Signal(config.symbols)
        m.d.comb += bit.eq(1 << symbol)
        breaks = at[7] & change.broken & selected & ~was_broken
        with m.If(self.break_all):
            m.d.sync += broken.eq(~0)
        with m.Elif(breaks):
            m.d.sync += broken.eq(broken | bit)

        pulses = self.counts
        m.d.comb += [
            pulses.itch_unselected.eq(at[5] & ~selected),
            pulses.itch_unknown.eq(at[5] & unknown),
            pulses.itch_fields.eq(at[5] & refused),
            pulses.itch_excess.eq(at[5] & too_much),
            pulses.itch_takes.eq(at[5] & takes),
            pulses.itch_prints.eq(at[6] & change.trade & tells),
            pulses.itch_duplicates.eq(at[6] & wants & twin),
            pulses.itch_order_full.eq(at[6] & wants & ~twin & no_room),
            pulses.itch_level_full.eq(at[6] & wants & ~twin & ~no_room & level_full),
            pulses.itch_adds.eq(at[7] & comes),
            pulses.itch_breaks.eq(breaks),
        ]
        return m
