# SPDX-License-Identifier: Apache-2.0
"""Each rule of a well-formed record, one record at a time."""

import pytest

from hdl.config import BuildConfig
from hdl.feed.native import TickDecoder
from host.contract.records import InFlag, InKind
from tests.unit.simulate import run

CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=16)
SIDE, REFILL, WHOLE, BOOK = InFlag.SIDE, InFlag.REFILL, InFlag.WHOLE, InFlag.BOOK
BEGIN = (InKind.EVENT_BEGIN, 0, 1, 0, 0, 77)


def decode(*records):
    """Tokens and the name of the counter of each record (None where it is well formed)."""
    dut = TickDecoder(CONFIG)
    tokens, reasons = [], []

    async def testbench(ctx):
        for at, (kind, flags, symbol, tag, price, value) in enumerate(records):
            ctx.set(dut.cycle, 1000 + at)
            ctx.set(dut.i.valid, 1)
            ctx.set(
                dut.i.p,
                {
                    "kind": int(kind),
                    "flags": int(flags),
                    "symbol": symbol,
                    "tag": tag,
                    "price_ticks": price,
                    "value": value,
                },
            )
            counts = ctx.get(dut.counts)
            named = [name for name, _ in dut.counts.shape() if name.startswith("malformed")]
            counted = [name.removeprefix("malformed_") for name in named if counts[name]]
            assert len(counted) <= 1
            reasons.append(counted[0] if counted else None)
            await ctx.tick()
            assert ctx.get(dut.o.valid)
            tokens.append(ctx.get(dut.o.p))

    run(dut, testbench)
    return tokens, reasons


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ((0, 0, 1, 0, 0, 0), "kind"),
        ((14, 0, 1, 0, 0, 0), "kind"),
        ((255, 0, 1, 0, 0, 0), "kind"),
        ((InKind.LEVEL, 0, 3, 0, 5, 1), "symbol"),
        ((InKind.TIMER, 0, 255, 0, 0, 1), "symbol"),
        ((InKind.LEVEL, WHOLE, 1, 0, 5, 1), "flags"),
        ((InKind.EVENT_BEGIN, SIDE, 1, 0, 0, 1), "flags"),
        ((InKind.HEARTBEAT, 0x80, 1, 0, 0, 0), "flags"),
        ((InKind.LEVEL, 0, 1, 9, 5, 1), "reserved"),
        ((InKind.LEVEL, 0, 1, 0, 0, 1), "price"),
        ((InKind.TRADE, 0, 1, 0, 0, 1), "price"),
        ((InKind.REFILL_END, WHOLE, 1, 0, 4, 0), "price"),
        ((InKind.CLEAR, 0, 1, 0, 4, 0), "price"),
        ((InKind.LEVEL, 0, 1, 0, 5, 1 << 16), "qty"),
        ((InKind.LEVEL, REFILL, 1, 0, 5, 0), "qty"),
        ((InKind.TRADE, 0, 1, 0, 5, 0), "qty"),
        ((InKind.FILL, 0, 1, 3, 5, 0), "qty"),
        ((InKind.ACK, 0, 1, 3, 5, 1 << 16), "qty"),
        ((InKind.REFILL_BEGIN, 0, 1, 0, 0, 1), "qty"),
        ((InKind.LEVEL, 0, 2, 0, 5, 1), "frame"),
        ((InKind.EVENT_END, BOOK, 2, 0, 0, 1), "frame"),
        ((InKind.LEVEL, 0, 1, 0, 5, 0), None),
        ((InKind.LEVEL, SIDE, 1, 0, (1 << 32) - 1, (1 << 16) - 1), None),
        ((InKind.REFILL_END, 0, 2, 0, 0, 0), None),
        ((InKind.EVENT_END, BOOK, 1, 0, 0, (1 << 64) - 1), None),
        ((InKind.CANCEL, SIDE, 1, 200, 0, 1), None),
        ((InKind.HEARTBEAT, 0, 2, 0, 0, 0), None),
    ],
)
def test_a_record_is_counted_under_the_rule_it_breaks(record, reason):
    tokens, reasons = decode(BEGIN, record)
    assert reasons == [None, reason]
    assert tokens[1].kind == (0 if reason else int(record[0]))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ((99, 0xFF, 9, 9, 9, 1 << 60), "kind"),
        ((InKind.LEVEL, 0xFF, 9, 9, 0, 1 << 60), "symbol"),
        ((InKind.LEVEL, 0xFF, 2, 9, 0, 1 << 60), "flags"),
        ((InKind.LEVEL, 0, 2, 9, 0, 1 << 60), "reserved"),
        ((InKind.LEVEL, 0, 2, 0, 0, 1 << 60), "price"),
        ((InKind.LEVEL, 0, 2, 0, 1, 1 << 60), "qty"),
        ((InKind.LEVEL, 0, 2, 0, 1, 1), "frame"),
    ],
)
def test_the_first_broken_rule_counts(record, reason):
    assert decode(BEGIN, record)[1][1] == reason


@pytest.mark.parametrize(
    ("record", "poisons"),
    [
        ((InKind.LEVEL, 0, 1, 0, 0, 1), True),
        ((77, 0, 1, 0, 0, 1), True),
        ((InKind.EVENT_END, SIDE, 1, 0, 0, 1), True),
        ((InKind.LEVEL, 0, 3, 0, 0, 1), False),
        ((InKind.FILL, 0, 1, 0, 0, 0), False),
        ((InKind.TIMER, SIDE, 1, 0, 0, 0), False),
    ],
)
def test_a_malformed_record_that_may_have_been_an_update_poisons_its_symbol(record, poisons):
    tokens, reasons = decode(BEGIN, record)
    assert reasons[1] is not None
    assert bool(tokens[1].poison) == poisons


def test_stream_time_never_runs_backwards_and_age_is_taken_from_it():
    tokens, reasons = decode(
        (InKind.EVENT_BEGIN, 0, 0, 0, 0, 1_000),
        (InKind.TIMER, 0, 0, 0, 0, 1_700),
        (InKind.TIMER, 0, 0, 0, 0, 200),
        (InKind.EVENT_END, BOOK, 0, 0, 0, 5),
        (InKind.EVENT_BEGIN, 0, 0, 0, 0, 900),
        (InKind.TIMER, 0, 0, 0, 0, 1 << 40),
        (InKind.EVENT_END, BOOK, 0, 0, 0, 6),
    )
    assert reasons == [None] * 7
    assert (tokens[3].now_us, tokens[3].age_us) == (1_700, 700)
    assert (tokens[6].now_us, tokens[6].age_us) == (1 << 40, (1 << 32) - 1)
    assert tokens[3].cycle_first == 1000
    assert tokens[6].cycle_first == 1004
    assert tokens[6].cycle_cause == 1006
