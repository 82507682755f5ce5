# SPDX-License-Identifier: Apache-2.0
"""Reports for the fabric: under the order's slot, in full, and at prices that give the cost."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.contract.records import DECISION_DTYPE, InFlag, InKind, OutKind, Reason
from host.driver.bridge import Bridge, Market
from host.execution.journal import OrderRow, State
from host.execution.orders import HOST_DECISIONS, Change
from host.venues.interface import OrderRequest

D = Decimal
MARKET = Market("BTC/USDT:USDT", D("0.1"), D("0.001"))
SLOT, DECISION = 37, 5 << 8 | 37


def decision(qty_lots: int = 100, flags: int = 0, verdict: int = 0) -> np.ndarray:
    row = np.zeros(1, DECISION_DTYPE)
    row["kind"], row["flags"], row["order"] = int(OutKind.DECISION), flags, 17
    row["qty_lots"], row["price_ticks"], row["decision_id"] = qty_lots, 1000, DECISION
    row["verdict"] = verdict
    return row.view(np.uint8).reshape(1, 64)


def change(state: State, filled: str = "0", cost: str = "0", part: int = 0) -> Change:
    request = OrderRequest("tgabcdef1x2x0", MARKET.symbol, "buy", D("0.1"), D(100))
    row = OrderRow(request, 1, DECISION, part, state, "", D(filled), D(cost), 0, 0)
    return Change(row, D(filled), D(cost))


@pytest.fixture
def bridge() -> Bridge:
    found = Bridge({0: MARKET}, session=1)
    (wanted,) = found.wanted(decision())
    assert (wanted.decision, wanted.qty, wanted.price) == (DECISION, D("0.1"), D(100))
    return found


def kinds(bridge: Bridge) -> list[tuple[InKind, int, int, int]]:
    return [
        (InKind(row["kind"]), int(row["tag"]), int(row["price_ticks"]), int(row["value"]))
        for row in bridge.take()
    ]


def test_a_fill_and_the_rest_go_back_under_the_slot(bridge: Bridge) -> None:
    bridge.heard(change(State.OPEN))
    bridge.heard(change(State.EXPIRED, "0.04", "4.004"))
    assert kinds(bridge) == [
        (InKind.ACK, SLOT, 1000, 100),
        (InKind.FILL, SLOT, 1001, 40),
        (InKind.CANCEL, SLOT, 1000, 60),
    ]
    assert bridge.open_lots == 0 and not bridge.odd


def test_what_the_venue_never_had_is_rejected(bridge: Bridge) -> None:
    bridge.heard(change(State.ABSENT))
    assert kinds(bridge) == [(InKind.REJECT, SLOT, 1000, 100)]


def test_after_a_report_the_rest_is_no_reject(bridge: Bridge) -> None:
    bridge.heard(change(State.OPEN))
    bridge.heard(change(State.REJECTED))
    assert [kind for kind, *_ in kinds(bridge)] == [InKind.ACK, InKind.CANCEL]


@given(st.lists(st.tuples(st.integers(900, 1100), st.integers(1, 20)), min_size=1, max_size=5))
def test_fills_give_the_cost_exactly(found: list[tuple[int, int]]) -> None:
    bridge = Bridge({0: MARKET})
    bridge.wanted(decision())
    lots = sum(qty for _, qty in found)
    cost = sum(ticks * qty for ticks, qty in found)
    units = MARKET.tick * MARKET.lot
    bridge.heard(change(State.EXPIRED, str(lots * MARKET.lot), str(cost * units)))
    rows = [row for row in kinds(bridge) if row[0] is InKind.FILL]
    assert sum(qty for *_, qty in rows) == lots
    assert sum(ticks * qty for *_, ticks, qty in rows) == cost
    assert len(rows) <= 2


def test_orders_of_others_are_left_out(bridge: Bridge) -> None:
    row = change(State.FILLED, "0.1", "10").row
    other = OrderRow(row.request, 2, DECISION, 0, State.FILLED, "", D("0.1"), D(10), 0, 0)
    bridge.heard(Change(other, D("0.1"), D(10)))
    own = OrderRow(row.request, 1, HOST_DECISIONS, 0, State.FILLED, "", D("0.1"), D(10), 0, 0)
    bridge.heard(Change(own, D("0.1"), D(10)))
    assert len(bridge) == 0 and not bridge.odd


def test_a_fill_after_the_end_is_counted(bridge: Bridge) -> None:
    bridge.heard(change(State.EXPIRED))
    bridge.heard(change(State.EXPIRED, "0.01", "1"))
    assert bridge.odd == {"fill_after_end": 1}


def test_parts_add_up_and_end_together(bridge: Bridge) -> None:
    bridge.heard(change(State.FILLED, "0.03", "3", part=1))
    bridge.heard(change(State.EXPIRED, "0.02", "2", part=2))
    assert bridge.open_lots == 50
    bridge.ended(DECISION)
    assert [(kind, value) for kind, _, _, value in kinds(bridge)] == [
        (InKind.FILL, 30),
        (InKind.FILL, 20),
        (InKind.CANCEL, 50),
    ]


def test_a_position_that_is_stated_leaves_nothing_open(bridge: Bridge) -> None:
    bridge.reconcile(0, -25, 990, whole=True)
    (row,) = bridge.take()
    assert row["flags"] == int(InFlag.SIDE | InFlag.WHOLE)
    assert (row["kind"], row["value"], row["price_ticks"]) == (int(InKind.RECONCILE), 25, 990)
    assert bridge.open_lots == 0


def test_refusals_are_counted_by_reason() -> None:
    bridge = Bridge({0: MARKET})
    verdict = 1 << int(Reason.POSITION) | 1 << int(Reason.RATE)
    assert bridge.wanted(decision(flags=2, verdict=verdict)) == []
    assert bridge.reasons == {"POSITION": 1, "RATE": 1}
