# SPDX-License-Identifier: Apache-2.0
import gzip

import pytest

from tests.host.replay_helpers import (
    SLICE,
    depth_places,
    payload,
    replayed,
    slice_lines,
    snapshot_after,
    update_id,
    with_payload,
    write_capture,
    wrong_quotes,
)


@pytest.fixture(scope="module")
def lines():
    return slice_lines()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return replayed(tmp_path_factory.mktemp("whole"), SLICE)


@pytest.fixture
def run(tmp_path):
    def run_lines(lines, **options):
        return replayed(tmp_path / "out", write_capture(tmp_path, lines), **options)

    return run_lines


def edited(lines, place, change):
    """A copy in which the data of one depth event was changed in place."""
    frame = payload(lines[place])
    change(frame["data"])
    return [*lines[:place], with_payload(lines[place], frame), *lines[place + 1 :]]


def agrees(result):
    return result.summary["mismatches"]["total"] == 0 and not result.outcome.mismatches


def test_a_gzip_cut_off_is_named_and_everything_before_the_cut_is_right(tmp_path, lines):
    capture = tmp_path / "cut.gz"
    data = SLICE.read_bytes()
    capture.write_bytes(data[: len(data) * 6 // 10])
    result = replayed(tmp_path / "out", capture)
    assert "cut.gz: expected the end of the gzip data, was cut off" in result.outcome.error
    assert result.summary["capture_error"] == result.outcome.error
    assert agrees(result)
    assert 400 < len(result.bbo) < 1144
    assert result.decisions
    assert not wrong_quotes(result, lines)


def test_a_damaged_gzip_is_named_and_everything_before_the_damage_is_right(tmp_path, lines):
    capture = tmp_path / "damaged.gz"
    data = bytearray(SLICE.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    capture.write_bytes(data)
    result = replayed(tmp_path / "out", capture)
    assert "damaged.gz: expected sound gzip data, was damaged" in result.outcome.error
    assert agrees(result)
    # what inflates to rubbish before the damage shows may not reach a quote
    assert not wrong_quotes(result, lines)


def test_lines_that_are_no_json_are_counted_with_their_place_and_change_nothing(run, lines, whole):
    broken = [*lines[:5000], "what is this", "1723161286299504703 {half", *lines[5000:]]
    result = run(broken)
    assert not result.outcome.error and agrees(result)
    assert result.summary["host"]["bad_line"] == 2
    places = [(r["reason"], r["line"]) for r in result.summary["host_refusals"]]
    assert places == [("bad_line", 5001), ("bad_line", 5002)]
    assert result.bbo == whole.bbo
    assert "refused by the host" in result.text and "capture.gz line 5001" in result.text


def test_after_a_lost_event_there_is_no_quote_and_no_decision_to_the_end(run, lines, whole):
    places = depth_places(lines)
    lost = places[599]
    result = run(lines[:lost] + lines[lost + 1 :])
    assert agrees(result)
    assert result.summary["host"]["gap"] == 1
    first = update_id(lines[lost])
    assert result.acted_between(0, first) == whole.acted_between(0, first) != []
    assert result.acted_between(first, 1 << 62) == []
    assert not wrong_quotes(result, lines)


def test_after_a_lost_event_a_new_snapshot_brings_the_book_back(run, lines, whole):
    places = depth_places(lines)
    lost, back = places[599], places[699]
    healed = [
        *lines[:lost],
        *lines[lost + 1 : back + 1],
        snapshot_after(lines, back),
        *lines[back + 1 :],
    ]
    result = run(healed)
    assert not result.outcome.error and agrees(result)
    first, last = update_id(lines[lost]), update_id(lines[back])
    assert result.acted_between(first, last) == []
    assert not wrong_quotes(result, lines)
    # every quote after the snapshot is what it is without the loss
    after = [row for row in result.bbo if int(row["update_id"]) > last]
    assert after == [row for row in whole.bbo if int(row["update_id"]) > last]
    assert len(after) == len(places) - 700
    assert any(row["update_id"] > last for row in result.decisions)


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        (["61700.05", "1.000"], "price_off_grid"),
        (["61700.00", "0.0005"], "qty_off_grid"),
        (["0.00", "1.000"], "bad_number"),
        (["1e3", "1.000"], "bad_number"),
        (["61700.00", "-1.000"], "bad_number"),
        (["99999999999.00", "1.000"], "price_too_large"),
        (["61700.00", "999999999999999.000"], "qty_too_large"),
    ],
)
def test_an_event_with_an_impossible_number_is_refused_whole(run, lines, level, reason):
    place = depth_places(lines)[599]
    result = run(edited(lines, place, lambda data: data["b"].append(level)))
    assert agrees(result)
    assert result.summary["host"][reason] == 1
    refusal = result.summary["host_refusals"][0]
    assert (refusal["reason"], refusal["line"]) == (reason, place + 1)
    first = update_id(lines[place])
    assert result.acted_between(0, first)
    assert result.acted_between(first, 1 << 62) == []
    assert not wrong_quotes(result, lines)


def foreign(lines):
    """The capture with frames of another symbol between its own."""
    places = depth_places(lines)[100:200]
    mixed = list(lines)
    for place in reversed(places):
        frame = payload(lines[place])
        frame["stream"], frame["data"]["s"] = "xyzusdt@depth@0ms", "XYZUSDT"
        mixed.insert(place, with_payload(lines[place], frame))
    return mixed


def test_a_symbol_that_was_not_asked_for_is_counted_and_changes_nothing(run, lines, whole):
    result = run(foreign(lines), symbols=["BTCUSDT"])
    assert not result.outcome.error and agrees(result)
    assert result.summary["host"]["unknown_symbol"] == 100
    assert result.bbo == whole.bbo


def test_a_symbol_without_a_snapshot_is_named_and_changes_nothing(run, lines, whole):
    result = run(foreign(lines))
    assert agrees(result)
    assert result.summary["symbols_without_events"] == ["XYZUSDT"]
    assert "note: XYZUSDT: no usable snapshot" in result.text
    assert result.bbo == whole.bbo


def test_a_crossed_book_is_silent_until_it_is_no_more(run, lines, whole):
    places = depth_places(lines)
    start, end = places[599], places[649]
    crossed = edited(lines, start, lambda data: data["b"].append(["70000.00", "1.000"]))
    crossed = edited(crossed, end, lambda data: data["b"].append(["70000.00", "0.000"]))
    result = run(crossed)
    assert not result.outcome.error and agrees(result)
    first, last = update_id(lines[start]), update_id(lines[end])
    assert result.acted_between(first, last) == []
    assert result.bbo == [r for r in whole.bbo if not first <= int(r["update_id"]) < last]
    assert result.summary["invalid_spans"] == {
        "total": 1,
        "spans": [
            {
                "symbol": "BTCUSDT",
                "first_update_id": first,
                "last_update_id": update_id(lines[places[648]]),
                "events": 50,
                "reasons": ["CROSSED"],
            }
        ],
    }


def test_without_a_snapshot_the_error_says_so_and_nothing_is_decided(tmp_path, lines):
    kept = [line for line in lines[:3000] if "lastUpdateId" not in line]
    capture = write_capture(tmp_path, kept)
    result = replayed(tmp_path / "out", capture)
    assert "expected a snapshot and the depth events that follow it" in result.outcome.error
    assert (result.bbo, result.decisions) == ([], [])


def test_a_plain_file_gives_what_its_gzip_gives(tmp_path, whole):
    plain = tmp_path / "plain.txt"
    plain.write_bytes(gzip.decompress(SLICE.read_bytes()))
    assert replayed(tmp_path / "out", plain).bbo == whole.bbo
