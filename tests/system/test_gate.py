# SPDX-License-Identifier: Apache-2.0
"""The gate alone equals its reference on random orders, reports and limits (`make gate`: more)."""

import pytest

from host.contract.records import Reason
from sim.board import Stalls
from tests.system.gate_long import drive

pytestmark = pytest.mark.slow


def test_every_verdict_and_alert_is_the_references():
    alone, among, decisions = drive(1, 8 * len(Reason), 250)
    assert decisions > 30_000
    assert among == set(Reason)
    assert alone == set(Reason)


def test_pauses_of_the_link_change_nothing():
    drive(2, 60, 200, Stalls(7, 400, 400))
