# SPDX-License-Identifier: Apache-2.0
"""Which stock locate is which symbol, set while the feed runs."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.memory import SweptMemory

__all__ = ["LATENCY", "LocateMap"]

#: Cycles from a locate to its symbol.
LATENCY = 2
_BANKS = 4  # each is swept in a quarter of the time


class LocateMap(wiring.Component):
    """Symbol of each of the 65,536 stock locates, none after reset.

    Latency is `LATENCY` cycles, throughput one locate a cycle.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    locate : In(16)
        What is looked up.
    symbol : Out, selected : Out(1)
        What it is; `symbol` means nothing unless `selected`.
    write : In(1), word : In(32)
        The register `itch_locate` is written. A symbol the build does not have is not selected.
        Writes before `done` are lost.
    mapped : Out(symbols)
        Symbols that were selected since reset.
    done : Out(1)
        The sweep is over.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "locate": In(16),
                "symbol": Out(config.symbol_bits),
                "selected": Out(1),
                "write": In(1),
                "word": In(32),
                "mapped": Out(config.symbols),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        entry = data.StructLayout({"symbol": config.symbol_bits, "selected": 1})
        symbol = self.word[16:24]
        selects = self.word[31] & (symbol < config.symbols)
        found, done, bank = [], [], Signal(2)
        for n in range(_BANKS):
            rows = SweptMemory(entry, (1 << 16) // _BANKS)
            m.submodules[f"bank{n}"] = rows
            m.d.comb += [
                rows.read_addr.eq(self.locate[2:]),
                rows.write_en.eq(self.write & (self.word[:2] == n)),
                rows.write_addr.eq(self.word[2:16]),
                rows.write_data.symbol.eq(symbol),
                rows.write_data.selected.eq(selects),
            ]
            shown = Signal(entry, name=f"shown{n}")
            m.d.sync += shown.eq(rows.read_data)
            found.append(shown)
            done.append(rows.done)
        asked = Signal(2)
        m.d.sync += [asked.eq(self.locate[:2]), bank.eq(asked)]
        m.d.comb += [
            self.symbol.eq(Array(shown.symbol for shown in found)[bank]),
            self.selected.eq(Array(shown.selected for shown in found)[bank]),
            self.done.eq(Cat(done).all()),
        ]
        with m.If(self.write & self.done & selects):
            m.d.sync += self.mapped.eq(self.mapped | (1 << symbol)[: config.symbols])
        return m
