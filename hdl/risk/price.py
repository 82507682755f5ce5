# SPDX-License-Identifier: Apache-2.0
"""Controls on the price of an order: collars, range, step."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.limits import limit_layout
from hdl.risk.product import Product
from hdl.types import intent_layout

__all__ = ["MILLION", "Price"]

MILLION = 1_000_000
_FACTOR = 21  # bits of a million plus a share of it


def beyond(distance: Value, limit: Value) -> Value:
    """Whether a signed distance is over a limit, either way."""
    return (distance > limit) | (-distance > limit)


class Price(wiring.Component):
    """Judge a price by the mid, the last trade, its range and its step.

    Shares are compared by cross multiplication, and a step by its inverse: a multiple of an odd n
    times n's inverse modulo 2^32 is at most (2^32 - 1) / n, every other number's product is more
    (Granlund and Montgomery, 1994). Nothing is divided.

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
    collar, collar_ppm, collar_last, collar_last_ppm, price_range, tick : Out(1)
        What refuses it, two cycles later.
    """

    NAMES = ("collar", "collar_ppm", "collar_last", "collar_last_ppm", "price_range", "tick")

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(limit_layout()),
                "i": In(intent_layout(config)),
                "limits1": In(limit_layout()),
                "limits2": In(limit_layout()),
                **{name: Out(1) for name in self.NAMES},
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        order, limits = self.i, self.limits1

        # In ticks, from twice the mid and from the last trade.
        off_mid, off_last = Signal(signed(35)), Signal(signed(34))
        price1, known1, known2 = Signal(32), Signal(), Signal()
        m.d.sync += [
            off_mid.eq((order.price << 1) - order.mid2),
            off_last.eq(order.price - order.last_price),
            price1.eq(order.price),
            known1.eq(order.last_known),
            known2.eq(known1),
            self.collar.eq(beyond(off_mid, limits.collar_ticks << 1)),
            self.collar_last.eq(~known1 | beyond(off_last, limits.last_ticks)),
            self.price_range.eq(
                (price1 == 0) | (price1 < limits.min_price) | (price1 > limits.max_price)
            ),
        ]

        # In shares: price x million against reference x (million +- share).
        m.submodules.scaled = scaled = Product(32, 20)
        m.d.comb += [scaled.a.eq(order.price), scaled.b.eq(MILLION)]
        for name, reference, share, twice in (
            ("mid", order.mid2, self.ahead.collar_ppm, 1),
            ("last", order.last_price, self.ahead.last_ppm, 0),
        ):
            bounds = []
            for side, factor in (
                ("low", Mux(share > MILLION, 0, MILLION - share)),
                ("high", MILLION + share),
            ):
                scale = Signal(_FACTOR, name=f"{name}_{side}_scale")
                m.d.sync += scale.eq(factor)
                m.submodules[f"{name}_{side}"] = bound = Product(len(reference), _FACTOR)
                m.d.comb += [bound.a.eq(reference), bound.b.eq(scale)]
                bounds.append(bound.o)
            off = Signal(name=f"{name}_off")
            price = Cat(Const(0, twice), scaled.o)
            m.d.comb += off.eq((price < bounds[0]) | (price > bounds[1]))
            m.d.comb += (self.collar_ppm if twice else self.collar_last_ppm).eq(
                off if twice else off | ~known2
            )

        # The step.
        inverse = Signal(32)
        m.submodules.steps = steps = Product(32, 32, 32)
        uneven = Signal()
        m.d.sync += [
            inverse.eq(self.ahead.tick_inverse),
            uneven.eq((price1 & limits.tick_mask).any()),
        ]
        m.d.comb += [
            steps.a.eq(order.price),
            steps.b.eq(inverse),
            self.tick.eq(uneven | (steps.o > self.limits2.tick_bound)),
        ]
        return m
