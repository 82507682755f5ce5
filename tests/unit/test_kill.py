# SPDX-License-Identifier: Apache-2.0
"""The watchdog, the pin, and the two steps that clear the kill latch."""

import pytest

from hdl.risk.kill import REARM_KEYS, Kill
from host.contract.records import KillCause, Mode
from tests.unit.simulate import run

FIRST, SECOND = REARM_KEYS


async def write_rearm(ctx, dut, word, mode=Mode.HALTED):
    ctx.set(dut.mode, int(mode))
    ctx.set(dut.word, word)
    ctx.set(dut.rearm, 1)
    await ctx.tick()
    ctx.set(dut.rearm, 0)


async def pulse(ctx, dut, name):
    ctx.set(getattr(dut, name), 1)
    await ctx.tick()
    ctx.set(getattr(dut, name), 0)


def test_the_watchdog_is_late_and_then_dead_by_the_cycle_and_a_heartbeat_restarts_it():
    dut = Kill()

    async def testbench(ctx):
        ctx.set(dut.late_cycles, 10)
        ctx.set(dut.dead_cycles, 20)
        await pulse(ctx, dut, "heartbeat")
        # The count is 0 now; what it says is registered.
        for cycle in range(1, 16):
            await ctx.tick()
            assert ctx.get(dut.late) == (cycle > 10)
            assert ctx.get(dut.causes) == 0
        await pulse(ctx, dut, "heartbeat")
        await ctx.tick()
        assert not ctx.get(dut.late)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.causes) == 0
        await ctx.tick()
        assert ctx.get(dut.causes) == KillCause.WATCHDOG
        assert ctx.get(dut.pending)

    run(dut, testbench)


def test_a_watchdog_of_0_cycles_never_ends():
    dut = Kill()

    async def testbench(ctx):
        await ctx.tick().repeat(200)
        assert not ctx.get(dut.late) and ctx.get(dut.causes) == 0

    run(dut, testbench)


@pytest.mark.parametrize("name", ["kill", "loss", "pin"])
def test_a_kill_is_latched_and_told_once(name):
    dut = Kill()

    async def testbench(ctx):
        await pulse(ctx, dut, name)
        await ctx.tick().repeat(4)
        cause = {"kill": KillCause.REGISTER, "loss": KillCause.LOSS, "pin": KillCause.PIN}[name]
        assert ctx.get(dut.causes) == cause
        # An alert for a loss goes with the record that caused it.
        assert ctx.get(dut.pending) == (name != "loss")
        await pulse(ctx, dut, "told")
        assert not ctx.get(dut.pending)
        await pulse(ctx, dut, name)
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.pending)

    run(dut, testbench)


@pytest.mark.parametrize(
    ("steps", "cleared"),
    [
        ([(FIRST, 0), (SECOND, 0)], True),
        ([(FIRST, 3), (SECOND, 3)], True),
        ([(SECOND, 0)], False),
        ([(FIRST, 0), (FIRST, 0), (SECOND, 0)], True),
        ([(FIRST, 0), (0, 0), (SECOND, 0)], False),
        ([(SECOND, 0), (FIRST, 0)], False),
        ([(FIRST, Mode.ACTIVE), (SECOND, 0)], False),
        ([(FIRST, 0), (SECOND, Mode.ACTIVE)], False),
        ([(FIRST, 0), (SECOND, Mode.REDUCE_ONLY)], False),
    ],
)
def test_both_keys_one_after_the_other_in_halted_clear_the_latch(steps, cleared):
    dut = Kill()

    async def testbench(ctx):
        await pulse(ctx, dut, "kill")
        for word, mode in steps:
            await write_rearm(ctx, dut, word, mode)
        await ctx.tick().repeat(2)
        assert (ctx.get(dut.causes) == 0) == cleared

    run(dut, testbench)


def test_a_mode_in_between_or_a_kill_begins_anew():
    dut = Kill()

    async def testbench(ctx):
        await pulse(ctx, dut, "kill")
        await write_rearm(ctx, dut, FIRST)
        ctx.set(dut.mode, int(Mode.ACTIVE))
        await ctx.tick()
        await write_rearm(ctx, dut, SECOND)
        await ctx.tick()
        assert ctx.get(dut.causes)
        await write_rearm(ctx, dut, FIRST)
        await pulse(ctx, dut, "kill")
        await write_rearm(ctx, dut, SECOND)
        await ctx.tick()
        assert ctx.get(dut.causes)

    run(dut, testbench)


def test_a_pin_that_is_held_cannot_be_cleared():
    dut = Kill()

    async def testbench(ctx):
        ctx.set(dut.pin, 1)
        await ctx.tick().repeat(4)
        await write_rearm(ctx, dut, FIRST)
        await write_rearm(ctx, dut, SECOND)
        await ctx.tick()
        assert ctx.get(dut.causes) == KillCause.PIN

    run(dut, testbench)
