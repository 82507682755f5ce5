# SPDX-License-Identifier: Apache-2.0
"""Cores with the ports of the fabric and nothing in them but registers and a forest."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from hdl.model.forest import Forest
from hdl.model.shape import ForestShape
from hdl.regs.bank import Bank
from hdl.regs.table import ADDRESS_BITS, ID, VERSION, contract_hash
from host.model.image import feature_list_id

FEATURES = 24
#: Records that carry one set of features, 7 lanes of 18 bits each.
LANES = 7
RECORDS = -(-FEATURES // LANES)


class ForestCore(wiring.Component):
    """Takes features in `RECORDS` records, the first lanes first, and answers with a score.

    Out: score (32), scored, above, below (8 each), model (32), latency in cycles (16), zeros.
    """

    shape = ForestShape(trees=16, features=FEATURES)

    s_tdata: In(128)
    s_tvalid: In(1)
    s_tready: Out(1)
    m_tdata: Out(512)
    m_tvalid: Out(1)
    m_tready: In(1)
    reg_addr: In(ADDRESS_BITS)
    reg_w_data: In(32)
    reg_w_en: In(1)
    reg_r_en: In(1)
    reg_r_data: Out(32)

    def __init__(self, config):
        self.config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = Bank()
        m.submodules.forest = forest = Forest(self.shape)
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=128, depth=64)
        m.d.comb += [
            bank.bus.addr.eq(self.reg_addr),
            bank.bus.w_data.eq(self.reg_w_data),
            bank.bus.w_en.eq(self.reg_w_en),
            bank.bus.r_en.eq(self.reg_r_en),
            self.reg_r_data.eq(bank.bus.r_data),
            bank.shown.id.eq(ID),
            bank.shown.version.eq(VERSION),
            bank.shown.config_hash.eq(contract_hash()),
            bank.shown.build_symbols.eq(self.config.symbols),
            bank.shown.build_levels.eq(self.config.levels),
            bank.shown.build_qty_bits.eq(self.config.qty_bits),
            bank.shown.status.eq(1),
            forest.begin.eq(bank.strobes.model_begin),
            forest.word.eq(bank.strobes.model_data),
            forest.commit.eq(bank.strobes.model_commit),
            forest.written.eq(bank.written),
            forest.features_id.eq(feature_list_id()),
            bank.shown.model_shape.eq(self.shape.code),
            bank.shown.model_features.eq(feature_list_id()),
            bank.shown.model_status.eq(forest.status),
            bank.shown.model_words.eq(forest.words),
            bank.shown.model_id.eq(forest.active_model),
        ]
        for name, pulse in (
            ("model_loads", forest.loaded),
            ("model_refusals", forest.refused),
            ("model_overruns", forest.overrun),
        ):
            count = Signal(32, name=name)
            m.d.sync += count.eq(count + pulse)
            m.d.comb += bank.shown[name].eq(count)

        # Records gather in `lanes`; with the last one they go on together.
        part, lanes = Signal(range(RECORDS)), Signal(18 * LANES * (RECORDS - 1))
        taken = self.s_tvalid & self.s_tready
        lane_bits = self.s_tdata[: 18 * LANES]
        last = part == RECORDS - 1
        with m.If(taken):
            m.d.sync += [part.eq(part + 1), lanes.eq(Cat(lanes, lane_bits)[len(lane_bits) :])]
            with m.If(last):
                m.d.sync += part.eq(0)
        every = Cat(lanes, lane_bits)
        for at in range(FEATURES):
            m.d.comb += forest.i.p.features[at].eq(every[18 * at : 18 * at + 18])
        pause = Signal(range(self.shape.phases + 1))
        with m.If(taken & last):
            m.d.sync += pause.eq(max(0, self.shape.phases - RECORDS))
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        m.d.comb += [
            self.s_tready.eq((queue.level < 32) & (pause == 0)),
            forest.i.valid.eq(taken & last),
        ]

        clock, waited = Signal(16), Signal(16 * self.shape.latency)
        m.d.sync += [clock.eq(clock + 1), waited.eq(Cat(clock, waited))]
        out = forest.o.p
        pad = [Const(0, 7)]
        entry = Cat(out.score, out.scored, *pad, out.above, *pad, out.below, *pad, out.model)
        m.d.comb += [
            queue.w_en.eq(forest.o.valid),
            queue.w_data.eq(Cat(entry, (clock - waited[-16:])[:16])),
            self.m_tvalid.eq(queue.r_rdy),
            self.m_tdata.eq(queue.r_data),
            queue.r_en.eq(self.m_tready),
        ]
        return m


class PhasedCore(ForestCore):
    shape = ForestShape(trees=128, phases=8, features=FEATURES)
