# SPDX-License-Identifier: Apache-2.0
"""Swept memory: nothing survives a reset."""

import pytest
from amaranth.hdl import ResetInserter, Signal

from hdl.memory import SweptMemory
from tests.unit.simulate import run


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_every_row_is_clear_after_each_reset_whatever_was_written(depth):
    memory, reset = SweptMemory(8, depth, clear=0xA5), Signal()

    async def testbench(ctx):
        for _ in range(2):
            cycles = 0
            while not ctx.get(memory.done):
                cycles += 1
                await ctx.tick()
            assert cycles == depth
            for row in range(depth):
                ctx.set(memory.read_addr, row)
                await ctx.tick()
                assert ctx.get(memory.read_data) == 0xA5
            for row in range(depth):
                ctx.set(memory.write_addr, row)
                ctx.set(memory.write_data, row)
                ctx.set(memory.write_en, 1)
                await ctx.tick()
            ctx.set(memory.write_en, 0)
            ctx.set(memory.read_addr, depth - 1)
            await ctx.tick()
            assert ctx.get(memory.read_data) == depth - 1
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)

    run(ResetInserter(reset)(memory), testbench)
