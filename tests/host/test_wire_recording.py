# SPDX-License-Identifier: Apache-2.0
import gzip
import struct

import numpy as np
import pytest

from host.feeds.capture import CaptureError, CaptureReader
from host.feeds.messages import Refusal
from host.feeds.session import FeedSession
from host.replay.source import open_captures
from host.wire.convert import encode_capture
from host.wire.recording import MAGIC, SbeReader, SbeWriter, is_sbe_recording
from host.wire.sbe_encode import SbeEncoder
from host.wire.venue import BINANCE_SBE
from tests.host.replay_helpers import SLICE, slice_lines, write_capture
from tests.host.test_feeds_captures import CHAINS
from tests.host.wire_frames import depth_bytes

FRAMES = [(5, depth_bytes(), 3), (6, '{"result":null,"id":1}', 0), (6, b"", 255)]


def head(size, kind=1, zero=0):
    return struct.pack("<QIBBH", 5, size, kind, 3, zero)


@pytest.fixture(params=["frames.sbe", "frames.sbe.gz"])
def recording(request, tmp_path):
    path = tmp_path / request.param
    with SbeWriter(path) as writer:
        for frame in FRAMES:
            writer.write(*frame)
    assert writer.frames == len(FRAMES)
    return path


def test_what_was_written_is_read(recording):
    reader = SbeReader([recording, recording])
    found = [(one.recv_ns, one.payload, int(one.connection)) for one in reader]
    assert found == FRAMES * 2
    assert [one.line for one in SbeReader([recording])] == [1, 2, 3]
    assert reader.bytes_done == reader.bytes_total == 2 * recording.stat().st_size
    assert is_sbe_recording(recording)


def test_the_same_frames_give_the_same_file(recording, tmp_path):
    again = tmp_path / ("again" + recording.name)
    with SbeWriter(again) as writer:
        for frame in FRAMES:
            writer.write(*frame)
    assert again.read_bytes() == recording.read_bytes()


def test_a_recording_that_is_cut_off_is_read_up_to_there(recording, tmp_path):
    whole = recording.read_bytes()
    plain = gzip.decompress(whole) if recording.name.endswith("gz") else whole
    for size in range(len(MAGIC) + 1, len(plain)):
        path = tmp_path / "cut"
        path.write_bytes(plain[:size])
        found = []
        try:
            found.extend(SbeReader([path]))
        except CaptureError as error:
            assert error.lines == len(found) and "expected" in str(error)
        else:  # cut between two frames
            assert size == len(MAGIC) + sum(16 + len(one.payload) for one in found)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CaptureError):
        list(SbeReader([path]))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "frame 1: expected a file that begins with"),
        (MAGIC[:-1] + b"\x02", "expected a file that begins with"),
        (MAGIC + head(0, kind=3), "frame 1: expected kind 1 or 2"),
        (MAGIC + head(1) + b"x" + head(0, zero=1), "frame 2: expected kind 1 or 2"),
        (MAGIC + head(1 << 31), "expected kind 1 or 2 and a length"),
        (MAGIC + head(9) + b"x", "expected 9 bytes, was 1"),
        (MAGIC + head(0)[:7], "expected a head of 16 bytes, was 7"),
        (gzip.compress(MAGIC + head(0), mtime=0)[:-9], "expected sound gzip data"),
        (gzip.compress(MAGIC + head(0), mtime=0)[:-1] + b"\xff", "expected sound gzip data"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path, data, said):
    path = tmp_path / "broken"
    path.write_bytes(data)
    with pytest.raises(CaptureError, match=said):
        list(SbeReader([path]))


def test_text_that_is_no_utf8_is_refused_and_the_rest_read(tmp_path):
    path = tmp_path / "frames"
    path.write_bytes(MAGIC + head(1, kind=2) + b"\xff" + head(1) + b"x")
    refusal, frame = SbeReader([path])
    assert isinstance(refusal, Refusal) and (refusal.reason, refusal.line) == ("bad_line", 1)
    assert frame.payload == b"x"


@pytest.mark.parametrize(
    ("frame", "said"),
    [((-1, b"", 0), "time"), ((1 << 64, b"", 0), "time"), ((0, b"", 256), "connection")],
)
def test_what_does_not_fit_is_not_written(tmp_path, frame, said):
    with SbeWriter(tmp_path / "frames") as writer, pytest.raises(ValueError, match=said):
        writer.write(*frame)
    assert (tmp_path / "frames").read_bytes() == MAGIC


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CaptureError, match="nowhere: expected a readable file"):
        SbeReader([tmp_path / "nowhere"])
    with pytest.raises(CaptureError, match="nowhere: expected a readable file"):
        is_sbe_recording(tmp_path / "nowhere")


def test_files_of_two_formats_do_not_go_together(recording):
    assert open_captures([str(recording)])[0] is BINANCE_SBE
    with pytest.raises(CaptureError, match="expected a recording of binary frames as in"):
        open_captures([str(recording), str(SLICE)])


def records(venue, source):
    session = FeedSession(adopt=True, venue=venue)
    for frame in source:
        session.feed(frame)
    return session.take(), session


def check_encoded(paths, tmp_path):
    out = tmp_path / "encoded.sbe"
    counts = encode_capture(paths, out)
    expected, native = records(*open_captures([str(path) for path in paths]))
    found, binary = records(*open_captures([str(out)]))
    assert np.array_equal(found, expected)
    # spot and futures are told apart by `prev_id`, and only futures have one
    assert native.counters == binary.counters
    assert sum(counts.values()) == native.counters["frames"]
    return counts


def test_the_bundled_minute_encoded_gives_the_same_records(tmp_path):
    counts = check_encoded([SLICE], tmp_path)
    assert set(counts) == {"DepthUpdate", "BookTicker", "Trade", "text"}


@pytest.mark.captures
@pytest.mark.parametrize("chain", CHAINS)
def test_every_capture_encoded_gives_the_same_records(captures, tmp_path, chain):
    check_encoded([captures / "binance" / name for name in CHAINS[chain][0]], tmp_path)


def test_snapshots_are_encoded_where_that_is_asked(tmp_path):
    counts = encode_capture([SLICE], tmp_path / "encoded", binary_snapshots=True)
    assert counts["Snapshot"] == 1 and not counts["text"]
    frames = [one for one in SbeReader([tmp_path / "encoded"])]
    assert sum(one.payload[2:4] == b"\x12\x27" for one in frames) == 1


def test_what_cannot_be_encoded_is_counted_by_name(tmp_path):
    lines = slice_lines()
    capture = write_capture(tmp_path, ["rubbish", *lines])
    counts = encode_capture([capture], tmp_path / "encoded", SbeEncoder(0))
    assert counts["NotExact"] > 1000 and counts["bad_line"] == 1
    assert sum(counts.values()) == len(lines) + 1
    assert sum(1 for _ in CaptureReader([capture])) == len(lines) + 1
