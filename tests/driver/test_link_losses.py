# SPDX-License-Identifier: Apache-2.0
"""A link that loses frames: what was under way is looked up at the venue before it trades again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from host.contract.records import InKind, Mode, OutKind
from host.driver.control import Control
from host.driver.session import Phase
from host.links.base import LinkError
from tests.driver.floor import Floor, floor
from tests.paper.rest import run

LOST = "the link has lost frames"


async def back(desk: Floor) -> None:
    """It trades again, on a book that is whole again."""
    await desk.until(lambda: desk.session.phase is Phase.TRADING)
    desk.session.driver.tops.clear()
    desk.hand.depth()  # the fabric asks for its book
    await desk.synced()


def positions(desk: Floor) -> tuple[int, int]:
    gate = desk.board.model.gate.symbols[0]
    return gate.worst_long, gate.worst_short


def test_a_report_lost_on_the_way_is_told_as_a_position(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            session, told = desk.session, desk.board.transfer

            def lose_the_fill(records: Any) -> Any:
                if InKind.FILL in records["kind"].tolist() and not desk.board.lost_frames:
                    desk.board.losing = 1
                return told(records)

            desk.board.transfer = lose_the_fill  # type: ignore[method-assign]
            await desk.trade("buy")
            assert session.driver.counters["link_losses"] == 1
            assert any(LOST in text for text in desk.said)
            await back(desk)
            lots = int(desk.position() / session.symbols[0].lot)
            assert lots and positions(desk) == (lots, -lots)
            await desk.trade("sell")
            await desk.end()
            desk.account()

    run(test)


@pytest.mark.parametrize("arrives", [False, True])
def test_what_is_decided_in_a_transfer_with_a_loss_is_neither_sent_nor_open(
    tmp_path: Path, arrives: bool
) -> None:
    """The decision itself is lost on its way back, or it arrives and something else is lost."""

    async def test() -> None:
        async with floor(tmp_path) as desk:
            session, told = desk.session, desk.board.transfer

            def lose(records: Any) -> Any:
                out = told(records)
                decided = out[:, 0] == OutKind.DECISION
                if decided.any() and not desk.board.lost_frames:
                    desk.board.lost_frames += 1
                    return out if arrives else out[~decided]
                return out

            desk.board.transfer = lose  # type: ignore[method-assign]
            desk.hand.depth([("100.0", "90")])
            await desk.until(lambda: session.driver.counters["link_losses"] == 1)
            assert session.driver.counters["refused_full"] == arrives
            assert not desk.hand.exchange.orders
            desk.hand.depth([("100.0", "5")])
            await back(desk)
            assert positions(desk) == (0, 0)
            await desk.trade("buy")
            assert len(desk.hand.exchange.orders) == 1
            await desk.end()
            desk.account()

    run(test)


@pytest.mark.parametrize("times", [1, 2, 3, 7])
def test_positions_are_stated_until_they_have_arrived(tmp_path: Path, times: int) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            told = desk.board.transfer

            def lose_positions(records: Any) -> Any:
                left = times - desk.board.lost_frames
                if InKind.RECONCILE in records["kind"].tolist() and left > 0:
                    desk.board.losing = 1
                return told(records)

            desk.board.transfer = lose_positions  # type: ignore[method-assign]
            desk.session.standing.pause("a test", person=False)
            said = await desk.session.standing.resume()
            assert desk.board.lost_frames == min(times, 3)
            assert said == "standing" or ("a loss 3 times" in said and times >= 3)
            await back(desk)
            assert desk.board.lost_frames == times
            lots = int(desk.position() / desk.session.symbols[0].lot)
            assert positions(desk) == (lots, -lots)
            await desk.end()
            desk.account()

    run(test)


def test_a_comparison_that_is_lost_is_no_agreement(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            session = desk.session
            agreement = await session.recovery.run()
            agreement.positions[session.symbols[0].symbol] += 1
            desk.board.losing = 1
            (problem,) = await session.standing.compare(agreement)
            assert "of the venue in the fabric, was another" in problem
            desk.board.losing = 9
            with pytest.raises(LinkError, match="expected records to arrive, was a loss 3 times"):
                await session.standing.compare(agreement)
            desk.board.losing = 0
            await desk.end()

    run(test)


def test_a_mode_whose_answer_is_lost_does_not_trade(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            session, write = desk.session, desk.board.write
            session.standing.pause("a test")

            def unanswered(name: str, value: int) -> None:
                write(name, value)
                if (name, value) == ("mode", int(Mode.ACTIVE)):
                    raise LinkError("word 19: expected the write to be acknowledged, was not")

            desk.board.write = unanswered  # type: ignore[method-assign]
            said = await session.standing.resume()
            assert "expected the write to be acknowledged" in said
            assert session.phase is Phase.STANDING
            assert session.orders.halted
            assert desk.board.model._register["mode"] == int(Mode.HALTED)
            desk.board.write = write  # type: ignore[method-assign]
            assert await session.standing.resume() == "trading"
            await desk.end()
            desk.account()

    run(test)


def test_a_pause_while_it_stands_up_is_not_forgotten(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            session = desk.session
            session.standing.pause("a test")
            recover = session.recovery.run

            async def meanwhile() -> Any:
                found = await recover()
                session.standing.pause("the clock has jumped")
                session.orders.halted = ""
                return found

            session.recovery.run = meanwhile  # type: ignore[method-assign]
            assert await session.standing.resume() == "standing"
            assert session.orders.halted == "the clock has jumped"
            assert session.standing.needs_person
            session.recovery.run = recover  # type: ignore[method-assign]
            assert await session.standing.resume() == "trading"
            await desk.end()

    run(test)


def test_a_board_that_was_reset_ends_the_session(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            sent = len(desk.hand.exchange.orders)
            desk.board.model.write("control", 1)
            desk.board.losing = 1
            desk.hand.depth([("100.0", "90")])
            assert desk.task is not None
            outcome = await asyncio.wait_for(desk.task, 60)
            assert "the board was reset" in outcome.reason
            assert len(desk.hand.exchange.orders) == sent

    run(test)


def test_a_command_that_the_link_fails_is_answered_with_the_error(tmp_path: Path) -> None:
    def gone() -> str:
        raise LinkError("link uart: port is gone")

    async def test() -> None:
        found = await Control(tmp_path, {"rearm": gone})._answer(b'{"command": "rearm"}')
        assert found == {"error": "rearm: link uart: port is gone"}

    run(test)
