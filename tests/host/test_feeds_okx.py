# SPDX-License-Identifier: Apache-2.0
import json
import zlib

import pytest

from host.feeds.checksum import interleaved_crc32, plain
from host.feeds.messages import DepthUpdate, Increments, Refusal, Snapshot, Trade
from host.feeds.okx import parse
from tests.host.venue_session import CLEARED, counted, ids, records, refill, send, session

NAME = "BTC-USDT"
BIDS, ASKS = [("10", "1"), ("9.9", "2.5")], [("10.1", "3"), ("10.3", "4")]
CRC = "10:1:10.1:3:9.9:2.5:10.3:4"
T0 = 1_652_459_225_393


def crc(text):
    """The checksum of a text, as a signed number of 32 bits."""
    value = zlib.crc32(text.encode())
    return value - (1 << 32) if value >= 1 << 31 else value


def book(action, bids=(), asks=(), ms=T0, channel="books", **more):
    levels = [[[p, q, "0", "1"] for p, q in side] for side in (bids, asks)]
    data = {"asks": levels[1], "bids": levels[0], "ts": str(ms)} | more
    return {"arg": {"channel": channel, "instId": NAME}, "action": action, "data": [data]}


def started(**more):
    s = session("OKX", NAME)
    send(s, book("snapshot", BIDS, ASKS, checksum=crc(CRC), **more))
    return s


def test_the_known_checksum_of_a_text_of_the_documents_form():
    assert crc("123456789") == 0xCBF43926 - (1 << 32)  # the check value of CRC-32
    assert interleaved_crc32(BIDS, ASKS) == crc(CRC)


@pytest.mark.parametrize(
    ("bids", "asks", "text"),
    [
        ([], [], ""),
        (BIDS, [], "10:1:9.9:2.5"),
        ([], ASKS, "10.1:3:10.3:4"),
        (BIDS, ASKS[:1], "10:1:10.1:3:9.9:2.5"),
        (BIDS[:1], ASKS, "10:1:10.1:3:10.3:4"),
    ],
)
def test_the_longer_side_goes_on_alone(bids, asks, text):
    assert interleaved_crc32(bids, asks) == crc(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30244.0", "30244"), ("0.10", "0.1"), ("100", "100"), ("0.001", "0.001"), ("1.0", "1")],
)
def test_a_number_loses_only_superfluous_zeros(text, expected):
    assert plain(text) == expected


def test_frames_become_messages():
    snapshot = Snapshot(NAME, T0, BIDS, ASKS, T0 * 1000, 400, crc(CRC))
    assert parse(json.dumps(book("snapshot", BIDS, ASKS, checksum=crc(CRC)))) == [snapshot]
    update = DepthUpdate(NAME, T0, T0, None, T0 * 1000, [("9.9", "0")], [], 5)
    assert parse(json.dumps(book("update", [("9.9", "0")], checksum=5))) == [update]
    numbered = book("update", seqId=17, prevSeqId=12, checksum=0, channel="books50-l2-tbt")
    assert parse(json.dumps(numbered)) == [DepthUpdate(NAME, 17, 17, 12, T0 * 1000, [], [], None)]
    first = book("snapshot", seqId=17, prevSeqId=-1, channel="books50-l2-tbt")
    assert parse(json.dumps(first)) == [Snapshot(NAME, 17, [], [], T0 * 1000, 50, None)]


def test_a_print_carries_the_takers_side():
    entry = {"instId": NAME, "tradeId": "33", "px": "10", "sz": "0.5", "side": "sell"}
    frame = {"arg": {"channel": "trades", "instId": NAME}, "data": [entry | {"ts": str(T0)}]}
    assert parse(json.dumps(frame)) == [Trade(NAME, 33, "10", "0.5", True, T0 * 1000)]


def test_instruments_give_tick_and_lot_and_other_lists_nothing():
    entries = [
        {"instId": NAME, "tickSz": "0.1", "lotSz": "0.00000001"},
        {"instId": "GONE", "tickSz": "", "lotSz": ""},
        ["BTC-USD", "ETH-USD"],
    ]
    (found,) = parse(json.dumps({"code": "0", "data": entries}), "https://www.okx.com/x")
    assert isinstance(found, Increments)
    assert (found.symbol, str(found.tick), str(found.lot)) == (NAME, "0.1", "1E-8")


@pytest.mark.parametrize(
    "payload",
    [
        "pong",
        '{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"}}',
        '{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{}]}',
    ],
)
def test_other_frames_are_counted_and_nothing_else(payload):
    s = session("OKX", NAME)
    s.feed_payload(payload)
    counted(s, other_frame=1, unknown_frame=0, bad_line=0)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({"event": "error", "msg": "no"}, "unknown_frame"),
        (book("snapshot", channel="books5"), "partial_depth"),
        (book("snapshot", channel="bbo-tbt"), "partial_depth"),
        (book("other"), "bad_frame"),
        (book("update", ms=12), "bad_frame"),
        (book("update", ms="x"), "bad_frame"),
        (book("update", checksum="5"), "bad_frame"),
        (book("update", checksum=1 << 31), "bad_frame"),
        (book("update", checksum=1.5), "bad_frame"),
        (book("update", seqId=5), "bad_frame"),
        (book("update", seqId=5, prevSeqId="4"), "bad_frame"),
        (book("update", seqId=-5, prevSeqId=4), "bad_frame"),
        (book("update", bids=[["10", "1"]]) | {"data": [{"bids": [["10", "1"]]}]}, "bad_frame"),
        (book("update") | {"data": {}}, "bad_frame"),
        ({"arg": {"channel": "trades"}, "data": [{"instId": NAME}]}, "bad_frame"),
        ({}, "bad_frame"),
        ([], "unknown_frame"),
    ],
)
def test_a_bad_frame_is_refused_and_counted(frame, reason):
    answer = parse(json.dumps(frame))
    assert isinstance(answer, Refusal) and answer.reason == reason
    s = session("OKX", NAME)
    send(s, frame)
    counted(s, **{reason: 1})
    assert records(s) == []


