# SPDX-License-Identifier: Apache-2.0
"""Frames of a binary protocol inside the stream of records to the board, and out of it again.

The stream is made of 16-byte beats. A beat is a record of ``docs/records.md``; one of kind FRAME
says that the beats after it hold so many bytes of a frame, first byte first, the last beat filled
up with zeros. What the board's decoder makes of a frame stands in its place in the stream. With
HOLD the decoder leaves out the message's EVENT_END: records follow that belong inside the event,
and an EVENT_END of the host's closes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum, IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE

__all__ = [
    "BEAT_BYTES",
    "FRAME",
    "HOLD",
    "LONGEST_FRAME_BYTES",
    "Carried",
    "FrameSize",
    "FramingError",
    "Protocol",
    "Wire",
    "frame_words",
    "split",
]

BEAT_BYTES = 16
#: Kind of the record that a frame follows.
FRAME = 14
#: Its flag: the decoder leaves out the message's EVENT_END.
HOLD = 0x40
#: The most levels a depth message can count, with some room for fields of later versions.
LONGEST_FRAME_BYTES = 1 << 22


class Protocol(IntEnum):
    """What a frame is written in; in the record's field `price_ticks`."""

    SBE = 1
    ITCH = 2


class Wire(str, Enum):
    """How messages travel to the board."""

    NATIVE = "native"
    SBE = "sbe"
    ITCH = "itch"


class FramingError(ValueError):
    """A stream of beats that cannot be taken apart."""


class FrameSize(FramingError):
    """A frame is empty or longer than `LONGEST_FRAME_BYTES`."""


class Carried(NamedTuple):
    """A frame in a stream of beats."""

    payload: bytes
    #: connection it came by, which is the symbol's number
    tag: int
    protocol: Protocol
    #: the decoder leaves out the message's EVENT_END
    hold: bool


def frame_words(payload: bytes, tag: int, protocol: Protocol, hold: bool = False) -> list[int]:
    """Beats of a frame, each as two words of 64 bits.

    Parameters
    ----------
    payload : bytes
        The frame, untouched.
    tag : int
        Connection it came by, 0 to 255.
    protocol : Protocol
        What it is written in.
    hold : bool
        Leave out its EVENT_END.

    Returns
    -------
    list of int
        2 + 2 * ceil(bytes / 16) words.

    Raises
    ------
    FrameSize
        It is empty or too long.
    FramingError
        The tag does not fit.
    """
    size = len(payload)
    if not 1 <= size <= LONGEST_FRAME_BYTES:
        raise FrameSize(f"frame: expected 1 to {LONGEST_FRAME_BYTES} bytes, was {size}")
    if not 0 <= tag <= 255:
        raise FramingError(f"frame: expected a tag of 0 to 255, was {tag}")
    head = FRAME | (HOLD if hold else 0) << 8 | tag << 16 | int(protocol) << 32
    padded = payload + bytes(-size % BEAT_BYTES)
    return [head, size, *struct.unpack(f"<{len(padded) // 8}Q", padded)]


def split(beats: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any] | Carried]:
    """Take a stream of beats apart.

    Parameters
    ----------
    beats : array of IN_DTYPE, shape (n,)
        Beats in order; a frame must be whole.

    Yields
    ------
    array of IN_DTYPE or Carried
        Runs of records between frames, and the frames.

    Raises
    ------
    FramingError
        A frame goes beyond the end, its filling is not zero, or its record has another flag or
        an unknown protocol.
    FrameSize
        A frame is empty or too long.
    """
    marks = np.flatnonzero(beats["kind"] == FRAME)
    at = 0
    while True:
        # what looks like a mark inside a payload is none
        place = int(np.searchsorted(marks, at))
        mark = int(marks[place]) if place < len(marks) else len(beats)
        if mark > at:
            yield beats[at:mark]
        if mark == len(beats):
            return
        yield _carried(beats, mark)
        at = mark + 1 + -(-int(beats["value"][mark]) // BEAT_BYTES)


def _carried(beats: npt.NDArray[Any], mark: int) -> Carried:
    head = beats[mark]
    flags, size, protocol = int(head["flags"]), int(head["value"]), int(head["price_ticks"])
    where = f"beat {mark}"
    if not 1 <= size <= LONGEST_FRAME_BYTES:
        raise FrameSize(f"{where}: expected 1 to {LONGEST_FRAME_BYTES} bytes, was {size}")
    if flags & ~HOLD or int(head["tag"]) or protocol not in iter(Protocol):
        raise FramingError(f"{where}: expected a flag, tag and protocol of a frame, was {head}")
    end = mark + 1 + -(-size // BEAT_BYTES)
    if end > len(beats):
        raise FramingError(f"{where}: expected {end} beats or more, was {len(beats)}")
    raw = np.ascontiguousarray(beats[mark + 1 : end]).tobytes()
    if any(raw[size:]):
        raise FramingError(f"{where}: expected zeros after {size} bytes, was {raw[size:].hex()}")
    return Carried(raw[:size], int(head["symbol"]), Protocol(protocol), bool(flags & HOLD))


assert IN_DTYPE.itemsize == BEAT_BYTES
