# SPDX-License-Identifier: Apache-2.0
"""Names of orders that may be sent, synced to disk before they are needed.

To sync an intent to disk takes longer than all else on an order's way. So the names of the next
decisions are reserved in a file of their own, in the background. An order whose name is reserved is
written to the journal without a sync: a crash of the process loses nothing of that. After a
crash of the machine the journal may lack its last orders, but the reservation says that there may
be some, and under which names: the venue is asked for all orders since the session began, and
those with a reserved name are taken into the journal. A reservation holds the identity of
the running system, so that this is done after such a crash and never else.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from host.execution.journal import JournalError

__all__ = ["Ahead", "Reserved", "boot_id"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TABLE = """
CREATE TABLE IF NOT EXISTS reserved (
    session INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    boot TEXT NOT NULL, time_ms INTEGER NOT NULL, PRIMARY KEY (session, first)) STRICT
"""


class Reserved(NamedTuple):
    """Decision numbers of a session that may have been sent."""

    session: int
    first: int
    last: int


def boot_id() -> str:
    """What tells one start of this machine from another, empty where it does not say."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class Ahead:
    """Reservations of one journal.

    Parameters
    ----------
    path : Path
        The file; it is made where there is none.
    count : int
        Decision numbers in a reservation.

    Attributes
    ----------
    counters : Counter
        reserved: reservations; waited: those that an order had to wait for.

    Raises
    ------
    JournalError
        The file cannot be opened or is none of ours.
    """

    def __init__(self, path: Path, count: int = 4096) -> None:
        if count < 2:
            raise ValueError(f"count: expected at least 2, was {count}")
        self._path = path
        self._count = count
        self._boot = boot_id()
        self._session = 0
        self._last = -1
        self._task: asyncio.Task[None] | None = None
        self.counters: Counter[str] = Counter()
        try:
            # the thread that syncs is another than the one that opens; never both at once
            self._db = sqlite3.connect(
                path, timeout=0.1, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(_TABLE)
        except sqlite3.Error as error:
            raise JournalError(f"{path}: expected reservations, was {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin(self, session: int) -> None:
        """Reserve the first numbers of a session.

        Raises
        ------
        JournalError
            They cannot be written.
        """
        self._session, self._last = session, -1
        self._reserve(0)

    def cover(self, number: int) -> bool:
        """Make sure of a decision's number, and reserve the next ones in time.

        Parameters
        ----------
        number : int
            Decision number; numbers only rise.

        Returns
        -------
        bool
            It is reserved; False: the intent itself has to be synced.
        """
        if number > self._last:
            self.counters["waited"] += 1
            return False
        if number > self._last - self._count // 2:
            self._start()
        return True

    def lost(self, ended: set[int]) -> list[Reserved]:
        """Reservations of sessions that did not end, made before this machine last started.

        Parameters
        ----------
        ended : set of int
            Sessions that have ended in order.
        """
        rows = self._read("SELECT session, first, last FROM reserved WHERE boot <> ? OR boot = ''")
        return [Reserved(*row) for row in rows if row[0] not in ended]

    def forget(self, session: int) -> None:
        """Nothing of a session and those before it is left to be asked for.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        self._write("DELETE FROM reserved WHERE session <= ?", (session,))

    async def wait(self) -> None:
        """Wait for a reservation that is under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    # inside

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._in_background())

    async def _in_background(self) -> None:
        # a blocking device: the only thread there is
        await asyncio.to_thread(self._reserve, self._last + 1)

    def _reserve(self, first: int) -> None:
        last = first + self._count - 1
        values = (self._session, first, last, self._boot, time.time_ns() // 1_000_000)
        self._write("INSERT OR REPLACE INTO reserved VALUES (?, ?, ?, ?, ?)", values)
        self._last = last
        self.counters["reserved"] += 1

    def _write(self, sql: str, values: tuple[object, ...]) -> None:
        try:
            self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: expected to write, was {error}") from None

    def _read(self, sql: str) -> list[tuple[int, int, int]]:
        try:
            return list(self._db.execute(sql, (self._boot,)))
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: expected to read, was {error}") from None
