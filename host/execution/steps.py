# SPDX-License-Identifier: Apache-2.0
"""Numbers by which the fabric tests that a quantity or price is a multiple of a step."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Step", "step"]


class Step(NamedTuple):
    """Registers of a step.

    Attributes
    ----------
    mask : int
        Greatest power of 2 in the step, less 1.
    inverse : int
        Inverse of its odd part modulo 2^bits.
    bound : int
        Greatest product of a multiple and the inverse, modulo 2^bits.
    """

    mask: int
    inverse: int
    bound: int


def step(size: int, bits: int) -> Step:
    """Registers that let through just the multiples of a step.

    A number is a multiple when ``number & mask`` is 0 and ``number x inverse`` modulo 2^bits is at
    most `bound`: multiplying by the inverse of an odd divisor maps its multiples one to one on the
    least numbers there are (Granlund and Montgomery, "Division by invariant integers using
    multiplication", 1994).

    Parameters
    ----------
    size : int
        The step, lots or ticks.
    bits : int
        Width of the numbers that are tested.

    Raises
    ------
    ValueError
        The step is below 1 or does not fit.
    """
    if not 1 <= size < 1 << bits:
        raise ValueError(f"step: expected 1 to {(1 << bits) - 1}, was {size}")
    low = size & -size
    odd = size // low
    inverse = pow(odd, -1, 1 << bits)
    return Step(low - 1, inverse, ((1 << bits) - 1) // odd)
