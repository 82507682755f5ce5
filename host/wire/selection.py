# SPDX-License-Identifier: Apache-2.0
"""What a wire asks of the session: the venue's parser, and who writes the stream to the board."""

from __future__ import annotations

from typing import Any

from host.contract.registers import REGISTERS
from host.feeds.venue import Venue
from host.feeds.writer import RecordWriter
from host.links.base import Link
from host.wire.framing import Wire
from host.wire.venue import NotBinance, over_sbe
from host.wire.writer import FrameWriter

__all__ = ["WireError", "board_options", "reads_frames", "select"]

#: Register that tells the decoders of a build, and its bit for SBE.
_BUILD_FEEDS, _SBE = "build_feeds", 1


class WireError(ValueError):
    """A wire that the capture or the board does not fit."""


def board_options(wire: Wire, link: str) -> dict[str, Any]:
    """Options of the link that give a simulated board what the wire needs."""
    return {"sbe": True} if wire is Wire.SBE and link == "sim" else {}


def reads_frames(link: Link) -> bool:
    """Whether a board has a decoder of SBE frames."""
    return _BUILD_FEEDS in REGISTERS and bool(link.read(_BUILD_FEEDS) & _SBE)


def select(wire: Wire, venue: Venue, link: Link) -> tuple[Venue, type[RecordWriter]]:
    """The venue and the writer of a session over a wire.

    Raises
    ------
    WireError
        The venue's messages do not go over it, or the board does not read them.
    """
    if wire is Wire.NATIVE:
        return venue, RecordWriter
    if wire is Wire.ITCH:
        raise WireError(f"--wire itch: expected packets of ITCH 5.0, was a capture of {venue.name}")
    try:
        venue = over_sbe(venue)
    except NotBinance as error:
        raise WireError(f"--{error}") from None
    if not reads_frames(link):
        raise WireError("--wire sbe: expected a board that reads frames, was one that does not")
    return venue, FrameWriter
