# SPDX-License-Identifier: Apache-2.0
"""A core that is the risk gate alone: gate, losses and registers, fed with orders as records.

Beside the records of the contract that the gate acts on, three kinds exist here only. They carry
what a book and a strategy would say:

QUOTE   best bid in `price_ticks`, best ask and last trade in the halves of `value`, `ViewReason` in
        `tag`; flag 1: there was a trade
ORDER   flag 1 sell, 2 reduce only, 4 the view is valid, 8 the same order again one clock later;
        byte `order` in `tag`; in `value` 48 bits of quantity, 8 of strategies, 8 of age
EVENT   a book event without an order
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from hdl.link.emit import Emit
from hdl.records import IN_RECORD, InFlag, InKind
from hdl.regs.bank import Bank
from hdl.risk.gate import AHEAD, MOVING, Gate
from hdl.risk.losses import LATENCY, Losses
from hdl.top import CORE_PORTS
from hdl.types import intent_layout
from sim.build import Design

QUOTE, ORDER, EVENT = 200, 201, 202
SELL, REDUCE_ONLY, VALID, AGAIN = 1, 2, 4, 8
LAST_KNOWN = 1
DESIGN = Design("tests.system.gate_bench:GateBench", ("hdl", "tests.system.gate_bench"), "gate")
#: Cycles from a token to its view, as in the fabric, and from there to the gate.
_LEAD, _TO_GATE = 7, LATENCY - 2


class GateBench(wiring.Component):
    """Ports are those of `hdl.top.Core`."""

    def __init__(self, config):
        self.config = config
        super().__init__(CORE_PORTS)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.bank = bank = Bank()
        m.submodules.gate = gate = Gate(config)
        m.submodules.losses = losses = Losses(config, _LEAD)
        m.submodules.emit = emit = Emit(config)
        wiring.connect(m, gate.o, emit.decisions)
        cycle = Signal(64)
        m.d.sync += cycle.eq(cycle + 1)

        # Records to tokens; after a book event there is a clock without one, or the order again,
        # and as behind admission after a record that changes what an order is judged by.
        record = Signal(IN_RECORD.layout())
        valid, event, again, pause, now_us = Signal(), Signal(), Signal(), Signal(), Signal(64)
        ready = emit.room & gate.init_done & losses.init_done & ~pause
        m.d.comb += [
            record.eq(self.s_tdata),
            self.s_tready.eq(ready),
            valid.eq(self.s_tvalid & ready),
            event.eq(valid & ((record.kind == ORDER) | (record.kind == EVENT))),
        ]
        m.d.sync += [
            pause.eq(event | again | (valid & Cat(record.kind == kind for kind in MOVING).any())),
            again.eq(event & (record.kind == ORDER) & ((record.flags & AGAIN) != 0)),
        ]
        quote = Signal(IN_RECORD.layout())
        with m.If(valid & (record.kind == QUOTE)):
            m.d.sync += quote.eq(record)
        ticks = (record.kind == InKind.TIMER) | (record.kind == InKind.EVENT_BEGIN)
        with m.If(valid & ticks & (record.value > now_us)):
            m.d.sync += now_us.eq(record.value)

        layout = intent_layout(config)
        tokens = [Signal(layout, name=f"token{n}") for n in range(_LEAD + _TO_GATE + 1)]
        valids = [Signal(name=f"valid{n}") for n in range(_LEAD + _TO_GATE + 1)]
        token, is_order = tokens[0], record.kind == ORDER
        m.d.sync += valids[0].eq((valid & (record.kind != QUOTE)) | again)
        with m.If(valid):
            m.d.sync += [
                token.kind.eq(Mux(event, int(InKind.EVENT_END), record.kind)),
                token.symbol.eq(record.symbol),
                token.tag.eq(Mux(event, 0, record.tag)),
                token.side.eq((record.flags & int(InFlag.SIDE)) != 0),
                token.adopt.eq((record.flags & int(InFlag.WHOLE)) != 0),
                token.book.eq(event),
                token.now_us.eq(now_us),
                token.age_us.eq(record.value[56:]),
                token.update_id.eq(record.value),
                token.wanted.eq(is_order),
                token.valid.eq((record.flags & VALID) != 0),
                token.price.eq(record.price_ticks),
                token.qty.eq(record.value),
                token.reduce_only.eq(is_order & ((record.flags & REDUCE_ONLY) != 0)),
                token.order.eq(record.tag),
                token.strategy.eq(record.value[48:56]),
                token.reasons.eq(quote.tag),
                token.bid_price.eq(quote.price_ticks),
                token.ask_price.eq(quote.value[:32]),
                token.mid2.eq(quote.price_ticks + quote.value[:32]),
                token.last_known.eq(quote.flags & LAST_KNOWN),
                token.last_price.eq(quote.value[32:]),
            ]
            with m.If(ticks):
                m.d.sync += token.now_us.eq(Mux(record.value > now_us, record.value, now_us))
        with m.If(again):
            m.d.sync += token.book.eq(0)
        for n in range(1, len(tokens)):
            m.d.sync += [tokens[n].eq(tokens[n - 1]), valids[n].eq(valids[n - 1])]

        early, view = tokens[0], tokens[_LEAD]
        m.d.comb += [
            losses.tokens.valid.eq(valids[0]),
            *(
                losses.tokens.p[name].eq(early[name])
                for name in ("kind", "symbol", "side", "adopt", "book", "price")
            ),
            losses.tokens.p.value.eq(early.update_id),
            losses.views.valid.eq(valids[_LEAD]),
            *(
                losses.views.p[name].eq(view[name])
                for name in ("symbol", "book", "now_us", "reasons")
            ),
            losses.views.p.bid.levels[0].price.eq(view.bid_price),
            losses.views.p.ask.levels[0].price.eq(view.ask_price),
            gate.i.valid.eq(valids[-1]),
            gate.i.p.eq(tokens[-1]),
            gate.ahead.symbol.eq(tokens[-1 - AHEAD].symbol),
            gate.ahead.tag.eq(tokens[-1 - AHEAD].tag),
            gate.ahead.now_us.eq(tokens[-1 - AHEAD].now_us),
            gate.losses.eq(losses.o),
            gate.cycle.eq(cycle),
            gate.room.eq(emit.room),
            self.m_tdata.eq(emit.o.p),
            self.m_tvalid.eq(emit.o.valid),
            emit.o.ready.eq(self.m_tready),
        ]

        held, strobes, shown = bank.held, bank.strobes, bank.shown
        m.d.comb += [
            *(gate.settings[name].eq(held[name]) for name, _ in gate.settings.shape()),
            *(gate.shadow[name].eq(held[f"limit_{name}"]) for name, _ in gate.shadow.shape()),
            *(
                getattr(losses, name).eq(held[name])
                for name in ("max_day_loss", "max_window_loss", "max_drawdown", "loss_window")
            ),
            losses.lot_value.eq(held.limit_lot_value),
            losses.tick_value.eq(held.limit_tick_value),
            *(
                target.eq(source)
                for block in (gate, losses)
                for target, source in (
                    (block.commit, strobes.limit_commit),
                    (block.commit_symbol, bank.written),
                )
            ),
            gate.select.eq(held.limit_select),
            gate.kill.eq(strobes.kill),
            gate.rearm.eq(strobes.rearm),
            gate.word.eq(bank.written),
            shown.limits_version.eq(gate.limits_version),
            shown.limit_in_force.eq(gate.in_force),
            shown.kill_causes.eq(gate.kill_causes),
            shown.status.eq(Cat(gate.init_done & losses.init_done)),
            bank.bus.addr.eq(self.reg_addr),
            bank.bus.w_data.eq(self.reg_w_data),
            bank.bus.w_en.eq(self.reg_w_en),
            bank.bus.r_en.eq(self.reg_r_en),
            self.reg_r_data.eq(bank.bus.r_data),
        ]
        return m
