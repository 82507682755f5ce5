# SPDX-License-Identifier: Apache-2.0
"""The commands around a session, as a person types them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host import cli

Ran = tuple[int, str, str]


@pytest.fixture
def tickgate(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        with pytest.raises(SystemExit) as stopped:
            cli.main(list(arguments))
        out, err = capfd.readouterr()
        return int(str(stopped.value.code)), out, err

    return run


def changed(before: str, after: str) -> None:
    file = Path("tickgate.toml")
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def test_init_writes_a_file_that_check_takes(tickgate: Callable[..., Ran]) -> None:
    assert tickgate("init")[0] == 0
    status, out, _ = tickgate("check")
    assert (status, "paper at binanceusdm" in out) == (0, True)
    status, _, err = tickgate("init")
    assert status == 2
    assert "tickgate.toml: expected no such file, was one" in err


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("levels = 10", "levels = 11", "strategy.levels: expected a whole number from 1 to 10"),
        ('name = "sim"', 'name = "card"', "link.name: expected one of"),
        ('name = "sim"', 'name = "pynq"', "link.file: expected the file of the link pynq"),
        ('mode = "paper"', 'mode = "live"', "expected the option --live as well"),
        ('mode = "paper"', 'mode = "testnet"', "expected TICKGATE_BINANCEUSDM_KEY"),
        ("captures = []", 'captures = ["none.gz"]', "none.gz"),
        ('venue = "binanceusdm"', 'venue = "binance"', "paper.captures: expected captures"),
    ],
)
def test_what_cannot_be_traded_is_one_line(
    tickgate: Callable[..., Ran], before: str, after: str, said: str
) -> None:
    tickgate("init")
    changed(before, after)
    for command in ("check", "run"):
        status, _, err = tickgate(command)
        assert status == 2
        assert err.startswith("error: ") and err.count("\n") == 1
        assert said in err


def test_live_needs_the_words_as_well(
    tickgate: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    tickgate("init")
    changed('mode = "paper"', 'mode = "live"')
    status, _, err = tickgate("check", "--live")
    assert status == 2 and "expected 'live binanceusdm'" in err
    monkeypatch.setenv("TICKGATE_LIVE", "live binanceusdm")
    status, _, err = tickgate("check", "--live")
    assert status == 2 and "TICKGATE_BINANCEUSDM_KEY" in err  # confirmed, and without keys
    monkeypatch.setenv("TICKGATE_BINANCEUSDM_KEY", "some-key")
    monkeypatch.setenv("TICKGATE_BINANCEUSDM_SECRET", "some-secret")
    status, out, _ = tickgate("check", "--live")
    assert status == 0 and "some-" not in out


def test_a_venue_without_a_market_stream_is_refused(
    tickgate: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    tickgate("init")
    changed('mode = "paper"', 'mode = "testnet"')
    changed('venue = "binanceusdm"', 'venue = "okx"')
    status, _, err = tickgate("check")
    assert status == 2
    assert "venue: expected one with a market stream here" in err


@pytest.mark.parametrize("command", ["status", "pause", "resume"])
def test_without_a_session_nobody_answers(tickgate: Callable[..., Ran], command: str) -> None:
    tickgate("init")
    status, _, err = tickgate(command)
    assert status == 2
    assert "expected a running session, was none" in err


def test_kill_makes_the_file_that_lets_no_session_begin(tickgate: Callable[..., Ran]) -> None:
    tickgate("init")
    status, out, _ = tickgate("kill")
    assert status == 0 and "KILL" in out
    status, _, err = tickgate("run")
    assert status == 2 and "expected no such file, was one" in err


def test_trace_names_what_it_does_not_find(tickgate: Callable[..., Ran]) -> None:
    tickgate("init")
    status, _, err = tickgate("trace", "tgabcdef1x2x0")
    assert status == 2 and "expected a journal, was none" in err
