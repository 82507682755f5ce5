# SPDX-License-Identifier: Apache-2.0
"""Frames and records in one stream through the whole fabric, against the reference model."""

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import InFlag, InKind
from host.contract.registers import COUNTERS
from sim.board import Board, Stalls
from sim.compare import compare
from sim.reference_wire import WireReference
from tests.unit.fabric import OPEN
from tests.unit.sbe_bytes import diff, snapshot, ticker, trades
from tests.unit.sbe_streams import HOLD, Streams, frame, record, start
from tests.unit.sbe_tap import settings

CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=16, sbe=True)
PRICE, QTY = 10, 1000
BOOK, GAP, SIDE, REFILL = InFlag.BOOK, InFlag.GAP, InFlag.SIDE, InFlag.REFILL


@pytest.fixture(scope="module")
def board():
    with Board(CONFIG, random_init=3) as board:
        yield board


class Pair:
    """Board and reference from reset; what one is given the other is given."""

    def __init__(self, board, stalls=(0, 0, 0)):
        board.reset()
        board.set_stalls(Stalls(*stalls))
        sizes = board.config.symbols, board.config.levels, board.config.qty_bits
        self.board, self.reference = board, WireReference(*sizes, sbe=board.config.sbe)
        for name, value in OPEN:
            self.write(name, value)
        self.write("report", 3)
        for symbol in range(board.config.symbols):
            for name, value in settings(symbol, (PRICE, -2), (QTY, -3)):
                self.write(name, value)

    def write(self, name, value):
        self.board.write(name, value)
        self.reference.write(name, value)

    def feed(self, *beats):
        """Every answer and every counter must agree; the counters."""
        data = b"".join(beats)
        expected = self.reference.feed(data)
        told = self.board.transfer(np.frombuffer(data, np.uint8).reshape(-1, 16))
        comparison = compare(expected, told)
        assert comparison.equal, str(comparison)
        counted = {name: self.board.read(name) for name in COUNTERS}
        assert counted == self.reference.counters
        assert self.board.protocol_errors == 0
        return counted


def levels(*pairs):
    return [(ticks * PRICE, lots * QTY) for ticks, lots in pairs]


def loaded(symbol=0, update_id=10):
    """Frames after which best bid and ask are 100 x 3 and 102 x 4, seen at `update_id` + 1."""
    return frame(
        snapshot(update_id, levels((100, 3), (99, 1), (98, 1)), levels((102, 4), (103, 1))), symbol
    ) + frame(diff(update_id + 1, update_id + 1, [], []), symbol)


@pytest.mark.parametrize("stalls", [(0, 0), (300, 0), (0, 600), (200, 300)])
def test_random_frames_and_records_give_what_the_reference_gives(board, stalls):
    for seed in range(3):
        pair = Pair(board, (seed, *stalls))
        counts = pair.feed(Streams(seed, 3, PRICE, QTY, broken=0.1).beats(100_000))
        assert counts["sbe_diffs"] > 20
        assert counts["frames_refused"] > 20
        refused = sum(n for name, n in counts.items() if name in REASONS)
        taken = sum(counts[f"sbe_{kind}"] for kind in ("diffs", "snapshots", "trades", "tickers"))
        assert taken + refused == counts["sbe_messages"] == counts["frames"]


REASONS = {
    f"sbe_{reason}"
    for reason in (
        *("short", "long", "damaged", "schema", "template", "version", "block", "tag"),
        *("exponent", "root", "unsynced", "stale", "gap", "value"),
    )
}


def test_a_book_from_frames_decides(board):
    counts = Pair(board).feed(loaded())
    assert (counts["events"], counts["events_valid"]) == (1, 1)


def test_frames_and_the_records_a_host_would_send_give_the_same_answers(board):
    """The same book twice: symbol 0 by frames, symbol 1 by native records."""
    pair = Pair(board)
    native = [
        record(InKind.REFILL_BEGIN, 0, 1),
        *(record(InKind.LEVEL, REFILL, 1, 0, p, q) for p, q in ((100, 3), (99, 1), (98, 1))),
        record(InKind.REFILL_END, 0, 1, 0, 97),
        record(InKind.REFILL_BEGIN, SIDE, 1),
        *(record(InKind.LEVEL, REFILL | SIDE, 1, 0, p, q) for p, q in ((102, 4), (103, 1))),
        record(InKind.REFILL_END, SIDE, 1, 0, 104),
        record(InKind.EVENT_BEGIN, 0, 1, value=7),
        record(InKind.EVENT_END, BOOK, 1, value=11),
    ]
    data = loaded() + b"".join(native)
    pair.feed(data)
    made = {
        symbol: [r._replace(symbol=0) for r in pair.reference.records if r.symbol == symbol]
        for symbol in (0, 1)
    }
    assert made[0] == made[1]


