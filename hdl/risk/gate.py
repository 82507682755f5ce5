# SPDX-License-Identifier: Apache-2.0
"""The risk gate: closed unless every control is open."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import NO_SLOT, AlertCause, InKind, KillCause, Mode, Reason, ViewReason
from hdl.risk.credit import Credit
from hdl.risk.data import Data
from hdl.risk.exposure import Exposure
from hdl.risk.kill import Kill
from hdl.risk.limits import Limits, commit_members, in_force_layout
from hdl.risk.losses import losses_layout
from hdl.risk.orders import Orders
from hdl.risk.price import Price
from hdl.risk.rate import Rate
from hdl.risk.registers import COUNTERS, SETTINGS
from hdl.risk.rows import VETOES
from hdl.risk.size import Size
from hdl.risk.verdict import TOLD_EARLY, Verdict, first_reason
from hdl.risk.window import Window
from hdl.types import count_layout, decision_layout, flow, intent_layout

__all__ = ["AHEAD", "MOVING", "Gate", "settings_layout"]

#: Clocks by which symbol, tag and stream time of a token are told before it.
AHEAD = 2
_REPORTS = (InKind.ACK, InKind.FILL, InKind.CANCEL, InKind.REJECT, InKind.CANCELLING)
#: Records that change what an order is judged by. Behind each is a clock without a record, and
#: between it and an EVENT_END before it.
MOVING = (*_REPORTS, InKind.RECONCILE, InKind.CREDIT, InKind.REARM)


def settings_layout() -> data.StructLayout:
    """Registers that hold for all symbols."""
    return data.StructLayout({name: bits for name, bits, _ in SETTINGS} | {"stale_us": 32})


class Gate(wiring.Component):
    """Judge every order by all controls at once; the verdict is a bitmap of `Reason`.

    ::

        -2 address of limits  -1 limits leave memory
         0 products begin; what a limit leaves the order, as far as state has no part in it
         1 state leaves memory: what each control finds of it, and of what stage 3 may write,
           but for those that need a product; what is left of that when some are taken off
         2 these; the verdict; what an accepted order would make of the state
         3 decision; the state is that, if it was accepted

    An order two clocks behind another reads the state of stage 3 in its stage 1, so it is judged
    with the other one counted. Orders come from events, which are two clocks apart, and admission
    keeps records that change state two clocks from each other and from orders
    (`hdl.link.admission`); an order that comes closer is refused (CROWDED), and controls on what
    came before it are not judged. The queue behind has room by admission: what is accepted here
    goes out.

    Latency is 3 cycles, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(symbol, tag, now_us)
        Of the token that is on `i` `AHEAD` cycles later.
    i : In(flow(intent_layout))
        Orders wanted, reports of own orders, and the host's other records.
    losses : In(losses_layout)
        Profit as of the token in stage 2, the rest as of the one in stage 0 (`hdl.risk.losses`).
    o : Out(flow(decision_layout))
        A decision for each order, an entry for each waiting view, and for each alert.
    settings : In(settings_layout)
        Registers.
    shadow, commit, commit_symbol, copied, select, in_force : In, Out
        Limits, as in `Limits`.
    coming : In(8)
        Symbol of the one record under way, from long before it comes; in a spaced build.
    kill, rearm : In(1), word : In(32), kill_pin : In(1)
        As in `Kill`.
    room : In(1)
        The queue behind has room for more than what is under way.
    limits_version : Out(32)
        Commits since reset.
    kill_causes : Out(4)
        `KillCause` bits of the kill latch.
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
                "ahead": In(data.StructLayout({"symbol": 8, "tag": 8, "now_us": 64})),
                "i": In(flow(intent_layout(config))),
                "losses": In(losses_layout(config)),
                "o": Out(flow(decision_layout(config))),
                "settings": In(settings_layout()),
                **commit_members(config),
                "coming": In(8),
                "select": In(8),
                "in_force": Out(32),
                "kill": In(1),
                "rearm": In(1),
                "word": In(32),
                "kill_pin": In(1),
                "room": In(1),
                "limits_version": Out(32),
                "kill_causes": Out(4),
                "cycle": In(64),
                "counts": Out(count_layout(*(name for name, _ in COUNTERS))),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, settings = self.config, self.settings
        m.submodules.limit_rows = limits = Limits(config)
        m.submodules.kill_latch = kill = Kill()
        m.submodules.price = price = Price(config)
        m.submodules.size = size = Size(config)
        m.submodules.exposure = exposure = Exposure(config)
        m.submodules.orders = orders = Orders(config)
        m.submodules.window = window = Window(config)
        m.submodules.data_checks = checks = Data(config)
        m.submodules.credit = credit = Credit(config)
        m.submodules.rate = rate = Rate()
        m.submodules.judge = judge = Verdict()

        # The token on its way, and its limits.
        one, two = (Signal(intent_layout(config), name=f"intent{n}") for n in (1, 2))
        valid1, valid2 = Signal(), Signal()
        symbol, tag, ahead_us = Signal(8), Signal(8), Signal(64)
        coming = self.coming if config.spaced else self.ahead.symbol
        limits0, limits1, limits2 = (
            Signal(in_force_layout(), name=f"limits{n}") for n in (0, 1, 2)
        )
        m.d.sync += [
            valid1.eq(self.i.valid),
            valid2.eq(valid1),
            *([] if config.spaced else [symbol.eq(coming)]),
            tag.eq(self.ahead.tag),
            ahead_us.eq(self.ahead.now_us),
        ]
        if config.spaced:
            # All stand while the token passes.
            m.d.comb += symbol.eq(coming)
            with m.If(self.i.valid):
                m.d.sync += one.eq(self.i.p)
            m.d.comb += [
                two.eq(one),
                *(each.eq(limits.limits) for each in (limits0, limits1, limits2)),
            ]
        else:
            m.d.sync += [one.eq(self.i.p), two.eq(one)]
            m.d.sync += [limits0.eq(limits.limits), limits1.eq(limits0), limits2.eq(limits1)]
        for name in (*commit_members(config), "select"):
            m.d.comb += getattr(limits, name).eq(getattr(self, name))
        m.d.comb += [
            limits.symbol.eq(coming),
            self.in_force.eq(limits.in_force),
            self.limits_version.eq(limits.version),
            self.init_done.eq(
                Cat(block.init_done for block in (limits, exposure, orders, window, checks)).all()
            ),
        ]

        # What is in stage 2.
        def is_kind(*kinds: InKind) -> Signal:
            found = Signal(name="is_" + "_".join(kind.name.lower() for kind in kinds))
            kind1 = Cat(one.kind == kind for kind in kinds).any()
            m.d.sync += found.eq(valid1 & kind1 & ~one.wanted)
            return found

        order, report, moves = Signal(), Signal(), Signal()
        adopt, untrue, reconcile, exits = Signal(), Signal(), Signal(), Signal()
        order3, accept3 = Signal(), Signal()
        veto, veto3 = Signal(VETOES), Signal(VETOES)
        exits1 = Signal()
        m.d.comb += [
            # Known last; it only takes back what is made of each order as of an accepted one.
            veto.eq(order.replicate(VETOES) & judge.refuses),
            report.eq(is_kind(*_REPORTS)),
            moves.eq(order | is_kind(*MOVING)),
            untrue.eq(report & ~orders.true),
            reconcile.eq(is_kind(InKind.RECONCILE)),
            adopt.eq(reconcile & two.adopt),
        ]
        m.d.sync += [
            order.eq(valid1 & one.wanted),
            order3.eq(order),
            veto3.eq(veto),
            exits.eq(exits1),
        ]
        m.d.comb += [
            accept3.eq(order3 & ~veto3.any()),
            exits1.eq(
                one.reduce_only
                | (settings.mode == Mode.REDUCE_ONLY)
                | (limits1.limits.mode == Mode.REDUCE_ONLY)
            ),
        ]
        self._connect(m, limits0, limits1, limits2, one, two, symbol, tag)
        for block in (price, size):
            m.d.comb += block.ahead.eq(limits.limits.limits)
        m.d.comb += [
            checks.valid1.eq(valid1),
            orders.report.eq(report),
            window.ahead_us.eq(ahead_us),
            window.rearm.eq(is_kind(InKind.REARM)),
            credit.credit_record.eq(is_kind(InKind.CREDIT)),
            credit.exits.eq(exits),
            *(block.veto.eq(veto) for block in (exposure, orders, window, credit)),
            *(block.order.eq(order) for block in (exposure, orders, window, credit)),
            *(block.adopt.eq(adopt) for block in (exposure, orders, credit)),
            exposure.true.eq(orders.true),
            exposure.ends.eq(orders.ends),
            exposure.untrue.eq(untrue),
            exposure.reconcile.eq(reconcile),
        ]

        self._connect_kill(m, rate, two, valid2, accept3, is_kind(InKind.HEARTBEAT))

        # Verdict.
        early = self._early(m, one, limits1.limits) | {
            Reason.REDUCE_ONLY: exits1 & exposure.exposes1,
            Reason.CROWDED: moves,
        }
        found = self._findings(m) | {
            Reason.KILL: kill.causes.any() | kill.loss,
            Reason.WATCHDOG: kill.late & exposure.exposes,
        }
        m.d.comb += [
            judge.waived1.eq(limits1.limits.waive),
            judge.exits1.eq(exits1),
            judge.crowded1.eq(moves),
        ]
        for reason in Reason:  # each in its stage; one that no block finds is an error here
            if reason in TOLD_EARLY:
                m.d.comb += judge.found1[int(reason)].eq(early[reason])
            else:
                m.d.comb += judge.found[int(reason)].eq(found[reason])

        self._decide(m, two, limits2, valid2, order, accept3, report, untrue, reconcile)
        m.d.comb += [self.counts.orders.eq(accept3), self.counts.refusals.eq(order3 & ~accept3)]
        m.d.sync += [
            self.counts.report_faults.eq(untrue),
            self.counts.kills.eq(kill.sets),
        ]
        return m

    def _connect_kill(
        self,
        m: Module,
        rate: Rate,
        two: Signal,
        valid2: Signal,
        accept3: Signal,
        heartbeat: Signal,
    ) -> None:
        """What kills, and the rate of all orders."""
        kill, settings = m.submodules.kill_latch, self.settings
        over_loss = self.losses.over & settings.loss_kill
        due_us, due_after = Signal(64), Signal(64)
        m.d.comb += [
            kill.mode.eq(settings.mode),
            kill.kill.eq(self.kill),
            kill.rearm.eq(self.rearm),
            kill.word.eq(self.word),
            kill.pin.eq(self.kill_pin),
            kill.loss.eq(valid2 & two.book & over_loss.any()),
            kill.heartbeat.eq(heartbeat),
            kill.late_cycles.eq(settings.watchdog_late_cycles),
            kill.dead_cycles.eq(settings.watchdog_dead_cycles),
            self.kill_causes.eq(kill.causes),
            rate.now_us.eq(self.i.p.now_us),
            rate.interval_us.eq(settings.rate_interval_us),
            rate.burst_us.eq(settings.rate_burst_us),
            rate.due_us.eq(due_us),
            rate.other_us.eq(due_after),
            rate.other.eq(accept3),
        ]
        m.d.sync += [due_us.eq(Mux(accept3, due_after, due_us)), due_after.eq(rate.next_us)]

    def _connect(
        self,
        m: Module,
        limits0: Signal,
        limits1: Signal,
        limits2: Signal,
        one: Signal,
        two: Signal,
        symbol: Value,
        tag: Value,
    ) -> None:
        """Give each block the token and its limits, by the names of its members."""
        parts = m.submodules
        size, orders = parts.size, parts.orders
        offered = {
            "i": self.i.p,
            "intent1": one,
            "intent2": two,
            "limits0": limits0.limits,
            "limits1": limits1.limits,
            "limits2": limits2.limits,
            "value": size.value,
            "notional": size.tick_lots,
            "done": orders.done,
            "freed_value": orders.freed_value,
            "freed1": orders.freed1,
            "row1": parts.exposure.row1,
            "held_gross": self.losses.gross,
            "held_net": self.losses.net,
            **{name: self.settings[name] for name, _, _ in SETTINGS},
        }
        for block in (
            *(parts.price, size, parts.exposure, orders, parts.window, parts.data_checks),
            parts.credit,
        ):
            for name, member in block.signature.members.items():
                if member.flow is In and name in offered:
                    m.d.comb += getattr(block, name).eq(offered[name])
        m.d.comb += [
            parts.orders.tag.eq(tag),
            *(
                block.symbol.eq(self.coming if self.config.spaced else symbol)
                for block in (parts.exposure, parts.window, parts.data_checks)
            ),
        ]

    def _early(self, m: Module, one: Signal, limits1: data.View) -> dict[Reason, Value]:
        """What the controls of `TOLD_EARLY` say of the order in stage 1."""
        parts, settings = m.submodules, self.settings
        price, size, exposure = parts.price, parts.size, parts.exposure
        window, checks = parts.window, parts.data_checks
        kind, force = one.order[:4], one.order[4:]
        reasons = {
            reason: (one.reasons & int(ViewReason[reason.name])) != 0
            for reason in (Reason.GAP, Reason.CROSSED, Reason.SHALLOW, Reason.RESYNC)
        }
        # In stage 1 as of the token there: `streak` comes a clock before.
        streak1 = Signal()
        m.d.sync += streak1.eq(self.losses.streak >= settings.max_losses)
        return reasons | {
            Reason.PERMISSION: ~limits1.permit,
            Reason.STALE: one.age_us > settings.stale_us,
            Reason.BOOK: ~one.valid,
            Reason.STRATEGY: (one.strategy == 0) | (one.strategy & ~limits1.strategies).any(),
            Reason.ORDER_TYPE: (kind == 0) | (kind > 2) | (force == 0) | (force > 3),
            Reason.LOSSES: streak1,
            Reason.SYMBOL_HALTED: (limits1.mode != Mode.REDUCE_ONLY)
            & (limits1.mode != Mode.ACTIVE),
            Reason.QUANTITY: size.quantity1,
            Reason.NOTIONAL: size.notional1,
            Reason.COLLAR: price.collar1,
            Reason.POSITION: exposure.position1,
            Reason.QUANTITY_MIN: size.minimum1,
            Reason.COLLAR_LAST: price.collar_last1,
            Reason.PRICE: price.price_range1,
            Reason.SELF_TRADE: exposure.self_trade1,
            Reason.WINDOW_QTY: window.qty_total1,
            Reason.REPEAT: window.repeat1,
            Reason.ORDER_TRADE: exposure.order_trade1,
            Reason.CREDIT_STALE: parts.credit.stale1,
            Reason.SPREAD: checks.spread1,
            Reason.CLOCK: checks.clock1,
            Reason.OWN_ORDERS: parts.orders.full1,
            Reason.REPORT: exposure.fault1,
            Reason.RECONCILE: exposure.differs1,
        }

    def _findings(self, m: Module) -> dict[Reason, Value]:
        """What the others say of the order in stage 2."""
        parts, losses, mode = m.submodules, self.losses, self.settings.mode
        price, window, credit = parts.price, parts.window, parts.credit
        return {
            Reason.HALTED: (mode != Mode.REDUCE_ONLY) & (mode != Mode.ACTIVE),
            Reason.RATE: parts.rate.refuse,
            Reason.QUANTITY_STEP: parts.size.step,
            Reason.COLLAR_PPM: price.collar_ppm,
            Reason.COLLAR_LAST_PPM: price.collar_last_ppm,
            Reason.TICK: price.tick,
            Reason.DUPLICATE: window.duplicate,
            Reason.RATE_SYMBOL: window.rate,
            Reason.WINDOW_NOTIONAL: window.notional_total,
            Reason.DRIFT: window.drift,
            Reason.GROSS: credit.gross,
            Reason.NET: credit.net,
            Reason.OPEN_ORDERS: parts.exposure.open_orders | credit.open_orders,
            Reason.CREDIT: credit.credit,
            Reason.LOSS_DAY: losses.over[0],
            Reason.LOSS_WINDOW: losses.over[1],
            Reason.DRAWDOWN: losses.over[2],
            Reason.VOLATILITY: parts.data_checks.paused,
        }

    def _decide(
        self,
        m: Module,
        two: Signal,
        limits2: Signal,
        valid2: Value,
        order: Value,
        accept3: Value,
        report: Value,
        untrue: Value,
        reconcile: Value,
    ) -> None:
        """Stage 3: the decision, alerts and counters."""
        parts, decision = m.submodules, self.o.p
        kill, orders = parts.kill_latch, parts.orders
        differs = reconcile & ~two.adopt & parts.exposure.apart
        kills = kill.sets & kill.loss
        cause, entry, may_tell, slot3 = Signal(4), Signal(), Signal(), Signal(8)
        m.d.comb += [
            cause.eq(
                Mux(
                    untrue,
                    int(AlertCause.REPORT),
                    Mux(
                        differs,
                        int(AlertCause.RECONCILE),
                        Mux(kills, int(AlertCause.KILL), 0),
                    ),
                )
            ),
            entry.eq(valid2 & (Cat(two.wanted, two.has_view).any() | cause.any())),
            kill.told.eq(kill.pending & self.room & ~may_tell),
            may_tell.eq(report | reconcile | (valid2 & (two.wanted | two.has_view | two.book))),
        ]
        m.d.sync += self.counts.reconcile_faults.eq(differs)
        for name in decision.shape().members:
            if name in two.shape().members:
                m.d.sync += decision[name].eq(two[name])
        cycle = Signal(64)
        m.d.comb += cycle.eq(self.cycle + 1)  # the cycle in which the decision stands
        m.d.sync += [
            self.o.valid.eq(entry | kill.told),
            decision.wanted.eq(order),
            decision.has_view.eq(valid2 & two.has_view),
            decision.verdict.eq(parts.judge.verdict),
            slot3.eq(orders.next_slot),
            decision.cycle.eq(cycle),
            decision.latency.eq(cycle[:16] - two.cycle_cause),
            decision.limits_version.eq(limits2.version),
            decision.limits_checksum.eq(limits2.checksum),
            decision.alert.eq(Mux(kill.told, int(AlertCause.KILL), cause)),
            decision.alert_kind.eq(Mux(untrue | differs, two.kind, 0)),
            decision.alert_tag.eq(two.tag),
            decision.kill_causes.eq(kill.causes | Mux(kills, int(KillCause.LOSS), 0)),
        ]
        m.d.comb += [
            decision.first_reason.eq(first_reason(m, decision.verdict)),
            decision.slot.eq(Mux(accept3, slot3, NO_SLOT)),
        ]
