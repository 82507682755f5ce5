# SPDX-License-Identifier: Apache-2.0
"""The way out: queues, and the 64-byte records made from them in a fixed order."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.link.admission import IN_FLIGHT
from hdl.records import (
    ORDER_LIMIT_IOC,
    OUT_RECORDS,
    DecisionFlag,
    OutKind,
    ViewFlag,
    ViewReason,
)
from hdl.types import SideState, decision_layout, flow, view_result_layout

__all__ = ["Emit"]


class _Step(enum.Enum, shape=2):  # type: ignore[call-arg]
    DECISION = 0
    REFILL = 1
    VIEW = 2


class Emit(wiring.Component):
    """Queue decisions and views; emit for each event its decision, refill request and view.

    A view is ready before the decision of its event and waits in a queue of its own; a decision
    entry says whether a view belongs to it. So the order of the records follows from the order of
    the input alone. One record leaves in a cycle, and one cycle goes by for each that an event
    does not have.

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
                "o": Out(stream.Signature(512)),
                "room": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        heads: dict[str, data.View] = {}
        queues: dict[str, SyncFIFOBuffered] = {}
        for name, source in (("decisions", self.decisions), ("views", self.views)):
            layout = source.p.shape()
            m.submodules[name] = queue = SyncFIFOBuffered(
                width=layout.size, depth=self.config.result_depth
            )
            m.d.comb += [queue.w_en.eq(source.valid), queue.w_data.eq(source.p.as_value())]
            heads[name] = data.View(layout, queue.r_data)
            queues[name] = queue
        room = [q.level < self.config.result_depth - IN_FLIGHT for q in queues.values()]
        m.d.sync += self.room.eq(room[0] & room[1])

        decision, view = heads["decisions"], heads["views"]
        decisions, views = queues["decisions"], queues["views"]
        step, seq, decision_id = Signal(_Step), Signal(32), Signal(32, init=1)

        # One record of each kind, from the heads of the queues.
        drafts = {
            kind: Signal(record.layout(), name=record.name) for kind, record in OUT_RECORDS.items()
        }
        order, refill, shown = (drafts[kind] for kind in OutKind)
        refused = decision.verdict.any()
        hidden = ~int(ViewReason.SHALLOW | ViewReason.RETUNE) & 0xFF
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
                Mux(decision.side, int(DecisionFlag.SIDE), 0)
                | Mux(refused, int(DecisionFlag.REFUSED), 0)
            ),
            order.symbol.eq(decision.symbol),
            order.order.eq(ORDER_LIMIT_IOC),
            order.update_id.eq(decision.update_id),
            order.qty_lots.eq(decision.qty),
            order.price_ticks.eq(decision.price),
            order.decision_id.eq(decision_id),
            order.verdict.eq(decision.verdict),
            order.first_reason.eq(decision.first_reason),
            order.rule.eq(decision.rule),
            order.latency_cycles.eq(decision.latency),
            order.cycle_first.eq(decision.cycle_first),
            order.cycle_decision.eq(decision.cycle),
            order.limits_version.eq(decision.limits_version),
            refill.flags.eq(view.refill),
            shown.flags.eq(sum(Mux(holds, int(flag), 0) for flag, holds in view_flags.items())),
            shown.bid_qty_lots.eq(view.bid.best.qty),
            shown.ask_qty_lots.eq(view.ask.best.qty),
            shown.bid_price_ticks.eq(view.bid.best.price),
            shown.ask_price_ticks.eq(view.ask.best.price),
            shown.bid_sum_lots.eq(view.bid.sum),
            shown.ask_sum_lots.eq(view.ask.sum),
            shown.levels_n.eq(view.levels_n),
            shown.age_us.eq(view.age_us),
        ]
        for draft in (refill, shown):
            m.d.comb += [
                draft.symbol.eq(view.symbol),
                draft.reasons.eq(view.reasons),
                draft.update_id.eq(view.update_id),
                draft.bid_depth.eq(view.bid.depth),
                draft.ask_depth.eq(view.ask.depth),
            ]

        # Step through what the entry at the head has to tell.
        wanted = Signal()
        done = Signal()
        m.d.comb += done.eq(decisions.r_rdy & (self.o.ready | ~wanted))
        m.d.comb += self.o.valid.eq(decisions.r_rdy & wanted)
        with m.Switch(step):
            with m.Case(_Step.DECISION):
                m.d.comb += [wanted.eq(decision.wanted), self.o.p.eq(order.as_value())]
            with m.Case(_Step.REFILL):
                m.d.comb += [wanted.eq(view.refill.any()), self.o.p.eq(refill.as_value())]
            with m.Default():
                m.d.comb += [wanted.eq(view.report), self.o.p.eq(shown.as_value())]
        last = (step == _Step.VIEW) | ((step == _Step.DECISION) & ~decision.has_view)
        m.d.comb += [decisions.r_en.eq(done & last), views.r_en.eq(done & (step == _Step.VIEW))]
        with m.If(done):
            m.d.sync += step.eq(
                Mux(last, _Step.DECISION, Mux(step == _Step.DECISION, _Step.REFILL, _Step.VIEW))
            )
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += seq.eq(seq + 1)
            with m.If(step == _Step.DECISION):
                m.d.sync += decision_id.eq(decision_id + 1)
        return m
