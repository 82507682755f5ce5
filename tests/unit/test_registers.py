# SPDX-License-Identifier: Apache-2.0
"""The register bank: every register at its address, whole and alone."""

import random

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.regs.bank import BANK_BUS, Bank
from hdl.regs.register import Access
from hdl.regs.table import ADDRESS_BITS, COUNTERS, addresses
from hdl.stats.counters import ROW_BITS, CounterRows, Counters
from hdl.stats.latency import Latency
from tests.formal.kit import open_up
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


@pytest.mark.parametrize("counted", [False, True])
def test_what_is_written_is_read_back_and_nothing_else_moves(counted):
    rng, dut, truth = random.Random(1), Bank(counted=counted), {}

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
        # Where there is no register: all that follow the last one up to a power of two, and beyond
        # it one for each word of the table, whose low bits are the same.
        low = max(truth).bit_length()
        beyond = [at | rng.randrange(1, 1 << (ADDRESS_BITS - low)) << low for at in truth]
        for at in [*range(max(truth) + 1, 1 << low), *beyond]:
            await write(ctx, dut, at, WORD)
            assert await read(ctx, dut, at) == 0
        for at, value in truth.items():
            assert await read(ctx, dut, at) == value

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


class InMemory(wiring.Component):
    """A bank and the counters it leaves to a memory, with registers as a bank's."""

    def __init__(self, spacing):
        self.bank, self.rows = Bank(counted=True), CounterRows(spacing)
        super().__init__({"bus": In(BANK_BUS), "pulses": In(self.rows.pulses.shape())})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.bank, m.submodules.rows = bank, rows = self.bank, self.rows
        wiring.connect(m, wiring.flipped(self.bus), bank.bus)
        m.d.comb += [
            rows.pulses.eq(self.pulses),
            rows.read_en.eq(bank.bus.r_en),
            rows.read_addr.eq(bank.bus.addr[:ROW_BITS]),
            bank.counter.eq(rows.read_data),
        ]
        return m


def test_counters_in_memory_hold_every_pulse_and_nothing_of_before_a_reset():
    rng, reset = random.Random(5), Signal()
    names = [name for name, _ in COUNTERS if rng.random() < 0.5]
    spacing = {name: rng.choice([1, 2, 7, 24]) for name in names}
    dut, at = InMemory(spacing), {register.name: at for register, at in addresses()}
    read_in_between = 0

    async def testbench(ctx):
        nonlocal read_in_between
        for _ in range(2):
            truth, rest = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
            for clock in range(1500):
                for name in names:
                    often = rng.random() < (0.9 if clock < 1000 else 0.1)
                    pulse = often and rest[name] == 0
                    rest[name] = spacing[name] - 1 if pulse else max(0, rest[name] - 1)
                    truth[name] += pulse
                    ctx.set(dut.pulses[name], pulse)
                if clock % 31 == 30:  # the bus takes a clock of its own
                    name = rng.choice(names)
                    ctx.set(dut.bus.addr, at[name])
                    ctx.set(dut.bus.r_en, 1)
                    await ctx.tick()
                    ctx.set(dut.bus.r_en, 0)
                    told = ctx.get(dut.bus.r_data)
                    assert truth[name] - len(names) - 3 <= told <= truth[name]
                    read_in_between += told > 0
                else:
                    await ctx.tick()
            for name in names:
                ctx.set(dut.pulses[name], 0)
            await ctx.tick().repeat(len(names) + 4)
            for name, _ in COUNTERS:
                assert await read(ctx, dut, at[name]) == truth.get(name, 0), name
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            for name in names:
                assert await read(ctx, dut, at[name]) == 0

    run(ResetInserter(reset)(dut), testbench)
    assert read_in_between > 50


def test_a_counter_in_memory_stops_at_its_greatest_value():
    names = ("orders", "kills", "intents", "events")
    dut, at = InMemory(dict.fromkeys(names, 1)), {r.name: at for r, at in addresses()}
    inside = open_up(dut.rows)

    async def testbench(ctx):
        await ctx.tick().repeat(10)
        row = at["orders"] % (1 << ROW_BITS)
        while row in (ctx.get(inside["row"]), ctx.get(inside["place"])):  # between two visits
            await ctx.tick()
        ctx.set(inside["rows"].data[row], WORD - 3)
        ctx.set(dut.pulses.orders, 1)
        await ctx.tick().repeat(24)
        assert await read(ctx, dut, at["orders"]) == WORD
        assert await read(ctx, dut, at["kills"]) == 0

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
                await ctx.tick().repeat(rng.choice([2, 2, 5]))
        await ctx.tick().repeat(3)
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
