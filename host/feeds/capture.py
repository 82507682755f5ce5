# SPDX-License-Identifier: Apache-2.0
"""Captured frames from files: one `<receive time, ns> <JSON frame>` a line, gzip or plain."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from host.feeds.messages import Refusal

__all__ = ["CaptureError", "CaptureReader", "Frame", "read_frames"]

PathLike = str | os.PathLike[str]

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 26


class CaptureError(Exception):
    """A capture that cannot be read, or not to its end.

    Attributes
    ----------
    path : str
        The file.
    lines : int
        Lines of the file that were delivered before.
    """

    def __init__(self, path: str, lines: int, what: str) -> None:
        super().__init__(f"{path}: {what}; {lines} lines were read before")
        self.path = path
        self.lines = lines


class Frame(NamedTuple):
    """One line of a capture."""

    #: local receive time, nanoseconds since the epoch
    recv_ns: int
    #: the frame, JSON
    payload: bytes
    path: str
    #: line number, from 1
    line: int


class _Broken(Exception):
    """The compressed data ends early or is damaged."""


class CaptureReader:
    """The frames of some files, in the order given.

    Iterating yields a `Frame` a line, or a `Refusal` (`bad_line`) for a line that does not begin
    with a time and a JSON object or array. Gzip is told by its first bytes, not by the name.

    Parameters
    ----------
    paths : sequence of path
        Files that follow each other.

    Attributes
    ----------
    bytes_done, bytes_total : int
        Bytes taken of the files as they lie on disk, and their sizes together.
    lines : int
        Lines delivered of all files.

    Raises
    ------
    CaptureError
        From the constructor: a file is missing or empty. While iterating, after everything
        that could be read: it cannot be read, holds no line, or its gzip data is cut off
        or damaged.
    """

    def __init__(self, paths: Sequence[PathLike]) -> None:
        self._paths = [os.fspath(path) for path in paths]
        self.bytes_done = 0
        self.bytes_total = 0
        self.lines = 0
        for path in self._paths:
            try:
                size = os.stat(path).st_size
            except OSError as error:
                raise CaptureError(
                    path, 0, f"expected a readable file, was {error.strerror}"
                ) from error
            if size == 0:
                raise CaptureError(path, 0, "expected a capture, was an empty file")
            self.bytes_total += size

    def __iter__(self) -> Iterator[Frame | Refusal]:
        self.bytes_done = self.lines = 0
        for path in self._paths:
            yield from self._file(path)

    def _file(self, path: str) -> Iterator[Frame | Refusal]:
        number = 0
        rest = b""
        try:
            with open(path, "rb") as file:
                zipped = file.read(2) == _GZIP_MAGIC
                file.seek(0)
                for chunk in self._unzipped(file) if zipped else self._chunks(file):
                    lines = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                    rest = lines.pop()
                    if len(rest) > _LONGEST_LINE_BYTES:
                        raise _Broken(
                            f"expected a line of at most {_LONGEST_LINE_BYTES} bytes, "
                            f"was a longer one"
                        )
                    for line in lines:
                        number += 1
                        self.lines += 1
                        yield _frame(line, path, number)
        except OSError as error:
            raise CaptureError(
                path, number, f"expected a readable file, was {error.strerror}"
            ) from error
        except _Broken as error:
            raise CaptureError(path, number, str(error)) from error
        if rest:
            number += 1
            self.lines += 1
            yield _frame(rest, path, number)
        if not number:
            raise CaptureError(path, 0, "expected at least one line, was none")

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK_BYTES):
            self.bytes_done += len(chunk)
            yield chunk

    def _unzipped(self, file: BinaryIO) -> Iterator[bytes]:
        inflate = zlib.decompressobj(wbits=31)
        for chunk in self._chunks(file):
            while chunk:
                if inflate.eof:
                    chunk = chunk.lstrip(b"\0")  # padding between and after members is allowed
                    if not chunk:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                before = inflate.copy()
                try:
                    data = inflate.decompress(chunk)
                except zlib.error as error:
                    yield from _up_to_damage(before, chunk)
                    raise _Broken(f"expected sound gzip data, was damaged ({error})") from error
                if data:
                    yield data
                chunk = inflate.unused_data
        if not inflate.eof:
            raise _Broken("expected the end of the gzip data, was cut off")


def _up_to_damage(inflate: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """What a chunk holds before the byte that inflating it stumbles over."""
    data = bytearray()
    try:
        for at in range(len(chunk)):
            data += inflate.decompress(chunk[at : at + 1])
    except zlib.error:
        pass
    yield bytes(data)


def _frame(line: bytes, path: str, number: int) -> Frame | Refusal:
    head, _, body = line.partition(b" ")
    if head.isdigit() and len(head) < 20 and body[:1] in (b"{", b"["):
        return Frame(int(head), body, path, number)
    shown = line[:60].decode("ascii", "backslashreplace")
    return Refusal("bad_line", f"expected `<ns> <JSON>`, was {shown!r}", path, number)


def read_frames(paths: Sequence[PathLike]) -> Iterator[Frame | Refusal]:
    """Iterate over a `CaptureReader` whose progress nobody asks for."""
    return iter(CaptureReader(paths))
