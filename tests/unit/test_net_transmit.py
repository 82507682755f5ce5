# SPDX-License-Identifier: Apache-2.0
"""Frames of decisions, read back by scapy and by our own receiver's reference."""

import random

import pytest

from hdl.net.transmit import MOST_RECORDS, TRANSMIT_LATENCY, Transmit
from sim.reference_lines import Filter, receive
from tests.unit.net_frames import number
from tests.unit.simulate import run

HEADER = {
    "dst_mac": "02:00:00:00:00:07",
    "src_mac": "02:00:00:00:00:01",
    "src_ip": "10.1.2.3",
    "dst_ip": "239.255.1.9",
    "src_port": 65535,
    "dst_port": 1234,
}
RECORD_BYTES = 64


def sent(arrivals, *, batch=1, held_up=0.0, seed=0, header=HEADER, off_at=None, cycles=3000):
    """Records (cycle, bytes) sent: frames, counters, cycles of their first and last beats."""
    dut, rng = Transmit(), random.Random(seed)
    frames, counts, firsts, taken = (
        [],
        dict.fromkeys(("tx_frames", "tx_records", "tx_discarded"), 0),
        [],
        [],
    )

    async def source(ctx):
        cycle = 0
        ctx.set(dut.enable, 1)
        ctx.set(dut.batch, batch)
        ctx.set(dut.header, {k: number(v) if isinstance(v, str) else v for k, v in header.items()})
        for when, record in arrivals:
            ctx.set(dut.i.valid, 0)
            while cycle < when:
                if cycle == off_at:
                    ctx.set(dut.enable, 0)
                await ctx.tick()
                cycle += 1
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.p, int.from_bytes(record, "little"))
            while True:
                ready = ctx.get(dut.i.ready)
                if ready:
                    taken.append(cycle)
                await ctx.tick()
                cycle += 1
                if ready:
                    break
        ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        begun, waiting = b"", None
        for cycle in range(cycles):
            ready, p = rng.random() >= held_up, dut.o.p
            ctx.set(dut.o.ready, ready)
            for name in counts:
                counts[name] += ctx.get(dut.counts[name])
            if ctx.get(dut.o.valid):
                shown = (ctx.get(p.data), ctx.get(p.count), ctx.get(p.last))
                assert waiting in (None, shown), "an offered beat stands until it is taken"
                waiting = None if ready else shown
                if not begun and len(firsts) == len(frames):
                    firsts.append(cycle)
                if ready:
                    begun += shown[0].to_bytes(8, "little")[: shown[1]]
                    if shown[2]:
                        frames.append((begun, cycle))
                        begun = b""
            else:
                assert waiting is None and not begun, "a frame leaves without a pause"
            await ctx.tick()
        assert not begun

    run(dut, source, sink)
    return (
        [frame for frame, _ in frames],
        counts,
        [(a, b) for a, (_, b) in zip(firsts, frames, strict=True)],
        taken,
    )


def records(count, seed=1):
    rng = random.Random(seed)
    return [rng.randbytes(RECORD_BYTES) for _ in range(count)]


def check_frame(frame, header=HEADER):
    """What scapy reads of a frame, with the checksum it computes itself; returns the payload."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    packet = Ether(frame)
    ip, udp = packet[IP], packet[UDP]
    read = (packet.dst, packet.src, ip.src, ip.dst, udp.sport, udp.dport)
    names = ("dst_mac", "src_mac", "src_ip", "dst_ip", "src_port", "dst_port")
    assert read == tuple(header[name] for name in names)
    assert (ip.version, ip.ihl, ip.proto, str(ip.flags), ip.frag, ip.ttl) == (4, 5, 17, "DF", 0, 64)
    told = ip.chksum
    del ip.chksum
    assert IP(bytes(ip)).chksum == told
    assert (ip.len, udp.len, udp.chksum) == (len(frame) - 14, len(frame) - 34, 0)
    payload = bytes(udp.payload)
    filters = [Filter(number(header["dst_ip"]), header["dst_port"], 3)]
    assert receive(frame, False, filters).payload == payload
    return payload, ip.id


def test_a_record_is_a_frame():
    given = records(3)
    frames, counts, _, _ = sent([(20 + 100 * n, record) for n, record in enumerate(given)])
    assert [check_frame(frame) for frame in frames] == [
        (record, n) for n, record in enumerate(given)
    ]
    assert counts == {"tx_frames": 3, "tx_records": 3, "tx_discarded": 0}


@pytest.mark.parametrize("batch", [0, 1, 2, 3, 16, 31])
@pytest.mark.parametrize("held_up", [0.0, 0.7])
def test_a_batch_takes_what_waits_and_keeps_the_order(batch, held_up):
    given = records(60)
    frames, counts, _, _ = sent([(20, record) for record in given], batch=batch, held_up=held_up)
    payloads = [check_frame(frame)[0] for frame in frames]
    assert b"".join(payloads) == b"".join(given)
    sizes = [len(payload) // RECORD_BYTES for payload in payloads]
    assert max(sizes) <= max(1, min(batch, MOST_RECORDS))
    if batch > 1:
        assert max(sizes) > 1
    assert (counts["tx_frames"], counts["tx_records"]) == (len(frames), 60)


@pytest.mark.parametrize("seed", range(4))
def test_checksums_of_random_addresses(seed):
    rng = random.Random(seed)
    header = {
        "dst_mac": ":".join(f"{rng.getrandbits(8):02x}" for _ in range(6)),
        "src_mac": ":".join(f"{rng.getrandbits(8):02x}" for _ in range(6)),
        "src_ip": ".".join(str(rng.choice([0, 255, rng.getrandbits(8)])) for _ in range(4)),
        "dst_ip": ".".join(str(rng.choice([0, 255, rng.getrandbits(8)])) for _ in range(4)),
        "src_port": rng.getrandbits(16),
        "dst_port": rng.getrandbits(16),
    }
    arrivals = [(40 + rng.randint(0, 2000), record) for record in records(30, seed)]
    frames, _, _, _ = sent(sorted(arrivals), batch=rng.randint(1, 16), header=header, seed=seed)
    assert sum(len(check_frame(frame, header)[0]) for frame in frames) == 30 * RECORD_BYTES


def test_the_latency_is_constant():
    arrivals = [(30 + 77 * n, record) for n, record in enumerate(records(20))]
    _, _, spans, taken = sent(arrivals)
    seen = {(first - at, last - at) for at, (first, last) in zip(taken, spans, strict=True)}
    assert seen == {TRANSMIT_LATENCY}


def test_when_sending_is_off_records_are_counted_and_nothing_is_held_up():
    given = records(10)
    arrivals = [(20 + 50 * n, record) for n, record in enumerate(given)]
    frames, counts, _, _ = sent(arrivals, off_at=20 + 50 * 4 - 10)
    assert [check_frame(frame)[0] for frame in frames] == given[:4]
    assert counts == {"tx_frames": 4, "tx_records": 4, "tx_discarded": 6}
