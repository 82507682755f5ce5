# SPDX-License-Identifier: Apache-2.0
"""The stages, connected: records in, records out, registers beside them."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.book import Book
from hdl.book.trades import Trades
from hdl.config import VIEW_LEVELS, BuildConfig
from hdl.feed.native import TickDecoder
from hdl.link.admission import IN_FLIGHT, Admission
from hdl.link.emit import Emit
from hdl.records import IN_RECORD
from hdl.regs.bank import BANK_BUS, Bank
from hdl.regs.table import ID, VERSION, contract_hash
from hdl.risk.gate import Gate
from hdl.signal.vector import FeatureVector
from hdl.stats.counters import Counters
from hdl.stats.latency import Latency
from hdl.strategy.settings import Settings
from hdl.strategy.strategy import Strategy, strategy_latency

__all__ = ["DECISION_LATENCY", "STAGE_LATENCY", "Pipeline", "decision_latency", "stage_latency"]


def stage_latency(config: BuildConfig) -> dict[str, int]:
    """Cycles each stage takes, in the order of the pipeline."""
    return {"decoder": 1, "book": 7, "strategy": strategy_latency(config), "gate": 3}


def decision_latency(config: BuildConfig) -> int:
    """Cycles from accept of an EVENT_END to its decision, always."""
    return sum(stage_latency(config).values())


#: The same for a build without a model.
STAGE_LATENCY = stage_latency(BuildConfig())
DECISION_LATENCY = decision_latency(BuildConfig())


class Pipeline(wiring.Component):
    """The whole fabric behind streams and a register bus.

    What a record does is in ``docs/contract.md``.
    Latency from accept of an EVENT_END to its decision is `decision_latency` cycles, whatever the
    data. Throughput is one record a cycle, held up only while the output is.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Raises
    ------
    ValueError
        More tokens would be in flight than the queues leave room for.

    Members
    -------
    i : In(stream(in record))
        Records from the host.
    o : Out(stream(512))
        Records to the host.
    bus : In(BANK_BUS)
        Registers.
    soft_reset : Out(1)
        The host asks for a reset of everything.
    """

    def __init__(self, config: BuildConfig) -> None:
        if decision_latency(config) >= IN_FLIGHT:
            raise ValueError(
                f"pipeline: expected under {IN_FLIGHT} tokens in flight, "
                f"was {decision_latency(config)}"
            )
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
        m.submodules.admission = admission = Admission(config)
        m.submodules.decoder = decoder = TickDecoder(config)
        m.submodules.book = book = Book(config)
        m.submodules.trades = trades = Trades(config, STAGE_LATENCY["book"])
        m.submodules.settings = settings = Settings(config)
        m.submodules.features = features = FeatureVector(config)
        m.submodules.strategy = strategy = Strategy(config)
        m.submodules.gate = gate = Gate(config)
        m.submodules.emit = emit = Emit(config)
        m.submodules.counters = counters = Counters()
        m.submodules.latency_stats = latency = Latency()

        wiring.connect(m, wiring.flipped(self.i), admission.i)
        wiring.connect(m, admission.o, decoder.i)
        wiring.connect(m, decoder.o, book.i)
        m.d.comb += [trades.i.valid.eq(decoder.o.valid), trades.i.p.eq(decoder.o.p)]
        for source, target in (
            (book.o, strategy.i),
            (book.o, features.i),
            (book.result, emit.views),
        ):
            m.d.comb += [
                target.valid.eq(source.valid),
                target.p.eq(source.p),
                target.p.trades.eq(trades.o.p),
            ]
        wiring.connect(m, strategy.o, gate.i)
        wiring.connect(m, features.o, emit.vectors)
        wiring.connect(m, gate.o, emit.decisions)
        wiring.connect(m, emit.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.bus), bank.bus)

        cycle, init_done = Signal(64), Signal()
        stages = (book, trades, settings, features, strategy, gate)
        swept = [stage.init_done for stage in stages]
        m.d.sync += [cycle.eq(cycle + 1), init_done.eq(Cat(swept).all())]
        m.d.comb += [
            admission.room.eq(emit.room),
            admission.swept.eq(init_done),
            decoder.own.eq(admission.own),
            decoder.cycle.eq(cycle),
            book.ahead.eq(decoder.ahead),
            gate.cycle.eq(cycle),
        ]

        held, shown = bank.held, bank.shown
        for stage, names in (
            (book, ("refill_level", "refill_retry", "report", "stale_us")),
            (trades, ("trade_window",)),
            (strategy, ("ratio_num", "ratio_den", "rule_enable", "order_qty")),
            (gate, ("mode", "rate_interval_us", "rate_burst_us", "stale_us")),
        ):
            m.d.comb += [getattr(stage, name).eq(held[name]) for name in names]
        m.d.comb += [gate.shadow[name].eq(held[f"limit_{name}"]) for name, _ in gate.shadow.shape()]
        m.d.comb += [
            book.levels_n.eq(Mux(held.levels_n > VIEW_LEVELS, VIEW_LEVELS, held.levels_n)),
            admission.reset.eq(bank.strobes.symbol_reset),
            admission.reset_symbol.eq(bank.written),
            settings.ahead.eq(book.coming),
            settings.commit.eq(bank.strobes.strategy_commit),
            settings.commit_symbol.eq(bank.written),
            *(
                settings.shadow[name].eq(held[f"strategy_{name}"])
                for name, _ in settings.shadow.shape()
            ),
            shown.strategy_version.eq(settings.version),
            features.ahead.eq(book.coming),
            strategy.ahead.eq(book.coming),
            strategy.row.eq(settings.row),
            strategy.state.eq(features.row),
            strategy.ofi2.eq(features.ofi2),
            strategy.distance2.eq(features.distance2),
            strategy.volume2.eq(features.volume2),
            *(
                getattr(features, name).eq(settings.row[name])
                for name in ("flow_decay", "average_decay", "bar_log2_us", "micro_bank")
            ),
            features.micro_write.eq(bank.strobes.micro_entry),
            features.micro_address.eq(held.micro_address),
            features.micro_entry.eq(bank.written),
            gate.commit.eq(bank.strobes.limit_commit),
            gate.commit_symbol.eq(bank.written),
            self.soft_reset.eq(bank.strobes.control & bank.written[0]),
            shown.id.eq(ID),
            shown.version.eq(VERSION),
            shown.config_hash.eq(contract_hash()),
            shown.build_symbols.eq(config.symbols),
            shown.build_levels.eq(config.levels),
            shown.build_qty_bits.eq(config.qty_bits),
            shown.status.eq(Cat(init_done, admission.busy)),
            shown.limits_version.eq(gate.limits_version),
            shown.cycle.eq(cycle),
        ]

        for counting in (admission, decoder, book, strategy, gate):
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
