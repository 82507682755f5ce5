# SPDX-License-Identifier: Apache-2.0
"""A core that shows whole rows: the book of the fabric, and every level of it after each event."""

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring

from hdl.book.ladder import LATENCY, Ladder
from hdl.book.row import key_to_price
from hdl.feed.native import TickDecoder
from hdl.records import InFlag, InKind
from hdl.top import CORE_PORTS
from sim.build import Design

#: One level of a row, or the row without a level (`depth` is 0).
TAP_DTYPE = np.dtype(
    [
        ("symbol", "u1"),
        ("side", "u1"),
        ("index", "u1"),
        ("depth", "u1"),
        ("state", "u1"),
        ("bounded", "u1"),
        ("pad", "u2"),
        ("update_id", "<u8"),
        ("price_ticks", "<u4"),
        ("horizon_ticks", "<u4"),
        ("qty_lots", "<u8"),
        ("unused", "u1", 32),
    ]
)
DESIGN = Design("tests.system.level_tap:LevelTap", ("hdl", "tests.system.level_tap"), "level_tap")
#: Cycles in which what is under way comes out.
_DRAIN = LATENCY + 4


class LevelTap(wiring.Component):
    """Decoder and ladder; after each EVENT_END with BOOK the input waits and both rows come out.

    Ports are those of `hdl.top.Core`; every register reads as "the memories are swept".
    """

    def __init__(self, config):
        self.config = config
        super().__init__(CORE_PORTS)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.decoder = decoder = TickDecoder(config)
        m.submodules.ladder = ladder = Ladder(config)
        m.d.comb += [decoder.i.p.eq(self.s_tdata), decoder.cycle.eq(0), ladder.i.p.eq(decoder.o.p)]

        # A token of no kind reads the row of the asks.
        ask = Signal()
        symbol, update_id = Signal(8), Signal(64)
        with m.If(ask):
            m.d.comb += [ladder.i.p.eq(0), ladder.i.p.side.eq(1), ladder.i.p.symbol.eq(symbol)]
        m.d.comb += ladder.i.valid.eq(decoder.o.valid | ask)

        row = Signal(ladder.o.p.shape())
        left = Signal(range(_DRAIN + 1))
        index, side = Signal(8), Signal()
        asks_next = Signal()
        m.d.sync += ask.eq(asks_next)
        m.d.comb += ladder.ahead.eq(Mux(asks_next, Cat(Const(1, 1), symbol), decoder.ahead))
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)

        record = decoder.i.p
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += [
                    self.s_tready.eq(ladder.init_done),
                    decoder.i.valid.eq(self.s_tvalid & ladder.init_done),
                ]
                book = (record.flags & int(InFlag.BOOK)) != 0
                with m.If(decoder.i.valid & (record.kind == InKind.EVENT_END) & book):
                    m.d.sync += [
                        left.eq(_DRAIN),
                        side.eq(0),
                        symbol.eq(record.symbol),
                        update_id.eq(record.value),
                    ]
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                with m.If(ladder.o.valid):
                    m.d.sync += row.eq(ladder.o.p)
                with m.If(left == 0):
                    m.d.sync += index.eq(0)
                    m.next = "SHOW"
            with m.State("SHOW"):
                m.d.comb += self.m_tvalid.eq(1)
                with m.If(self.m_tready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index + 1 >= row.status.depth):
                        with m.If(side):
                            m.next = "TAKE"
                        with m.Else():
                            m.d.comb += asks_next.eq(1)
                            m.d.sync += [side.eq(1), left.eq(_DRAIN)]
                            m.next = "DRAIN"

        shown = self.m_tdata
        keys = Array(row.keys[at] for at in range(config.levels))
        qtys = Array(row.qtys[at] for at in range(config.levels))
        status = row.status
        m.d.comb += [
            shown[0:8].eq(symbol),
            shown[8:16].eq(side),
            shown[16:24].eq(index),
            shown[24:32].eq(status.depth),
            shown[32:40].eq(status.state),
            shown[40:48].eq(status.bounded),
            shown[64:128].eq(update_id),
            shown[128:160].eq(Mux(status.depth == 0, 0, key_to_price(keys[index], side))),
            shown[160:192].eq(Mux(status.bounded, key_to_price(row.horizon, side), 0)),
            shown[192:256].eq(Mux(status.depth == 0, 0, qtys[index])),
            self.reg_r_data.eq(ladder.init_done),
        ]
        return m
