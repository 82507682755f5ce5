# SPDX-License-Identifier: Apache-2.0
"""Bytes of a feed's messages as a stream, whatever they travelled in."""

from amaranth.lib import data, stream

__all__ = ["payload_layout", "payload_stream"]


def payload_layout(width: int) -> data.StructLayout:
    """Layout of one beat of `width` bytes.

    Parameters
    ----------
    width : int
        Bytes of a beat: 4, 8 or 16.

    Raises
    ------
    ValueError
        The width is another.
    """
    if width not in (4, 8, 16):
        raise ValueError(f"payload width: expected 4, 8 or 16 bytes, was {width}")
    return data.StructLayout(
        {
            "data": 8 * width,  # first byte lowest
            "count": width.bit_length(),  # bytes that count, `width` in all beats but the last
            "last": 1,  # the last beat of a frame
            "tag": 8,  # connection the frame came by, the same in all its beats
            "error": 1,  # with `last`: the frame is damaged or cut, nothing of it may be believed
        }
    )


def payload_stream(width: int) -> stream.Signature:
    """Stream of such beats, with ready and valid. No frame is empty."""
    return stream.Signature(payload_layout(width))
