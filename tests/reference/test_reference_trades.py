# SPDX-License-Identifier: Apache-2.0
"""The tape, by hand: the last trade, and the volume of 8 buckets."""

import pytest

from host.contract.records import InFlag, InKind, OutKind, TradesFlag
from tests.reference.model import (
    ASK,
    BID,
    BUY,
    SELL,
    U32,
    U64,
    Model,
    begin,
    clear,
    end,
    event,
    record,
    refill,
    timer,
    trade,
)

KNOWN, SOLD = TradesFlag.KNOWN, TradesFlag.SIDE


def tape(**settings):
    """A model that reports trades; buckets of 2^4 = 16 microseconds unless told otherwise."""
    return Model(**{"report": 2, "trade_window": 4, **settings})


def told(model, time_us=0, **more):
    """The trades record of a book event."""
    (row,) = model.of_kind(OutKind.TRADES, event(time_us=time_us, **more))
    return row


def volumes(model, **more):
    row = told(model, **more)
    return int(row["buy_lots"]), int(row["sell_lots"])


def last(model, **more):
    row = told(model, **more)
    return int(row["price_ticks"]), int(row["qty_lots"]), TradesFlag(int(row["flags"]))


def test_a_record_shows_every_field():
    model = tape(trade_window=21, report=3)
    model.feed(trade(BUY, 1000, 3), trade(SELL, 999, 4), trade(SELL, 998, 5))
    row = told(model, update_id=77)
    assert {name: int(row[name]) for name in row.dtype.names} == {
        "kind": 4,
        "flags": 0b11,
        "symbol": 0,
        "window": 21,
        "seq": 2,  # after the request for the unknown book, and the view
        "update_id": 77,
        "qty_lots": 5,
        "buy_lots": 3,
        "sell_lots": 9,
        "price_ticks": 998,
        "reserved": 0,
        "zero0": 0,
        "zero1": 0,
    }


def test_without_a_trade_all_is_zero():
    row = told(tape(trade_window=9))
    assert (row["flags"], row["window"]) == (0, 9)
    assert last(tape()) == (0, 0, TradesFlag(0))
    assert volumes(tape()) == (0, 0)


@pytest.mark.parametrize("report, emitted", [(0, False), (1, False), (2, True), (3, True)])
def test_trades_are_told_when_bit_1_of_report_is_set(report, emitted):
    model = tape(report=report)
    model.feed(trade(BUY, 5, 1))
    assert bool(model.of_kind(OutKind.TRADES, event())) == emitted


def test_an_event_without_book_tells_no_trades():
    assert tape().feed(begin(), trade(BUY, 5, 1), record(InKind.EVENT_END)) == []


def test_the_last_trade_is_that_of_its_symbol_and_side_is_the_aggressors():
    model = tape()
    model.feed(trade(BUY, 10, 7))
    assert last(model) == (10, 7, KNOWN)
    model.feed(trade(SELL, 9, 2), trade(BUY, 50, 1, symbol=1))
    assert last(model) == (9, 2, KNOWN | SOLD)
    assert last(model, symbol=1) == (50, 1, KNOWN)
    assert volumes(model, symbol=1) == (1, 0)


def test_a_trade_needs_no_frame_and_counts_inside_the_event_it_falls_into():
    model = tape()
    (row,) = model.of_kind(OutKind.TRADES, begin(), trade(SELL, 9, 2), end())
    assert (row["price_ticks"], row["sell_lots"]) == (9, 2)
    assert model.reference.counters["trades"] == 1


@pytest.mark.parametrize(
    "now, volume",
    [(0, 1), (15, 1), (16, 1), (127, 1), (128, 0), (1 << 40, 0), (U64, 0)],
)
def test_a_trade_of_bucket_0_is_inside_up_to_bucket_7(now, volume):
    model = tape()
    model.feed(trade(BUY, 5, 1))
    assert volumes(model, time_us=now) == (volume, 0)


@pytest.mark.parametrize("now, volume", [(112, 1), (127, 1), (128, 1), (239, 1), (240, 0)])
def test_a_bucket_leaves_as_a_whole_whenever_its_trade_was(now, volume):
    """A trade at 127 and one at 112 are both of bucket 7, the last bucket with it is 14."""
    model = tape()
    model.feed(timer(112), trade(SELL, 5, 1))
    assert volumes(model, time_us=now) == (0, volume)


