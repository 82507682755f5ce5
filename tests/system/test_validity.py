# SPDX-License-Identifier: Apache-2.0
"""Validity by the number of levels a board keeps, on whole captures."""

import json
from pathlib import Path

import pytest

from sim import validity

ROOT = Path(__file__).resolve().parents[2]
SLICE = ROOT / "sim" / "data" / "usdm_btcusdt_20240808_60s.gz"


def measured(tmp_path, *arguments):
    output = tmp_path / "validity.json"
    status = validity.main([*map(str, arguments), "--output", str(output)])
    return status, json.loads(output.read_text())["rows"] if output.exists() else None


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """The bundled minute on a board whose K // 2 is below N."""
    return measured(tmp_path_factory.mktemp("narrow"), SLICE, "--levels", "16")


@pytest.mark.slow
def test_a_board_of_16_levels_is_refilled_in_time_for_every_view_of_10(narrow):
    status, (row,) = narrow
    assert status == 0
    assert (row["levels"], row["sum_levels"], row["refill_at"]) == (16, 10, 10)
    # README of the capture: 1,148 events, four of them before the snapshot
    assert (row["depth_events"], row["bbo_valid"], row["valid"]) == (1148, 1144, 1144)
    assert (row["refills_asked_for"], row["mismatches"]) == (0, 0)
    assert row["exchange_checked"] == 1144 and row["exchange_wrong"] == 0
    assert row["reference_records"] > 1144 and row["reference_wrong"] == 0


@pytest.mark.slow
def test_without_refills_ahead_a_narrow_board_has_to_ask_and_is_silent_meanwhile(tmp_path, narrow):
    status, (row,) = measured(tmp_path, SLICE, "--levels", "16", "--refill-at", "0")
    assert status == 0, "silent is not wrong"
    assert row["refills_asked_for"] > 0
    assert row["valid"] < row["bbo_valid"] <= 1144
    assert row["exchange_checked"] <= narrow[1][0]["exchange_checked"]
    assert (row["exchange_wrong"], row["reference_wrong"]) == (0, 0)


def test_the_table_and_the_file_hold_what_was_measured(tmp_path, capsys):
    pair = f"{SLICE},{SLICE}"
    status, rows = measured(tmp_path, SLICE, pair, "--levels", "32")
    assert status == 0
    assert [row["capture"] for row in rows] == [
        "usdm_btcusdt_20240808_60s",
        "usdm_btcusdt_20240808_60s +1",
    ]
    assert [row["depth_events"] for row in rows] == [1148, 2296]
    shown = capsys.readouterr().out
    assert "1,148" in shown and "99.65%" in shown and "0 of 1,144" in shown
    captures = json.loads((tmp_path / "validity.json").read_text())["captures"]
    assert [entry["file"] for entry in captures] == [SLICE.name]


@pytest.mark.parametrize(
    ("name", "levels", "said"),
    [
        ("missing.gz", "32", "missing.gz: expected a readable file"),
        ("short.gz", "32", "short.gz: expected the end of the gzip data, was cut off"),
        ("short.gz", "65", "levels: expected 3 to 64, was 65"),
        ("short.gz", "9", "--levels: expected at least the 10 that are summed, was 9"),
    ],
)
def test_what_cannot_be_measured_is_named_and_nothing_is_written(
    tmp_path, capsys, name, levels, said
):
    (tmp_path / "short.gz").write_bytes(SLICE.read_bytes()[:100_000])
    status, rows = measured(tmp_path, tmp_path / name, "--levels", levels)
    assert (status, rows) == (2, None)
    assert said in capsys.readouterr().err


@pytest.mark.captures
@pytest.mark.slow
@pytest.mark.parametrize("levels", [16, 32])  # 64 as well: make validity
@pytest.mark.parametrize("venue", ["BINANCE_FUTURES", "BYBIT", "KRAKEN_FUTURES", "OKX"])
def test_the_book_of_a_venue_is_as_valid_on_a_board_of_any_depth(captures, tmp_path, venue, levels):
    path = captures / "multi" / f"{venue}.jsonl.zst"
    status, (row,) = measured(tmp_path, path, "--levels", levels)
    assert status == 0 and row["mismatches"] == 0
    assert row["valid"] == row["bbo_valid"] == row["events"] > 0
    assert row["depth_events"] - row["events"] in (0, 12), "before the snapshots of Binance"
    assert row["refills_asked_for"] == 0
