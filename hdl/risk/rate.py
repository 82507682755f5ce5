# SPDX-License-Identifier: Apache-2.0
"""Message rate: a token bucket kept as one time."""

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.sums import above

__all__ = ["Rate"]


class Rate(wiring.Component):
    """Generic cell rate algorithm (ITU-T I.371): a token bucket without division.

    `due` is the time at which the bucket would be full again. A message conforms while it is at
    most `burst_us` ahead; each accepted message moves it on by `interval_us`. Where `due` is kept
    is the owner's matter; it must not change in the cycle after it was judged by.

    Latency is 2 cycles, throughput one message a cycle.

    Members
    -------
    now_us : In(64), interval_us, burst_us : In(32)
        Stream time and limits; an interval of 0 refuses.
    due_us, other_us : In(64), other : In(1)
        Time at which the bucket is full again, one cycle later; it is `other_us` with `other`.
    refuse : Out(1)
        The message is one too many, two cycles later.
    next_us : Out(64)
        `due_us` once the message is sent, two cycles later.
    """

    now_us: In(64)
    interval_us: In(32)
    burst_us: In(32)
    due_us: In(64)
    other_us: In(64)
    other: In(1)
    refuse: Out(1)
    next_us: Out(64)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        now1, ahead1 = Signal(64), Signal(65)
        after1, after2 = Signal(65), Signal(65)
        interval1, interval2 = Signal(32), Signal(32)
        due2, late2 = Signal(64), Signal()
        m.d.sync += [
            now1.eq(self.now_us),
            ahead1.eq(self.now_us + self.burst_us),
            after1.eq(self.now_us + self.interval_us),
            interval1.eq(self.interval_us),
            self.refuse.eq((interval1 == 0) | self._judged(lambda due: above(due, ahead1))),
            late2.eq(self._judged(lambda due: above(due, now1))),
            due2.eq(self._judged(lambda due: due)),
            after2.eq(after1),
            interval2.eq(interval1),
        ]
        following = Mux(late2, due2 + interval2, after2)
        m.d.comb += self.next_us.eq(Mux(following[64], (1 << 64) - 1, following))
        return m

    def _judged(self, judge: Callable[[Value], Value]) -> Value:
        """What is found of both times, and chosen: which one it is may be known late."""
        return Mux(self.other, judge(self.other_us), judge(self.due_us))
