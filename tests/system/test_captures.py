# SPDX-License-Identifier: Apache-2.0
"""Whole captures through the command, judged by the exchange's own quotes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CHAINS = {
    "usdm": ["usdm_btcusdt_20240808.gz"],
    "spot": ["spot_ethusdt_20240808.gz", "spot_ethusdt_20240809.gz"],
    "cm": ["cm_btcusd_perp_20240808.gz", "cm_btcusd_perp_20240809.gz"],
}


@pytest.mark.captures
@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_a_whole_capture_is_exact_wherever_it_is_valid(captures, tmp_path, chain):
    files = [captures / "binance" / name for name in CHAINS[chain]]
    for path in files:
        assert path.is_file(), f"expected the capture {path}, was not there"
    out = tmp_path / "out"
    command = [sys.executable, "-m", "host.cli", "replay", *map(str, files), "--out", str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")

    summary = json.loads((out / "summary.json").read_text())
    assert summary["mismatches"]["total"] == 0
    assert summary["reference_records"] > summary["events"]
    assert summary["latency_cycles"]["min"] == summary["latency_cycles"]["max"]
    assert summary["events_bbo"]["share_of_depth_events"] >= 0.95
    assert summary["events_valid"]["share_of_depth_events"] >= 0.95
    assert summary["exchange_wrong"] == 0
    assert summary["exchange_checked"] >= 0.95 * summary["depth_events"]
    assert summary["decisions"]["accepted_buys"] and summary["decisions"]["accepted_sells"]
    assert summary["decisions"]["refused"]
    assert (out / "report.html").stat().st_size > 100_000

    checker = captures.parent / "tools" / "check_bbo.py"
    if checker.is_file():
        command = [sys.executable, str(checker), str(out / "bbo.csv"), *map(str, files)]
        check = subprocess.run(command, capture_output=True, text=True, check=False)
        assert check.returncode == 0, check.stdout + check.stderr
