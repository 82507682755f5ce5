# SPDX-License-Identifier: Apache-2.0
"""Block RAM: what a reset leaves standing is never seen, and the proofs' own memories are true.

1. `swept`: whatever the memory held at reset, once `done` each row reads `clear` until it is
   written, then what was last written; a read in the cycle of a write gives the row before it.
2. `model`: the registers other proofs look into in place of a memory (`kit.cells`) read the same as
   the memory Amaranth makes, whole rows or parts of them written.
"""

from functools import partial

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.hdl._ast import AnyConst, AnySeq
from amaranth.lib import data, memory

from hdl.memory import SweptMemory
from tests.formal.kit import Proof, cells, open_up, pick, start

__all__ = ["PROOFS"]

ROWS, BITS, CLEAR = 5, 4, 0b1001


def swept(early: bool = False, cleared: bool = False) -> Module:
    m = start()
    m.submodules.memory = mem = SweptMemory(BITS, ROWS, CLEAR, early=early, cleared=cleared)
    inside = open_up(mem)
    m.d.comb += [
        mem.read_addr.eq(AnySeq(3)),
        mem.write_addr.eq(AnySeq(3)),
        mem.write_data.eq(AnySeq(BITS)),
        mem.write_en.eq(AnySeq(1)),
    ]
    if cleared:
        m.d.comb += Assume(mem.done | (mem.write_data == CLEAR))
    # What is written early is in the memory with the next clock, or on its way in this one.
    row = AnyConst(3)
    expected, asked, was = Signal(BITS, init=CLEAR), Signal(), Signal(BITS)
    takes = mem.done & mem.write_en & (mem.write_addr == row)
    new = mem.write_data
    if early:
        took, late = Signal(), Signal(BITS)
        m.d.sync += [took.eq(takes), late.eq(new)]
        m.d.comb += Assert(~took | (mem.written == late))
        takes, new = took, late
    with m.If(takes):
        m.d.sync += expected.eq(new)
    m.d.sync += [asked.eq(mem.done & (mem.read_addr == row) & (row < ROWS)), was.eq(expected)]
    stored = pick(m, cells(inside["rows"]), row, "stored")
    at, over = inside["swept"], inside["over"]
    en, addr, given = inside["en"], inside["addr"], inside["row"]
    passed = (at > row + 1) if early else (at > row)
    m.d.comb += [
        Assert(~asked | (mem.read_data == was), "a row reads what was last written, or clear"),
        Assert(at <= ROWS),
        Assert(over == (at == ROWS)),
        Assert((row >= ROWS) | ~(mem.done | passed) | (stored == expected)),
        Assert(mem.done | (expected == CLEAR)),
        Assert(mem.done | ~asked),
    ]
    if early:
        m.d.comb += [
            Assert(over | ~mem.done),
            Assert(mem.done | (en == (at != 0))),
            Assert(mem.done | ~en | ((addr == at - 1) & (given == CLEAR))),
            Assert(mem.done | ~takes),
            Assert(~mem.done | ((en & (addr == row)) == takes)),
            Assert(~takes | (given == new)),
        ]
    m.d.comb += [
        Cover(asked & (was == CLEAR), "read as swept"),
        Cover(asked & (was == 3) & (expected == 5), "read while written"),
        Cover((at == 0) & (stored == 7), "rubbish at reset"),
    ]
    return m


def model() -> Module:
    m = start()
    shape = data.ArrayLayout(2, 2)
    kept = memory.Memory(shape=shape, depth=3, init=[])
    opened = memory.Memory(shape=shape, depth=3, init=[])
    m.submodules.kept, m.submodules.opened = kept, opened
    cells(opened)
    write_addr, read_addr, en, new = AnySeq(2), AnySeq(2), AnySeq(2), AnySeq(4)
    ports = []
    for mem in (kept, opened):
        write, read = mem.write_port(granularity=1), mem.read_port()
        ports.append(read)
        m.d.comb += [
            write.addr.eq(write_addr),
            write.en.eq(en),
            write.data.eq(new),
            read.addr.eq(read_addr),
        ]
    known = Signal(8)  # parts that were written since the start
    asked = Signal(2)
    m.d.sync += asked.eq(0)
    for row in range(3):
        for part in range(2):
            bit = 2 * row + part
            with m.If(en[part] & (write_addr == row)):
                m.d.sync += known[bit].eq(1)
            with m.If(read_addr == row):
                m.d.sync += asked[part].eq(known[bit])
    for part in range(2):
        m.d.comb += Assert(~asked[part] | (ports[0].data[part] == ports[1].data[part]))
    m.d.comb += [
        Cover(asked.all() & (ports[0].data[0] == 1) & (ports[0].data[1] == 2), "both parts"),
        Cover(asked.all() & (known == 0b111111), "all rows"),
    ]
    return m


PROOFS = [
    Proof(
        "memory_swept",
        "no content from before a reset is ever read; then a row reads what was last written",
        swept,
        *("induction", 2, 12, True),
    ),
    Proof(
        "memory_swept_early",
        "the same of a memory that takes writes a cycle early",
        partial(swept, early=True),
        *("induction", 2, 12, True),
    ),
    Proof(
        "memory_swept_cleared",
        "the same of a memory whose writer holds what it is swept with",
        partial(swept, cleared=True),
        *("induction", 2, 12, True),
    ),
    Proof(
        "memory_model",
        "the registers proofs use for a memory read the same as Amaranth's memory",
        model,
        *("bounded", 12, 10, True),
    ),
]
