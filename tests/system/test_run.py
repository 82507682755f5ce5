# SPDX-License-Identifier: Apache-2.0
"""A session on the simulated board itself: orders, fills, and the end in agreement."""

from pathlib import Path
from typing import Any

import pytest

from host.contract.records import KillCause
from host.links import open_link
from host.paper.server import PaperServer
from tests.driver.floor import Floor, Steps, configured
from tests.paper.market import settings
from tests.paper.rest import run


@pytest.mark.slow
def test_a_session_on_the_simulated_board(tmp_path: Path) -> None:
    async def test() -> None:
        clock = Steps()
        async with PaperServer(settings(weight_limit=1_000_000), clock) as server:
            clock.server = server
            with open_link("sim") as link:
                desk = Floor(server, clock, tmp_path, configured())
                board: Any = link
                desk.board = board
                desk.session = desk.fresh()
                await desk.begin()
                for side in ("buy", "sell", "buy"):
                    await desk.trade(side)
                outcome = await desk.end()
                # the fabric has compared its own position with the venue's, and nothing is open
                assert not outcome.problems
                fabric = outcome.facts["fabric"]
                assert fabric["orders"] >= 3 and fabric["reports"] >= 3
                assert "report_faults" not in fabric and "reconcile_faults" not in fabric
                assert outcome.facts["kill_causes"] == int(KillCause.REGISTER)
                assert desk.position() != 0
                (account,) = outcome.facts["accounts"].values()
                assert float(account["position_venue"]) == float(desk.position())

    run(test, 600)


@pytest.mark.slow
def test_a_board_that_hears_no_heartbeat_kills_itself() -> None:
    with open_link("sim") as link:
        # counted from the reset on, and the link has taken some cycles since
        link.write("watchdog_late_cycles", 1_000)
        link.write("watchdog_dead_cycles", 100_000)
        board: Any = link
        board.board.step(50_000)
        assert link.read("kill_causes") == 0
        board.board.step(60_000)
        assert link.read("kill_causes") == int(KillCause.WATCHDOG)
