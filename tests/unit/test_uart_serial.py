# SPDX-License-Identifier: Apache-2.0
"""Bytes on a wire at rates that divide no clock, drawn and read by hand."""

import random

import pytest

from hdl.link.uart.frame import Framer
from hdl.link.uart.serial import SerialReceiver, SerialSender, step_of
from sim.reference_uart import frame
from tests.unit.simulate import run

#: Clock and rate: 25, 8.3, 33.3, 4.2, 12.5 and 868 clocks a bit.
RATES = [
    (75_000_000, 3_000_000),
    (25_000_000, 3_000_000),
    (100_000_000, 3_000_000),
    (50_000_000, 12_000_000),
    (37_500_000, 3_000_000),
    (100_000_000, 115_200),
]


def drawn(text, clocks_a_bit, *, idle=0.0, stop=1):
    """The wire at each clock: start, 8 bits, stop, at exact times."""
    levels, now = [], 5.0
    for byte in text:
        for bit in (0, *(byte >> n & 1 for n in range(8)), stop):
            while len(levels) < now:
                levels.append(levels[-1] if levels else 1)
            now += clocks_a_bit
            levels += [bit] * (int(now) - len(levels))
        now += idle * clocks_a_bit
        levels += [1] * max(0, int(now) - len(levels))
    return levels + [1] * int(4 * clocks_a_bit)


def heard(levels, clock_hz, baud):
    dut, out = SerialReceiver(clock_hz, baud), []

    async def bench(ctx):
        for _ in range(8):
            ctx.set(dut.rx, 1)
            await ctx.tick()
        for level in levels:
            ctx.set(dut.rx, level)
            await ctx.tick()
            if ctx.get(dut.valid):
                out.append(None if ctx.get(dut.broken) else ctx.get(dut.data))

    run(dut, bench)
    return out


@pytest.mark.parametrize("off", [-0.02, 0.0, 0.02])
@pytest.mark.parametrize(("clock_hz", "baud"), RATES)
def test_bytes_are_heard_at_every_rate_and_two_percent_beside_it(clock_hz, baud, off):
    rng = random.Random(baud)
    text = [0, 255, 0x55, 0xAA, *(rng.getrandbits(8) for _ in range(20 if baud > 10**6 else 3))]
    levels = drawn(text, clock_hz / baud * (1 + off), idle=0.0 if off >= 0 else 0.1)
    assert heard(levels, clock_hz, baud) == text


def test_a_low_stop_bit_breaks_its_byte_and_the_wire_must_rise_before_the_next():
    low = [0] * 200 + [1] * 20
    levels = drawn([0x41], 25 / 3) + low + drawn([0x42], 25 / 3)
    assert heard(levels, 25_000_000, 3_000_000) == [0x41, None, 0x42]


def test_a_start_bit_that_is_gone_at_its_middle_is_noise():
    levels = [1] * 5 + [0] * 3 + [1] * 30 + drawn([0x43], 25 / 3)
    assert heard(levels, 25_000_000, 3_000_000) == [0x43]


@pytest.mark.parametrize(("clock_hz", "baud"), RATES[:5])
def test_what_is_sent_has_its_edges_within_a_clock_of_their_time(clock_hz, baud):
    dut, levels, text = SerialSender(clock_hz, baud), [], [0x00, 0xFF, 0x5A, 0xC3, 0x81]

    async def source(ctx):
        await ctx.tick()
        for byte in text:
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.p, byte)
            while not ctx.get(dut.i.ready):
                await ctx.tick()
            await ctx.tick()
        ctx.set(dut.i.valid, 0)

    async def watch(ctx):
        for _ in range(int(60 * clock_hz / baud)):
            levels.append(ctx.get(dut.tx))
            await ctx.tick()

    run(dut, source, watch)
    begin, bits = levels.index(0), clock_hz / baud
    expected = [bit for byte in text for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]
    for n, bit in enumerate(expected):
        low, high = begin + n * bits + 1.01, begin + (n + 1) * bits - 1.01
        seen = {levels[at] for at in range(int(low) + 1, int(high))}
        assert seen <= {bit}, f"bit {n}"


def test_a_rate_the_clock_cannot_make_is_refused():
    assert step_of(25_000_000, 3_000_000) == round((3 << 24) / 25)
    for baud in (6_250_001, 6_103):
        with pytest.raises(
            ValueError, match=f"expected 6103 to 6250000 at 25000000 Hz, was {baud}"
        ):
            step_of(25_000_000, baud)


@pytest.mark.parametrize("length", [1, 2, 18, 22, 63, 64])
@pytest.mark.parametrize("zeros", [0.0, 0.3, 1.0])
def test_frames_of_the_board_are_those_of_the_reference(length, zeros):
    rng = random.Random(length)
    payloads = [
        bytes(0 if rng.random() < zeros else rng.randint(1, 255) for _ in range(length))
        for _ in range(3)
    ]
    dut, out = Framer(), bytearray()
    expected = b"".join(frame(0x82, n, payload) for n, payload in enumerate(payloads))

    async def source(ctx):
        for payload in payloads:
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.p.kind, 0x82)
            ctx.set(dut.i.p.length, length)
            ctx.set(dut.i.p.payload, int.from_bytes(payload, "little"))
            while not ctx.get(dut.i.ready):
                await ctx.tick()
            await ctx.tick()
        ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        while len(out) < len(expected):
            ready = rng.random() < 0.3
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                out.append(ctx.get(dut.o.p))
            await ctx.tick()

    run(dut, source, sink)
    assert bytes(out) == expected
