# SPDX-License-Identifier: Apache-2.0
"""The stages, connected: records in, records out, registers beside them."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.book import Book
from hdl.book.trades import Trades
from hdl.config import VIEW_LEVELS, BuildConfig
from hdl.feed.feeds import Feeds
from hdl.feed.native import TickDecoder
from hdl.link.admission import IN_FLIGHT, Admission
from hdl.link.emit import Emit
from hdl.records import IN_RECORD
from hdl.regs.bank import BANK_BUS, Bank
from hdl.regs.table import ID, VERSION, contract_hash
from hdl.risk.gate import Gate
from hdl.signal.imbalance import Imbalance
from hdl.stats.counters import Counters
from hdl.stats.latency import Latency
from hdl.strategy.taker import Taker

__all__ = ["DECISION_LATENCY", "STAGE_LATENCY", "Pipeline"]

#: Cycles each stage takes, in the order of the pipeline.
STAGE_LATENCY = {"decoder": 1, "book": 7, "imbalance": 2, "taker": 1, "gate": 3}
#: Cycles from accept of an EVENT_END to its decision, always.
DECISION_LATENCY = sum(STAGE_LATENCY.values())
if DECISION_LATENCY >= IN_FLIGHT:
    raise ValueError(
        f"pipeline: expected under {IN_FLIGHT} tokens in flight, was {DECISION_LATENCY}"
    )


class Pipeline(wiring.Component):
    """The whole fabric behind streams and a register bus.

    What a record does is in ``docs/contract.md``.
    Latency from accept of an EVENT_END to its decision is `DECISION_LATENCY` cycles, whatever the
    data. Throughput is one record a cycle, held up only while the output is.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(stream(in record))
        Records from the host, and frames of a feed in 16-byte beats behind a FRAME.
    o : Out(stream(512))
        Records to the host.
    bus : In(BANK_BUS)
        Registers.
    soft_reset : Out(1)
        The host asks for a reset of everything.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(IN_RECORD.layout())),
                "o": Out(stream.Signature(512)),
                "bus": In(BANK_BUS),
                "soft_reset": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.bank = bank = Bank()
        m.submodules.feeds = feeds = Feeds(config, STAGE_LATENCY["decoder"] + STAGE_LATENCY["book"])
        m.submodules.admission = admission = Admission(config)
        m.submodules.decoder = decoder = TickDecoder(config)
        m.submodules.book = book = Book(config)
        m.submodules.trades = trades = Trades(config, STAGE_LATENCY["book"])
        m.submodules.imbalance = imbalance = Imbalance(config)
        m.submodules.taker = taker = Taker(config)
        m.submodules.gate = gate = Gate(config)
        m.submodules.emit = emit = Emit(config)
        m.submodules.counters = counters = Counters()
        m.submodules.latency_stats = latency = Latency()

        wiring.connect(m, wiring.flipped(self.i), feeds.i)
        wiring.connect(m, feeds.o, admission.i)
        wiring.connect(m, admission.o, decoder.i)
        wiring.connect(m, decoder.o, book.i)
        m.d.comb += [trades.i.valid.eq(decoder.o.valid), trades.i.p.eq(decoder.o.p)]
        for source, target in ((book.o, imbalance.i), (book.result, emit.views)):
            m.d.comb += [
                target.valid.eq(source.valid),
                target.p.eq(source.p),
                target.p.trades.eq(trades.o.p),
            ]
        wiring.connect(m, imbalance.o, taker.i)
        wiring.connect(m, taker.o, gate.i)
        wiring.connect(m, gate.o, emit.decisions)
        wiring.connect(m, emit.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.bus), bank.bus)

        cycle, init_done = Signal(64), Signal()
        swept = (feeds.init_done, book.init_done, trades.init_done, gate.init_done)
        m.d.sync += [cycle.eq(cycle + 1), init_done.eq(Cat(swept).all())]
        m.d.comb += [
            admission.room.eq(emit.room),
            admission.swept.eq(init_done),
            decoder.own.eq(admission.own),
            decoder.cycle.eq(cycle),
            book.ahead.eq(decoder.ahead),
            gate.cycle.eq(cycle),
            feeds.view.valid.eq(book.o.valid),
            feeds.view.p.eq(book.o.p),
        ]

        held, shown = bank.held, bank.shown
        for stage, names in (
            (book, ("refill_level", "refill_retry", "report", "stale_us")),
            (trades, ("trade_window",)),
            (imbalance, ("ratio_num", "ratio_den")),
            (taker, ("order_qty",)),
            (gate, ("mode", "rate_interval_us", "rate_burst_us", "stale_us")),
        ):
            m.d.comb += [getattr(stage, name).eq(held[name]) for name in names]
        m.d.comb += [
            feeds.shadow[side][name].eq(held[f"sbe_{side}_{name}"])
            for side in ("price", "qty")
            for name in ("exponent", "shift", "inverse", "bound")
        ]
        m.d.comb += feeds.shadow.enable.eq(held.sbe_enable)
        m.d.comb += [gate.shadow[name].eq(held[f"limit_{name}"]) for name, _ in gate.shadow.shape()]
        m.d.comb += [
            book.levels_n.eq(Mux(held.levels_n > VIEW_LEVELS, VIEW_LEVELS, held.levels_n)),
            imbalance.enable.eq(held.rule_enable),
            admission.reset.eq(bank.strobes.symbol_reset),
            admission.reset_symbol.eq(bank.written),
            feeds.commit.eq(bank.strobes.sbe_commit),
            feeds.commit_symbol.eq(bank.written),
            feeds.itch.first.eq(held.itch_first),
            feeds.itch.midnight_us.eq(held.itch_midnight_us),
            feeds.itch.policy.eq(held.itch_policy),
            feeds.itch.restart.eq(bank.strobes.itch_restart),
            feeds.itch.locate_write.eq(bank.strobes.itch_locate),
            feeds.itch.written.eq(bank.written),
            shown.itch_status.eq(feeds.itch_status),
            gate.commit.eq(bank.strobes.limit_commit),
            gate.commit_symbol.eq(bank.written),
            self.soft_reset.eq(bank.strobes.control & bank.written[0]),
            shown.id.eq(ID),
            shown.version.eq(VERSION),
            shown.config_hash.eq(contract_hash()),
            shown.build_symbols.eq(config.symbols),
            shown.build_levels.eq(config.levels),
            shown.build_qty_bits.eq(config.qty_bits),
            shown.build_feeds.eq(config.sbe | config.itch << 1 | config.itch_large << 2),
            shown.status.eq(Cat(init_done, admission.busy)),
            shown.limits_version.eq(gate.limits_version),
            shown.cycle.eq(cycle),
        ]

        for counting in (feeds, admission, decoder, book, taker, gate):
            for name, _ in counting.counts.shape():
                m.d.comb += counters.pulses[name].eq(counting.counts[name])
        for name, _ in counters.values.shape():
            m.d.comb += shown[name].eq(counters.values[name])

        decision = gate.o.p
        m.d.comb += [
            latency.add.eq(gate.o.valid & decision.wanted),
            latency.latency.eq(decision.latency),
            latency.span.eq(decision.cycle - decision.cycle_first),
            latency.index.eq(bank.array_index),
            bank.arrays.latency_histogram.eq(latency.latency_count),
            bank.arrays.span_histogram.eq(latency.span_count),
            shown.latency_min.eq(latency.least),
            shown.latency_max.eq(latency.greatest),
            shown.latency_sum.eq(latency.total),
        ]
        return m
