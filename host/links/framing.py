# SPDX-License-Identifier: Apache-2.0
"""Frames of the serial link, the host's side of ``docs/uart.md``."""

import zlib
from typing import NamedTuple

__all__ = ["Frame", "Unframer", "cobs_decode", "cobs_encode", "encode"]

_CHECK_BYTES = 4
_HEADER_BYTES = 2
_LONGEST_BLOCK = 254
#: Bytes without a delimiter after which no frame can still be whole.
_LONGEST_WIRE = 1024


class Frame(NamedTuple):
    """A frame whose check holds."""

    kind: int
    number: int
    payload: bytes


def cobs_encode(body: bytes) -> bytes:
    """Replace zeros: every block is led by the distance to the next one."""
    out, start = bytearray(), 0
    while True:
        zero = body.find(0, start, start + _LONGEST_BLOCK)
        if zero >= 0:
            out.append(zero - start + 1)
            out += body[start:zero]
            start = zero + 1
        elif len(body) - start >= _LONGEST_BLOCK:
            out.append(_LONGEST_BLOCK + 1)
            out += body[start : start + _LONGEST_BLOCK]
            start += _LONGEST_BLOCK
        else:
            out.append(len(body) - start + 1)
            return bytes(out + body[start:])


def cobs_decode(text: bytes) -> bytes:
    """Undo `cobs_encode`.

    Raises
    ------
    ValueError
        The text holds a zero, or a block leads past its end.
    """
    out, at = bytearray(), 0
    while at < len(text):
        code = text[at]
        end = at + code
        if code == 0 or end > len(text):
            raise ValueError(f"COBS block at byte {at}: expected to end by {len(text)}, was {end}")
        out += text[at + 1 : end]
        if code <= _LONGEST_BLOCK and end < len(text):
            out.append(0)
        at = end
    return bytes(out)


def encode(kind: int, number: int, payload: bytes) -> bytes:
    """A frame as it goes onto the wire, delimiter included."""
    body = bytes((kind, number & 0xFF)) + payload
    return cobs_encode(body + zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")) + b"\0"


class Unframer:
    """Frames from bytes as they come.

    Attributes
    ----------
    bad : int
        Frames whose coding or check was wrong.
    """

    def __init__(self) -> None:
        self._text = bytearray()
        self.bad = 0

    def clear(self) -> None:
        """Forget a frame that has begun."""
        self._text.clear()

    def feed(self, text: bytes) -> list[Frame]:
        """Take bytes and give the whole frames that they complete."""
        frames = []
        *done, rest = text.split(b"\0")
        for part in done:
            self._text += part
            if self._text:
                frame = self._decode(bytes(self._text))
                self.bad += frame is None
                frames += [frame] if frame else []
            self._text.clear()
        self._text += rest[-_LONGEST_WIRE:]
        if len(self._text) > _LONGEST_WIRE:  # its check cannot hold any more
            del self._text[_LONGEST_WIRE:]
        return frames

    @staticmethod
    def _decode(text: bytes) -> Frame | None:
        try:
            body = cobs_decode(text)
        except ValueError:
            return None
        if len(body) < _HEADER_BYTES + _CHECK_BYTES:
            return None
        body, check = body[:-_CHECK_BYTES], body[-_CHECK_BYTES:]
        if zlib.crc32(body) != int.from_bytes(check, "little"):
            return None
        return Frame(body[0], body[1], body[_HEADER_BYTES:])
