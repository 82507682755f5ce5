# SPDX-License-Identifier: Apache-2.0
"""Beats of a MAC's 64-bit stream, and how fields in network order are read from them."""

from amaranth.hdl import Cat, Value
from amaranth.lib import data

__all__ = ["BEAT", "BEAT_BYTES", "big_endian", "bytes_of"]

#: Bytes of a beat.
BEAT_BYTES = 8

#: One beat. A frame starts at its destination address and ends before its check sequence, which
#: the MAC has checked and taken off.
BEAT = data.StructLayout(
    {
        "data": 64,  # first byte lowest
        "count": 4,  # bytes that count: 8, in the last beat 1 to 8
        "last": 1,  # the last beat of a frame
        "error": 1,  # with `last`: the MAC says that the frame is damaged
    }
)


def bytes_of(word: Value, first: int, count: int) -> Value:
    """Bytes `first` to `first` + `count` - 1 of a beat, as they stand."""
    return word[8 * first : 8 * (first + count)]


def big_endian(word: Value, first: int, count: int) -> Value:
    """The number that these bytes spell in network order, greatest byte first."""
    return Cat(bytes_of(word, at, 1) for at in reversed(range(first, first + count)))
