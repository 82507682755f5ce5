# SPDX-License-Identifier: Apache-2.0
"""The order maker: immediate-or-cancel limit orders at the far touch."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import ORDER_LIMIT_IOC, Rule
from hdl.types import count_layout, flow, intent_layout, signal_layout

__all__ = ["Taker"]


class Taker(wiring.Component):
    """Turn a direction into an order: buy at the best ask, sell at the best bid.

    Every other token passes through with its own side and quantity (reports need both).

    Latency is 1 cycle, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(signal_layout))
        Signals.
    o : Out(flow(intent_layout))
        Intents and reports.
    order_qty : In(64)
        Register: quantity of an order, lots. One over the build's width is cut to its greatest
        quantity, which a limit can refuse.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(signal_layout(config))),
                "o": Out(flow(intent_layout(config))),
                "order_qty": In(64),
                "counts": Out(count_layout("intents")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        signal, intent = self.i.p, self.o.p
        wanted = self.i.valid & (signal.buy | signal.sell)
        limit = (1 << self.config.qty_bits) - 1
        order_qty = Mux(self.order_qty > limit, limit, self.order_qty)
        for name in intent.shape().members:
            if name in signal.shape().members:
                m.d.sync += intent[name].eq(signal[name])
        m.d.comb += self.counts.intents.eq(wanted)
        m.d.sync += [
            self.o.valid.eq(self.i.valid),
            intent.update_id.eq(signal.value),
            intent.wanted.eq(wanted),
            intent.mid2.eq(signal.bid_price + signal.ask_price),
            intent.price.eq(Mux(signal.buy, signal.ask_price, signal.bid_price)),
            intent.qty.eq(Mux(wanted, order_qty, signal.value)),
            intent.reduce_only.eq(0),
            intent.order.eq(ORDER_LIMIT_IOC),
            intent.strategy.eq(Mux(wanted, int(Rule.IMBALANCE), 0)),
            intent.score.eq(0),
        ]
        with m.If(wanted):
            m.d.sync += intent.side.eq(signal.sell)
        with m.Else():
            m.d.sync += intent.price.eq(signal.report_price)
        return m
