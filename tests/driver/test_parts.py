# SPDX-License-Identifier: Apache-2.0
"""Decisions too large for one order: in parts at the venue, one order for the fabric."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from host.contract.records import InKind
from host.execution.journal import State
from host.paper.faults import Fault
from tests.driver.floor import SYMBOL, Floor, floor
from tests.paper.rest import run

D = Decimal
LARGEST = D("1")
SYMBOLS = [{"name": SYMBOL, "largest": LARGEST}]


def sizes(desk: Floor) -> list[Decimal]:
    """Quantities of the session's orders, in the order of their making."""
    rows = desk.session.journal.orders(desk.session.number)
    return [row.request.qty for row in rows]


def slots_are_free(desk: Floor) -> None:
    assert desk.session.bridge.open_lots == 0
    assert not desk.session.bridge.open_decisions
    assert not desk.session.bridge.odd


@pytest.mark.parametrize("twap_ms", [0, 4000])
def test_parts_are_no_larger_than_allowed_and_add_up(twap_ms: int, tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS, orders={"twap_ms": twap_ms}) as desk:
            began_ms = desk.clock()
            await desk.trade("buy")
            parts = sizes(desk)
            assert len(parts) == 4
            assert max(parts) <= LARGEST
            assert max(parts) - min(parts) <= D("0.003")
            assert desk.position() == sum(parts) == D("3.316")
            assert desk.board.reports(InKind.FILL) == 3316
            if twap_ms:
                assert desk.clock() - began_ms >= twap_ms * 3 // 4
            slots_are_free(desk)
            assert not (await desk.end()).problems
            desk.account()

    run(test)


def test_an_exit_is_not_stretched_over_time(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS, orders={"twap_ms": 600_000}) as desk:
            desk.session.driver.parts, parts = None, desk.session.driver.parts
            await desk.trade("buy")
            desk.session.driver.parts = parts
            wanted = desk.session.bridge.wanted
            found = []

            def seen(out):  # type: ignore[no-untyped-def]
                rows = [row._replace(reduce_only=True) for row in wanted(out)]
                found.extend(rows)
                return rows

            desk.session.bridge.wanted = seen  # type: ignore[method-assign]
            began_ms = desk.clock()
            await desk.trade("sell")
            assert len(found) == 1
            assert desk.session.driver.counters["parts"] > 1
            assert desk.clock() - began_ms < 60_000
            assert not (await desk.end()).problems

    run(test)


def test_a_part_that_is_not_filled_in_full_ends_the_decision(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS) as desk:
            desk.hand.depth([], [("101.0", "1.5")])
            desk.hand.depth([("100.0", "90")])
            await desk.until(lambda: desk.session.driver.counters["divided"] == 1)
            await desk.until(lambda: desk.session.driver.under_way == 0)
            rows = desk.session.journal.orders(desk.session.number)
            assert [row.state for row in rows] == [State.FILLED, State.EXPIRED]
            assert D(1) < desk.position() <= D("1.5")
            slots_are_free(desk)
            assert not (await desk.end()).problems
            desk.account()

    run(test)


@pytest.mark.parametrize("kind", ["hang_after", "drop_after", "hang_before", "drop_before"])
def test_a_part_whose_answer_is_lost_is_asked_for_and_never_sent_twice(
    kind: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS) as desk:
            desk.server.venue.faults.arm(Fault(kind, "POST", "/order"))
            await desk.trade("buy")
            names = [order.asked.client_id for order in desk.hand.exchange.orders.values()]
            assert len(names) == len(set(names))
            assert sum(sizes(desk)) <= D("3.316")
            slots_are_free(desk)
            assert not (await desk.end()).problems
            desk.account()

    run(test)


def test_what_makes_up_for_an_empty_book_is_no_larger_than_allowed(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS, orders={"twap_ms": 60_000}) as desk:
            session = desk.session
            desk.hand.depth([("100.0", "90")], [("101.0", "0.001")])
            await desk.until(lambda: session.driver.counters["parts"] >= 1)
            desk.hand.depth([("100.0", "5")], [("101.0", "4")])
            await desk.until(lambda: session.driver.under_way == 0)
            parts = sizes(desk)
            assert len(parts) >= 4
            assert max(parts) <= LARGEST
            assert not (await desk.end()).problems

    run(test)


def test_who_stands_down_and_up_again_sends_no_part_of_what_was_before(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS, orders={"twap_ms": 60_000}) as desk:
            session = desk.session
            assert session.driver.parts is not None
            hours = asyncio.Event()

            async def slow(_seconds: float) -> None:
                await hours.wait()

            session.driver.parts._sleep = slow
            desk.hand.depth([("100.0", "90")])
            await desk.until(lambda: session.driver.counters["parts"] == 1)
            sent = sizes(desk)
            desk.hand.depth([("100.0", "5")])
            session.standing.pause("a person has paused it")
            assert await session.standing.resume() == "trading"
            assert session.driver.under_way == 0
            hours.set()
            for _ in range(200):
                await asyncio.sleep(0)
            assert sizes(desk) == sent
            slots_are_free(desk)
            assert not (await desk.end()).problems
            desk.account()

    run(test)


def test_orders_that_are_halted_end_a_decision_between_two_parts(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, symbol=SYMBOLS, orders={"twap_ms": 60_000}) as desk:
            session = desk.session
            desk.hand.depth([("100.0", "90")])
            await desk.until(lambda: session.driver.counters["parts"] == 1)
            session.standing.pause("a person has paused it")
            await desk.until(lambda: session.driver.under_way == 0)
            assert len(sizes(desk)) == 1
            slots_are_free(desk)
            assert not (await desk.end()).problems
            desk.account()

    run(test)
