# SPDX-License-Identifier: Apache-2.0
"""Intents on slips: rows of the journal however the process ends."""

import os
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from host.execution.journal import Journal, JournalError, State
from host.execution.slips import Slips
from host.venues.interface import OrderRequest

D = Decimal


def request(name: str) -> OrderRequest:
    return OrderRequest(name, "BTC/USDT:USDT", "buy", D("0.002"), D("60000.1"), "IOC", True)


def begun(folder: Path) -> tuple[Journal, int]:
    journal = Journal(folder / "journal.db")
    return journal, journal.begin_session("binanceusdm", "paper", 1)


def left_by_a_crash(folder: Path, to: Path) -> Path:
    """What a process that dies now leaves on the disk."""
    shutil.copytree(folder, to)
    return to / "journal.db"


def test_a_slip_is_a_row_after_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    journal, session = begun(folder)
    names = [f"order{number}" for number in range(3)]
    for number, name in enumerate(names):
        journal.intend(request(name), session, number, 0, 5 + number, synced=False)
    path = left_by_a_crash(folder, tmp_path / "second")
    with sqlite3.connect(path) as rows:
        assert rows.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    rows.close()
    again = Journal(path)
    found = again.orders(session)
    assert [row.request for row in found] == [request(name) for name in names]
    assert {row.state for row in found} == {State.INTENT}
    assert [row.created_ms for row in found] == [5, 6, 7]
    assert again.events("order1") == [(6, "intent", "")]
    again.close()
    once_more = Journal(path)
    assert len(once_more.orders()) == 3
    assert len(once_more.events("order1")) == 1
    once_more.close()
    assert [row.request for row in journal.orders(session)] == [request(name) for name in names]
    journal.close()


def test_a_slip_that_has_a_row_leaves_the_row_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    journal, session = begun(folder)
    journal.intend(request("one"), session, 1, 0, 5, synced=False)
    journal.update("one", State.FILLED, 6, filled=D("0.002"), cost=D("120.0002"))
    again = Journal(left_by_a_crash(folder, tmp_path / "second"))
    (row,) = again.orders()
    assert (row.state, row.filled) == (State.FILLED, D("0.002"))
    again.close()
    journal.close()


def test_no_decision_has_two_slips(tmp_path: Path) -> None:
    journal, session = begun(tmp_path)
    journal.intend(request("one"), session, 1, 0, 5, synced=False)
    for synced in (False, True):
        with pytest.raises(JournalError, match="expected"):
            journal.intend(request("two"), session, 1, 0, 6, synced=synced)
    journal.intend(request("three"), session, 2, 0, 7)
    with pytest.raises(JournalError, match="expected an order that is new"):
        journal.intend(request("four"), session, 2, 0, 8, synced=False)
    assert [row.request.client_id for row in journal.orders()] == ["one", "three"]
    journal.close()


def test_of_another_session_an_intent_is_a_row_at_once(tmp_path: Path) -> None:
    journal, session = begun(tmp_path)
    journal.intend(request("one"), session, 1, 0, 5)
    journal.close()
    again = Journal(tmp_path / "journal.db")
    with pytest.raises(JournalError, match="UNIQUE"):
        again.intend(request("two"), session, 1, 0, 6, synced=False)
    again.close()


def test_a_row_that_cannot_be_written_stays_a_slip(tmp_path: Path) -> None:
    journal, session = begun(tmp_path)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(500):
        journal.intend(request(f"order{number}"), session, number, 0, 5, synced=False)
    with pytest.raises(JournalError, match="full"):
        journal.settle()
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert len(again.orders(session)) == 500
    again.close()


def test_the_file_of_slips_does_not_grow_with_a_session(tmp_path: Path) -> None:
    journal, session = begun(tmp_path)
    size = (tmp_path / "journal.db-slips").stat().st_size
    for number in range(3000):
        journal.intend(request(f"order{number}"), session, number, 0, 5, synced=False)
        journal.settle()
    assert (tmp_path / "journal.db-slips").stat().st_size == size
    assert len(journal.orders()) == 3000
    journal.close()


@pytest.mark.parametrize("damage", [b"c", b"\0" * 20])
def test_what_was_cut_off_or_rehearsed_is_no_slip(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "slips"
    slips = Slips(path, 2)
    slips.write(("a", 1))
    slips.rehearse(("never", 2))
    assert slips.read() == [("a", 1)]
    slips.write(("b", None))
    assert slips.read() == [("a", 1), ("b", None)]
    with path.open("r+b") as file:
        file.seek(path.read_bytes().rindex(b"b"))
        file.write(damage)
    assert slips.read() == [("a", 1)]
    slips.clear()
    assert not slips.read()
    slips.write(("c", 3))
    slips.close()
    assert Slips(path, 2).read() == [("c", 3)]
    assert not Slips(path, 3).read()


def test_no_room_for_slips_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    journal, session = begun(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        journal.rehearse(request("never"), session, 1, 5)
        with pytest.raises(JournalError, match="No space left"):
            journal.intend(request("one"), session, 1, 0, 5, synced=False)
    assert not journal.orders()
    journal.close()
    (tmp_path / "journal.db-slips").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(JournalError, match="No space left"):
            Journal(tmp_path / "journal.db")
