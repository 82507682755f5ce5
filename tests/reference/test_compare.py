# SPDX-License-Identifier: Apache-2.0
"""The comparison: it finds every difference but those of cycle stamps, and names it."""

import numpy as np
import pytest

from host.contract.records import (
    DECISION_DTYPE,
    REFILL_REQUEST_DTYPE,
    TRADES_DTYPE,
    VIEW_DTYPE,
    OutKind,
)
from sim.compare import Latency, compare, describe, latency

DTYPES = {
    OutKind.DECISION: DECISION_DTYPE,
    OutKind.REFILL_REQUEST: REFILL_REQUEST_DTYPE,
    OutKind.VIEW: VIEW_DTYPE,
    OutKind.TRADES: TRADES_DTYPE,
}
#: Bits of a decision that hold cycles: the latency at byte 38, the stamps at 40 and 48.
CYCLE_BITS = {
    8 * (offset + byte) + bit
    for offset, size in ((40, 8), (50, 2), (52, 4))
    for byte in range(size)
    for bit in range(8)
}


def rows(*records):
    """Out records given as (kind, fields), as bytes."""
    out = np.zeros((len(records), 64), np.uint8)
    for row, (kind, fields) in zip(out, records, strict=True):
        record = row.view(DTYPES[kind])
        record["kind"] = kind
        for name, value in fields.items():
            record[name] = value
    return out


def sample():
    """Seven records of all kinds with rubbish in them."""
    out = np.random.default_rng(7).integers(0, 256, (7, 64), np.uint8)
    out[:, 0] = [1, 3, 2, 1, 3, 1, 4]
    return out


def test_equal_streams_are_equal():
    result = compare(sample(), sample())
    assert result.equal
    assert (result.mismatches, result.first, result.missing, result.extra) == (0, None, 0, 0)
    assert result.first_mismatch == ""
    assert str(result) == "7 records, all equal"


def test_empty_streams_are_equal():
    nothing = np.zeros((0, 64), np.uint8)
    assert compare(nothing, nothing).equal


