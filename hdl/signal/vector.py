# SPDX-License-Identifier: Apache-2.0
"""All features of a symbol at each book event, as one vector."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind, ViewReason
from hdl.signal.average import DECAY_BITS, MOST_DECAY
from hdl.signal.catalogue import FEATURE_BITS, FEATURE_COUNT, FEATURES
from hdl.signal.depth import Depth, depth_row
from hdl.signal.flow import OrderFlow, flow_row
from hdl.signal.micro import MicroPrice
from hdl.signal.motion import BAR_BITS, Motion, motion_row
from hdl.signal.rows import StateRows
from hdl.signal.tape import TapeFlow, print_row, tape_row
from hdl.types import flow, vector_layout, view_layout

__all__ = ["BBO_IGNORES", "LATENCY", "FeatureVector", "signal_row"]

#: Cycles from a view to its features.
LATENCY = 3
#: Reasons that leave the best bid and offer valid.
BBO_IGNORES = ViewReason.SHALLOW | ViewReason.STALE | ViewReason.RETUNE

#: State that features rest on and the strategy does not: not kept where vectors do not leave.
ONLY_TOLD = (
    *(("flow", "ofi_multi"), ("depth", "liquidity"), ("motion", "gaps"), ("motion", "last_us")),
    *(("tape", name) for name in ("volume", "distance", "over")),
)


def signal_row(config: BuildConfig) -> data.StructLayout:
    """State of a symbol: what each family keeps, and what it may rely on."""
    return data.StructLayout(
        {
            "primed": 1,  # the last book event was usable
            "begun": 1,  # there was a usable event
            "flow": flow_row(config),
            "depth": depth_row(config),
            "tape": tape_row(config),
            "motion": motion_row(config),
        }
    )


class FeatureVector(wiring.Component):
    """Features at each book event; all 0 where best bid and offer are not valid.

    What each is stands in ``docs/signals.md``.

    Each family reads its part of the symbol's row in stage 0 and knows what follows in stage 1.
    Two book events of a symbol are at least two clocks apart, because each has a record that begins
    it, so no event sees a row that is not whole.

    Latency is 3 cycles, throughput one view a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the view that comes two clocks later.
    i : In(flow(view_layout))
        Views.
    flow_decay, average_decay, bar_log2_us, micro_bank : In
        Settings of the symbol of `i`, in the same clock.
    micro_write, micro_address, micro_entry : In
        Loading of micro-price tables.
    row : Out(signal_row)
        State before the event, with `i`.
    ofi2, distance2, volume2 : Out
        Leaky sum of flow, D and V of this event, two clocks later.
    o : Out(flow(vector_layout))
        The features of each book event, and nothing else.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        row = signal_row(config)
        super().__init__(
            {
                "ahead": In(8),
                "i": In(flow(view_layout(config))),
                "flow_decay": In(DECAY_BITS),
                "average_decay": In(DECAY_BITS),
                "bar_log2_us": In(BAR_BITS),
                "micro_bank": In(1),
                "micro_write": In(1),
                "micro_address": In(16),
                "micro_entry": In(FEATURE_BITS),
                "row": Out(row),
                "ofi2": Out(flow_row(config)["ofi"].shape),
                "distance2": Out(tape_row(config)["distance"].shape),
                "volume2": Out(tape_row(config)["over"].shape),
                "o": Out(flow(vector_layout())),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, view = self.config, self.i.p
        m.submodules.rows = rows = StateRows(config, signal_row(config), loop=2)
        m.submodules.prints = prints = StateRows(config, print_row(config), loop=1)
        m.submodules.order_flow = order_flow = OrderFlow(config)
        m.submodules.depth = depth = Depth(config)
        m.submodules.tape = tape = TapeFlow(config)
        m.submodules.motion = motion = Motion(config)
        m.submodules.micro = micro = MicroPrice(config)
        row = rows.row

        def later(value: Value, name: str) -> Signal:
            held = Signal(value.shape(), name=name)
            m.d.sync += held.eq(value)
            return held

        # Stage 0: what each family is given.
        event = self.i.valid & view.book
        usable = event & ((view.reasons & (~int(BBO_IGNORES) & 0xFF)) == 0)
        forget = self.i.valid & view.forget

        def cut(decay: Value) -> Value:
            return Mux(decay > MOST_DECAY, MOST_DECAY, decay)

        m.d.comb += [
            rows.ahead.eq(self.ahead),
            prints.ahead.eq(self.ahead),
            self.row.eq(row),
            order_flow.before.eq(row.flow),
            order_flow.primed.eq(row.primed),
            order_flow.printed.eq(prints.row.bought + prints.row.sold),
            order_flow.decay.eq(cut(self.flow_decay)),
            depth.before.eq(row.depth),
            depth.begun.eq(row.begun),
            tape.before.eq(row.tape),
            tape.begun.eq(row.begun),
            tape.prints.eq(prints.row),
            motion.before.eq(row.motion),
            motion.primed.eq(row.primed),
            motion.begun.eq(row.begun),
            motion.bar_log2_us.eq(self.bar_log2_us),
        ]
        for family in (order_flow, depth, tape, motion):
            m.d.comb += family.view.eq(view)
        for family in (depth, tape, motion):
            m.d.comb += family.decay.eq(cut(self.average_decay))

        # Prints: added up by trades, emptied by the event that reads them.
        trade = self.i.valid & (view.kind == InKind.TRADE)
        m.d.comb += [
            prints.write.eq(trade | event | forget),
            prints.symbol.eq(view.symbol),
        ]
        for name, sold in (("bought", 0), ("sold", 1)):
            total = Signal(config.qty_bits + 1, name=f"{name}_total")
            own = Mux(view.side == sold, view.value[: config.qty_bits], 0)
            m.d.comb += total.eq(prints.row[name] + own)
            with m.If(trade):
                m.d.comb += prints.after[name].eq(total[:-1] | total[-1].replicate(config.qty_bits))

        # Stage 1: the row that follows.
        row1 = row.as_value() if config.spaced else later(row.as_value(), "row1")
        event1, usable1, forget1 = later(event, "event1"), later(usable, "usable1"), Signal()
        symbol1 = later(view.symbol, "symbol1")
        m.d.sync += forget1.eq(forget)
        m.d.comb += [
            rows.write.eq(event1 | forget1),
            rows.symbol.eq(symbol1),
            micro.best_bid.eq(depth.best_bid),
            micro.best_ask.eq(depth.best_ask),
            micro.spread.eq(depth.spread1),
            micro.symbol.eq(symbol1),
            micro.bank.eq(later(self.micro_bank, "bank1")),
            micro.write.eq(self.micro_write),
            micro.write_address.eq(self.micro_address),
            micro.write_entry.eq(self.micro_entry),
        ]
        with m.If(usable1):
            m.d.comb += [
                rows.after.primed.eq(1),
                rows.after.begun.eq(1),
                rows.after.flow.eq(order_flow.after),
                rows.after.depth.eq(depth.after),
                rows.after.tape.eq(tape.after),
                rows.after.motion.eq(motion.after),
            ]
        with m.Elif(~forget1):
            m.d.comb += [rows.after.eq(row1), rows.after.primed.eq(0)]

        if not config.vectors:
            m.d.comb += [rows.after[family][name].eq(0) for family, name in ONLY_TOLD]

        # Stages 2 and 3.
        m.d.comb += [
            self.ofi2.eq(order_flow.ofi2),
            self.distance2.eq(later(tape.after.distance, "distance2_held")),
            self.volume2.eq(later(tape.after.over, "volume2_held")),
            self.init_done.eq(Cat(rows.init_done, prints.init_done, micro.init_done).all()),
        ]
        found: dict[str, Value] = {
            name: getattr(order_flow, name)
            for name in ("ofi_event", "ofi", "ofi_multi", "cancel_share")
        }
        for family in (depth, tape, motion):
            found |= {name: family.features[name] for name, _ in family.features.shape()}
        found["micro_offset"] = micro.offset
        if set(found) != {feature.name for feature in FEATURES}:
            raise ValueError("features: expected each of the catalogue from one family")
        usable3 = later(later(usable1, "usable2"), "usable3")
        event3 = later(later(event1, "event2"), "event3")
        passing = {"symbol": symbol1, "report": later(view.report, "report1")}
        m.d.comb += [self.o.valid.eq(event3), self.o.p.usable.eq(usable3)]
        for name, value in passing.items():
            m.d.comb += self.o.p[name].eq(later(later(value, f"{name}2"), f"{name}3"))
        for at in range(FEATURE_COUNT):
            m.d.comb += self.o.p.features[at].eq(Mux(usable3, found[FEATURES[at].name], 0))
        assert all(value.shape() == signed(FEATURE_BITS) for value in found.values())
        return m
