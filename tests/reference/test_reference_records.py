# SPDX-License-Identifier: Apache-2.0
"""Well-formed or counted: the first table of the contract, on a build with S = 2 and Q = 8."""

import numpy as np
import pytest

from host.contract.records import IN_DTYPE, InFlag, InKind, OutKind, ViewReason
from sim.reference import Reference
from tests.reference.model import (
    ASK,
    BID,
    U32,
    U64,
    Model,
    begin,
    clear,
    end,
    event,
    level,
    record,
    refill,
    refill_begin,
    refill_end,
    refill_level,
)

REPORTS = (InKind.ACK, InKind.FILL, InKind.CANCEL, InKind.REJECT)
STEERING = (InKind.RECONCILE, InKind.CREDIT, InKind.DAY, InKind.REARM, InKind.CANCELLING)

#: One well-formed record of each kind.
WELL_FORMED = {
    InKind.LEVEL: level(BID, 1, 1),
    InKind.TRADE: record(InKind.TRADE, price=1, value=1),
    InKind.CLEAR: clear(BID),
    InKind.EVENT_BEGIN: begin(),
    InKind.EVENT_END: end(),
    InKind.REFILL_BEGIN: refill_begin(BID),
    InKind.REFILL_END: refill_end(BID, 1),
    InKind.ACK: record(InKind.ACK),
    InKind.FILL: record(InKind.FILL, value=1),
    InKind.CANCEL: record(InKind.CANCEL, value=1),
    InKind.REJECT: record(InKind.REJECT, value=1),
    InKind.HEARTBEAT: record(InKind.HEARTBEAT),
    InKind.TIMER: record(InKind.TIMER),
    **{kind: record(kind) for kind in STEERING},
}
MEANT_FLAGS = {
    InKind.LEVEL: {1, 2},
    InKind.TRADE: {1},
    InKind.CLEAR: {1, 16, 32},
    InKind.EVENT_BEGIN: set(),
    InKind.EVENT_END: {8},
    InKind.REFILL_BEGIN: {1},
    InKind.REFILL_END: {1, 4},
    InKind.ACK: {1},
    InKind.FILL: {1},
    InKind.CANCEL: {1},
    InKind.REJECT: {1},
    InKind.HEARTBEAT: set(),
    InKind.TIMER: set(),
    InKind.RECONCILE: {1, 4},
    InKind.CREDIT: set(),
    InKind.DAY: set(),
    InKind.REARM: set(),
    InKind.CANCELLING: {1},
}


def changed(row, **fields):
    names = IN_DTYPE.names
    return tuple(fields.get(name, value) for name, value in zip(names, row, strict=True))


def malformed(row, model=None):
    """The malformed_ counter a record moves in an open frame, None for a well-formed one."""
    if model is None:
        model = Model()
        model.feed(begin())
    moved = [name for name in model.counted(row) if name.startswith("malformed")]
    assert len(moved) <= 1
    return moved[0] if moved else None


@pytest.mark.parametrize("kind", WELL_FORMED)
def test_a_well_formed_record_of_each_kind_is_not_malformed(kind):
    assert malformed(WELL_FORMED[kind]) is None


def test_kind_is_1_to_13_or_15_to_19():
    taken = [kind for kind in range(256) if malformed(record(kind)) != "malformed_kind"]
    assert taken == [*range(1, 14), *range(15, 20)]


@pytest.mark.parametrize("kind", WELL_FORMED)
def test_symbol_is_below_s(kind):
    for symbol, expected in ((2, "malformed_symbol"), (255, "malformed_symbol"), (1, None)):
        model = Model()
        model.feed(begin(symbol=1))
        assert malformed(changed(WELL_FORMED[kind], symbol=symbol), model) == expected


@pytest.mark.parametrize("kind", WELL_FORMED)
def test_only_flags_that_mean_something_to_the_kind_are_set(kind):
    for bit in (1, 2, 4, 8, 16, 32, 64, 128):
        row = changed(WELL_FORMED[kind], flags=bit, price_ticks=0 if bit == 4 else 1)
        if kind not in (
            InKind.LEVEL,
            InKind.TRADE,
            *(*REPORTS, InKind.REFILL_END, InKind.RECONCILE),
        ):
            row = changed(row, price_ticks=0)
        assert malformed(row) == (None if bit in MEANT_FLAGS[kind] else "malformed_flags")


