# SPDX-License-Identifier: Apache-2.0
"""The micro-price: how far from the mid the next price is to be expected, from a loaded table."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.signal.catalogue import FEATURE_BITS
from hdl.signal.log import log_layout, straight

__all__ = ["ENTRIES", "MicroPrice"]

_LEANS, _SPREADS, _BANKS = 16, 8, 2
#: Entries of a table.
ENTRIES = _LEANS * _SPREADS
#: Lean, Q7.10, at which the first bucket begins, and width of a bucket.
_FIRST, _BUCKET_BITS = -4 << 10, 9


class MicroPrice(wiring.Component):
    """Entry of the table at the bucket of the imbalance at the touch and of the spread.

    ::

        1 bucket, address   2 the entry leaves the memory   3 `offset`

    Source: Stoikov, The micro-price: a high-frequency estimator of future prices, 2018. A table is
    made on the host; each symbol has two, so that one is loaded while the other is read.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    best_bid, best_ask : In(log_layout)
        Quantities at the touch, in stage 1.
    spread : In
        Ticks, above 0, in stage 1.
    symbol, bank : In
        Which table, in stage 1.
    offset : Out(signed 18)
        Ticks, Q9.8, in stage 3.
    write, write_address, write_entry : In
        Register writes: symbol x 256 + bank x 128 + entry; one beyond the build's symbols is
        ignored.
    init_done : Out(1)
        Tables are swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "best_bid": In(log_layout()),
                "best_ask": In(log_layout()),
                "spread": In(config.price_bits),
                "symbol": In(8),
                "bank": In(1),
                "offset": Out(signed(FEATURE_BITS)),
                "write": In(1),
                "write_address": In(16),
                "write_entry": In(FEATURE_BITS),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        depth = self.config.symbols * _BANKS * ENTRIES
        m.submodules.tables = tables = SweptMemory(signed(FEATURE_BITS), depth)
        above = Signal(signed(20))
        lean, apart = Signal(range(_LEANS)), Signal(range(_SPREADS))
        top = _BUCKET_BITS + len(lean)
        m.d.comb += [
            above.eq(straight(self.best_bid) - straight(self.best_ask) - _FIRST),
            lean.eq(Mux(above < 0, 0, above[_BUCKET_BITS:top] | above[top:].any().replicate(4))),
            apart.eq((self.spread[:4] - 1) | self.spread[3:].any().replicate(3)),
            tables.read_addr.eq(Cat(lean, apart, self.bank, self.symbol)),
            tables.write_en.eq(self.write & (self.write_address < depth)),
            tables.write_addr.eq(self.write_address),
            tables.write_data.eq(self.write_entry.as_signed()),
            self.init_done.eq(tables.done),
        ]
        m.d.sync += self.offset.eq(tables.read_data)
        return m
