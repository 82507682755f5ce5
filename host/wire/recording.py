# SPDX-License-Identifier: Apache-2.0
"""Files of frames as they were received, binary and text, gzip or plain.

A file begins with `MAGIC`. Each frame follows as a little-endian head of 16 bytes (receive time
in nanoseconds since the epoch u64, bytes u32, kind u8: 1 binary, 2 text, connection u8, and 0 as
u16) and its bytes. Text is UTF-8.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import BinaryIO

from host.feeds.capture import CaptureError
from host.feeds.messages import Refusal
from host.feeds.venue import VenueFrame
from host.wire.framing import LONGEST_FRAME_BYTES

__all__ = ["MAGIC", "SbeReader", "SbeWriter", "is_sbe_recording"]

PathLike = str | os.PathLike[str]

#: The first bytes of a file; the last one is the version of the format.
MAGIC = b"\x89TGSBE\r\x01"
_HEAD = struct.Struct("<QIBBH")
_BINARY, _TEXT = 1, 2
_GZIP_MAGIC = b"\x1f\x8b"
#: Snapshots are text, and longer than any binary frame.
_LONGEST_BYTES = 16 * LONGEST_FRAME_BYTES


def is_sbe_recording(path: PathLike) -> bool:
    """Whether a file begins as one of this format.

    Raises
    ------
    CaptureError
        It cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(len(MAGIC))
        if head[:2] == _GZIP_MAGIC:
            with gzip.open(path) as zipped:
                head = zipped.read(len(MAGIC))
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    except OSError as error:
        raise CaptureError(
            os.fspath(path), 0, f"expected a readable file, was {error.strerror}"
        ) from error
    return head == MAGIC


class SbeWriter:
    """Writes a file; a context manager.

    Parameters
    ----------
    path : path
        The file, which is replaced; compressed if its name ends with ``.gz``.

    Attributes
    ----------
    frames : int
        Frames written.
    """

    def __init__(self, path: PathLike) -> None:
        self.frames = 0
        zipped = os.fspath(path).endswith(".gz")
        raw = open(path, "wb")  # noqa: SIM115 (closed by `close`)
        # no name and no time, so that the same frames give the same file
        file = gzip.GzipFile("", "wb", 6, raw, 0) if zipped else raw
        self._raw, self._file = raw, file
        self._file.write(MAGIC)

    def write(self, recv_ns: int, payload: bytes | str, connection: int = 0) -> None:
        """Append a frame: bytes are binary, a string is text.

        Raises
        ------
        ValueError
            The time, the connection or the length does not fit.
        """
        body, kind = (payload.encode(), _TEXT) if isinstance(payload, str) else (payload, _BINARY)
        for name, value, limit in (
            ("receive time", recv_ns, 1 << 64),
            ("connection", connection, 1 << 8),
            ("frame length", len(body), _LONGEST_BYTES + 1),
        ):
            if not 0 <= value < limit:
                raise ValueError(f"{name}: expected 0 to {limit - 1}, was {value}")
        self._file.write(_HEAD.pack(recv_ns, len(body), kind, connection, 0))
        self._file.write(body)
        self.frames += 1

    def close(self) -> None:
        """Write what is left; a second call does nothing."""
        self._file.close()
        self._raw.close()

    def __enter__(self) -> SbeWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SbeReader:
    """The frames of some files, in the order given.

    Iterating yields a `VenueFrame` a frame, whose `line` is the number of the frame from 1, whose
    `connection` is the number of its connection and whose payload is bytes or, for text, a
    string; and a `Refusal` (`bad_line`) for text that is no UTF-8.

    Parameters
    ----------
    paths : sequence of path
        Files that follow each other.

    Attributes
    ----------
    bytes_done, bytes_total : int
        Bytes taken of the files as they lie on disk, and their sizes together.

    Raises
    ------
    CaptureError
        From the constructor: a file is missing. While iterating, after everything that could be
        read: it is no such file, is cut off, or has a head that is none.
    """

    def __init__(self, paths: Sequence[PathLike]) -> None:
        self._paths = [os.fspath(path) for path in paths]
        self.bytes_done = self.bytes_total = 0
        for path in self._paths:
            try:
                self.bytes_total += os.stat(path).st_size
            except OSError as error:
                raise CaptureError(
                    path, 0, f"expected a readable file, was {error.strerror}"
                ) from error

    def __iter__(self) -> Iterator[VenueFrame | Refusal]:
        self.bytes_done = 0
        for path in self._paths:
            before, number = self.bytes_done, 0
            try:
                with open(path, "rb") as raw:
                    zipped = raw.read(2) == _GZIP_MAGIC
                    raw.seek(0)
                    file: BinaryIO = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
                    for entry in _entries(file, path):
                        number += 1
                        self.bytes_done = before + raw.tell()
                        yield entry
            except _Broken as error:
                raise CaptureError(path, number, f"frame {number + 1}: {error}") from None
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise CaptureError(
                    path, number, f"expected sound gzip data, was damaged ({error})"
                ) from error
            except OSError as error:
                raise CaptureError(
                    path, number, f"expected a readable file, was {error.strerror}"
                ) from error


class _Broken(Exception):
    """What follows cannot be a frame."""


def _entries(file: BinaryIO, path: str) -> Iterator[VenueFrame | Refusal]:
    head = file.read(len(MAGIC))
    if head != MAGIC:
        raise _Broken(f"expected a file that begins with {MAGIC.hex()}, was {head.hex()}")
    number = 0
    while head := file.read(_HEAD.size):
        number += 1
        if len(head) < _HEAD.size:
            raise _Broken(f"expected a head of {_HEAD.size} bytes, was {len(head)}")
        recv_ns, size, kind, connection, zero = _HEAD.unpack(head)
        if kind not in (_BINARY, _TEXT) or zero or size > _LONGEST_BYTES:
            raise _Broken(f"expected kind 1 or 2 and a length, was {head.hex()}")
        body = file.read(size)
        if len(body) < size:
            raise _Broken(f"expected {size} bytes, was {len(body)}")
        payload: bytes | str = body
        if kind == _TEXT:
            try:
                payload = body.decode()
            except UnicodeDecodeError:
                yield Refusal("bad_line", f"expected UTF-8, was {body[:60]!r}", path, number)
                continue
        yield VenueFrame(recv_ns, payload, path, number, "", str(connection))
