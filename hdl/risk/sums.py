# SPDX-License-Identifier: Apache-2.0
"""Sums of many numbers with one carry chain, and comparisons with them."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

__all__ = ["halves", "over", "total_of"]


def halves(m: Module, plus: Sequence[Value], minus: Sequence[Value], bits: int) -> list[Value]:
    """Some numbers less others, modulo 2^bits, as at most two words still to be added.

    Three words are made two, the sums without carries and the carries, until two are left.
    """
    left: list[Value] = []
    for term in plus:
        left.append((Const(0, signed(bits)) | term)[:bits])
    for term in minus:
        left.append(~(Const(0, signed(bits)) | term)[:bits])  # -x - 1
    if minus:
        left.append(Const(len(minus), bits))
    while len(left) > 2:
        a, b, c, *rest = left
        unlike, alike = Signal(bits, name="unlike"), Signal(bits, name="alike")
        m.d.comb += [unlike.eq(a ^ b ^ c), alike.eq((a & b) | (a & c) | (b & c))]
        left = [*rest, unlike, Cat(Const(0, 1), alike[: bits - 1])]
    return left


def total_of(m: Module, plus: Sequence[Value], minus: Sequence[Value], bits: int) -> Value:
    """Signed sum of some numbers less others, modulo 2^bits."""
    words = halves(m, plus, minus, bits)
    return (words[0] + words[1] if len(words) > 1 else words[0])[:bits].as_signed()


def over(m: Module, terms: Sequence[Value], limit: Value, bits: int) -> Value:
    """Whether a sum of signed numbers is greater than a limit.

    Parameters
    ----------
    bits : int
        Signed width that holds the limit, and each number.
    """
    wide = bits + max(2, len(terms).bit_length())
    return total_of(m, [limit], terms, wide)[wide - 1]
