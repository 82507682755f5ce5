# SPDX-License-Identifier: Apache-2.0
"""``tickgate paper``: its one line, and what it says of wrong settings."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import orjson
import pytest

from host.cli import BAD_INPUT, main
from tests.paper.market import CAPTURE, ROOT


def test_the_command_says_where_it_listens_and_ends_when_asked() -> None:
    command = [sys.executable, "-m", "host.cli", "paper", "--usdm", str(CAPTURE)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(
            r"paper exchange at (http://127\.0\.0\.1:\d+) \(ws://127\.0\.0\.1:\d+\) "
            r"usdm=BTCUSDT speed 1 key paperkey\n",
            line,
        )
        assert found, line
        with urllib.request.urlopen(found[1] + "/fapi/v1/exchangeInfo", timeout=30) as answer:
            assert orjson.loads(answer.read())["symbols"][0]["symbol"] == "BTCUSDT"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "paper exchange ended; usdm: 0 orders, 0 fills\n"
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a capture of futures (--usdm) or spot (--spot), was none"),
        ("speed = -1", "speed: Input should be greater than or equal to 0, was -1"),
        ("spede = 1", "spede: Extra inputs are not permitted, was 1"),
        ("[usdm]\nmaker_rate = 2", "usdm.maker_rate: Input should be less than or equal to 1"),
        ("[usdm]\nqueue_model = 'front'", "usdm.queue_model: Input should be 'back' or"),
        ("[usdm.symbols.NEWUSDT]\ntick = 0.1", "usdm.symbols.NEWUSDT: expected tick and lot"),
        ("= 1", "expected a readable TOML file"),
    ],
)
def test_wrong_settings_name_file_key_and_expectation(
    text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "paper.toml"
    config.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["paper", "--config", str(config)])
    assert ended.value.code == BAD_INPUT
    assert expected in capsys.readouterr().err


def test_settings_of_a_file_and_of_options_go_together(tmp_path: Path) -> None:
    from host.paper.command import paper_settings

    config = tmp_path / "paper.toml"
    config.write_text("speed = 10\n[usdm]\nmaker_rate = '0.0001'\n")
    found = paper_settings(config, ["a.gz"], [], {"speed": "2", "port": None})
    assert (found.speed, found.port) == (2, 0)
    assert found.usdm is not None
    assert found.usdm.captures == ("a.gz",)
    assert str(found.usdm.maker_rate) == "0.0001"
