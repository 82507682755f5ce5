# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of a kernel's ends: cocotbext-axi's memory and control master around a mirror."""

import logging
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from host.links import batch
from tests.cocotb.tb import PAUSES, no_pauses, random_pauses

#: Tests of this module, as pytest runs them.
TESTS = (
    "batches_come_back_once_and_in_order",
    "no_burst_crosses_a_page",
    "a_long_answer_goes_on_with_the_next_run",
    "registers_through_batches",
    "reset_in_mid_transfer",
    "control_port_keeps_its_handshake",
)
MEMORY_BYTES = 1 << 20
SOURCE, TARGET = 0, 1 << 19
PAGE, BEAT = 4096, 64
CONTROL, GLOBAL, ENABLED, STATUS = 0, 4, 8, 12
SOURCE_AT, TARGET_AT, UNITS_AT, ROOM_AT = 0x10, 0x18, 0x20, 0x28
CLEARS = 4  # of two symbols


class Bench:
    """A kernel, its memory and its control port."""

    def __init__(self, dut, seed, pauses=no_pauses):
        self.dut, self.rng, self.number = dut, random.Random(seed), 0
        for name in ("m_axi_gmem", "s_axi"):
            logging.getLogger(f"cocotb.{dut._name}.{name}").setLevel(logging.WARNING)
        dut.ap_rst_n.value = 0
        Clock(dut.ap_clk, 4, "ns").start()
        reset = {"reset": dut.ap_rst_n, "reset_active_level": False}
        self.memory = AxiRam(
            AxiBus.from_prefix(dut, "m_axi_gmem"), dut.ap_clk, size=MEMORY_BYTES, **reset
        )
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.ap_clk, **reset)
        reads, writes = self.memory.read_if, self.memory.write_if
        lite_reads, lite_writes = self.control.read_if, self.control.write_if
        for channel in (
            *(reads.ar_channel, reads.r_channel),
            *(writes.aw_channel, writes.w_channel, writes.b_channel),
            *(lite_reads.ar_channel, lite_reads.r_channel),
            *(lite_writes.aw_channel, lite_writes.w_channel, lite_writes.b_channel),
        ):
            channel.set_pause_generator(pauses(self.rng))

    @classmethod
    async def start(cls, dut, seed, pauses=no_pauses):
        bench = cls(dut, seed, pauses)
        await bench.reset()
        return bench

    async def reset(self):
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, 6)
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, 2)

    async def begin(self, units, source=SOURCE, target=TARGET, room=4096):
        for at, value in (
            (SOURCE_AT, source),
            (SOURCE_AT + 4, 0),
            (TARGET_AT, target),
            (TARGET_AT + 4, 0),
            (UNITS_AT, units),
            (ROOM_AT, room),
            (GLOBAL, 1),
            (ENABLED, 1),
            (CONTROL, 1),
        ):
            await self.control.write_dword(at, value)

    async def ended(self):
        if not self.dut.interrupt.value:
            await with_timeout(RisingEdge(self.dut.interrupt), 400, "us")
        await self.control.write_dword(STATUS, await self.control.read_dword(STATUS))
        assert await self.control.read_dword(CONTROL) & 2
        await self.control.write_dword(CONTROL, 16)
        assert not self.dut.interrupt.value

    async def send(self, body, *, count=None, source=SOURCE, target=TARGET, room=4096):
        """A batch of records, and its packets: rows and trailers."""
        count = len(body) // 16 if count is None else count
        text = batch.header(batch.RECORDS, self.number, count=count) + body
        return await self.exchange(text, source, target, room)

    async def exchange(self, text, source=SOURCE, target=TARGET, room=4096):
        self.memory.write(source, text)
        units, rows, trailers = len(text) // 16, [], []
        while not trailers or not trailers[-1].done:
            await self.begin(units, source, target, room)
            await self.ended()
            units, at = 0, 0
            while room - at >= 256 and not (trailers and trailers[-1].done):
                part, end = [], None
                while end is None:
                    row = bytes(self.memory.read(target + BEAT * at, BEAT))
                    at, end = at + 1, batch.trailer(row)
                    part += [row] if end is None else []
                assert end.number == self.number and end.records == len(part)
                rows += part
                trailers.append(end)
        assert [t.packets - trailers[0].packets for t in trailers] == list(range(len(trailers)))
        self.number += 1
        return rows, trailers

    def records(self, count):
        """Records whose first byte is no trailer's."""
        return b"".join(
            bytes([self.rng.randrange(255)]) + self.rng.randbytes(15) for _ in range(count)
        )


def split(body):
    return [body[at : at + 16] for at in range(0, len(body), 16)]


def told(rows):
    """What the mirror was given, and the numbers it gave."""
    return [row[:16] for row in rows], [int.from_bytes(row[16:20], "little") for row in rows]


