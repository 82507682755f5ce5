# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of a small build, whose sides fill and run dry quickly."""

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.config import BuildConfig
from host.contract.records import (
    IN_DTYPE,
    REFILL_REQUEST_DTYPE,
    VIEW_DTYPE,
    InFlag,
    InKind,
    OutKind,
    Reason,
    ViewReason,
)
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_run, random_settings
from tests.cocotb.tb import PAUSES, TB, decisions_of

CONFIG = BuildConfig(symbols=3, levels=5, qty_bits=24)
SIZES = (CONFIG.symbols, CONFIG.levels, CONFIG.qty_bits)
LENGTH = 1200
BLOCKED_CYCLES = 2000

#: Tests of this module, as pytest runs them.
TESTS = (
    "random_streams_equal_the_reference",
    "ready_and_valid_do_not_follow_the_other_side",
    "soft_reset_in_mid_stream_loses_nothing_after_it",
    "soft_reset_leaves_nothing_known",
    "same_stream_after_soft_reset_gives_the_same_records",
    "blocked_output_stops_the_input_and_loses_nothing",
)

#: A rule that fires on most valid views, and a gate that mostly lets it.
EAGER = [
    ("report", 3),
    ("levels_n", 1),
    ("ratio_num", 1),
    ("ratio_den", 1),
    ("rule_enable", 3),
    ("order_qty", 2),
    ("mode", 2),
    ("rate_interval_us", 1),
    ("rate_burst_us", (1 << 32) - 1),
    ("stale_us", (1 << 32) - 1),
    ("limit_permit", 1),
    ("limit_mode", 2),
    ("limit_waive", (1 << 64) - 1),
    ("limit_max_qty", 1 << 15),
    ("limit_max_notional", (1 << 64) - 1),
    ("limit_collar_ticks", (1 << 32) - 1),
    ("limit_max_position", 1 << 40),
    ("strategy_active", 0),
    *(("limit_commit", symbol) for symbol in range(CONFIG.symbols)),
    *(("strategy_commit", symbol) for symbol in range(CONFIG.symbols)),
]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(
    source=list(PAUSES),
    sink=list(PAUSES),
    seed=[1, 2],
)
async def random_streams_equal_the_reference(dut, source, sink, seed):
    tb = await TB.start(dut, CONFIG, seed=seed, source_pauses=source, sink_pauses=sink)
    out = []
    # A stream of its own for each pair of pauses, so that eighteen are seen.
    stream = seed + 2 * (3 * list(PAUSES).index(source) + list(PAUSES).index(sink))
    for settings, records in random_run(stream, LENGTH, *SIZES, chunk=400):
        await tb.configure(settings)
        out.append(await tb.run(records))
    await tb.configure(EAGER)
    out.append(await tb.run(random_stream(1000 + stream, LENGTH, *SIZES, start_us=0, faults=0)))
    await tb.check()
    out = np.concatenate(out)
    assert len(decisions_of(out)) > 20
    await tb.check_latency(out)
    if sink != "none":
        assert tb.watch.waiting_out > 50
    if (source, sink) == ("none", "bursty"):
        assert tb.watch.waiting_in > 50


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def ready_and_valid_do_not_follow_the_other_side(dut):
    tb = await TB.start(dut, CONFIG, seed=3, source_pauses="random")
    seen = set()
    task = cocotb.start_soon(tb.wiggle(seen))
    await tb.configure(EAGER)
    tb.sink.pause = True
    records = random_stream(3, LENGTH, *SIZES, start_us=0)
    tb.send(records)
    await ClockCycles(dut.clk, BLOCKED_CYCLES)
    tb.sink.set_pause_generator(PAUSES["bursty"](tb.rng))
    await tb.drain()
    task.cancel()
    result = compare(tb.reference.feed(records), tb.received())
    assert result.equal, str(result)
    await tb.check()
    assert seen == {("s", 0), ("s", 1), ("m", 0), ("m", 1)}


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(seed=[1, 2, 3])
async def soft_reset_in_mid_stream_loses_nothing_after_it(dut, seed):
    tb = await TB.start(dut, CONFIG, seed=seed)
    await tb.configure(EAGER)
    records = random_stream(40 + seed, LENGTH, *SIZES)
    tb.send(records)
    while len(tb.watch.accepted) < 300 + 10 * seed:
        await RisingEdge(dut.clk)
    # Registers go back to 0 as well, so that only refill requests come after it.
    before, waited = await soft_reset(tb)
    assert before < len(records) - 300
    assert waited >= 2 * CONFIG.symbols, "input was taken before the memories were swept"
    tb.reference = Reference(*SIZES)
    await tb.drain()
    assert len(tb.watch.accepted) == len(records)
    result = compare(tb.reference.feed(records[before:]), after_reset(tb))
    assert result.equal, str(result)
    assert result.expected > 20
    await tb.check()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def soft_reset_leaves_nothing_known(dut):
    tb = await TB.start(dut, CONFIG)
    await tb.configure(EAGER)
    out = await tb.run(random_stream(5, LENGTH, *SIZES, start_us=0, faults=0))
    assert (decisions_of(out)["verdict"] == 0).any()
    await soft_reset(tb)
    await tb.swept()
    for name in ("report", "mode", "levels_n", "rule_enable", "order_qty", "rate_interval_us"):
        assert await tb.read(name) == 0, name
    assert await tb.read("limits_version") == 0
    assert not any((await tb.counters()).values())
    tb.reference = Reference(*SIZES)

    await tb.write("report", 1)
    asked = [event(symbol, 7) for symbol in range(CONFIG.symbols)]
    out = await tb.run(np.concatenate(asked))
    views = out[out[:, 0] == OutKind.VIEW].copy().view(VIEW_DTYPE).reshape(-1)
    assert [int(view["reasons"]) for view in views] == [ViewReason.UNKNOWN] * CONFIG.symbols
    assert not views["bid_depth"].any()
    assert not views["ask_depth"].any()
    assert not views["age_us"].any()
    requests = out[out[:, 0] == OutKind.REFILL_REQUEST].copy().view(REFILL_REQUEST_DTYPE)
    assert [int(flags) for flags in requests.reshape(-1)["flags"]] == [0xF] * CONFIG.symbols

    # A book and a rule are there again; mode and limits are not.
    rule = ("levels_n", "ratio_num", "ratio_den", "rule_enable", "order_qty")
    await tb.configure([(name, value) for name, value in EAGER if name in rule])
    loads = [book(symbol, bid=100, ask=101) for symbol in range(CONFIG.symbols)]
    asked = [event(symbol, 8, time_us=50) for symbol in range(CONFIG.symbols)]
    decisions = decisions_of(await tb.run(np.concatenate([*loads, *asked])))
    reasons = """HALTED PERMISSION QUANTITY NOTIONAL COLLAR POSITION RATE SYMBOL_HALTED STRATEGY
        COLLAR_PPM COLLAR_LAST COLLAR_LAST_PPM PRICE RATE_SYMBOL WINDOW_QTY WINDOW_NOTIONAL REPEAT
        ORDER_TRADE OPEN_ORDERS CREDIT_STALE LOSSES SPREAD CLOCK"""
    expected = sum(1 << Reason[name] for name in reasons.split())
    assert [int(verdict) for verdict in decisions["verdict"]] == [expected] * CONFIG.symbols
    assert not decisions["limits_version"].any()
    await tb.check()


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(seed=[1, 2])
async def same_stream_after_soft_reset_gives_the_same_records(dut, seed):
    tb = await TB.start(dut, CONFIG, seed=seed, source_pauses="random", sink_pauses="random")
    settings = random_settings(seed, *SIZES) if seed > 1 else EAGER
    settings = [*settings, ("report", 1)]
    records = random_stream(60 + seed, LENGTH, *SIZES)
    await tb.configure(settings)
    first = await tb.run(records)
    tb.send(random_stream(70 + seed, LENGTH, *SIZES))
    while len(tb.watch.accepted) < LENGTH + LENGTH // 2:
        await RisingEdge(dut.clk)
    await soft_reset(tb)
    # The rest of the second stream meets the fabric with all registers at 0.
    await tb.drain()
    await soft_reset(tb)
    await tb.swept()
    tb.received()
    tb.reference = Reference(*SIZES)
    await tb.configure(settings)
    again = await tb.run(records)
    assert len(first) > 100
    result = compare(first, again)
    assert result.equal, str(result)
    await tb.check()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def blocked_output_stops_the_input_and_loses_nothing(dut):
    tb = await TB.start(dut, CONFIG)
    await tb.configure(EAGER)
    records = random_stream(7, 3000, *SIZES, start_us=0)
    tb.sink.pause = True
    tb.send(records)
    await ClockCycles(dut.clk, BLOCKED_CYCLES)
    stopped = len(tb.watch.accepted)
    assert 0 < stopped < len(records), "input did not stop"
    assert not dut.s_tready.value
    assert dut.m_tvalid.value
    waiting = dut.m_tdata.value
    await ClockCycles(dut.clk, BLOCKED_CYCLES)
    assert len(tb.watch.accepted) == stopped
    assert dut.m_tdata.value == waiting
    assert tb.sink.empty()
    tb.sink.pause = False
    await tb.drain()
    assert len(tb.watch.accepted) == len(records)
    out = tb.received()
    result = compare(tb.reference.feed(records), out)
    assert result.equal, str(result)
    await tb.check()
    await tb.check_latency(out)


