# SPDX-License-Identifier: Apache-2.0
"""The risk gate: closed unless every control is open."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import NO_REASON, InKind, Mode, Reason
from hdl.risk.exposure import Exposure
from hdl.risk.limits import Limits, limit_layout
from hdl.risk.rate import Rate
from hdl.types import count_layout, decision_layout, flow, intent_layout

__all__ = ["Gate"]


class Gate(wiring.Component):
    """Judge every order by all controls at once; the verdict is a bitmap of `Reason`.

    ::

        0 address of limits and exposure   1 limits leave the memory; notional, distance from mid
        2 compare, verdict, update of exposure and rate   3 decision

    Exposure and rate move in the cycle of the verdict, so the next order, one clock behind, is
    judged with this one already counted. They move only for an accepted order, and the queue behind
    has room for it by admission (`hdl.link.admission`): what is accepted here goes out.

    Latency is 3 cycles, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(intent_layout))
        Orders wanted and reports of own orders.
    o : Out(flow(decision_layout))
        A decision for each order, an entry for each waiting view.
    mode, rate_interval_us, rate_burst_us, stale_us : In
        Registers.
    shadow, commit, commit_symbol : In
        Limits, as in `Limits`.
    limits_version : Out(32)
        Commits since reset.
    cycle : In(64)
        Cycle counter.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(intent_layout(config))),
                "o": Out(flow(decision_layout(config))),
                "mode": In(2),
                "rate_interval_us": In(32),
                "rate_burst_us": In(32),
                "stale_us": In(32),
                "shadow": In(limit_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
                "limits_version": Out(32),
                "cycle": In(64),
                "counts": Out(count_layout("orders", "refusals")),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.limit_rows = limits = Limits(config)
        m.submodules.exposure = exposure = Exposure(config)
        m.submodules.rate = rate = Rate()
        m.d.comb += [
            limits.shadow.eq(self.shadow),
            limits.commit.eq(self.commit),
            limits.commit_symbol.eq(self.commit_symbol),
            limits.symbol.eq(self.i.p.symbol),
            exposure.symbol.eq(self.i.p.symbol),
            self.limits_version.eq(limits.version),
            self.init_done.eq(limits.init_done & exposure.init_done),
        ]

        # Stages 0 and 1.
        intent1, intent = Signal(intent_layout(config)), Signal(intent_layout(config))
        valid1, valid = Signal(), Signal()
        limit = Signal(limit_layout())
        notional = Signal(32 + config.qty_bits)
        off_mid = Signal(signed(35))
        twice_off_mid = (intent1.price << 1) - (intent1.bid_price + intent1.ask_price)
        m.d.sync += [
            valid1.eq(self.i.valid),
            intent1.eq(self.i.p),
            valid.eq(valid1),
            intent.eq(intent1),
            limit.eq(limits.limits),
            notional.eq(intent1.price * intent1.qty),
            off_mid.eq(twice_off_mid),
        ]

        # Stage 2.
        order = valid & intent.wanted
        worst = Mux(intent.side, exposure.short, exposure.long)
        exposed = worst + intent.qty
        mode = self.mode
        distance = Mux(off_mid < 0, -off_mid, off_mid)
        refusals: dict[Reason, Value] = {
            Reason.HALTED: (mode != Mode.REDUCE_ONLY) & (mode != Mode.ACTIVE),
            Reason.REDUCE_ONLY: (mode == Mode.REDUCE_ONLY) & (exposed > 0),
            Reason.PERMISSION: ~limit.permit,
            Reason.QUANTITY: (intent.qty == 0) | (intent.qty > limit.max_qty),
            Reason.NOTIONAL: notional > limit.max_notional,
            Reason.COLLAR: distance > (limit.collar_ticks << 1),
            Reason.POSITION: exposed > limit.max_position,
            Reason.RATE: rate.refuse,
            Reason.STALE: intent.age_us > self.stale_us,
            Reason.BOOK: ~intent.valid,
        }
        verdict, first = Signal(32), Signal(8)
        assert [int(reason) for reason in refusals] == list(range(len(refusals)))
        m.d.comb += [verdict.eq(Cat(refusals.values())), first.eq(NO_REASON)]
        for reason in sorted(refusals, reverse=True):
            with m.If(verdict[int(reason)]):
                m.d.comb += first.eq(int(reason))
        accept = Signal()
        m.d.comb += accept.eq(order & (verdict == 0))

        # A fill of a buy relieves the short side, the rest of a cancelled buy the long side.
        fill = intent.kind == InKind.FILL
        gone = (intent.kind == InKind.CANCEL) | (intent.kind == InKind.REJECT)
        m.d.comb += [
            exposure.add.eq(accept),
            exposure.subtract.eq(valid & (fill | gone)),
            exposure.is_short.eq(intent.side ^ fill),
            exposure.qty.eq(intent.qty),
            rate.now_us.eq(intent.now_us),
            rate.interval_us.eq(self.rate_interval_us),
            rate.burst_us.eq(self.rate_burst_us),
            rate.accept.eq(accept),
            self.counts.orders.eq(accept),
            self.counts.refusals.eq(order & ~accept),
        ]

        # Stage 3.
        decision = self.o.p
        for name in decision.shape().members:
            if name in intent.shape().members:
                m.d.sync += decision[name].eq(intent[name])
        cycle = Signal(64)
        m.d.comb += cycle.eq(self.cycle + 1)  # the cycle in which the decision stands
        m.d.sync += [
            self.o.valid.eq(valid & Cat(intent.wanted, intent.has_view).any()),
            decision.verdict.eq(verdict),
            decision.first_reason.eq(first),
            decision.cycle.eq(cycle),
            decision.latency.eq(cycle[:16] - intent.cycle_cause),
            decision.limits_version.eq(limits.version),
        ]
        return m
