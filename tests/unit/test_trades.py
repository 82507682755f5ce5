# SPDX-License-Identifier: Apache-2.0
"""The tape in RTL against a list of all trades, one token a clock."""

import random

import pytest

from hdl.book.trades import LEAST_LATENCY, Trades
from hdl.config import BuildConfig
from hdl.pipeline import STAGE_LATENCY
from host.contract.records import InFlag, InKind
from sim.board import Board
from tests.unit.fabric import ASK, BID, array, assert_equal, event, record
from tests.unit.simulate import run

CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=8)
LAST_US = (1 << 64) - 1


def shown(tokens, latency=LEAST_LATENCY, config=CONFIG, window=2):
    """What is told of each token (kind, symbol, side, price, qty, now_us); None is a clock without.

    A number in place of a token is the register `trade_window` from there on; a tuple
    ("forget", symbol) a token that resets its symbol.
    """
    dut, out = Trades(config, latency), []

    async def source(ctx):
        ctx.set(dut.trade_window, window)
        while not ctx.get(dut.init_done):
            await ctx.tick()
        for token in tokens:
            if isinstance(token, int):
                for _ in range(latency):
                    await ctx.tick()
                ctx.set(dut.trade_window, token)
                continue
            ctx.set(dut.i.valid, token is not None)
            if token is not None and token[0] == "forget":
                token = (InKind.CLEAR, token[1], 0, 0, 0, 0, 1)
            if token is not None:
                names = ("kind", "symbol", "side", "price", "value", "now_us", "forget")
                ctx.set(dut.i.p, dict(zip(names, (*token, 0)[:7], strict=True)))
            await ctx.tick()
            ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        while len(out) < sum(isinstance(token, tuple) for token in tokens):
            await ctx.tick()
            if ctx.get(dut.o.valid):
                told = ctx.get(dut.o.p)
                names = ("known", "side", "price", "qty", "buy_volume", "sell_volume")
                out.append(tuple(int(told[name]) for name in names))

    run(dut, source, sink)
    return out


def expected(tokens, config=CONFIG, window=2):
    """The same from a list of all trades: bucket numbers are made by division."""
    most = (1 << config.qty_bits) - 1
    trades = {symbol: [] for symbol in range(config.symbols)}
    out = []
    for token in tokens:
        if token is None:
            continue
        if isinstance(token, int):
            window = token
            continue
        if token[0] == "forget":
            trades[token[1]].clear()
            out.append((0, 0, 0, 0, 0, 0))
            continue
        kind, symbol, side, price, qty, now_us = token
        width = 2**window
        tape = trades[symbol]
        if kind == InKind.TRADE:
            tape.append((side, price, qty, now_us, window))
        if not tape:
            out.append((0, 0, 0, 0, 0, 0))
            continue
        # What counts are the trades since the last change of the width, if that is the width now.
        counting = []
        for trade in reversed(tape):
            if trade[4] != window:
                break
            counting.append(trade)
        volumes = []
        for wanted in (0, 1):
            buckets = {}
            for made_side, _, made_qty, made_us, _ in reversed(counting):
                if made_side == wanted:
                    bucket = made_us // width
                    buckets[bucket] = min(most, buckets.get(bucket, 0) + made_qty)
            now = now_us // width
            volumes.append(sum(v for bucket, v in buckets.items() if now - 8 < bucket <= now))
        last_side, last_price, last_qty = tape[-1][:3]
        out.append((1, last_side, last_price, last_qty, *volumes))
    return out


def trade(symbol=0, side=0, price=5, qty=1, now_us=0):
    return (InKind.TRADE, symbol, side, price, qty, now_us)


def look(symbol=0, now_us=0):
    return (InKind.EVENT_END, symbol, 0, 0, 0, now_us)


def test_a_trade_is_seen_by_the_token_right_behind_it_and_by_itself():
    """By hand: 3 bought, then 4 sold, in one bucket, in three neighbouring clocks."""
    told = shown([trade(qty=3, price=9), trade(side=1, qty=4, price=8), look(), look(1)])
    assert told == [(1, 0, 9, 3, 3, 0), (1, 1, 8, 4, 3, 4), (1, 1, 8, 4, 3, 4), (0,) * 6]


