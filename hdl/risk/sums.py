# SPDX-License-Identifier: Apache-2.0
"""Sums of many numbers with one carry chain, and comparisons, with short chains."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike, signed

__all__ = ["above", "add", "below", "beyond_room", "bounded", "halves", "over", "pack", "total_of"]

#: Carry chains of more bits are made of two that run side by side.
LONG = 72


def add(a: Value, b: Value, bits: int, one: ValueLike = 0) -> Value:
    """Sum of two numbers and of a bit, modulo 2^bits.

    A long one is three of half the length, and a choice.
    """
    a, b = ((Const(0, signed(bits)) | term)[:bits] for term in (a, b))
    no_one = isinstance(one, int) and not one
    total = a + b if no_one else (Cat(one, a) + Cat(one, b))[1:]
    if bits <= LONG:
        return total[:bits]
    half = bits // 2
    low = add(a[:half], b[:half], half + 1, one)
    high, carried = (add(a[half:], b[half:], bits - half, carry) for carry in (0, 1))
    return Cat(low[:half], Mux(low[half], carried, high))


def above(a: Value, b: Value) -> Value:
    """Whether one unsigned number is greater than another.

    As the borrows of differences: made of a comparison, both halves and whether they are equal
    would come out of one chain with a tree of gates behind it.
    """
    bits = max(len(a), len(b))
    half = bits // 2
    if half < 20:
        return (b - a)[bits]
    a, b = ((Const(0, bits) | each)[:bits] for each in (a, b))
    more, less = (b[half:] - a[half:])[bits - half], (a[half:] - b[half:])[bits - half]
    return more | (~less & (b[:half] - a[:half])[half])


def below(a: Value, b: Value) -> Value:
    """Whether a signed number is less than another."""
    top = max(len(a), len(b)) - 1
    a, b = ((Const(0, signed(top + 1)) | each)[: top + 1] for each in (a, b))
    return above(Cat(b[:top], ~b[top]), Cat(a[:top], ~a[top]))


def beyond_room(value: Value, room: Value) -> Value:
    """Whether an unsigned number is greater than a signed one."""
    size = len(room) - 1
    more = above(value, room[: min(size, len(value))])
    if size > len(value):
        more = more & ~room[len(value) : size].any()
    return room[size] | more


def bounded(value: Value, bits: int) -> Value:
    """`value` cut to the greatest or least signed number of `bits` bits."""
    top = value[bits - 1 :]
    fits = top.all() | ~top.any()
    bound = Cat((~value[-1]).replicate(bits - 1), value[-1])
    return Mux(fits, value[:bits], bound).as_signed()


def pack(parts: Sequence[tuple[int, Value]]) -> list[Value]:
    """Words with the same sum as numbers that are shifted left; those that do not meet share one.

    Parameters
    ----------
    parts : sequence of (int, Value)
        Shift, and the unsigned number.
    """
    words: list[Value] = []
    for low, part in sorted(parts, key=lambda each: each[0]):
        for at, word in enumerate(words):
            if len(word) <= low:
                words[at] = Cat(word, Const(0, low - len(word)), part)
                break
        else:
            words.append(Cat(Const(0, low), part))
    return words


def halves(m: Module, plus: Sequence[Value], minus: Sequence[Value], bits: int) -> list[Value]:
    """Some numbers less others, modulo 2^bits, as at most two words still to be added."""
    words, ones = _reduced(m, plus, minus, [], bits)
    if ones:
        words, ones = _reduced(m, plus, minus, [Const(0, bits)], bits)
    return words if not ones else [*words, Const(ones, bits)]


def _reduced(
    m: Module, plus: Sequence[Value], minus: Sequence[Value], more: Sequence[Value], bits: int
) -> tuple[list[Value], int]:
    """Two words, and how many ones are still to be added.

    Three words are made two, the sums without carries and the carries, until two are left. A word
    that is subtracted is its complement and one; each step has a lowest carry that is free for it.
    """
    left = [(Const(0, signed(bits)) | term)[:bits] for term in plus]
    left += [~(Const(0, signed(bits)) | term)[:bits] for term in minus]
    left += more
    ones = len(minus)
    while len(left) > 2:
        a, b, c, *rest = left
        unlike, alike = Signal(bits, name="unlike"), Signal(bits, name="alike")
        m.d.comb += [unlike.eq(a ^ b ^ c), alike.eq((a & b) | (a & c) | (b & c))]
        left = [*rest, unlike, Cat(Const(int(ones > 0), 1), alike[: bits - 1])]
        ones -= ones > 0
    return left, ones


def total_of(m: Module, plus: Sequence[Value], minus: Sequence[Value], bits: int) -> Value:
    """Signed sum of some numbers less others, modulo 2^bits."""
    words, ones = _reduced(m, plus, minus, [], bits)
    if ones > 1 or len(words) < 2:
        words, ones = _reduced(m, plus, minus, [Const(0, bits)], bits)
    if len(words) < 2:
        return words[0].as_signed()
    return add(words[0], words[1], bits, ones).as_signed()


def over(m: Module, terms: Sequence[Value], limit: Value, bits: int) -> Value:
    """Whether a sum of signed numbers is greater than a limit.

    Parameters
    ----------
    bits : int
        Signed width that holds the limit, and each number.
    """
    wide = bits + max(2, len(terms).bit_length())
    return total_of(m, [limit], terms, wide)[wide - 1]
