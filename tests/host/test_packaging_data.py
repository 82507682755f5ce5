# SPDX-License-Identifier: Apache-2.0
"""The bundled slice is what its page says it is."""

import gzip
import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "sim" / "data"
SLICE = DATA / "usdm_btcusdt_20240808_60s.gz"
CAPTURE = "binance/usdm_btcusdt_20240808.gz"


def stated(row: str) -> str:
    """Second cell of the row of the README's table that starts with `row`."""
    found = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", (DATA / "README.md").read_text(), re.M)
    assert found, f"no row {row!r}"
    return found[1]


def slice_lines() -> list[bytes]:
    return gzip.decompress(SLICE.read_bytes()).splitlines(keepends=True)


def test_slice_has_the_sha256_that_its_readme_states() -> None:
    packed = SLICE.read_bytes()
    assert stated("sha256 of the file") == f"`{hashlib.sha256(packed).hexdigest()}`"
    content = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert stated("sha256 of its content") == f"`{content}`"


def test_slice_holds_as_many_frames_of_each_kind_as_its_readme_states() -> None:
    lines = slice_lines()
    kinds: Counter[str] = Counter()
    updates = 0
    snapshots = []
    for number, line in enumerate(lines, 1):
        frame = json.loads(line.partition(b" ")[2])
        if "stream" not in frame:
            snapshots.append(f"line {number}: {len(frame['bids'])} levels a side")
            assert len(frame["bids"]) == len(frame["asks"])
            continue
        kinds[frame["data"]["e"]] += 1
        if frame["data"]["e"] == "depthUpdate":
            updates += len(frame["data"]["b"]) + len(frame["data"]["a"])
    assert stated("lines") == str(len(lines))
    assert stated("depth events") == f"{kinds['depthUpdate']}, with {updates} level updates"
    assert stated("book tickers") == str(kinds["bookTicker"])
    assert stated("trades") == str(kinds["trade"])
    assert stated("snapshots") == f"{len(snapshots)}, {snapshots[0]}"


def test_slice_is_under_a_megabyte_and_carries_no_time_of_its_own() -> None:
    packed = SLICE.read_bytes()
    assert len(packed) < 1_000_000
    assert packed[4:8] == bytes(4), "a gzip time would change the file at every cut"


def test_licence_of_the_recording_lies_beside_it() -> None:
    text = (DATA / "LICENSE.hftbacktest.txt").read_text()
    assert text.startswith("MIT License\n\nCopyright (c) 2022 nkaz001@protonmail.com\n")
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in text


@pytest.mark.captures
def test_slice_is_the_first_sixty_seconds_of_the_capture_line_for_line(captures: Path) -> None:
    lines = slice_lines()
    with gzip.open(captures / CAPTURE) as file:
        source = list(itertools.islice(file, len(lines) + 1))
    assert lines == source[:-1]
    first_ns, last_ns, next_ns = (
        int(line.split(b" ", 1)[0]) for line in (source[0], source[-2], source[-1])
    )
    assert last_ns - first_ns < 60 * 10**9 <= next_ns - first_ns


@pytest.mark.captures
def test_make_slice_gives_the_bundled_content_again(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "slice.gz"
    command = [sys.executable, "scripts/make_slice.py", str(captures / CAPTURE), str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    # The content, not the file: another zlib may pack the same lines otherwise.
    assert gzip.decompress(out.read_bytes()) == gzip.decompress(SLICE.read_bytes())


def test_make_slice_refuses_a_line_that_is_earlier_than_the_one_before(tmp_path: Path) -> None:
    capture = tmp_path / "capture.gz"
    capture.write_bytes(gzip.compress(b'20 {"stream":"a"}\n10 {"stream":"a"}\n'))
    command = [sys.executable, "scripts/make_slice.py", str(capture), str(tmp_path / "out.gz")]
    run = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert run.returncode != 0
    assert run.stderr.rstrip().endswith("line 2: expected a time from 20, was 10")
    assert not (tmp_path / "out.gz").exists()
