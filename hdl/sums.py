# SPDX-License-Identifier: Apache-2.0
"""Sums of many numbers without a chain of carries behind each other."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Value

__all__ = ["add_up", "compress"]


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
