# SPDX-License-Identifier: Apache-2.0
"""What the network's blocks must do, in plain Python: bytes in, payloads or a reason out.

Written from the sections "The network" of ``docs/architecture.md``; shares no code with the RTL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "ArbiterModel",
    "Filter",
    "Given",
    "Mold",
    "Received",
    "mold",
    "receive",
    "split",
]

HEARTBEAT, END_OF_SESSION = 0, 0xFFFF


class Filter(NamedTuple):
    """A destination that is looked for: address and port as numbers, and the tag it gives."""

    group: int
    port: int
    tag: int


class Received(NamedTuple):
    """What becomes of a frame.

    Attributes
    ----------
    drop : str
        Counter it falls under, without ``drop_``; empty when it is delivered whole.
    payload : bytes
        What is delivered of it; may be a part of the payload, then with `error`.
    tag : int
        Tag of what is delivered.
    error : bool
        What is delivered is not to be believed.
    """

    drop: str
    payload: bytes = b""
    tag: int = 0
    error: bool = False


def _number(text: bytes) -> int:
    return int.from_bytes(text, "big")


def _checksum_holds(header: bytes) -> bool:
    total = sum(_number(header[at : at + 2]) for at in range(0, len(header), 2))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total == 0xFFFF


def _headers(
    frame: bytes, filters: Sequence[Filter | None], station: int | None
) -> tuple[str, bytes, int, int]:
    """Reason, bytes behind the UDP header, length of the payload, tag."""
    tagged = len(frame) >= 14 and frame[12:14] == b"\x81\x00"
    start = 18 if tagged else 14
    if len(frame) <= start:
        return "runt", b"", 0, 0
    to = _number(frame[:6])
    if station is not None and to != station and to >> 23 != 0x01005E << 1:
        return "mac", b"", 0, 0
    if frame[start - 2 : start] != b"\x08\x00":
        return "type", b"", 0, 0

    datagram = frame[start:]
    words = max(datagram[0] & 15, 5)
    if len(datagram) <= 4 * words:
        return "ip_truncated", b"", 0, 0
    header, rest = datagram[: 4 * words], datagram[4 * words :]
    total = _number(header[2:4])
    if header[0] >> 4 != 4 or header[0] & 15 < 5 or total < 4 * words:
        return "ip_header", b"", 0, 0
    if not _checksum_holds(header):
        return "ip_checksum", b"", 0, 0
    if _number(header[6:8]) & 0x3FFF:
        return "fragment", b"", 0, 0
    if header[9] != 17:
        return "protocol", b"", 0, 0

    if len(rest) < 8:
        return "udp_truncated", b"", 0, 0
    length = _number(rest[4:6])
    if length != total - 4 * words or length < 8:
        return "udp_length", b"", 0, 0
    destination = (_number(header[16:20]), _number(rest[2:4]))
    for entry in filters:
        if entry is not None and (entry.group, entry.port) == destination:
            break
    else:
        return "group", b"", 0, 0
    if length == 8:
        return "empty", b"", 0, 0
    return "", rest[8:], length - 8, entry.tag


def receive(
    frame: bytes,
    damaged: bool,
    filters: Sequence[Filter | None],
    station: int | None = None,
    frame_bytes: int = 1520,
) -> Received:
    """Judge one frame.

    Parameters
    ----------
    frame : bytes
        Without preamble and check sequence.
    damaged : bool
        The MAC found it damaged.
    filters : sequence of Filter or None
        Entries of the filter, None for those that are off.
    station : int or None
        Station address; None: any destination address is taken.
    frame_bytes : int
        Longest frame.
    """
    marked = "oversize" if len(frame) > frame_bytes else "error" if damaged else ""
    reason, rest, length, tag = _headers(frame[: frame_bytes + 8], filters, station)
    if reason:
        return Received(marked or reason)
    payload = rest[:length]
    short = "truncated" if len(payload) < length else ""
    error = bool(marked or short)
    return Received(marked or short, payload, tag if payload else 0, error and bool(payload))


@dataclass(frozen=True)
class Mold:
    """A MoldUDP64 packet taken apart; the messages end where their lengths stop to fit."""

    session: bytes
    first: int
    count: int
    messages: tuple[bytes, ...]


def mold(session: bytes, first: int, messages: Iterable[bytes], count: int | None = None) -> bytes:
    """A MoldUDP64 packet; `count` overrides the number of messages."""
    blocks = [len(message).to_bytes(2, "big") + message for message in messages]
    told = len(blocks) if count is None else count
    return session + first.to_bytes(8, "big") + told.to_bytes(2, "big") + b"".join(blocks)


def split(packet: bytes) -> Mold:
    """Take a MoldUDP64 packet apart."""
    messages, rest = [], packet[20:]
    while len(rest) >= 2 and len(rest) >= 2 + (length := _number(rest[:2])):
        messages.append(rest[2 : 2 + length])
        rest = rest[2 + length :]
    return Mold(packet[:10], _number(packet[10:18]), _number(packet[18:20]), tuple(messages))


@dataclass(frozen=True)
class Given:
    """What leaves the arbiter: a message, messages that are lost, or the beginning of a session.

    Attributes
    ----------
    what : str
        ``message``, ``lost`` or ``session``.
    session : bytes
        Its session.
    first : int
        Sequence number.
    count : int
        Messages it stands for; 0 for a session.
    message : bytes
        The message.
    """

    what: str
    session: bytes
    first: int
    count: int
    message: bytes = b""


class _Held(NamedTuple):
    line: int
    packet: Mold
    end: int


class ArbiterModel:
    """Two lines of well-formed MoldUDP64 packets to one, an arrival at a time.

    Whatever an arrival causes is done before the next one comes.

    Parameters
    ----------
    slots : int
        Packets kept of each line.
    window : int
        Time a missing number is waited for.
    first : int
        First number of a session; 0: the smallest one held.
    """

    def __init__(self, slots: int, window: int, first: int = 0) -> None:
        self.slots, self.window, self.first = slots, window, first
        # A quarter of many slots is kept free; of a few one, of one or two none.
        self.reserve = slots // 4 if slots >= 8 else 1 if slots > 2 else 0
        self.session: bytes | None = None
        self.before: bytes | None = None
        self.pending: bytes | None = None
        self.expected = self.lost = 0
        self.held: list[_Held] = []
        self.since: int | None = None
        self.out: list[Given] = []
        names = ("packets", "duplicates", "overflow", "heartbeats", "old_session", "other_session")
        self.counts = [dict.fromkeys(names, 0), dict.fromkeys(names, 0)]
        self.gaps = self.sessions = 0

    def arrive(self, time: int, line: int, payload: bytes) -> None:
        """Take a packet of line 0 or 1."""
        self.wait(time)
        packet, counts = split(payload), self.counts[line]
        if sum(each.line == line for each in self.held) == self.slots:
            counts["overflow"] += 1
            return
        messages = 0 if packet.count in (HEARTBEAT, END_OF_SESSION) else packet.count
        counts["packets"] += 1
        counts["heartbeats"] += messages == 0
        if packet.session != self.session:
            if packet.session == self.before:
                counts["old_session"] += 1
                return
            if self.pending not in (None, packet.session):
                counts["other_session"] += 1
                return
            self.pending = packet.session
        self.held.append(_Held(line, packet, packet.first + messages))
        self._settle(time)

    def wait(self, time: int) -> None:
        """Let time pass up to `time`."""
        while self.since is not None and time >= self.since + self.window:
            at = self.since + self.window
            self._declare()
            self._settle(at)

    def _current(self) -> list[_Held]:
        return [each for each in self.held if each.packet.session == self.session]

    def _declare(self) -> None:
        least = min(each.packet.first for each in self._current())
        assert self.session is not None
        many = least - self.expected
        self.out.append(Given("lost", self.session, self.expected, min(many, 0xFFFF)))
        self.lost += many
        self.gaps += 1
        self.expected = least
        self.since = None

    def _give(self, each: _Held) -> None:
        packet = each.packet
        for at in range(self.expected - packet.first, len(packet.messages)):
            number, message = packet.first + at, packet.messages[at]
            self.out.append(Given("message", packet.session, number, 1, message))
        self.expected = each.end
        self.since = None

    def _settle(self, time: int) -> None:
        while True:
            for each in [each for each in self._current() if each.end <= self.expected]:
                self.held.remove(each)
                self.counts[each.line]["duplicates"] += each.end != each.packet.first
            current = self._current()
            useful = [each for each in current if each.packet.first <= self.expected]
            if useful:
                self.held.remove(useful[0])
                self._give(useful[0])
                continue
            spare = [self.slots - sum(each.line == n for each in self.held) for n in (0, 1)]
            full = min(spare) <= self.reserve
            if current and (full or self.pending is not None or self.window == 0):
                self._declare()
                continue
            if current:
                self.since = time if self.since is None else self.since
                return
            self.since = None
            if self.pending is None:
                return
            self.before, self.session, self.pending = self.session, self.pending, None
            least = min(each.packet.first for each in self._current())
            self.expected = self.first or least
            self.sessions += 1
            self.out.append(Given("session", self.session, self.expected, 0))