def test_a_snapshot_with_its_checksum_is_an_event():
    s = started()
    assert records(s) == [
        ("BEGIN", 0, 0, T0 * 1000),
        *refill(0, [(100, 100), (99, 250)]),
        *refill(1, [(101, 300), (103, 400)]),
        ("END", 8, 0, T0),
    ]
    counted(s, checksums=1, checksum_failed=0)


def test_a_snapshot_with_another_checksum_is_refused():
    s = session("OKX", NAME)
    send(s, book("snapshot", BIDS, ASKS, checksum=crc(CRC) ^ 1))
    assert records(s) == []
    counted(s, checksum_failed=1, checksums=0, snapshots=1)
    assert s.needs_snapshot == {NAME}


def test_a_snapshot_with_another_checksum_clears_the_book_it_was_to_replace():
    s = started()
    s.take()
    send(s, book("snapshot", BIDS, ASKS, T0 + 1, checksum=4))
    assert records(s) == CLEARED
    assert s.needs_snapshot == {NAME}


def test_the_checksum_is_of_the_book_after_the_update():
    s = started()
    after = crc("10:1:10.1:7:9.9:2.5:10.2:1")
    asks = [("10.1", "7"), ("10.3", "0"), ("10.2", "1")]
    send(s, book("update", [], asks, T0 + 100, checksum=after))
    assert ids(records(s)) == [T0, T0 + 100]
    counted(s, checksums=2, checksum_failed=0)


def test_a_failed_checksum_clears_both_sides_and_the_event_is_not_sent():
    s = started()
    s.take()
    send(s, book("update", [("9.8", "5")], [], T0 + 100, checksum=crc(CRC)))
    assert records(s) == CLEARED
    counted(s, checksum_failed=1, checksums=1, events=1)
    assert s.needs_snapshot == {NAME}
    send(s, book("update", [], [], T0 + 200, checksum=crc(CRC)))
    assert records(s) == []
    send(s, book("snapshot", BIDS, ASKS, T0 + 300, checksum=crc(CRC)))
    assert ids(records(s)) == [T0 + 300]
    assert s.needs_snapshot == set()


def test_only_the_best_25_levels_are_in_the_checksum():
    bids = [(str(100 - n), "1") for n in range(30)]
    text = ":".join(f"{p}:{q}" for p, q in bids[:25])
    s = session("OKX", NAME)
    send(s, book("snapshot", bids, [], checksum=crc(text)))
    counted(s, checksums=1)
    send(s, book("update", [("71", "9")], [], T0 + 1, checksum=crc(text)))
    counted(s, checksums=2, checksum_failed=0)


@pytest.mark.parametrize("checksum", [{}, {"checksum": 0}])
def test_without_a_checksum_there_is_nothing_to_verify(checksum):
    s = started()
    send(s, book("update", [("9.8", "5")], [], T0 + 100, **checksum))
    counted(s, checksums=1, checksum_failed=0, events=2)


def test_without_ids_times_may_stand_still_but_not_go_back():
    s = started()
    send(s, book("update", ms=T0))
    send(s, book("update", [("9.8", "5")], ms=T0))
    send(s, book("update", ms=T0 + 5))
    assert ids(records(s)) == [T0, T0, T0, T0 + 5]
    send(s, book("update", ms=T0 + 4))
    counted(s, events_repeated=1, gap=0)
    assert records(s) == []


def numbered(s, seq, prev, bids=(), ms=T0):
    send(s, book("update", bids, seqId=seq, prevSeqId=prev, ms=ms))


def test_updates_name_the_one_before():
    s = started(seqId=17, prevSeqId=-1)
    numbered(s, 25, 17)
    numbered(s, 25, 25)  # nothing has changed
    numbered(s, 3, 25)  # the venue counts anew
    numbered(s, 5, 3)
    assert ids(records(s)) == [17, 25, 25, 3, 5]
    counted(s, gap=0, checksum_failed=0)


@pytest.mark.parametrize("prev", [0, 16, 18, 24])
def test_an_update_that_names_another_one_clears_the_book(prev):
    s = started(seqId=17, prevSeqId=-1)
    s.take()
    numbered(s, 30, prev, ms=T0 + 1)
    assert records(s) == CLEARED
    counted(s, gap=1, snapshot_too_old=0)
    assert s.needs_snapshot == {NAME}
    send(s, book("snapshot", BIDS, ASKS, seqId=40, prevSeqId=-1))
    numbered(s, 41, 40)
    assert ids(records(s)) == [40, 41]
