# SPDX-License-Identifier: Apache-2.0
import gzip
import json
from collections import Counter

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host import cli
from host.feeds.messages import DepthUpdate, StreamSequence
from host.feeds.venues import BINANCE, VENUES
from host.wire.convert import encode_capture
from host.wire.stats import FeedStats, feed_stats
from tests.host.replay_helpers import (
    SLICE,
    depth_places,
    payload,
    slice_lines,
    with_payload,
    write_capture,
)
from tests.host.test_feeds_captures import CHAINS

MS = 1_000_000


@pytest.fixture
def tickgate(capfd):
    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return stopped.value.code, out, err

    return run


def event(first, last, levels=1, time_us=1000, name="X"):
    bids = [("1.0", "2.0")] * levels
    return DepthUpdate(name, first, last, None, time_us, bids, [])


def added(*entries, venue=BINANCE):
    stats = FeedStats(venue)
    for recv_ns, message in entries:
        stats.add(recv_ns, b"x" * 10, message, file="f", line=7)
    return stats.summary()


def told(path):
    """Frames of a capture by kind, its times, levels and bytes, read with the json module alone."""
    kinds, times, levels, sizes = Counter(), [], [], Counter()
    for line in gzip.decompress(path.read_bytes()).splitlines():
        at, text = line.split(b" ", 1)
        data = json.loads(text)
        data = data.get("data", data)
        names = {"depthUpdate": "depth", "trade": "trade", "bookTicker": "ticker"}
        kind = "snapshot" if "lastUpdateId" in data else names[data.get("e", "bookTicker")]
        kinds[kind] += 1
        sizes[kind] += len(text)
        times.append(int(at))
        if kind == "depth":
            levels.append(len(data["b"]) + len(data["a"]))
    return kinds, times, levels, sizes


def check(path):
    kinds, times, levels, sizes = told(path)
    summary = feed_stats([str(path)]).summary()
    (found,) = summary["symbols"].values()
    assert {name: one["messages"] for name, one in found.items()} == kinds
    assert summary["frames"] == len(times) and not summary["refused"]
    assert summary["seconds"] == (max(times) - times[0]) / 1e9
    for name, one in found.items():
        assert one["json_bytes_per_frame"] == pytest.approx(sizes[name] / kinds[name])
    depth = found["depth"]
    assert depth["levels"] == sum(levels)
    ordered, spread = sorted(levels), depth["levels_per_event"]
    assert (spread["min"], spread["max"]) == (ordered[0], ordered[-1])
    assert sum(one <= spread["p99"] for one in levels) >= 0.99 * len(levels)
    assert sum(one < spread["p99"] for one in levels) < 0.99 * len(levels)
    # header, root, two dimensions, symbol; 16 bytes a level
    name = next(iter(summary["symbols"]))
    expected = 8 + 26 + 8 + 1 + len(name) + 16 * sum(levels) / len(levels)
    assert depth["sbe_bytes_per_frame"] == pytest.approx(expected)
    assert summary["sequence"] == {"gaps": 0, "repeated": 0, "stream_gaps": 0}


def test_the_figures_of_the_bundled_minute_are_those_counted_by_hand():
    check(SLICE)


@pytest.mark.captures
@pytest.mark.parametrize("chain", CHAINS)
def test_the_figures_of_every_capture_are_those_counted_by_hand(captures, chain):
    for name in CHAINS[chain][0]:
        check(captures / "binance" / name)


def test_the_encoded_capture_has_the_same_figures(tmp_path):
    encode_capture([SLICE], tmp_path / "encoded")
    one, other = (
        feed_stats([str(SLICE)]).summary(),
        feed_stats([str(tmp_path / "encoded")]).summary(),
    )
    assert (one["encoding"], other["encoding"]) == ("json", "sbe")
    assert one["rates"] == other["rates"] and one["sequence"] == other["sequence"]
    for kind in ("depth", "trade", "ticker"):
        (first,), (second,) = (list(it["symbols"].values()) for it in (one, other))
        for name in ("messages", "sbe_bytes_per_frame", "sbe_beats_per_frame", "delay_us"):
            assert first[kind][name] == second[kind][name]
        assert first[kind].get("levels_per_event") == second[kind].get("levels_per_event")


def test_a_missing_event_is_a_gap_and_one_that_comes_again_is_none():
    lines = slice_lines()
    places = [n for n, line in enumerate(lines) if '"depthUpdate"' in line]
    lost, after = places[20], places[21]
    first = payload(lines[after])["data"]["U"]
    before = payload(lines[places[19]])["data"]["u"]
    del lines[lost]
    lines.insert(places[40], lines[places[39] - 1])
    stats = FeedStats(BINANCE)
    for number, line in enumerate(lines, 1):
        text = line.split(" ", 1)[1].encode()
        stats.add(number, text, BINANCE.parse(text, ""), file="f", line=number)
    summary = stats.summary()
    assert summary["sequence"] == {"gaps": 1, "repeated": 1, "stream_gaps": 0}
    assert summary["first_gaps"] == [
        {"symbol": "BTCUSDT", "file": "f", "line": after, "last_id": before, "first_id": first}
    ]


