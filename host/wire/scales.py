# SPDX-License-Identifier: Apache-2.0
"""What the board has to know of a symbol before it can read its frames."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from host.settings import Write
from host.wire.framing import Carried, split
from host.wire.sbe_decode import decode

__all__ = ["ScaleRange", "exponents_of", "sbe_writes"]

_WORD = 1 << 64


class ScaleRange(ValueError):
    """A tick or lot that is no whole number of mantissas, or of too many."""


def exponents_of(beats: npt.NDArray[Any]) -> dict[int, tuple[int, int]]:
    """Exponents of price and quantity of the first frame of each symbol, by its number.

    Raises
    ------
    FramingError, SbeError
        The stream or a frame cannot be read.
    """
    found: dict[int, tuple[int, int]] = {}
    for part in split(beats):
        if isinstance(part, Carried) and part.symbol not in found:
            fields = decode(part.payload).fields
            found[part.symbol] = fields["priceExponent"], fields["qtyExponent"]
    return found


def sbe_writes(symbol: int, tick: Decimal, lot: Decimal, exponents: tuple[int, int]) -> list[Write]:
    """Registers that give a symbol's decoder its tick and lot.

    A tick is a whole number of mantissas, odd x 2^shift. The board divides by the odd part with
    its inverse modulo 2^64; quotients over the bound are those of no multiple.

    Parameters
    ----------
    symbol : int
        The symbol's number.
    tick, lot : Decimal
        Price and quantity of one unit.
    exponents : tuple of int
        Of prices and quantities in the frames.

    Raises
    ------
    ScaleRange
        A unit is finer than a mantissa, or is 2^64 of them or more.
    """
    writes = [Write("sbe_enable", 1)]
    units = (("price", tick, exponents[0]), ("qty", lot, exponents[1]))
    for name, step, exponent in units:
        writes.extend(_unit(name, step, exponent))
    return [*writes, Write("sbe_commit", symbol)]


def _unit(name: str, step: Decimal, exponent: int) -> Iterator[Write]:
    mantissas = Fraction(step) / Fraction(10) ** exponent
    size = mantissas.numerator
    if mantissas.denominator != 1 or size >= _WORD:
        raise ScaleRange(
            f"{name}: expected a step of 1 to {_WORD - 1} times 10^{exponent}, was {step}"
        )
    shift = (size & -size).bit_length() - 1
    odd = size >> shift
    yield Write(f"sbe_{name}_exponent", exponent & 0xFF)
    yield Write(f"sbe_{name}_shift", shift)
    yield Write(f"sbe_{name}_inverse", pow(odd, -1, _WORD))
    yield Write(f"sbe_{name}_bound", (_WORD - 1) // odd)
