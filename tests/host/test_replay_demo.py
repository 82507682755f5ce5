# SPDX-License-Identifier: Apache-2.0
import io

import pytest
from rich.console import Console

from sim import demo, wave
from tests.host.replay_helpers import replayed, slice_lines, write_capture


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return replayed(folder, write_capture(folder, slice_lines()[:1000])).outcome.run


@pytest.fixture
def quiet():
    return Console(file=io.StringIO())


@pytest.mark.slow
def test_the_wave_shows_the_cycles_around_the_first_decision(tmp_path, run):
    path = tmp_path / "first.vcd"
    path.write_text("old")
    said = demo.first_decision_wave(run, path)
    first, last = wave.window_ns(path)
    cycles = (last - first) // wave.CYCLE_NS
    assert 50 <= cycles <= 80
    assert said == f"{cycles} cycles of {len(wave.signals(path))} signals"
    names = wave.signals(path)
    assert any(name.endswith("m_tvalid") for name in names)
    assert any(name.endswith("s_tdata") and bits == 128 for name, bits in names.items())


def test_a_run_without_a_decision_gives_no_wave(tmp_path, run):
    silent = type(run)(run.options, run.identity, run.session)
    with pytest.raises(demo.DemoError, match="expected a decision in the replay, was none"):
        demo.first_decision_wave(silent, tmp_path / "none.vcd")


def test_missing_benches_fail_the_demonstration(tmp_path, monkeypatch, quiet):
    monkeypatch.setattr(demo, "_BENCHES", tmp_path / "nothing")
    step = demo._benches(quiet)
    assert not step.ok and "expected benches, was none" in step.text


@pytest.mark.parametrize(("check", "ok"), [("True", True), ("False", False)])
def test_benches_that_fail_fail_the_demonstration(tmp_path, monkeypatch, quiet, check, ok):
    (tmp_path / "test_bench.py").write_text(f"def test_it():\n    assert {check}\n")
    monkeypatch.setattr(demo, "_BENCHES", tmp_path)
    step = demo._benches(quiet)
    assert step.ok is ok
    assert ("1 passed" if ok else "1 failed") in step.text


def test_a_replay_that_fails_fails_the_demonstration(tmp_path, monkeypatch, quiet):
    monkeypatch.setattr(demo, "_CAPTURE", tmp_path / "missing.gz")
    monkeypatch.setattr(demo, "_FOLDER", tmp_path / "report")
    step, outcome = demo._replay(quiet, quiet)
    assert not step.ok and "missing.gz" in step.text
    assert outcome is None
    assert not demo._wave(outcome, tmp_path / "none.vcd").ok