def test_nine_trades_in_nine_buckets_keep_the_last_eight():
    model = tape()
    for at in range(9):
        model.feed(timer(16 * at), trade(BUY, 5, 1 << min(at, 7)), trade(SELL, 5, 1))
    # 1 left; 2 + 4 + ... + 128 of buckets 1 to 7, and 128 of bucket 8.
    assert volumes(model, time_us=128) == (254 + 128, 8)
    assert volumes(model, time_us=144) == (252 + 128, 7)
    assert volumes(model, time_us=16 * 15) == (128, 1)
    assert volumes(model, time_us=16 * 16) == (0, 0)


@pytest.mark.parametrize("gap", [6, 7, 8, 9, 16, 1 << 30])
def test_a_bucket_that_is_used_again_is_empty_first(gap):
    """Trades `gap` buckets apart; 8 and 16 buckets apart they fall on the same place of a ring."""
    model = tape()
    model.feed(trade(BUY, 5, 3), timer(16 * gap), trade(BUY, 5, 4))
    assert volumes(model, time_us=16 * gap) == (7 if gap < 8 else 4, 0)


def test_the_time_of_a_trade_is_stream_time_not_that_of_its_frame():
    model = tape()
    model.feed(timer(16 * 20), begin(time_us=5), trade(BUY, 5, 1), record(InKind.EVENT_END))
    assert volumes(model, time_us=16 * 27 + 15) == (1, 0)
    assert volumes(model, time_us=16 * 28) == (0, 0)


def test_the_window_of_a_late_event_is_that_of_stream_time():
    model = tape()
    model.feed(trade(BUY, 5, 1), timer(1000))
    assert volumes(model, time_us=3) == (0, 0)


@pytest.mark.parametrize("window, spans_us", [(0, 8), (1, 16), (20, 8 << 20), (31, 8 << 31)])
def test_a_window_spans_8_buckets_of_2_to_the_w_microseconds(window, spans_us):
    model = tape(trade_window=window)
    model.feed(trade(BUY, 5, 1))
    assert volumes(model, time_us=spans_us - 1) == (1, 0)
    assert volumes(model, time_us=spans_us) == (0, 0)


def test_the_last_microsecond_of_time_is_a_bucket_like_any_other():
    model = tape(trade_window=0)
    model.feed(timer(U64 - 7), trade(SELL, 5, 1))
    assert volumes(model, time_us=U64) == (0, 1)


def test_a_bucket_saturates_at_the_largest_quantity_and_the_sum_does_not():
    model = tape()
    for at in range(8):
        model.feed(timer(16 * at), trade(BUY, 5, 200), trade(BUY, 5, 200), trade(SELL, 5, 255))
    model.feed(trade(SELL, 5, 1))
    assert volumes(model, time_us=127) == (8 * 255, 8 * 255)


def test_with_another_w_than_the_last_trades_the_volumes_are_0():
    model = tape()
    model.feed(trade(BUY, 5, 1))
    model.write(trade_window=5)
    assert volumes(model) == (0, 0)
    assert last(model) == (5, 1, KNOWN)
    model.write(trade_window=4)
    assert volumes(model) == (1, 0)


def test_a_trade_with_another_w_empties_the_buckets_of_its_symbol():
    model = tape()
    model.feed(trade(BUY, 5, 1), trade(SELL, 5, 2), trade(BUY, 5, 3, symbol=1))
    model.write(trade_window=5)
    model.feed(trade(BUY, 5, 4))
    assert volumes(model) == (4, 0)
    model.write(trade_window=4)
    assert volumes(model) == (0, 0)
    assert volumes(model, symbol=1) == (3, 0)


@pytest.mark.parametrize(
    "other",
    [
        [clear(BID, InFlag.GAP), clear(ASK, InFlag.RESYNC)],
        refill(BID, [(4, 1)]),
        [trade(BUY, 0, 1)],  # malformed
        [trade(BUY | InFlag.BOOK, 5, 1)],  # malformed
        [trade(SELL, 5, 256)],  # malformed
        [record(InKind.FILL, SELL, price=7, value=9)],
    ],
)
def test_nothing_else_touches_the_tape(other):
    model = tape()
    model.feed(trade(BUY, 5, 1), other)
    assert last(model) == (5, 1, KNOWN)
    assert volumes(model) == (1, 0)


def test_prices_use_all_32_bits_and_w_5():
    model = tape(trade_window=32 + 3)
    model.feed(trade(SELL, U32, 1))
    row = told(model)
    assert (row["price_ticks"], row["window"]) == (U32, 3)
