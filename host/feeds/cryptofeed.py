# SPDX-License-Identifier: Apache-2.0
"""Captures as the project cryptofeed records them: requests and web-socket traffic as JSON lines.

The first line is ``{"t": "header", "format": 2, "exchange": NAME, ...}``. Each further line has
`t`: "http" (`url`, and the answer as `data`), "connect" (`addr`), "send" (what was sent, left out
here) or "recv" (a frame), with `conn`, the name of the connection, and `ts`, local time in
seconds. A frame is text in `data` or bytes in `b64`. The files are compressed with zstd.

A file holds one connection after the other. The lines are put in the order of their times here,
those of the same time in that of the file; so a file is read whole before the first frame comes.
In the six captures at hand no connection's times ever go back.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import orjson

from host.feeds.capture import CaptureError
from host.feeds.messages import Refusal
from host.feeds.venue import Connected, VenueFrame

__all__ = ["VenueReader"]

PathLike = str | os.PathLike[str]
Entry = VenueFrame | Connected | Refusal

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FORMAT = 2
_CHUNK_BYTES = 1 << 16
#: What a file may hold when it is decompressed; real ones of half a minute hold up to 11 MB.
LARGEST_BYTES = 1 << 30
_LARGEST_SECONDS = Decimal(1 << 33)


class VenueReader:
    """The frames of one capture in the order of their times.

    Iterating yields a `VenueFrame` for each answer and each frame received, a `Connected` for
    each connection opened, and a `Refusal` (`bad_line`) for a line that is nothing of this
    format; it comes at the time of the line before it.

    Parameters
    ----------
    path : path
        The file, compressed or not.

    Attributes
    ----------
    exchange : str
        Name of the venue, of the header; see `host.feeds.venues.VENUES`.
    path : str
        The file.
    bytes_done, bytes_total : int
        Bytes taken of the file as it lies on disk, and its size.
    lines : int
        Lines delivered, the header not counted.

    Raises
    ------
    CaptureError
        From the constructor: the file is missing or empty, does not begin with a header of
        format 2, or is compressed and `zstandard` is not installed. While iterating, after
        everything that could be read: the data is cut off, damaged, or over `LARGEST_BYTES`.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        self.bytes_done = 0
        self.lines = 0
        try:
            self.bytes_total = os.stat(self.path).st_size
            lines, broken = self._read(1)
        except OSError as error:
            raise CaptureError(
                self.path, 0, f"expected a readable file, was {error.strerror}"
            ) from error
        if broken and not lines:
            raise CaptureError(self.path, 0, broken)
        self.exchange = self._header(lines[0] if lines else b"")

    def __iter__(self) -> Iterator[Entry]:
        try:
            lines, broken = self._read(None)
        except OSError as error:
            raise CaptureError(
                self.path, 0, f"expected a readable file, was {error.strerror}"
            ) from error
        at_ns = 0
        timed: list[tuple[int, Entry]] = []
        addresses: dict[str, str] = {}
        for number, line in enumerate(lines[1:], 2):
            entry = _entry(line, self.path, number)
            if entry is None:
                continue
            if isinstance(entry, Connected):
                addresses[entry.connection] = entry.address
            elif isinstance(entry, VenueFrame) and not entry.address:
                entry = entry._replace(address=addresses.get(entry.connection, ""))
            if not isinstance(entry, Refusal):
                at_ns = entry.recv_ns
            timed.append((at_ns, entry))
        timed.sort(key=_time)
        self.lines = 0
        for _, entry in timed:
            self.lines += 1
            yield entry
        if broken:
            raise CaptureError(self.path, self.lines, broken)

    def _header(self, line: bytes) -> str:
        try:
            header = orjson.loads(line)
        except orjson.JSONDecodeError:
            header = None
        if (
            type(header) is not dict
            or header.get("t") != "header"
            or header.get("format") != _FORMAT
            or type(header.get("exchange")) is not str
        ):
            shown = line[:60].decode("ascii", "backslashreplace")
            raise CaptureError(
                self.path, 0, f"line 1: expected a header of format {_FORMAT}, was {shown!r}"
            )
        exchange: str = header["exchange"]
        return exchange

    def _read(self, wanted: int | None) -> tuple[list[bytes], str]:
        """At least the first `wanted` lines, or all, and what broke off the reading."""
        data = bytearray()
        broken = ""
        self.bytes_done = 0
        with open(self.path, "rb") as file:
            zipped = file.read(4) == _ZSTD_MAGIC
            file.seek(0)
            try:
                for chunk in self._unzipped(file) if zipped else self._chunks(file):
                    data += chunk
                    if len(data) > LARGEST_BYTES:
                        raise _Broken(f"expected at most {LARGEST_BYTES} bytes, was more")
                    if wanted is not None and data.count(b"\n") >= wanted:
                        break
            except _Broken as error:
                broken = str(error)
        lines = bytes(data).split(b"\n")
        if not lines[-1] or broken:
            lines.pop()
        return lines, broken

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK_BYTES):
            self.bytes_done += len(chunk)
            yield chunk

    def _unzipped(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            import zstandard
        except ImportError:
            raise CaptureError(
                self.path, 0, "expected the package zstandard, was not installed"
            ) from None
        inflate = zstandard.ZstdDecompressor().decompressobj()
        for chunk in self._chunks(file):
            while chunk:
                if inflate.eof:
                    inflate = zstandard.ZstdDecompressor().decompressobj()
                try:
                    yield inflate.decompress(chunk)
                except zstandard.ZstdError as error:
                    raise _Broken(f"expected sound zstd data, was damaged ({error})") from error
                chunk = inflate.unused_data
        if not inflate.eof:
            raise _Broken("expected the end of the zstd data, was cut off")


class _Broken(Exception):
    """The data ends early, is damaged or too large."""


def _time(timed: tuple[int, Entry]) -> int:
    return timed[0]


def _entry(line: bytes, path: str, number: int) -> Entry | None:
    """What a line says; None for what was sent."""
    try:
        entry = orjson.loads(line)
        if type(entry) is not dict:
            raise TypeError(f"expected an object, was {type(entry).__name__}")
        return _known_entry(entry, path, number)
    except KeyError as error:
        what = f"expected the field {error}, was none"
    except (TypeError, ValueError) as error:
        what = str(error)
    return Refusal("bad_line", what, path, number)


def _known_entry(entry: dict[str, Any], path: str, number: int) -> Entry | None:
    kind, connection = entry["t"], _text(entry["conn"])
    recv_ns = _nanoseconds(entry["ts"])
    if kind == "send":
        return None
    if kind == "connect":
        return Connected(recv_ns, path, number, _text(entry["addr"]), connection)
    if kind == "http":
        return VenueFrame(recv_ns, _payload(entry), path, number, _text(entry["url"]), connection)
    if kind == "recv":
        return VenueFrame(recv_ns, _payload(entry), path, number, "", connection)
    raise ValueError(f"expected http, connect, send or recv, was {kind!r}")


def _text(value: object) -> str:
    if type(value) is not str or not value:
        raise TypeError(f"expected a string, was {value!r}")
    return value


def _payload(entry: dict[str, Any]) -> bytes:
    if "b64" in entry:
        return base64.b64decode(_text(entry["b64"]), validate=True)
    return _text(entry["data"]).encode()


def _nanoseconds(value: object) -> int:
    """Seconds since the epoch to nanoseconds, as exact as they are written."""
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"expected a time in seconds, was {value!r}")
    seconds = Decimal(repr(value))
    if not 0 <= seconds < _LARGEST_SECONDS:
        raise ValueError(f"expected a time in seconds, was {value!r}")
    return int(seconds.scaleb(9))
