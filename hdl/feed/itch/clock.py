# SPDX-License-Identifier: Apache-2.0
"""Nanoseconds since midnight to microseconds since the epoch, without a division."""

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LATENCY", "Microseconds"]

#: Cycles from a time to its result.
LATENCY = 4
_LIMB = 16
_LIMBS = 3
# n // 1000 == (n >> 3) // 125. With M = 2^52 / 125 rounded up, (x * M) >> 52 is x // 125 for every
# x below 2^45, because M * 125 - 2^52 = 4 and 4 * 2^45 < 2^52.
_SHIFT = 52
_RECIPROCAL = -(-(1 << _SHIFT) // 125)


class Microseconds(wiring.Component):
    """Exact for every 48-bit time.

    Latency is `LATENCY` cycles, throughput one time a cycle.

    Members
    -------
    ns : In(48)
        Nanoseconds since midnight.
    midnight_us : In(64)
        Midnight, microseconds since the epoch.
    us : Out(64)
        Microseconds since the epoch, modulo 2^64.
    """

    def __init__(self) -> None:
        super().__init__({"ns": In(48), "midnight_us": In(64), "us": Out(64)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        eighths = self.ns[3:]
        columns = [Signal(2 * _LIMB + 2, name=f"column{n}") for n in range(2 * _LIMBS - 1)]
        parts: list[list[Signal]] = [[] for _ in columns]
        for low in range(_LIMBS):
            for high in range(_LIMBS):
                part = Signal(2 * _LIMB, name=f"part{low}{high}")
                factor = Const(_RECIPROCAL >> (_LIMB * high) & 0xFFFF, _LIMB)
                m.d.sync += part.eq(eighths[_LIMB * low : _LIMB * (low + 1)] * factor)
                parts[low + high].append(part)
        for column, terms in zip(columns, parts, strict=True):
            m.d.sync += column.eq(sum(terms[1:], terms[0]))
        product = Signal(96)
        m.d.sync += [
            product.eq(sum((c << (_LIMB * n) for n, c in enumerate(columns[1:], 1)), columns[0])),
            self.us.eq(self.midnight_us + product[_SHIFT:]),
        ]
        return m
