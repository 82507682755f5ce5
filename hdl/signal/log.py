# SPDX-License-Identifier: Apache-2.0
"""Logarithms in Q7.10, as ``docs/signals.md`` defines them: L by a table, M straight."""

import math
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from hdl.signal.catalogue import FEATURE_BITS, LOG_FRACTION_BITS

__all__ = ["LOG_BITS", "TABLE_BITS", "curved", "log_layout", "normalise", "signed_log", "straight"]

#: Bits of a logarithm: it has no sign.
LOG_BITS = 18
#: Bits after the leading one that the table looks at.
TABLE_BITS = 7
_ONE = 1 << LOG_FRACTION_BITS
_TABLE = [
    math.floor(_ONE * math.log2(1 + entry / (1 << TABLE_BITS))) for entry in range(1 << TABLE_BITS)
]


def log_layout() -> data.StructLayout:
    """A number seen by its leading one: where it is, and what follows it."""
    return data.StructLayout({"fraction": LOG_FRACTION_BITS, "exponent": 7, "some": 1})


def normalise(m: Module, value: Value, name: str) -> Any:
    """Leading one of an unsigned number of at most 128 bits, and the bits behind it."""
    steps = max(4, (len(value) - 1).bit_length())
    if steps > 7:
        raise ValueError(f"{name}: expected at most 128 bits, was {len(value)}")
    width = 1 << steps
    found = Signal(log_layout(), name=name)
    whole, rest = Signal(width, name=f"{name}_whole"), Signal(width, name=f"{name}_rest")
    m.d.comb += [whole.eq(value), rest.eq(whole)]
    ones: list[Signal] = []
    for step in reversed(range(steps)):
        shift, top = 1 << step, Signal(name=f"{name}_top{step}")
        shifted = Signal(width, name=f"{name}_by{step}")
        # Whether the upper half of a block has a one is found for all blocks at once; which block
        # it is comes later, the finest choice last.
        halves = [whole[at + shift : at + 2 * shift].any() for at in range(0, width, 2 * shift)]
        for known in reversed(ones):
            half = len(halves) // 2
            halves = [Mux(known, halves[half + at], halves[at]) for at in range(half)]
        m.d.comb += [
            top.eq(halves[0]),
            shifted.eq(Mux(top, rest, rest << shift)),
        ]
        rest = shifted
        ones.insert(0, top)
    m.d.comb += [
        found.some.eq(rest[-1]),
        found.exponent.eq(Cat(ones)),
        found.fraction.eq(rest[width - 1 - LOG_FRACTION_BITS : width - 1]),
    ]
    return found


def straight(number: Any) -> Value:
    """M of a number that `normalise` has seen."""
    return Mux(number.some, Cat(number.fraction, (number.exponent + 1)[:8]), 0)


def curved(m: Module, number: Any, name: str) -> Value:
    """L of a number that `normalise` has seen."""
    entry = Signal(LOG_FRACTION_BITS, name=f"{name}_entry")
    with m.Switch(number.fraction[-TABLE_BITS:]):
        for at, logarithm in enumerate(_TABLE):
            with m.Case(at):
                m.d.comb += entry.eq(logarithm)
    return Mux(number.some, Cat(entry, (number.exponent + 1)[:8]), 0)


def signed_log(m: Module, negative: Value, number: Any, name: str) -> Signal:
    """S of a number whose magnitude `normalise` has seen."""
    found = Signal(signed(FEATURE_BITS), name=name)
    m.d.comb += found.eq(Mux(negative, -straight(number), straight(number)))
    return found
