# SPDX-License-Identifier: Apache-2.0
"""The stages, connected: records in, records out, registers beside them."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.book import Book
from hdl.book.trades import Trades
from hdl.config import VIEW_LEVELS, BuildConfig
from hdl.feed.feeds import Feeds
from hdl.feed.native import TickDecoder
from hdl.link.admission import IN_FLIGHT, Admission
from hdl.link.emit import Emit
from hdl.model.forest import Forest
from hdl.model.shape import forest_shape
from hdl.records import IN_RECORD, Mode
from hdl.regs.bank import BANK_BUS, Bank
from hdl.regs.copier import LIMIT_RUN, STRATEGY_RUN, Copier, index_of
from hdl.regs.register import Register
from hdl.regs.table import ID, TABLE, VERSION, contract_hash
from hdl.risk.gate import AHEAD, Gate
from hdl.risk.losses import LATENCY, Losses
from hdl.risk.registers import LIMITS
from hdl.signal.catalogue import FEATURE_COUNT, FEATURES_ID
from hdl.signal.profile import Profile
from hdl.signal.vector import FeatureVector
from hdl.spread import READ_CLOCKS
from hdl.stats.counters import ROW_BITS, CounterRows, Counters
from hdl.stats.latency import Latency
from hdl.strategy.registers import SETTINGS
from hdl.strategy.settings import Settings
from hdl.strategy.strategy import Strategy, strategy_latency
from hdl.types import view_layout

__all__ = [
    "DECISION_LATENCY",
    "LAMPS",
    "STAGE_LATENCY",
    "Pipeline",
    "decision_latency",
    "shadow_runs",
    "stage_latency",
]

#: What a board shows: `alive` blinks once the memories are swept; `valid`: the view of the last
#: book event was; `armed`: the gate may pass orders; `killed`: the kill latch is set.
LAMPS = data.StructLayout({"alive": 1, "valid": 1, "armed": 1, "killed": 1})
#: Bit of the cycle counter that blinks: 0.3 to 1.3 s on and as long off, 25 to 100 MHz.
_BLINK_BIT = 25
#: Cycles from a token of the decoder to its view.
_BOOK = 7
#: Of a view, what is there in its own clock only.
_PASSES = ("reasons", "has_view", "report", "trades")


def stage_latency(config: BuildConfig) -> dict[str, int]:
    """Cycles each stage takes, in the order of the pipeline.

    In a spaced build a record leaves admission from a register, and a view stands for a cycle
    before it is judged.
    """
    waits = int(config.spaced)
    return {
        "admission": waits,
        "decoder": 1,
        "book": _BOOK + waits,
        "strategy": strategy_latency(config),
        "gate": 3,
    }


def decision_latency(config: BuildConfig) -> int:
    """Cycles from accept of an EVENT_END to its decision, always."""
    return sum(stage_latency(config).values())


#: The same for a build without a model.
STAGE_LATENCY = stage_latency(BuildConfig())
DECISION_LATENCY = decision_latency(BuildConfig())
if STAGE_LATENCY["strategy"] + 2 < LATENCY:
    raise ValueError(
        f"pipeline: expected losses within {STAGE_LATENCY['strategy'] + 2} cycles, was {LATENCY}"
    )


if STAGE_LATENCY["decoder"] + STAGE_LATENCY["book"] <= READ_CLOCKS:
    raise ValueError(
        f"pipeline: expected views over {READ_CLOCKS} cycles behind their records, "
        f"was {STAGE_LATENCY['decoder'] + STAGE_LATENCY['book']}"
    )


def shadow_runs() -> list[list[Register]]:
    """Registers of each run, by its number."""
    runs = {LIMIT_RUN: ("limit", LIMITS), STRATEGY_RUN: ("strategy", SETTINGS)}
    by_name = {register.name: register for register in TABLE}
    return [
        [by_name[f"{head}_{name}"] for name, _, _ in run] for _, (head, run) in sorted(runs.items())
    ]


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
        Records from the host, and frames of a feed in 16-byte beats behind a FRAME.
    o : Out(stream(512))
        Records to the host.
    bus : In(BANK_BUS)
        Registers.
    soft_reset : Out(1)
        The host asks for a reset of everything.
    kill_pin : In(1)
        External kill switch; asynchronous, high kills.
    lamps : Out(LAMPS)
        For the lamps of a board.
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
                "kill_pin": In(1),
                "lamps": Out(LAMPS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        shadows = shadow_runs() if config.spaced else ()
        m.submodules.bank = bank = Bank(shadows, counted=config.spaced)
        m.submodules.feeds = feeds = Feeds(config, config.spaced + STAGE_LATENCY["decoder"] + _BOOK)
        m.submodules.admission = admission = Admission(config)
        m.submodules.decoder = decoder = TickDecoder(config)
        m.submodules.book = book = Book(config)
        m.submodules.profile = profile = Profile(config)
        m.submodules.trades = trades = Trades(config, _BOOK)
        m.submodules.settings = settings = Settings(config)
        m.submodules.features = features = FeatureVector(config)
        m.submodules.strategy = strategy = Strategy(config)
        m.submodules.gate = gate = Gate(config)
        m.submodules.losses = losses = Losses(config, _BOOK)
        m.submodules.emit = emit = Emit(config)
        m.submodules.latency_stats = latency = Latency(config.spaced)

        wiring.connect(m, wiring.flipped(self.i), feeds.i)
        wiring.connect(m, feeds.o, admission.i)
        wiring.connect(m, admission.o, decoder.i)
        wiring.connect(m, decoder.o, book.i)
        wiring.connect(m, book.first, profile.i)
        m.d.comb += [trades.i.valid.eq(decoder.o.valid), trades.i.p.eq(decoder.o.p)]
        self._connect_strategy(m)
        if config.trees:
            self._connect_forest(m)
        self._connect_gate(m)
        seen = self._seen(m) if config.spaced else book.o
        for source, target in (
            (seen, strategy.i),
            (seen, features.i),
            (book.result, emit.views),
        ):
            m.d.comb += [target.valid.eq(source.valid), target.p.eq(source.p)]
        m.d.comb += emit.views.p.trades.eq(trades.o.p)
        for target in () if config.spaced else (strategy.i, features.i):
            m.d.comb += [target.p.trades.eq(trades.o.p), target.p.profile.eq(profile.o)]
        wiring.connect(m, strategy.o, gate.i)
        wiring.connect(m, features.o, emit.vectors)
        wiring.connect(m, gate.o, emit.decisions)
        wiring.connect(m, emit.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.bus), bank.bus)

        cycle, init_done, commits = Signal(64), Signal(), Signal()
        accepted = Signal.like(cycle)  # of the record that leaves admission
        m.d["sync" if config.spaced else "comb"] += accepted.eq(cycle)
        stages = (feeds, book, profile, trades, settings, features, strategy, gate, losses)
        swept = [latency.init_done, *(stage.init_done for stage in stages)]
        m.d.sync += [cycle.eq(cycle + 1), init_done.eq(Cat(swept).all())]
        m.d.comb += [
            admission.room.eq(emit.room),
            admission.swept.eq(init_done & ~commits),
            decoder.own.eq(admission.own),
            decoder.cycle.eq(accepted),
            book.ahead.eq(decoder.ahead),
            profile.side.eq(book.side),
            profile.ahead.eq(book.behind),
            gate.cycle.eq(cycle),
            feeds.view.valid.eq(book.o.valid),
            feeds.view.p.eq(book.o.p),
        ]

        held, shown = bank.held, bank.shown
        with m.If(book.o.valid & book.o.p.book):
            m.d.sync += self.lamps.valid.eq(book.o.p.reasons == 0)
        m.d.sync += [
            self.lamps.alive.eq(init_done & cycle[_BLINK_BIT]),
            self.lamps.armed.eq(
                ((held.mode == Mode.ACTIVE) | (held.mode == Mode.REDUCE_ONLY))
                & ~gate.kill_causes.any()
            ),
            self.lamps.killed.eq(gate.kill_causes.any()),
        ]
        for stage, names in (
            (book, ("refill_level", "refill_retry", "stale_us")),
            (trades, ("trade_window",)),
            (strategy, ("ratio_num", "ratio_den", "rule_enable", "order_qty")),
            (losses, ("max_day_loss", "max_window_loss", "max_drawdown", "loss_window")),
        ):
            m.d.comb += [getattr(stage, name).eq(held[name]) for name in names]
        m.d.comb += book.report.eq(held.report & Cat(Const(3, 2), config.vectors))
        m.d.comb += [
            feeds.shadow[side][name].eq(held[f"sbe_{side}_{name}"])
            for side in ("price", "qty")
            for name in ("exponent", "shift", "inverse", "bound")
        ]
        m.d.comb += feeds.shadow.enable.eq(held.sbe_enable)
        m.d.comb += [gate.settings[name].eq(held[name]) for name, _ in gate.settings.shape()]
        if config.spaced:
            m.d.comb += commits.eq(self._connect_copier(m, init_done))
        else:
            self._connect_shadows(m)
        m.d.comb += [
            book.levels_n.eq(Mux(held.levels_n > VIEW_LEVELS, VIEW_LEVELS, held.levels_n)),
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
            gate.select.eq(held.limit_select),
            gate.kill.eq(bank.strobes.kill),
            gate.rearm.eq(bank.strobes.rearm),
            gate.word.eq(bank.written),
            gate.kill_pin.eq(self.kill_pin),
            gate.room.eq(emit.room),
            self.soft_reset.eq(bank.strobes.control & bank.written[0]),
            shown.id.eq(ID),
            shown.version.eq(VERSION),
            shown.config_hash.eq(contract_hash()),
            shown.build_symbols.eq(config.symbols),
            shown.build_levels.eq(config.levels),
            shown.build_qty_bits.eq(config.qty_bits),
            shown.build_feeds.eq(config.sbe | config.itch << 1 | config.itch_large << 2),
            shown.build_parts.eq(config.vectors | config.spaced << 1 | config.own_orders << 8),
            shown.status.eq(Cat(init_done, admission.busy)),
            shown.limits_version.eq(gate.limits_version),
            shown.limit_in_force.eq(gate.in_force),
            shown.kill_causes.eq(gate.kill_causes),
            shown.cycle.eq(cycle),
        ]

        self._connect_counters(m)

        decision = gate.o.p
        m.d.comb += [
            latency.add.eq(gate.o.valid & decision.wanted),
            latency.latency.eq(decision.latency),
            latency.span.eq((decision.cycle[:32] - decision.cycle_first)[:32]),
            latency.index.eq(bank.array_index),
            bank.arrays.latency_histogram.eq(latency.latency_count),
            bank.arrays.span_histogram.eq(latency.span_count),
            shown.latency_min.eq(latency.least),
            shown.latency_max.eq(latency.greatest),
            shown.latency_sum.eq(latency.total),
        ]
        return m

    def _seen(self, m: Module) -> Any:
        """The view with its trades as it is judged in a spaced build: a clock later.

        Sides, their profile and the token stand by then; what does not is put in a register.
        """
        parts, layout = m.submodules, view_layout(self.config)
        shape = data.StructLayout({"valid": 1, "p": layout})
        view, seen = Signal(shape), Signal(shape)
        m.d.comb += [
            view.valid.eq(parts.book.o.valid),
            view.p.eq(parts.book.o.p),
            view.p.trades.eq(parts.trades.o.p),
            view.p.profile.eq(parts.profile.o),
        ]
        m.d.comb += [
            seen.p[name].eq(view.p[name]) for name in layout.members if name not in _PASSES
        ]
        m.d.sync += [seen.valid.eq(view.valid), *(seen.p[n].eq(view.p[n]) for n in _PASSES)]
        return seen

    def _connect_shadows(self, m: Module) -> None:
        """Shadow registers to what they are committed to, all at once."""
        parts = m.submodules
        bank, gate, losses, settings = parts.bank, parts.gate, parts.losses, parts.settings
        for block, run in ((gate, "limit"), (settings, "strategy")):
            m.d.comb += [
                block.shadow[name].eq(bank.held[f"{run}_{name}"])
                for name, _ in block.shadow.shape()
            ]
        m.d.comb += [
            getattr(losses, name).eq(bank.held[f"limit_{name}"])
            for name in ("lot_value", "tick_value")
        ]
        for block, strobe in (
            *((gate, bank.strobes.limit_commit), (losses, bank.strobes.limit_commit)),
            (settings, bank.strobes.strategy_commit),
        ):
            m.d.comb += [block.commit.eq(strobe), block.commit_symbol.eq(bank.written)]

    def _connect_copier(self, m: Module, swept: Value) -> Value:
        """Shadows from the bank's memory, word by word; whether any are on their way."""
        parts = m.submodules
        bank, gate, losses = parts.bank, parts.gate, parts.losses
        m.submodules.copier = copier = Copier(bank.shadows, self.config.symbols)
        copied = copier.o
        m.d.comb += [
            copier.commits.eq(Cat(bank.strobes.limit_commit, bank.strobes.strategy_commit)),
            copier.symbol.eq(bank.written),
            copier.swept.eq(swept),
            copier.go.eq(parts.admission.alone),
            bank.run.eq(copier.run),
            bank.index.eq(copier.index),
            copier.word.eq(bank.word),
            gate.copied.eq(copied),
            gate.coming.eq(parts.admission.coming),
            parts.settings.copied.eq(copied),
            losses.commit.eq(copied.done[LIMIT_RUN]),
            losses.commit_symbol.eq(copied.symbol),
        ]
        for name in ("lot_value", "tick_value"):
            value = Signal.like(getattr(losses, name), name=name)
            at = index_of(bank.shadows[LIMIT_RUN], f"limit_{name}")
            with m.If(copied.write[LIMIT_RUN] & (copied.index == at)):
                m.d.sync += value.eq(copied.word)
            m.d.comb += getattr(losses, name).eq(value)
        return copier.busy

    def _connect_strategy(self, m: Module) -> None:
        """Settings of the symbol that is coming, and state and features beside its view."""
        parts = m.submodules
        book, settings, features = parts.book, parts.settings, parts.features
        strategy, held = parts.strategy, parts.bank.held
        strobes, written = parts.bank.strobes, parts.bank.written
        # Of the one record under way, where there is one; rows then take their time.
        coming = parts.admission.coming if self.config.spaced else book.coming
        m.d.comb += [
            settings.ahead.eq(coming),
            parts.bank.shown.strategy_version.eq(settings.version),
            features.ahead.eq(coming),
            strategy.ahead.eq(coming),
            strategy.row.eq(settings.row),
            strategy.state.eq(features.row),
            strategy.ofi2.eq(features.ofi2),
            strategy.distance2.eq(features.distance2),
            strategy.volume2.eq(features.volume2),
            *(
                getattr(features, name).eq(settings.row[name])
                for name in ("flow_decay", "average_decay", "bar_log2_us", "micro_bank")
            ),
            features.micro_write.eq(strobes.micro_entry),
            features.micro_address.eq(held.micro_address),
            features.micro_entry.eq(written),
        ]

    def _connect_counters(self, m: Module) -> None:
        """Pulses to their counters, and those to the bank; in a spaced build through memory."""
        parts = m.submodules
        pulses: dict[str, Value] = {}
        spacing: dict[str, int] = {}
        one_a_record = ("admission", "decoder", "book", "strategy")
        for block in (*one_a_record, "feeds", "gate"):
            counts = parts[block].counts
            for name, _ in counts.shape():
                pulses[name] = counts[name]
                # The others count what comes between records as well.
                spacing[name] = IN_FLIGHT if block in one_a_record else 1
        if self.config.trees:
            forest = parts.forest
            for name, pulse in (
                ("model_loads", forest.loaded),
                ("model_refusals", forest.refused),
                ("model_overruns", forest.overrun),
            ):
                pulses[name], spacing[name] = pulse, 1
        bank = parts.bank
        if self.config.spaced:
            m.submodules.counters = rows = CounterRows(spacing)
            m.d.comb += [
                rows.read_en.eq(bank.bus.r_en),
                rows.read_addr.eq(bank.bus.addr[:ROW_BITS]),
                bank.counter.eq(rows.read_data),
            ]
            counting: Any = rows
        else:
            m.submodules.counters = counters = Counters()
            for name, _ in counters.values.shape():
                m.d.comb += bank.shown[name].eq(counters.values[name])
            counting = counters
        m.d.comb += [counting.pulses[name].eq(pulse) for name, pulse in pulses.items()]

    def _connect_forest(self, m: Module) -> None:
        """Features to the forest, its score to the strategy; its image from the registers."""
        parts, shape = m.submodules, forest_shape(self.config)
        features, strategy, bank = parts.features, parts.strategy, parts.bank
        strobes, shown = bank.strobes, bank.shown
        m.submodules.forest = forest = Forest(shape)
        m.d.comb += [
            forest.i.valid.eq(features.o.valid),
            *(forest.i.p.features[at].eq(features.o.p.features[at]) for at in range(FEATURE_COUNT)),
            strategy.score.eq(forest.o.p.score),
            forest.begin.eq(strobes.model_begin),
            forest.word.eq(strobes.model_data),
            forest.commit.eq(strobes.model_commit),
            forest.written.eq(bank.written),
            forest.features_id.eq(FEATURES_ID),
            shown.model_shape.eq(shape.code),
            shown.model_features.eq(FEATURES_ID),
            shown.model_status.eq(forest.status),
            shown.model_words.eq(forest.words),
            shown.model_id.eq(forest.active_model),
        ]

    def _connect_gate(self, m: Module) -> None:
        """Symbol and slot ahead of an intent; profit and positions in step with it."""
        parts, to_gate = m.submodules, strategy_latency(self.config) + self.config.spaced
        decoder, book, gate, losses = parts.decoder, parts.book, parts.gate, parts.losses
        m.d.comb += [losses.tokens.valid.eq(decoder.o.valid), losses.tokens.p.eq(decoder.o.p)]
        m.d.comb += [losses.views.valid.eq(book.o.valid), losses.views.p.eq(book.o.p)]
        ahead, profit = book.o.p, losses.o
        for at in range(to_gate - AHEAD):
            later = Signal(gate.ahead.shape(), name=f"ahead{at}")
            m.d.sync += [later[name].eq(ahead[name]) for name, _ in later.shape()]
            ahead = later
        for at in range(to_gate + 2 - LATENCY):
            late_profit = Signal.like(profit, name=f"profit{at}")
            m.d.sync += late_profit.eq(profit)
            profit = late_profit
        m.d.comb += [
            *(gate.ahead[name].eq(ahead[name]) for name, _ in gate.ahead.shape()),
            gate.losses.eq(profit),
        ]
