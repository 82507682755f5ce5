# SPDX-License-Identifier: Apache-2.0
"""How much, and at which price."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.strategy.settings import settings_layout
from hdl.sums import cut
from hdl.types import view_layout

__all__ = ["PRICE_BITS", "STEPS", "Prices", "Sizes"]

#: Sizes an entry may have.
STEPS = 4
PRICE_BITS = 32
_MARKET_ON_LIMIT, _POST_ONLY = 2, 3


class Sizes(wiring.Component):
    """The sizes an entry may have, from the smallest to the largest (``docs/signals.md``, size).

    ::

        0 bounds   1 quarters between them   2 `normal`, `high`

    Throughput one a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    row : In(settings_layout)
        In stage 0.
    normal, high : Out
        By step, in normal and in high volatility, lots, in stage 2.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        sizes = data.ArrayLayout(config.qty_bits, STEPS)
        super().__init__({"row": In(settings_layout()), "normal": Out(sizes), "high": Out(sizes)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bits, row = self.config.qty_bits, self.row

        def later(value: Value, name: str) -> Signal:
            kept = Signal(value.shape(), name=name)
            m.d.sync += kept.eq(value)
            return kept

        most, least = cut(row.qty_most, bits), cut(row.qty_least, bits)
        if self.config.spaced:  # settings stand before their view
            most, least = later(most, "most"), later(least, "least")
        between = most - least
        span1 = later(Mux(between < 0, 0, between[:bits]), "span1")
        most1, least1 = later(most, "most1"), later(least, "least1")
        scaled1, shift1 = later(row.size_scaled, "scaled1"), later(row.high_shift, "shift1")
        least2, shift2 = later(least1, "least2"), later(shift1, "shift2")
        for step in range(STEPS):
            grown = least1 + ((span1 * (step + 1)) >> 2)
            m.d.sync += self.normal[step].eq(Mux(scaled1, grown, most1))
            size = self.normal[step]
            smaller, floor = size >> shift2, Mux(size < least2, size, least2)
            m.d.comb += self.high[step].eq(Mux(smaller > floor, smaller, floor))
        return m


class Prices(wiring.Component):
    """The limit price of a buy and of a sell (``docs/signals.md``, price).

    Latency is 2 cycles, throughput one a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view : In(view_layout)
        Bids and asks.
    order : In(8)
        Order byte.
    protect : In(16)
        Protection of market-on-limit, ticks.
    buy, sell : Out(32)
        Limit prices, ticks, two clocks later; market-on-limit within 1 to 2^32 - 1.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "view": In(view_layout(config)),
                "order": In(8),
                "protect": In(16),
                "buy": Out(PRICE_BITS),
                "sell": Out(PRICE_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bid, ask = self.view.bid.levels[0].price, self.view.ask.levels[0].price
        names = {"bid": bid, "ask": ask, "above": ask + self.protect, "below": bid - self.protect}
        stage = {name: Signal(value.shape(), name=name) for name, value in names.items()}
        m.d.sync += [stage[name].eq(value) for name, value in names.items()]
        protected, passive = Signal(), Signal()
        m.d.sync += [
            protected.eq(self.order[:4] == _MARKET_ON_LIMIT),
            passive.eq(self.order[4:] == _POST_ONLY),
        ]
        above, below = stage["above"], stage["below"]
        most = (1 << PRICE_BITS) - 1
        highest = Mux(above > most, most, above)
        lowest = Mux(below < 1, 1, below)
        m.d.sync += [
            self.buy.eq(Mux(protected, highest, Mux(passive, stage["bid"], stage["ask"]))),
            self.sell.eq(Mux(protected, lowest, Mux(passive, stage["ask"], stage["bid"]))),
        ]
        return m
