# SPDX-License-Identifier: Apache-2.0
"""Shares that rest at each price: a set-associative table in block RAM."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.orders import fold
from hdl.memory import SweptMemory

__all__ = ["LATENCY", "LevelTable", "level_index", "total_layout"]

#: Cycles from a row's number to the row.
LATENCY = 2


def total_layout(config: ItchConfig) -> data.StructLayout:
    """A level and the shares of all its orders."""
    return data.StructLayout(
        {
            "used": 1,
            "symbol": config.symbol_bits,
            "sell": 1,
            "price": 32,
            "total": config.qty_bits,
        }
    )


def level_index(config: ItchConfig, symbol: Value, price: Value) -> Value:
    """Row of a level: close prices fall into rows of their own, in steps of a cent or of less.

    A cent is 100 units, 4 times an odd number: so the price without its two lowest bits is folded,
    and these and the symbol's bits come in from the other end.
    """
    bits = config.level_bits
    parts: list[list[Value]] = [[bit] for bit in fold(price[2:], bits)]
    for low in (price[:2], symbol):
        for at in range(len(low)):
            parts[(bits - 1 - at) % bits].append(low[at])
    return Cat(Cat(part).xor() for part in parts)


class LevelTable(wiring.Component):
    """A level for every price at which an order rests, or a row that says it has no room.

    Both sides of a price are in one row. An order keeps the place of its level, so that only an
    order that comes has to be compared with a row.

    Latency is `LATENCY` cycles, throughput one row a cycle.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    read_row : In
        Row that is read.
    ways : Out
        The row, one level a way.
    symbol : In, sell : In(1), price : In(32)
        What is looked for in the row that is shown.
    hit : Out(ways)
        The way that has it.
    used : Out(ways)
        Ways that hold a level.
    write : In(ways), write_row : In, write_level : In(total_layout)
        Ways to write.
    done : Out(1)
        The sweep is over.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        ways, layout = config.level_ways, total_layout(config)
        super().__init__(
            {
                "read_row": In(config.level_bits),
                "ways": Out(data.ArrayLayout(layout, ways)),
                "symbol": In(config.symbol_bits),
                "sell": In(1),
                "price": In(32),
                "hit": Out(ways),
                "used": Out(ways),
                "write": In(ways),
                "write_row": In(config.level_bits),
                "write_level": In(layout),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        key = Signal(data.StructLayout({"symbol": config.symbol_bits, "sell": 1, "price": 32}))
        m.d.comb += [
            key.symbol.eq(self.symbol),
            key.sell.eq(self.sell),
            key.price.eq(self.price),
        ]
        done = []
        for way in range(config.level_ways):
            memory = SweptMemory(total_layout(config), config.level_sets)
            m.submodules[f"way{way}"] = memory
            level = self.ways[way]
            same = Cat(level.symbol, level.sell, level.price) == key.as_value()
            m.d.comb += [
                memory.read_addr.eq(self.read_row),
                memory.write_en.eq(self.write[way]),
                memory.write_addr.eq(self.write_row),
                memory.write_data.eq(self.write_level),
                self.hit[way].eq(level.used & same),
                self.used[way].eq(level.used),
            ]
            m.d.sync += level.eq(memory.read_data)
            done.append(memory.done)
        m.d.comb += self.done.eq(Cat(done).all())
        return m