def test_a_snapshot_sent_as_records_starts_the_sequence_and_hold_keeps_the_event_open(board):
    """A host sends refills where the native path has them: before, and inside an event."""
    pair = Pair(board)
    refill = [
        *(record(InKind.REFILL_BEGIN, side) for side in (0, SIDE)),
        *(record(InKind.LEVEL, REFILL, 0, 0, price, 5) for price in (100, 99)),
        record(InKind.LEVEL, REFILL | SIDE, 0, 0, 101, 5),
        *(record(InKind.REFILL_END, side | InFlag.WHOLE) for side in (0, SIDE)),
    ]
    held = frame(diff(21, 22, levels((98, 1)), []), flags=HOLD)
    ending = record(InKind.EVENT_END, BOOK, value=22)
    counts = pair.feed(b"".join(refill), start(0, 20), held, *refill, ending)
    assert (counts["sbe_starts"], counts["sbe_diffs"], counts["events_valid"]) == (1, 1, 1)
    counts = pair.feed(frame(diff(23, 23, [], [])), frame(diff(25, 25, [], [])))
    assert (counts["sbe_diffs"], counts["sbe_gap"]) == (2, 1)
    assert counts["events_valid"] == 2


def test_a_native_event_moves_the_sequence_and_a_native_gap_ends_it(board):
    pair = Pair(board)
    begin = record(InKind.EVENT_BEGIN, value=9)
    counts = pair.feed(
        loaded(), begin, record(InKind.EVENT_END, BOOK, value=30), frame(diff(31, 31, [], []))
    )
    assert counts["sbe_diffs"] == 2
    lost = [record(InKind.CLEAR, GAP | side) for side in (0, SIDE)]
    counts = pair.feed(*lost, frame(diff(32, 32, [], [])))
    assert (counts["sbe_diffs"], counts["sbe_unsynced"]) == (2, 1)
    assert counts["events_valid"] == 3


def test_a_ticker_is_compared_with_the_view_of_its_update_id(board):
    pair = Pair(board)
    right = ticker(11, *levels((100, 3), (102, 4)))
    counts = pair.feed(loaded(), frame(right))
    assert (counts["sbe_bbo_checked"], counts["sbe_bbo_mismatch"]) == (1, 0)
    wrong = [((101, 3), (102, 4)), ((100, 2), (102, 4)), ((100, 3), (103, 4)), ((100, 3), (102, 1))]
    for number, pairs in enumerate(wrong, 1):
        counts = pair.feed(frame(ticker(11, *levels(*pairs))))
        assert (counts["sbe_bbo_checked"], counts["sbe_bbo_mismatch"]) == (1 + number, number)
    for message, symbol in ((ticker(12, *levels((1, 1), (2, 2))), 0), (right, 1)):
        counts = pair.feed(frame(message, symbol))
        assert (counts["sbe_bbo_checked"], counts["sbe_bbo_mismatch"]) == (5, 4)


@pytest.mark.parametrize("stalls", [(0, 0), (0, 700), (500, 0)])
def test_a_ticker_has_its_place_in_the_stream(board, stalls):
    """Right behind its event, with the next one right behind it; records or frames."""
    pair = Pair(board, (1, *stalls))
    data = loaded()
    expected = 0
    for number in range(12, 60, 2):
        told = ticker(number, *levels((100, 3), (102, 4)))
        for update_id in (number, number + 1):
            if number % 4:
                data += record(InKind.EVENT_BEGIN, value=7)
                data += record(InKind.EVENT_END, BOOK, value=update_id)
            else:
                data += frame(diff(update_id, update_id, [], [], symbol=b""))
            data += frame(told) if update_id == number else b""
        expected += 1
    counts = pair.feed(data)
    assert (counts["sbe_bbo_checked"], counts["sbe_bbo_mismatch"]) == (expected, 0)


def test_a_ticker_of_a_book_that_is_not_valid_is_not_compared(board):
    pair = Pair(board)
    crossed = frame(diff(12, 12, levels((105, 1)), []))
    counts = pair.feed(loaded(), crossed, frame(ticker(12, *levels((1, 1), (2, 2)))))
    assert counts["sbe_bbo_checked"] == 0


