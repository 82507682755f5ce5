# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what it measures, what it writes, and the status it ends with."""

import json

import pytest

from sim import bench

#: The least that holds on any machine; the ratio itself is what `make bench` is for.
SURE_RATIO = 4.0


@pytest.mark.slow
@pytest.mark.xdist_group("cocotb-default")
def test_board_replays_several_times_as_fast_as_cocotb_drives(tmp_path):
    output = tmp_path / "bench.json"
    options = ["--limit", "30000", "--cocotb-records", "4000", "--no-whole", "--repeats", "2"]
    status = bench.main([*options, "--least-ratio", str(SURE_RATIO), "--output", str(output)])
    found = json.loads(output.read_text())
    assert status == 0, found
    assert found["ratio"] > SURE_RATIO
    assert found["ratio_bus_models"] > found["ratio"] > found["ratio_tuned"] > 1
    # One record a cycle, but for the cycles after the last one.
    assert 0.99 < found["records_per_cycle"] <= 1
    cycles = found["latency_cycles"]
    assert cycles["decisions"] > 0
    assert cycles["minimum"] == cycles["mean"] == cycles["maximum"] > 0
    names = [row["name"] for row in found["rows"]]
    assert names == [
        "board",
        "cocotb, one loop",
        "cocotb, bus models",
        "cocotb, one loop, tuned model",
        "reference model",
        "dict, level updates",
        "dict, and best at event ends",
    ]
    units = {row["name"]: row["units"] for row in found["rows"]}
    assert units["board"] == units["reference model"] == 30000
    assert units["cocotb, one loop"] == units["cocotb, bus models"] == 4000
    for row in found["rows"]:
        assert row["per_second"] == pytest.approx(row["units"] / row["seconds"])


def _found(ratio):
    rows = [bench.Row("board", "slice", 100, 1.0, 110)]
    latency = {"minimum": 1, "mean": 1.0, "maximum": 1, "decisions": 1}
    return {
        "rows": rows,
        "ratio": ratio,
        "ratio_bus_models": ratio,
        "ratio_tuned": ratio / 2,
        "records_per_cycle": 1.0,
        "latency_cycles": latency,
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


def test_dict_peer_keeps_the_book():
    bids = [(0, 100, 5), (0, 101, 1), (0, 101, 0)]
    asks = [(1, 103, 2), (1, 102, 7), (1, 104, 0)]
    end = (2, 0, 0)
    # Best prices are 100 and 102, then 100 and 103.
    assert bench._dict_book([*bids, *asks, end, (1, 102, 0), end]) == 100 + 102 + 100 + 103


def test_whole_capture_is_found_by_the_environment(monkeypatch, tmp_path):
    file = tmp_path / "binance" / "usdm_btcusdt_20240808.gz"
    monkeypatch.setenv("TICKGATE_CAPTURES", str(tmp_path))
    assert bench.whole_capture() is None
    file.parent.mkdir()
    file.touch()
    assert bench.whole_capture() == file
