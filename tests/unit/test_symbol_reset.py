# SPDX-License-Identifier: Apache-2.0
"""Reset of one symbol: at one point of the stream, and no record lost, doubled or half applied."""

import random

import pytest

from hdl.config import BuildConfig
from hdl.link.admission import Admission
from host.contract.records import InFlag, InKind
from host.contract.registers import COUNTERS
from sim.board import Board, Stalls
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus import random_stream
from sim.stimulus_run import random_settings
from tests.unit.fabric import ASK, BID, OPEN, array, event, record, refill
from tests.unit.simulate import run

SMALL = BuildConfig(symbols=9, levels=3, qty_bits=8)
BUILDS = [SMALL, BuildConfig(symbols=3, levels=5, qty_bits=24), BuildConfig()]


def both(config, board):
    """Write to, and feed, board and reference; every answer and counter must agree."""
    reference = Reference(config.symbols, config.levels, config.qty_bits)

    def write(name, value):
        board.write(name, value)
        reference.write(name, value)

    def feed(records):
        expected = reference.feed(records)
        comparison = compare(expected, board.transfer(records))
        assert comparison.equal, str(comparison)
        assert {name: board.read(name) for name in COUNTERS} == reference.counters
        return expected

    return write, feed


@pytest.mark.parametrize("config", BUILDS, ids=lambda config: f"{config.symbols} symbols")
@pytest.mark.parametrize("stalls", [(0, 0), (300, 600)])
def test_a_run_with_resets_anywhere_equals_the_reference(config, stalls):
    """Resets fall into events, refills and between trades; input goes on in the next clock."""
    sizes = (config.symbols, config.levels, config.qty_bits)
    rng = random.Random(config.symbols)
    records = random_stream(7, 12_000, *sizes)
    with Board(config, stalls=Stalls(3, *stalls), random_init=5) as board:
        write, feed = both(config, board)
        for name, value in random_settings(1, *sizes):
            write(name, value)
        write("report", 3)
        at = 0
        while at < len(records):
            length = rng.choice((1, 2, 5, 40, 200))
            feed(records[at : at + length])
            at += length
            if rng.random() < 0.5:
                write("symbol_reset", rng.randrange(config.symbols))
        assert board.read("symbol_resets") > 40
        assert board.read("events_valid") > 0
        assert board.protocol_errors == 0


def test_a_record_offered_in_the_clock_after_the_write_comes_after_the_reset():
    with Board(SMALL) as board:
        write, feed = both(SMALL, board)
        for _ in range(3):
            feed(array([*refill(BID, [(10, 1)]), record(InKind.EVENT_BEGIN)]))
            write("symbol_reset", 0)
            feed(array([record(InKind.LEVEL, BID, 0, 11, 5)]))
        assert board.read("malformed_frame") == 3
        assert board.read("level_inserts") == 0


def test_every_symbol_can_be_reset_at_once_and_input_waits_for_all():
    config = BuildConfig()
    records = []
    for symbol in range(config.symbols):
        records += refill(BID, [(10, 1)], symbol=symbol) + refill(ASK, [(20, 1)], symbol=symbol)
    views = [row for symbol in range(config.symbols) for row in event([], 1, 0, symbol)]
    with Board(config) as board:
        write, feed = both(config, board)
        for name, value in OPEN:
            write(name, value)
        feed(array(records + views))
        assert board.read("events_valid") == config.symbols
        for symbol in range(config.symbols):
            write("symbol_reset", symbol)
        feed(array(views))
        assert board.read("symbol_resets") == config.symbols
        assert board.read("events_valid") == config.symbols
        feed(array(records + views))
        assert board.read("events_valid") == 2 * config.symbols


def test_status_says_busy_until_the_reset_is_done():
    with Board(SMALL) as board:
        assert board.read("status") == 0b01
        board.write("symbol_reset", 1)
        seen = [board.read("status") for _ in range(10)]
        assert seen[0] == 0b11
        assert seen[-1] == 0b01
        assert board.read("symbol_resets") == 1


