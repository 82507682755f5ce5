# SPDX-License-Identifier: Apache-2.0
"""Spread memory: a row comes back whole after its clocks, and nothing survives a reset."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hdl.spread import READ_CLOCKS, SpreadMemory
from tests.unit.simulate import run


@pytest.mark.parametrize(("bits", "depth"), [(1, 1), (7, 2), (64, 3), (1001, 16)])
def test_rows_come_back_whole_and_are_zero_after_each_reset(bits, depth):
    rng, reset = random.Random(bits), Signal()
    memory = SpreadMemory(bits, depth)

    async def read(ctx, row):
        ctx.set(memory.read_addr, row)
        await ctx.tick().repeat(READ_CLOCKS)
        return ctx.get(memory.read_data)

    async def testbench(ctx):
        for _ in range(2):
            while not ctx.get(memory.done):
                await ctx.tick()
            truth = dict.fromkeys(range(depth), 0)
            assert [await read(ctx, row) for row in truth] == [0] * depth
            for _ in range(60):
                row = rng.randrange(depth)
                truth[row] = rng.choice([0, (1 << bits) - 1, rng.getrandbits(bits)])
                ctx.set(memory.write_addr, row)
                ctx.set(memory.write_data, truth[row])
                ctx.set(memory.write_en, 1)
                await ctx.tick()
                ctx.set(memory.write_en, 0)
                ctx.set(memory.write_data, rng.getrandbits(bits))
                await ctx.tick().repeat(READ_CLOCKS)
                other = rng.randrange(depth)
                assert await read(ctx, other) == truth[other]
            # A reset in the middle of a write leaves nothing of it.
            ctx.set(memory.write_data, (1 << bits) - 1)
            ctx.set(memory.write_en, 1)
            await ctx.tick().repeat(1 + rng.randrange(2))
            ctx.set(memory.write_en, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)

    run(ResetInserter(reset)(memory), testbench)
