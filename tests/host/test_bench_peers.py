# SPDX-License-Identifier: Apache-2.0
"""Books in software beside the board: the same updates, and the same best bid and offer."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from hdl.config import BuildConfig
from host.contract.records import IN_DTYPE, InFlag, InKind
from sim import bench, bench_peers
from sim.bench_peers import Peer, PeerError, book_updates

BID, ASK = 0, 1
LEVEL, BEGIN, END = InKind.LEVEL, InKind.EVENT_BEGIN, InKind.EVENT_END


def stream(*rows):
    """Records of symbol 0 from (kind, flags, price, value)."""
    return np.array([(k, f, 0, 0, p, v) for k, f, p, v in rows], IN_DTYPE)


#: Best bid and offer go away and come back; one end is of no book event.
RECORDS = stream(
    (LEVEL, BID | InFlag.REFILL, 100, 5),
    (LEVEL, ASK | InFlag.REFILL, 103, 2),
    (BEGIN, 0, 0, 1),
    (LEVEL, BID, 101, 1),
    (LEVEL, ASK, 102, 7),
    (END, InFlag.BOOK, 0, 1),
    (BEGIN, 0, 0, 2),
    (InKind.TRADE, 0, 102, 1),
    (END, 0, 0, 2),
    (BEGIN, 0, 0, 3),
    (LEVEL, BID, 101, 0),
    (LEVEL, BID, 99, 0),
    (LEVEL, ASK, 102, 9),
    (LEVEL, ASK, 110, 1),
    (END, InFlag.BOOK, 0, 3),
    (BEGIN, 0, 0, 4),
    (END, InFlag.BOOK, 0, 4),
    (BEGIN, 0, 0, 5),
    (LEVEL, BID, 102, 3),
    (LEVEL, ASK, 102, 0),
    (END, InFlag.BOOK, 0, 5),
)
BEST = [(101, 1, 102, 7), (100, 5, 102, 9), (100, 5, 102, 9), (102, 3, 103, 2)]


def test_updates_are_all_levels_and_the_ends_of_book_events():
    updates = book_updates(RECORDS)
    assert updates.sides.tolist() == [0, 1, 0, 1, 0, 0, 1, 1, 0, 1]
    assert updates.prices_ticks.tolist() == [100, 103, 101, 102, 101, 99, 102, 110, 102, 102]
    assert updates.qtys_lots.tolist() == [5, 2, 1, 7, 0, 0, 9, 1, 3, 0]
    assert updates.ends.tolist() == [4, 8, 8, 10]


def test_updates_of_two_symbols_are_refused():
    records = RECORDS.copy()
    records["symbol"][3] = 1
    with pytest.raises(ValueError, match=r"expected one symbol, was \[0, 1\]"):
        book_updates(records)


def test_sorted_list_book_knows_the_best_at_every_event():
    assert bench_peers.sorted_list_peer(book_updates(RECORDS)).ready()() == BEST


def test_sorted_list_book_of_empty_sides_shows_zeros():
    records = stream((LEVEL, BID, 7, 1), (END, InFlag.BOOK, 0, 1), (LEVEL, BID, 7, 0))
    records = np.concatenate([records, stream((END, InFlag.BOOK, 0, 2))])
    book = bench_peers.sorted_list_peer(book_updates(records))
    assert book.ready()() == [(7, 1, 0, 0), (0, 0, 0, 0)]


def test_hftbacktest_depths_know_the_best_at_every_event():
    pytest.importorskip("hftbacktest", reason=bench_peers.HFTBACKTEST_INSTALL)
    peers = bench_peers.hftbacktest_peers(book_updates(RECORDS))
    assert tuple(peer.name for peer in peers) == bench_peers.HFTBACKTEST_NAMES
    for peer in peers:
        for _ in range(2):
            np.testing.assert_array_equal(peer.ready()(), BEST)


@pytest.fixture(scope="module")
def slice_start():
    """Real records and what the reference model answers to them."""
    records = bench.capture_records(bench._SLICE)[:8000]
    return records, bench._reference(BuildConfig(), records)


def test_peers_agree_with_the_reference_on_real_records(slice_start):
    records, out = slice_start
    updates = book_updates(records)
    peers = [bench_peers.sorted_list_peer(updates), *bench_peers.hftbacktest_peers(updates)]
    for peer in peers:
        bench.check_peer(peer, out)


@pytest.mark.parametrize("column", range(4))
def test_peer_that_differs_once_is_not_measured(slice_start, column):
    records, out = slice_start
    best = bench_peers.sorted_list_peer(book_updates(records)).ready()()
    wrong = np.array(best)
    wrong[-1, column] += 1
    with pytest.raises(bench.BenchError, match=f"same best .* at event {len(best) - 1}"):
        bench.check_peer(Peer("it", lambda: lambda: wrong), out)


def test_peer_that_misses_an_event_is_not_measured(slice_start):
    records, out = slice_start
    best = bench_peers.sorted_list_peer(book_updates(records)).ready()()
    with pytest.raises(bench.BenchError, match=f"expected {len(best)} events"):
        bench.check_peer(Peer("it", lambda: lambda: best[1:]), out)


def test_board_that_vouches_for_nothing_is_no_measure(slice_start):
    _, out = slice_start
    with pytest.raises(bench.BenchError, match="0 valid"):
        bench.check_peer(Peer("it", lambda: list), out[:0])


def test_without_hftbacktest_its_rows_say_what_brings_it(monkeypatch, slice_start):
    records, out = slice_start
    monkeypatch.setattr(bench_peers, "find_spec", lambda _: None)
    rows = []
    missing = bench._books(records, out, 1, rows)
    assert [row.name for row in rows] == ["dict and sorted list"]
    assert missing == dict.fromkeys(
        ("hftbacktest, hash map", "hftbacktest, ROI vector"), "pip install hftbacktest==2.4.4"
    )
    board = bench.Row("board", "slice", 90, 1.0, 100, 110)
    found = {"rows": [board, *rows], "not_installed": missing, "sustained": []}
    found |= {"ratio": 21.0, "ratio_tuned": 9.0}
    text = io.StringIO()
    bench._show(Console(file=text, width=80), found, 20.0)
    lines = text.getvalue().splitlines()
    assert sum("not installed" in line and "hftbacktest, " in line for line in lines) == 2
    assert sum("pip install hftbacktest==2.4.4" in line for line in lines) == 1


def test_hftbacktest_that_does_not_load_is_an_error(monkeypatch):
    def broken(name):
        raise ImportError("numpy is too new")

    monkeypatch.setattr(bench_peers, "find_spec", lambda _: SimpleNamespace())
    monkeypatch.setattr(bench_peers, "import_module", broken)
    with pytest.raises(PeerError, match="numpy is too new"):
        bench_peers.hftbacktest_peers(book_updates(RECORDS))


def test_engine_gets_all_updates_of_an_event_at_one_time():
    """Two engine rows frame the updates; the times between are those of the book events."""
    names = {"DEPTH_EVENT": 1, "LOCAL_EVENT": 2, "BUY_EVENT": 4, "SELL_EVENT": 8}
    fields = [("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8")]
    hft = SimpleNamespace(**names, types=SimpleNamespace(event_dtype=np.dtype(fields)))
    updates = book_updates(RECORDS)
    data = bench_peers._engine_data(hft, updates)
    inner = data[1:-1]
    assert inner["px"].tolist() == updates.prices_ticks.tolist()
    assert inner["qty"].tolist() == updates.qtys_lots.tolist()
    assert inner["ev"].tolist() == [3 + (8 if side else 4) for side in updates.sides]
    assert np.diff(inner["local_ts"]).tolist() == [0, 0, 0, 10, 0, 0, 0, 20, 0]
    assert data["local_ts"][0] < inner["local_ts"][0]
    assert data["local_ts"][-1] > inner["local_ts"][-1]
    assert data["qty"][0] == data["qty"][-1] == 0
