# SPDX-License-Identifier: Apache-2.0
"""A token reads all that the tokens before it wrote, but for the one directly before it."""

import random

import pytest
from amaranth.lib import data

from hdl.risk.rows import Rows
from tests.unit.simulate import run

LAYOUT = data.StructLayout({"low": 8, "high": 8})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("depth", [1, 2, 5, 40])
def test_every_token_sees_all_but_the_one_before_it(seed, depth):
    rng = random.Random(seed)
    dut = Rows(LAYOUT, depth)
    tokens = [
        (rng.randrange(depth), rng.random() < 0.6, rng.randrange(depth), rng.getrandbits(16))
        for _ in range(1500)
    ]
    truth = [[0] * depth]  # before each token
    for _, writes, at, value in tokens:
        after = list(truth[-1])
        if writes:
            after[at] = value
        truth.append(after)
    seen1, seen2 = [], []

    async def testbench(ctx):
        while not ctx.get(dut.init_done):
            await ctx.tick()
        for at in range(len(tokens) + 3):
            ctx.set(dut.index, tokens[at][0] if at < len(tokens) else 0)
            writes, where, value = tokens[at - 3][1:] if at >= 3 else (0, 0, 0)
            ctx.set(dut.write2, writes)
            ctx.set(dut.write_index2, where)
            ctx.set(dut.new2, LAYOUT.const({"low": value & 255, "high": value >> 8}))
            if 2 <= at < len(tokens) + 2:
                seen1.append(ctx.get(dut.row1.as_value()))
            if at >= 3:
                seen2.append(ctx.get(dut.row2.as_value()))
            await ctx.tick()

    run(dut, testbench)
    # What the token directly before writes is not there.
    assert seen2 == [truth[max(n - 1, 0)][tokens[n][0]] for n in range(len(tokens))]
    assert seen1 == seen2
