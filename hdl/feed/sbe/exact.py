# SPDX-License-Identifier: Apache-2.0
"""A mantissa to whole units, exact or refused, without a division.

A unit (a tick or a lot) is d mantissas, d = odd x 2^s. Multiplication by the inverse of odd modulo
2^64 is a permutation of all 64-bit numbers; it maps the multiples of odd, and them alone, to the
numbers up to (2^64 - 1) / odd, each to its quotient. So one product and one comparison tell whether
odd divides the mantissa, and give the quotient; its low s bits tell the rest. (Granlund and
Montgomery, Division by invariant integers using multiplication, section 9.)
"""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.sums import add_up

__all__ = ["Exact", "unit_layout"]

_LIMB = 16
_LIMBS = 4


def unit_layout() -> data.StructLayout:
    """What a unit is, as the host states it; `exponent` is that of the mantissas."""
    return data.StructLayout({"exponent": 8, "shift": 6, "inverse": 64, "bound": 64})


class Exact(wiring.Component):
    """Divide a mantissa by a unit's size, if it is a whole number of units that fits.

    Latency is 2 cycles to `units`, throughput one mantissa a cycle. The unit stands still from two
    cycles before.

    Parameters
    ----------
    bits : int
        Width of the result, 2 to 57.

    Members
    -------
    mantissa : In(64)
        Two's complement.
    unit : In(unit_layout)
        The unit.
    units : Out(bits), exact : Out(1), zero : Out(1)
        Whole units; that the mantissa is not negative and is so many of them; that it is 0.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__(
            {
                "mantissa": In(64),
                "unit": In(unit_layout()),
                "units": Out(bits),
                "exact": Out(1),
                "zero": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        unit = self.unit
        # The product's low half from products of limbs, those of one weight apart from the others.
        rows: list[list[Value]] = [[] for _ in range(2 * _LIMBS)]
        for a in range(_LIMBS):
            for b in range(_LIMBS - a):
                weight = a + b
                bits = min(2 * _LIMB, 64 - _LIMB * weight)
                part = Signal(bits, name=f"part_{a}_{b}")
                factors = self.mantissa.word_select(a, _LIMB), unit.inverse.word_select(b, _LIMB)
                m.d.sync += part.eq(factors[0] * factors[1])
                # Two products fit into one row if they do not overlap.
                row = next(r for r in rows if sum(map(len, r)) <= _LIMB * weight)
                used = sum(map(len, row))
                row += [Const(0, _LIMB * weight - used), part] if used < _LIMB * weight else [part]
        quotient, negative, low = Signal(64), Signal(2), Signal(64)
        m.d.sync += [
            quotient.eq(add_up([Cat(row) for row in rows if row], 64)),
            negative.eq(Cat(self.mantissa[-1], negative[0])),
            # Bits that are 0 in a whole number of units that fits.
            low.eq(Cat((unit.shift > at) | (unit.shift + self.bits <= at) for at in range(64))),
        ]
        m.d.comb += [
            self.units.eq(quotient >> unit.shift),
            self.zero.eq(quotient == 0),
            self.exact.eq(~negative[1] & (quotient <= unit.bound) & ((quotient & low) == 0)),
        ]
        return m
