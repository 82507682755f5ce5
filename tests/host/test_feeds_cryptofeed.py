# SPDX-License-Identifier: Apache-2.0
import base64
import json
import sys
from itertools import pairwise

import pytest
import zstandard

from host.feeds import cryptofeed
from host.feeds.capture import CaptureError
from host.feeds.cryptofeed import VenueReader
from host.feeds.messages import Refusal
from host.feeds.venue import Connected, VenueFrame

HEADER = {"t": "header", "format": 2, "exchange": "OKX", "config": {}, "recorded": 1.5}
CONNECT = {"t": "connect", "conn": "ws.1", "ts": 100.5, "addr": "wss://x/y"}
RECV = {"t": "recv", "conn": "ws.1", "ts": 101.123456, "data": '{"a":1}'}
HTTP = {"t": "http", "conn": "http.0", "ts": 100.75, "url": "https://x/z?q=1", "data": "[]"}
SEND = {"t": "send", "conn": "ws.1", "ts": 100.6, "addr": "wss://x/y", "data": "sub"}


def write(path, *entries, header=HEADER, end="\n"):
    lines = [e if isinstance(e, str) else json.dumps(e) for e in (header, *entries)]
    path.write_text("\n".join(lines) + end)
    return path


def read(path):
    return list(VenueReader(path))


def zipped(path, cut=0, spoil=None):
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(path.read_bytes()))
    if spoil is not None:
        data[spoil] ^= 0xFF
    out = path.with_suffix(".zst")
    out.write_bytes(data[: len(data) - cut])
    return out


def test_lines_become_frames_in_the_order_of_their_times(tmp_path):
    path = write(tmp_path / "c", HTTP, CONNECT, SEND, RECV, RECV | {"ts": 101})
    assert read(path) == [
        Connected(100_500_000_000, str(path), 3, "wss://x/y", "ws.1"),
        VenueFrame(100_750_000_000, b"[]", str(path), 2, "https://x/z?q=1", "http.0"),
        VenueFrame(101_000_000_000, b'{"a":1}', str(path), 6, "wss://x/y", "ws.1"),
        VenueFrame(101_123_456_000, b'{"a":1}', str(path), 5, "wss://x/y", "ws.1"),
    ]


def test_lines_of_the_same_time_stay_in_the_order_of_the_file(tmp_path):
    same = [RECV | {"data": str(n)} for n in range(9)]
    assert [frame.payload for frame in read(write(tmp_path / "c", *same))] == [
        str(n).encode() for n in range(9)
    ]


def test_bytes_are_decoded(tmp_path):
    entry = {k: v for k, v in RECV.items() if k != "data"}
    entry["b64"] = base64.b64encode(b"\x00\xff").decode()
    (frame,) = read(write(tmp_path / "c", entry))
    assert frame.payload == b"\x00\xff"


def test_the_header_names_the_venue_and_the_last_line_needs_no_end(tmp_path):
    path = write(tmp_path / "c", RECV, end="")
    reader = VenueReader(path)
    assert reader.exchange == "OKX"
    assert len(list(reader)) == 1 == reader.lines
    assert reader.bytes_done == reader.bytes_total == path.stat().st_size
    assert len(list(reader)) == 1


@pytest.mark.parametrize("members", [1, 3])
def test_compressed_files_are_the_same_whatever_they_are_called(tmp_path, members):
    plain = write(tmp_path / "c", CONNECT, HTTP, *[RECV] * 50)
    one = zipped(plain).read_bytes()
    if members > 1:
        text = plain.read_bytes()
        cuts = [0, 10, 700, len(text)]
        parts = [text[a:b] for a, b in pairwise(cuts)]
        one = b"".join(zstandard.ZstdCompressor().compress(part) for part in parts)
    other = tmp_path / "no-suffix"
    other.write_bytes(one)
    got = [frame._replace(path=str(plain)) for frame in read(other)]
    assert got == read(plain) and len(got) == 52


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        {"t": "other", "conn": "a", "ts": 1},
        {k: v for k, v in RECV.items() if k != "t"},
        {k: v for k, v in RECV.items() if k != "conn"},
        {k: v for k, v in RECV.items() if k != "data"},
        {k: v for k, v in CONNECT.items() if k != "addr"},
        {k: v for k, v in HTTP.items() if k != "url"},
        RECV | {"ts": "1"},
        RECV | {"ts": True},
        RECV | {"ts": None},
        RECV | {"ts": -1},
        RECV | {"ts": 1e30},
        RECV | {"data": 5},
        RECV | {"data": ""},
        RECV | {"b64": "*"},
        RECV | {"conn": 5},
    ],
)
def test_a_line_of_another_form_is_refused_and_the_others_are_read(tmp_path, line):
    path = write(tmp_path / "c", RECV, line, RECV)
    first, refusal, last = read(path)
    assert isinstance(refusal, Refusal) and refusal.reason == "bad_line"
    assert (refusal.path, refusal.line) == (str(path), 3)
    assert first.payload == last.payload == b'{"a":1}'


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        "[]",
        RECV,
        HEADER | {"format": 1},
        HEADER | {"exchange": 5},
        {k: v for k, v in HEADER.items() if k != "exchange"},
    ],
)
def test_a_file_without_the_header_is_refused(tmp_path, header):
    path = write(tmp_path / "c", RECV, header=header)
    with pytest.raises(CaptureError, match="line 1: expected a header of format 2, was "):
        VenueReader(path)


def test_a_missing_and_an_empty_file_are_refused(tmp_path):
    with pytest.raises(CaptureError, match="expected a readable file, was No such file"):
        VenueReader(tmp_path / "no")
    (tmp_path / "empty").touch()
    with pytest.raises(CaptureError, match="expected a header"):
        VenueReader(tmp_path / "empty")


def long_capture(tmp_path):
    """More than one block of zstd data, incompressible."""
    noise = [RECV | {"ts": 200 + n, "data": "%064x" % (7**n % (1 << 256))} for n in range(6000)]
    return write(tmp_path / "c", *noise)


def test_what_comes_before_a_cut_is_read_and_then_the_cut_is_told(tmp_path):
    path = zipped(long_capture(tmp_path), cut=1000)
    got = []
    with pytest.raises(
        CaptureError, match="expected the end of the zstd data, was cut off"
    ) as told:
        for frame in VenueReader(path):
            got.append(frame)
    assert 0 < len(got) < 6000 and told.value.lines == len(got)
    assert all(isinstance(frame, VenueFrame) and len(frame.payload) == 64 for frame in got)


def test_what_comes_before_damage_is_read_and_then_the_damage_is_told(tmp_path):
    path = zipped(long_capture(tmp_path), spoil=-1)  # the checksum at the end
    got = []
    with pytest.raises(CaptureError, match="expected sound zstd data, was damaged"):
        for frame in VenueReader(path):
            got.append(frame)
    assert all(len(frame.payload) == 64 for frame in got)


def test_a_file_that_inflates_beyond_all_measure_is_refused(tmp_path, monkeypatch):
    path = zipped(long_capture(tmp_path))
    reader = VenueReader(path)
    monkeypatch.setattr(cryptofeed, "LARGEST_BYTES", 1 << 16)
    with pytest.raises(CaptureError, match="expected at most 65536 bytes, was more"):
        list(reader)


def test_without_the_package_the_error_says_what_is_missing(tmp_path, monkeypatch):
    path = zipped(write(tmp_path / "c", RECV))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CaptureError, match="expected the package zstandard, was not installed"):
        VenueReader(path)
    assert len(read(write(tmp_path / "d", RECV))) == 1
