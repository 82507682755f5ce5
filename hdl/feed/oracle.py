# SPDX-License-Identifier: Apache-2.0
"""The exchange's own best bid and ask as a check of the book, while it runs."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.sbe.recorder import ticker_layout
from hdl.memory import SweptMemory
from hdl.records import ViewReason
from hdl.types import count_layout, flow, level_layout, view_layout

__all__ = ["Oracle"]

#: Reasons that leave the best bid and offer exact.
_IGNORED = ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE


class Oracle(wiring.Component):
    """Compare a best bid and ask with the symbol's last view, if both are of one update id.

    A ticker has its place in the stream where its last beat was; it is compared with the view of
    the last book event before that place, and with none if that event's best bid and offer were not
    valid or it has another id.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    delay : int
        Cycles from a record before the decoder to its token at `view`.

    Members
    -------
    ticker : In(ticker_layout), ticker_valid : In(1)
        A best bid and ask, for one cycle. The next comes `delay` + 3 cycles later or after.
    view : In(flow(view_layout))
        What the book shows.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig, delay: int) -> None:
        self.config, self.delay = config, delay
        super().__init__(
            {
                "ticker": In(ticker_layout(config)),
                "ticker_valid": In(1),
                "view": In(flow(view_layout(config))),
                "counts": Out(count_layout("sbe_bbo_checked", "sbe_bbo_mismatch")),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        view, level = self.view.p, level_layout(self.config)
        row_layout = data.StructLayout({"valid": 1, "update_id": 64, "bid": level, "ask": level})
        m.submodules.rows = rows = SweptMemory(row_layout, self.config.symbols)
        bits, new = len(rows.read_addr), rows.write_data
        ticker, shown = Signal(ticker_layout(self.config)), Signal(row_layout)
        waiting = Signal(self.delay + 3)
        with m.If(self.ticker_valid):
            m.d.sync += ticker.eq(self.ticker)
        m.d.sync += [waiting.eq(Cat(self.ticker_valid, waiting)), shown.eq(rows.read_data)]
        same, due = Signal(), Signal()
        m.d.comb += [
            rows.write_en.eq(self.view.valid & view.book),
            rows.write_addr.eq(view.symbol[:bits]),
            new.valid.eq((view.reasons & ~int(_IGNORED)) == 0),
            new.update_id.eq(view.value),
            new.bid.eq(view.bid.levels[0]),
            new.ask.eq(view.ask.levels[0]),
            rows.read_addr.eq(ticker.symbol[:bits]),
            due.eq(waiting[-1] & shown.valid & (shown.update_id == ticker.update_id)),
            same.eq((shown.bid == ticker.bid) & (shown.ask == ticker.ask)),
            self.counts.sbe_bbo_checked.eq(due),
            self.counts.sbe_bbo_mismatch.eq(due & ~same),
            self.init_done.eq(rows.done),
        ]
        return m
