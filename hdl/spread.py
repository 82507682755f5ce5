# SPDX-License-Identifier: Apache-2.0
"""Rows that are wide and few, each spread over several words of a narrow block RAM."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import block_ram
from hdl.regs.copier import INDEX_BITS, words_of

__all__ = ["READ_CLOCKS", "SpreadMemory", "WordRows"]

_BEATS = 4
#: Clocks from an address to its row.
READ_CLOCKS = _BEATS + 1


class SpreadMemory(wiring.Component):
    """One row at a time, read and written in `_BEATS` words, all zero before `done` rises.

    A block RAM is deep; a row of a thousand bits for each of sixteen symbols would take thirty of
    them and fill each to a thirtieth. ::

        read:   words of the row at `read_addr`, in turn and for ever, each into its part of a
                register; `READ_CLOCKS` after an address the whole row stands
        write:  the row into a register, then its words, one a clock

    So a row may be read `READ_CLOCKS` after its address came, and `READ_CLOCKS` after the last word
    of it was written; in between, what is read is no row. Writes are more than `_BEATS` clocks
    apart. For builds in which one record is under way at a time.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a row.
    depth : int
        Rows.

    Members
    -------
    read_addr : In, read_data : Out(shape)
        Row to read; what stands of it.
    write_en, write_addr, write_data : In
        Row to write.
    done : Out(1)
        The memory is swept. Writes before that are lost.
    """

    def __init__(self, shape: ValueLike, depth: int) -> None:
        self.shape, self.depth = shape, depth
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
        bits = len(Value.cast(self.write_data))
        width = -(-bits // _BEATS)
        words = 1 << (len(self.read_addr) + (_BEATS - 1).bit_length())
        m.submodules.words = kept = memory.Memory(
            shape=width, depth=words, init=[], attrs=block_ram(forwarded=True)
        )
        read, write = kept.read_port(), kept.write_port()

        # Read: the word that left the memory is the one asked for a clock ago.
        asked, left = Signal(range(_BEATS)), Signal(range(_BEATS))
        parts = [Signal(width, name=f"part{at}") for at in range(_BEATS)]
        m.d.sync += [asked.eq(asked + 1), left.eq(asked)]
        for at, part in enumerate(parts):
            with m.If(left == at):
                m.d.sync += part.eq(read.data)
        m.d.comb += [
            read.addr.eq(Cat(asked, self.read_addr)),
            self.read_data.eq(Cat(parts)[:bits]),
        ]

        # Write, after the sweep; the register is zero until then.
        row, addr = Signal(bits), Signal.like(self.write_addr)
        beat, busy, swept = Signal(range(_BEATS)), Signal(), Signal(range(words + 1))
        whole = Cat(row, Const(0, width * _BEATS - bits)) if width * _BEATS > bits else row
        m.d.comb += [
            self.done.eq(swept == words),
            write.en.eq(busy | ~self.done),
            write.addr.eq(Mux(self.done, Cat(beat, addr), swept[: len(write.addr)])),
            write.data.eq(whole.word_select(beat, width)),
        ]
        with m.If(~self.done):
            m.d.sync += swept.eq(swept + 1)
        with m.Elif(self.write_en):
            m.d.sync += [row.eq(self.write_data), addr.eq(self.write_addr), busy.eq(1), beat.eq(0)]
        with m.Elif(busy):
            m.d.sync += [beat.eq(beat + 1), busy.eq(beat != _BEATS - 1)]
        return m


class WordRows(wiring.Component):
    """Rows read whole and written a word of 32 bits at a time, all zero before `done` rises.

    Each field begins with a word of its own. Four words in turn lie in one lane, a memory of 32
    bits; all lanes are read at once, as `SpreadMemory` reads. A row may be read `READ_CLOCKS` after
    its address came, and after the last word of it was written; in between, what is read is no row.

    Parameters
    ----------
    layout : StructLayout
        A row.
    depth : int
        Rows.

    Members
    -------
    read_addr : In, read_data : Out(layout)
        Row to read; what stands of it.
    write_en, write_addr, write_index, write_data : In
        Word to write; indices that the row does not have are ignored.
    done : Out(1)
        The memory is swept. Writes before that are lost.
    """

    def __init__(self, layout: data.StructLayout, depth: int) -> None:
        self.layout, self.depth = layout, depth
        addr_bits = (depth - 1).bit_length()
        super().__init__(
            {
                "read_addr": In(addr_bits),
                "read_data": Out(layout),
                "write_en": In(1),
                "write_addr": In(addr_bits),
                "write_index": In(INDEX_BITS),
                "write_data": In(32),
                "done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat_bits = (_BEATS - 1).bit_length()
        rows = 1 << (len(self.read_addr) + beat_bits)
        asked, left, swept = Signal(range(_BEATS)), Signal(range(_BEATS)), Signal(range(rows + 1))
        m.d.sync += [asked.eq(asked + 1), left.eq(asked)]
        m.d.comb += self.done.eq(swept == rows)
        with m.If(~self.done):
            m.d.sync += swept.eq(swept + 1)
        sizes = [len(Value.cast(self.read_data[name])) for name, _ in self.layout]
        words: list[Value] = []
        for lane in range(-(-sum(map(words_of, sizes)) // _BEATS)):
            m.submodules[f"lane{lane}"] = kept = memory.Memory(
                shape=32, depth=rows, init=[], attrs=block_ram(forwarded=True)
            )
            read, write = kept.read_port(), kept.write_port()
            mine = self.write_index[beat_bits:] == lane
            m.d.comb += [
                read.addr.eq(Cat(asked, self.read_addr)),
                write.en.eq((self.write_en & mine) | ~self.done),
                write.addr.eq(
                    Mux(
                        self.done,
                        Cat(self.write_index[:beat_bits], self.write_addr),
                        swept[: len(write.addr)],
                    )
                ),
                write.data.eq(self.write_data & self.done.replicate(32)),
            ]
            for beat in range(_BEATS):
                part = Signal(32, name=f"part{lane}_{beat}")
                with m.If(left == beat):
                    m.d.sync += part.eq(read.data)
                words.append(part)
        for (name, _), size in zip(self.layout, sizes, strict=True):
            taken, words = words[: words_of(size)], words[words_of(size) :]
            m.d.comb += Value.cast(self.read_data[name]).eq(Cat(taken)[:size])
        return m
