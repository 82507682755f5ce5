# SPDX-License-Identifier: Apache-2.0
"""Profit and loss: holdings marked to the book's mid at every event, judged by their limits."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.data import bbo_valid
from hdl.risk.holdings import LATENCY as HELD
from hdl.risk.holdings import TICK_VALUE, Holdings, holdings_layout, later, signed_partials
from hdl.risk.rows import Rows
from hdl.risk.sums import below, halves, total_of
from hdl.types import flow, token_layout, view_layout

__all__ = ["BUCKETS", "LATENCY", "Losses", "losses_layout"]

#: Cycles from a view to what its mark makes of profit.
LATENCY = 5
#: Cycles by which all but `over` is told before it.
EARLY = 2
#: Buckets of the loss window.
BUCKETS = 4


def losses_layout(config: BuildConfig) -> data.StructLayout:
    """What the gate is told with each token; all but `over` two cycles before that."""
    held = config.held_bits
    return data.StructLayout(
        {
            "over": 3,  # loss of the day, of the window, drawdown over their maximum
            "streak": 8,  # losing round trips one after the other
            "gross": held,  # value of all positions, account units
            "net": signed(held),
        }
    )


class Losses(wiring.Component):
    """Mark every position at every book event, and judge the sum by day, window and best.

    ::

        tokens  0 to 7 position and cash of the symbol, and what a tick is worth (`Holdings`)
        views   0 product of mid and position begins  1 half of its sum  2 profit of the symbol
                3 of all  4 against its limits  5 the best of day and window, if it is that

    Fills are seen as they leave the decoder, the mid as it leaves the book, both before the gate:
    so an order is judged with its own event marked, and no cycle is spent on it. Each limit is a
    floor for the profit, so far below the best it is counted from; marks are two clocks apart, so
    the floor of the next one has what this one was.

    Latency is `LATENCY` cycles from `views`, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    lead : int
        Cycles from a token on `tokens` to the same on `views`, at least 7.

    Members
    -------
    tokens : In(flow(token_layout))
        Decoded records.
    views : In(flow(view_layout))
        The same tokens, after the book.
    commit : In(1), commit_symbol : In(32), lot_value, tick_value : In
        Values of a symbol, set with its limits.
    max_day_loss, max_window_loss, max_drawdown, loss_window : In
        Registers; a change is in force three cycles later.
    o : Out(losses_layout)
        As of the token.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig, lead: int) -> None:
        if lead < HELD:
            raise ValueError(f"lead: expected at least {HELD}, was {lead}")
        self.config, self.lead = config, lead
        super().__init__(
            {
                "tokens": In(flow(token_layout(config))),
                "views": In(flow(view_layout(config))),
                "commit": In(1),
                "commit_symbol": In(32),
                "lot_value": In(32),
                "tick_value": In(TICK_VALUE),
                "max_day_loss": In(64),
                "max_window_loss": In(64),
                "max_drawdown": In(64),
                "loss_window": In(6),
                "o": Out(losses_layout(config)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.holdings = holdings = Holdings(self.config)
        for name in ("commit", "commit_symbol", "lot_value", "tick_value"):
            m.d.comb += getattr(holdings, name).eq(getattr(self, name))
        m.d.comb += [
            holdings.tokens.valid.eq(self.tokens.valid),
            holdings.tokens.p.eq(self.tokens.p),
        ]
        held = Signal(holdings_layout(self.config))
        m.d.comb += held.eq(later(m, holdings.o, self.lead - HELD, "held"))
        profit = self._profit(m, held)
        total, facts, marks = self._total(m, held, profit)
        self._judge(m, total, facts)

        # In step with the gate.
        end = self.lead + LATENCY - EARLY
        m.d.comb += [
            self.o.streak.eq(later(m, holdings.streak, end - Holdings.STREAK, "streak")),
            self.o.net.eq(later(m, holdings.net, end - Holdings.WORTH, "net")),
            self.o.gross.eq(later(m, holdings.gross, end - Holdings.WORTH, "gross")),
            self.init_done.eq(holdings.init_done & marks.init_done),
        ]
        return m

    def _profit(self, m: Module, held: Any) -> Value:
        """0 to 2: profit of the symbol, in halves of a unit."""
        view = self.views.p
        bits = max(len(held.position) + 34, len(held.cash) + 2)
        plus: list[Value] = []
        minus: list[Value] = []
        for name in ("bid", "ask"):
            price = view[name].levels[0].price
            more, less = signed_partials(m, held.position, price, f"{name}_part")
            plus, minus = plus + more, minus + less
        cash1, cash2 = (Signal.like(held.cash, name=f"cash{n}") for n in (1, 2))
        sums = [Signal(bits, name=f"sum{n}", reset_less=True) for n in (0, 1)]
        m.d.sync += [
            cash1.eq(held.cash),
            cash2.eq(cash1),
            *(word.eq(each) for word, each in zip(sums, halves(m, plus, minus, bits), strict=True)),
        ]
        return total_of(m, [*sums, Cat(Const(0, 1), cash2).as_signed()], [], bits)

    def _total(self, m: Module, held: Any, profit2: Value) -> tuple[Signal, list[Signal], Rows]:
        """3: profit of all symbols; in stage 4. What kind of token it is, by stage."""
        view, bits = self.views.p, len(profit2)
        fact = data.StructLayout(
            {"marks": 1, "adopt": 1, "day": 1, "place": 2, "bucket": 62, "before": 62}
        )
        facts = [Signal(fact, name=f"mark{n}") for n in range(5)]
        bucket = view.now_us >> self.loss_window
        m.d.comb += [
            facts[0].marks.eq(self.views.valid & view.book & bbo_valid(view.reasons)),
            facts[0].adopt.eq(held.adopt),
            facts[0].day.eq(held.day),
            Cat(facts[0].place, facts[0].bucket).eq(bucket),
        ]
        for n in range(1, 5):
            m.d.sync += facts[n].eq(facts[n - 1])
        m.d.sync += facts[2].before.eq(facts[1].bucket - 1)

        # What does not mark changes nothing; a position that was taken over is not marked yet.
        m.submodules.mark_rows = marks = Rows(
            data.StructLayout({"profit": signed(bits)}), self.config.symbols, self.config.spaced
        )
        three, total = facts[3], Signal(signed(bits + 8))
        profit, was = Signal(signed(bits)), Signal(signed(bits))
        m.d.comb += [
            marks.index.eq(view.symbol[: len(marks.index)]),
            marks.write2.eq(three.marks | three.adopt),
            marks.write_index2.eq(marks.index2),
            marks.new2.profit.eq(profit),
        ]
        m.d.sync += [
            profit.eq(Mux(facts[2].marks, profit2, 0)),
            was.eq(Mux(facts[2].marks, marks.row1.profit, 0)),
            total.eq(total_of(m, [total, profit], [was], len(total))),
        ]
        return total, facts, marks

    def _judge(self, m: Module, total: Signal, facts: list[Signal]) -> None:
        """4 and 5: limits; the best of each bucket and of the day once its mark is in."""
        three, four, bits = facts[3], facts[4], len(total)
        total5, day = Signal.like(total), three.day
        base, day_floor = Signal(signed(bits)), Signal(signed(bits + 1))
        # What the floors will be if the total of now is the best.
        high, peak = (Signal(signed(bits + 1), name=f"{name}_under") for name in ("high", "peak"))
        m.d.sync += [
            total5.eq(total),
            day_floor.eq(_floor(m, base, self.max_day_loss, bits)),
            high.eq(_floor(m, total, self.max_window_loss, bits)),
            peak.eq(_floor(m, total, self.max_drawdown, bits)),
        ]
        best, rises = self._best(m, "best", total, total5, four.marks, day)
        best_floor = self._kept_floor(m, "best", best, rises, self.max_drawdown, peak)
        under = []
        for at in range(BUCKETS):
            number = Signal(62, name=f"bucket{at}")
            used, inside, own = (Signal(name=f"{name}{at}") for name in ("used", "inside", "own"))
            mine = four.marks & (four.place == at)
            # The one of the last four buckets that has this place.
            number3 = Mux(three.place >= at, three.bucket, three.before)
            m.d.sync += [
                inside.eq(used & (number == number3)),
                own.eq(used & (number == three.bucket)),
            ]
            name = f"high{at}"
            best, rises = self._best(m, name, total, total5, mine, mine & ~own)
            floor = self._kept_floor(m, name, best, rises, self.max_window_loss, high)
            under.append(inside & below(total, floor))
            with m.If(mine):
                m.d.sync += [used.eq(1), number.eq(four.bucket)]
            with m.If(day):
                m.d.sync += used.eq(0)
        with m.If(day):
            m.d.sync += base.eq(total)
        m.d.sync += self.o.over.eq(
            Cat(below(total, day_floor), Cat(under).any(), below(total, best_floor))
        )

    def _best(
        self, m: Module, name: str, total: Signal, total5: Signal, counts: Value, first: Value
    ) -> tuple[Signal, Signal]:
        """Greatest total that counted since the first; and whether it is the one in stage 5."""
        best, rises = Signal.like(total, name=name), Signal(name=f"{name}_rises")
        m.d.sync += rises.eq(first | (counts & below(best, total)))
        with m.If(rises):
            m.d.sync += best.eq(total5)
        return best, rises

    def _kept_floor(
        self, m: Module, name: str, best: Signal, rises: Signal, limit: Value, risen: Value
    ) -> Signal:
        """Floor below a best, a clock after it: a sum of the best, or of what will be the best."""
        kept, floor = (Signal.like(risen, name=f"{name}_{which}") for which in ("kept", "floor"))
        rose = Signal(name=f"{name}_rose")
        m.d.sync += kept.eq(_floor(m, best, limit, len(best)))
        if self.config.spaced:
            return kept
        m.d.sync += rose.eq(rises)
        with m.If(rises):
            m.d.sync += floor.eq(risen)
        with m.Elif(~rose):  # the sum of a best that has just risen is not there yet
            m.d.sync += floor.eq(kept)
        return floor


def _floor(m: Module, best: Value, limit: Value, bits: int) -> Value:
    """Least profit that a limit allows below the best, in halves of a unit."""
    return total_of(m, [best], [Cat(Const(0, 1), limit)], bits + 1)
