# SPDX-License-Identifier: Apache-2.0
"""Random and mutated bytes into every decoder, each beside its reference.

A simulated board is the watchdog: a core that takes no beat for 65,536 cycles, or never ends to
answer, is an error. Everything a decoder tells and every counter must be the reference's after each
run, and every frame must be in one counter of how it ended. `tests.system.soak` sends many bytes,
`tests/system/test_fuzz.py` few.
"""

import random
from collections import Counter
from functools import cache

import numpy as np

from hdl.config import BuildConfig
from host.contract.records import IN_DTYPE, InKind, Protocol
from host.contract.registers import COUNTERS
from sim.board import Board, Stalls
from sim.compare import compare
from sim.reference_itch import ItchSizes
from sim.reference_wire import WireReference
from sim.stimulus import random_stream
from sim.stimulus_itch import FlowSettings, Packets, order_flow
from sim.stimulus_run import random_settings
from tests.system.itch_tap import Bench
from tests.system.net_tap import ReceiverBench
from tests.unit.net_frames import GROUP, PORT, STATION, build
from tests.unit.sbe_streams import Streams
from tests.unit.sbe_tap import DESIGNS, assert_taps, settings

__all__ = ["DECODERS", "FABRIC", "FABRIC_ITCH", "SBE_ENDS", "itch", "native", "sbe", "udp"]

SBE_CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=16, sbe=True)
#: A whole fabric with both decoders, and its tables as the reference wants them.
FABRIC = BuildConfig(symbols=3, levels=3, qty_bits=40, sbe=True, itch=True)
FABRIC_ITCH = ItchSizes(symbols=3, qty_bits=40, width=16)
STALLS = ((0, 0), (200, 300), (0, 600))
#: Messages taken, and messages refused by reason: between them every frame is counted once.
SBE_ENDS = (
    *("diffs", "snapshots", "trades", "tickers", "short", "long", "damaged", "schema", "template"),
    *("version", "block", "tag", "exponent", "root", "unsynced", "stale", "gap", "value"),
)
#: The same of packets.
MOLD_ENDS = ("packets", "heartbeats", "ends", "sessions", "runts", "damaged", "oversize")


def sbe(octets, seed, width=None, broken=0.5):
    """SBE messages, a share of them broken, among records and frames that break a rule.

    The width of a beat goes by the seed if it is not given.
    """
    width = width or (16, 8, 4)[seed % 3]
    with Board(SBE_CONFIG, design=DESIGNS[width], random_init=seed) as board:
        board.set_stalls(Stalls(seed, *STALLS[seed % len(STALLS)]))
        reference = WireReference(SBE_CONFIG.symbols, SBE_CONFIG.levels, SBE_CONFIG.qty_bits)
        for symbol in range(SBE_CONFIG.symbols - 1):
            for name, value in settings(symbol):
                board.write(name, value)
                reference.write(name, value)
        beats = Streams(1000 * width + seed, SBE_CONFIG.symbols, broken=broken).beats(octets)
        records = assert_taps(board, reference, beats)
    counts = Counter(reference.counters)
    assert counts["sbe_messages"] == counts["frames"]
    assert counts["sbe_messages"] == sum(counts[f"sbe_{end}"] for end in SBE_ENDS)
    # The symbol without a scale makes no record of its own.
    ticks = records[records["symbol"] == SBE_CONFIG.symbols - 1]
    assert not (ticks["kind"] == int(InKind.TRADE)).any()
    assert not ((ticks["kind"] == int(InKind.LEVEL)) & (ticks["price_ticks"] > 0)).any()
    return counts


def mutated(packets, seed):
    """Packets with wrong bits, bytes lost or put in, cut, marked, and frames of rubbish."""
    chance = random.Random(seed)
    for octets in packets:
        bad = bytearray(octets)
        error = False
        kind = chance.randrange(9)
        if kind == 0:
            for _ in range(chance.randint(1, 4)):
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del bad[chance.randrange(1, len(bad)) :]
        elif kind == 2:
            at = chance.randrange(len(bad))
            bad[at:at] = chance.randbytes(chance.randint(1, 9))
        elif kind == 3:
            at = chance.randrange(1, len(bad))
            del bad[at : at + chance.randint(1, 9)]
        elif kind == 4:
            bad = bytearray(chance.randbytes(chance.randint(1, 200)))
        elif kind == 5:
            bad += chance.randbytes(chance.randint(1, 1200))
        elif kind == 6:
            error = True
        elif kind == 7 and len(bad) >= 20 and chance.random() < 0.3:
            bad[18:20] = chance.choice((b"\0\0", b"\xff\xff"))
        yield bytes(bad) or b"\0", error


def itch(octets, seed, size="tiny"):
    """Mutated packets in runs between restarts of the feed."""
    bench = Bench(size, random_init=seed)
    bench.write("policy", 5)
    bench.select(1, 0)
    bench.select(3, 2)
    sent = frames_sent = run = 0
    while sent < octets:
        run += 1
        flow = FlowSettings(300, seed=seed + run, live=12, spread=4, reuse_per_mille=2)
        frames = list(mutated(Packets(order_flow(flow), most=5, seed=run), seed + run))
        # Most numbers are put right again, so that what is behind the first gap counts too.
        number, frames = 1, frames[: 20 + run % 60]
        chance = random.Random(run)
        for at, (frame, error) in enumerate(frames):
            if len(frame) >= 20 and chance.random() < 0.95:
                frame = b"TICKGATE01" + number.to_bytes(8, "big") + frame[18:]
                frames[at] = frame, error
            bench.follow(*frames[at])
            number = bench.reference.expected or 1
            sent += len(frame)
        bench.check_followed()
        frames_sent += len(frames)
        bench.restart()
    counts = Counter(bench.counters())
    assert frames_sent == sum(counts[f"mold_{end}"] for end in MOLD_ENDS)
    bench.board.close()
    return counts


