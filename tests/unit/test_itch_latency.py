# SPDX-License-Identifier: Apache-2.0
"""Cycles from the last byte a level needs to its record, at every place a message may stand."""

from collections import defaultdict

import pytest

from hdl.feed.itch.clock import LATENCY, Microseconds
from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.feed import LEVEL_LATENCY, ItchFeed
from host.contract.records import InKind
from sim.stimulus_itch import packet
from tests.unit.itch_messages import add, cancel, delete, execute, execute_at, head, replace
from tests.unit.simulate import run

#: Last byte that a level needs, by type, as the specification lays the fields out.
NEEDED = {"A": 35, "F": 35, "E": 22, "C": 22, "X": 22, "D": 18, "U": 34}


def measured(width):
    """Cycles from that byte's beat to each LEVEL, by type, over all places in a beat."""
    dut = ItchFeed(ItchConfig(symbols=2, width=width, order_sets=16, level_sets=16), hold=False)
    sent, cycles = [], defaultdict(set)
    ref = 0
    for shift in range(width):
        lead = [head("z", 1) + bytes(shift)]
        ref += 10
        for message in (
            add(ref, "B", 100, 1000),
            execute(ref, 5),
            execute_at(ref, 5, 900),
            cancel(ref, 5),
            replace(ref, ref + 1, 50, 1100),
            replace(ref + 1, ref + 2, 50, 1100),
            delete(ref + 2),
            add(ref + 3, "S", 9, 5000, kind="F"),
            delete(ref + 3),
        ):
            sent.append((chr(message[0]), [*lead, message]))

    async def bench(ctx):
        now = 0

        async def cycle():
            nonlocal now
            await ctx.tick()
            now += 1

        while not ctx.get(dut.status) & 1:
            await cycle()
        for name, value in (("policy", 4), ("written", 1 << 31 | 1), ("locate_write", 1)):
            ctx.set(getattr(dut, name), value)
        await cycle()
        ctx.set(dut.locate_write, 0)
        ctx.set(dut.o.ready, 1)
        for _ in range(4):
            await cycle()
        sequence = 1
        for kind, messages in sent:
            octets = packet(sequence, messages)
            sequence += len(messages)
            needed = len(octets) - len(messages[-1]) + NEEDED[kind]
            came = None
            levels = []

            def look(levels=levels):
                if ctx.get(dut.o.valid) and ctx.get(dut.o.p.kind) == InKind.LEVEL:
                    levels.append(now)

            for at in range(0, len(octets), width):
                part = octets[at : at + width]
                last = at + width >= len(octets)
                ctx.set(
                    dut.i.p,
                    {"data": int.from_bytes(part, "little"), "count": len(part), "last": last},
                )
                ctx.set(dut.i.valid, 1)
                while True:
                    look()
                    taken = ctx.get(dut.i.ready)
                    if taken and at <= needed < at + width:
                        came = now
                    await cycle()
                    if taken:
                        break
            ctx.set(dut.i.valid, 0)
            for _ in range(20):
                look()
                await cycle()
            cycles[kind].add(tuple(level - came for level in levels))

    run(dut, bench)
    return dict(cycles)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_a_level_is_told_6_cycles_after_the_last_byte_it_needs(width):
    one = {(LEVEL_LATENCY,)}
    expected = {kind: one for kind in "AFECXD"}
    # The level a replaced order leaves needs no byte of the new one.
    expected["U"] = {(LEVEL_LATENCY - 1, LEVEL_LATENCY)}
    assert measured(width) == expected


def test_microseconds_are_exact():
    dut = Microseconds()
    days = 86_400 * 10**9
    times = [0, 1, 999, 1000, 1001, 124_999, 125_000, days - 1, days, (1 << 48) - 1]
    times += [1000 * n + d for n in (7, 125, 1 << 37, 281_474_976_710) for d in (-1, 0, 1)]
    midnight = 1_700_000_000_000_000

    async def bench(ctx):
        ctx.set(dut.midnight_us, midnight)
        for ns in times:
            ctx.set(dut.ns, ns)
            await ctx.tick().repeat(LATENCY)
            assert ctx.get(dut.us) == midnight + ns // 1000

    run(dut, bench)
