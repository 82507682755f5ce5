# SPDX-License-Identifier: Apache-2.0
"""A whole session before a market written by hand, with the reference model as its board."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from host.contract.records import InKind, KillCause, Mode
from host.contract.registers import REGISTERS
from host.driver.control import ask
from host.driver.session import Phase
from host.links.base import LinkError
from host.settings import SettingError
from tests.driver.floor import SYMBOL, floor
from tests.paper.rest import run

D = Decimal


def test_a_session_trades_stops_and_all_three_agree(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            await desk.trade("sell")
            await desk.trade("buy")
            outcome = await desk.end()
            assert not outcome.problems
            assert outcome.facts["decisions"]["accepted"] >= 3
            assert desk.position() != 0
            assert desk.board.model.gate.kill_causes == int(KillCause.REGISTER)
            lots = int(desk.position() / D("0.001"))
            assert desk.board.reports(InKind.FILL) == lots
            desk.account()

    run(test)


def test_every_limit_register_is_written(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            written = desk.board.model._register
            row = desk.board.model.gate.symbols[0].limits
            assert row["mode"] == int(Mode.ACTIVE) and row["permit"] == 1
            assert row["max_position"] >= row["max_qty"] > 0
            assert row["lot_value"] and row["tick_value"]
            assert desk.board.model.gate.symbols[0].version
            names = {
                write.register
                for write in desk.session.sizes.write(
                    desk.session.prices, desk.session.watch.last_equity, True
                )
            }
            settable = {
                name
                for name, register in REGISTERS.items()
                if register.writable
                and name not in ("control", "kill", "rearm", "mode", "limit_select")
                and not name.startswith(("sbe_", "itch_", "micro_", "model_", "symbol_reset"))
            }
            assert settable <= names, settable - names
            assert written["mode"] == int(Mode.ACTIVE)
            await desk.end()

    run(test)


def test_a_board_with_another_hash_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.end()
            orders = len(desk.hand.exchange.orders)
            desk.board.config_hash ^= 1
            desk.session = desk.fresh()
            with pytest.raises(LinkError, match="config_hash: expected"):
                await desk.session.run()
            assert len(desk.hand.exchange.orders) == orders

    run(test)


def test_positions_are_closed_at_the_end_where_that_is_asked_for(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, stop={"flatten": True}) as desk:
            await desk.trade("buy")
            assert desk.position() > 0
            outcome = await desk.end()
            assert not outcome.problems
            assert desk.position() == 0
            desk.account()

    run(test)


def test_a_pause_cancels_and_a_person_resumes(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            session = desk.session
            loop = asyncio.get_running_loop()
            told = await loop.run_in_executor(None, ask, tmp_path, "pause")
            assert told == "standing"
            assert session.phase is Phase.STANDING
            assert desk.board.model._register["mode"] == int(Mode.HALTED)
            sent = len(desk.hand.exchange.orders)
            desk.hand.depth([("100.0", "90")])
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(desk.hand.exchange.orders) == sent
            desk.hand.depth([("100.0", "5")])
            assert await loop.run_in_executor(None, ask, tmp_path, "resume") == "trading"
            assert desk.board.model._register["mode"] == int(Mode.ACTIVE)
            await desk.trade("buy")
            status = await loop.run_in_executor(None, ask, tmp_path, "status")
            assert status["phase"] == "trading" and status["positions"] is not None
            json.dumps(status)
            assert not (await desk.end()).problems
            desk.account()

    run(test)


def test_the_kill_file_ends_a_session_and_lets_none_begin(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            (tmp_path / "KILL").touch()
            assert desk.task is not None
            outcome = await asyncio.wait_for(desk.task, 60)
            assert outcome.reason == "the kill file is there"
            assert not outcome.problems
            desk.account()
            with pytest.raises(SettingError, match="KILL: expected no such file"):
                await desk.fresh().run()

    run(test)


def test_a_wrong_position_of_the_fabric_is_found_at_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            # the fabric is told of a fill that never was
            desk.board.model.gate.symbols[0].position += 1
            outcome = await desk.end()
            assert any("in the fabric, was another" in text for text in outcome.problems)

    run(test)


def test_no_trade_windows_let_only_exits_pass(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path, risk={"no_trade": ["00:00-23:59"]}) as desk:
            assert desk.board.model.gate.symbols[0].limits["mode"] == int(Mode.REDUCE_ONLY)
            before = desk.session.bridge.refused
            desk.hand.depth([("100.0", "90")])
            await desk.until(lambda: desk.session.bridge.refused > before)
            assert not desk.hand.exchange.orders
            await desk.end()

    run(test)


def test_the_trail_has_the_frame_of_every_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with floor(tmp_path) as desk:
            await desk.trade("buy")
            await desk.end()
            from host.driver.tracing import follow

            (order, *_) = [o for o in desk.hand.exchange.orders.values()]
            found = follow(tmp_path, order.asked.client_id)
            assert '"depthUpdate"' in found["decision"]["frame"]
            assert found["order"]["symbol"] == SYMBOL
            assert next(event["kind"] for event in found["events"]) == "intent"
            assert sum(D(fill["qty"]) for fill in found["fills"]) == D(found["order"]["filled"])
            with pytest.raises(SettingError, match="expected the client id"):
                follow(tmp_path, "tgnobody")

    run(test)