@pytest.mark.parametrize("kind", WELL_FORMED)
def test_tag_is_0_except_for_reports(kind):
    expected = None if kind in (*REPORTS, InKind.CANCELLING) else "malformed_reserved"
    assert malformed(changed(WELL_FORMED[kind], tag=1)) == expected


def price_rule(kind):
    if kind in (InKind.LEVEL, InKind.TRADE):
        return "malformed_price", None
    if kind in (*REPORTS, InKind.REFILL_END, InKind.RECONCILE):
        return None, None
    return None, "malformed_price"


@pytest.mark.parametrize("kind", WELL_FORMED)
def test_price_is_above_0_or_is_0_or_is_any_by_kind(kind):
    at_zero, above = price_rule(kind)
    assert malformed(changed(WELL_FORMED[kind], price_ticks=0)) == at_zero
    for price in (1, U32):
        assert malformed(changed(WELL_FORMED[kind], price_ticks=price)) == above


def test_price_of_a_refill_end_with_whole_is_0():
    row = record(InKind.REFILL_END, InFlag.WHOLE, price=1)
    assert malformed(row) == "malformed_price"


def test_value_of_an_update_is_below_2_to_the_q():
    assert malformed(level(BID, 1, 0)) is None
    assert malformed(level(BID, 1, 255)) is None
    assert malformed(level(BID, 1, 256)) == "malformed_qty"
    assert malformed(level(BID, 1, U64)) == "malformed_qty"


def test_value_of_a_refill_level_is_also_above_0():
    assert malformed(refill_level(BID, 1, 0)) == "malformed_qty"
    assert malformed(refill_level(BID, 1, 1)) is None
    assert malformed(refill_level(BID, 1, 256)) == "malformed_qty"


@pytest.mark.parametrize("kind", [InKind.TRADE, InKind.FILL, InKind.CANCEL, InKind.REJECT])
def test_value_of_trade_fill_cancel_and_reject_is_above_0_and_below_2_to_the_q(kind):
    results = [malformed(changed(WELL_FORMED[kind], value=v)) for v in (0, 1, 255, 256)]
    assert results == ["malformed_qty", None, None, "malformed_qty"]


@pytest.mark.parametrize("kind", [InKind.ACK, InKind.RECONCILE])
def test_value_of_ack_and_reconcile_may_be_0(kind):
    results = [malformed(record(kind, value=value)) for value in (0, 255, 256)]
    assert results == [None, None, "malformed_qty"]


@pytest.mark.parametrize(
    "kind",
    [
        *(InKind.CLEAR, InKind.REFILL_BEGIN, InKind.REFILL_END, InKind.HEARTBEAT),
        *(InKind.DAY, InKind.REARM, InKind.CANCELLING),
    ],
)
def test_value_of_clear_refill_marks_heartbeat_and_orders_to_the_gate_is_0(kind):
    assert malformed(changed(WELL_FORMED[kind], value=1)) == "malformed_qty"


@pytest.mark.parametrize(
    "kind", [InKind.EVENT_BEGIN, InKind.EVENT_END, InKind.TIMER, InKind.CREDIT]
)
def test_value_of_event_marks_timer_and_credit_is_any(kind):
    assert malformed(changed(WELL_FORMED[kind], value=U64)) is None


@pytest.mark.parametrize("row", [level(BID, 1, 1), end(), record(InKind.EVENT_END)])
def test_update_and_event_end_need_an_open_frame_of_their_symbol(row):
    model = Model()
    model.feed(begin(symbol=1))
    assert malformed(row, model) == "malformed_frame"


@pytest.mark.parametrize(
    "kind", [k for k in WELL_FORMED if k not in (InKind.LEVEL, InKind.EVENT_END)]
)
def test_other_kinds_need_no_frame(kind):
    assert malformed(WELL_FORMED[kind], Model()) is None


def test_a_refill_level_needs_no_frame():
    assert malformed(refill_level(BID, 1, 1), Model()) is None


def test_a_record_is_counted_under_the_first_rule_it_breaks():
    broken = {"kind": 0, "symbol": 2, "flags": 0x82, "tag": 1, "price_ticks": 0, "value": 256}
    order = ["kind", "symbol", "flags", "reserved", "price", "qty", "frame"]
    row = level(BID, 1, 1)
    mended = list(broken)
    for rule in order:
        assert malformed(changed(row, **{f: broken[f] for f in mended}), Model()) == (
            f"malformed_{rule}"
        )
        mended = mended[1:]


def test_every_record_counts_in_records_in():
    model = Model()
    model.feed(record(0), record(InKind.TIMER), level(BID, 1, 1), record(InKind.TIMER, symbol=9))
    assert model.reference.counters["records_in"] == 4


