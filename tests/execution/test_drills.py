# SPDX-License-Identifier: Apache-2.0
"""Faults between us and the venue. After each the accounts agree exactly: orders sent are orders
the venue has, each once, in the same state and with the same fills; positions are equal."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from host.execution.journal import Journal, JournalError, State
from host.paper.control import switch
from host.paper.faults import Fault
from host.venues.interface import Refused, StreamLost, Unknown, VenueFault
from tests.execution.drill import Desk, drill
from tests.paper.rest import run

D = Decimal
both = pytest.mark.parametrize("market", ["usdm", "spot"])
LOST = ["drop_before", "drop_during", "drop_after", "hang_before", "hang_after", "status_after"]


async def agreed(desk: Desk) -> None:
    """The drill is over: recovery settles, the accounts agree, and orders may be sent again."""
    agreement = await desk.recover()
    assert agreement.settled, agreement.differences
    assert desk.orders.halted == ""
    desk.account()
    again = await desk.recover()
    assert not again.differences


@both
@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("price", ["99", "101", None])
def test_a_submit_that_is_not_answered(
    market: str, kind: str, price: str | None, tmp_path: Path
) -> None:
    async def test() -> None:
        async with drill(tmp_path, market) as desk:
            desk.server.venue.faults.arm(Fault(kind, "POST", "/order"))
            row = await desk.orders.submit(
                1, desk.symbol, "buy", D(2), None if price is None else D(price)
            )
            arrived = not kind.endswith("before")
            states = {"99": State.OPEN, "101": State.FILLED, None: State.FILLED}
            assert row.state is (states[price] if arrived else State.ABSENT)
            assert len(desk.hand.exchange.orders) == arrived
            await agreed(desk)
            row = await desk.orders.submit(2, desk.symbol, "buy", D(1), D(98))
            assert row.state is State.OPEN
            desk.account()

    run(test)


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("kind", ["status", "status_after"])
def test_a_server_that_errs(status: int, kind: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            # the queries that follow err as well, for a while
            desk.server.venue.faults.arm(Fault(kind, "POST", "/order", status=status))
            desk.server.venue.faults.arm(Fault("status", "GET", "/order", 3, status=status))
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D(101))
            assert row.state is (State.FILLED if kind == "status_after" else State.ABSENT)
            await agreed(desk)

    run(test)


@pytest.mark.parametrize("status", [429, 418])
def test_a_venue_that_wants_no_more_requests(status: int, tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            fault = Fault("status", "POST", "/order", status=status, retry_after_s=20)
            desk.server.venue.faults.arm(fault)
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D(101))
            assert row.state is State.REJECTED
            requests = desk.server.venue.markets["usdm"].limiter.used(desk.clock())
            row = await desk.orders.submit(2, desk.symbol, "buy", D(2), D(101))
            assert row.state is State.REJECTED
            assert desk.server.venue.markets["usdm"].limiter.used(desk.clock()) == requests
            desk.clock.now_ms += 20_000
            row = await desk.orders.submit(3, desk.symbol, "buy", D(2), D(101))
            assert row.state is State.FILLED
            await agreed(desk)

    run(test)


def test_a_clock_that_runs_off(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            switch(desk.server, "clock_skew_ms", 30_000)
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D(101))
            assert row.state is State.REJECTED
            await desk.venue.clock_offset_ms()
            row = await desk.orders.submit(2, desk.symbol, "buy", D(2), D(101))
            assert row.state is State.FILLED
            await agreed(desk)

    run(test)


def test_an_order_that_arrives_after_it_was_asked_for(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path, order_latency_us=3_000_000) as desk:
            # the answer is lost, and the order reaches the market only while we ask for it
            async def time_passes(seconds: float) -> None:
                await desk.clock.sleep(seconds)
                desk.server.venue.clock.advance(desk.server.venue.clock.now_us + int(seconds * 1e6))
                await asyncio.sleep(0)

            desk.orders._sleep = time_passes
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D(101))
            assert row.state is State.FILLED
            assert "unknown" in [kind for _, kind, _ in desk.journal.events(row.request.client_id)]
            await agreed(desk)

    run(test)


def test_a_cancel_that_is_not_answered(tmp_path: Path) -> None:
    async def test() -> None:
        for number, kind in enumerate(LOST):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with drill(folder) as desk:
                row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D(99))
                # a DELETE whose connection was closed is sent once more by the client
                desk.server.venue.faults.arm(Fault(kind, "DELETE", "/order", 2))
                row = await desk.orders.cancel(row.request.client_id)
                if kind.endswith("before"):
                    assert row.state is State.OPEN
                    desk.server.venue.faults.clear()
                    row = await desk.orders.cancel(row.request.client_id)
                assert row.state is State.CANCELED
                await agreed(desk)

    run(test)


def test_a_partial_fill_that_races_a_cancel(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D("100.5"))
            desk.hand.trade("100.5", "0.7", sold=True)
            row = await desk.orders.cancel(row.request.client_id)
            assert (row.state, row.filled) == (State.CANCELED, D("0.7"))
            row = await desk.orders.submit(2, desk.symbol, "buy", D(2), D("100.5"))
            desk.hand.trade("100.5", "2", sold=True)  # filled before the cancel arrives
            row = await desk.orders.cancel(row.request.client_id)
            assert (row.state, row.filled) == (State.FILLED, D(2))
            assert [c.filled for c in desk.changes if c.filled] == [D("0.7"), D(2)]
            await agreed(desk)

    run(test)


def test_fills_nobody_told_us_of(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            switch(desk.server, "mute_user", 1)
            await desk.orders.submit(1, desk.symbol, "buy", D(2), D("100.5"))
            desk.hand.trade("100.5", "0.5", sold=True)
            agreement = await desk.recover()
            kinds = {difference.kind for difference in agreement.differences}
            assert kinds == {"missing_report", "missing_fill"}
            await agreed(desk)

    run(test)


@pytest.mark.parametrize("loss", ["cut_sockets", "end_listen_keys"])
def test_a_user_stream_that_ends_is_noticed_and_made_good(loss: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D("100.5"))
            watching = asyncio.ensure_future(desk.venue.watch_orders(desk.symbol))
            while not desk.hand.market.user_connections:
                await asyncio.sleep(0.001)
            desk.hand.trade("100.5", "0.5", sold=True)
            for report in await watching:
                desk.orders.hear(report)
            assert desk.orders.row(row.request.client_id).filled == D("0.5")
            watching = asyncio.ensure_future(desk.venue.watch_orders(desk.symbol))
            await asyncio.sleep(0.01)
            switch(desk.server, loss, 1)
            desk.hand.trade("100.5", "0.5", sold=True)
            with pytest.raises(StreamLost):
                await asyncio.wait_for(watching, 5)
            agreement = await desk.recover()
            assert agreement.settled
            assert desk.orders.row(row.request.client_id).filled == D(1)
            await agreed(desk)

    run(test)


def test_a_server_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            row = await desk.orders.submit(1, desk.symbol, "buy", D(2), D("100.5"))
            await desk.server.disconnect()
            lost = await desk.orders.submit(2, desk.symbol, "buy", D(1), D(99))
            assert lost.state is State.UNKNOWN  # nobody could be asked
            with pytest.raises(VenueFault):
                await desk.recover()
            assert desk.orders.halted
            with pytest.raises(Refused, match="halted"):
                await desk.orders.submit(3, desk.symbol, "buy", D(1), D(99))
            desk.hand.trade("100.5", "2", sold=True)  # the market goes on without us
            await desk.server.start()
            await agreed(desk)
            assert desk.orders.row(row.request.client_id).state is State.FILLED
            assert desk.orders.row(lost.request.client_id).state is State.ABSENT

    run(test)


@both
def test_a_process_that_ends_between_intent_and_answer(market: str, tmp_path: Path) -> None:
    async def test() -> None:
        for kind in ("drop_before", "drop_after"):
            folder = tmp_path / kind
            folder.mkdir()
            async with drill(folder, market) as desk:
                desk.server.venue.faults.arm(Fault(kind, "POST", "/order"))
                desk.server.venue.faults.arm(Fault("hang_before", "GET", "/order", 100))
                sending = asyncio.ensure_future(
                    desk.orders.submit(1, desk.symbol, "buy", D(2), D(101))
                )
                while not desk.server.venue.faults.hits.get("hang_before"):
                    await asyncio.sleep(0.001)
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                await desk.close()
                desk.server.venue.faults.clear()
                agreement = await desk.open()
                assert agreement.settled
                (row,) = desk.journal.orders()
                assert row.state is (State.FILLED if kind == "drop_after" else State.ABSENT)
                await agreed(desk)

    run(test)


def test_a_full_disk_sends_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            await desk.orders.submit(1, desk.symbol, "buy", D(1), D(99))
            pages = desk.journal._db.execute("PRAGMA page_count").fetchone()[0]
            desk.journal._db.execute(f"PRAGMA max_page_count = {pages}")
            number = 1
            with pytest.raises(JournalError, match="full"):
                for number in range(2, 500):
                    await desk.orders.submit(number, desk.symbol, "buy", D("0.1"), D(99))
            sent = {o.asked.client_id for o in desk.hand.exchange.orders.values()}
            assert desk.orders.halted == "journal"
            with pytest.raises(Refused):
                await desk.orders.submit(1000, desk.symbol, "buy", D(1), D(99))
            written = {row.request.client_id for row in desk.journal.orders()}
            assert sent <= written
            assert len(desk.hand.exchange.orders) == len(sent)
            await desk.close()  # the disk has room again
            assert (await desk.open()).settled
            await agreed(desk)

    run(test)


def test_a_journal_belongs_to_one_process(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            with pytest.raises(JournalError, match="locked"):
                Journal(desk.path)

    run(test)


def test_orders_at_the_venue_that_nobody_follows_are_cancelled(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            desk.hand.buy("1", "99.0", client_id=f"tg{desk.journal.instance}1x9x0")
            other = desk.hand.buy("1", "98.0", client_id="somebody-else")
            agreement = await desk.recover()
            assert {d.kind for d in agreement.differences} == {"orphan", "foreign"}
            assert agreement.settled
            assert list(desk.hand.exchange.open) == [other.order_id]

    run(test)


def test_a_position_that_is_not_ours_keeps_orders_halted_until_it_is_accepted(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            desk.hand.buy("1")  # somebody else trades in the same account
            agreement = await desk.recover()
            assert "position" in {d.kind for d in agreement.differences}
            assert not agreement.settled
            with pytest.raises(Refused):
                await desk.orders.submit(1, desk.symbol, "buy", D(1), D(99))
            from host.execution.recovery import Recovery

            recovery = Recovery(desk.venue, desk.journal, desk.orders, [desk.symbol], desk.clock)
            recovery.accept(desk.symbol, D(1))
            assert (await recovery.run()).settled
            assert (
                await desk.orders.submit(1, desk.symbol, "buy", D(1), D(99))
            ).state is State.OPEN

    run(test)


def test_a_name_that_is_taken_is_not_sent_under_another(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            await desk.orders.submit(1, desk.symbol, "buy", D(1), D(99))
            with pytest.raises(JournalError, match="UNIQUE"):
                await desk.orders.submit(1, desk.symbol, "buy", D(1), D(99))
            assert len(desk.hand.exchange.orders) == 1

    run(test)


def test_a_cancel_whose_end_nobody_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            row = await desk.orders.submit(1, desk.symbol, "buy", D(1), D(99))
            await desk.server.disconnect()
            with pytest.raises(Unknown):
                await desk.orders.cancel(row.request.client_id)
            await desk.server.start()
            await agreed(desk)

    run(test)