def test_a_number_of_no_symbol_does_nothing():
    with Board(SMALL) as board:
        for number in (9, 10, 255, 256, (1 << 32) - 1):
            board.write("symbol_reset", number)
        assert board.read("symbol_resets") == board.read("clears") == 0
        assert board.transfer(array([record(InKind.HEARTBEAT)])).shape == (0, 64)
        assert board.read("heartbeats") == 1


# The valve alone.


def passed(script, symbols=3, numbers=40):
    """What leaves the valve, in order: numbers of records, and (symbol, side) of its own.

    `script` gives for each clock what is set: ``room``, ``swept``, ``reset`` (a symbol).
    Records carry their number in `value` and are offered all the time.
    """
    dut, out, clocks = Admission(BuildConfig(symbols=symbols, levels=3)), [], []

    async def testbench(ctx):
        number = 0
        ctx.set(dut.room, 1)
        ctx.set(dut.swept, 1)
        ctx.set(dut.i.valid, 1)
        for clock in range(200):
            step = script(clock)
            for name in ("room", "swept"):
                if name in step:
                    ctx.set(getattr(dut, name), step[name])
            ctx.set(dut.reset, "reset" in step)
            ctx.set(dut.reset_symbol, step.get("reset", 0))
            ctx.set(dut.i.valid, number < numbers)
            ctx.set(dut.i.p, {"kind": 12, "value": number})
            taken = number < numbers and ctx.get(dut.i.ready)
            if ctx.get(dut.o.valid):
                sent = ctx.get(dut.o.p)
                own = ctx.get(dut.own)
                assert own != taken
                if own:
                    assert (sent.kind, sent.price_ticks, sent.value) == (InKind.CLEAR, 0, 0)
                out.append((sent.symbol, sent.flags) if own else sent.value)
                clocks.append(clock)
            else:
                assert not taken
            number += bool(taken)
            await ctx.tick()

    run(dut, testbench)
    return out, clocks


@pytest.mark.parametrize("clock", [0, 1, 7, 20])
@pytest.mark.parametrize("symbol", [0, 1, 2])
def test_no_record_passes_from_the_clock_of_the_write_on_until_both_sides_are_cleared(
    clock, symbol
):
    out, clocks = passed(lambda at: {"reset": symbol} if at == clock else {})
    cleared = [(symbol, 0), (symbol, int(InFlag.SIDE))]
    assert out == [*range(clock), *cleared, *range(clock, 40)]
    first = clocks[clock]
    assert first > clock and clocks[clock + 1] == first + 1


def test_a_reset_needs_no_room_and_records_wait_for_it_all_the_same():
    script = {3: {"room": 0}, 6: {"reset": 1}, 60: {"room": 1}}
    out, clocks = passed(lambda at: script.get(at, {}))
    assert out == [0, 1, 2, (1, 0), (1, 1), *range(3, 40)]
    assert max(clocks[3:5]) < 20 and clocks[5] >= 60


def test_a_reset_written_during_the_sweep_is_done_after_it_and_before_any_record():
    script = {0: {"swept": 0}, 5: {"reset": 2}, 50: {"swept": 1}}
    out, clocks = passed(lambda at: script.get(at, {}))
    assert out == [(2, 0), (2, 1), *range(40)]
    assert clocks[0] >= 50


@pytest.mark.parametrize("seed", range(10))
def test_resets_at_any_time_lose_and_double_nothing(seed):
    rng = random.Random(seed)
    script, written = {}, []
    for at in range(0, 100):
        script[at] = {"room": rng.getrandbits(1)}
        if rng.random() < 0.2:
            script[at]["reset"] = rng.randrange(4)  # 3 is none
            written.append(script[at]["reset"])
    script[100] = {"room": 1}
    out, _ = passed(lambda at: script.get(at, {}))
    assert [each for each in out if isinstance(each, int)] == list(range(40))
    own = [each for each in out if isinstance(each, tuple)]
    assert own[0::2] == [(symbol, 0) for symbol, _ in own[1::2]]
    assert all(side == 1 for _, side in own[1::2])
    resets = [symbol for symbol, _ in own[0::2]]
    assert set(resets) == set(written) - {3}
    assert all(resets.count(symbol) <= written.count(symbol) for symbol in range(3))
