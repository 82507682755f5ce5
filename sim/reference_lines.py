# SPDX-License-Identifier: Apache-2.0
"""What the network's blocks must do, in plain Python: bytes in, payloads or a reason out.

Written from the sections "The network" of ``docs/architecture.md``; shares no code with the RTL.
"""

from collections.abc import Iterable, Sequence
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
