# SPDX-License-Identifier: Apache-2.0
"""A product in two clocks, of parts that fit a multiplier of the fabric."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.risk.sums import pack, total_of
from hdl.sums import add_up

__all__ = ["LATENCY", "PART", "Product", "later_product", "partials"]

LATENCY = 2
#: Unsigned bits a multiplier takes on each side.
PART = 17


def partials(m: Module, a: Value, b: Value, name: str, bits: int | None = None) -> list[Value]:
    """Words whose sum is a product of unsigned numbers, modulo 2^bits if given; a cycle later."""
    most = len(a) + len(b) if bits is None else bits
    parts = []
    for low_a in range(0, min(len(a), most), PART):
        for low_b in range(0, min(len(b), most - low_a), PART):
            x, y = a[low_a : low_a + PART], b[low_b : low_b + PART]
            part = Signal(len(x) + len(y), name=f"{name}_{low_a}_{low_b}")
            m.d.sync += part.eq(x * y)
            parts.append((low_a + low_b, part[: most - low_a - low_b]))
    return pack(parts)


def later_product(m: Module, a: Value, b: Value, name: str, in_parts: bool) -> Value:
    """Product of unsigned numbers a clock later: a register, or the sum of some that hold parts."""
    if in_parts:
        return add_up(partials(m, a, b, f"{name}_part"), len(a) + len(b))
    held = Signal(len(a) + len(b), name=name)
    m.d.sync += held.eq(a * b)
    return held


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
        words = partials(m, self.a, self.b, "part", self.bits)
        m.d.sync += self.o.eq(total_of(m, words, [], self.bits))
        return m
