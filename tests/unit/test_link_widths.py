# SPDX-License-Identifier: Apache-2.0
"""Streams of a DMA against beats of batches and packets: nothing lost, nothing torn unnoticed."""

import random

import pytest

from hdl.link.axi.width import Narrow, Widen
from tests.unit.simulate import run


def through(dut, beats, fields, seed, stall):
    """Beats through a converter with random pauses: the values of `fields` that leave."""
    rng, out, sent = random.Random(seed), [], []

    async def source(ctx):
        for beat in beats:
            while rng.random() < stall:
                ctx.set(dut.i.valid, 0)
                await ctx.tick()
            ctx.set(dut.i.p, beat)
            ctx.set(dut.i.valid, 1)
            while not (await ctx.tick().sample(dut.i.ready))[-1]:
                pass
        ctx.set(dut.i.valid, 0)
        sent.append(True)

    async def sink(ctx):
        quiet, held = 0, None
        while quiet < 20:
            ready = rng.random() >= stall
            ctx.set(dut.o.ready, ready)
            _, _, valid, *now = await ctx.tick().sample(
                dut.o.valid, *(getattr(dut.o.p, name) for name in fields)
            )
            assert held is None or (valid and now == held)  # what is offered stays
            held = now if valid and not ready else None
            quiet = 0 if valid or not sent else quiet + 1
            if valid and ready:
                out.append(tuple(now))

    run(dut, source, sink)
    return out


def packets(rng, width, count):
    """Packets of random length, some with bytes that do not count."""
    for _ in range(count):
        length = rng.randrange(1, 12)
        for at in range(length):
            keep = (1 << width // 8) - 1 if rng.random() < 0.9 else rng.getrandbits(width // 8)
            yield {"data": rng.getrandbits(width), "keep": keep, "last": at == length - 1}


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("width", [32, 64])
def test_beats_of_a_batch_are_torn_where_bytes_are_missing(width, stall):
    parts, rng = 128 // width, random.Random(width)
    sent = list(packets(rng, width, 60))
    expected, group = [], []
    for beat in sent:
        group.append(beat)
        if len(group) == parts or beat["last"]:
            torn = len(group) < parts or any(b["keep"] != (1 << width // 8) - 1 for b in group)
            value = sum(b["data"] << width * at for at, b in enumerate(group))
            expected.append((None if torn else value, int(beat["last"]), int(torn)))
            group = []
    got = through(Widen(width), sent, ("data", "last", "torn"), 1, stall)
    assert [(None if torn else value, last, torn) for value, last, torn in got] == expected
    assert any(torn for _, _, torn in expected) and not all(torn for _, _, torn in expected)


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("width", [64, 128, 512])
def test_a_packet_leaves_lowest_bits_first_and_ends_once(width, stall):
    parts, rng = 512 // width, random.Random(width)
    sent = [
        {"data": rng.getrandbits(512), "last": rng.random() < 0.3, "done": rng.getrandbits(1)}
        for _ in range(40)
    ]
    expected = [
        (
            beat["data"] >> width * at & ((1 << width) - 1),
            (1 << width // 8) - 1,
            int(beat["last"] and at == parts - 1),
        )
        for beat in sent
        for at in range(parts)
    ]
    assert through(Narrow(width), sent, ("data", "keep", "last"), 2, stall) == expected
