# SPDX-License-Identifier: Apache-2.0
"""The register bank: the table, elaborated, behind a bus of its own."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.regs.register import Access, Register
from hdl.regs.table import ADDRESS_BITS, addresses

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


class Bank(wiring.Component):
    """Registers of `hdl.regs.table`, all zero after reset.

    An address without a register reads 0 and ignores writes. Reading the low word of a wide
    register freezes its high word for the next read; writing it waits for the high word, and both
    take effect at once.

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
    array_index : Out(5)
        Element of an array that is being read.
    arrays : In
        That element of each array.
    """

    def __init__(self) -> None:
        table = [register for register, _ in addresses()]
        self._arrays = [r for r in table if r.length > 1]
        self._shown = [r for r in table if r.access is Access.RO and r.length == 1]
        self._held = [r for r in table if r.access is Access.RW]
        self._strobes = [r for r in table if r.access is Access.WO]

        def layout(registers: list[Register]) -> data.StructLayout:
            return data.StructLayout({r.name: r.bits for r in registers})

        super().__init__(
            {
                "bus": In(BANK_BUS),
                "held": Out(layout(self._held)),
                "strobes": Out(data.StructLayout({r.name: 1 for r in self._strobes})),
                "written": Out(32),
                "shown": In(layout(self._shown)),
                "array_index": Out(5),
                "arrays": In(layout(self._arrays)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bus = self.bus
        frozen, low = Signal(32), Signal(32)
        first = {register.name: at for register, at in addresses()}
        m.d.sync += [self.strobes.eq(0), self.written.eq(bus.w_data)]

        with m.If(bus.r_en):
            m.d.sync += bus.r_data.eq(0)
            for register in (*self._shown, *self._held):
                source = self.shown if register in self._shown else self.held
                value, at = source[register.name], first[register.name]
                with m.If(bus.addr == at):
                    m.d.sync += bus.r_data.eq(value[:32])
                    if register.bits > 32:
                        m.d.sync += frozen.eq(value[32:])
                if register.bits > 32:
                    with m.If(bus.addr == at + 1):
                        m.d.sync += bus.r_data.eq(frozen)
            for register in self._arrays:
                at = first[register.name]
                with m.If((bus.addr >= at) & (bus.addr < at + register.length)):
                    m.d.comb += self.array_index.eq(bus.addr - at)
                    m.d.sync += bus.r_data.eq(self.arrays[register.name])

        with m.If(bus.w_en):
            for register in self._held:
                value, at = self.held[register.name], first[register.name]
                if register.bits <= 32:
                    with m.If(bus.addr == at):
                        m.d.sync += value.eq(bus.w_data)
                else:
                    with m.If(bus.addr == at):
                        m.d.sync += low.eq(bus.w_data)
                    with m.If(bus.addr == at + 1):
                        m.d.sync += value.eq(Cat(low, bus.w_data))
            for register in self._strobes:
                with m.If(bus.addr == first[register.name]):
                    m.d.sync += self.strobes[register.name].eq(1)
        return m
