# SPDX-License-Identifier: Apache-2.0
"""Names, journal, the order's states, and the stop behind a position."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.execution.backstop import Backstop
from host.execution.journal import FINAL, Journal, JournalError, State
from host.execution.names import client_id, parse_client_id
from host.execution.orders import Orders
from host.venues.interface import OrderReport, OrderRequest, Status
from tests.execution.drill import drill
from tests.paper.rest import run

D = Decimal


@given(st.integers(0, 10**6), st.integers(0, 2**40), st.integers(0, 10**5))
def test_a_client_id_tells_what_it_was_made_of(session: int, decision: int, part: int) -> None:
    text = client_id("abc123", session, decision, part)
    assert parse_client_id(text) == ("abc123", session, decision, part)
    assert len(text) <= 32
    assert text.isalnum() and text == text.lower()


@given(st.text(max_size=40))
def test_other_names_are_none_of_ours(text: str) -> None:
    found = parse_client_id(text)
    assert found is None or client_id(*found) == text or text.count("x0") > 0


def test_different_orders_have_different_names() -> None:
    names = [client_id("abc123", s, d, p) for s in range(12) for d in range(12) for p in range(12)]
    assert len(set(names)) == 12**3


def request(name: str = "tgabc1231x1x0") -> OrderRequest:
    return OrderRequest(name, "BTC/USDT:USDT", "buy", D("0.10"), D("99.50"), "IOC")


def test_an_intent_is_on_disk_when_it_has_been_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    settings = [
        journal._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("journal_mode", "synchronous")
    ]
    assert settings == ["wal", 2]
    session = journal.begin_session("binanceusdm", "paper", 1)
    journal.intend(request(), session, 1, 0, 5)
    # as the disk is now, without the process: what a crash would leave behind
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    wal = path.with_name("journal.db-wal")
    copy.with_name("copy.db-wal").write_bytes(wal.read_bytes())
    with sqlite3.connect(copy) as other:
        rows = other.execute("SELECT client_id, state, qty, price FROM orders").fetchall()
    assert rows == [(request().client_id, "intent", "0.10", "99.50")]
    assert journal.order(request().client_id).request == request()  # type: ignore[union-attr]


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(JournalError, match="not a database"):
        Journal(path)
    with pytest.raises(JournalError):
        Journal(tmp_path / "missing" / "journal.db")


class Silent:
    """A venue nobody asks."""


reports = st.lists(
    st.tuples(st.sampled_from(list(Status)), st.integers(0, 10), st.booleans()), max_size=12
)


@given(reports)
def test_reports_only_move_an_order_forward(steps: list[tuple[Status, int, bool]]) -> None:
    journal = Journal(Path(":memory:"))
    session = journal.begin_session("v", "paper", 1)
    changes = []
    orders = Orders(Silent(), journal, session, lambda: 7, on_change=changes.append)  # type: ignore[arg-type]
    name = client_id(journal.instance, session, 1)
    asked = OrderRequest(name, "S", "buy", D(10), D(5))
    journal.intend(asked, session, 1, 0, 1)
    best, end = 0, None
    for status, filled, _ in steps:
        row = orders.take(
            OrderReport(name, "9", "S", "buy", status, D(10), D(filled), D(5 * filled), 1)
        )
        best = max(best, filled)
        if end is not None:
            assert row.state is end
        elif row.state in FINAL:
            end = row.state
        assert row.filled == best
    stored = journal.order(name)
    assert stored is not None
    assert stored.filled == best
    assert stored.state is (end or (State.OPEN if steps else State.INTENT))
    assert sum(change.filled for change in changes) == best
    assert orders.hear(OrderReport("x", "1", "S", "buy", Status.OPEN, D(1), D(0), D(0), 1)) is None
    assert orders.odd["foreign"] == 1


def test_a_position_always_has_its_stop(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            numbers = iter(range(100, 1000))
            stop = Backstop(desk.orders, desk.symbol, D("0.1"), D("0.02"), lambda: next(numbers))

            def waiting() -> list[tuple[int, int, int]]:
                found = [o for o in desk.hand.exchange.open.values() if not o.working]
                return [(o.side, o.asked.qty_lots, o.asked.stop_ticks) for o in found]

            await desk.orders.submit(1, desk.symbol, "buy", D(2))
            assert await stop.follow(D(2), D(101))
            assert waiting() == [(-1, 2000, 989)]  # 101 x 0.98 = 98.98, down to the grid
            await desk.orders.submit(2, desk.symbol, "buy", D(1))
            assert await stop.follow(D(3), D(101))
            assert waiting() == [(-1, 3000, 989)]
            assert await stop.follow(D(3), D(101))
            assert len(desk.hand.exchange.orders) == 4
            desk.hand.trade("98.9", "1", sold=True)
            assert desk.position() == 0
            assert (await desk.recover()).settled
            assert await stop.follow(D(0), D(0))
            assert stop.covered == 0
            await desk.orders.submit(3, desk.symbol, "sell", D(1))
            assert await stop.follow(D(-1), D("100.0"))
            assert waiting() == [(1, 1000, 1020)]
            assert await stop.follow(D(0), D(0))  # the stop goes with its position
            assert waiting() == []

    run(test)


def test_a_stop_that_is_adopted_while_it_is_placed_is_kept_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            numbers = iter(range(100, 1000))
            stop = Backstop(desk.orders, desk.symbol, D("0.1"), D("0.02"), lambda: next(numbers))
            begin = desk.orders._venue.begin

            def adopted(request):  # type: ignore[no-untyped-def]
                sending = begin(request)

                async def answered():  # type: ignore[no-untyped-def]
                    stop.adopt(desk.symbol)
                    return await sending

                return answered()

            await desk.orders.submit(1, desk.symbol, "buy", D(2))
            desk.orders._venue.begin = adopted
            assert await stop.follow(D(2), D(101))
            found = [o for o in desk.hand.exchange.open.values() if not o.working]
            assert [order.asked.qty_lots for order in found] == [2000]
            assert stop.covered == 2

    run(test)


def test_a_stop_distance_is_a_share() -> None:
    for distance in (D(0), D(1), D(-1)):
        with pytest.raises(ValueError, match="distance"):
            Backstop(None, "S", D(1), distance, lambda: 1)  # type: ignore[arg-type]