@cocotb.test()
@cocotb.parametrize(pauses=list(PAUSES))
async def batches_come_back_once_and_in_order(dut, pauses):
    bench = await Bench.start(dut, 1, PAUSES[pauses])
    first = 0
    for count in (1, 0, 2, 3, 4, 63, 64, 65, 254, 255, 256, 300):
        body = bench.records(count)
        rows, trailers = await bench.send(body)
        given, numbers = told(rows)
        assert given == split(body), count
        assert numbers == list(range(first, first + count))
        assert trailers[-1].taken == count and trailers[-1].status == 1
        first += count


@cocotb.test()
async def no_burst_crosses_a_page(dut):
    bench = await Bench.start(dut, 7, random_pauses)
    crossed = []

    async def watch():
        while True:
            await RisingEdge(dut.ap_clk)
            for way in ("ar", "aw"):
                valid = getattr(dut, f"m_axi_gmem_{way}valid").value
                if dut.ap_rst_n.value and valid:
                    at = getattr(dut, f"m_axi_gmem_{way}addr").value.to_unsigned()
                    beats = getattr(dut, f"m_axi_gmem_{way}len").value.to_unsigned() + 1
                    if at % PAGE + beats * BEAT > PAGE or at % BEAT:
                        crossed.append((way, at, beats))

    cocotb.start_soon(watch())
    for _ in range(20):
        body = bench.records(bench.rng.randrange(1, 400))
        source, target = (base + BEAT * bench.rng.randrange(128) for base in (SOURCE, TARGET))
        rows, _ = await bench.send(body, source=source, target=target)
        assert told(rows)[0] == split(body)
    assert crossed == []


@cocotb.test()
async def a_long_answer_goes_on_with_the_next_run(dut):
    bench = await Bench.start(dut, 3, random_pauses)
    body = bench.records(900)
    rows, trailers = await bench.send(body, room=256)
    assert told(rows)[0] == split(body)
    assert [end.records for end in trailers] == [255, 255, 255, 135]
    rows, _ = await bench.send(body, room=600)
    assert told(rows)[0] == split(body)


@cocotb.test()
async def registers_through_batches(dut):
    bench = await Bench.start(dut, 4, random_pauses)
    values = [bench.rng.getrandbits(32) for _ in range(16)]
    for address, value in enumerate(values):
        text = batch.header(batch.WRITE, bench.number, address=address, value=value)
        assert (await bench.exchange(text))[1][-1].status == 1
    for address, value in enumerate(values):
        text = batch.header(batch.READ, bench.number, address=address)
        assert (await bench.exchange(text))[1][-1].value == value
    wrong = batch.header(batch.READ, bench.number, count=1) + bytes(16)
    rows, trailers = await bench.exchange(wrong)
    assert trailers[-1].status == 1 | 8 and len(rows) == CLEARS
    for count, status in ((3, 1 | 2), (1, 1 | 4)):  # two records came
        rows, trailers = await bench.send(bench.records(2), count=count)
        assert trailers[-1].status == status and trailers[-1].taken == min(2, count)
        assert len(rows) == min(2, count) + CLEARS


@cocotb.test()
async def reset_in_mid_transfer(dut):
    bench = await Bench.start(dut, 5, random_pauses)
    for _ in range(12):
        body = bench.records(500)
        bench.memory.write(SOURCE, batch.header(batch.RECORDS, 77, count=500) + body)
        await bench.begin(501)
        await ClockCycles(dut.ap_clk, bench.rng.randrange(900))
        await bench.reset()
        await ClockCycles(dut.ap_clk, 40)
        rows, trailers = await bench.send(body[: 16 * 30])
        given, numbers = told(rows)
        assert given == split(body[: 16 * 30])
        assert numbers == list(range(30)) and trailers[0].packets == 0


@cocotb.test()
async def control_port_keeps_its_handshake(dut):
    bench = await Bench.start(dut, 6)
    control = bench.control
    assert await control.read_dword(CONTROL) == 4  # idle
    for at in (SOURCE_AT, SOURCE_AT + 4, TARGET_AT, TARGET_AT + 4, UNITS_AT, ROOM_AT):
        value = bench.rng.getrandbits(32)
        await control.write_dword(at, value)
        assert await control.read_dword(at) == value
    body = bench.records(300)
    bench.memory.write(SOURCE, batch.header(batch.RECORDS, 0, count=300) + body)
    await bench.begin(301)
    assert await control.read_dword(CONTROL) & 7 == 1  # started, not over, not idle
    await RisingEdge(dut.interrupt)
    assert await control.read_dword(CONTROL) & 15 == 0b1110
    assert await control.read_dword(CONTROL) & 15 == 0b0110  # ready is told once
    await control.write_dword(CONTROL, 1)  # the next one waits for `continue`
    await ClockCycles(dut.ap_clk, 50)
    assert await control.read_dword(CONTROL) & 3 == 3
    await control.write_dword(CONTROL, 16)
    assert await control.read_dword(CONTROL) & 3 == 1
    await control.write_dword(GLOBAL, 0)
    assert not dut.interrupt.value