@pytest.mark.parametrize(
    "index, kind", [(3, "DECISION"), (2, "REFILL_REQUEST"), (4, "VIEW"), (6, "TRADES")]
)
def test_a_flipped_bit_is_found_in_every_field_but_those_of_cycles(index, kind):
    for bit in range(512):
        actual = sample()
        actual[index, bit // 8] ^= 1 << bit % 8
        result = compare(sample(), actual)
        if kind == "DECISION" and bit in CYCLE_BITS:
            assert result.equal
        else:
            assert (result.equal, result.mismatches, result.first) == (False, 1, index)
            marked = [line for line in result.first_mismatch.splitlines() if line[0] == ">"]
            assert marked, f"bit {bit} is marked nowhere"


def test_the_arguments_are_not_changed():
    expected, actual = sample(), sample()
    compare(expected, actual)
    assert expected.tobytes() == actual.tobytes() == sample().tobytes()


def test_missing_and_extra_records_are_found():
    short, whole = sample()[:5], sample()
    lost, more = compare(whole, short), compare(short, whole)
    assert (lost.equal, lost.missing, lost.extra, lost.first, lost.mismatches) == (
        False,
        2,
        0,
        5,
        0,
    )
    assert (more.equal, more.missing, more.extra, more.first, more.mismatches) == (
        False,
        0,
        2,
        5,
        0,
    )
    assert "no record was there" in lost.first_mismatch
    assert "no record was expected" in more.first_mismatch
    assert "2 missing, 0 extra" in str(lost)


def test_a_record_lost_in_the_middle_is_found_where_it_was():
    actual = np.delete(sample(), 2, axis=0)
    result = compare(sample(), actual)
    assert (result.first, result.missing, result.mismatches) == (2, 1, 4)


def test_the_first_of_many_mismatches_is_shown():
    actual = sample()
    actual[[1, 4, 6], 20] ^= 1
    result = compare(sample(), actual)
    assert (result.first, result.mismatches) == (1, 3)
    assert result.first_mismatch.startswith("record 1:")


def test_both_records_are_shown_and_only_what_differs_is_marked():
    same = {"flags": 3, "symbol": 2, "seq": 9, "verdict": 0b100100, "first_reason": 2}
    expected = rows((OutKind.DECISION, {**same, "price_ticks": 100}))
    actual = rows(
        (OutKind.DECISION, {**same, "price_ticks": 101, "latency_cycles": 9, "span_cycles": 4})
    )
    text = compare(expected, actual).first_mismatch
    lines = [line.split() for line in text.splitlines() if line.startswith(">")]
    assert lines == [[">", "price_ticks", "100", "101"]]
    assert "SIDE REFUSED" in text and "PERMISSION COLLAR" in text


def test_records_of_different_kinds_are_shown_beside_each_other():
    text = compare(rows((OutKind.VIEW, {})), rows((OutKind.DECISION, {}))).first_mismatch
    assert ["kind", "VIEW", "DECISION"] in [line.split()[1:] for line in text.splitlines()]


def test_structured_arrays_are_compared_as_their_bytes():
    assert compare(np.zeros(3, VIEW_DTYPE), np.zeros((3, 64), np.uint8)).equal


@pytest.mark.parametrize("bad", [np.zeros((2, 63), np.uint8), np.zeros(64, np.uint8)])
def test_an_array_that_holds_no_records_is_refused(bad):
    with pytest.raises(ValueError, match="actual records: expected shape"):
        compare(np.zeros((1, 64), np.uint8), bad)


def test_a_decision_is_described_by_names():
    (row,) = rows(
        (
            OutKind.DECISION,
            {
                "flags": 1,
                "symbol": 3,
                "order": 0x11,
                "seq": 4,
                "qty_lots": 1 << 60,
                "decision_id": 7,
                "first_reason": 255,
                "rule": 1,
                "score": -2,
            },
        )
    )
    assert describe(row) == {
        "kind": "DECISION",
        "flags": "SIDE",
        "symbol": "3",
        "order": "0x11",
        "seq": "4",
        "update_id": "0",
        "qty_lots": str(1 << 60),
        "price_ticks": "0",
        "decision_id": "7",
        "verdict": "accepted",
        "first_reason": "none",
        "rule": "IMBALANCE",
        "latency_cycles": "0",
        "span_cycles": "0",
        "cycle_decision": "0",
        "score": "-2",
        "limits_version": "0",
        "limits_checksum": "0",
    }


def test_a_view_and_a_request_are_described_by_names():
    view, request = rows(
        (OutKind.VIEW, {"flags": 5, "reasons": 0x42}),
        (OutKind.REFILL_REQUEST, {"flags": 15, "reasons": 0x81}),
    )
    assert (describe(view)["flags"], describe(view)["reasons"]) == (
        "BBO_VALID BID_WHOLE",
        "SHALLOW EMPTY",
    )
    assert describe(request)["flags"] == "BID ASK BID_UNKNOWN ASK_UNKNOWN"
    assert describe(request.tobytes())["reasons"] == "UNKNOWN RETUNE"


def test_codes_without_a_name_are_shown_as_they_are():
    (row,) = rows((OutKind.DECISION, {"flags": 0x83, "verdict": 1 << 60 | 1, "rule": 0x41}))
    shown = describe(row)
    assert shown["flags"] == "SIDE REFUSED 0x80"
    assert shown["verdict"] == "HALTED 0x1000000000000000"
    assert shown["rule"] == "IMBALANCE 0x40"
    assert describe(bytes([9]) + bytes(63)) == {"kind": "unknown (9)", "bytes": "00" * 63}


def test_only_64_bytes_are_a_record():
    with pytest.raises(ValueError, match="expected 64 bytes, was 63"):
        describe(bytes(63))


def test_latency_is_of_decisions_only():
    out = rows(
        (OutKind.DECISION, {"latency_cycles": 12}),
        (OutKind.VIEW, {"age_us": 5, "bid_sum_lots": (1 << 64) - 1}),
        (OutKind.DECISION, {"latency_cycles": 10}),
        (OutKind.DECISION, {"latency_cycles": 11}),
        (OutKind.DECISION, {"latency_cycles": 11}),
    )
    assert latency(out) == Latency(10, 11.0, 12, 4)
    assert latency(out[1:2]) == Latency(0, 0.0, 0, 0)