def _rough_records(count, seed):
    """Records of a random stream with changed bytes, and beats of rubbish among them.

    What a FRAME among them announces stays short, or its bytes would be all that follows.
    """
    rng = np.random.default_rng(seed)
    sizes = {"symbols": FABRIC.symbols, "levels": FABRIC.levels, "qty_bits": FABRIC.qty_bits}
    rows = np.array(random_stream(seed, count, **sizes), IN_DTYPE).view(np.uint8).reshape(-1, 16)
    rows = rows.copy()
    rubbish = rng.random(len(rows)) < 0.1
    rows[rubbish] = rng.integers(0, 256, (int(rubbish.sum()), 16), np.uint8)
    for _ in range(2):
        hit = np.flatnonzero(rng.random(len(rows)) < 0.15)
        rows[hit, rng.integers(0, 16, len(hit))] = rng.integers(0, 256, len(hit), np.uint8)
    low = rng.random(len(rows)) < 0.1  # kinds and flags near the real ones
    rows[low, 0] = rng.integers(0, 32, int(low.sum()), np.uint8)
    frames = rows[:, 0] == int(InKind.FRAME)
    rows[frames, 9:12] = 0
    rows[frames & (rng.random(len(rows)) < 0.7), 12:] = 0
    right = frames & (rng.random(len(rows)) < 0.5)  # and some that the fabric takes
    rows[right, 1] = 0
    rows[right, 2] %= FABRIC.symbols
    rows[right, 3] = rng.choice([int(Protocol.SBE), int(Protocol.MOLDUDP64)], int(right.sum()))
    rows[right, 4:8] = 0
    rows[-64:] = 0
    return rows


def native(octets, seed):
    """Rough records into the whole fabric, the bytes of refused and taken frames among them."""
    rows = _rough_records(octets // 16, seed)
    reference = WireReference(
        FABRIC.symbols, FABRIC.levels, FABRIC.qty_bits, sbe=True, itch=FABRIC_ITCH
    )
    with Board(FABRIC, random_init=seed) as board:
        board.set_stalls(Stalls(seed, *STALLS[seed % len(STALLS)]))
        for name, value in random_settings(seed, FABRIC.symbols, FABRIC.levels, FABRIC.qty_bits):
            board.write(name, value)
            reference.write(name, value)
        comparison = compare(reference.feed(rows.tobytes()), board.transfer(rows))
        assert comparison.equal, str(comparison)
        counts = {name: board.read(name) for name in COUNTERS}
        assert counts == reference.counters
        assert board.protocol_errors == 0
    return Counter(counts)


#: Fields of headers that are not as scapy would have them; its checksum is then right all the same.
_IP = [None] * 16 + [{"proto": 6}, {"flags": "MF"}, {"frag": 1}, {"len": 30}, {"version": 6}]
_UDP = [None] * 16 + [{"len": 7}, {"len": 2000}]


@cache
def _frames(seed):
    """Frames of scapy, which is slow: some hundred, to be mutated again and again."""
    rng = random.Random(seed)
    return [
        build(
            rng.randbytes(rng.choice([0, 1, 2, 7, 8, 9, 17, 18, 19, 40, rng.randint(0, 200)])),
            vlan=rng.choice([None, None, 5]),
            options=rng.choice([0, 0, 0, 1, 2, 10]),
            group=rng.choice([GROUP, GROUP, "224.0.0.9", "224.0.0.8"]),
            port=rng.choice([PORT, PORT, PORT + 1, PORT + 2]),
            dst=rng.choice([STATION, "01:00:5e:36:0c:6f", "02:00:00:00:00:02"]),
            pad=rng.random() < 0.7,
            ip=rng.choice(_IP),
            udp=rng.choice(_UDP),
        )
        for _ in range(400)
    ]


def _rough_frame(rng):
    if rng.random() < 0.1:
        return rng.randbytes(rng.randint(1, 90))
    frame = bytearray(rng.choice(_frames(1)))
    for _ in range(rng.choice([0, 0, 0, 1, 1, 3])):
        at = rng.randrange(min(len(frame), 60))
        frame[at] ^= 1 << rng.randrange(8)
    draw = rng.random()
    if draw < 0.2:
        del frame[rng.randint(1, len(frame)) :]
    elif draw < 0.25:
        at = rng.randrange(len(frame))
        frame[at:at] = rng.randbytes(rng.randint(1, 9))
    elif draw < 0.3:
        frame += rng.randbytes(rng.randint(1, 300))
    return bytes(frame)


def udp(octets, seed):
    """Mutated frames of scapy into the receiver, some marked as damaged, some too long."""
    rng = random.Random(seed)
    bench = ReceiverBench(random_init=seed, stalls=Stalls(seed, *STALLS[seed % len(STALLS)]))
    sent = 0
    while sent < octets:
        frames = [(_rough_frame(rng), rng.random() < 0.1) for _ in range(2000)]
        bench.check(frames)
        sent += sum(len(frame) for frame, _ in frames)
    counts = Counter(bench.counters())
    bench.close()
    drops = sum(count for name, count in counts.items() if name.startswith("drop_"))
    assert counts["frames"] == counts["packets"] + drops
    return counts


#: Each takes so many bytes and a seed.
DECODERS = {"sbe": sbe, "itch": itch, "native": native, "udp": udp}
