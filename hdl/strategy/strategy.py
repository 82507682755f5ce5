# SPDX-License-Identifier: Apache-2.0
"""The strategy: from a view and its features to an order that is wanted."""

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import ORDER_LIMIT_IOC
from hdl.signal.flow import flow_row
from hdl.signal.tape import tape_row
from hdl.signal.vector import BBO_IGNORES, signal_row
from hdl.strategy.decide import LATE_SETTINGS, SCORE_BITS, Decide, found_layout
from hdl.strategy.exits import Exits
from hdl.strategy.filters import Filters
from hdl.strategy.pace import Pace
from hdl.strategy.position import Position
from hdl.strategy.rules import Rules
from hdl.strategy.settings import ALWAYS, settings_layout
from hdl.strategy.sizing import Prices, Sizes
from hdl.types import count_layout, flow, intent_layout, view_layout

__all__ = ["Strategy", "strategy_latency"]

_FOUND = 2  # stage in which all but the score is known


def strategy_latency(config: BuildConfig) -> int:
    """Cycles from a view to its intent."""
    return _FOUND + 1 + config.score_wait


class Strategy(wiring.Component):
    """Position, exits, rules, filters and size of each event, and the choice that follows.

    What each is stands in ``docs/signals.md``.

    ::

        0 view, settings   1 position   2 all is found   (the score)   decide   intent

    Without a model that is 3 clocks. With one all that was found waits for the score, so the
    latency is a constant of the build either way (`strategy_latency`). In a spaced build the sides
    of a view stand since the clock before it, what was found stands, and the choice takes three
    clocks.

    Throughput one view a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the view that comes two clocks later.
    i : In(flow(view_layout))
        Views.
    row : In(settings_layout)
        Settings of its symbol, with `i`.
    rule_enable, ratio_num, ratio_den, order_qty : In
        Registers that rule symbols whose settings are not active.
    state : In(signal_row)
        State behind the features before the event, with `i`.
    ofi2, distance2, volume2 : In
        From the features, two clocks after `i`.
    score : In(signed 32)
        Of the model, in the clock in which it is decided, or in a spaced build two clocks before:
        3 + `BuildConfig.model_cycles` after `i`.
    o : Out(flow(intent_layout))
        Orders that are wanted, and every other token.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(8),
                "i": In(flow(view_layout(config))),
                "row": In(settings_layout()),
                "rule_enable": In(2),
                "ratio_num": In(16),
                "ratio_den": In(16),
                "order_qty": In(64),
                "state": In(signal_row(config)),
                "ofi2": In(flow_row(config)["ofi"].shape),
                "distance2": In(tape_row(config)["distance"].shape),
                "volume2": In(tape_row(config)["over"].shape),
                "score": In(signed(SCORE_BITS)),
                "o": Out(flow(intent_layout(config))),
                "counts": Out(count_layout("intents", "entries", "exits", "filtered")),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, view = self.config, self.i.p
        m.submodules.position = position = Position(config)
        m.submodules.exits = exits = Exits(config)
        m.submodules.rules = rules = Rules(config)
        m.submodules.filters = filters = Filters(config)
        m.submodules.sizes = sizes = Sizes(config)
        m.submodules.entry_prices = entry_prices = Prices(config)
        m.submodules.exit_prices = exit_prices = Prices(config)
        m.submodules.decide = decide = Decide(config)
        m.submodules.pace = pace = Pace(config)

        def later(value: Value, name: str, clocks: int = 1) -> Value:
            for clock in range(clocks):
                held = Signal(value.shape(), name=f"{name}{clock + 1}")
                m.d.sync += held.eq(value)
                value = held
            return value

        # Stage 0.
        row = self._settings_that_count(m)
        event = self.i.valid & view.book
        usable = event & ((view.reasons & (~int(BBO_IGNORES) & 0xFF)) == 0)

        for block in (exits, rules, filters):
            m.d.comb += [block.view.eq(view), block.row.eq(row)]
        for prices, order, protect in (
            (entry_prices, row.entry_order, row.entry_protect),
            (exit_prices, row.exit_order, row.exit_protect),
        ):
            m.d.comb += [
                prices.view.eq(view),
                prices.order.eq(order),
                prices.protect.eq(protect),
            ]
        m.d.comb += [
            position.ahead.eq(self.ahead),
            position.valid.eq(self.i.valid),
            position.view.eq(view),
            position.usable.eq(usable),
            exits.ahead.eq(self.ahead),
            exits.usable.eq(usable),
            exits.ranges.eq(self.state.motion.ranges),
            exits.held.eq(position.held),
            rules.ofi2.eq(self.ofi2),
            rules.distance2.eq(self.distance2),
            rules.volume2.eq(self.volume2),
            filters.state.eq(self.state),
            sizes.row.eq(row),
            self.init_done.eq(position.init_done & exits.init_done & pace.init_done),
        ]

        # Stage 2: all that is found, and its wait for the score.
        wait = config.score_wait
        found2 = Signal(found_layout(config))
        parts: dict[str, Value] = {
            "usable": later(usable, "usable", 2),
            "valid": later(event & (view.reasons == 0), "valid", 2),
            "fired": exits.fired,
            "exit_sell": exits.sell,
            "exit_qty": exits.qty,
            "on": rules.on,
            "buy": rules.buy,
            "sell": rules.sell,
            "holds": filters.holds,
            "high": filters.high,
            "cost": filters.cost,
            "flat": later(position.held.lots == 0, "flat"),
            "normal_sizes": sizes.normal,
            "high_sizes": sizes.high,
        }
        parts |= {name: later(row[name], name, 2) for name in LATE_SETTINGS}
        m.d.comb += [found2[name].eq(value) for name, value in parts.items()]
        for name, prices in (("entry_prices", entry_prices), ("exit_prices", exit_prices)):
            m.d.comb += [found2[name][0].eq(prices.buy), found2[name][1].eq(prices.sell)]
        score = self._wait(m, found2, later)

        # One clock before the decision: how long ago the symbol was acted on.
        before = 1 + wait
        choice = decide.choice
        m.d.comb += [
            pace.ahead.eq(later(self.ahead, "ahead", before)),
            pace.symbol.eq(later(view.symbol, "symbol", before)),
            pace.now_us.eq(later(view.now_us, "now", before)),
            pace.pause_us.eq(later(row.pause_us, "pause", before)),
            pace.retry_us.eq(later(row.exit_retry_us, "retry", before)),
            pace.reported.eq(later(position.held.reported, "reported", wait)),
            pace.usable.eq(decide.found.usable),
            pace.ordered.eq(choice.wanted),
            pace.left.eq(choice.exit),
            decide.paused.eq(pace.paused),
            decide.busy.eq(pace.busy),
        ]

        # The decision: its token becomes an intent, or passes as it is.
        token = Signal(intent_layout(config))
        for name in token.shape().members:
            if name in view.shape().members:
                m.d.comb += token[name].eq(view[name])
        m.d.comb += [
            token.valid.eq(view.reasons == 0),
            token.update_id.eq(view.value),
            token.qty.eq(view.value),
            token.bid_price.eq(view.bid.levels[0].price),
            token.ask_price.eq(view.ask.levels[0].price),
            token.last_known.eq(view.trades.known),
            token.last_price.eq(view.trades.price),
        ]
        passed = Signal(intent_layout(config))
        if config.spaced:
            # It is the only one under way, and stands until the next.
            with m.If(self.i.valid):
                m.d.sync += passed.eq(token)
        else:
            m.d.comb += passed.eq(later(token.as_value(), "token", _FOUND + wait))
        intent = self.o.p
        m.d.sync += [
            self.o.valid.eq(later(self.i.valid, "token_valid", _FOUND + wait)),
            intent.eq(passed),
            intent.mid2.eq(passed.bid_price + passed.ask_price),
            intent.wanted.eq(choice.wanted),
            intent.reduce_only.eq(choice.exit),
            intent.score.eq(Mux(choice.wanted, score, 0)),
        ]
        with m.If(choice.wanted):
            m.d.sync += [
                intent.valid.eq(1),
                intent.reasons.eq(0),
                intent.side.eq(choice.sell),
                intent.price.eq(choice.price),
                intent.qty.eq(choice.qty),
                intent.order.eq(choice.order),
                intent.strategy.eq(choice.strategy),
            ]
        m.d.comb += [
            self.counts.intents.eq(choice.wanted),
            self.counts.entries.eq(choice.wanted & ~choice.exit),
            self.counts.exits.eq(choice.exit),
            self.counts.filtered.eq(choice.filtered),
        ]
        return m

    def _wait(self, m: Module, found2: Signal, later: Callable[..., Value]) -> Value:
        """What was found waits for the score; the score, with the choice."""
        decide, wait, score = m.submodules.decide, self.config.score_wait, self.score
        if self.config.spaced:
            # What was found stands for two clocks until the choice, but what makes it one does not.
            found = Signal(found2.shape())
            m.d.comb += [
                found.eq(later(found2.as_value(), "found", wait - 2)),
                decide.found.eq(found),
                *(
                    decide.found[name].eq(later(found[name], f"{name}_found", 2))
                    for name in ("usable", "valid", "fired")
                ),
            ]
            score = later(score, "score", 2)
        else:
            m.d.comb += decide.found.eq(later(found2.as_value(), "found", wait))
        m.d.comb += decide.score.eq(self.score)
        return score

    def _settings_that_count(self, m: Module) -> Signal:
        """The symbol's own settings, or what the registers for all symbols say."""
        common: dict[str, Value | int] = {
            "imbalance_sides": self.rule_enable,
            "imbalance_num": self.ratio_num,
            "imbalance_den": self.ratio_den,
            "sides": 3,
            "qty_most": self.order_qty,
            "entry_order": ORDER_LIMIT_IOC,
        }
        row = Signal(settings_layout())
        for name, _ in settings_layout():
            own = self.row[name]
            chosen = own if name in ALWAYS else Mux(self.row.active, own, common.get(name, 0))
            m.d.comb += row[name].eq(chosen)
        return row
