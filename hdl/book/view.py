# SPDX-License-Identifier: Apache-2.0
"""Both sides of a book at once, and whether they may be trusted."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.asking import Asking, asked_layout, wanted
from hdl.book.both import BothSides
from hdl.book.row import only
from hdl.config import BuildConfig
from hdl.records import RefillFlag, ViewReason
from hdl.types import (
    SideState,
    count_layout,
    flow,
    side_layout,
    token_layout,
    view_layout,
    view_result_layout,
)

__all__ = ["ViewAssembler"]


class ViewAssembler(wiring.Component):
    """Keep what was last visible of each side, judge a book at the end of its event.

    Latency is 1 cycle, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(symbol, row)
        Of the token that arrives in two clocks.
    i_valid, token, row, side : In
        As `Touch` gives them.
    levels_n, refill_level, refill_retry, report, stale_us : In
        Registers.
    o : Out(flow(view_layout))
        The token with both sides and the reasons not to trust them.
    result : Out(flow(view_result_layout))
        One entry for each book event of which something is to be told.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(data.StructLayout({"symbol": 8, "row": config.row_bits})),
                "i_valid": In(1),
                "token": In(token_layout(config)),
                "row": In(config.row_bits),
                "side": In(side_layout(config)),
                "levels_n": In(4),
                "refill_level": In(7),
                "refill_retry": In(8),
                "report": In(3),
                "stale_us": In(32),
                "o": Out(flow(view_layout(config))),
                "result": Out(flow(view_result_layout(config))),
                "counts": Out(
                    count_layout("events", "events_bbo", "events_valid", "refill_requests")
                ),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        token = Signal(token_layout(config))
        valid = Signal()
        levels_n, report = Signal.like(self.levels_n), Signal.like(self.report)
        coming, stale = Signal(8), Signal()
        shallow, retuned = Signal(2), Signal(2)
        m.submodules.both = both = BothSides(config, side_layout(config))
        m.submodules.asking = asking = Asking(config)
        lacks: Any = Signal(asked_layout())
        m.d.sync += [
            levels_n.eq(self.levels_n),
            report.eq(self.report),
            valid.eq(self.i_valid),
            token.eq(self.token),
            coming.eq(self.ahead.symbol),
            stale.eq(self.token.age_us > self.stale_us),
            lacks.eq(asking.lacks),
        ]
        # Compared with registers as the sides arrive, so that the verdict begins with bits.
        for at, side in enumerate((both.coming.bid, both.coming.ask)):
            m.d.sync += [
                shallow[at].eq(side.bounded & (side.depth < self.levels_n)),
                retuned[at].eq(side.n != self.levels_n),
            ]
            m.d.comb += [
                asking.lacks.low[at].eq(
                    (side.state == SideState.KNOWN)
                    & side.bounded
                    & (side.depth < self.refill_level)
                ),
                asking.lacks.loading[at].eq(side.state == SideState.LOADING),
                asking.lacks.unknown[at].eq(side.state == SideState.UNKNOWN),
            ]
        m.d.comb += [
            both.ahead.eq(self.ahead.row),
            both.valid.eq(self.i_valid),
            both.row.eq(self.row),
            both.side.eq(self.side),
            asking.ahead.eq(coming),
            asking.valid.eq(self.i_valid),
            asking.token.eq(self.token),
            asking.refill_retry.eq(self.refill_retry),
            self.init_done.eq(asking.init_done & both.init_done),
        ]

        # The verdict on the book.
        bid, ask = sides = both.sides.bid, both.sides.ask
        gap, resync = asking.marks.gap, asking.marks.resync
        known = Cat(side.state == SideState.KNOWN for side in sides)
        empty = Cat(side.depth == 0 for side in sides)
        reasons: dict[ViewReason, Value] = {
            ViewReason.UNKNOWN: ~known.all(),
            ViewReason.SHALLOW: (known & shallow).any(),
            ViewReason.CROSSED: known.all()
            & ~empty.any()
            & (bid.levels[0].price >= ask.levels[0].price),
            ViewReason.GAP: gap.any(),
            ViewReason.RESYNC: resync.any(),
            ViewReason.STALE: stale,
            ViewReason.EMPTY: (known & empty).any(),
            ViewReason.RETUNE: (known & retuned).any(),
        }
        why = Signal(8)
        bits = [reasons.get(ViewReason(1 << bit), Const(0, 1)) for bit in range(len(why))]
        m.d.comb += why.eq(Cat(bits))
        event = valid & token.book
        ignored = ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE
        best_known = (why & ~int(ignored)) == 0

        # Refill requests, one per symbol and wait.
        want, unknown = wanted(asking.marks, lacks)
        ask_now = event & want.any() & (asking.marks.wait == 0)

        view, result = self.o.p, self.result.p
        assert RefillFlag.BID_UNKNOWN == RefillFlag.BID << 2
        for name in (
            "kind",
            "symbol",
            "tag",
            "side",
            "book",
            "now_us",
            "age_us",
            "cycle_first",
            "cycle_cause",
            "price",
            "adopt",
            "value",
            "forget",
        ):
            m.d.comb += view[name].eq(token[name])
        m.d.comb += [
            self.o.valid.eq(valid),
            view.bid.eq(bid),
            view.ask.eq(ask),
            view.reasons.eq(why),
            view.has_view.eq(self.result.valid),
            view.report.eq(report),
            self.result.valid.eq(event & (report.any() | ask_now)),
            result.symbol.eq(token.symbol),
            result.update_id.eq(token.value),
            result.age_us.eq(token.age_us),
            result.reasons.eq(why),
            result.refill.eq(only(ask_now, Cat(want, unknown))),
            result.report.eq(report),
            result.levels_n.eq(levels_n),
            self.counts.events.eq(event),
            self.counts.events_bbo.eq(event & best_known),
            self.counts.events_valid.eq(event & (why == 0)),
            self.counts.refill_requests.eq(ask_now),
        ]
        for shown, whole in ((result.bid, bid), (result.ask, ask)):
            m.d.comb += [
                shown.best.eq(whole.levels[0]),
                *(shown[name].eq(whole[name]) for name in ("sum", "depth", "state", "bounded")),
            ]
        return m
