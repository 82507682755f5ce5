# SPDX-License-Identifier: Apache-2.0
"""Shadow registers that lie in memory reach their rows at once, and only between records."""

import random

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.pipeline import shadow_runs
from hdl.regs.bank import Bank
from hdl.regs.copier import COMMIT_CLOCKS, LIMIT_RUN, STRATEGY_RUN, Copier
from hdl.regs.table import addresses
from hdl.risk.limits import Limits, checksum, limit_layout
from hdl.risk.registers import LIMITS
from hdl.spread import READ_CLOCKS, WordRows
from hdl.strategy.registers import SETTINGS
from hdl.strategy.settings import settings_layout
from tests.unit.simulate import run

SYMBOLS = 3
CONFIG = BuildConfig(symbols=SYMBOLS, spaced=True)
FIELDS = {LIMIT_RUN: ("limit", LIMITS), STRATEGY_RUN: ("strategy", SETTINGS)}


class Rows(wiring.Component):
    """Bank, copier, and the rows of both runs."""

    def __init__(self):
        super().__init__(
            {
                "go": In(1),
                "busy": Out(1),
                "symbol": In(8),
                "limits": Out(limit_layout()),
                "in_force": Out(32),
                "version": Out(32),
                "settings": Out(settings_layout()),
                "done": Out(1),
            }
        )
        self.bank = Bank(shadow_runs())

    def elaborate(self, _platform):
        m = Module()
        m.submodules.bank = bank = self.bank
        m.submodules.copier = copier = Copier(bank.shadows, SYMBOLS)
        m.submodules.limits = limits = Limits(CONFIG)
        m.submodules.rows = rows = WordRows(settings_layout(), SYMBOLS)
        m.d.comb += [
            copier.commits[LIMIT_RUN].eq(bank.strobes.limit_commit),
            copier.commits[STRATEGY_RUN].eq(bank.strobes.strategy_commit),
            copier.symbol.eq(bank.written),
            copier.swept.eq(self.done),
            copier.go.eq(self.go),
            copier.word.eq(bank.word),
            bank.run.eq(copier.run),
            bank.index.eq(copier.index),
            self.busy.eq(copier.busy),
            limits.copied.eq(copier.o),
            limits.symbol.eq(self.symbol),
            limits.select.eq(self.symbol),
            self.limits.eq(limits.limits.limits),
            self.in_force.eq(limits.in_force),
            self.version.eq(limits.version),
            rows.write_en.eq(copier.o.write[STRATEGY_RUN]),
            rows.write_addr.eq(copier.o.symbol),
            rows.write_index.eq(copier.o.index),
            rows.write_data.eq(copier.o.word),
            rows.read_addr.eq(self.symbol),
            self.settings.eq(rows.read_data),
            self.done.eq(limits.init_done & rows.done),
        ]
        return m


async def write(ctx, dut, name, value):
    at = {register.name: (where, register.words) for register, where in addresses()}
    first, words = at[name]
    for word in range(words):
        ctx.set(dut.bank.bus.addr, first + word)
        ctx.set(dut.bank.bus.w_data, value >> 32 * word & 0xFFFFFFFF)
        ctx.set(dut.bank.bus.w_en, 1)
        await ctx.tick()
        ctx.set(dut.bank.bus.w_en, 0)


async def expect(ctx, dut, truth):
    for symbol in range(SYMBOLS):
        ctx.set(dut.symbol, symbol)
        await ctx.tick().repeat(READ_CLOCKS)
        for row, fields in ((dut.limits, LIMITS), (dut.settings, SETTINGS)):
            kind = LIMIT_RUN if fields is LIMITS else STRATEGY_RUN
            for name, _, _ in fields:
                assert ctx.get(row[name]) == truth[kind, symbol].get(name, 0), (symbol, name)


def empty():
    return {(kind, symbol): {} for kind in FIELDS for symbol in range(SYMBOLS)}


def test_rows_are_what_was_committed_and_nothing_survives_a_reset():
    dut, reset, rng = Rows(), Signal(), random.Random(5)

    async def testbench(ctx):
        ctx.set(dut.go, 1)
        for _ in range(2):
            while not ctx.get(dut.done):
                await ctx.tick()
            truth, shadows = empty(), {kind: {} for kind in FIELDS}
            for _ in range(12):
                kind = rng.choice(list(FIELDS))
                head, fields = FIELDS[kind]
                for name, bits, _ in rng.sample(fields, len(fields) // 2):
                    shadows[kind][name] = rng.choice([0, (1 << bits) - 1, rng.getrandbits(bits)])
                    await write(ctx, dut, f"{head}_{name}", shadows[kind][name])
                symbol = rng.randrange(SYMBOLS + 2)  # some that the build does not have
                await write(ctx, dut, f"{head}_commit", symbol)
                await ctx.tick().repeat(COMMIT_CLOCKS)
                assert not ctx.get(dut.busy)
                if symbol < SYMBOLS:
                    truth[kind, symbol] = dict(shadows[kind])
                await expect(ctx, dut, truth)
            # Half a commit, and then a reset.
            await write(ctx, dut, "limit_commit", 0)
            await ctx.tick().repeat(20)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            while not ctx.get(dut.done):
                await ctx.tick()
            await expect(ctx, dut, empty())
            await write(ctx, dut, "limit_commit", 1)  # of shadows that are all zero
            await ctx.tick().repeat(COMMIT_CLOCKS)
            await expect(ctx, dut, empty())
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)

    run(ResetInserter(reset)(dut), testbench)


