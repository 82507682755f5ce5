# SPDX-License-Identifier: Apache-2.0
"""What is held of each symbol, and what it cost: from fills, and from what the host states."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.signal.rows import StateRows
from hdl.types import view_layout

__all__ = ["Position", "position_layout"]

#: Bits of a position above those of a quantity.
_MORE_BITS = 8


def position_layout(config: BuildConfig) -> data.StructLayout:
    """A symbol's position; entry price is `notional` / `entered`, never divided."""
    bits = config.qty_bits + _MORE_BITS
    return data.StructLayout(
        {
            "lots": signed(bits + 1),  # negative for a short
            "entered": bits,  # lots entered since it was flat or turned
            "notional": bits + config.price_bits,  # their price x lots
            "opened_us": 64,
            "blind": 1,  # the entry price is not known
            "fresh": 1,  # opened, turned or stated since the last usable event
            "reported": 1,  # a report has come since then
        }
    )


class Position(wiring.Component):
    """Keep each symbol's position (``docs/signals.md``, position).

    ::

        0 price x lots of a fill   1 `held`, and what the token makes of it

    A row is changed in the clock in which it is known, so fills may follow each other in every
    clock; in a spaced build a clock later, for view and row stand. What would pass the greatest
    position is cut to it, and its price is no longer known.

    Throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the view that comes two clocks later.
    valid, view : In
        Views, in stage 0.
    usable : In(1)
        The view is one of a usable book event, in stage 0.
    held : Out(position_layout)
        The position before the token, in stage 1.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(8),
                "valid": In(1),
                "view": In(view_layout(config)),
                "usable": In(1),
                "held": Out(position_layout(config)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, view = self.config, self.view
        m.submodules.rows = rows = StateRows(config, position_layout(config), loop=1)
        held, after = rows.row, rows.after

        def later(value: Value, name: str) -> Signal:
            kept = Signal(value.shape(), name=name)
            m.d.sync += kept.eq(value)
            return kept

        # Stage 0.
        def is_one_of(*kinds: InKind) -> Value:
            found = Signal(name="is_" + "_".join(kind.name.lower() for kind in kinds))
            for kind in kinds:
                with m.If(self.valid & (view.kind == kind)):
                    m.d.comb += found.eq(1)
            return found

        fill = later(is_one_of(InKind.FILL), "fill")
        stated = later(is_one_of(InKind.RECONCILE) & view.adopt, "stated")
        gone = later(is_one_of(InKind.CANCEL, InKind.REJECT), "gone")
        usable, symbol = later(self.usable, "usable1"), later(view.symbol, "symbol1")
        side, now_us = later(view.side, "side1"), later(view.now_us, "now1")
        qty = later(view.value[: config.qty_bits], "qty1")
        cost = later(view.price * view.value[: config.qty_bits], "cost1")
        priceless = later(view.price == 0, "priceless1")
        m.d.comb += [
            rows.ahead.eq(later(self.ahead, "ahead1")),
            rows.symbol.eq(symbol),
            self.held.eq(held),
            self.init_done.eq(rows.init_done),
        ]

        # Stage 1: what a fill comes to, and in a spaced build a register.
        most = (1 << (config.qty_bits + _MORE_BITS)) - 1
        total = held.lots + Mux(side, -qty, qty)
        lots, entered = Signal(held.lots.shape()), Signal(len(held.entered) + 1)
        notional, passes = Signal.like(held.notional), Signal()
        m.d["sync" if config.spaced else "comb"] += [
            lots.eq(Mux(total > most, most, Mux(total < -most, -most, total))),
            entered.eq(held.entered + qty),
            notional.eq(held.notional + cost),
        ]
        if config.spaced:
            fill, stated = later(fill, "fill_summed"), later(stated, "stated_summed")
            gone, usable = later(gone, "gone_summed"), later(usable, "usable_summed")
        m.d.comb += [passes.eq(entered > most), rows.write.eq(fill | stated | gone | usable)]
        was_long, was_short = held.lots > 0, held.lots < 0
        if config.spaced:  # the position before stands
            was_long, was_short = later(was_long, "was_long"), later(was_short, "was_short")
        is_long, is_short = lots > 0, lots < 0
        along = Mux(side, was_short, was_long)  # the position was of the fill's sign
        opens = ~along & Mux(side, is_short, is_long)
        same = Mux(side, was_short, was_long) & qty.any()

        m.d.comb += after.eq(held)
        with m.If(fill):
            m.d.comb += [after.lots.eq(lots), after.reported.eq(1)]
            with m.If(along & passes):
                m.d.comb += after.blind.eq(1)
            with m.Elif(along):
                m.d.comb += [
                    after.entered.eq(entered),
                    after.notional.eq(notional),
                    after.blind.eq(held.blind | priceless),
                ]
            with m.Elif(opens):
                m.d.comb += [
                    after.entered.eq(qty),
                    after.notional.eq(cost),
                    after.blind.eq(priceless),
                    after.opened_us.eq(now_us),
                    after.fresh.eq(1),
                ]
            with m.Elif(lots == 0):
                m.d.comb += [after.entered.eq(0), after.notional.eq(0), after.blind.eq(0)]
        with m.Elif(stated):
            m.d.comb += [
                after.lots.eq(Mux(side, -qty, qty)),
                after.entered.eq(qty),
                after.notional.eq(cost),
                after.blind.eq(priceless & qty.any()),
                after.opened_us.eq(Mux(same, held.opened_us, now_us)),
                after.fresh.eq(1),
                after.reported.eq(1),
            ]
        with m.Elif(gone):
            m.d.comb += after.reported.eq(1)
        with m.Elif(usable):
            m.d.comb += [after.fresh.eq(0), after.reported.eq(0)]
        return m
