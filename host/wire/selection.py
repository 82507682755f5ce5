# SPDX-License-Identifier: Apache-2.0
"""What a wire asks of the session: the venue's parser, and who writes the stream to the board."""

from __future__ import annotations

from host.contract.records import InKind
from host.feeds.venue import Venue
from host.feeds.writer import RecordWriter
from host.wire.framing import Wire
from host.wire.venue import NotBinance, over_sbe
from host.wire.writer import FrameWriter

__all__ = ["WireError", "reads_frames", "select"]


class WireError(ValueError):
    """A wire that the capture or the board does not fit."""


def reads_frames() -> bool:
    """Whether boards of this contract take records of kind FRAME."""
    return "FRAME" in InKind.__members__


def select(wire: Wire, venue: Venue) -> tuple[Venue, type[RecordWriter]]:
    """The venue and the writer of a session over a wire.

    Raises
    ------
    WireError
        The venue's messages do not go over it, or no board reads them.
    """
    if wire is Wire.NATIVE:
        return venue, RecordWriter
    if wire is Wire.ITCH:
        raise WireError(f"--wire itch: expected packets of ITCH 5.0, was a capture of {venue.name}")
    try:
        venue = over_sbe(venue)
    except NotBinance as error:
        raise WireError(f"--{error}") from None
    if not reads_frames():
        raise WireError("--wire sbe: expected a board that reads frames, was one that does not")
    return venue, FrameWriter
