# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what it measures, what it writes, and the status it ends with."""

import json

import pytest

from sim import bench
from sim.bench_cocotb import build_model
from sim.bench_mix import Sustained
from sim.compare import Latency

#: The least that holds on any machine; the ratio itself is what `make bench` is for.
SURE_RATIO = 2.0


@pytest.mark.slow
@pytest.mark.timeout(2400)  # two builds of the whole fabric
@pytest.mark.xdist_group("cocotb-default")
def test_board_replays_several_times_as_fast_as_cocotb_drives(tmp_path, monkeypatch):
    # the model with the options of cocotb's runner takes eight minutes to compile
    monkeypatch.setattr(bench, "build_model", lambda config, tuned=True: build_model(config))
    output = tmp_path / "bench.json"
    options = ["--limit", "30000", "--cocotb-records", "4000", "--no-whole", "--repeats", "2"]
    status = bench.main([*options, "--least-ratio", str(SURE_RATIO), "--output", str(output)])
    found = json.loads(output.read_text())
    assert status == 0, found
    assert found["ratio"] > SURE_RATIO
    assert found["ratio_bus_models"] > found["ratio"]
    assert found["ratio_tuned"] > 1
    assert [row["on"] for row in found["sustained"]] == ["slice", "worst mix"]
    for row in found["sustained"]:
        assert row["records"] == row["cycles"]
        assert row["records_per_cycle"] == 1
        assert 0.8 < row["updates_per_cycle"] == row["updates"] / row["records"] < 1
        assert row["latency"]["decisions"] > 0
        assert row["latency"]["minimum"] == row["latency"]["mean"] == row["latency"]["maximum"] > 0
    names = [row["name"] for row in found["rows"]]
    # hftbacktest is measured where it is installed.
    assert names + list(found["not_installed"]) == [
        "board",
        "cocotb, one loop",
        "cocotb, bus models",
        "cocotb, one loop, tuned",
        "reference model",
        "dict and sorted list",
        "hftbacktest, hash map",
        "hftbacktest, ROI vector",
    ]
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["board"]["records"] == rows["reference model"]["records"] == 30000
    assert rows["cocotb, one loop"]["records"] == rows["cocotb, bus models"]["records"] == 4000
    assert rows["board"]["updates"] == rows["dict and sorted list"]["updates"] > 24000
    for row in found["rows"]:
        assert row["per_second"] == pytest.approx(row["updates"] / row["seconds"])


def _found(ratio, cycles=100):
    return {
        "rows": [bench.Row("board", "slice", 90, 1.0, 100, 110)],
        "ratio": ratio,
        "ratio_bus_models": ratio,
        "ratio_tuned": ratio / 2,
        "sustained": [Sustained("slice", 100, 90, cycles, Latency(14, 14.0, 14, 3))],
        "not_installed": {},
    }


@pytest.mark.parametrize(("ratio", "status"), [(19.9, 1), (20.0, 1), (20.1, 0)])
def test_status_says_whether_the_ratio_is_over_twenty(monkeypatch, tmp_path, capsys, ratio, status):
    monkeypatch.setattr(bench, "measure", lambda **_: _found(ratio))
    output = tmp_path / "folder" / "bench.json"
    assert bench.main(["--output", str(output)]) == status
    assert json.loads(output.read_text())["ratio"] == ratio
    assert f"{ratio:.1f}" in capsys.readouterr().out


def test_disagreement_between_board_and_peer_is_not_measured(monkeypatch, tmp_path, capsys):
    def measure(**_):
        raise bench.BenchError("board and cocotb: expected the same")

    monkeypatch.setattr(bench, "measure", measure)
    output = tmp_path / "bench.json"
    assert bench.main(["--output", str(output)]) == 2
    assert not output.exists()
    assert "board and cocotb" in capsys.readouterr().err


def test_status_says_that_a_clock_passed_without_a_record(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "measure", lambda **_: _found(99.0, cycles=101))
    output = tmp_path / "bench.json"
    assert bench.main(["--output", str(output)]) == 1
    assert json.loads(output.read_text())["sustained"][0]["records_per_cycle"] == 100 / 101
    assert "slice: expected a record in each clock" in capsys.readouterr().out


def test_board_is_measured_by_records_where_both_take_records():
    board = bench.Row("board", "slice", 90, 1.0, 100, 110)
    assert board.times(bench.Row("reference model", "its start", 10, 1.0, 25)) == 4
    assert board.times(bench.Row("dict and sorted list", "slice", 90, 2.0)) == 2


def test_whole_capture_is_found_by_the_environment(monkeypatch, tmp_path):
    file = tmp_path / "binance" / "usdm_btcusdt_20240808.gz"
    monkeypatch.setenv("TICKGATE_CAPTURES", str(tmp_path))
    assert bench.whole_capture() is None
    file.parent.mkdir()
    file.touch()
    assert bench.whole_capture() == file
