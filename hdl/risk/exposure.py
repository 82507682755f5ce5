# SPDX-License-Identifier: Apache-2.0
"""Worst-case exposure by symbol, read and updated once a clock."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory

__all__ = ["Exposure", "saturate"]

_BITS = 64


def saturate(m: Module, value: Value, name: str) -> Signal:
    """`value` cut to the greatest or least signed number of 64 bits."""
    cut = Signal(signed(_BITS), name=name)
    low, high = -(1 << (_BITS - 1)), (1 << (_BITS - 1)) - 1
    m.d.comb += cut.eq(Mux(value > high, high, Mux(value < low, low, value)))
    return cut


class Exposure(wiring.Component):
    """Worst-case long and short exposure of each symbol, signed lots.

    ::

        0 address   1 row leaves the memory, or what is newer   2 `long`, `short`; update

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    symbol : In(8)
        Symbol of the token in stage 0.
    long, short : Out(signed 64)
        Exposure of the token in stage 2.
    add, subtract : In(1)
        In stage 2: change one of them by `qty`.
    is_short : In(1)
        Which.
    qty : In
        Lots.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "symbol": In(8),
                "long": Out(signed(_BITS)),
                "short": Out(signed(_BITS)),
                "add": In(1),
                "subtract": In(1),
                "is_short": In(1),
                "qty": In(config.qty_bits),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pair = data.StructLayout({"long": signed(_BITS), "short": signed(_BITS)})
        m.submodules.rows = rows = SweptMemory(pair, self.config.symbols)
        bits = len(rows.read_addr)
        symbol1, symbol2, symbol3 = (Signal(bits, name=f"symbol{n}") for n in (1, 2, 3))
        now, after = Signal(pair), Signal(pair)
        written3, after3 = Signal(), Signal(pair)
        written = self.add | self.subtract

        change = Mux(self.add, self.qty, -self.qty)
        m.d.comb += [
            rows.read_addr.eq(self.symbol[:bits]),
            after.long.eq(Mux(self.is_short, now.long, saturate(m, now.long + change, "new_long"))),
            after.short.eq(
                Mux(self.is_short, saturate(m, now.short + change, "new_short"), now.short)
            ),
            rows.write_en.eq(written),
            rows.write_addr.eq(symbol2),
            rows.write_data.eq(after),
            self.long.eq(now.long),
            self.short.eq(now.short),
            self.init_done.eq(rows.done),
        ]
        m.d.sync += [
            symbol1.eq(self.symbol[:bits]),
            symbol2.eq(symbol1),
            symbol3.eq(symbol2),
            written3.eq(written),
            after3.eq(after),
            now.eq(rows.read_data),
        ]
        with m.If(written3 & (symbol3 == symbol1)):
            m.d.sync += now.eq(after3)
        with m.If(written & (symbol2 == symbol1)):
            m.d.sync += now.eq(after)
        return m
