# SPDX-License-Identifier: Apache-2.0
"""The three numbers of a step let through its multiples and nothing else."""

import random

import pytest

from host.execution.steps import step


@pytest.mark.parametrize("bits", [4, 7, 8])
def test_every_step_of_a_narrow_number_is_exact(bits):
    for size in range(1, 1 << bits):
        mask, inverse, bound = step(size, bits)
        for number in range(1 << bits):
            passes = not number & mask and number * inverse % (1 << bits) <= bound
            assert passes == (number % size == 0), (size, number)


@pytest.mark.parametrize("bits", [32, 48, 56])
def test_wide_numbers_near_multiples(bits):
    rng = random.Random(bits)
    for _ in range(3000):
        size = rng.randrange(1, 1 << rng.randint(1, bits))
        mask, inverse, bound = step(size, bits)
        near = size * rng.randrange((1 << bits) // size) + rng.choice((0, 0, 1, -1, size // 2))
        number = near % (1 << bits)
        passes = not number & mask and number * inverse % (1 << bits) <= bound
        assert passes == (number % size == 0), (size, number)


@pytest.mark.parametrize("size", [0, -3, 256])
def test_a_step_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match=f"step: expected 1 to 255, was {size}"):
        step(size, 8)