def loaded():
    """A model whose symbols both have a valid book."""
    model = Model()
    for symbol in (0, 1):
        model.feed(refill(BID, [(10, 1), (9, 2)], symbol=symbol))
        model.feed(refill(ASK, [(11, 3), (12, 4)], symbol=symbol))
    return model


@pytest.mark.parametrize("kind", [0, 14, *InKind])
def test_a_malformed_record_marks_both_sides_of_its_symbol_gap_unless_it_cannot_be_an_update(kind):
    model = loaded()
    model.feed(changed(WELL_FORMED.get(kind, record(kind)), flags=0x80))
    view = model.view()
    if kind in (*REPORTS, *STEERING, InKind.HEARTBEAT, InKind.TIMER):
        assert view["reasons"] == 0
    else:
        assert view["reasons"] == ViewReason.GAP
        # Both sides are marked: a refill of one does not mend the book, of the other it does.
        model.feed(refill(BID, [(10, 1), (9, 2)]))
        assert model.view()["reasons"] == ViewReason.GAP
        model.feed(refill(ASK, [(11, 3), (12, 4)]))
        assert model.view()["reasons"] == 0
    assert model.view(symbol=1)["reasons"] == 0


def test_a_record_of_a_symbol_the_build_has_not_marks_nothing():
    model = loaded()
    model.feed(level(BID, 10, 5, symbol=2), record(0, symbol=3))
    assert model.view()["reasons"] == 0
    assert model.view(symbol=1)["reasons"] == 0


def test_a_malformed_record_changes_no_level_and_no_clock():
    model = loaded()
    before = model.sides()
    model.feed(begin(), level(BID, 10, 256), level(BID, 10, 7, tag=1))
    model.feed(record(InKind.TIMER, value=1000, price=1), begin(1000, tag=1), clear(BID, 2))
    assert model.sides() == before
    assert model.view()["age_us"] == 0


def test_a_malformed_event_begin_opens_no_frame():
    model = loaded()
    assert model.counted(begin(tag=1), level(BID, 10, 1)) == {
        "malformed_reserved": 1,
        "malformed_frame": 1,
    }


def test_a_malformed_event_end_leaves_the_frame_open():
    model = loaded()
    model.feed(begin(), record(InKind.EVENT_END, 1))
    assert malformed(level(BID, 10, 1), model) is None


def test_event_begin_replaces_an_open_frame_and_event_end_closes_it():
    model = Model()
    assert model.counted(begin(5)) == {}
    assert model.counted(begin(7)) == {"events_unclosed": 1}
    (view,) = model.of_kind(OutKind.VIEW, record(InKind.TIMER, value=10), end())
    assert view["age_us"] == 3
    assert model.counted(end()) == {"malformed_frame": 1}


def test_event_end_without_book_closes_the_frame_and_evaluates_nothing():
    model = Model()
    assert model.feed(begin(), record(InKind.EVENT_END)) == []
    assert model.reference.counters["events"] == 0
    assert model.counted(end()) == {"malformed_frame": 1}


def test_the_stream_has_one_frame_and_an_event_of_another_symbol_replaces_it():
    model = Model()
    assert model.counted(begin(1), begin(2, symbol=1)) == {"events_unclosed": 1}
    assert model.counted(end()) == {"malformed_frame": 1}
    (view,) = model.of_kind(OutKind.VIEW, end(symbol=1))
    assert (view["symbol"], view["age_us"]) == (1, 0)
    assert model.counted(end(symbol=1)) == {"malformed_frame": 1}


def test_records_that_need_no_frame_may_fall_into_that_of_another_symbol():
    model = Model()
    model.feed(begin(), refill(BID, [(10, 1)], symbol=1), clear(ASK, symbol=1))
    assert malformed(level(BID, 10, 1), model) is None


def test_now_is_the_largest_time_of_an_event_begin_or_timer():
    model = Model()
    for now, row in ((50, begin(50)), (80, record(InKind.TIMER, value=80)), (80, begin(60))):
        model.feed(row)
        assert model.view(time_us=0)["age_us"] == now


def test_feed_takes_bytes_and_refuses_a_part_of_a_record():
    reference = Reference(2, 3, 8)
    rows = np.array(event(), IN_DTYPE)
    reference.feed(rows.tobytes())
    assert reference.counters["records_in"] == 2
    with pytest.raises(ValueError, match="expected a multiple of 16 bytes, was 15"):
        reference.feed(bytes(15))
