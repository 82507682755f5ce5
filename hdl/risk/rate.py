# SPDX-License-Identifier: Apache-2.0
"""Message rate: a token bucket kept as one time."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Rate"]


class Rate(wiring.Component):
    """Generic cell rate algorithm (ITU-T I.371): a token bucket without division.

    `due` is the time at which the bucket would be full again. A message conforms while it is at
    most `burst_us` ahead; each accepted message moves it on by `interval_us`. The check is
    combinational but for `ahead_us` and `after_us`, which are made a cycle before; where `due` is
    kept is the owner's matter.

    Members
    -------
    now_us : In(64), interval_us, burst_us : In(32)
        Stream time and limits one cycle before the check; an interval of 0 refuses.
    due_us : In(64)
        Time at which the bucket is full again.
    refuse : Out(1)
        A message now would be too many.
    next_us : Out(64)
        `due_us` once a message is sent.
    """

    now_us: In(64)
    interval_us: In(32)
    burst_us: In(32)
    due_us: In(64)
    refuse: Out(1)
    next_us: Out(64)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        now_us, ahead_us, after_us = Signal(64), Signal(65), Signal(65)
        interval_us, late = Signal(32), Signal()
        m.d.sync += [
            now_us.eq(self.now_us),
            interval_us.eq(self.interval_us),
            ahead_us.eq(self.now_us + self.burst_us),
            after_us.eq(self.now_us + self.interval_us),
        ]
        m.d.comb += late.eq(self.due_us > now_us)
        following = Mux(late, self.due_us + interval_us, after_us)
        m.d.comb += [
            self.refuse.eq((interval_us == 0) | (ahead_us < self.due_us)),
            self.next_us.eq(Mux(following[64], (1 << 64) - 1, following)),
        ]
        return m
