# SPDX-License-Identifier: Apache-2.0
"""Controls on what all symbols come to together: gross, net, open orders, credit."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.exposure import exposure_layout
from hdl.risk.sums import over

__all__ = ["Credit"]


class Credit(wiring.Component):
    """Value of everything open and held, over all symbols, and what may still be spent.

    Findings belong to stage 2 of the gate and are complete; one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    side, value, now_us, told : In
        Of the token in stage 2: side, what its order is worth, stream time, and what it carries.
    accept, exits, done, adopt, credit_record : In(1)
        It is an accepted order; that only reduces; ends an order; leaves nothing of its symbol
        open; states the credit.
    freed_value : In
        Value of the order that ends.
    row : In(exposure_layout)
        What is kept of its symbol.
    held_gross, held_net : In
        Value of all positions, added without and with their sign.
    max_gross, max_net, max_open_orders, credit_age_us : In
        Registers.
    gross, net, open_orders, credit, stale : Out(1)
        What refuses an order.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        held = config.held_bits
        super().__init__(
            {
                "side": In(1),
                "value": In(config.notional_bits),
                "now_us": In(64),
                "told": In(64),
                **dict.fromkeys(("accept", "exits", "done", "adopt", "credit_record"), In(1)),
                "freed_value": In(config.notional_bits),
                "row": In(exposure_layout(config)),
                "held_gross": In(held),
                "held_net": In(signed(held)),
                "max_gross": In(64),
                "max_net": In(64),
                "max_open_orders": In(16),
                "credit_age_us": In(32),
                **dict.fromkeys(("gross", "net", "open_orders", "credit", "stale"), Out(1)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bits = self.config.notional_bits + 8
        values = {"buy": Signal(bits, name="buy_value"), "sell": Signal(bits, name="sell_value")}
        count = Signal(16)
        for at, (name, value) in enumerate(values.items()):
            mine = self.side == at
            with m.If(self.adopt):
                m.d.sync += value.eq(value - self.row[f"{name}_value"])
            with m.Elif(self.accept & mine):
                m.d.sync += value.eq(value + self.value)
            with m.Elif(self.done & mine):
                m.d.sync += value.eq(value - self.freed_value)
        with m.If(self.adopt):
            m.d.sync += count.eq(count - self.row.buys - self.row.sells)
        with m.Elif(self.accept):
            m.d.sync += count.eq(count + 1)
        with m.Elif(self.done):
            m.d.sync += count.eq(count - 1)

        left, since_us, known = Signal(64), Signal(64), Signal()
        with m.If(self.credit_record):
            m.d.sync += [left.eq(self.told), since_us.eq(self.now_us), known.eq(1)]
        with m.Elif(self.accept & ~self.exits):
            m.d.sync += left.eq(Mux(self.credit, 0, left - self.value))

        wide = max(self.config.held_bits + 1, bits + 1, 66)
        opened = Mux(self.side, values["sell"], values["buy"])
        held = Mux(self.side, -self.held_net, self.held_net)
        m.d.comb += [
            self.gross.eq(
                over(
                    m,
                    [self.held_gross, values["buy"], values["sell"], self.value],
                    self.max_gross,
                    wide,
                )
            ),
            self.net.eq(over(m, [held, opened, self.value], self.max_net, wide)),
            self.open_orders.eq(count >= self.max_open_orders),
            self.credit.eq(self.value > left),
            self.stale.eq(~known | over(m, [self.now_us, -since_us], self.credit_age_us, 66)),
        ]
        return m