def test_a_frame_that_cannot_be_taken_is_a_malformed_record_and_its_bytes_are_skipped(board):
    """Each marks its symbol, and the records behind it are read where they are."""
    message = diff(12, 12, levels((100, 7)), [])
    for options in (
        {"protocol": 0},
        {"protocol": 2},
        {"price": 1},
        {"flags": 1},
        {"flags": int(BOOK) | HOLD},
        {"length": len(message) | 1 << 32},
    ):
        pair = Pair(board)
        before = pair.feed(loaded())
        counts = pair.feed(frame(message, **options), record(InKind.HEARTBEAT))
        assert counts["frames_refused"] == counts["malformed_kind"] == 1, options
        assert counts["heartbeats"] == before["heartbeats"] + 1
        counts = pair.feed(frame(diff(12, 12, [], [])))
        assert counts["events_valid"] == 1, options  # a gap: no second valid event
        assert counts["events"] == 2


def test_a_frame_of_no_bytes_or_of_no_symbol_is_refused(board):
    pair = Pair(board)
    message = diff(12, 12, [], [])
    counts = pair.feed(
        loaded(),
        frame(b"", length=0),
        frame(message, symbol=3),
        start(3, 5),
        start(0, 1 << 63),
        record(InKind.HEARTBEAT),
    )
    assert counts["frames_refused"] == counts["malformed_kind"] == 4
    assert counts["heartbeats"] == 1


def test_scales_take_effect_together_and_a_symbol_without_one_is_not_decoded(board):
    pair = Pair(board)
    pair.feed(loaded())
    for name, value in settings(0, (PRICE // 2, -2), (QTY, -3)):
        if name != "sbe_commit":
            pair.write(name, value)
    counts = pair.feed(frame(ticker(11, *levels((100, 3), (102, 4)))))
    assert (counts["sbe_bbo_checked"], counts["sbe_bbo_mismatch"]) == (1, 0)
    for number in (3, 255, 1 << 31):
        pair.write("sbe_commit", number)
    pair.write("sbe_commit", 0)
    counts = pair.feed(frame(ticker(11, *levels((50, 3), (51, 4)))))
    assert (counts["sbe_bbo_checked"], counts["sbe_bbo_mismatch"]) == (2, 0)
    pair.write("sbe_enable", 0)
    pair.write("sbe_commit", 0)
    counts = pair.feed(frame(diff(12, 12, [], [])), frame(diff(12, 12, [], []), 1))
    assert (counts["sbe_tag"], counts["sbe_unsynced"]) == (1, 1)


def test_a_soft_reset_forgets_scales_sequence_and_a_frame_under_way(board):
    pair = Pair(board)
    pair.feed(loaded())
    cut = frame(diff(12, 12, levels((100, 7), (99, 7)), []))[:64]
    board.transfer(np.frombuffer(cut, np.uint8).reshape(-1, 16))
    board.soft_reset()
    pair = Pair(board)
    counts = pair.feed(frame(diff(12, 12, [], [])), loaded(1))
    assert (counts["sbe_unsynced"], counts["sbe_messages"]) == (1, 3)


def test_records_still_go_through_at_one_a_clock(board):
    pair = Pair(board)
    beats = record(InKind.HEARTBEAT) * 2000
    before = board.cycles
    pair.feed(beats)
    reads = 2 * len(COUNTERS)
    assert board.cycles - before < 2000 + 128 + reads


def test_trades_reach_the_tape(board):
    pair = Pair(board)
    message = trades([(1, 100 * PRICE, 3 * QTY, 0), (2, 100 * PRICE, 2 * QTY, 1)])
    counts = pair.feed(loaded(), frame(message), frame(diff(12, 12, [], [])))
    assert (counts["trades"], counts["sbe_trades"]) == (2, 1)


def test_a_build_without_the_decoder_refuses_every_frame_and_marks_its_symbol():
    with Board(BuildConfig(symbols=9, levels=3, qty_bits=8)) as plain:
        pair = Pair(plain)
        counts = pair.feed(
            frame(diff(1, 1, levels((1, 1)), [])), start(0, 5), record(InKind.HEARTBEAT)
        )
        assert (counts["frames_refused"], counts["malformed_kind"]) == (2, 2)
        assert (counts["sbe_messages"], counts["heartbeats"]) == (0, 1)
        assert plain.read("build_feeds") == 0


def test_the_build_says_which_decoders_it_has(board):
    assert board.read("build_feeds") == 1
