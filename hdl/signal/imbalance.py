# SPDX-License-Identifier: Apache-2.0
"""Depth imbalance over the first N levels."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.types import flow, signal_layout, view_layout

__all__ = ["Imbalance"]


class Imbalance(wiring.Component):
    """Compare the summed quantities of both sides with a ratio, in both directions.

    With sums B and A: ``buy = B x den >= A x num``, ``sell = A x den >= B x num``; products are
    kept whole, nothing is divided. A ratio of 2.5:1 is num 5, den 2. Neither direction is set on
    a view that is not valid, that is no book event, or where both hold.

    Latency is 2 cycles, throughput one view a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(view_layout))
        Views.
    o : Out(flow(signal_layout))
        Prices and direction.
    ratio_num, ratio_den : In(16)
        Registers.
    enable : In(2)
        Bit 0: may buy; bit 1: may sell.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(view_layout(config))),
                "o": Out(flow(signal_layout(config))),
                "ratio_num": In(16),
                "ratio_den": In(16),
                "enable": In(2),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        view, multiplied = self.i.p, Signal(signal_layout(self.config))
        multiplied_valid = Signal()
        bits = self.config.sum_bits + 16
        bid_num, bid_den, ask_num, ask_den = (
            Signal(bits, name=name) for name in ("bid_num", "bid_den", "ask_num", "ask_den")
        )
        for name in multiplied.shape().members:
            if name in view.shape().members:
                m.d.sync += multiplied[name].eq(view[name])
        m.d.sync += [
            multiplied_valid.eq(self.i.valid),
            multiplied.report_price.eq(view.price),
            multiplied.valid.eq(view.reasons == 0),
            multiplied.last_known.eq(view.trades.known),
            multiplied.last_price.eq(view.trades.price),
            multiplied.bid_price.eq(view.bid.levels[0].price),
            multiplied.ask_price.eq(view.ask.levels[0].price),
            bid_num.eq(view.bid.sum * self.ratio_num),
            bid_den.eq(view.bid.sum * self.ratio_den),
            ask_num.eq(view.ask.sum * self.ratio_num),
            ask_den.eq(view.ask.sum * self.ratio_den),
        ]
        armed = multiplied_valid & multiplied.book & multiplied.valid
        buy = self.enable[0] & (bid_den >= ask_num)
        sell = self.enable[1] & (ask_den >= bid_num)
        m.d.sync += [
            self.o.valid.eq(multiplied_valid),
            self.o.p.eq(multiplied),
            self.o.p.buy.eq(armed & buy & ~sell),
            self.o.p.sell.eq(armed & sell & ~buy),
        ]
        return m
