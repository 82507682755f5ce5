# SPDX-License-Identifier: Apache-2.0
"""Frames of captures in any format; which one it is, is told by what the files hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

from host.feeds.capture import CaptureError, CaptureReader, Frame
from host.feeds.cryptofeed import VenueReader
from host.feeds.messages import Refusal
from host.feeds.venue import Connected, Venue, VenueFrame
from host.feeds.venues import BINANCE, VENUES
from host.wire.recording import SbeReader, is_sbe_recording
from host.wire.venue import BINANCE_SBE

__all__ = ["FrameSource", "Recordings", "open_captures"]

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MOST_SHOWN = 60
#: The formats, in words.
_LINES, _RECORDING = "lines of a time and a frame", "a recording of a venue"
_FRAMES = "a recording of binary frames"


class FrameSource(Protocol):
    """Frames, and how far they are read."""

    bytes_done: int
    bytes_total: int

    def __iter__(self) -> Iterator[Frame | VenueFrame | Connected | Refusal]:
        """The frames in order."""


class Recordings:
    """Recordings of one venue that follow each other, see `host.feeds.cryptofeed`.

    Parameters
    ----------
    paths : sequence of str
        The files.

    Attributes
    ----------
    venue : Venue
        Whose they are.
    bytes_done, bytes_total : int
        As of `host.feeds.capture.CaptureReader`.

    Raises
    ------
    CaptureError
        As of `host.feeds.cryptofeed.VenueReader`; there is no parser for the venue, or the
        venues differ.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._readers = [VenueReader(path) for path in paths]
        first = self._readers[0]
        for reader in self._readers:
            expected = list(VENUES) if reader is first else [first.exchange]
            if reader.exchange not in expected:
                shown = reader.exchange[:_MOST_SHOWN]
                raise CaptureError(
                    reader.path,
                    0,
                    f"line 1: expected the exchange {' or '.join(expected)}, was {shown!r}",
                )
        self.venue: Venue = VENUES[first.exchange]
        self.bytes_done = 0
        self.bytes_total = sum(reader.bytes_total for reader in self._readers)

    def __iter__(self) -> Iterator[VenueFrame | Connected | Refusal]:
        before = 0
        for reader in self._readers:
            for entry in reader:
                self.bytes_done = before + reader.bytes_done
                yield entry
            before += reader.bytes_total


def open_captures(paths: Sequence[str]) -> tuple[Venue, FrameSource]:
    """Open captures of any format.

    A file that begins with zstd data or with ``{`` is a recording of a venue; one with the magic
    of `host.wire.recording` holds binary frames of Binance; any other is taken for frames of
    Binance's JSON streams with their times.

    Parameters
    ----------
    paths : sequence of str
        Files that follow each other, all of one format.

    Returns
    -------
    Venue, FrameSource
        Whose frames they are, and the frames.

    Raises
    ------
    CaptureError
        A file cannot be opened or read as what it is, or the formats differ.
    """
    formats = [_format(path) for path in paths]
    if len(set(formats)) > 1:
        at = next(at for at, found in enumerate(formats) if found != formats[0])
        raise CaptureError(
            paths[at], 0, f"expected {formats[0]} as in {paths[0]}, was {formats[at]}"
        )
    if formats[0] == _FRAMES:
        return BINANCE_SBE, SbeReader(paths)
    if formats[0] == _RECORDING:
        recordings = Recordings(paths)
        return recordings.venue, recordings
    return BINANCE, CaptureReader(paths)


def _format(path: str) -> str:
    try:
        with open(os.fspath(path), "rb") as file:
            head = file.read(len(_ZSTD_MAGIC))
    except OSError as error:
        raise CaptureError(path, 0, f"expected a readable file, was {error.strerror}") from error
    if head == _ZSTD_MAGIC or head[:1] == b"{":
        return _RECORDING
    return _FRAMES if is_sbe_recording(path) else _LINES
