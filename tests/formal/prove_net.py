# SPDX-License-Identifier: Apache-2.0
"""The receiver comes to rest, whatever the wire brings; no number of a line leaves twice.

Theorem 1, by induction: within eleven cycles of the last beat of a frame every block of the
receiver is as after reset, whatever the frame was, and a payload that has begun has ended.

Theorem 2, for every run of 24 cycles after reset: the same, and beats in mid-payload are full.

Theorem 3, of lines A and B, by induction and whatever stores and sessions bring: what the arbiter
lets out, packet or loss, begins with the number that is expected and ends before the one that is
expected then. So within a session no number leaves twice, and none is left out in silence.
"""

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnySeq

from hdl.net.arbiter import Arbiter
from hdl.net.beat import BEAT
from hdl.net.receiver import Receiver
from tests.formal.kit import Proof, let_go, open_up, start

__all__ = ["PROOFS"]

REST_CYCLES = 11
#: More messages than a packet has.
_MOST = 0xFFFF


def _receiver(m: Module, receiver: Receiver) -> tuple[Value, Value, Value]:
    """Any beats into the receiver: what is open at its input, cycles since, and a payload."""
    m.submodules.receiver = receiver
    valid = AnySeq(1)
    m.d.comb += [
        receiver.i.valid.eq(valid),
        receiver.i.p.eq(AnySeq(BEAT.size)),
        receiver.mac.eq(AnySeq(48)),
        receiver.mac_check.eq(AnySeq(1)),
        receiver.filters.as_value().eq(AnySeq(len(receiver.filters.as_value()))),
    ]
    # Cycles since the end of the last frame, as long as no other has begun.
    inside, quiet = Signal(), Signal(5)
    with m.If(valid):
        m.d.sync += [inside.eq(~receiver.i.p.last), quiet.eq(0)]
    with m.Elif(~inside & ~quiet.all()):
        m.d.sync += quiet.eq(quiet + 1)
    out, begun = receiver.o, Signal()
    with m.If(out.valid):
        m.d.sync += begun.eq(~out.p.last)
    return inside, quiet, begun


def _open(m: Module, valid: Value, last: Value, name: str) -> tuple[Value, Value]:
    """Whether a frame is open on a stream, before its beat of this cycle and behind it."""
    before, behind = Signal(name=f"{name}_before"), Signal(name=f"{name}_behind")
    m.d.comb += behind.eq(Mux(valid, ~last, before))
    m.d.sync += before.eq(behind)
    return before, behind


def returns() -> Module:
    """What each block has open is what stands before it, or what it still holds of that."""
    m = start()
    receiver = Receiver(frame_bytes=64)
    parts = open_up(receiver)
    insides: dict[str, dict[str, Any]] = {
        name: open_up(parts[name]) for name in ("guard", "ethernet", "ipv4", "udp")
    }
    guard, ethernet, ipv4, udp = insides.values()
    inside, quiet, begun = _receiver(m, receiver)
    streams = {name: parts[name].o for name in ("guard", "ethernet")}
    opened = {name: _open(m, stream.valid, stream.p.last, name) for name, stream in streams.items()}
    stages = [
        _open(m, stage.valid, stage.beat.last, f"stage{n}")
        for n, stage in enumerate(ipv4["stages"])
    ]
    held, held_behind = _open(m, udp["valid"], udp["beat"].last, "held")
    payload = Signal()
    m.d.comb += payload.eq(Mux(receiver.o.valid, ~receiver.o.p.last, begun))
    kept = ethernet["kept"]
    m.d.comb += [
        Assert(inside | (quiet < REST_CYCLES) | receiver.idle, "it comes to rest"),
        Assert(~receiver.idle | ~begun | inside, "a payload that begins ends"),
        Assert(((guard["at"] != 0) | guard["cut"]) == inside),
        Assert((guard["at"] == 0) | ~guard["cut"]),
        Assert(guard["at"] <= parts["guard"].beats),
        Assert(opened["guard"][1] == (guard["at"] != 0)),
        Assert(opened["guard"][0] == (ethernet["at"] != 0)),
        Assert(~ethernet["rest"] | (ethernet["at"] == 0)),
        Assert(
            ~opened["ethernet"][1]
            | ethernet["rest"]
            | ((ethernet["at"] == 3) & kept["mine"] & kept["ipv4"]),
            "a datagram is open while its frame is, or its last bytes are left over",
        ),
        Assert(opened["ethernet"][0] == (ipv4["at"] != 0)),
        Assert(ipv4["at"] <= 8),
        Assert(ipv4["words"] >= 5),
        Assert(~ipv4["rest"] | (ipv4["at"] == 0)),
        Assert(~stages[0][1] | ipv4["rest"] | ipv4["behind"]),
        Assert(stages[1][1] == stages[0][0]),
        Assert(stages[2][1] == stages[1][0]),
        Assert(stages[2][0] == udp["inside"]),
        Assert(held_behind == udp["inside"]),
        Assert(~udp["valid"] | (udp["is_header"] == ~held)),
        Assert(~payload | (held & udp["good"]), "a payload is open while its datagram is"),
        Cover(begun & (quiet == 1)),
        Cover(receiver.idle & (quiet == REST_CYCLES)),
        Cover(opened["ethernet"][1] & ethernet["rest"]),
    ]
    return m


