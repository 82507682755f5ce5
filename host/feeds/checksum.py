# SPDX-License-Identifier: Apache-2.0
"""Checksums over the best levels of a book, and the numbers as venues write them there."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import chain, zip_longest

from host.feeds.scale import Scale
from host.feeds.venue import TextLevels

__all__ = ["interleaved_crc32", "plain", "plain_levels"]


def plain(text: str) -> str:
    """A decimal string without superfluous zeros, such as "30244" for "30244.0"."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_levels(
    levels: Iterable[tuple[int, int]], price_scale: Scale, qty_scale: Scale
) -> list[tuple[str, str]]:
    """Levels in ticks and lots as decimal strings without superfluous zeros."""
    return [(plain(price_scale.text(p)), plain(qty_scale.text(q))) for p, q in levels]


def interleaved_crc32(bids: TextLevels, asks: TextLevels) -> int:
    """CRC32 of ``price:qty`` of the best bid, the best ask, the second bid and so on.

    Where one side has no level left the other goes on alone.

    Returns
    -------
    int
        Signed, 32 bits.
    """
    pairs = chain.from_iterable(zip_longest(bids, asks))
    crc = zlib.crc32(":".join(chain.from_iterable(filter(None, pairs))).encode())
    return crc - (1 << 32) if crc >> 31 else crc