def test_a_commit_waits_for_the_record_under_way_and_holds_the_next():
    dut = Rows()

    async def testbench(ctx):
        while not ctx.get(dut.done):
            await ctx.tick()
        await write(ctx, dut, "limit_max_qty", 0x1234_5678_9ABC)
        await write(ctx, dut, "strategy_qty_most", 77)
        await write(ctx, dut, "limit_commit", 1)
        await write(ctx, dut, "strategy_commit", 2)
        await ctx.tick().repeat(COMMIT_CLOCKS)
        assert ctx.get(dut.busy)
        await expect(ctx, dut, empty())
        assert ctx.get(dut.busy)
        ctx.set(dut.go, 1)
        waited = 0
        while ctx.get(dut.busy):
            await ctx.tick()
            waited += 1
        assert waited < COMMIT_CLOCKS - 24
        truth = empty()
        truth[LIMIT_RUN, 1], truth[STRATEGY_RUN, 2] = (
            {"max_qty": 0x1234_5678_9ABC},
            {"qty_most": 77},
        )
        await ctx.tick().repeat(2)
        await expect(ctx, dut, truth)

    run(dut, testbench)


def test_a_commit_before_the_memories_are_swept_is_lost_whole():
    dut = Rows()

    async def testbench(ctx):
        ctx.set(dut.go, 1)
        await write(ctx, dut, "limit_permit", 1)
        await write(ctx, dut, "strategy_active", 1)
        await write(ctx, dut, "limit_commit", 0)
        await write(ctx, dut, "strategy_commit", 0)
        assert not ctx.get(dut.done)
        await ctx.tick().repeat(COMMIT_CLOCKS)
        assert ctx.get(dut.done)
        assert ctx.get(dut.version) == 0
        await expect(ctx, dut, empty())

    run(dut, testbench)


def test_commits_of_both_runs_may_come_at_any_distance():
    dut = Rows()

    async def testbench(ctx):
        while not ctx.get(dut.done):
            await ctx.tick()
        ctx.set(dut.go, 1)
        truth = empty()
        for distance in range(70):
            value = distance + 1
            await write(ctx, dut, "limit_max_qty", value)
            await write(ctx, dut, "strategy_qty_most", value)
            runs = [("limit", LIMIT_RUN), ("strategy", STRATEGY_RUN)]
            for at, (head, kind) in enumerate(runs if distance % 2 else reversed(runs)):
                await write(ctx, dut, f"{head}_commit", value % SYMBOLS)
                field = "max_qty" if kind == LIMIT_RUN else "qty_most"
                truth[kind, value % SYMBOLS] = {field: value}
                if distance and not at:
                    await ctx.tick().repeat(distance)
            await ctx.tick().repeat(COMMIT_CLOCKS)
            ctx.set(dut.symbol, value % SYMBOLS)
            await ctx.tick().repeat(READ_CLOCKS)
            assert ctx.get(dut.limits.max_qty) == value, distance
            assert ctx.get(dut.settings.qty_most) == value, distance
        await expect(ctx, dut, truth)

    run(dut, testbench)


def test_sum_and_number_of_a_commit_are_those_of_a_build_with_registers():
    rng = random.Random(8)
    dut, shadow, wanted = Rows(), Signal(limit_layout()), Signal(16)
    m = Module()
    m.submodules.dut = dut
    m.d.comb += wanted.eq(checksum(data.View(limit_layout(), shadow.as_value())))

    async def testbench(ctx):
        ctx.set(dut.go, 1)
        while not ctx.get(dut.done):
            await ctx.tick()
        for number in range(1, 6):
            row = {name: rng.getrandbits(bits) for name, bits, _ in LIMITS}
            for name, value in row.items():
                await write(ctx, dut, f"limit_{name}", value)
            ctx.set(shadow, row)
            await write(ctx, dut, "limit_commit", number % SYMBOLS)
            await ctx.tick().repeat(COMMIT_CLOCKS)
            ctx.set(dut.symbol, number % SYMBOLS)
            await ctx.tick().repeat(READ_CLOCKS)
            assert ctx.get(dut.in_force) == ctx.get(wanted) | number << 16
            assert ctx.get(dut.version) == number

    run(m, testbench)
