# SPDX-License-Identifier: Apache-2.0
"""Message rate: a token bucket kept as one time."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Rate"]


class Rate(wiring.Component):
    """Generic cell rate algorithm (ITU-T I.371): a token bucket without division.

    `due` is the time at which the bucket would be full again. A message conforms while it is at
    most `burst_us` ahead; each accepted message moves it on by `interval_us`. Combinational check,
    state moves with the clock.

    Members
    -------
    now_us : In(64)
        Stream time.
    interval_us, burst_us : In(32)
        Registers; an interval of 0 refuses.
    refuse : Out(1)
        A message now would be too many.
    accept : In(1)
        A message is sent.
    """

    now_us: In(64)
    interval_us: In(32)
    burst_us: In(32)
    refuse: Out(1)
    accept: In(1)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        due = Signal(64)
        following = Mux(due > self.now_us, due, self.now_us) + self.interval_us
        m.d.comb += self.refuse.eq((self.interval_us == 0) | (self.now_us + self.burst_us < due))
        with m.If(self.accept):
            m.d.sync += due.eq(Mux(following[64], (1 << 64) - 1, following))
        return m
