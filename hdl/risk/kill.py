# SPDX-License-Identifier: Apache-2.0
"""The kill latch, how it is cleared, and the watchdog over the host."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.records import Mode

__all__ = ["REARM_KEYS", "Kill"]

#: Words for the register `rearm`, one after the other.
REARM_KEYS = (0x0DD50001, 0x0DD50002)


class Kill(wiring.Component):
    """Latch a kill by register, watchdog, pin or loss; clear it in two steps, in mode HALTED.

    Both keys must be written one after the other, and nothing may ask for a kill meanwhile; after
    that the mode still is HALTED and has to be set by itself.

    Members
    -------
    mode : In(2)
        Register.
    kill, rearm : In(1), word : In(32)
        Writes to the registers of these names, and the word written.
    pin : In(1)
        External kill; asynchronous, high kills.
    loss : In(1)
        A loss limit asks for it.
    heartbeat : In(1)
        The host is alive.
    late_cycles, dead_cycles : In(32)
        Registers; 0: never.
    late : Out(1)
        No heartbeat for so long.
    causes : Out(4)
        `KillCause` bits of the latch; 0: not set.
    told : In(1)
        The alert was raised.
    pending : Out(1)
        An alert is due for a kill that no record caused.
    sets : Out(1)
        The latch is being set.
    """

    mode: In(2)
    kill: In(1)
    rearm: In(1)
    word: In(32)
    pin: In(1)
    loss: In(1)
    heartbeat: In(1)
    late_cycles: In(32)
    dead_cycles: In(32)
    late: Out(1)
    causes: Out(4)
    told: In(1)
    pending: Out(1)
    sets: Out(1)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pin, quiet, dead, half = Signal(), Signal(32), Signal(), Signal()
        m.submodules.pin_sync = FFSynchronizer(self.pin, pin)

        # The watchdog counts cycles, not stream time: it is there for a host that sends nothing.
        with m.If(self.heartbeat):
            m.d.sync += quiet.eq(0)
        with m.Elif(~quiet.all()):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.sync += [
            self.late.eq((self.late_cycles != 0) & (quiet >= self.late_cycles)),
            dead.eq((self.dead_cycles != 0) & (quiet >= self.dead_cycles)),
        ]

        asked = Cat(self.kill, dead, pin, self.loss)
        halted = (self.mode != Mode.REDUCE_ONLY) & (self.mode != Mode.ACTIVE)
        first, second = (self.word == key for key in REARM_KEYS)
        clears = self.rearm & half & second & halted & ~asked.any()
        with m.If(self.rearm | self.kill | ~halted):
            m.d.sync += half.eq(self.rearm & first & halted & ~self.kill)
        m.d.comb += self.sets.eq((self.causes == 0) & asked.any())
        m.d.sync += self.causes.eq(self.causes | asked)
        with m.If(clears):
            m.d.sync += self.causes.eq(0)
        with m.If(self.sets & asked[:3].any() & ~self.loss):
            m.d.sync += self.pending.eq(1)
        with m.Elif(self.told):
            m.d.sync += self.pending.eq(0)
        return m