def rest() -> Module:
    m = start()
    receiver = Receiver(frame_bytes=64)
    inside, quiet, begun = _receiver(m, receiver)
    out = receiver.o
    m.d.comb += [
        Assert(inside | (quiet < REST_CYCLES) | receiver.idle, "it comes to rest"),
        Assert(~receiver.idle | ~begun | inside, "a payload that begins ends"),
        Assert(~out.valid | (out.p.count != 0), "no beat is empty"),
        Assert(~out.valid | (out.p.count <= 8)),
        Assert(~out.valid | out.p.last | (out.p.count == 8), "a beat in mid-payload is full"),
        Cover(out.valid & out.p.last & ~out.p.error & begun, "a payload of two beats"),
        Cover(receiver.counts.drop_oversize),
        Cover(receiver.counts.drop_ip_checksum),
    ]
    return m


def in_order() -> Module:
    """What is known of a slot is so; so what is chosen, and what is declared lost, leads on."""
    m = start()
    m.submodules.arbiter = arbiter = Arbiter(slots=2, slot_bytes=64)
    parts = open_up(arbiter)
    for part in (*parts["stores"], parts["sessions"], parts["give"]):
        let_go(part)
    seen, seen_held = parts["_seen"]
    job, stored = parts["give"].job, parts["sessions"].stored
    offers, loses = (parts["state"].as_value() == n for n in (1, 3))
    chosen, joining, expected = parts["chosen"], parts["joining"], arbiter.expected
    m.d.comb += [
        arbiter.tag.eq(AnySeq(8)),
        arbiter.window.eq(AnySeq(32)),
        arbiter.first.eq(AnySeq(64)),
        arbiter.restart.eq(AnySeq(1)),
        # what a line's store takes
        Assume((stored.end >= stored.first) & (stored.end - stored.first < _MOST)),
    ]
    was, gave, begun = Signal(64), Signal(), Signal()
    last = Signal(job.p.shape())
    m.d.sync += [
        was.eq(expected),
        gave.eq(job.valid & job.ready),
        begun.eq(joining),
        last.eq(job.p),
    ]
    leads = gave & ~begun
    behind = was + last.count
    for n, slot in enumerate(parts["table"]):
        sure = parts["valid"][n] & parts["known"][n]
        m.d.comb += [
            Assert(~sure | (parts["ahead"][n] == (slot.first > expected))),
            Assert(~sure | (parts["spent"][n] == (slot.end <= expected))),
            Assert((slot.end >= slot.first) & (slot.end - slot.first < _MOST)),
        ]
    m.d.comb += [
        Assert(~leads | (expected > was), "what leaves leads on"),
        Assert(~leads | (last.first == was), "it begins with the number expected"),
        Assert(~leads | last.gap | (behind == expected), "a packet has all up to the next one"),
        Assert(~leads | ~last.gap | (behind == expected) | (last.count == 0xFFFF)),
        Assert(gave | (expected == was), "nothing else moves the number expected"),
        Assert(~(offers & joining)),
        Assert(~offers | ((chosen.first <= expected) & (chosen.end > expected))),
        Assert(~offers | (chosen.first + job.p.skip == expected), "and its first message is that"),
        Assert((chosen.end >= chosen.first) & (chosen.end - chosen.first < _MOST)),
        Assert(joining | ~seen_held | (seen > expected)),
        Assert(joining | ~parts["found"] | (parts["least"] > expected)),
        Assert(~loses | parts["found"]),
        Cover(leads & ~last.gap & (last.skip != 0)),
        Cover(leads & last.gap),
        Cover(gave & begun & (expected < was)),
    ]
    return m


PROOFS = [
    Proof(
        "net_in_order",
        "of lines A and B each number leaves once, in order, or is declared lost",
        in_order,
        *("induction", 2, 24, True),
    ),
    Proof(
        "net_returns",
        "the receiver is as after reset within 11 cycles of any frame's end, each payload ends",
        returns,
        *("induction", REST_CYCLES + 1, 20, True),
    ),
    Proof(
        "net_rest",
        "of the same receiver: no beat is empty, and all but a payload's last are full",
        rest,
        *("bounded", 24, 20, False),
    ),
]
