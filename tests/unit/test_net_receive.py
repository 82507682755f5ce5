# SPDX-License-Identifier: Apache-2.0
"""The receiver against the reference, with frames built by scapy."""

import random

import pytest

from hdl.net.receiver import RECEIVE_LATENCY, Receiver
from hdl.net.registers import DROPS
from sim.reference_lines import Filter, receive
from tests.unit.net_bench import Collector, send
from tests.unit.net_frames import GROUP, PORT, STATION, build, number
from tests.unit.simulate import run

FILTERS = [
    None,
    Filter(number(GROUP), PORT, 7),
    Filter(number(GROUP), PORT + 1, 8),
    Filter(number("224.0.0.9"), PORT, 9),
    Filter(number(GROUP), PORT, 10),  # behind the same entry: never reached
]
NAMES = tuple(f"drop_{name}" for name, _ in DROPS)
#: Cycles after the last beat within which everything must be as after reset.
SETTLE_CYCLES = 12


def received(frames, *, seed=0, stall=0.0, gap=0.0, station=None, frame_bytes=1520):
    """What leaves (payload, tag, error), and the counters."""
    dut, collector = Receiver(frame_bytes), Collector()
    counts = dict.fromkeys(("frames", "packets", *NAMES), 0)
    done = []
    rng = random.Random(seed)

    async def source(ctx):
        for n, entry in enumerate(FILTERS):
            if entry is not None:
                ctx.set(dut.filters[n], {**entry._asdict(), "on": 1})
        ctx.set(dut.mac, station or 0)
        ctx.set(dut.mac_check, station is not None)
        await ctx.tick()
        await send(ctx, dut.i, frames, rng, stall, gap)
        for _ in range(SETTLE_CYCLES):
            await ctx.tick()
        assert ctx.get(dut.idle), "the receiver is as after reset"
        done.append(True)

    async def sink(ctx):
        while not done:
            await ctx.tick()
            if ctx.get(dut.o.valid):
                collector.beat(ctx, dut.o.p)
            for name in counts:
                counts[name] += ctx.get(dut.counts[name])

    run(dut, source, sink)
    assert not collector.begun, "every payload ends"
    return collector.frames, counts


def check(frames, **options):
    """Deliveries and every counter are the reference's; returns the counters."""
    model = {key: options[key] for key in ("station", "frame_bytes") if key in options}
    told = [receive(frame, damaged, FILTERS, **model) for frame, damaged in frames]
    out, counts = received(frames, **options)
    assert out == [(t.payload, t.tag, t.error) for t in told if t.payload]
    expected = dict.fromkeys(counts, 0)
    expected["frames"] = len(frames)
    for each in told:
        expected[f"drop_{each.drop}" if each.drop else "packets"] += 1
    assert counts == expected
    return counts


def good(payload, **options):
    return (build(payload, **options), False)


def test_a_datagram_of_scapy_is_delivered_without_padding():
    out, counts = received([good(b"abc"), good(b"0123456789", vlan=7), good(b"x" * 1400)])
    assert out == [(b"abc", 7, False), (b"0123456789", 7, False), (b"x" * 1400, 7, False)]
    assert (counts["frames"], counts["packets"]) == (3, 3)


@pytest.mark.parametrize("vlan", [None, 0, 4095])
@pytest.mark.parametrize("options", range(11))
def test_every_length_with_every_header(options, vlan):
    """Payloads of 1 to 40 bytes at line rate, padded and not, behind each length of header."""
    frames = [
        good(bytes(range(length)), options=options, vlan=vlan, pad=pad)
        for length in range(1, 41)
        for pad in (True, False)
    ]
    assert check(frames)["packets"] == len(frames)


def test_the_filter_takes_what_it_names_and_tags_it():
    frames = [
        good(b"a" * 20),
        good(b"b" * 20, port=PORT + 1),
        good(b"c" * 20, group="224.0.0.9"),
        good(b"d" * 20, group="224.0.0.9", port=PORT + 1),
        good(b"e" * 20, port=PORT + 2),
        good(b"f" * 20, group="224.0.0.10"),
    ]
    out, counts = received(frames)
    assert [tag for _, tag, _ in out] == [7, 8, 9]
    assert counts["drop_group"] == 3
    check(frames)


def test_a_station_takes_its_own_address_and_groups():
    to = [STATION, "02:00:00:00:00:02", "01:00:5e:7f:ff:ff", "01:00:5e:80:00:00", "ff:" * 5 + "ff"]
    frames = [good(b"z" * 9, dst=dst) for dst in to]
    counts = check(frames, station=number(STATION))
    assert (counts["packets"], counts["drop_mac"]) == (2, 3)
    assert check(frames)["packets"] == 5


