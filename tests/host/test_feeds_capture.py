# SPDX-License-Identifier: Apache-2.0
import gzip
import zlib

import pytest

from host.feeds.capture import CaptureError, CaptureReader, Frame, read_frames
from host.feeds.messages import Refusal

LINES = [b'%d {"n":%d,"pad":"%s"}' % (1000 + n, n, b"%x" % (n**9)) for n in range(20_000)]
TEXT = b"\n".join(LINES) + b"\n"


def frames_of(*paths):
    return list(read_frames(paths))


def until_error(path):
    got = []
    with pytest.raises(CaptureError) as caught:
        for frame in read_frames([path]):
            got.append(frame)
    return got, caught.value


def test_gzip_and_plain_give_the_same_frames_whatever_the_name(tmp_path):
    plain, zipped = tmp_path / "a.gz", tmp_path / "b.txt"
    plain.write_bytes(TEXT)
    zipped.write_bytes(gzip.compress(TEXT))
    expected = [(1000 + n, line.split(b" ", 1)[1], n + 1) for n, line in enumerate(LINES)]
    for path in (plain, zipped):
        frames = frames_of(path)
        assert [(f.recv_ns, f.payload, f.line) for f in frames] == expected
        assert {f.path for f in frames} == {str(path)}


def test_files_come_in_the_order_given_each_with_its_own_line_numbers(tmp_path):
    first, second = tmp_path / "z", tmp_path / "a"
    first.write_bytes(b"1 {}\n2 {}\n")
    second.write_bytes(gzip.compress(b"3 {}"))
    assert frames_of(first, second) == [
        Frame(1, b"{}", str(first), 1),
        Frame(2, b"{}", str(first), 2),
        Frame(3, b"{}", str(second), 1),
    ]


def test_gzip_of_several_members_with_padding_is_read_whole(tmp_path):
    path = tmp_path / "members"
    cut = len(TEXT) // 2
    path.write_bytes(gzip.compress(TEXT[:cut]) + gzip.compress(TEXT[cut:]) + bytes(100_000))
    assert [f.payload for f in frames_of(path)] == [line.split(b" ", 1)[1] for line in LINES]


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.97])
def test_a_truncated_gzip_gives_all_whole_lines_and_then_an_error_with_their_number(tmp_path, keep):
    path = tmp_path / "cut.gz"
    data = gzip.compress(TEXT)
    data = data[: int(len(data) * keep)]
    path.write_bytes(data)
    readable = zlib.decompressobj(31).decompress(data).split(b"\n")[:-1]
    got, error = until_error(path)
    assert len(got) == len(readable) > 0
    assert got[-1].payload == readable[-1].split(b" ", 1)[1]
    assert (error.path, error.lines) == (str(path), len(readable))
    assert str(path) in str(error) and f"{len(readable)} lines" in str(error)
    assert "cut off" in str(error)


def test_a_damaged_gzip_gives_the_lines_before_the_damage(tmp_path):
    path = tmp_path / "damaged.gz"
    good = gzip.compress(TEXT)
    # a member cut short by rubbish: its first block is whole, the next has a type that is not
    body = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = body.compress(TEXT[:50_000]) + body.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(head + b"\xff" * 1000 + good)
    got, error = until_error(path)
    assert len(got) == TEXT[:50_000].count(b"\n") == error.lines
    assert "damaged" in str(error)


def test_a_wrong_checksum_is_an_error_after_all_lines(tmp_path):
    path = tmp_path / "crc.gz"
    data = bytearray(gzip.compress(TEXT))
    data[-6] ^= 1
    path.write_bytes(data)
    got, error = until_error(path)
    assert len(got) == len(LINES) == error.lines


def test_rubbish_behind_the_gzip_data_is_an_error_after_all_lines(tmp_path):
    path = tmp_path / "tail.gz"
    path.write_bytes(gzip.compress(TEXT) + b"rubbish")
    got, error = until_error(path)
    assert len(got) == len(LINES) == error.lines


def test_missing_empty_and_unreadable_files_are_named_in_the_error(tmp_path):
    empty, hollow = tmp_path / "empty", tmp_path / "hollow.gz"
    empty.write_bytes(b"")
    hollow.write_bytes(gzip.compress(b""))
    for path in (tmp_path / "missing", empty, hollow, tmp_path):
        with pytest.raises(CaptureError, match="expected") as caught:
            frames_of(path)
        assert caught.value.path == str(path)
        assert caught.value.lines == 0


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(gzip.compress(b"1 {}\n" + b"x" * (70 << 20), 1))
    got, error = until_error(path)
    assert len(got) == 1 and "line" in str(error)


@pytest.mark.parametrize(
    "line",
    [b"", b"x {}", b"{}", b"12", b"12 ", b"12{}", b"-1 {}", b"1.5 {}", b"12 hello", b"12  {}"]
    + [b"9" * 30 + b" {}", b"\xff\xfe\x00"],
)
def test_a_line_that_is_no_time_and_json_is_a_refusal_and_reading_goes_on(tmp_path, line):
    path = tmp_path / "lines"
    path.write_bytes(b"1 {}\n" + line + b"\n2 {}\n")
    first, refusal, last = frames_of(path)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.path, refusal.line) == ("bad_line", str(path), 2)
    assert (first.recv_ns, last.recv_ns, last.line) == (1, 2, 3)


def test_progress_runs_from_zero_to_the_size_on_disk(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_bytes(gzip.compress(TEXT))
    paths[1].write_bytes(TEXT)
    reader = CaptureReader(paths)
    total = sum(path.stat().st_size for path in paths)
    assert (reader.bytes_done, reader.bytes_total) == (0, total)
    seen = [reader.bytes_done for _ in reader]
    assert seen == sorted(seen) and 0 < seen[0] < seen[-1] == total
    assert reader.bytes_done == total and reader.lines == 2 * len(LINES)
