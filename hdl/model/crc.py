# SPDX-License-Identifier: Apache-2.0
"""CRC-32 of a stream of words, a word a clock."""

from amaranth.hdl import Cat, Value

__all__ = ["CRC_START", "crc_word"]

#: State before the first word; the checksum is the inverted state.
CRC_START = 0xFFFFFFFF
_POLYNOMIAL = 0xEDB88320  # of IEEE 802.3, lowest power in the highest bit


def _after_word(state: int) -> int:
    for _ in range(32):
        state = state >> 1 ^ (_POLYNOMIAL if state & 1 else 0)
    return state


#: The state each single bit leads to; CRC is linear, so any state leads to the XOR of these.
_BASIS = [_after_word(1 << bit) for bit in range(32)]


def crc_word(state: Value, word: Value) -> Value:
    """State after the four bytes of `word`, lowest byte first."""
    mixed = state ^ word
    return Cat(
        Cat(mixed[bit] for bit in range(32) if _BASIS[bit] >> out & 1).xor() for out in range(32)
    )
