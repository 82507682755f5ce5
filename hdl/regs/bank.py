# SPDX-License-Identifier: Apache-2.0
"""The register bank: the table, elaborated, behind a bus of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import block_ram
from hdl.regs.copier import INDEX_BITS, words_of
from hdl.regs.register import Access, Register
from hdl.regs.table import ADDRESS_BITS, COUNTERS, addresses

__all__ = ["BANK_BUS", "Bank"]

#: Word-addressed bus, from the master's side. `r_data` holds the word one cycle after `r_en`.
BANK_BUS = wiring.Signature(
    {
        "addr": Out(ADDRESS_BITS),
        "w_data": Out(32),
        "w_en": Out(1),
        "r_en": Out(1),
        "r_data": In(32),
    }
)


#: Words of the copies, enough for the table.
_WORDS = 1 << max(at + register.words - 1 for register, at in addresses()).bit_length()


class Bank(wiring.Component):
    """Registers of `hdl.regs.table`, all zero after reset.

    What the fabric uses is held in registers; what is read back of it is a copy in memory, because
    a mux of all of them is larger than the registers.

    An address without a register reads 0 and ignores writes. Reading the low word of a wide
    register freezes its high word for the next read; writing it waits for the high word, and both
    take effect at once.

    Parameters
    ----------
    shadows : sequence of sequence of Register
        Runs of registers, one behind the other in the table, that the fabric uses only where they
        are committed (`hdl.regs.copier`). They are kept in memory alone.
    counted : bool
        Counters lie in a memory of their own (`hdl.stats.counters`), which answers for them.

    Members
    -------
    bus : In(BANK_BUS)
        From a link.
    held : Out
        Values of the registers that may be written.
    strobes : Out
        For write-only registers: 1 in the cycle after the write, with `written` valid.
    written : Out(32)
        Word last written.
    shown : In
        Values of the registers that may only be read.
    counter : In(32)
        Of counters in memory, the one at the address of the last read, from a clock later on.
    array_index : Out(5)
        Element of an array that is being read.
    arrays : In
        That element of each array.
    run, index : In, word : Out(32)
        A word of a run of shadows, and what it holds a clock later.
    """

    def __init__(self, shadows: Sequence[Sequence[Register]] = (), counted: bool = False) -> None:
        self.shadows, self.counted = shadows, counted
        in_memory = {register.name for run in shadows for register in run}
        table = [register for register, _ in addresses()]
        self._arrays = [r for r in table if r.length > 1]
        counters = {name for name, _ in COUNTERS} if counted else set()
        self._shown = [
            r for r in table if r.access is Access.RO and r.length == 1 and r.name not in counters
        ]
        self._held = [r for r in table if r.access is Access.RW]
        self._strobes = [r for r in table if r.access is Access.WO]

        def layout(registers: list[Register]) -> data.StructLayout:
            return data.StructLayout({r.name: r.bits for r in registers})

        super().__init__(
            {
                "bus": In(BANK_BUS),
                "held": Out(layout([r for r in self._held if r.name not in in_memory])),
                "strobes": Out(data.StructLayout({r.name: 1 for r in self._strobes})),
                "written": Out(32),
                "shown": In(layout(self._shown)),
                "counter": In(32),
                "array_index": Out(5),
                "arrays": In(layout(self._arrays)),
                "run": In(range(max(len(shadows), 2))),
                "index": In(INDEX_BITS),
                "word": Out(32),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bus = self.bus
        frozen, low, told = Signal(32), Signal(32), Signal(32)
        seen, from_copy, from_frozen, freezes = Signal(), Signal(), Signal(), Signal()
        from_counters, rest = Signal(), Signal(32)
        # An array's element is told in the clock behind the read, from a memory or a register.
        index, chosen = Signal.like(self.array_index), Signal(32)
        from_array = {r.name: Signal(name=f"from_{r.name}") for r in self._arrays}
        first = {register.name: at for register, at in addresses()}
        counters = first[COUNTERS[0][0]]
        attrs = block_ram(forwarded=True)
        words, highs = (
            memory.Memory(shape=32, depth=_WORDS, init=[], attrs=attrs) for _ in range(2)
        )
        m.submodules.words, m.submodules.highs = words, highs
        read_word, read_high = words.read_port(), highs.read_port()
        m.d.sync += [self.strobes.eq(0), self.written.eq(bus.w_data), freezes.eq(0)]
        m.d.comb += [
            chosen.eq(told),
            rest.eq(Mux(from_counters, self.counter, Mux(from_frozen, frozen, chosen))),
            self.array_index.eq(index),
            bus.r_data.eq(Mux(from_copy, read_word.data & seen.replicate(32), rest)),
            *(port.addr.eq(bus.addr[: len(port.addr)]) for port in (read_word, read_high)),
            *(port.en.eq(bus.r_en) for port in (read_word, read_high)),
        ]
        for name, of_array in from_array.items():
            with m.If(of_array):
                m.d.comb += chosen.eq(self.arrays[name])
        with m.If(freezes):
            m.d.sync += frozen.eq(read_high.data & seen.replicate(32))

        written = Signal(len(self._held))  # since reset: what is in the copy counts
        with m.If(bus.r_en):
            asked = Cat(bus.addr == first[register.name] for register in self._held)
            wide = Const(sum((r.bits > 32) << at for at, r in enumerate(self._held)))
            m.d.sync += [
                told.eq(0),
                from_frozen.eq(0),
                *(of_array.eq(0) for of_array in from_array.values()),
                from_counters.eq(
                    (bus.addr >= counters) & (bus.addr < counters + len(COUNTERS))
                    if self.counted
                    else 0
                ),
                from_copy.eq(asked.any()),
                seen.eq((asked & written).any()),
                freezes.eq((asked & wide).any()),
            ]
            for register in self._shown:
                value, at = self.shown[register.name], first[register.name]
                with m.If(bus.addr == at):
                    m.d.sync += told.eq(value[:32])
                    if register.bits > 32:
                        m.d.sync += frozen.eq(value[32:])
            for register in self._arrays:
                at = first[register.name]
                with m.If((bus.addr >= at) & (bus.addr < at + register.length)):
                    m.d.comb += self.array_index.eq(bus.addr - at)
                    m.d.sync += [index.eq(bus.addr - at), from_array[register.name].eq(1)]
            for register in (*self._shown, *self._held):
                if register.bits > 32:
                    with m.If(bus.addr == first[register.name] + 1):
                        m.d.sync += from_frozen.eq(1)

        with m.If(bus.w_en):
            for number, register in enumerate(self._held):
                at = first[register.name]
                late = int(register.bits > 32)  # it takes effect with the word behind
                with m.If(bus.addr == at + late):
                    m.d.sync += written[number].eq(1)
                    if register.name in self.held.shape().members:
                        value = self.held[register.name]
                        m.d.sync += value.eq(Cat(low, bus.w_data) if late else bus.w_data)
                if late:
                    with m.If(bus.addr == at):
                        m.d.sync += low.eq(bus.w_data)
            for register in self._strobes:
                with m.If(bus.addr == first[register.name]):
                    m.d.sync += self.strobes[register.name].eq(1)
        self._copy(m, words.write_port(), highs.write_port(), low, first)
        if self.shadows:
            self._show_shadows(m, words.read_port(), highs.read_port(), written, first)
        return m

    def _show_shadows(
        self, m: Module, words: Any, highs: Any, written: Value, first: Mapping[str, int]
    ) -> None:
        """The word of a shadow from the copies; zero where nothing was written."""
        number = {register.name: at for at, register in enumerate(self._held)}
        at, high, seen = Signal(range(_WORDS)), Signal(), Signal()
        for value, run in enumerate(self.shadows):
            parts = [(r, part) for r in run for part in range(words_of(r.bits))]
            with m.If(self.run == value):
                m.d.comb += at.eq(first[run[0].name] + self.index)
                m.d.sync += [
                    high.eq(
                        Const(sum(part << n for n, (_, part) in enumerate(parts))) >> self.index
                    ),
                    seen.eq(
                        Cat(written[number[r.name]] for r, _ in parts).bit_select(self.index, 1)
                    ),
                ]
        m.d.comb += [
            words.addr.eq(at),
            highs.addr.eq(at - 1),
            self.word.eq(Mux(high, highs.data, words.data) & seen.replicate(32)),
        ]

    def _copy(
        self, m: Module, words: Any, highs: Any, low: Value, first: Mapping[str, int]
    ) -> None:
        """Write what is held to the copies as well, cut to the register's width."""
        bus = self.bus

        def ends(least: int) -> Value:
            """The address is where a write of a register of so many bits takes effect."""
            found = [
                bus.addr == first[register.name] + (register.bits > 32)
                for register in self._held
                if register.bits >= least and (least > 32 or register.bits <= 32)
            ]
            return Cat(found).any()

        wide = ends(33)
        narrow = Cat(bus.w_data[bit] & ends(bit + 1) for bit in range(32))
        m.d.comb += [
            words.en.eq(bus.w_en & (wide | ends(1))),
            words.addr.eq((bus.addr - wide)[: len(words.addr)]),
            words.data.eq(Mux(wide, low, narrow)),
            highs.en.eq(bus.w_en & wide),
            highs.addr.eq((bus.addr - 1)[: len(highs.addr)]),
            highs.data.eq(Cat(bus.w_data[bit] & ends(bit + 33) for bit in range(32))),
        ]
