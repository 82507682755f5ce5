# SPDX-License-Identifier: Apache-2.0
"""Memories: swept after reset, which alone leaves their contents standing; and queues."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, ValueLike
from amaranth.lib import fifo, memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FEW", "FEW_ENTRIES", "Queue", "ShortQueue", "SweptMemory", "block_ram", "queue_of"]

#: Up to so many rows are kept in distributed memory, which is as fast and never as wide.
FEW = 32
#: A queue of up to so many entries is kept there as well: block RAM has 36 bits a row, and an entry
#: of the way out is thirteen times as wide.
FEW_ENTRIES = 16


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


class Queue(fifo.SyncFIFOBuffered):
    """The library's queue, whose rows are read only when they were written in a clock before.

    The library does not say so of its memory, and synthesis would put a register and a mux around
    each bit (`block_ram`).
    """

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.submodules.storage.attrs["no_rw_check"] = 1
        return m


class ShortQueue(fifo.SyncFIFO):
    """The library's queue in distributed memory, whose head is read in the same clock."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.submodules.storage.attrs["ram_style"] = "distributed"
        return m


def queue_of(width: int, depth: int) -> Queue | ShortQueue:
    """A queue in the memory that is best for so many entries."""
    kind = ShortQueue if depth <= FEW_ENTRIES else Queue
    return kind(width=width, depth=depth)


class SweptMemory(wiring.Component):
    """One write port, one read port, every row set to `clear` before `done` rises.

    A read returns the row as it was before a write in the same cycle, or anything where the memory
    is `forwarded`. Writes before `done` are lost. A memory that is `early` takes a write a cycle
    before it is made; it stands in registers then, with nothing between them and the memory.

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
    early : bool
        Writes are taken a cycle early.
    at_once : bool
        Reads take no cycle; for few rows, in distributed memory.
    cleared : bool
        `write_data` is `clear` until `done` rises, so that no mux stands before the memory.

    Members
    -------
    read_addr : In
        Row to read.
    read_data : Out(shape)
        That row, one cycle later, or in the same where reads are at once.
    write_en, write_addr, write_data : In
        Row to write.
    written : Out(shape)
        What is written in this cycle, if anything is.
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
        early: bool = False,
        at_once: bool = False,
        cleared: bool = False,
    ) -> None:
        self.shape, self.depth, self.clear = shape, depth, clear
        self.early, self.at_once, self.cleared = early, at_once, cleared
        # A read at once has no clock in which it could meet a write.
        self.attrs = block_ram(forwarded and not at_once) | {"ram_style": style}
        addr_bits = (depth - 1).bit_length()
        super().__init__(
            {
                "read_addr": In(addr_bits),
                "read_data": Out(shape),
                "write_en": In(1),
                "write_addr": In(addr_bits),
                "write_data": In(shape),
                "written": Out(shape),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=self.shape, depth=self.depth, init=[], attrs=self.attrs
        )
        read = rows.read_port(domain="comb" if self.at_once else "sync")
        write = rows.write_port()
        swept, over = Signal(range(self.depth + 1)), Signal()
        en, addr, row = Signal(), Signal.like(self.write_addr), Signal.like(self.write_data)
        with m.If(~over):
            m.d.sync += swept.eq(swept + 1)
        with m.If(swept == self.depth - 1):
            m.d.sync += over.eq(1)
        m.d.comb += [
            en.eq((self.write_en & self.done) | ~over),
            addr.eq(Mux(over, self.write_addr, swept[: len(self.write_addr)])),
            row.eq(self.write_data),
            read.addr.eq(self.read_addr),
            self.read_data.eq(read.data),
            self.written.eq(write.data),
        ]
        if not self.cleared:
            with m.If(~over):
                m.d.comb += row.eq(self.clear)
        if not self.at_once:
            m.d.comb += read.en.eq(1)
        if self.early:
            early_en, early_addr = Signal.like(en), Signal.like(addr)
            early_row = Signal.like(row, reset_less=True)
            m.d.sync += [early_en.eq(en), early_addr.eq(addr), early_row.eq(row)]
            m.d.sync += self.done.eq(over)
            en, addr, row = early_en, early_addr, early_row
        else:
            m.d.comb += self.done.eq(over)
        m.d.comb += [write.en.eq(en), write.addr.eq(addr), write.data.eq(row)]
        return m
