# SPDX-License-Identifier: Apache-2.0
"""The decision: what was found of an event becomes one order, or none."""

import math

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import Rule
from hdl.signal.catalogue import SCORE_FRACTION_BITS
from hdl.strategy.exits import CAUSES
from hdl.strategy.filters import COST_BITS
from hdl.strategy.registers import SETTINGS
from hdl.strategy.rules import RULES
from hdl.strategy.sizing import PRICE_BITS, STEPS

__all__ = ["LATE_SETTINGS", "SCORE_BITS", "Decide", "choice_layout", "found_layout"]

SCORE_BITS = 32
#: Settings that the decision itself looks at.
LATE_SETTINGS = (
    "sides",
    "combine",
    "weight_least",
    "weights",
    "model_mode",
    "model_sides",
    "model_least",
    "filters",
    "edge_ticks",
    "edge_probability",
    "score_step",
    "entry_order",
    "exit_order",
    "flatten",
)
_WEIGHT_BITS = 6
_ANY, _ALL, _WEIGHTS = 0, 1, 2
_AS_RULE, _AS_FILTER = 1, 1  # model_mode itself, and its bit 1
_EDGE, _PAUSE, _FLAT = 1, 5, 6
#: Probability in 1/256 by quarters of a logit.
_QUARTER_BITS = SCORE_FRACTION_BITS - 2
_PROBABILITIES = [math.floor(256 / (1 + math.exp(-quarters / 4))) for quarters in range(32)]


def found_layout(config: BuildConfig) -> data.StructLayout:
    """All that was found of an event before its score is known."""
    widths = {name: bits for name, bits, _ in SETTINGS}
    sizes = data.ArrayLayout(config.qty_bits, STEPS)
    return data.StructLayout(
        {
            "usable": 1,
            "valid": 1,  # for N levels
            "fired": CAUSES,
            "exit_sell": 1,
            "exit_qty": config.qty_bits,
            "exit_prices": data.ArrayLayout(PRICE_BITS, 2),  # of a buy, of a sell
            "entry_prices": data.ArrayLayout(PRICE_BITS, 2),
            "on": len(RULES),
            "buy": len(RULES),
            "sell": len(RULES),
            "holds": 1,
            "high": 1,
            "cost": COST_BITS,
            "flat": 1,
            "normal_sizes": sizes,
            "high_sizes": sizes,
            **{name: widths[name] for name in LATE_SETTINGS},
        }
    )


def choice_layout(config: BuildConfig) -> data.StructLayout:
    """What is wanted."""
    return data.StructLayout(
        {
            "wanted": 1,
            "exit": 1,
            "filtered": 1,  # a filter held an entry back
            "sell": 1,
            "qty": config.qty_bits,
            "price": PRICE_BITS,
            "order": 8,
            "strategy": 8,  # Rule
        }
    )


