# SPDX-License-Identifier: Apache-2.0
"""The way out: queues, and the 64-byte records made from them in a fixed order."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.link.admission import reserved
from hdl.memory import Queue, ShortQueue, queue_of
from hdl.records import (
    OUT_RECORDS,
    AlertCause,
    AlertFlag,
    DecisionFlag,
    FeaturesFlag,
    OutKind,
    TradesFlag,
    ViewFlag,
    ViewReason,
)
from hdl.signal.catalogue import FEATURE_COUNT, FEATURE_PAGES, FEATURES_PER_RECORD
from hdl.sums import cut
from hdl.types import SideState, decision_layout, flow, vector_layout, view_result_layout

__all__ = ["ORDER", "Emit"]


#: Records an entry may cause, in the order in which they leave.
ORDER = (
    OutKind.DECISION,
    OutKind.ALERT,
    OutKind.REFILL_REQUEST,
    OutKind.VIEW,
    OutKind.TRADES,
    *(OutKind.FEATURES,) * FEATURE_PAGES,
)


class Emit(wiring.Component):
    """Queue decisions, views and features; emit for each event what it caused, in a fixed order.

    A view and its features are ready before the decision of their event and wait in queues of their
    own; a decision entry says whether a view belongs to it, a view whether features do. So the
    order of the records follows from the order of the input alone. One record leaves in a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    decisions : In(flow(decision_layout))
        From the gate.
    views : In(flow(view_result_layout))
        From the book.
    vectors : In(flow(vector_layout))
        Features; those of events that do not report them are dropped.
    o : Out(stream(512))
        Out records.
    room : Out(1)
        Both queues have room for everything in flight.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "decisions": In(flow(decision_layout(config))),
                "views": In(flow(view_result_layout(config))),
                "vectors": In(flow(vector_layout())),
                "o": Out(stream.Signature(512)),
                "room": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        heads: dict[str, data.View] = {}
        queues: dict[str, Queue | ShortQueue] = {}
        pages = FEATURE_PAGES if self.config.vectors else 0
        sources = [
            ("decisions", self.decisions, self.decisions.valid),
            ("views", self.views, self.views.valid),
        ]
        if pages:
            told_features = self.vectors.valid & self.vectors.p.report[2]
            sources.append(("vectors", self.vectors, told_features))
        for name, source, valid in sources:
            layout = source.p.shape()
            m.submodules[name] = queue = queue_of(layout.size, self.config.result_depth)
            m.d.comb += [queue.w_en.eq(valid), queue.w_data.eq(source.p.as_value())]
            heads[name] = data.View(layout, queue.r_data)
            queues[name] = queue
        most = self.config.result_depth - reserved(self.config)
        room = [queue.level < most for queue in queues.values()]
        m.d.sync += self.room.eq(Cat(room).all())

        decision, view = heads["decisions"], heads["views"]
        decisions, views = queues["decisions"], queues["views"]
        sent, seq, decision_id = Signal(len(ORDER)), Signal(32), Signal(24, init=1)

        # One record of each kind, from the heads of the queues.
        drafts = {
            kind: Signal(record.layout(), name=record.name) for kind, record in OUT_RECORDS.items()
        }
        order, alert, refill, shown, tape, page = (drafts[kind] for kind in dict.fromkeys(ORDER))
        of_kill = decision.alert == AlertCause.KILL
        side_flag = Mux(decision.side, int(DecisionFlag.SIDE), 0)
        refused = decision.verdict.any()
        hidden = ~int(ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE) & 0xFF
        view_flags: dict[ViewFlag, Value] = {
            ViewFlag.BBO_VALID: (view.reasons & hidden) == 0,
            ViewFlag.VALID: view.reasons == 0,
            ViewFlag.BID_WHOLE: (view.bid.state == SideState.KNOWN) & ~view.bid.bounded,
            ViewFlag.ASK_WHOLE: (view.ask.state == SideState.KNOWN) & ~view.ask.bounded,
        }
        for kind, draft in drafts.items():
            m.d.comb += [draft.kind.eq(int(kind)), draft.seq.eq(seq)]
        m.d.comb += [
            order.flags.eq(
                side_flag
                | Mux(refused, int(DecisionFlag.REFUSED), 0)
                | Mux(decision.reduce_only, int(DecisionFlag.REDUCE_ONLY), 0)
            ),
            order.symbol.eq(decision.symbol),
            order.order.eq(decision.order),
            order.update_id.eq(decision.update_id),
            order.qty_lots.eq(decision.qty),
            order.price_ticks.eq(decision.price),
            order.decision_id.eq(Cat(decision.slot, decision_id)),
            order.verdict.eq(decision.verdict),
            order.first_reason.eq(decision.first_reason),
            order.rule.eq(decision.strategy),
            order.latency_cycles.eq(decision.latency),
            order.span_cycles.eq(decision.cycle[:32] - decision.cycle_first),
            order.cycle_decision.eq(decision.cycle),
            order.score.eq(decision.score),
            order.limits_version.eq(decision.limits_version),
            order.limits_checksum.eq(decision.limits_checksum),
            alert.cause.eq(decision.alert),
            alert.kill_causes.eq(decision.kill_causes),
            refill.flags.eq(view.refill),
            shown.flags.eq(sum(Mux(holds, int(flag), 0) for flag, holds in view_flags.items())),
            shown.bid_qty_lots.eq(view.bid.best.qty),
            shown.ask_qty_lots.eq(view.ask.best.qty),
            shown.bid_price_ticks.eq(view.bid.best.price),
            shown.ask_price_ticks.eq(view.ask.best.price),
            shown.bid_sum_lots.eq(cut(view.bid.sum, len(shown.bid_sum_lots))),
            shown.ask_sum_lots.eq(cut(view.ask.sum, len(shown.ask_sum_lots))),
            shown.levels_n.eq(view.levels_n),
            shown.age_us.eq(view.age_us),
            tape.flags.eq(
                Mux(view.trades.side, int(TradesFlag.SIDE), 0)
                | Mux(view.trades.known, int(TradesFlag.KNOWN), 0)
            ),
            tape.window.eq(view.trades.window),
            tape.qty_lots.eq(view.trades.qty),
            tape.buy_lots.eq(cut(view.trades.buy_volume, len(tape.buy_lots))),
            tape.sell_lots.eq(cut(view.trades.sell_volume, len(tape.sell_lots))),
            tape.price_ticks.eq(view.trades.price),
        ]
        m.d.comb += [
            alert.flags.eq(Mux(of_kill, int(AlertFlag.CANCEL_ALL), side_flag)),
            alert.symbol.eq(Mux(of_kill, 0, decision.symbol)),
            alert.value.eq(Mux(of_kill, 0, decision.qty)),
            alert.price_ticks.eq(Mux(of_kill, 0, decision.price)),
            alert.tag.eq(Mux(of_kill, 0, decision.alert_tag)),
            alert.kind_in.eq(Mux(of_kill, 0, decision.alert_kind)),
        ]
        for draft in (refill, shown, tape, page):
            m.d.comb += [draft.symbol.eq(view.symbol), draft.update_id.eq(view.update_id)]
        for draft in (refill, shown):
            m.d.comb += [
                draft.reasons.eq(view.reasons),
                draft.bid_depth.eq(view.bid.depth),
                draft.ask_depth.eq(view.ask.depth),
            ]

        # Step through what the entry at the head has to tell: the first that is not sent yet.
        wanted, left, after = (
            Signal(len(ORDER), name=name) for name in ("wanted", "left", "after")
        )
        done = Signal()
        told = Cat(view.refill.any(), view.report[:2], view.report[2].replicate(pages))
        # What the heads want; in a spaced build from a register, a clock after they came.
        found = Cat(decision.wanted, decision.alert.any(), Mux(decision.has_view, told, 0))
        here = Signal()
        if self.config.spaced:
            m.d.sync += [wanted.eq(found), here.eq(decisions.r_rdy & ~done)]
        else:
            m.d.comb += [wanted.eq(found), here.eq(decisions.r_rdy)]
        m.d.comb += [
            left.eq(wanted & ~sent),
            after.eq(left & (left - 1)),
            self.o.valid.eq(here & left.any()),
        ]
        if pages:
            self._page(m, page, heads["vectors"], left[-pages:])
            takes = done & decision.has_view & view.report[2]
            m.d.comb += queues["vectors"].r_en.eq(takes)
        for at in reversed(range(len(ORDER))):
            with m.If(left[at]):
                m.d.comb += self.o.p.eq(drafts[ORDER[at]].as_value())
        m.d.comb += [
            done.eq(here & ~after.any() & (self.o.ready | ~left.any())),
            decisions.r_en.eq(done),
            views.r_en.eq(done & decision.has_view),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [seq.eq(seq + 1), sent.eq(wanted & ~after)]
            with m.If(left[0]):
                m.d.sync += decision_id.eq(decision_id + 1)
        with m.If(done):
            m.d.sync += sent.eq(0)
        return m

    def _page(self, m: Module, page: Any, vector: data.View, left: Value) -> None:
        """The first page of a vector that is left to tell."""
        number = Signal(range(max(2, FEATURE_PAGES)))  # of the page that is next
        values = [Signal(signed(32), name=f"value{n}") for n in range(FEATURES_PER_RECORD)]
        m.d.comb += [
            page.flags.eq(Mux(vector.usable, int(FeaturesFlag.USABLE), 0)),
            page.page.eq(number),
            *(page[f"value{n}"].eq(value) for n, value in enumerate(values)),
        ]
        with m.Switch(number):
            for at in range(FEATURE_PAGES):
                first = at * FEATURES_PER_RECORD
                with m.Case(at):
                    for n in range(min(FEATURES_PER_RECORD, FEATURE_COUNT - first)):
                        m.d.comb += values[n].eq(vector.features[first + n])
        for at in reversed(range(FEATURE_PAGES)):
            with m.If(left[at]):
                m.d.comb += number.eq(at)
