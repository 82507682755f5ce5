# SPDX-License-Identifier: Apache-2.0
"""The tape: last trade and rolling volumes of every symbol."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.window import Window
from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.records import InKind
from hdl.types import flow, token_layout, trade_layout

__all__ = ["LEAST_LATENCY", "Trades"]

#: Cycles from a token to what is told of it, without waiting.
LEAST_LATENCY = 7


class Trades(wiring.Component):
    """Keep the last trade of each symbol, and the volumes and the notional of its window.

    ::

        0 number of the bucket   1 read and replace the last trade   2 it leaves the memory
        3 to 6 the window

    A trade replaces all that is kept of the last one, so a row is written in the cycle in which it
    is read, and no token needs what one ahead of it still has to write. Where the latency is to be
    longer, tokens wait at the entrance.

    Latency is as asked for, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    latency : int
        Cycles from `i` to `o`, at least `LEAST_LATENCY`.

    Members
    -------
    i : In(flow(token_layout))
        Tokens.
    o : Out(flow(trade_layout))
        The tape of its symbol after each token.
    trade_window : In(5)
        Register.
    init_done : Out(1)
        Memory is swept.

    Raises
    ------
    ValueError
        When elaborated: the latency is too short.
    """

    def __init__(self, config: BuildConfig, latency: int = LEAST_LATENCY) -> None:
        self.config, self.latency = config, latency
        super().__init__(
            {
                "i": In(flow(token_layout(config))),
                "o": Out(flow(trade_layout(config))),
                "trade_window": In(5),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        if self.latency < LEAST_LATENCY:
            raise ValueError(
                f"trades: expected a latency of at least {LEAST_LATENCY}, was {self.latency}"
            )
        m = Module()
        config, token = self.config, self.i.p
        last_layout = data.StructLayout(
            {
                "known": 1,
                "side": 1,
                "price": config.price_bits,
                "qty": config.qty_bits,
                "window": 5,
                "bucket": 64,
            }
        )
        step_layout = data.StructLayout(
            {
                "valid": 1,
                "trade": 1,
                "forget": 1,
                "symbol": 8,
                "now_us": 64,
                "own": last_layout,  # what the token would be as the last trade
            }
        )
        m.submodules.lasts = lasts = SweptMemory(
            last_layout, config.symbols, forwarded=config.spaced
        )
        m.submodules.window = window = Window(config)
        m.submodules.notional = notional = Window(config, config.bucket_bits, 1)

        def later(value: Signal, name: str) -> Signal:
            held = Signal.like(value, name=name)
            m.d.sync += held.eq(value)
            return held

        step = Signal(step_layout)
        m.d.comb += [
            step.valid.eq(self.i.valid),
            step.trade.eq(self.i.valid & (token.kind == InKind.TRADE)),
            step.forget.eq(self.i.valid & token.forget),
            step.symbol.eq(token.symbol),
            step.now_us.eq(token.now_us),
            step.own.known.eq(1),
            step.own.side.eq(token.side),
            step.own.price.eq(token.price),
            step.own.qty.eq(token.value),
        ]

        def passed(step: Any, name: str) -> Any:
            """The token a clock later; in a spaced build only that it is there passes."""
            held = Signal(step_layout, name=name)
            for field, _ in step_layout:
                moves = not config.spaced or field in ("valid", "trade", "forget")
                m.d["sync" if moves else "comb"] += held[field].eq(step[field])
            return held

        for n in range(self.latency - LEAST_LATENCY):
            step = passed(step, f"waiting{n}")

        # Stages 0 to 2; `last` is what was kept before the token.
        window1, bucket1 = Signal.like(step.own.window), Signal.like(step.own.bucket)
        m.d.sync += [window1.eq(self.trade_window), bucket1.eq(step.now_us >> self.trade_window)]
        came1, step1 = passed(step, "came1"), Signal(step_layout, name="step1")
        m.d.comb += [step1.eq(came1), step1.own.window.eq(window1), step1.own.bucket.eq(bucket1)]
        step2 = passed(step1, "step2")
        # What a token keeps is written in the clock in which the one before it is read, or, where
        # none comes so close, behind that: then no memory is read and written at once.
        keeps = step2 if config.spaced else step1
        m.d.comb += [
            lasts.read_addr.eq(step1.symbol[: len(lasts.read_addr)]),
            lasts.write_en.eq(keeps.trade | keeps.forget),
            lasts.write_addr.eq(keeps.symbol[: len(lasts.read_addr)]),
            lasts.write_data.eq(Mux(keeps.forget, 0, keeps.own)),
            self.init_done.eq(lasts.done),
        ]
        step3 = passed(step2, "step3")
        last = later(lasts.read_data, "last")

        # Stages 3 to 6.
        own, shown = step3.own, Signal(trade_layout(config))
        product = Signal(config.price_bits + config.qty_bits)
        m.d.sync += product.eq(step1.own.price * step1.own.qty)
        m.d.comb += [
            window.side.eq(own.side),
            window.qty.eq(own.qty),
            notional.qty.eq(later(product, "product3")),
        ]
        for ring in (window, notional):
            m.d.comb += [
                ring.trade.eq(step3.trade),
                ring.symbol.eq(step3.symbol),
                ring.bucket.eq(own.bucket),
                ring.last.eq(last.bucket),
                ring.fresh.eq(~last.known | (last.window != own.window) | step3.forget),
            ]
        for name in ("known", "side", "price", "qty"):
            m.d.comb += shown[name].eq(
                Mux(step3.trade, own[name], Mux(step3.forget, 0, last[name]))
            )
        m.d.comb += shown.window.eq(own.window)
        valid = step3.valid
        for n in range(4, 8):
            valid, shown = later(valid, f"valid{n}"), later(shown, f"shown{n}")
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.p.eq(shown),
            self.o.p.buy_volume.eq(window.volumes[0]),
            self.o.p.sell_volume.eq(window.volumes[1]),
            self.o.p.notional.eq(notional.volumes[0]),
        ]
        return m
