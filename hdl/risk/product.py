# SPDX-License-Identifier: Apache-2.0
"""A product in two clocks, of parts that fit a multiplier of the fabric."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.sums import total_of

__all__ = ["LATENCY", "Product"]

LATENCY = 2
#: Unsigned bits a multiplier takes on each side.
PART = 17


class Product(wiring.Component):
    """``a x b``, kept whole or modulo ``2^bits``: partial products, then their sum.

    Latency is `LATENCY` cycles, throughput one product a cycle.

    Parameters
    ----------
    a_bits, b_bits : int
        Widths of the factors.
    bits : int, optional
        Low bits of the product that are wanted; all of them if not given.

    Members
    -------
    a, b : In
        Factors, unsigned.
    o : Out
        Their product.
    """

    def __init__(self, a_bits: int, b_bits: int, bits: int | None = None) -> None:
        self.bits = a_bits + b_bits if bits is None else bits
        super().__init__({"a": In(a_bits), "b": In(b_bits), "o": Out(self.bits)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        terms = []
        for low_a in range(0, min(len(self.a), self.bits), PART):
            for low_b in range(0, min(len(self.b), self.bits - low_a), PART):
                a, b = self.a[low_a : low_a + PART], self.b[low_b : low_b + PART]
                part = Signal(len(a) + len(b), name=f"part_{low_a}_{low_b}")
                m.d.sync += part.eq(a * b)
                terms.append(Cat(Const(0, low_a + low_b), part)[: self.bits])
        m.d.sync += self.o.eq(total_of(m, terms, [], self.bits))
        return m
