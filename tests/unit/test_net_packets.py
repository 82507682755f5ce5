# SPDX-License-Identifier: Apache-2.0
"""The queue of whole payloads: nothing in part, every loss told in its place."""

import random

import pytest

from hdl.net.packets import PacketQueue
from tests.unit.net_bench import beats
from tests.unit.simulate import run


def through(payloads, *, depth=64, seed=0, stall=0.0, held_up=0.0):
    """Payloads (bytes, tag, error) through the queue: what leaves, and how many overflowed."""
    dut, out, over, done = PacketQueue(depth), [], [0], []
    rng = random.Random(seed)

    async def source(ctx):
        for payload, tag, error in payloads:
            for word, count, last, wrong in beats(payload, error):
                while rng.random() < stall:
                    ctx.set(dut.i.valid, 0)
                    await ctx.tick()
                fields = {"data": word, "count": count, "last": last, "error": wrong, "tag": tag}
                ctx.set(dut.i.p, fields)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
        ctx.set(dut.i.valid, 0)
        done.append(True)

    async def watch(ctx):
        while not done:
            await ctx.tick()
            over[0] += ctx.get(dut.counts.overflow)

    async def sink(ctx):
        begun, quiet = b"", 0
        while quiet < 20:
            ready = rng.random() >= held_up
            ctx.set(dut.o.ready, ready)
            p = dut.o.p
            quiet = quiet + 1 if done and not ctx.get(dut.o.valid) else 0
            if ready and ctx.get(dut.o.valid):
                begun += ctx.get(p.data).to_bytes(8, "little")[: ctx.get(p.count)]
                if ctx.get(p.last):
                    out.append((begun, ctx.get(p.tag), bool(ctx.get(p.error))))
                    begun = b""
            await ctx.tick()
        assert not begun

    run(dut, source, watch, sink)
    return out, over[0]


def test_whole_payloads_pass_in_order():
    payloads = [(bytes([n]) * (1 + 5 * n), n % 3, False) for n in range(30)]
    assert through(payloads, stall=0.5) == (payloads, 0)


def test_a_damaged_payload_leaves_one_beat_in_its_place():
    payloads = [(b"a" * 20, 1, False), (b"b" * 30, 2, True), (b"c" * 9, 1, False)]
    assert through(payloads) == ([payloads[0], (b"\0", 2, True), payloads[2]], 0)


@pytest.mark.parametrize("seed", range(6))
def test_what_leaves_is_what_came_or_a_loss_told_in_its_place(seed):
    """Each payload carries its number; where some of a tag are missing, a loss of it is told."""
    rng = random.Random(seed)
    payloads = []
    for n in range(400):
        filling = rng.randbytes(rng.choice([0, 4, 5, 60, rng.randint(0, 150)]))
        payloads.append((n.to_bytes(4, "big") + filling, rng.randrange(8), rng.random() < 0.05))
    out, over = through(payloads, seed=seed, held_up=(0.1, 0.5, 0.9)[seed % 3])
    assert over > 0
    kept = [int.from_bytes(payload[:4], "big") for payload, _, error in out if not error]
    assert kept == sorted(kept)
    assert [payloads[n] for n in kept] == [each for each in out if not each[2]]
    # A loss of a tag stands between the kept payloads around it, and nowhere else.
    told, place = set(), 0
    for payload, tag, error in out:
        if error:
            told.add((place, tag))
        else:
            place = int.from_bytes(payload[:4], "big") + 1
    expected, place = set(), 0
    for n, (_, tag, _) in enumerate(payloads):
        if n in kept:
            place = n + 1
        else:
            expected.add((place, tag))
    assert told == expected


@pytest.mark.parametrize("depth", [0, 16, 48])
def test_an_impossible_depth_is_refused(depth):
    with pytest.raises(ValueError, match=f"power of two from 32 on, was {depth}"):
        PacketQueue(depth)
