# SPDX-License-Identifier: Apache-2.0
"""Frames of a binary protocol inside the stream of records to the board, and out of it again.

The stream is made of 16-byte beats. A beat is a record of ``docs/records.md``; one of kind FRAME
says that the beats after it hold so many bytes of a frame, first byte first, the last beat filled
up with zeros. What the board's decoder makes of a frame stands in its place in the stream. With
HOLD the decoder leaves out the message's EVENT_END: records follow that belong inside the event,
and an EVENT_END of the host's closes it. With START no bytes follow: the record tells the update id
after which the next depth update has to begin.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, InFlag, InKind, Protocol

__all__ = [
    "BEAT_BYTES",
    "LONGEST_FRAME_BYTES",
    "Carried",
    "FrameSize",
    "FramingError",
    "Wire",
    "frame_words",
    "split",
    "start_words",
]

BEAT_BYTES = 16
#: The most levels a depth message can count, with some room for fields of later versions.
LONGEST_FRAME_BYTES = 1 << 22


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
    #: symbol's number, which names the connection
    symbol: int
    protocol: Protocol
    #: the decoder leaves out the message's EVENT_END
    hold: bool


def frame_words(payload: bytes, symbol: int, protocol: Protocol, hold: bool = False) -> list[int]:
    """Beats of a frame, each as two words of 64 bits.

    Parameters
    ----------
    payload : bytes
        The frame, untouched.
    symbol : int
        The symbol's number, which names the connection, 0 to 255.
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
        The symbol does not fit.
    """
    size = len(payload)
    if not 1 <= size <= LONGEST_FRAME_BYTES:
        raise FrameSize(f"frame: expected 1 to {LONGEST_FRAME_BYTES} bytes, was {size}")
    padded = payload + bytes(-size % BEAT_BYTES)
    head = _head(symbol, protocol, InFlag.HOLD if hold else 0)
    return [head, size, *struct.unpack(f"<{len(padded) // 8}Q", padded)]


def start_words(update_id: int, symbol: int, protocol: Protocol) -> list[int]:
    """The record that tells after which update id the next depth update has to begin.

    Raises
    ------
    FramingError
        The id or the symbol does not fit.
    """
    if not 0 <= update_id < 1 << 63:
        raise FramingError(f"start: expected an update id below 2^63, was {update_id}")
    return [_head(symbol, protocol, InFlag.START), update_id]


def _head(symbol: int, protocol: Protocol, flags: int) -> int:
    if not 0 <= symbol <= 255:
        raise FramingError(f"frame: expected a symbol of 0 to 255, was {symbol}")
    return int(InKind.FRAME) | flags << 8 | symbol << 16 | int(protocol) << 24


def split(beats: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any] | Carried]:
    """Take a stream of beats apart.

    Parameters
    ----------
    beats : array of IN_DTYPE, shape (n,)
        Beats in order; a frame must be whole.

    Yields
    ------
    array of IN_DTYPE or Carried
        Runs of records between frames, those with START among them, and the frames.

    Raises
    ------
    FramingError
        A frame goes beyond the end, its filling is not zero, or its record has another flag or
        an unknown protocol.
    FrameSize
        A frame is empty or too long.
    """
    marks = np.flatnonzero((beats["kind"] == InKind.FRAME) & (beats["flags"] != InFlag.START))
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
    flags, size, protocol = int(head["flags"]), int(head["value"]), int(head["tag"])
    where = f"beat {mark}"
    if not 1 <= size <= LONGEST_FRAME_BYTES:
        raise FrameSize(f"{where}: expected 1 to {LONGEST_FRAME_BYTES} bytes, was {size}")
    if flags & ~InFlag.HOLD or int(head["price_ticks"]) or protocol not in list(Protocol)[1:]:
        raise FramingError(f"{where}: expected flags and protocol of a frame, was {head}")
    end = mark + 1 + -(-size // BEAT_BYTES)
    if end > len(beats):
        raise FramingError(f"{where}: expected {end} beats or more, was {len(beats)}")
    raw = np.ascontiguousarray(beats[mark + 1 : end]).tobytes()
    if any(raw[size:]):
        raise FramingError(f"{where}: expected zeros after {size} bytes, was {raw[size:].hex()}")
    return Carried(raw[:size], int(head["symbol"]), Protocol(protocol), bool(flags & InFlag.HOLD))


assert IN_DTYPE.itemsize == BEAT_BYTES
