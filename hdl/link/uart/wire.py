# SPDX-License-Identifier: Apache-2.0
"""What frames on the wire are: kinds, sizes, the check; the page is ``docs/uart.md``."""

from enum import IntEnum

from amaranth.hdl import Cat, Value

__all__ = [
    "CRC_INIT",
    "CRC_RESIDUE",
    "MOST_BODY_BYTES",
    "MOST_RECORDS",
    "WINDOW_FRAMES",
    "FromBoard",
    "ToBoard",
    "crc_step",
]


class ToBoard(IntEnum):
    """Kinds of the frames from the host."""

    HELLO = 1
    RECORDS = 2
    READ = 3
    WRITE = 4
    FLUSH = 5


class FromBoard(IntEnum):
    """Kinds of the frames from the board."""

    STATUS = 0x81
    RECORD = 0x82
    VALUE = 0x83
    DONE = 0x84


#: In records of a frame, at most.
MOST_RECORDS = 8
#: Bytes of a frame's body: kind, number, payload and check.
MOST_BODY_BYTES = 2 + 16 * MOST_RECORDS + 4
#: Frames the host may have on their way.
WINDOW_FRAMES = 8
CRC_INIT = 0xFFFFFFFF
#: The register after a body and its own check, CRC-32 as Ethernet has it, bits reflected.
CRC_RESIDUE = 0xDEBB20E3
_POLYNOMIAL = 0xEDB88320


def crc_step(crc: Value, byte: Value) -> Value:
    """The check's register after one more byte."""
    bits = [crc[n] for n in range(32)]
    for n in range(8):
        carry = bits[0] ^ byte[n]
        bits = [
            *(bits[k + 1] ^ carry if _POLYNOMIAL >> k & 1 else bits[k + 1] for k in range(31)),
            carry,
        ]
    return Cat(*bits)
