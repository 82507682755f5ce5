# SPDX-License-Identifier: Apache-2.0
"""The register bank: every register at its address, whole and alone."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hdl.regs.bank import Bank
from hdl.regs.register import Access
from hdl.regs.table import ADDRESS_BITS, addresses
from hdl.stats.counters import Counters
from hdl.stats.latency import Latency
from tests.unit.simulate import run

WORD = (1 << 32) - 1


async def read(ctx, dut, at):
    ctx.set(dut.bus.addr, at)
    ctx.set(dut.bus.r_en, 1)
    await ctx.tick()
    ctx.set(dut.bus.r_en, 0)
    return ctx.get(dut.bus.r_data)


async def write(ctx, dut, at, value):
    ctx.set(dut.bus.addr, at)
    ctx.set(dut.bus.w_data, value)
    ctx.set(dut.bus.w_en, 1)
    await ctx.tick()
    ctx.set(dut.bus.w_en, 0)


def test_what_is_written_is_read_back_and_nothing_else_moves():
    rng, dut, truth = random.Random(1), Bank(), {}

    async def testbench(ctx):
        for register, at in addresses():
            for word in range(register.words):
                assert await read(ctx, dut, at + word) == 0
                value = rng.getrandbits(32)
                await write(ctx, dut, at + word, value)
                bits = min(32, register.bits - 32 * word)
                held = register.access is Access.RW
                truth[at + word] = value & ((1 << bits) - 1) if held else 0
        for _ in range(2):
            for at, value in truth.items():
                assert await read(ctx, dut, at) == value
        for at in range(max(truth) + 1, 1 << ADDRESS_BITS):
            await write(ctx, dut, at, WORD)
            assert await read(ctx, dut, at) == 0

    run(dut, testbench)
    assert sum(truth.values())


def test_nothing_is_read_back_from_before_a_reset():
    dut, reset = Bank(), Signal()
    held = [(r, at) for r, at in addresses() if r.access is Access.RW]

    async def testbench(ctx):
        for register, at in held:
            for word in range(register.words):
                await write(ctx, dut, at + word, WORD)
            assert await read(ctx, dut, at) != 0
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        for register, at in held:
            for word in range(register.words):
                assert await read(ctx, dut, at + word) == 0

    run(ResetInserter(reset)(dut), testbench)


def test_a_wide_register_changes_with_its_high_word_and_is_read_whole():
    dut, at = Bank(), dict((r.name, at) for r, at in addresses())["limit_max_qty"]

    async def testbench(ctx):
        await write(ctx, dut, at, 7)
        assert await read(ctx, dut, at) == 0
        await write(ctx, dut, at + 1, 8)
        assert await read(ctx, dut, at) == 7
        await write(ctx, dut, at, 1)
        assert await read(ctx, dut, at) == 7
        await write(ctx, dut, at + 1, 2)
        assert await read(ctx, dut, at + 1) == 8  # of the value whose low word was read
        assert await read(ctx, dut, at) == 1
        assert await read(ctx, dut, at + 1) == 2
        assert ctx.get(dut.held.limit_max_qty) == (2 << 32) | 1

    run(dut, testbench)


def test_a_strobe_lasts_one_cycle_and_carries_the_word():
    dut, commit = Bank(), dict((r.name, at) for r, at in addresses())["limit_commit"]

    async def testbench(ctx):
        await write(ctx, dut, commit, 5)
        assert ctx.get(dut.strobes.limit_commit) == 1
        assert ctx.get(dut.strobes.control) == 0
        assert ctx.get(dut.written) == 5
        await ctx.tick()
        assert ctx.get(dut.strobes.limit_commit) == 0

    run(dut, testbench)


def test_a_wide_counter_is_read_whole_while_it_runs():
    dut, at = Bank(), dict((r.name, at) for r, at in addresses())["cycle"]

    async def testbench(ctx):
        ctx.set(dut.shown.cycle, (7 << 32) | WORD)
        low = await read(ctx, dut, at)
        ctx.set(dut.shown.cycle, 8 << 32)
        high = await read(ctx, dut, at + 1)
        assert (high << 32) | low == (7 << 32) | WORD

    run(dut, testbench)


def test_a_counter_stops_at_its_greatest_value():
    dut = Counters()

    async def testbench(ctx):
        ctx.set(dut.values.orders, WORD - 1)
        ctx.set(dut.pulses.orders, 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.values.orders) == WORD
        assert ctx.get(dut.values.refusals) == 0

    run(dut, testbench)


@pytest.mark.parametrize("spaced", [False, True])
def test_latency_statistics_and_histograms_hold_every_decision(spaced):
    rng, dut = random.Random(3), Latency(spaced)
    samples = [
        (rng.choice([3, 14, 31, 32, 60_000]), rng.choice([1, 0, 20, 1 << 35])) for _ in range(300)
    ]

    async def testbench(ctx):
        await ctx.tick().until(dut.init_done)
        for latency, span in samples:
            ctx.set(dut.add, 1)
            ctx.set(dut.latency, latency)
            ctx.set(dut.span, span)
            await ctx.tick()
            ctx.set(dut.add, 0)
            if spaced:
                # What stands there while nothing is added counts for nothing.
                ctx.set(dut.latency, rng.randrange(1 << 16))
                ctx.set(dut.span, rng.randrange(1 << 40))
                await ctx.tick().repeat(rng.choice([1, 1, 5]))
        await ctx.tick().repeat(2)
        latencies = [latency for latency, _ in samples]
        assert ctx.get(dut.least) == min(latencies)
        assert ctx.get(dut.greatest) == max(latencies)
        assert ctx.get(dut.total) == sum(latencies)
        for at in range(32):
            ctx.set(dut.index, at)
            await ctx.tick()
            assert ctx.get(dut.latency_count) == sum(min(n, 31) == at for n in latencies)
            assert ctx.get(dut.span_count) == sum(min(s.bit_length(), 31) == at for _, s in samples)

    run(dut, testbench)
