# SPDX-License-Identifier: Apache-2.0
"""Faults of a whole session. Each ends with the same accounting: orders sent are orders the venue
has, each once; positions are equal; the fabric is halted or agrees."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from host.contract.records import InKind, KillCause, Mode
from host.driver.rehearsal import Rehearsal
from host.driver.session import Phase
from host.links.base import LinkError
from host.paper.control import switch
from host.paper.faults import Fault
from tests.driver.floor import Floor, floor
from tests.paper.rest import run

D = Decimal
SUBMITS = ["drop_before", "drop_during", "drop_after", "hang_before", "hang_after", "status_after"]


async def back(desk: Floor) -> None:
    """It stood, and trades again with a whole book."""
    await desk.until(lambda: desk.session.phase is Phase.TRADING)
    await desk.synced()
    await desk.trade("sell")


async def over(desk: Floor, *, recovers: bool = True) -> None:
    """End it, compare, and start once more."""
    await desk.end()
    desk.account()
    if recovers:
        await desk.recover()
        desk.account()


@pytest.mark.parametrize("kind", SUBMITS)
def test_a_connection_cut_around_a_submit(kind: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            desk.server.venue.faults.arm(Fault(kind, "POST", "/order"))
            await desk.trade("buy")
            assert len(desk.hand.exchange.orders) >= (not kind.endswith("before"))
            await over(desk)

    run(test)


@pytest.mark.parametrize("status", [500, 503, 429, 418])
def test_a_venue_that_errs_or_wants_no_more(status: int, tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            wait_s = 20 if status in (429, 418) else None
            fault = Fault("status", "POST", "/order", status=status, retry_after_s=wait_s)
            desk.server.venue.faults.arm(fault)
            await desk.trade("buy")
            assert not desk.hand.exchange.orders
            until_ms = desk.clock() + 25_000
            await desk.until(lambda: desk.clock() > until_ms)
            await desk.trade("buy")
            assert desk.hand.exchange.orders
            await over(desk)

    run(test)


def test_a_clock_that_runs_off(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            switch(desk.server, "clock_skew_ms", 30_000)
            await desk.trade("buy")
            assert not desk.hand.exchange.orders
            switch(desk.server, "clock_skew_ms", 0)
            await desk.trade("buy")
            assert desk.hand.exchange.orders
            await over(desk)

    run(test)


def test_a_gap_in_the_sequence_is_silence_until_the_next_snapshot(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            sent = len(desk.hand.exchange.orders)
            # the venue gives one snapshot in five seconds: until then the fabric knows nothing
            desk.session.driver._asked_ms["BTCUSDT"] = desk.clock()
            switch(desk.server, "depth_gap", 1)
            desk.hand.depth([("99.5", "7")])
            desk.hand.depth([("100.0", "90")])
            await desk.until(lambda: desk.session.feed.counters["gap"] == 1)
            assert len(desk.hand.exchange.orders) == sent
            desk.hand.depth([("100.0", "5"), ("99.5", "0")])
            until_ms = desk.clock() + 10_000
            await desk.until(lambda: desk.clock() > until_ms)
            desk.hand.depth()
            await desk.synced()
            await desk.trade("sell")
            await over(desk)

    run(test)


def test_a_market_stream_that_falls_silent(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, feed={"silent_ms": 5_000}) as desk:
            await desk.trade("buy")
            switch(desk.server, "silent", 1)
            await desk.until(lambda: desk.session.driver.counters["feed_lost"] > 0)
            assert desk.board.model._register["mode"] == int(Mode.HALTED)
            switch(desk.server, "silent", 0)
            await desk.until(lambda: desk.session.market.counters["connections"] > 1)
            for _ in range(200):
                desk.hand.depth()
                await asyncio.sleep(0)
                if desk.session.phase is Phase.TRADING:
                    break
            await back(desk)
            await over(desk)

    run(test)


@pytest.mark.parametrize("loss", ["cut_sockets", "end_listen_keys"])
def test_streams_that_end(loss: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            switch(desk.server, loss, 1)
            await desk.until(lambda: desk.session.driver.counters["user_stream_lost"] > 0)
            for _ in range(2000):
                desk.hand.depth()
                await asyncio.sleep(0)
                if desk.session.phase is Phase.TRADING:
                    break
            await back(desk)
            await over(desk)

    run(test)


def test_a_link_that_is_lost(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            sent = len(desk.hand.exchange.orders)
            desk.board.lost = "link: expected an answer, was none"
            desk.hand.depth([("100.0", "90")])
            assert desk.task is not None
            outcome = await asyncio.wait_for(desk.task, 60)
            assert "link" in outcome.reason
            assert outcome.problems  # nobody could halt the board: its own watchdog has to
            assert len(desk.hand.exchange.orders) == sent
            desk.board.lost = ""
            desk.board.model.write("kill", 1)  # as its watchdog does
            desk.account()
            await desk.recover()
            desk.account()

    run(test)


def test_a_lost_link_that_somebody_busy_heard_of_ends_the_session_too(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            desk.board.lost = "link: expected an answer, was none"
            session = desk.session
            session.bridge.put(InKind.HEARTBEAT)
            with pytest.raises(LinkError):
                session.driver.flush()  # as by a stand-down that goes on without the board
            desk.board.lost = ""  # nobody knows what of the records came through
            assert desk.task is not None
            outcome = await asyncio.wait_for(desk.task, 60)
            assert "link" in outcome.reason
            desk.board.model.write("kill", 1)  # as its watchdog does
            desk.account()
            await desk.recover()
            desk.account()

    run(test)


def test_frames_that_come_while_it_stops_reach_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            session, stop = desk.session, desk.session.standing.stop
            frames: list[int] = []

            async def stopping() -> None:
                taken = session.feed.counters["frames"]
                received = session.market.counters["frames"]
                for price in range(20):
                    desk.hand.depth([(f"{90 + price}.0", "1")])
                    await asyncio.sleep(0.005)
                frames.append(session.market.counters["frames"] - received)
                assert session.feed.counters["frames"] == taken
                await stop()

            monkeypatch.setattr(session.standing, "stop", stopping)
            await desk.end()
            desk.account()
            assert frames[0] > 0

    run(test)


def test_a_rehearsal_that_fails_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(_: Rehearsal) -> None:
        raise ValueError("forgot the text")

    monkeypatch.setattr(Rehearsal, "once", once)

    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.until(lambda: desk.session.driver.counters["rehearsals_failed"] == 1)
            await desk.trade("buy")
            assert desk.session.phase is Phase.TRADING
            await over(desk)

    run(test)


def test_a_server_that_restarts(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            await desk.server.disconnect()
            await desk.until(lambda: desk.session.phase is Phase.STANDING)
            assert desk.board.model._register["mode"] == int(Mode.HALTED)
            await desk.server.start()
            for _ in range(4000):
                desk.hand.depth()
                await asyncio.sleep(0)
                if desk.session.phase is Phase.TRADING:
                    break
            await back(desk)
            await over(desk)

    run(test)


def test_a_clock_of_this_machine_that_jumps(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            steady = desk.clock.steady_ns
            desk.session.steady_ns = lambda: steady() - 3_000 * 1_000_000
            await desk.until(lambda: desk.session.phase is Phase.STANDING)
            assert any("jumped by 3000 ms" in text for text in desk.said)
            assert desk.session.standing.needs_person
            assert await desk.session.standing.resume() == "trading"
            await over(desk)

    run(test)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            db = desk.session.journal._db
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages}")
            for _ in range(200):
                desk.hand.depth([("100.0", "90")])
                for _ in range(20):
                    await asyncio.sleep(0)
                desk.hand.depth([("100.0", "5")])
                if desk.session.orders.halted:
                    break
            assert desk.session.orders.halted == "journal"
            sent = len(desk.hand.exchange.orders)
            outcome = await desk.end()
            assert "full" in outcome.reason + str(outcome.problems)
            assert len(desk.hand.exchange.orders) == sent
            await desk.recover()
            desk.account()

    run(test)


def test_partial_fills_leave_nothing_open(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, risk={"orders_a_position": 10}) as desk:
            await desk.trade("buy")  # wants 99, four are there
            (order,) = desk.hand.exchange.orders.values()
            assert order.status == "EXPIRED" and 0 < order.filled_lots < order.asked.qty_lots
            assert desk.session.bridge.open_lots == 0
            await over(desk)

    run(test)


def test_a_board_that_has_killed_trades_again_only_when_it_is_rearmed(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            standing, model = desk.session.standing, desk.board.model
            standing.pause("a person has paused it")
            model.gate.kill(KillCause.PIN)
            said = await standing.resume()
            assert "expected no cause of a kill, was <KillCause.PIN" in said
            assert desk.session.phase is Phase.STANDING
            assert model._register["mode"] == int(Mode.HALTED)
            assert await standing.rearm() == "re-armed"
            assert await standing.resume() == "trading"
            await over(desk)

    run(test)


def test_a_board_whose_kill_input_is_held_begins_no_session(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await over(desk, recovers=False)
            reset = desk.board.write

            def held(name: str, value: int) -> None:
                reset(name, value)
                if name == "control":
                    desk.board.model.gate.kill(KillCause.PIN)

            desk.board.write = held  # type: ignore[method-assign]
            with pytest.raises(LinkError, match=r"after its reset, was <KillCause.PIN.*held\?"):
                await desk.fresh().run()
            assert desk.board.model._register["mode"] == int(Mode.HALTED)

    run(test)
