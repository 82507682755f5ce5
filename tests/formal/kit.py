# SPDX-License-Identifier: Apache-2.0
"""What every proof is made of: a harness, how it is closed, and a way to see inside a block."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnySeq
from amaranth.lib import memory, wiring

__all__ = ["Proof", "cells", "export", "let_go", "open_up", "pick", "start"]


@dataclass(frozen=True)
class Proof:
    """One theorem about the RTL.

    Parameters
    ----------
    name : str
        Name in the table and of the work folder.
    promise : str
        What is proved, in one sentence.
    harness : callable
        Makes the module with the block under test, its assumptions, assertions and covers.
    method : str
        ``induction``: base case and step, holds for ever. ``step``: one step from any state that
        satisfies what is assumed. ``bounded``: every run of `depth` cycles after reset.
    depth : int
        k of the induction, or cycles of the bounded run.
    cover_depth : int
        Cycles within which each cover must be reached.
    quick : bool
        Belongs to the short share.
    """

    name: str
    promise: str
    harness: Callable[[], Module]
    method: str
    depth: int
    cover_depth: int
    quick: bool = True

    @property
    def closed_by(self) -> str:
        """Method and depth as the table shows them."""
        text = {
            "induction": f"k-induction, k={self.depth}",
            "step": "one step, complete",
            "bounded": f"bounded, {self.depth} cycles",
        }
        return text[self.method]


def start() -> Module:
    """Empty harness whose registers begin as a reset leaves them."""
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    return m


def open_up(block: Elaboratable) -> dict[str, Any]:
    """Elaborate `block` now, once, and return the local names of its ``elaborate`` by name.

    Those of the classes it derives from are among them. The block is proved as it is: nothing is
    changed in it, its signals just become visible.
    """
    ways = (vars(kind).get("elaborate") for kind in type(block).__mro__)
    codes = {way.__code__ for way in ways if hasattr(way, "__code__")}
    seen: dict[str, Any] = {}

    def watch(frame: Any, event: str, _value: object) -> None:
        if event == "return" and frame.f_code in codes:
            seen.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        module = block.elaborate(None)
    finally:
        sys.setprofile(before)
    block.elaborate = lambda _platform: module
    return seen


def let_go(block: wiring.Component) -> None:
    """Let a block's outputs be anything in every clock, but for `init_done`, which is 1.

    What is proved so holds whatever the block does, the real one included.
    """
    m = Module()
    for path, member, value in block.signature.flatten(block):
        out = Value.cast(value)
        if member.flow is wiring.Out and not isinstance(out, Const):
            m.d.comb += out.eq(1 if path[-1] == "init_done" else AnySeq(len(out)))
    block.elaborate = lambda _platform: m


def cells(mem: memory.Memory) -> list[Signal]:
    """Rows of a memory as signals; their first contents are arbitrary.

    A memory so opened is exported as registers, each port as Amaranth defines it: a read gives
    the row as it was before a write in the same cycle, or anything at all where the memory is one
    whose readers must not use it (`hdl.memory.block_ram`).
    """
    if not hasattr(mem, "formal_cells"):
        mem.formal_cells = [
            Signal(mem.shape, name=f"cell{row}", attrs={"arbitrary": 1}) for row in range(mem.depth)
        ]
    return mem.formal_cells


def pick(m: Module, rows: list[Signal], index: Value, name: str) -> Signal:
    """Row `index` of a memory's rows, as plain bits."""
    found = Signal(len(Value.cast(rows[0])), name=f"{name}_at")
    with m.Switch(index):
        for at, row in enumerate(rows):
            with m.Case(at):
                m.d.comb += found.eq(row)
    return found


class _Registers(Elaboratable):
    """The same memory, made of registers."""

    def __init__(self, mem: memory.Memory) -> None:
        self.mem = mem

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        rows = [Value.cast(row) for row in cells(self.mem)]
        forwarded = "no_rw_check" in self.mem.attrs
        for port in self.mem.write_ports:
            en, new = Value.cast(port.en), Value.cast(port.data)
            part = len(new) // len(en)
            for at, row in enumerate(rows):
                mine = (port.addr == at) if len(port.addr) else 1
                for bit in range(len(en)):
                    span = slice(bit * part, (bit + 1) * part)
                    m.d.sync += row[span].eq(Mux(mine & en[bit], new[span], row[span]))
        for port in self.mem.read_ports:
            if port.domain == "comb":
                m.d.comb += Value.cast(port.data).eq(pick(m, rows, port.addr, "read"))
                continue
            shown = Signal(len(Value.cast(port.data)), name="read", attrs={"arbitrary": 1})
            m.d.comb += Value.cast(port.data).eq(shown)
            collides = Value.cast(0)
            for write in self.mem.write_ports if forwarded else ():
                collides |= Value.cast(write.en).any() & (write.addr == port.addr)
            with m.If(collides):
                m.d.sync += shown.eq(AnySeq(len(shown)))
            with m.Elif(port.en):
                if len(port.addr):
                    with m.Switch(port.addr):
                        for at, row in enumerate(rows):
                            with m.Case(at):
                                m.d.sync += shown.eq(row)
                else:
                    m.d.sync += shown.eq(rows[0])
        return m


class _Platform:
    """Tells Amaranth how to make the memories a harness looks into."""

    def get_memory(self, mem: memory.Memory) -> Elaboratable:
        if hasattr(mem, "formal_cells"):
            return _Registers(mem)
        return mem.elaborate(None)


def export(harness: Module) -> str:
    """RTLIL of a harness, its clock the only port."""
    clock = harness._domains["sync"].clk
    return rtlil.convert(harness, name="top", platform=_Platform(), ports=[clock])
