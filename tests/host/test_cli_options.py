# SPDX-License-Identifier: Apache-2.0
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from host import cli
from tests.host.replay_helpers import SLICE, slice_lines, write_capture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("capture"), slice_lines()[:2000])


@pytest.fixture
def tickgate(tmp_path, capfd):
    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return stopped.value.code, out, err

    return run


def is_one_error(err):
    return err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ratio", "1"], "--ratio: expected a ratio above 1, was 1"),
        (["--ratio", "1.0000001"], "--ratio: expected a fraction of two whole numbers"),
        (["--levels", "0"], "--levels: expected 1 to 10, was 0"),
        (["--levels", "11"], "--levels: expected 1 to 10, was 11"),
        (["--levels", "ten"], "'--levels'"),
        (["--link", "telepathy"], "link: expected one of pynq, sim, uart, xrt, was 'telepathy'"),
        (["--tick", "0"], "--tick: expected a decimal above 0, was '0'"),
        (["--lot", "NaN"], "--lot: expected a decimal above 0, was 'NaN'"),
        (["--order-qty", "0.0001"], "--order-qty: qty: expected a multiple of the step"),
        (["--collar-ticks", "-1"], "--collar-ticks: expected 0 to"),
        (["--refill-at", "33"], "--refill-at: expected 0 to 32, was 33"),
        (["--fill-delay-ms", "0"], "--fill-delay-ms: expected 1 to 3600000, was 0"),
        (["--symbol", "ETHUSDT"], "expected a snapshot and the depth events that follow it"),
        (["--fills", "maybe"], "--fills"),
        (["--set", "strategy_sides"], "--set: expected NAME=VALUE, was 'strategy_sides'"),
        (["--set", "strategy_sides=4"], "--set strategy_sides: expected 0 to 3, was '4'"),
        (["--set", "mode=2"], "--set mode: expected a register that begins with strategy_"),
        (["--wire", "itch", "--set", "loss_window=3"], "--set: expected none with --wire itch"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(tickgate, tmp_path, capture, options, said):
    status, _, err = tickgate("replay", capture, "--out", tmp_path / "o", "--no-report", *options)
    assert status == 2
    assert said in err
    assert is_one_error(err)


def test_a_missing_capture_is_one_line_that_names_it(tickgate, tmp_path):
    status, out, err = tickgate("replay", "no/such.gz", "--out", tmp_path / "o")
    assert (status, out) == (2, "")
    assert is_one_error(err) and "no/such.gz: expected a readable file" in err


def test_an_out_that_is_no_folder_is_named_before_anything_runs(tickgate, tmp_path, capture):
    (tmp_path / "file").write_text("")
    status, out, err = tickgate("replay", capture, "--out", tmp_path / "file")
    assert (status, out) == (2, "")
    assert is_one_error(err) and f"--out {tmp_path / 'file'}: expected a folder" in err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["replay", "CAPTURE", "--out", ""], "'--out'"),
        (["replay", "CAPTURE", "--out="], "'--out'"),
        (["replay", "", "--out", "o"], "'CAPTURE...'"),
        (["replay", "CAPTURE", "--out", "o", "--model", ""], "'--model'"),
        (["train", "CAPTURE", "--out", ""], "'--out'"),
        (["encode", "CAPTURE", "--out", ""], "'--out'"),
        (["encode", "", "--out", "o"], "'CAPTURE...'"),
        (["feed-stats", ""], "'CAPTURE...'"),
        (["paper", "--usdm", ""], "'--usdm'"),
        (["init", ""], "'out'"),
        (["check", "--config", ""], "'--config'"),
    ],
)
def test_an_empty_name_is_refused_and_nothing_is_touched(
    tickgate, tmp_path, capture, monkeypatch, arguments, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "summary.json").write_text("another's")
    status, out, err = tickgate(*(str(capture) if a == "CAPTURE" else a for a in arguments))
    assert (status, out) == (2, "")
    assert is_one_error(err) and name in err
    assert "expected the name of a file or folder, was ''" in err
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "CAPTURE", "--out", "o", "--model", "nope"], "nope: expected a file"),
        (["replay", "nope", "--wire", "itch", "--out", "o"], "nope: expected a file"),
        (["train", "CAPTURE", "--out", "/dev/null/x"], "/dev/null/x: expected a file"),
        (["encode", "CAPTURE", "--out", "/dev/null/x"], "/dev/null/x: expected a file"),
        (["init", "/dev/null/x"], "/dev/null/x: expected a file"),
        (["init", "no/such/x"], "no/such/x: expected a file"),
    ],
)
def test_what_the_system_refuses_is_named_with_what_was_expected(
    tickgate, tmp_path, capture, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    status, out, err = tickgate(*(str(capture) if a == "CAPTURE" else a for a in arguments))
    assert (status, out) == (2, "")
    assert is_one_error(err) and said in err and ", was No" in err
    assert "Errno" not in err


def test_a_cut_capture_exits_with_2_after_writing_what_it_had(tickgate, tmp_path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(SLICE.read_bytes()[:200_000])
    status, out, err = tickgate("replay", cut, "--out", tmp_path / "o", "--no-report")
    assert status == 2
    assert is_one_error(err) and "cut.gz: expected the end of the gzip data" in err
    assert len((tmp_path / "o" / "bbo.csv").read_text().splitlines()) > 100
    assert "equal to the exchange's quotes" in out


def test_a_tick_the_prices_do_not_fit_is_explained_by_the_first_refusal(
    tickgate, tmp_path, capture
):
    status, _, err = tickgate(
        "replay", capture, "--out", tmp_path / "o", "--tick", "0.3", "--no-report"
    )
    assert status == 2
    assert is_one_error(err) and "price_off_grid in line 55: " in err


def test_help_says_that_fills_are_an_assumption_and_no_backtest(tickgate, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, _ = tickgate("replay", "--help")
    assert status == 0
    assert "assumed filled in full" in out and "no backtest" in out
    assert "[default: 2.5]" in out and "default: 10 lots" in out


def test_version_is_that_of_the_package(tickgate):
    text = (ROOT / "pyproject.toml").read_text()
    number = re.search(r'^version = "(.+)"', text, re.M)[1]
    assert tickgate("version") == (0, f"tickgate {number}\n", "")


def test_the_module_runs_as_a_command_with_its_status_and_no_traceback(tmp_path):
    bad = tmp_path / "bad.gz"
    bad.write_bytes(gzip.compress(b"not a capture\n"))
    run = subprocess.run(
        [sys.executable, "-m", "host.cli", "replay", str(bad), "--out", str(tmp_path / "o")],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert is_one_error(run.stderr) and "bad_line in line 1" in run.stderr
