# SPDX-License-Identifier: Apache-2.0
"""Names reserved ahead: nothing is lost when the machine goes down, and nothing is asked else."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from host.execution import ahead as module
from host.execution.ahead import Ahead
from host.execution.journal import State
from host.execution.orders import Orders
from host.execution.recovery import Agreement, Recovery
from tests.execution.drill import Desk, drill
from tests.paper.rest import run

D = Decimal


def reserving(desk: Desk, ahead: Ahead) -> Orders:
    ahead.begin(desk.session)
    return Orders(
        desk.venue,
        desk.journal,
        desk.session,
        desk.clock,
        desk.clock.sleep,
        desk.changes.append,
        ahead=ahead,
    )


def test_the_next_numbers_are_reserved_before_they_are_needed(tmp_path: Path) -> None:
    async def test() -> None:
        ahead = Ahead(tmp_path / "ahead.db", count=8)
        ahead.begin(1)
        for number in range(5):
            assert ahead.cover(number)
        await ahead.wait()
        assert all(ahead.cover(number) for number in range(5, 13))
        await ahead.wait()
        assert ahead.counters == {"reserved": 3}
        assert not ahead.cover(100)  # beyond: the intent itself has to be synced
        assert ahead.counters["waited"] == 1
        ahead.close()

    run(test)


@pytest.mark.parametrize("restarted", [True, False])
def test_rows_that_the_machine_has_lost_come_back_from_the_venue(
    restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with drill(tmp_path) as desk:
            ahead = Ahead(tmp_path / "ahead.db")
            orders = reserving(desk, ahead)
            filled = await orders.start(1 << 8, desk.symbol, "buy", D(2), D(101), tif="IOC")
            resting = await orders.start(2 << 8, desk.symbol, "buy", D(1), D(99))
            assert (filled.state, resting.state) == (State.FILLED, State.OPEN)
            if restarted:
                # what was not synced is gone, and the machine is another
                for table in ("fills", "events", "orders"):
                    desk.journal._db.execute(f"DELETE FROM {table}")
                monkeypatch.setattr(module, "boot_id", lambda: "another start")
            ahead.close()
            await desk.close()
            if restarted:
                desk.path.with_name(f"{desk.path.name}-slips").unlink()

            async def later() -> Agreement:
                return Agreement()  # compared below, with the reservations

            monkeypatch.setattr(desk, "recover", later)
            await desk.open()
            ahead = Ahead(tmp_path / "ahead.db")
            orders = reserving(desk, ahead)
            began_ms = desk.clock()
            recovery = Recovery(
                desk.venue,
                desk.journal,
                orders,
                [desk.symbol],
                desk.clock,
                ahead,
                desk.clock.sleep,
            )
            agreement = await recovery.run()
            assert agreement.settled, agreement.differences
            kinds = {difference.kind for difference in agreement.differences}
            assert ("unwritten" in kinds) is restarted
            # only then may an order still be on its way
            assert (desk.clock() - began_ms >= 6000) is restarted
            desk.account()
            assert {row.state for row in desk.journal.orders()} == {State.FILLED, State.OPEN}
            again = await recovery.run()
            assert not again.differences
            ahead.close()

    run(test)


def test_a_thread_syncs_while_orders_go_on(tmp_path: Path) -> None:
    async def test() -> None:
        ahead = Ahead(tmp_path / "ahead.db", count=2)
        ahead.begin(1)
        assert ahead.cover(1)
        waiting = asyncio.ensure_future(ahead.wait())
        await waiting
        assert ahead.cover(3)
        await ahead.wait()
        ahead.close()

    run(test)
