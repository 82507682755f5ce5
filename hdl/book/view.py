# SPDX-License-Identifier: Apache-2.0
"""Both sides of a book at once, and whether they may be trusted."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.marks import Marks
from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.records import InKind, RefillFlag, ViewReason
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

    A token touches one side; the other comes from a memory. The memory is read one cycle before
    the side arrives, so only the token just ahead can be missing from what was read.

    Latency is 1 cycle, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the token that arrives with the next clock.
    i_valid, token, side, touched : In
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
                "ahead": In(8),
                "i_valid": In(1),
                "token": In(token_layout(config)),
                "side": In(side_layout(config)),
                "touched": In(1),
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
        shape = side_layout(config)
        token = Signal(token_layout(config))
        valid = Signal()
        sides = Signal(data.ArrayLayout(shape, 2))  # bid, ask
        symbol_bits = (config.symbols - 1).bit_length()

        # The side memories, the token just ahead forwarded.
        written = Signal(data.StructLayout({"en": 1, "symbol": 8, "side": 1, "shown": shape}))
        m.d.sync += [
            valid.eq(self.i_valid),
            token.eq(self.token),
            written.en.eq(self.i_valid & self.touched),
            written.symbol.eq(self.token.symbol),
            written.side.eq(self.token.side),
            written.shown.eq(self.side),
        ]
        m.submodules.marks = marks = Marks(config)
        done = [marks.init_done]
        for side, name in enumerate(("bids", "asks")):
            m.submodules[name] = mem = SweptMemory(shape, config.symbols)
            own = self.touched & (self.token.side == side)
            forwarded = written.en & (written.symbol == self.token.symbol) & (written.side == side)
            m.d.comb += [
                mem.read_addr.eq(self.ahead[:symbol_bits]),
                mem.write_en.eq(self.i_valid & own),
                mem.write_addr.eq(self.token.symbol[:symbol_bits]),
                mem.write_data.eq(self.side),
            ]
            m.d.sync += sides[side].eq(
                Mux(own, self.side, Mux(forwarded, written.shown, mem.read_data))
            )
            done.append(mem.done)
        m.d.comb += self.init_done.eq(Cat(done).all())

        # Marks by symbol and side.
        here, gap, resync = Signal(2), marks.before.gap, marks.before.resync
        m.d.comb += [
            here.eq(Mux(token.side, 0b10, 0b01)),
            marks.ahead.eq(self.ahead),
            marks.symbol.eq(self.token.symbol),
            marks.valid.eq(self.i_valid),
            marks.after.eq(marks.before),
        ]
        with m.If(token.poison):
            m.d.comb += marks.after.gap.eq(0b11)
        with m.Elif(token.kind == InKind.CLEAR):
            m.d.comb += [
                marks.after.gap.eq(gap | Mux(token.gap, here, 0)),
                marks.after.resync.eq(resync | Mux(token.resync, here, 0)),
            ]
        with m.Elif(token.kind == InKind.REFILL_BEGIN):
            m.d.comb += [
                marks.after.gap.eq(gap & ~here),
                marks.after.resync.eq(resync & ~here),
            ]

        # The verdict on the book.
        known = Cat(side.state == SideState.KNOWN for side in sides)
        empty = Cat(side.depth == 0 for side in sides)
        shallow = Cat(side.bounded & (side.depth < self.levels_n) for side in sides)
        retuned = Cat(side.n != self.levels_n for side in sides)
        bid, ask = sides[0], sides[1]
        reasons: dict[ViewReason, Value] = {
            ViewReason.UNKNOWN: ~known.all(),
            ViewReason.SHALLOW: (known & shallow).any(),
            ViewReason.CROSSED: known.all()
            & ~empty.any()
            & (bid.levels[0].price >= ask.levels[0].price),
            ViewReason.GAP: gap.any(),
            ViewReason.RESYNC: resync.any(),
            ViewReason.STALE: token.age_us > self.stale_us,
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
        marked = gap | resync
        loading = Cat(side.state == SideState.LOADING for side in sides)
        lost = ~loading & (Cat(side.state == SideState.UNKNOWN for side in sides) | marked)
        low = known & Cat(side.bounded & (side.depth < self.refill_level) for side in sides)
        want, unknown = Signal(2), Signal(2)
        m.d.comb += [want.eq(low | lost), unknown.eq(lost)]
        wait = marks.before.wait
        ask_now = event & want.any() & (wait == 0)
        with m.If(event):
            m.d.comb += marks.after.wait.eq(
                Mux(want.any(), Mux(wait == 0, self.refill_retry, wait - 1), 0)
            )

        view, result = self.o.p, self.result.p
        assert RefillFlag.BID_UNKNOWN == RefillFlag.BID << 2
        for name in (
            "kind",
            "symbol",
            "side",
            "book",
            "now_us",
            "age_us",
            "cycle_first",
            "cycle_cause",
            "value",
            "price",
            "forget",
        ):
            m.d.comb += view[name].eq(token[name])
        m.d.comb += [
            self.o.valid.eq(valid),
            view.bid.eq(bid),
            view.ask.eq(ask),
            view.reasons.eq(why),
            view.has_view.eq(self.result.valid),
            view.report.eq(self.report),
            self.result.valid.eq(event & (self.report.any() | ask_now)),
            result.symbol.eq(token.symbol),
            result.update_id.eq(token.value),
            result.age_us.eq(token.age_us),
            result.reasons.eq(why),
            result.refill.eq(Mux(ask_now, Cat(want, unknown), 0)),
            result.report.eq(self.report),
            result.levels_n.eq(self.levels_n),
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