def test_each_symbol_has_its_own_sequence():
    summary = added((1, event(1, 5)), (2, event(6, 7, name="Y")), (3, event(6, 9)))
    assert summary["sequence"]["gaps"] == 0
    assert {name: one["depth"]["messages"] for name, one in summary["symbols"].items()} == {
        "X": 2,
        "Y": 1,
    }


def test_a_hole_in_the_numbers_of_a_connection_is_told():
    numbers = [[StreamSequence(n)] for n in (0, 1, 3, 4)]
    summary = added(*enumerate(numbers), venue=VENUES["COINBASE"])
    assert summary["sequence"]["stream_gaps"] == 1 and summary["other_frames"] == 4


def test_delays_are_receive_time_less_exchange_time():
    summary = added(*((us * 1000, event(1, 1, time_us=1000)) for us in (990, 1010, 1500)))
    delay = summary["symbols"]["X"]["depth"]["delay_us"]
    assert delay == {"min": -10, "mean": 500 / 3, "p50": 10, "p99": 500, "max": 500}


TIMES = st.lists(st.tuples(st.integers(0, 3_000_000_000), st.integers(1, 9)), min_size=1)


@given(TIMES.map(sorted))
def test_peaks_are_the_most_within_any_second_and_millisecond(entries):
    summary = added(*((at, event(1, 1, levels)) for at, levels in entries))
    for span, name in ((1_000_000_000, "peak_per_s"), (MS, "peak_per_ms")):
        windows = [[one for at, one in entries if end - span < at <= end] for end, _ in entries]
        assert summary["rates"]["frames"][name] == max(map(len, windows))
        assert summary["rates"]["levels"][name] == max(map(sum, windows))


def test_what_is_refused_is_counted_and_reading_goes_on(tmp_path):
    lines = slice_lines()[:50]
    capture = write_capture(tmp_path, [*lines[:10], "rubbish", "1 {", '2 {"a":1}', *lines[10:]])
    summary = feed_stats([str(capture)]).summary()
    assert summary["refused"] == {"bad_line": 2, "unknown_frame": 1}
    assert summary["received_out_of_order"] == 2
    assert sum(one["messages"] for one in summary["symbols"]["BTCUSDT"].values()) == 50


def test_the_command_prints_tables_or_json(tickgate):
    status, out, _ = tickgate("feed-stats", SLICE)
    assert status == 0 and "BTCUSDT" in out and "level updates a second" in out
    status, out, _ = tickgate("feed-stats", SLICE, "--json")
    assert status == 0
    assert orjson.loads(out) == orjson.loads(orjson.dumps(feed_stats([str(SLICE)]).summary()))
    status, out, _ = tickgate("feed-stats", SLICE, "--json", "--symbol", "ETHUSDT")
    # the snapshot does not say whose it is
    assert status == 0 and list(orjson.loads(out)["symbols"]) in ([], ["-"])


def test_a_capture_that_is_cut_off_is_counted_up_to_there(tickgate, tmp_path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(SLICE.read_bytes()[:100_000])
    status, out, err = tickgate("feed-stats", cut, "--json")
    assert status == 2 and err.startswith("error: ") and "cut off" in err
    summary = orjson.loads(out)
    assert summary["frames"] > 100 and "cut off" in summary["error"]
    status, out, err = tickgate("feed-stats", tmp_path / "nowhere")
    assert (status, out) == (2, "") and "nowhere: expected a readable file" in err


def test_the_command_encodes_a_capture(tickgate, tmp_path):
    path = tmp_path / "encoded.gz"
    status, out, _ = tickgate("encode", SLICE, "--out", path)
    assert status == 0 and "DepthUpdate" in out
    assert feed_stats([str(path)]).summary()["encoding"] == "sbe"
    lines = slice_lines()
    at = depth_places(lines)[0]
    frame = payload(lines[at])
    frame["data"]["b"] = [["0.000000001", "1"]]
    capture = write_capture(tmp_path, [with_payload(lines[at], frame)])
    status, out, _ = tickgate("encode", capture, "--out", path)
    assert (status, out) == (1, "NotExact 1\n")
    status, _, err = tickgate("encode", SLICE, "--out", tmp_path / "no" / "folder")
    assert status == 2 and err.startswith("error: ")
