# SPDX-License-Identifier: Apache-2.0
"""Slips: intents that are on their way into the journal.

A row of the journal takes a transaction, which takes longer than all that is left of an order's
way. So an intent whose name is reserved (`host.execution.ahead`) is noted on a slip before the
order is sent, a single write into a file that has its room already, and becomes a row right after.
What is written survives a crash of the process; whoever opens the journal next makes rows of the
slips that have none. A crash of the machine may lose slips as it may lose rows, which is what
reservations are for.

A slip is a line: CRC-32 of the rest in hexadecimal, a space, JSON. Room that holds none is zero; a
line that was cut off belongs to an order that was not sent, and is left out.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import Any

import orjson

__all__ = ["Slips"]

_ROOM_BYTES = 1 << 18


class Slips:
    """A file of slips.

    Parameters
    ----------
    path : Path
        The file; it is made where there is none.
    fields : int
        Values of a slip: text, whole numbers or None.

    Raises
    ------
    OSError
        The file cannot be opened, or the disk has no room for it.
    """

    def __init__(self, path: Path, fields: int) -> None:
        self._fields = fields
        self._at = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(self._file).st_size
            if size < _ROOM_BYTES:
                self._blank(size, _ROOM_BYTES)
        except OSError:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def full(self) -> bool:
        """Whether it is time to `clear`."""
        return self._at > _ROOM_BYTES // 2

    def read(self) -> list[tuple[Any, ...]]:
        """All slips of the file, those of an earlier process as well."""
        size = os.fstat(self._file).st_size
        found = []
        for line in os.pread(self._file, size, 0).split(b"\n"):
            crc, _, text = line.strip(b"\0").partition(b" ")
            if crc != _crc(text):
                continue
            values = orjson.loads(text)
            if isinstance(values, list) and len(values) == self._fields:
                found.append(tuple(values))
        return found

    def write(self, values: tuple[Any, ...]) -> None:
        """Note a slip behind those before it; when this returns it is there.

        Raises
        ------
        OSError
            It could not be written in full.
        """
        text = orjson.dumps(values)
        self._put(_crc(text) + b" " + text + b"\n")

    def rehearse(self, values: tuple[Any, ...]) -> None:
        """What `write` does, leaving no slip; the next one comes to the same place."""
        at, text = self._at, orjson.dumps(values)
        with contextlib.suppress(OSError):  # the next slip says so
            self._put(b" " * len(_crc(text) + text) + b"\n")
        self._at = at

    def clear(self) -> None:
        """All slips are rows of the journal.

        Raises
        ------
        OSError
            It cannot be written; the slips are still there.
        """
        self._blank(0, os.fstat(self._file).st_size)
        self._at = 0

    def _blank(self, begin: int, end: int) -> None:
        if os.pwrite(self._file, bytes(end - begin), begin) != end - begin:
            raise OSError("expected room for slips, was none")

    def _put(self, line: bytes) -> None:
        if os.pwrite(self._file, line, self._at) != len(line):
            raise OSError("expected a whole slip to be written")
        self._at += len(line)


def _crc(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