#: A broken frame and the counter it must fall under.
BROKEN = {
    "runt": lambda: build(b"a" * 30)[:14],
    "runt, tagged": lambda: build(b"a" * 30, vlan=5)[:18],
    "runt, one byte": lambda: b"\x01",
    "type": lambda: build(b"a" * 30)[:12] + b"\x86\xdd" + build(b"a" * 30)[14:],
    "type, two tags": lambda: build(b"a" * 30)[:12] + b"\x81\x00\x00\x01" * 2 + build(b"")[12:],
    "ip_truncated": lambda: build(b"a" * 30)[:34],
    "ip_truncated, options": lambda: build(b"a" * 30, options=10)[:74],
    "ip_header, version": lambda: build(b"a" * 30, ip={"version": 6}),
    "ip_header, length": lambda: build(b"a" * 30, ip={"ihl": 4}),
    "ip_header, total": lambda: build(b"a" * 30, ip={"len": 19}),
    "ip_checksum": lambda: build(b"a" * 30, ip={"chksum": 0x1234}),
    "fragment, first": lambda: build(b"a" * 30, ip={"flags": "MF"}),
    "fragment, later": lambda: build(b"a" * 30, ip={"frag": 1}),
    "fragment, last": lambda: build(b"a" * 30, ip={"frag": 8191}),
    "protocol": lambda: build(b"a" * 30, ip={"proto": 6}),
    "udp_truncated": lambda: build(b"", pad=False)[:41],
    "udp_length, longer": lambda: build(b"a" * 30, udp={"len": 39}),
    "udp_length, shorter": lambda: build(b"a" * 30, udp={"len": 37}),
    "udp_length, under 8": lambda: build(b"", ip={"len": 27}, udp={"len": 7}),
    "group": lambda: build(b"a" * 30, port=PORT - 1),
    "empty": lambda: build(b""),
    "truncated": lambda: build(b"a" * 100)[:100],
    "truncated, no payload": lambda: build(b"a" * 100)[:42],
    "truncated, one byte missing": lambda: build(b"a" * 100)[:-1],
    "oversize": lambda: build(b"a" * 1479),
    "oversize, much": lambda: build(b"a" * 9000),
}


@pytest.mark.parametrize("vlan", [False, True])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_is_counted_once_and_harms_no_neighbour(name, vlan):
    frame = BROKEN[name]()
    if vlan and "tag" not in name and len(frame) > 14:
        frame = frame[:12] + b"\x81\x00\x00\x09" + frame[12:]
    reason = name.partition(",")[0]
    frames = [good(b"first" * 9), (frame, False), good(b"second" * 7)]
    counts = check(frames)
    assert counts[f"drop_{reason}"] == 1, counts
    out, _ = received(frames)
    assert [payload for payload, _, error in out if not error] == [b"first" * 9, b"second" * 7]


def test_dont_fragment_is_no_fragment():
    assert check([good(b"a" * 30, ip={"flags": "DF"})])["packets"] == 1


@pytest.mark.parametrize("length", [1, 8, 9, 18, 19, 600])
def test_what_the_mac_marks_ends_with_error_and_counts_as_that_alone(length):
    frames = [(build(b"a" * length), True), good(b"b" * length)]
    counts = check(frames)
    assert counts["drop_error"] == 1
    assert counts["packets"] == 1
    damaged = [(BROKEN[name](), True) for name in BROKEN if not name.startswith("oversize")]
    assert check(damaged)["drop_error"] == len(damaged)


def test_a_longest_frame_is_no_longer_than_it_says():
    frames = [good(b"m" * n) for n in (1476, 1477, 1478, 1479, 1480, 1486, 1487)]
    assert check(frames)["packets"] == 3
    frames = [good(b"m" * n, pad=False) for n in range(60)]
    assert check(frames, frame_bytes=64)["drop_oversize"] == 37


