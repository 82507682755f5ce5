# SPDX-License-Identifier: Apache-2.0
import struct

import pytest

from host.feeds.messages import Trades
from host.wire.sbe_encode import (
    BadText,
    FieldRange,
    MantissaRange,
    MissingSymbol,
    NotExact,
    SbeEncoder,
    SymbolLength,
    TooManyEntries,
)
from tests.host.wire_frames import (
    DEPTH,
    NAME,
    REAL_PREFIX,
    SNAPSHOT,
    TICKER,
    TRADE,
    depth_bytes,
    header,
    side,
    trades_bytes,
)

ENCODER = SbeEncoder()


def test_a_depth_update_has_the_bytes_of_the_schema():
    assert ENCODER.encode(DEPTH) == depth_bytes()


def test_the_header_and_ids_of_a_frame_of_the_live_stream_come_out_the_same():
    _, _, _, _, time_us, first, last = struct.unpack("<HHHHqqq", REAL_PREFIX)
    update = DEPTH._replace(time_us=time_us, first_id=first, last_id=last)
    assert ENCODER.encode(update)[:32] == REAL_PREFIX


def test_an_update_of_futures_begins_right_after_the_one_before():
    update = DEPTH._replace(first_id=15, prev_id=12)
    assert ENCODER.encode(update) == depth_bytes(first=13)


def test_a_snapshot_has_the_bytes_of_the_schema():
    root = struct.pack("<qqbb", SNAPSHOT.time_us, 9, -8, -8)
    bids = ((6_180_030_000_000, 600_000), (6_180_020_000_000, 0))
    levels = side(bids) + side([(6_180_040_000_000, 1_200_000_000)])
    expected = header(18, 10002) + root + levels + NAME
    assert ENCODER.encode(SNAPSHOT) == expected
    assert ENCODER.encode(SNAPSHOT._replace(symbol=None), symbol="BTCUSDT") == expected


def test_a_best_bid_and_ask_has_the_bytes_of_the_schema():
    numbers = (150_000_000, 200_000_000, 160_000_000, 25_000_000)
    root = struct.pack("<qqbbqqqq", TICKER.time_us, 12, -8, -8, *numbers)
    assert ENCODER.encode(TICKER) == header(50, 10001) + root + NAME


def test_trades_have_the_bytes_of_the_schema():
    other = TRADE._replace(trade_id=78, seller_is_aggressor=False)
    entry = (6_180_030_000_000, 19_900_000)
    expected = trades_bytes(
        [(77, *entry, 1), (78, *entry, 0)], event=5, transact=1_700_000_000_000_002
    )
    assert ENCODER.trades([TRADE, other], 5) == expected
    assert ENCODER.encode(Trades("BTCUSDT", (TRADE, other)), event_time_us=5) == expected


def test_a_later_version_appends_to_root_and_entries():
    encoder = SbeEncoder(version=1, root_extra=b"abc", entry_extra=b"xy")
    assert encoder.encode(DEPTH) == depth_bytes(extra=b"abc", entry_extra=b"xy", version=1)
    frame = encoder.trades([TRADE])
    time_us = TRADE.time_us
    entry = (77, 6_180_030_000_000, 19_900_000, 1)
    appended = {"extra": b"abc", "entry_extra": b"xy", "version": 1}
    assert frame == trades_bytes([entry], event=time_us, transact=time_us, **appended)


def test_exponents_are_told_and_used():
    update = DEPTH._replace(bids=[("1200", "0.25")], asks=[])
    frame = SbeEncoder(2, -2).encode(update)
    assert frame == depth_bytes(((12, 25),), (), exponents=(2, -2))


@pytest.mark.parametrize(
    ("message", "error", "said"),
    [
        (DEPTH._replace(bids=[("1.123456789", "1")]), NotExact, "1.123456789"),
        (DEPTH._replace(asks=[("1", "0.000000001")]), NotExact, "0.000000001"),
        (DEPTH._replace(asks=[("92233720368.54775808", "1")]), MantissaRange, "92233720368"),
        (DEPTH._replace(asks=[("-1", "1")]), BadText, "-1"),
        (DEPTH._replace(asks=[("1e3", "1")]), BadText, "1e3"),
        (TICKER._replace(bid="nan"), BadText, "nan"),
        (TRADE._replace(qty=""), BadText, "''"),
        (DEPTH._replace(last_id=1 << 63), FieldRange, "lastBookUpdateId"),
        (DEPTH._replace(time_us=-1), FieldRange, "eventTime"),
        (TRADE._replace(trade_id=-1), FieldRange, "trade id"),
        (DEPTH._replace(symbol=""), SymbolLength, "was 0"),
        (DEPTH._replace(symbol="é" * 128), SymbolLength, "was 256"),
        (DEPTH._replace(bids=[("1", "1")] * 65536), TooManyEntries, "was 65536"),
        (SNAPSHOT._replace(symbol=None), MissingSymbol, "snapshot 9"),
        (Trades("BTCUSDT", ()), FieldRange, "trades"),
        (Trades("BTCUSDT", (TRADE, TRADE._replace(time_us=1))), FieldRange, "one time"),
    ],
)
def test_what_has_no_frame_is_refused_by_name(message, error, said):
    with pytest.raises(error, match=said):
        ENCODER.encode(message)


def test_the_largest_mantissa_and_the_most_levels_have_a_frame():
    largest = ("92233720368.54775807", "1")
    frame = ENCODER.encode(DEPTH._replace(bids=[largest] * 65535, asks=[]))
    assert frame[34:38] == struct.pack("<HH", 16, 65535)
    assert frame[38:46] == struct.pack("<q", (1 << 63) - 1)


@pytest.mark.parametrize("exponent", [-129, 128])
def test_an_exponent_that_is_no_signed_byte_is_refused(exponent):
    with pytest.raises(FieldRange, match="price exponent"):
        SbeEncoder(exponent)
    with pytest.raises(FieldRange, match="quantity exponent"):
        SbeEncoder(0, exponent)
