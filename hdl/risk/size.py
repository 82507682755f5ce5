# SPDX-License-Identifier: Apache-2.0
"""Controls on the size of an order: quantity, its step, notional; and what the order is worth."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.limits import limit_layout
from hdl.risk.product import Product, partials
from hdl.risk.sums import above, total_of
from hdl.types import intent_layout

__all__ = ["Size"]


class Size(wiring.Component):
    """Judge a quantity and what it amounts to. Steps are tested as in `hdl.risk.price`.

    Latency is 2 cycles, throughput one order a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(limit_layout)
        Limits of the order that is on `i` with the next clock.
    i : In(intent_layout)
        Orders.
    limits1, limits2 : In(limit_layout)
        Limits of the order one and two cycles later.
    quantity1, minimum1, notional1, step : Out(1)
        What refuses it, a cycle later where the name ends in 1, else two.
    tick_lots, value : Out
        Price times quantity, and lot value times quantity, two cycles later.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(limit_layout()),
                "i": In(intent_layout(config)),
                "limits1": In(limit_layout()),
                "limits2": In(limit_layout()),
                **dict.fromkeys(("quantity1", "minimum1", "notional1", "step"), Out(1)),
                "tick_lots": Out(config.notional_bits),
                "value": Out(config.notional_bits),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bits, limits = self.config.qty_bits, self.limits1
        m.submodules.values = values = Product(32, bits)
        m.submodules.steps = steps = Product(bits, bits, bits)
        qty1, uneven, unbound = Signal(bits), Signal(), Signal()
        inverse, lot_value = Signal(bits), Signal(32)
        m.d.comb += [
            values.a.eq(lot_value),
            values.b.eq(self.i.qty),
            steps.a.eq(inverse),
            steps.b.eq(self.i.qty),
        ]
        # The sum of the parts of price times quantity, and whether it takes more than is allowed.
        words = partials(m, self.i.price, self.i.qty, "notional")
        wide = len(self.tick_lots)
        m.d.sync += [
            self.tick_lots.eq(total_of(m, words, [], wide)),
            inverse.eq(self.ahead.qty_inverse),
            lot_value.eq(self.ahead.lot_value),
            qty1.eq(self.i.qty),
            uneven.eq((qty1 & limits.qty_mask).any()),
            unbound.eq(limits.qty_bound[bits:].any()),
        ]
        bound = self.limits2.qty_bound[:bits]
        m.d.comb += [
            self.notional1.eq(total_of(m, [limits.max_notional], words, max(wide, 64) + 1)[-1]),
            self.quantity1.eq((qty1 == 0) | (qty1 > limits.max_qty)),
            self.minimum1.eq(qty1 < limits.min_qty),
            self.step.eq(uneven | (~unbound & above(steps.o, bound))),
            self.value.eq(values.o),
        ]
        return m
