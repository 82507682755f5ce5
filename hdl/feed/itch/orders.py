# SPDX-License-Identifier: Apache-2.0
"""Orders by their reference: a set-associative table in block RAM."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.config import ItchConfig
from hdl.memory import SweptMemory

__all__ = ["LATENCY", "OrderTable", "fold", "order_layout", "pick"]

#: Cycles from a reference to what the table has of it.
LATENCY = 3


def order_layout(config: ItchConfig) -> data.StructLayout:
    """An order that rests."""
    return data.StructLayout(
        {
            "used": 1,
            "ref": 64,
            "symbol": config.symbol_bits,
            "sell": 1,
            "shares": 32,  # never 0
            "place": config.place,  # of its level, in the table of levels
        }
    )


def fold(value: Value, bits: int) -> Value:
    """Exclusive or of the value's parts of `bits` bits."""
    folded = value[:bits]
    for at in range(bits, len(value), bits):
        folded = folded ^ value[at : at + bits]
    return folded


def pick(way: Value, entries: list) -> Value:
    """The entry whose bit of `way` is set, 0 if none is; at most one may be."""
    found = Value.cast(entries[0]) & way[0].replicate(len(Value.cast(entries[0])))
    for n, entry in enumerate(entries[1:], 1):
        bits = Value.cast(entry)
        found = found | (bits & way[n].replicate(len(bits)))
    return found


class OrderTable(wiring.Component):
    """Every order of the selected symbols, or a row that says it has no room.

    The row is the exclusive or of the reference's parts; in it the whole reference and the symbol
    are compared. A read shows the row as it was before a write in the same cycle; who writes sees
    to that.

    Latency is `LATENCY` cycles, throughput one reference a cycle.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.

    Members
    -------
    ref : In(64)
        Order that is looked up.
    symbol : In
        Its symbol, two cycles later.
    hit : Out(ways), used : Out(ways), row : Out
        What was found: the way that holds the order, those that hold one, and the row's number.
    order : Out(order_layout)
        The order, 0 without a hit.
    write : In(ways), write_row : In, write_order : In(order_layout)
        Ways to write.
    done : Out(1)
        The sweep is over.
    """

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        ways, bits = config.order_ways, config.order_bits
        super().__init__(
            {
                "ref": In(64),
                "symbol": In(config.symbol_bits),
                "hit": Out(ways),
                "used": Out(ways),
                "row": Out(bits),
                "order": Out(order_layout(config)),
                "write": In(ways),
                "write_row": In(bits),
                "write_order": In(order_layout(config)),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        layout = order_layout(config)
        index = fold(self.ref, config.order_bits)
        rows = [Signal(config.order_bits, name=f"row{n}") for n in range(LATENCY)]
        refs = [Signal(64, name=f"ref{n}") for n in range(LATENCY - 1)]
        m.d.sync += [rows[0].eq(index), refs[0].eq(self.ref), refs[1].eq(refs[0])]
        m.d.sync += [later.eq(sooner) for sooner, later in pairwise(rows)]

        late, done = [], []
        for way in range(config.order_ways):
            m.submodules[f"way{way}"] = memory = SweptMemory(layout, config.order_sets)
            m.d.comb += [
                memory.read_addr.eq(index),
                memory.write_en.eq(self.write[way]),
                memory.write_addr.eq(self.write_row),
                memory.write_data.eq(self.write_order),
            ]
            read = Signal(layout, name=f"read{way}")
            found = Signal(layout, name=f"found{way}")
            same = read.used & (read.ref == refs[1]) & (read.symbol == self.symbol)
            m.d.sync += [
                read.eq(memory.read_data),
                found.eq(read),
                self.hit[way].eq(same),
                self.used[way].eq(read.used),
            ]
            late.append(found)
            done.append(memory.done)
        m.d.comb += [
            self.row.eq(rows[-1]),
            self.order.eq(pick(self.hit, late)),
            self.done.eq(Cat(done).all()),
        ]
        return m