class Decide(wiring.Component):
    """Exit, entry or nothing (``docs/signals.md``, strategy).

    Combinational, but that in a spaced build, where what was found stands, it takes three clocks:
    sums and the score, then votes, then the choice.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    found : In(found_layout)
        What is known of the event.
    score : In(signed 32)
        Of the model, Q15.16; 0 without one. In a spaced build two clocks ahead of `choice`.
    paused : In(1)
        The last order was too short a time ago for an entry.
    busy : In(1)
        An exit is still working.
    choice : Out(choice_layout)
        What is wanted.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "found": In(found_layout(config)),
                "score": In(signed(SCORE_BITS)),
                "paused": In(1),
                "busy": In(1),
                "choice": Out(choice_layout(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        found, choice, score = self.found, self.choice, self.score

        def before(value: Value, name: str) -> Value:
            """What is known a clock before: in a spaced build a register."""
            if not self.config.spaced:
                return value
            held = Signal(value.shape(), name=name)
            m.d.sync += held.eq(value)
            return held

        # The model: how sure, and of what.
        size = Signal(SCORE_BITS)
        m.d.comb += size.eq(Mux(score < 0, -score, score))
        for_buy, for_sell = before(score >= 0, "for_buy"), before(score <= 0, "for_sell")
        sure = before(size >= found.model_least, "sure")
        model_buy = found.model_sides[0] & for_buy & sure
        model_sell = found.model_sides[1] & for_sell & sure
        as_rule = (found.model_mode == _AS_RULE) & found.model_sides.any()
        as_filter = found.model_mode[_AS_FILTER]

        # Votes.
        on = Cat(found.on, as_rule)
        buys = Cat(found.buy, as_rule & model_buy & ~model_sell)
        sells = Cat(found.sell, as_rule & model_sell & ~model_buy)
        weights = [found.weights.word_select(at, _WEIGHT_BITS) for at in range(len(on))]
        *of_rules, of_model = weights
        by_rules = (
            Mux(found.buy[at], weight, 0) - Mux(found.sell[at], weight, 0)
            for at, weight in enumerate(of_rules)
        )
        balance = before(sum(by_rules, start=Const(0)), "balance")
        # What the rules must come to without the model, with its vote, and against it.
        least = Mux(found.weight_least == 0, 1, found.weight_least)
        needed = {
            "alone": before(least, "least"),
            "beside": before(least - of_model, "least_beside"),
            "against": before(least + of_model, "least_against"),
        }
        by_buy, by_sell = buys[-1], sells[-1]
        up = {name: balance >= least for name, least in needed.items()}
        down = {name: balance + least <= 0 for name, least in needed.items()}
        rises = Mux(by_buy, up["beside"], Mux(by_sell, up["against"], up["alone"]))
        falls = Mux(by_sell, down["beside"], Mux(by_buy, down["against"], down["alone"]))
        buy, sell = Signal(), Signal()
        with m.Switch(found.combine):
            with m.Case(_ANY):
                m.d.comb += [
                    buy.eq(buys.any() & ~sells.any()),
                    sell.eq(sells.any() & ~buys.any()),
                ]
            with m.Case(_ALL):
                m.d.comb += [
                    buy.eq(on.any() & ((on & ~buys) == 0)),
                    sell.eq(on.any() & ((on & ~sells) == 0)),
                ]
            with m.Case(_WEIGHTS):
                m.d.comb += [buy.eq(rises), sell.eq(falls)]
        buying = before(buy & found.sides[0] & (~as_filter | model_buy), "buying")
        selling = before(sell & found.sides[1] & (~as_filter | model_sell), "selling")
        is_sell = before(sell, "is_sell")
        along = before(Mux(sell, for_sell, for_buy), "along")
        votes = before(Mux(sell, sells, buys), "votes")

        # Filters that need the score or what was ordered before.
        by_model = found.model_mode.any()
        sure_by = Signal(8)
        quarters = size >> _QUARTER_BITS
        with m.Switch(Mux(quarters > 31, 31, quarters[:5])):
            for at, known in enumerate(_PROBABILITIES):
                with m.Case(at):
                    m.d.comb += sure_by.eq(known)
        probability = Mux(by_model, sure_by, found.edge_probability)
        pays = before(before(found.edge_ticks * probability, "edge") >= found.cost, "pays")
        agrees = ~by_model | along
        filters = found.filters
        passes = (
            found.holds
            & (~filters[_EDGE] | (pays & agrees))
            & (~filters[_PAUSE] | ~self.paused)
            & (~filters[_FLAT] | found.flat)
        )

        # Size: a quarter more for each step of the score.
        over = size - found.model_least
        step = found.score_step
        passed = [
            before(before(over >= by, f"over{n}"), f"passed{n}")
            for n, by in enumerate((step, step << 1, (step << 1) + step))
        ]
        steps = Signal(range(STEPS))
        m.d.comb += steps.eq(Mux(along, sum(passed), 0))
        sizes = Array(
            Mux(found.high, high, normal)
            for high, normal in zip(found.high_sizes, found.normal_sizes, strict=True)
        )

        leaving = found.usable & found.fired.any()
        entering = found.valid & found.usable & ~leaving & ~found.flatten & (buying | selling)
        out = Signal()
        entered_by = votes | Mux(as_filter, int(Rule.MODEL), 0)
        m.d.comb += [
            out.eq(leaving & ~self.busy),
            choice.exit.eq(out),
            choice.wanted.eq(out | (entering & passes)),
            choice.filtered.eq(entering & ~passes),
            choice.sell.eq(Mux(out, found.exit_sell, is_sell)),
            choice.qty.eq(Mux(out, found.exit_qty, sizes[steps])),
            choice.order.eq(Mux(out, found.exit_order, found.entry_order)),
            choice.strategy.eq(Mux(out, found.fired | int(Rule.EXIT), entered_by)),
        ]
        prices: list[Value] = [
            Mux(out, found.exit_prices[side], found.entry_prices[side]) for side in range(2)
        ]
        m.d.comb += choice.price.eq(Mux(choice.sell, prices[1], prices[0]))
        return m
