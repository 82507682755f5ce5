# SPDX-License-Identifier: Apache-2.0
"""Keys of a row against a token's, also those that differ in a single bit."""

import random

import pytest

from hdl.book.compare import Compare
from tests.unit.simulate import run

BITS, PLACES = 9, 4


@pytest.mark.parametrize("mended", [True, False])
def test_every_place_is_smaller_or_equal_as_its_number_is(mended):
    rng, dut = random.Random(5), Compare(BITS, PLACES, mended)

    def near(key):
        return key ^ rng.choice([0, 1 << rng.randrange(BITS), rng.randrange(1 << BITS)])

    async def testbench(ctx):
        equal = 0
        for _ in range(2000):
            key = rng.randrange(1 << BITS)
            keys, newest = ([near(key) for _ in range(PLACES)] for _ in range(2))
            taken = rng.randrange(1 << PLACES) if mended else 0
            ctx.set(dut.key, key)
            await ctx.tick()
            for at in range(PLACES):
                ctx.set(dut.keys[at], keys[at])
                ctx.set(dut.newest[at], newest[at])
            ctx.set(dut.taken, taken)
            await ctx.tick()
            shown = [newest[at] if taken >> at & 1 else keys[at] for at in range(PLACES)]
            assert ctx.get(dut.better) == sum((shown[at] < key) << at for at in range(PLACES))
            assert ctx.get(dut.equal) == sum((shown[at] == key) << at for at in range(PLACES))
            equal += shown.count(key)
        assert equal > 1000

    run(dut, testbench)
