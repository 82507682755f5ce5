# SPDX-License-Identifier: Apache-2.0
"""Frames of the serial link in plain Python, written from ``docs/uart.md``.

Shares no code with the RTL or the host; the check is computed bit by bit.
"""

from collections.abc import Iterable

__all__ = ["BAD", "Unframer", "check_of", "cobs", "frame", "uncobs"]

#: What a frame that is not whole is told as.
BAD = None


def check_of(body: bytes) -> int:
    """CRC-32 of Ethernet: polynomial 0x04C11DB7, all bits reflected, start and end inverted."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(body: bytes) -> bytes:
    """Body without zeros: each block begins with one more than its length."""
    out = bytearray()
    for part in body.split(b"\0"):
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]
        out += bytes([len(part) + 1]) + part
    return bytes(out)


def uncobs(text: bytes) -> bytes | None:
    """Undo `cobs`; None when a block leads past the end."""
    out, at = bytearray(), 0
    while at < len(text):
        code = text[at]
        block = text[at + 1 : at + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        at += code
        if code != 0xFF and at < len(text):
            out.append(0)
    return bytes(out)


def frame(kind: int, number: int, payload: bytes) -> bytes:
    """A frame as it is on the wire."""
    body = bytes([kind, number & 0xFF]) + payload
    return cobs(body + check_of(body).to_bytes(4, "little")) + b"\0"


class Unframer:
    """Frames from bytes: kind, number and payload, or `BAD`."""

    def __init__(self) -> None:
        self._text = bytearray()

    def feed(self, text: Iterable[int]) -> list[tuple[int, int, bytes] | None]:
        """Take bytes, give the frames they end."""
        out: list[tuple[int, int, bytes] | None] = []
        for byte in text:
            if byte:
                self._text.append(byte)
                continue
            if self._text:
                body = uncobs(bytes(self._text))
                self._text.clear()
                if (
                    body is None
                    or len(body) < 6
                    or check_of(body[:-4]) != int.from_bytes(body[-4:], "little")
                ):
                    out.append(BAD)
                else:
                    out.append((body[0], body[1], body[2:-4]))
        return out
