# SPDX-License-Identifier: Apache-2.0
"""Counters that stop at their greatest value."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.regs.table import COUNTERS

__all__ = ["Counters"]

_BITS = 32


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
