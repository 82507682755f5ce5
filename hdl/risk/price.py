# SPDX-License-Identifier: Apache-2.0
"""Controls on the price of an order: collars, range, step."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.limits import limit_layout
from hdl.risk.product import Product, partials
from hdl.risk.sums import above, total_of
from hdl.types import intent_layout

__all__ = ["MILLION", "Price"]

MILLION = 1_000_000
_FACTOR = 21  # bits of a million plus a share of it
_ODD_MILLION = Const(MILLION >> 6, 14)


def beyond(distance: Value, limit: Value) -> Value:
    """Whether a signed distance is over a limit, either way."""
    return (distance > limit) | ((distance + limit)[-1])


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
    collar1, collar_last1, price_range1, collar_ppm, collar_last_ppm, tick : Out(1)
        What refuses it, a cycle later where the name ends in 1, else two.
    """

    NAMES = ("collar1", "collar_last1", "price_range1", "collar_ppm", "collar_last_ppm", "tick")

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
        ]
        m.d.comb += [
            self.collar1.eq(beyond(off_mid, limits.collar_ticks << 1)),
            self.collar_last1.eq(~known1 | beyond(off_last, limits.last_ticks)),
            self.price_range1.eq(
                (price1 == 0) | (price1 < limits.min_price) | (price1 > limits.max_price)
            ),
        ]

        # In shares: price x million against reference x (million +- share), as the sign of what is
        # between. A million is 2^6 x 15,625.
        scaled = [
            Cat(Const(0, 6), word) for word in partials(m, order.price, _ODD_MILLION, "scaled")
        ]
        for name, reference, share, twice in (
            ("mid", order.mid2, self.ahead.collar_ppm, 1),
            ("last", order.last_price, self.ahead.last_ppm, 0),
        ):
            price = [Cat(Const(0, twice), word) for word in scaled]
            off = []
            for side, factor in (
                ("low", Mux(share > MILLION, 0, MILLION - share)),
                ("high", MILLION + share),
            ):
                scale = Signal(_FACTOR, name=f"{name}_{side}_scale")
                m.d.sync += scale.eq(factor)
                bound = partials(m, reference, scale, f"{name}_{side}")
                less, more = (price, bound) if side == "low" else (bound, price)
                between = Signal(name=f"{name}_{side}_off")
                m.d.sync += between.eq(total_of(m, less, more, len(reference) + _FACTOR + 2)[-1])
                off.append(between)
            m.d.comb += (self.collar_ppm if twice else self.collar_last_ppm).eq(
                Cat(off).any() if twice else Cat(off).any() | ~known2
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
            self.tick.eq(uneven | above(steps.o, self.limits2.tick_bound)),
        ]
        return m