def mutated(rng):
    """A frame that is whole, or broken in one of many ways, or rubbish."""
    draw = rng.random()
    if draw < 0.1:
        return bytes(rng.getrandbits(8) for _ in range(rng.randint(1, 90))), rng.random() < 0.1
    frame = bytearray(
        build(
            rng.randbytes(rng.choice([0, 1, 2, 7, 8, 9, 17, 18, 19, 40, rng.randint(0, 200)])),
            vlan=rng.choice([None, None, 5]),
            options=rng.choice([0, 0, 0, 1, 2, 10]),
            group=rng.choice([GROUP, GROUP, "224.0.0.9", "224.0.0.8"]),
            port=rng.choice([PORT, PORT, PORT + 1, PORT + 2]),
            dst=rng.choice([STATION, "01:00:5e:36:0c:6f", "02:00:00:00:00:02"]),
            pad=rng.random() < 0.7,
        )
    )
    for _ in range(rng.choice([0, 0, 0, 1, 1, 3])):
        at = rng.randrange(min(len(frame), 60))
        frame[at] ^= 1 << rng.randrange(8)
    if rng.random() < 0.2:
        del frame[rng.randint(1, len(frame)) :]
    if rng.random() < 0.1:
        frame += rng.randbytes(rng.randint(1, 40))
    return bytes(frame), rng.random() < 0.1


@pytest.mark.parametrize(("stall", "gap"), [(0.0, 0.0), (0.3, 0.3), (0.0, 0.8), (0.8, 0.0)])
@pytest.mark.parametrize("seed", range(2))
def test_random_frames_are_judged_as_the_reference_judges_them(seed, stall, gap):
    rng = random.Random(seed)
    frames = [mutated(rng) for _ in range(400)]
    counts = check(frames, seed=seed, stall=stall, gap=gap, station=number(STATION))
    assert counts["packets"] > 40
    assert sum(counts[name] > 0 for name in NAMES) >= 10


@pytest.mark.parametrize("vlan", [None, 3])
@pytest.mark.parametrize("options", [0, 1, 2, 10])
@pytest.mark.parametrize("length", [9, 60, 700])
def test_the_latency_depends_on_the_headers_alone(length, options, vlan):
    """From the beat with the last byte of the headers to the first payload beat.

    Each header is taken off for itself, so where those before it end in a beat can cost one more.
    """
    frame = build(b"p" * length, vlan=vlan, options=options)
    dut, cycles = Receiver(), {}
    header_bytes = 14 + (4 if vlan else 0) + 20 + 4 * options + 8

    async def source(ctx):
        ctx.set(dut.filters[0], {"group": number(GROUP), "port": PORT, "on": 1})
        await ctx.tick()
        await send(ctx, dut.i, [(frame, False)])
        for _ in range(SETTLE_CYCLES):
            await ctx.tick()

    async def watch(ctx):
        cycle = seen = 0
        while "out" not in cycles:
            if ctx.get(dut.i.valid):
                seen += 8
                if seen >= header_bytes and "in" not in cycles:
                    cycles["in"] = cycle
            if ctx.get(dut.o.valid):
                cycles["out"] = cycle
            await ctx.tick()
            cycle += 1

    run(dut, source, watch)
    split = vlan is not None and options % 2 == 0
    assert cycles["out"] - cycles["in"] == RECEIVE_LATENCY + 1 + split


def test_an_impossible_byte_count_is_an_error_of_its_frame_alone():
    """A MAC that does not keep its word: counts of 0 and 9 at the end, and under 8 before it."""
    dut, collector = Receiver(), Collector()
    frame = build(b"q" * 50)
    counts = {"drop_error": 0, "packets": 0, "frames": 0}

    async def bench(ctx):
        ctx.set(dut.filters[0], {"group": number(GROUP), "port": PORT, "on": 1})
        words = len(frame) // 8
        for at_beat, count in ((words, 0), (words, 9), (words, 15), (3, 7), (0, 0), (None, None)):
            for at in range(words + 1):
                part = frame[8 * at : 8 * at + 8]
                last = at == words
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.p.data, int.from_bytes(part, "little"))
                ctx.set(dut.i.p.last, last)
                ctx.set(dut.i.p.count, count if at == at_beat else len(part))
                await ctx.tick()
        ctx.set(dut.i.valid, 0)
        for _ in range(SETTLE_CYCLES):
            await ctx.tick()
        assert ctx.get(dut.idle)

    async def sink(ctx):
        while counts["frames"] < 6 or collector.begun or counts["packets"] < 1:
            await ctx.tick()
            if ctx.get(dut.o.valid):
                collector.beat(ctx, dut.o.p)
            for name in counts:
                counts[name] += ctx.get(dut.counts[name])

    run(dut, bench, sink)
    assert counts == {"drop_error": 5, "packets": 1, "frames": 6}
    assert [payload for payload, _, error in collector.frames if not error] == [b"q" * 50]
