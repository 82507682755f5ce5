# SPDX-License-Identifier: Apache-2.0
"""The writer against a memory of its own: a run is over when the memory has said so."""

import random

import pytest

from hdl.link.axi.writer import Writer
from hdl.link.batch import MOST_RECORDS
from tests.unit.simulate import run

TARGET, ROOM = 0x1000, 4 * MOST_RECORDS


@pytest.mark.parametrize("late", [1, 40])
def test_a_run_is_over_when_the_last_write_was_acknowledged_and_not_before(late):
    """Addresses and data are taken at random, answers come `late` clocks after both."""
    rng, dut = random.Random(late), Writer()
    beats = [{"data": rng.getrandbits(512), "last": at == 4, "done": at == 4} for at in range(5)]
    places, data, answers, ended = [], [], [], []

    async def source(ctx):
        ctx.set(dut.target, TARGET)
        ctx.set(dut.room, ROOM)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for beat in beats:
            ctx.set(dut.i.p, beat)
            ctx.set(dut.i.valid, 1)
            while not (await ctx.tick().sample(dut.i.ready))[-1]:
                pass
        ctx.set(dut.i.valid, 0)

    async def memory(ctx):
        due, clock = [], 0
        while clock < 400:
            taken = ctx.get(dut.awready), ctx.get(dut.wready), ctx.get(dut.bvalid)
            told = (dut.awvalid, dut.wvalid, dut.bready, dut.awaddr, dut.wdata, dut.finished)
            _, _, address, word, ready, place, content, finished = await ctx.tick().sample(*told)
            if finished:
                ended.append(len(answers))
            if address and taken[0]:
                places.append(place)
            if word and taken[1]:
                data.append(content)
            if ready and taken[2]:
                answers.append(clock)
            while len(due) < min(len(places), len(data)):
                due.append(clock + late)
            clock += 1
            waiting = len(answers) < len(due) and due[len(answers)] <= clock
            ctx.set(dut.awready, rng.random() < 0.5)
            ctx.set(dut.wready, rng.random() < 0.5)
            ctx.set(dut.bvalid, waiting)

    run(dut, source, memory)
    assert places == [TARGET + 64 * at for at in range(5)]
    assert data == [beat["data"] for beat in beats]
    assert ended == [5]
