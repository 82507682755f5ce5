# SPDX-License-Identifier: Apache-2.0
"""What a message did, as the records a host would send."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.engine import change_layout
from hdl.records import IN_RECORD, InFlag, InKind

__all__ = ["Events"]


class Events(wiring.Component):
    """An event for each change, and one for each symbol when updates were lost.

    An event is EVENT_BEGIN, the level that shares left, the level an order came to, the trade, a
    CLEAR of both sides with GAP where the symbol is invalid, EVENT_END. Records that an event does
    not have leave their cycle empty, so that each has its own: levels stand 1 and 2 cycles after
    EVENT_BEGIN, 1 cycle where only an order came.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    begin : In(1), begin_add : In(1), change : In(change_layout)
        From the engine.
    us : In(64)
        Time of the event, in the cycle after `begin`.
    sweep : In(1), mapped : In(symbols)
        Tell of every mapped symbol that it is invalid; held until `swept`.
    swept : Out(1)
        That is done.
    free : Out(1)
        An event may begin.
    o : Out(stream(in record))
        Records.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "begin": In(1),
                "begin_add": In(1),
                "change": In(change_layout(config)),
                "us": In(64),
                "sweep": In(1),
                "mapped": In(config.symbols),
                "swept": Out(1),
                "free": Out(1),
                "o": Out(stream.Signature(IN_RECORD.layout())),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, change = self.config, self.change
        # What varies of a record. A field that is always 0 is put in as a constant beside it.
        record = Signal(data.StructLayout({"kind": 8, "flags": 8, "price": 32, "value": 64}))
        adds, sweeping = Signal(), Signal()
        index = Signal(config.symbol_bits)
        us, held = Signal(64), Signal()
        time_us = Mux(held | sweeping, us, self.us)
        with m.If(self.o.valid & (record.kind == InKind.EVENT_BEGIN)):
            m.d.sync += [us.eq(time_us), held.eq(~self.o.ready)]

        symbol = Signal(8)
        m.d.comb += [
            symbol.eq(Mux(sweeping, index, change.symbol)),
            self.o.p.eq(
                Cat(record.kind, record.flags, symbol, Const(0, 8), record.price, record.value)
            ),
        ]

        def tell(here, kind, flags, price, value, following):
            """Offer a record if the event has it, and go on."""
            m.d.comb += [
                self.o.valid.eq(here),
                record.kind.eq(kind),
                record.flags.eq(flags),
                record.price.eq(price),
                record.value.eq(value),
            ]
            with m.If(~here | self.o.ready):
                m.next = following

        side, gap, book = int(InFlag.SIDE), int(InFlag.GAP), int(InFlag.BOOK)
        with m.FSM():
            with m.State("FREE"):
                m.d.comb += self.free.eq(~self.sweep)
                m.d.sync += [sweeping.eq(0), adds.eq(self.begin_add), index.eq(0)]
                with m.If(self.begin):
                    m.next = "BEGIN"
                with m.Elif(self.sweep):
                    m.d.sync += sweeping.eq(1)
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "NEXT"
                with m.If(self.mapped.bit_select(index, 1)):
                    m.next = "BEGIN"
            with m.State("NEXT"):
                m.next = "LOOK"
                m.d.sync += index.eq(index + 1)
                with m.If(index == config.symbols - 1):
                    m.d.comb += self.swept.eq(1)
                    m.next = "FREE"
            with m.State("BEGIN"):
                tell(Const(1), InKind.EVENT_BEGIN, 0, 0, time_us, "OLD")
                with m.If(self.o.ready & (adds | sweeping)):
                    m.next = "NEW"
            with m.State("OLD"):
                flags = Mux(change.old_sell, side, 0)
                price, total = change.old_price, change.old_total
                tell(change.old, InKind.LEVEL, flags, price, total, "NEW")
            with m.State("NEW"):
                flags = Mux(change.new_sell, side, 0)
                price, total = change.new_price, change.new_total
                tell(change.new & ~sweeping, InKind.LEVEL, flags, price, total, "TRADE")
            with m.State("TRADE"):
                flags = Mux(change.trade_sold, side, 0)
                price, shares = change.trade_price, change.trade_shares
                tell(change.trade & ~sweeping, InKind.TRADE, flags, price, shares, "BIDS")
            with m.State("BIDS"):
                tell(change.broken | sweeping, InKind.CLEAR, gap, 0, 0, "ASKS")
            with m.State("ASKS"):
                tell(change.broken | sweeping, InKind.CLEAR, gap | side, 0, 0, "END")
            with m.State("END"):
                flags = Mux(change.book | sweeping, book, 0)
                tell(Const(1), InKind.EVENT_END, flags, 0, change.sequence, "FREE")
                with m.If(self.o.ready & sweeping):
                    m.next = "NEXT"
        return m
