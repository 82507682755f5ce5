# SPDX-License-Identifier: Apache-2.0
"""Makes every symbol invalid: what a link does that has lost something."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.records import IN_RECORD, InFlag, InKind

__all__ = ["ClearAll"]


class ClearAll(wiring.Component):
    """A CLEAR with GAP for both sides of each symbol, for as long as it is enabled.

    Parameters
    ----------
    symbols : int
        Symbols of the build.

    Members
    -------
    enable : In(1)
        Offer records; held until `done`.
    o : Out(stream(in record))
        The records.
    done : Out(1)
        The last of them is being taken in this very cycle.
    """

    def __init__(self, symbols: int) -> None:
        self.symbols = symbols
        super().__init__(
            {
                "enable": In(1),
                "o": Out(stream.Signature(IN_RECORD.layout())),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbol, asks = Signal(8), Signal()
        last = asks & (symbol == self.symbols - 1)
        m.d.comb += [
            self.o.valid.eq(self.enable),
            self.o.p.kind.eq(int(InKind.CLEAR)),
            self.o.p.flags.eq(Mux(asks, int(InFlag.GAP | InFlag.SIDE), int(InFlag.GAP))),
            self.o.p.symbol.eq(symbol),
            self.done.eq(self.enable & self.o.ready & last),
        ]
        with m.If(self.enable & self.o.ready):
            m.d.sync += [asks.eq(~asks), symbol.eq(Mux(last, 0, symbol + asks))]
        return m
