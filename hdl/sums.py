# SPDX-License-Identifier: Apache-2.0
"""Sums of many numbers without a chain of carries behind each other."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

__all__ = ["add_up", "compress", "cut", "halves"]

#: Numbers that a sum is, between its two halves.
_PARTIALS = 3


def compress(terms: Sequence[Value], width: int, most: int) -> list[Value]:
    """At most so many numbers with the same sum modulo 2^width, without a carry that ripples.

    Three numbers are made two, the sums without carries and the carries, until few enough are left;
    always the three that have passed fewest gates.
    """
    left = [term | Const(0, width) for term in terms]
    while len(left) > most:
        a, b, c, *rest = left
        carries = (a & b) | (a & c) | (b & c)
        left = [*rest, a ^ b ^ c, Cat(Const(0, 1), carries[: width - 1])]
    return left


def add_up(terms: Sequence[Value], width: int) -> Value:
    """Sum of some numbers, modulo 2^width, with one carry chain whatever their count."""
    left = compress(terms, width, 2)
    return sum(left)[:width] if len(left) > 1 else left[0]


def halves(m: Module, terms: Sequence[Value], width: int, name: str) -> Value:
    """Sum of some numbers a clock later, half of the additions before a register."""
    partials = []
    for at, term in enumerate(compress(terms, width, _PARTIALS)):
        partial = Signal(width, name=f"{name}{at}", reset_less=True)
        m.d.sync += partial.eq(term)
        partials.append(partial)
    return add_up(partials, width)


def cut(value: Value, width: int) -> Value:
    """The number, or the greatest of so many bits where it is more; no logic where it fits."""
    if len(value) <= width:
        return value
    return value[:width] | value[width:].any().replicate(width)
