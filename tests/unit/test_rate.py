# SPDX-License-Identifier: Apache-2.0
"""The message rate against a token bucket counted with fractions."""

import random
from fractions import Fraction

import pytest

from hdl.risk.rate import Rate
from tests.unit.simulate import run

FAR = (1 << 64) - 1


def judged(interval_us, burst_us, times):
    """Which messages pass when one is tried at each time."""
    dut, passed = Rate(), []

    async def testbench(ctx):
        ctx.set(dut.interval_us, interval_us)
        ctx.set(dut.burst_us, burst_us)
        for now_us in times:
            ctx.set(dut.now_us, now_us)
            await ctx.tick().repeat(2)
            accept = not ctx.get(dut.refuse)
            passed.append(accept)
            if accept:
                ctx.set(dut.due_us, ctx.get(dut.next_us))

    run(dut, testbench)
    return passed


def bucket(interval_us, burst_us, times):
    """A bucket of burst/interval + 1 tokens, one token coming every interval."""
    size = Fraction(burst_us, interval_us) + 1
    tokens, last, passed = size, 0, []
    for now_us in times:
        tokens = min(size, tokens + Fraction(now_us - last, interval_us))
        last = now_us
        passed.append(tokens >= 1)
        tokens -= passed[-1]
    return passed


@pytest.mark.parametrize("seed", range(6))
def test_it_passes_exactly_what_a_token_bucket_passes(seed):
    rng = random.Random(seed)
    interval_us, burst_us = rng.randint(1, 50), rng.randint(0, 400)
    times, now_us = [], rng.randint(0, 1000)
    for _ in range(600):
        now_us += rng.choice([0, 0, 1, interval_us // 2, interval_us, 3 * interval_us])
        times.append(now_us)
    passed = judged(interval_us, burst_us, times)
    assert passed == bucket(interval_us, burst_us, times)
    assert True in passed and False in passed


def test_an_interval_of_zero_refuses_everything():
    assert judged(0, (1 << 32) - 1, [0, 5, FAR]) == [False] * 3


def test_time_at_its_end_does_not_wrap():
    assert judged(1000, 0, [FAR - 10, FAR - 5, FAR]) == [True, False, True]
