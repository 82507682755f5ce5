# SPDX-License-Identifier: Apache-2.0
"""Counters that stop at their greatest value."""

from collections.abc import Mapping

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import block_ram
from hdl.regs.table import COUNTERS, addresses

__all__ = ["ROW_BITS", "CounterRows", "Counters"]

_BITS = 32
#: Counters in memory: a row is written two clocks behind its turn.
_LEAST = 3
_AT = {register.name: at for register, at in addresses()}
#: A counter's row is so many low bits of the address of its register.
ROW_BITS = (len(COUNTERS) - 1).bit_length()


class Counters(wiring.Component):
    """One 32-bit saturating counter for each name of `hdl.regs.table.COUNTERS`.

    Members
    -------
    pulses : In
        One bit each: count this cycle.
    values : Out
        The counters; a pulse shows two cycles later.
    """

    def __init__(self) -> None:
        names = [name for name, _ in COUNTERS]
        super().__init__(
            {
                "pulses": In(data.StructLayout({name: 1 for name in names})),
                "values": Out(data.StructLayout({name: _BITS for name in names})),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # Pulses come from everywhere, at the end of a clock; a register stands before the sums.
        pulses = Signal.like(self.pulses)
        m.d.sync += pulses.eq(self.pulses)
        for name, _ in COUNTERS:
            with m.If(pulses[name] & ~self.values[name].all()):
                m.d.sync += self.values[name].eq(self.values[name] + 1)
        return m


class CounterRows(wiring.Component):
    """The counters of a build, as rows of a memory.

    One sum goes from row to row, one a clock, and adds the pulses that came since it was there
    last. They are counted beside it, in so many bits as the counter's spacing asks for. Rows of
    before a reset count as zero until the sum has been at all of them.

    Parameters
    ----------
    spacing : mapping of str to int
        Counters of the build, three or more, and the least clocks between two pulses of each.

    Members
    -------
    pulses : In
        One bit each: count this cycle.
    read_en : In(1), read_addr : In(ROW_BITS)
        Low bits of the address of a counter's register.
    read_data : Out(32)
        That counter from the next cycle on, without the pulses of the last ``len(spacing) + 3``
        cycles; 0 for a counter this build does not have.
    """

    def __init__(self, spacing: Mapping[str, int]) -> None:
        self.spacing = dict(spacing)
        if len(self.spacing) < _LEAST:
            raise ValueError(f"counters: expected {_LEAST} or more, was {len(self.spacing)}")
        super().__init__(
            {
                "pulses": In(data.StructLayout({name: 1 for name in self.spacing})),
                "read_en": In(1),
                "read_addr": In(ROW_BITS),
                "read_data": Out(_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        turns = len(self.spacing)
        # The sum never reads the row it writes; the bus may.
        rows, told = (
            memory.Memory(shape=_BITS, depth=1 << ROW_BITS, init=[], attrs=block_ram(forwarded))
            for forwarded in (True, False)
        )
        m.submodules.rows, m.submodules.told = rows, told
        read, shown, writes = (
            rows.read_port(),
            told.read_port(),
            (rows.write_port(), told.write_port()),
        )
        turn, first, known = Signal(range(turns)), Signal(init=1), Signal()
        row, zero, goes = Signal(ROW_BITS), Signal(), Signal()
        came = Array(
            Signal(range(((turns - 1) // least + 1) + 1), name=f"came_{name}")
            for name, least in self.spacing.items()
        )
        added = Signal(max(len(one) for one in came))
        total = Signal(_BITS + 1)
        pulses = Signal.like(self.pulses)
        m.d.sync += [
            pulses.eq(self.pulses),
            turn.eq(Mux(turn == turns - 1, 0, turn + 1)),
            first.eq(first & (turn != turns - 1)),
            added.eq(came[turn]),
            row.eq(read.addr),
            zero.eq(first),
            goes.eq(1),
        ]
        for at, name in enumerate(self.spacing):
            m.d.sync += came[at].eq(Mux(turn == at, 0, came[at]) + pulses[name])
        places = [Const(_AT[name] % (1 << ROW_BITS), ROW_BITS) for name in self.spacing]
        # The row has left the memory; a clock later it is added to, and written behind that.
        was, adds, place = Signal(_BITS), Signal.like(added), Signal(ROW_BITS)
        zeros, went = Signal(), Signal()
        m.d.sync += [
            was.eq(Mux(zero, 0, read.data)),
            adds.eq(added),
            place.eq(row),
            zeros.eq(zero),
            went.eq(goes),
        ]
        m.d.comb += [
            read.addr.eq(Array(places)[turn]),
            total.eq(was + adds),
            shown.addr.eq(self.read_addr),
            shown.en.eq(self.read_en),
            self.read_data.eq(Mux(known, shown.data, 0)),
        ]
        mask = Const(sum(1 << place.value for place in places), 1 << ROW_BITS)
        with m.If(self.read_en):
            m.d.sync += known.eq(mask.bit_select(self.read_addr, 1) & ~first & ~zero & ~zeros)
        for write in writes:
            m.d.comb += [
                write.addr.eq(place),
                write.data.eq(total[:_BITS] | total[_BITS].replicate(_BITS)),
                write.en.eq(went),
            ]
        return m
