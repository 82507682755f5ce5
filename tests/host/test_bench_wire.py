# SPDX-License-Identifier: Apache-2.0
import gzip
import json

import pytest

from host.wire.sbe_encode import SbeEncoder
from sim import bench_wire
from sim.bench_wire import WireBenchError, main, measure_wires
from tests.host.replay_helpers import depth_places, slice_lines, write_capture

EVENTS = 40


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """The snapshot and some events around it."""
    lines = slice_lines()
    first = next(n for n, line in enumerate(lines) if "lastUpdateId" in line)
    last = [n for n in depth_places(lines) if n > first][EVENTS]
    kept = {first, *depth_places(lines)}
    shown = [line for n, line in enumerate(lines[: last + 1]) if n in kept]
    return write_capture(tmp_path_factory.mktemp("c"), shown)


def test_every_way_is_measured_on_the_same_events(capture):
    found = measure_wires(capture, 1)
    assert len(found["rows"]) == 5 and all(row.seconds > 0 for row in found["rows"])
    (levels,) = {row.levels for row in found["rows"]}
    (frames,) = {row.frames for row in found["rows"]}
    lines = gzip.decompress(capture.read_bytes()).decode().splitlines()
    texts = [line.split(" ", 1)[1] for line in lines if '"depthUpdate"' in line]
    sizes = [len(one["data"]["b"]) + len(one["data"]["a"]) for one in map(json.loads, texts)]
    # some of the first events lie before the snapshot
    assert EVENTS <= frames <= len(sizes) and levels == sum(sizes[-frames:])
    assert found["json_bytes"] == sum(map(len, texts))
    # header, root, two dimensions and the name beside the levels; in beats 4, and one for FRAME
    assert found["sbe_bytes"] == sum(50 + 16 * size for size in sizes)
    assert found["cycles"] == sum(5 + size for size in sizes)


def test_frames_that_say_something_else_are_not_measured(capture, monkeypatch):
    class Wrong(SbeEncoder):
        def depth(self, update, event_time_us=None):
            return super().depth(update._replace(asks=update.asks[1:]), event_time_us)

    monkeypatch.setattr(bench_wire, "SbeEncoder", Wrong)
    with pytest.raises(WireBenchError, match="SBE to records: expected the records of JSON"):
        measure_wires(capture, 1)


def test_the_status_says_whether_it_is_fast_enough(capture, tmp_path, monkeypatch, capsys):
    out = tmp_path / "bench.json"
    arguments = [str(capture), "--repeats", "1", "--output", str(out)]
    for least, status in ((1, 0), (10**12, 1)):
        monkeypatch.setattr(bench_wire, "LEAST_LEVELS_PER_S", least)
        assert main(arguments) == status
        assert ("is over" in capsys.readouterr().out) == (status == 0)
    assert len(json.loads(out.read_text())["rows"]) == 5
    (tmp_path / "none").write_bytes(b"1 {}\n")
    for path in (tmp_path / "none", tmp_path / "nowhere"):
        assert main([str(path), "--output", str(out)]) == 2
        assert "bench_wire: " in capsys.readouterr().err
