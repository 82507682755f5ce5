# SPDX-License-Identifier: Apache-2.0
"""Leaky sums and averages: windows without a memory of what is in them."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.signal.log import LOG_BITS, curved, log_layout, normalise, straight

__all__ = ["DECAY_BITS", "FRACTION_BITS", "GROWTH_BITS", "MOST_DECAY", "Average", "decayed"]

#: Most k: a sum reaches back over about 2^k events.
MOST_DECAY = 8
DECAY_BITS = 4
#: Bits after the point of a leaky sum.
FRACTION_BITS = 8
#: How much wider than what it takes in a leaky sum is: with B = 2^k (256 x + 1) for the greatest
#: x and k, B - (B >> k) + 256 x <= B, so no sum passes B, and B < 2^(16 + width of x).
GROWTH_BITS = FRACTION_BITS + MOST_DECAY


def decayed(total: Value, decay: Value) -> Value:
    """What is left of a leaky sum after an event, before that event is added."""
    return total - (total >> decay)


class Average(wiring.Component):
    """A leaky sum that begins at its first value, and its level as a logarithm.

    Sum s with k = `decay`, at most 8: first 256 x 2^k, then s - (s >> k) + 256 x; s / 2^(8+k) is
    the mean. ::

        0 `before`, `begun`, `decay`   1 `x`, `after`   2 `level`

    Throughput one a clock. Nothing wraps (`GROWTH_BITS`).

    Parameters
    ----------
    bits : int
        Width of x.
    by_table : bool
        Level is max(0, L(s) - 1024 (8 + k)): of the mean. Else max(0, M(s) - 1024 k): of 256 means.

    Members
    -------
    decay : In(4)
        k, at most 8, in stage 0.
    before : In
        The sum in stage 0.
    begun : In(1)
        It holds something.
    x : In
        In stage 1.
    after : Out
        The sum that follows, in stage 1.
    level : Out
        Logarithm of the sum before, Q7.10, in stage 2.
    """

    def __init__(self, bits: int, *, by_table: bool) -> None:
        self.bits, self.by_table = bits, by_table
        super().__init__(
            {
                "decay": In(DECAY_BITS),
                "before": In(bits + GROWTH_BITS),
                "begun": In(1),
                "x": In(bits),
                "after": Out(bits + GROWTH_BITS),
                "level": Out(LOG_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        left, begun1 = Signal.like(self.before), Signal()
        decay1, seen1 = Signal.like(self.decay), Signal(log_layout())
        m.d.sync += [
            left.eq(decayed(self.before, self.decay)),
            begun1.eq(self.begun),
            decay1.eq(self.decay),
            seen1.eq(normalise(m, self.before, "seen")),
        ]
        scaled = self.x << FRACTION_BITS
        m.d.comb += self.after.eq(Mux(begun1, left + scaled, scaled << decay1))

        if self.by_table:
            log, shift = curved(m, seen1, "log"), decay1 + FRACTION_BITS
        else:
            log, shift = straight(seen1), decay1
        over = log - (shift << 10)
        m.d.sync += self.level.eq(Mux(over < 0, 0, over))
        return m
