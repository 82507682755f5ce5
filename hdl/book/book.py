# SPDX-License-Identifier: Apache-2.0
"""The book: tokens in, views out."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.decide import COUNTS
from hdl.book.ladder import Ladder
from hdl.book.touch import Touch
from hdl.book.view import ViewAssembler
from hdl.config import BuildConfig
from hdl.types import (
    count_layout,
    first_layout,
    flow,
    side_layout,
    token_layout,
    view_layout,
    view_result_layout,
)

__all__ = ["Book"]


class Book(wiring.Component):
    """Sorted levels of every symbol, exact or silent (``docs/architecture.md``, the book).

    Latency is 7 cycles whatever the token, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(9)
        Row of the token that comes with the next clock: side, then symbol.
    i : In(flow(token_layout))
        Tokens.
    coming : Out(8)
        Symbol of the view that comes two clocks later.
    behind : Out
        Row of the token whose row comes with the next clock.
    first : Out(flow(first_layout))
        Quantities of the first levels of each row, as it leaves the ladder.
    side : Out(side_layout)
        That row a clock later, as it is shown.
    o : Out(flow(view_layout))
        Each token with both sides of its symbol after it; tape and profile are not the book's.
    result : Out(flow(view_result_layout))
        What is to be told of a book event.
    levels_n, refill_level, refill_retry, report, stale_us : In
        Registers.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept; tokens may come.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(9),
                "i": In(flow(token_layout(config))),
                "coming": Out(8),
                "behind": Out(config.row_bits),
                "first": Out(flow(first_layout(config))),
                "side": Out(side_layout(config)),
                "o": Out(flow(view_layout(config))),
                "result": Out(flow(view_result_layout(config))),
                "levels_n": In(4),
                "refill_level": In(7),
                "refill_retry": In(8),
                "report": In(3),
                "stale_us": In(32),
                "counts": Out(
                    count_layout(*COUNTS, "events", "events_bbo", "events_valid", "refill_requests")
                ),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.ladder = ladder = Ladder(self.config)
        m.submodules.touch = touch = Touch(self.config)
        m.submodules.view = view = ViewAssembler(self.config)
        wiring.connect(m, wiring.flipped(self.i), ladder.i)
        wiring.connect(m, ladder.o, touch.i)
        wiring.connect(m, view.o, wiring.flipped(self.o))
        wiring.connect(m, view.result, wiring.flipped(self.result))
        m.d.comb += [
            ladder.ahead.eq(self.ahead),
            ladder.levels_n.eq(self.levels_n),
            self.coming.eq(ladder.o.p.token.symbol),
            self.behind.eq(ladder.behind.row),
            self.first.valid.eq(ladder.o.valid),
            *(self.first.p[name].eq(ladder.o.p[name]) for name in ("row", "shown", "counted")),
            *(
                self.first.p.qtys[at].eq(ladder.o.p.qtys[at])
                for at in range(self.config.view_levels)
            ),
            self.side.eq(touch.side),
            view.ahead.eq(ladder.behind),
            view.i_valid.eq(touch.o_valid),
            view.token.eq(touch.token),
            view.row.eq(touch.row),
            view.side.eq(touch.side),
            view.levels_n.eq(self.levels_n),
            view.refill_level.eq(self.refill_level),
            view.refill_retry.eq(self.refill_retry),
            view.report.eq(self.report),
            view.stale_us.eq(self.stale_us),
            self.init_done.eq(ladder.init_done & view.init_done),
        ]
        for part in (ladder, view):
            for name in part.counts.shape():
                m.d.comb += self.counts[name[0]].eq(part.counts[name[0]])
        return m
