# SPDX-License-Identifier: Apache-2.0
"""Block RAM that is swept after reset: a reset alone leaves its contents standing."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, ValueLike
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SweptMemory", "block_ram"]


def block_ram(forwarded: bool) -> dict[str, Any]:
    """Attributes of a memory in block RAM.

    Parameters
    ----------
    forwarded : bool
        What a read gives in the clock of a write to the same row is never used: the reader takes
        it from elsewhere. Otherwise synthesis for parts whose block RAM gives rubbish then puts a
        register and a mux around each bit.
    """
    return {"ram_style": "block"} | ({"no_rw_check": 1} if forwarded else {})


class SweptMemory(wiring.Component):
    """One write port, one read port, every row set to `clear` before `done` rises.

    A read returns the row as it was before a write in the same cycle, or anything where the memory
    is `forwarded`. Writes before `done` are lost.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a row.
    depth : int
        Rows.
    clear : int
        Value every row is swept to.
    forwarded : bool
        As in `block_ram`.
    style : str
        Attribute ``ram_style``: ``block``, ``distributed`` for few rows that are wide, or
        ``auto`` to leave it to synthesis.

    Members
    -------
    read_addr : In
        Row to read.
    read_data : Out(shape)
        That row, one cycle later.
    write_en, write_addr, write_data : In
        Row to write.
    done : Out(1)
        The sweep is over.
    """

    def __init__(
        self,
        shape: ValueLike,
        depth: int,
        clear: int = 0,
        forwarded: bool = False,
        style: str = "block",
    ) -> None:
        self.shape, self.depth, self.clear = shape, depth, clear
        self.attrs = block_ram(forwarded) | {"ram_style": style}
        addr_bits = (depth - 1).bit_length()
        super().__init__(
            {
                "read_addr": In(addr_bits),
                "read_data": Out(shape),
                "write_en": In(1),
                "write_addr": In(addr_bits),
                "write_data": In(shape),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=self.shape, depth=self.depth, init=[], attrs=self.attrs
        )
        read, write = rows.read_port(), rows.write_port()
        swept = Signal(range(self.depth + 1))
        with m.If(~self.done):
            m.d.sync += swept.eq(swept + 1)
        with m.If(swept == self.depth - 1):
            m.d.sync += self.done.eq(1)
        m.d.comb += [
            read.en.eq(1),
            read.addr.eq(self.read_addr),
            self.read_data.eq(read.data),
            write.en.eq(self.write_en | ~self.done),
            write.addr.eq(Mux(self.done, self.write_addr, swept[: len(self.write_addr)])),
            write.data.eq(self.write_data),
        ]
        with m.If(~self.done):
            m.d.comb += write.data.eq(self.clear)
        return m
