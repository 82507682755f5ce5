# SPDX-License-Identifier: Apache-2.0
"""The journal: what was meant to be sent is on disk before it is sent.

SQLite with a write-ahead log. Whatever is written survives a crash of the process at any
instruction. When `Journal.intend` returns, the intent survives one of the machine as well: it is
synced to the disk itself, or, with ``synced=False``, a reservation of its name has been before
(`host.execution.ahead`). Then it is a slip first (`host.execution.slips`) and a row by the next
`Journal.settle`. What the venue has told is not synced, since it can be asked again.
Prices and quantities are decimal text.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

from host.execution.rows import (
    FINAL,
    SLIP_FIELDS,
    TABLES,
    OrderRow,
    State,
    Statement,
    event_of,
    row_of,
    slip_of,
    statements_of,
)
from host.execution.slips import Slips
from host.venues.interface import Fill, OrderRequest

__all__ = ["FINAL", "Journal", "JournalError", "OrderRow", "State"]

_VERSION = 1
_ZERO = Decimal(0)
#: Pages of the log that are written back at once; a session's end writes back all.
_CHECKPOINT_PAGES = 8192


class JournalError(Exception):
    """The journal cannot be read or written: no order may be sent."""


class Journal:
    """A journal file.

    Parameters
    ----------
    path : Path
        The file; it is made where there is none.

    Attributes
    ----------
    instance : str
        Six letters and digits that tell this journal's client ids from those of any other.

    Raises
    ------
    JournalError
        The file cannot be opened, is no journal, or another process has it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synced = True
        self._slips: Slips | None = None
        self._unsettled: list[tuple[object, ...]] = []
        self._sessions: set[int] = set()
        self._meant: set[tuple[int, int, int]] = set()
        try:
            self._db = sqlite3.connect(path, timeout=0.1, isolation_level=None)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._db.execute("PRAGMA foreign_keys = ON")
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._create()
            self._db.execute("BEGIN IMMEDIATE")  # takes the lock, and keeps it
            self._db.execute("COMMIT")
            names = dict(self._db.execute("SELECT name, value FROM meta"))
        except sqlite3.Error as error:
            raise JournalError(f"{path}: expected a journal of our own, was {error}") from None
        if names.get("version") != str(_VERSION):
            version = names.get("version")
            raise JournalError(f"{path}: expected version {_VERSION}, was {version}")
        self.instance: str = names["instance"]
        if str(path) != ":memory:":
            self._take_slips(path.with_name(f"{path.name}-slips"))

    def _take_slips(self, path: Path) -> None:
        """Make rows of what a process that has died had no time to make rows of."""
        try:
            self._slips = Slips(path, SLIP_FIELDS)
            for slip in self._slips.read():
                if self.order(str(slip[0])) is None:
                    self._write(statements_of(slip))
            self._slips.clear()
        except OSError as error:
            self._db.close()
            raise JournalError(f"{path}: expected to write, was {error}") from None

    def _create(self) -> None:
        alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
        instance = "".join(secrets.choice(alphabet) for _ in range(6))
        self._db.execute("BEGIN IMMEDIATE")
        for statement in TABLES.split(";"):
            if statement.strip():
                self._db.execute(statement)
        self._db.execute("INSERT INTO meta VALUES ('version', ?)", (str(_VERSION),))
        self._db.execute("INSERT INTO meta VALUES ('instance', ?)", (instance,))
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; slips that cannot be made rows now are when it is opened again."""
        with contextlib.suppress(JournalError):
            self.settle()
        self._db.close()
        if self._slips is not None:
            self._slips.close()

    # sessions

    def begin_session(self, venue: str, mode: str, now_ms: int) -> int:
        """Number of a new session, from 1.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        sql = "INSERT INTO sessions (started_ms, venue, mode) VALUES (?, ?, ?)"
        session = int(self._write(((sql, (now_ms, venue, mode)),), synced=True))
        self._sessions.add(session)
        return session

    def end_session(self, session: int, now_ms: int) -> None:
        """A session has ended in order.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        sql = "UPDATE sessions SET ended_ms = ? WHERE session = ?"
        self._write(((sql, (now_ms, session)),), synced=True)
        self._read("PRAGMA wal_checkpoint(TRUNCATE)")

    def unended_sessions(self) -> list[int]:
        """Sessions that ended without saying so."""
        rows = self._read("SELECT session FROM sessions WHERE ended_ms IS NULL ORDER BY session")
        return [int(row[0]) for row in rows]

    def ended_sessions(self) -> set[int]:
        """Sessions that ended in order."""
        rows = self._read("SELECT session FROM sessions WHERE ended_ms IS NOT NULL")
        return {int(row[0]) for row in rows}

    def started_ms(self, session: int) -> int:
        """When a session began, 0 where there is none."""
        rows = self._read("SELECT started_ms FROM sessions WHERE session = ?", (session,))
        return int(rows[0][0]) if rows else 0

    # orders

    def intend(
        self,
        request: OrderRequest,
        session: int,
        decision: int,
        part: int,
        now_ms: int,
        synced: bool = True,
    ) -> None:
        """Write an intent down; when this returns it survives the process.

        Parameters
        ----------
        synced : bool
            Wait until the disk has it. Without, its name has to be reserved, and it is a slip until
            `settle`.

        Raises
        ------
        JournalError
            It cannot be written, or the client id or the decision's part has been used.
        """
        slip, meant = slip_of(request, session, decision, part, now_ms), (session, decision, part)
        if synced or self._slips is None or session not in self._sessions:
            self._write(statements_of(slip), synced)
        elif meant in self._meant:
            raise JournalError(f"{self._path}: expected an order that is new, was one of {meant}")
        else:
            try:
                self._slips.write(slip)
            except OSError as error:
                raise JournalError(f"{self._path}: expected to write, was {error}") from None
            self._unsettled.append(slip)
        self._meant.add(meant)

    def settle(self) -> None:
        """Make rows of slips.

        Raises
        ------
        JournalError
            They cannot be written; the slips stay.
        """
        if not self._unsettled:
            return
        rows = [row for slip in self._unsettled for row in statements_of(slip)]
        self._commit(tuple(rows), False)
        self._unsettled.clear()
        if self._slips is not None and self._slips.full:
            with contextlib.suppress(OSError):  # they have rows: whoever reads them sees that
                self._slips.clear()

    def rehearse(self, request: OrderRequest, session: int, decision: int, now_ms: int) -> None:
        """What `intend` does for a reserved name, leaving nothing."""
        if self._slips is not None:
            self._slips.rehearse(slip_of(request, session, decision, 0, now_ms))

    def update(
        self,
        client_id: str,
        state: State,
        now_ms: int,
        detail: str = "",
        venue_id: str | None = None,
        filled: Decimal | None = None,
        cost: Decimal | None = None,
    ) -> None:
        """Write a new state of an order and what led to it.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        sql = (
            "UPDATE orders SET state = ?, updated_ms = ?, venue_id = coalesce(?, venue_id),"
            " filled = coalesce(?, filled), cost = coalesce(?, cost) WHERE client_id = ?"
        )
        values = (
            state.value,
            now_ms,
            venue_id or None,
            None if filled is None else str(filled),
            None if cost is None else str(cost),
            client_id,
        )
        self._write(((sql, values), event_of(client_id, now_ms, state.value, detail)))

    def note(self, client_id: str, kind: str, detail: str, now_ms: int) -> None:
        """Write an event that changes no order.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        self._write((event_of(client_id, now_ms, kind, detail),))

    def order(self, client_id: str) -> OrderRow | None:
        """An order, None where there is none."""
        rows = self._orders("WHERE client_id = ?", (client_id,))
        return rows[0] if rows else None

    def unfinished(self) -> list[OrderRow]:
        """Orders in no final state, of all sessions, in the order of their making."""
        marks = ", ".join("?" * len(FINAL))
        return self._orders(f"WHERE state NOT IN ({marks})", tuple(s.value for s in FINAL))

    def orders(self, session: int | None = None) -> list[OrderRow]:
        """Orders of a session or of all."""
        if session is None:
            return self._orders("", ())
        return self._orders("WHERE session = ?", (session,))

    def last_decision(self, session: int) -> int:
        """Largest decision number of a session, 0 for none."""
        sql = "SELECT coalesce(max(decision), 0) FROM orders WHERE session = ?"
        return int(self._read(sql, (session,))[0][0])

    def events(self, client_id: str) -> list[tuple[int, str, str]]:
        """Time, kind and detail of what happened to an order."""
        sql = "SELECT time_ms, kind, detail FROM events WHERE client_id = ? ORDER BY number"
        return [(int(t), str(k), str(d)) for t, k, d in self._read(sql, (client_id,))]

    # fills

    def add_fills(self, fills: list[tuple[str, Fill]]) -> int:
        """Write fills with the client ids of their orders; those that are there already stay.

        Returns
        -------
        int
            Fills that are new.

        Raises
        ------
        JournalError
            They cannot be written.
        """
        sql = "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self.settle()
        before = self._db.total_changes
        self._write(
            tuple(
                (
                    sql,
                    (
                        fill.symbol,
                        fill.trade_id,
                        client_id,
                        fill.side,
                        str(fill.price),
                        str(fill.qty),
                        str(fill.fee),
                        fill.fee_asset,
                        int(fill.maker),
                        fill.time_ms,
                    ),
                )
                for client_id, fill in fills
            )
        )
        return self._db.total_changes - before

    def fills(self, session: int) -> list[Fill]:
        """Fills of a session's orders, oldest first."""
        sql = (
            "SELECT trade_id, orders.venue_id, fills.symbol, fills.side, fills.price, fills.qty,"
            " fee, fee_asset, maker, time_ms FROM fills JOIN orders USING (client_id)"
            " WHERE session = ? ORDER BY time_ms, trade_id"
        )
        return [
            Fill(
                str(trade_id),
                str(venue_id),
                str(symbol),
                str(side),
                Decimal(price),
                Decimal(qty),
                Decimal(fee),
                str(fee_asset),
                bool(maker),
                int(time_ms),
            )
            for trade_id, venue_id, symbol, side, price, qty, fee, fee_asset, maker, time_ms in (
                self._read(sql, (session,))
            )
        ]

    def position(self, symbol: str) -> Decimal:
        """Sum of all fills of a symbol, sales below 0, less fees taken in the base asset."""
        sql = "SELECT side, qty, fee, fee_asset FROM fills WHERE symbol = ?"
        base, total = symbol.partition("/")[0], _ZERO
        for side, qty, fee, fee_asset in self._read(sql, (symbol,)):
            total += Decimal(qty) if side == "buy" else -Decimal(qty)
            if fee_asset == base:
                total -= Decimal(fee)
        return total

    def fill_qty(self, client_id: str) -> Decimal:
        """Sum of the fills of an order."""
        sql = "SELECT qty FROM fills WHERE client_id = ?"
        return sum((Decimal(row[0]) for row in self._read(sql, (client_id,))), _ZERO)

    def last_fill_ms(self, symbol: str) -> int:
        """Time of the newest fill of a symbol, 0 for none."""
        sql = "SELECT coalesce(max(time_ms), 0) FROM fills WHERE symbol = ?"
        return int(self._read(sql, (symbol,))[0][0])

    def base(self, symbol: str) -> Decimal | None:
        """Position that the fills add to, None where it was never looked at."""
        rows = self._read("SELECT qty FROM bases WHERE symbol = ?", (symbol,))
        return Decimal(str(rows[0][0])) if rows else None

    def set_base(self, symbol: str, qty: Decimal, now_ms: int) -> None:
        """Write the position that the fills add to.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        sql = "INSERT OR REPLACE INTO bases VALUES (?, ?, ?)"
        event = event_of("", now_ms, "base", symbol)
        self._write(((sql, (symbol, str(qty), now_ms)), event), synced=True)

    def began_ms(self) -> int:
        """Time of the first session, 0 where there is none."""
        return int(str(self._read("SELECT coalesce(min(started_ms), 0) FROM sessions")[0][0]))

    # inside

    def _write(self, statements: tuple[Statement, ...], synced: bool = False) -> int:
        self.settle()
        return self._commit(statements, synced)

    def _commit(self, statements: tuple[Statement, ...], synced: bool) -> int:
        row = 0
        try:
            if synced is not self._synced:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
                self._synced = synced
            self._db.execute("BEGIN IMMEDIATE")
            for number, (sql, values) in enumerate(statements):
                cursor = self._db.execute(sql, values)
                if not number:
                    row = cursor.lastrowid or 0
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise JournalError(f"{self._path}: expected to write, was {error}") from None
        return row

    def _read(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        self.settle()
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: expected to read, was {error}") from None

    def _orders(self, where: str, values: tuple[object, ...]) -> list[OrderRow]:
        rows = self._read(
            "SELECT client_id, symbol, side, qty, price, tif, reduce_only, trigger, session,"
            " decision, slice, state, venue_id, filled, cost, created_ms, updated_ms"
            f" FROM orders {where} ORDER BY session, decision, slice",
            values,
        )
        return [row_of(row) for row in rows]
