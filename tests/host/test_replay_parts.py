# SPDX-License-Identifier: Apache-2.0
"""A replay is compared with a reference that has the parts the board says it has."""

from io import StringIO

import pytest
from rich.console import Console

from host.links.base import Parts
from host.replay import command
from host.replay.command import Request, run_replay
from host.settings import ReplaySettings
from tests.host.reference_link import ReferenceLink
from tests.host.replay_helpers import SLICE


@pytest.mark.parametrize(
    ("word", "own_orders"), [(0, 64), (2, 16), (1 | 64 << 8, 64), (16 << 8, 16)]
)
def test_a_board_tells_its_parts(monkeypatch, word, own_orders):
    link = ReferenceLink()
    monkeypatch.setattr(link, "read", {"build_parts": word}.get)
    assert link.parts() == Parts(bool(word & 1), bool(word & 2), own_orders)


@pytest.mark.parametrize("own_orders", [16, 128])
def test_boards_with_room_for_other_numbers_of_own_orders_agree_as_well(
    tmp_path, monkeypatch, own_orders
):
    link = ReferenceLink(own_orders=own_orders, vectors=False)
    monkeypatch.setattr(command, "open_link", lambda _name, **_options: link)
    request = Request([str(SLICE)], tmp_path, ReplaySettings())
    outcome = run_replay(request, Console(file=StringIO()), Console(quiet=True))
    assert outcome.run.parts.own_orders == own_orders
    assert outcome.summary["mismatches"]["records"] == 0
    assert outcome.summary["counters"]["orders"] > 16