@pytest.mark.parametrize("apart", range(6))
def test_trades_of_one_symbol_at_every_distance_in_the_pipeline_add_up(apart):
    """With tokens of another symbol, or clocks without any, between them."""
    for filler in (trade(1, qty=200), None, look(0)):
        tokens = []
        for at in range(12):
            between = filler and (*filler[:5], at)
            tokens += [trade(qty=1 << at % 4, side=at % 3 // 2, now_us=at), *[between] * apart]
        told = shown(tokens)
        assert told == expected(tokens)
        assert (1, 1, 5, 8, 30, 15) in told  # by hand: the last of the twelve


@pytest.mark.parametrize("step_us", [1, 4, 27, 28, 29, 32, 33, 64, 1 << 40])
def test_buckets_that_time_has_passed_are_emptied(step_us):
    """Width 4: eight buckets are 32 microseconds."""
    tokens = [trade(qty=10 + at, side=at % 2, now_us=at * step_us) for at in range(12)]
    tokens += [look(now_us=11 * step_us + extra) for extra in range(0, 40, 3)]
    assert shown(tokens) == expected(tokens)


@pytest.mark.parametrize("window", [0, 1, 5, 30, 31])
def test_every_width_splits_time_by_division(window):
    times = [0, 7, 8, (1 << window) - 1, 1 << window, 9 << window, LAST_US - 1, LAST_US]
    tokens = []
    for now_us in sorted(times):
        tokens += [trade(qty=3, now_us=now_us), look(now_us=now_us)]
    assert shown(tokens, window=window) == expected(tokens, window=window)


def test_a_bucket_stops_at_its_greatest_volume():
    tokens = [trade(qty=200), trade(qty=55), trade(qty=1), trade(side=1, qty=255), look()]
    assert [told[4] for told in shown(tokens)] == [200, 255, 255, 255, 255]


def test_another_width_makes_the_buckets_count_no_more():
    tokens = [trade(qty=5), trade(1, qty=6), 3, look(), look(1), trade(qty=7), look(), 2, look()]
    tokens += [look(1)]
    assert shown(tokens) == expected(tokens)
    assert [told[4] for told in shown(tokens)][-4:] == [7, 7, 0, 6]


@pytest.mark.parametrize("apart", range(5))
def test_a_symbol_that_is_reset_forgets_its_tape_and_no_other(apart):
    tokens = [trade(qty=5), trade(1, qty=6), *[None] * apart, ("forget", 0), *[None] * apart]
    tokens += [look(), look(1), trade(qty=2, side=1), look()]
    told = shown(tokens)
    assert told[-1] == (1, 1, 5, 2, 0, 2)
    assert told[-3] == (1, 0, 5, 6, 6, 0)
    assert told[-4] == (0,) * 6


def random_tokens(seed, length=2500):
    rng = random.Random(seed)
    now_us = rng.choice([0, 1_700_000_000_000_000, LAST_US - 20_000])
    tokens = []
    for _ in range(length):
        now_us = min(LAST_US, now_us + rng.choice([0, 0, 0, 1, 2, 5, 30]))
        symbol = rng.choice([0, 0, 0, 1, 2])
        draw = rng.random()
        if draw < 0.6:
            qty = rng.choice([1, 2, 3, 100, 255])
            tokens.append(trade(symbol, rng.getrandbits(1), rng.randint(1, 99), qty, now_us))
        elif draw < 0.85:
            tokens.append((rng.choice([0, 1, 4, 5, 9]), symbol, 1, 3, 9, now_us))
        elif draw < 0.87:
            tokens.append(("forget", symbol))
        elif draw < 0.99:
            tokens.append(None)
        else:
            tokens.append(rng.choice([0, 2, 3, 5, 31]))
    return tokens


@pytest.mark.parametrize("seed", range(4))
def test_random_tokens_in_neighbouring_clocks_give_what_the_list_gives(seed):
    tokens = random_tokens(seed)
    told = shown(tokens)
    assert told == expected(tokens)
    assert len({each[4:] for each in told}) > 100


@pytest.mark.parametrize("latency", [LEAST_LATENCY, LEAST_LATENCY + 1, LEAST_LATENCY + 5])
def test_the_latency_is_the_one_asked_for(latency):
    dut, waited = Trades(CONFIG, latency), []

    async def testbench(ctx):
        while not ctx.get(dut.init_done):
            await ctx.tick()
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        waited.append(1)
        while not ctx.get(dut.o.valid):
            await ctx.tick()
            waited.append(1)

    run(dut, testbench)
    assert len(waited) == latency
    tokens = random_tokens(9, 300)
    assert shown(tokens, latency) == expected(tokens)


def test_a_latency_too_short_is_refused():
    with pytest.raises(ValueError, match=r"latency of at least 7, was 6"):
        run(Trades(CONFIG, LEAST_LATENCY - 1))


@pytest.mark.parametrize("symbols", [1, 9])
def test_the_tape_stands_beside_the_view_of_the_same_event(symbols):
    """In the whole fabric: a wrong alignment would show the tape before or after its event."""
    config = BuildConfig(symbols=symbols, levels=3, qty_bits=8)
    assert STAGE_LATENCY["book"] >= LEAST_LATENCY
    records = []
    for number in range(300):
        symbol = number % symbols
        before = record(InKind.TRADE, (BID, ASK)[number % 2], symbol, 1 + number, 1 + number % 90)
        after = record(InKind.TRADE, InFlag(0), symbol, 5000 + number, 1)
        records += [before] if number % 3 else []
        records += event([], number, 3 * number, symbol) + ([after] if number % 4 == 0 else [])
    with Board(config) as board:
        for report in (2, 3):
            board.reset()
            assert_equal(board, config, [("report", report), ("trade_window", 4)], array(records))
