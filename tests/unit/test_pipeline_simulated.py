# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline in the Amaranth simulator: features, model and strategy behind its ports."""

import random
import zlib

import numpy as np
import pytest

from hdl.config import BuildConfig
from hdl.pipeline import Pipeline, decision_latency
from hdl.records import IN_RECORD, Rule
from host.contract.records import DECISION_DTYPE, IN_DTYPE, InFlag, InKind, OutKind
from host.contract.registers import REGISTERS
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus_forest import random_image
from tests.unit.fabric import ASK, BID, OPEN, event, record, refill
from tests.unit.simulate import run

CONFIG = BuildConfig(symbols=1, levels=3, qty_bits=8, result_depth=32)
WITH_FOREST = BuildConfig(symbols=1, levels=3, qty_bits=8, result_depth=32, trees=2)
SETTINGS = [
    *OPEN,
    ("report", 7),
    ("levels_n", 3),
    ("trade_window", 4),
    ("limit_max_position", 200),
    ("limit_commit", 0),
]
STRATEGY = [
    ("strategy_active", 1),
    ("strategy_average_decay", 2),
    ("strategy_sides", 3),
    ("strategy_imbalance_sides", 3),
    ("strategy_imbalance_num", 3),
    ("strategy_imbalance_den", 2),
    ("strategy_qty_most", 4),
    ("strategy_entry_order", 0x12),
    ("strategy_entry_protect", 1),
    ("strategy_exit_order", 0x11),
    ("strategy_exits", 1),
    ("strategy_stop_ticks", 2),
    ("micro_address", 8),
    ("micro_entry", (1 << 18) - 3),
    ("strategy_commit", 0),
]
FIRST = [
    *refill(BID, [(100, 5), (99, 5)]),
    *refill(ASK, [(101, 5), (102, 5)]),
    *event([(BID, 100, 20)], 1, time_us=10),
    *event([(ASK, 101, 60)], 2, time_us=20),
]
SECOND = [
    *event([(ASK, 101, 5)], 3, time_us=30),
    record(InKind.TRADE, 0, price=101, value=3),
    record(InKind.FILL, 0, price=102, value=4),
    *event([(BID, 100, 4), (BID, 99, 9)], 4, time_us=44),
    *event([], 5, time_us=45),
    record(InKind.FILL, InFlag.SIDE, price=100, value=4),
    *event([(ASK, 101, 0)], 6, time_us=60),
    *event([(BID, 100, 0), (BID, 99, 0)], 7, time_us=61),
]


def model(trees):
    """Writes that load a forest and make it a rule."""
    words = random_image(random.Random(3), trees)
    words[16], words[20] = 0, 1
    crc = zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))
    load = [("model_begin", 0), *(("model_data", word) for word in words), ("model_commit", crc)]
    rule = [("strategy_model_mode", 1), ("strategy_model_sides", 3), ("strategy_model_least", 9)]
    return [*load, *rule, ("strategy_commit", 0)]


@pytest.mark.parametrize(("config", "cycles"), [(CONFIG, 14), (WITH_FOREST, 22)])
def test_features_entries_and_exits_leave_the_pipeline_as_the_reference_says(config, cycles):
    dut, came, lit = Pipeline(config), [], []
    strategy = [*STRATEGY, *model(config.trees)] if config.trees else STRATEGY

    def look(ctx):
        lit.append({name: ctx.get(dut.lamps[name]) for name in ("valid", "armed", "killed")})

    async def write(ctx, name, value):
        register = REGISTERS[name]
        for word in range((register.bits + 31) // 32):
            ctx.set(dut.bus.addr, register.address + word)
            ctx.set(dut.bus.w_data, value >> 32 * word & 0xFFFFFFFF)
            ctx.set(dut.bus.w_en, 1)
            await ctx.tick()
        ctx.set(dut.bus.w_en, 0)

    async def step(ctx):
        if ctx.get(dut.o.valid):
            came.append(ctx.get(dut.o.payload))
        await ctx.tick()

    async def feed(ctx, records):
        for fields in records:
            bits = dict(zip(IN_DTYPE.names, fields, strict=True))
            packed = sum(int(bits[name]) << field.offset for name, field in IN_RECORD.layout())
            ctx.set(dut.i.payload.as_value(), packed)
            ctx.set(dut.i.valid, 1)
            while not ctx.get(dut.i.ready):
                await step(ctx)
            await step(ctx)
        ctx.set(dut.i.valid, 0)
        for _ in range(decision_latency(config) + 50):
            await step(ctx)

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        await ctx.tick().repeat(300)
        look(ctx)
        for settings, records in ((SETTINGS, FIRST), (strategy, SECOND)):
            for name, value in settings:
                await write(ctx, name, value)
            await feed(ctx, records)
            look(ctx)
        ctx.set(dut.kill_pin, 1)
        await ctx.tick()
        ctx.set(dut.kill_pin, 0)
        await ctx.tick().repeat(8)
        look(ctx)

    run(dut, testbench)
    reference, expected = Reference(1, 3, 8, trees=config.trees), []
    for settings, records in ((SETTINGS, FIRST), (strategy, SECOND)):
        for name, value in settings:
            reference.write(name, value)
        expected.append(reference.feed(np.array(records, IN_DTYPE)))
    rows = np.frombuffer(b"".join(row.to_bytes(64, "little") for row in came), np.uint8)
    actual = rows.reshape(-1, 64)
    comparison = compare(np.concatenate(expected), actual)
    assert comparison.equal, str(comparison)
    decisions = np.ascontiguousarray(actual[actual[:, 0] == OutKind.DECISION])
    decisions = decisions.view(DECISION_DTYPE).reshape(-1)
    # The last event takes the last bid away; the kill input then needs no more than a clock.
    assert lit == [
        {"valid": 0, "armed": 0, "killed": 0},
        {"valid": 1, "armed": 1, "killed": 0},
        {"valid": 0, "armed": 1, "killed": 0},
        {"valid": 0, "armed": 0, "killed": 1},
    ]
    assert set(decisions["latency_cycles"].tolist()) == {decision_latency(config)} == {cycles}
    assert (decisions["rule"] & int(Rule.EXIT) != 0).any()
    if config.trees:
        by_model = decisions["rule"] & int(Rule.MODEL) != 0
        assert reference.counters["model_loads"] == 1
        assert len(set(decisions["score"][by_model].tolist())) > 1
    else:
        assert (decisions["rule"] == int(Rule.IMBALANCE)).any()