async def soft_reset(tb):
    """Reset by register while the streams go on.

    Returns the records accepted before it, which are lost with it, and the cycles in which none
    was taken after it.
    """
    reference, tb.reference = tb.reference, None
    await tb.write("control", 1)
    tb.reference = reference
    edge = RisingEdge(tb.dut.clk)
    await edge
    await edge  # the strobe, then the reset itself: the first edge that finds s_tready low
    tb.watch.forget()
    before = len(tb.watch.accepted)
    assert not tb.dut.s_tready.value
    waited = 0
    while not tb.dut.s_tready.value:
        tb.watch.forget()
        waited += 1
        await edge
    return before, waited


def after_reset(tb):
    """Out records from the last one with number 0 on."""
    out = tb.received()
    starts = np.flatnonzero(out[:, 4:8].copy().view("<u4").reshape(-1) == 0)
    return out[starts[-1] :]


def rows(*records):
    return np.array(list(records), dtype=IN_DTYPE)


def event(symbol, update_id, time_us=0):
    """A book event without updates."""
    return rows(
        (InKind.EVENT_BEGIN, 0, symbol, 0, 0, time_us),
        (InKind.EVENT_END, InFlag.BOOK, symbol, 0, 0, update_id),
    )


def book(symbol, bid, ask):
    """One level a side, many more lots on the bid."""
    records = []
    for side, price, lots in ((0, bid, 900), (InFlag.SIDE, ask, 1)):
        records += [
            (InKind.REFILL_BEGIN, side, symbol, 0, 0, 0),
            (InKind.LEVEL, side | InFlag.REFILL, symbol, 0, price, lots),
            (InKind.REFILL_END, side | InFlag.WHOLE, symbol, 0, 0, 0),
        ]
    return rows(*records)
