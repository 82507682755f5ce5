# SPDX-License-Identifier: Apache-2.0
"""The stop at the venue behind a session's position, wherever the position goes."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from host.driver.control import ask
from host.driver.session import Phase
from tests.driver.floor import SYMBOL, Floor, configured, floor
from tests.paper.rest import run

D = Decimal
BACKSTOP = {"backstop": D("0.02")}


def waiting(desk: Floor) -> list[tuple[int, int, int]]:
    """Side, lots and trigger ticks of the stops that wait at the venue."""
    found = [order for order in desk.hand.exchange.open.values() if not order.working]
    return [(order.side, order.asked.qty_lots, order.asked.stop_ticks) for order in found]


def lots(desk: Floor) -> int:
    return int(desk.position() / D("0.001"))


async def covered(desk: Floor) -> None:
    """Wait until one stop has the size of the position; none where there is no position."""
    await desk.until(lambda: [abs(lots(desk))] == [qty for _, qty, _ in waiting(desk)])


def test_a_stop_follows_the_position_and_stays_behind_it_at_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, orders=BACKSTOP) as desk:
            await desk.trade("buy")
            await covered(desk)
            ((side, _, trigger),) = waiting(desk)
            assert side == -1
            assert trigger == 989  # bought at 101.0: 98.98, down to the grid
            await desk.trade("buy")
            await covered(desk)
            await desk.trade("sell")
            await desk.trade("sell")
            await desk.trade("sell")
            await covered(desk)
            assert lots(desk) < 0 and waiting(desk)[0][0] == 1
            outcome = await desk.end()
            assert not outcome.problems
            await covered(desk)
            # the next session takes it over: still one, and of the new size
            before = waiting(desk)
            desk.session = desk.fresh()
            await desk.begin()
            await desk.trade("sell")
            await covered(desk)
            assert waiting(desk) != before
            assert not (await desk.end()).problems

    run(test)


def test_a_position_that_is_closed_at_the_end_leaves_no_stop(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, orders=BACKSTOP, stop={"flatten": True}) as desk:
            await desk.trade("buy")
            await covered(desk)
            outcome = await desk.end()
            assert not outcome.problems
            assert not waiting(desk)
            desk.account()

    run(test)


def test_while_a_session_stands_its_stop_stays(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, orders=BACKSTOP) as desk:
            await desk.trade("buy")
            await covered(desk)
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, ask, tmp_path, "pause") == "standing"
            before = waiting(desk)
            for _ in range(200):
                await asyncio.sleep(0)
            assert waiting(desk) == before
            assert await loop.run_in_executor(None, ask, tmp_path, "resume") == "trading"
            await covered(desk)
            assert not (await desk.end()).problems

    run(test)


def test_a_stop_that_is_filled_makes_the_session_stand_until_a_person_has_looked(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with floor(tmp_path, orders=BACKSTOP) as desk:
            session = desk.session
            await desk.trade("buy")
            await covered(desk)
            desk.hand.depth([("98.0", "5")], [("99.0", "4")])
            desk.hand.trade("98.9", "1", sold=True)
            await desk.until(lambda: session.phase is Phase.STANDING)
            assert desk.position() == 0
            assert session.standing.needs_person
            assert session.driver.counters["stops_filled"]
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, ask, tmp_path, "resume") == "trading"
            assert not (await desk.end()).problems
            desk.account()

    run(test)


def test_without_a_backstop_no_stop_is_placed(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            outcome = await desk.end()
            assert not outcome.problems
            assert not waiting(desk)
            assert desk.position() > 0

    run(test)


@pytest.mark.parametrize(("venue", "name"), [("binance", "BTC/USDT"), ("bybit", SYMBOL)])
def test_only_usdm_takes_a_backstop(venue: str, name: str) -> None:
    mode = "paper" if venue == "binance" else "testnet"
    with pytest.raises(ValidationError, match=r"orders\.backstop: expected 0 for the venue"):
        configured(venue=venue, mode=mode, symbol=[{"name": name}], orders=BACKSTOP)  # type: ignore[arg-type]
