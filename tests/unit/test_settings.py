# SPDX-License-Identifier: Apache-2.0
"""Settings that are committed while views flow: each view finds one row, whole."""

import random

import pytest

from hdl.config import BuildConfig
from hdl.strategy.registers import SETTINGS
from hdl.strategy.settings import Settings
from tests.unit.simulate import run

BITS = {name: bits for name, bits, _ in SETTINGS}


def row(number):
    """A row whose every field says which it is."""
    return {name: number & (1 << bits) - 1 for name, bits in BITS.items()}


@pytest.mark.parametrize("symbols", [1, 5])
def test_every_view_finds_one_whole_row_and_the_one_committed_before_it(symbols):
    config = BuildConfig(symbols=symbols)
    dut, rng = Settings(config), random.Random(symbols)
    history = {symbol: [row(0)] for symbol in range(symbols)}
    asked: list[tuple[int, dict]] = []

    async def testbench(ctx):
        await ctx.tick().repeat(symbols + 2)
        assert ctx.get(dut.init_done)
        for number in range(1, 401):
            # The shadow changes field by field; a commit takes it as it stands.
            half = rng.random() < 0.5
            fields = list(BITS)
            for name in fields[: len(fields) // 2] if half else fields:
                ctx.set(dut.shadow[name], row(number)[name])
            if half:
                ctx.set(dut.commit, 0)
            else:
                symbol = rng.choice((*range(symbols), symbols, 255))
                ctx.set(dut.commit, 1)
                ctx.set(dut.commit_symbol, symbol)
            ahead = rng.randrange(symbols)
            ctx.set(dut.ahead, ahead)
            asked.append((ahead, history[ahead][-1]))
            await ctx.tick()
            if not half and symbol < symbols:
                history[symbol].append(row(number))
            if len(asked) > 1:
                _, expected = asked[-2]
                assert {name: ctx.get(dut.row[name]) for name in BITS} == expected
        committed = sum(len(rows) - 1 for rows in history.values())
        assert ctx.get(dut.version) == committed > 50

    run(dut, testbench)
