# SPDX-License-Identifier: Apache-2.0
"""Exposure is exact from one clock to the next, whatever symbols alternate."""

import random

import pytest

from hdl.config import BuildConfig
from hdl.risk.exposure import Exposure
from tests.unit.simulate import run

LEAST, GREATEST = -(1 << 63), (1 << 63) - 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("symbols", [1, 3])
def test_every_token_sees_all_before_it(seed, symbols):
    rng = random.Random(seed)
    config = BuildConfig(symbols=symbols, levels=3, qty_bits=56)
    dut = Exposure(config)
    tokens = [
        (rng.randrange(symbols), rng.randrange(2), rng.choice("+- "), rng.getrandbits(56))
        for _ in range(2000)
    ]
    truth = [[0, 0] for _ in range(symbols)]
    seen, expected = [], []

    async def testbench(ctx):
        while not ctx.get(dut.init_done):
            await ctx.tick()
        idle = (0, 0, " ", 0)
        for at in range(len(tokens) + 2):
            ctx.set(dut.symbol, tokens[at][0] if at < len(tokens) else 0)
            symbol, side, action, qty = tokens[at - 2] if at >= 2 else idle
            ctx.set(dut.add, action == "+")
            ctx.set(dut.subtract, action == "-")
            ctx.set(dut.is_short, side)
            ctx.set(dut.qty, qty)
            if at >= 2:
                seen.append((ctx.get(dut.long), ctx.get(dut.short)))
                expected.append(tuple(truth[symbol]))
                change = {"+": qty, "-": -qty, " ": 0}[action]
                truth[symbol][side] = max(LEAST, min(GREATEST, truth[symbol][side] + change))
            await ctx.tick()

    run(dut, testbench)
    assert seen == expected


@pytest.mark.parametrize(("action", "bound"), [("add", GREATEST), ("subtract", LEAST)])
def test_it_saturates_instead_of_wrapping(action, bound):
    dut = Exposure(BuildConfig(symbols=1, levels=3, qty_bits=56))
    qty = (1 << 56) - 1

    async def testbench(ctx):
        while not ctx.get(dut.init_done):
            await ctx.tick()
        ctx.set(dut.qty, qty)
        ctx.set(getattr(dut, action), 1)
        await ctx.tick().repeat(140)
        assert ctx.get(dut.long) == bound
        ctx.set(getattr(dut, action), 0)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.long) == bound

    run(dut, testbench)
