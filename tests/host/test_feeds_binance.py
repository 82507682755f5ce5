# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from host.feeds.binance import parse
from host.feeds.messages import BookTicker, DepthUpdate, Refusal, Snapshot, Trade

# Layouts as the venue sends them; the first fields of real frames.
USDM_DEPTH = {
    "e": "depthUpdate",
    "E": 1723161256299,
    "T": 1723161256298,
    "s": "BTCUSDT",
    "U": 5123107832006,
    "u": 5123107837557,
    "pu": 5123107831937,
    "b": [["58710.20", "0.014"], ["61510.90", "0.000"]],
    "a": [["61800.30", "2.510"]],
}
SPOT_DEPTH = {
    "e": "depthUpdate",
    "E": 1723161255308,
    "s": "ETHUSDT",
    "U": 35346513499,
    "u": 35346513505,
    "b": [["2683.80000000", "3.02920000"]],
    "a": [],
}
SPOT_TICKER = {
    "u": 35346513501,
    "s": "ETHUSDT",
    "b": "2683.80000000",
    "B": "3.02920000",
    "a": "2683.81000000",
    "A": "31.43950000",
}
TRADE = {
    "e": "trade",
    "E": 1723161256322,
    "T": 1723161256321,
    "s": "BTCUSDT",
    "t": 5266583935,
    "p": "61800.30",
    "q": "0.006",
    "X": "MARKET",
    "m": False,
}
SNAPSHOT = {"lastUpdateId": 35346513512, "bids": [["2683.80", "3.0"]], "asks": [["2683.81", "1"]]}


def both_ways(data, stream):
    """The same message bare and inside a combined stream."""
    bare = parse(json.dumps(data))
    assert parse(json.dumps({"stream": stream, "data": data}).encode()) == bare
    return bare


def test_futures_depth_has_the_previous_id_and_the_transaction_time():
    assert both_ways(USDM_DEPTH, "btcusdt@depth@0ms") == DepthUpdate(
        "BTCUSDT",
        5123107832006,
        5123107837557,
        5123107831937,
        1723161256298000,
        [["58710.20", "0.014"], ["61510.90", "0.000"]],
        [["61800.30", "2.510"]],
    )


def test_spot_depth_has_no_previous_id_and_the_event_time():
    got = both_ways(SPOT_DEPTH, "ethusdt@depth@100ms")
    assert (got.prev_id, got.time_us) == (None, 1723161255308000)


def test_times_in_microseconds_are_kept():
    got = parse(json.dumps(SPOT_DEPTH | {"E": 1723161255308123}))
    assert got.time_us == 1723161255308123


def test_tickers_are_known_with_and_without_an_event_name():
    expected = BookTicker(
        "ETHUSDT", 35346513501, "2683.80000000", "3.02920000", "2683.81000000", "31.43950000"
    )
    assert both_ways(SPOT_TICKER, "ethusdt@bookTicker") == expected
    named = SPOT_TICKER | {"e": "bookTicker", "T": 1, "E": 2}
    assert both_ways(named, "ethusdt@bookTicker") == expected._replace(time_us=1000)


def test_trades_and_aggregated_trades_say_who_was_the_aggressor():
    expected = Trade("BTCUSDT", 5266583935, "61800.30", "0.006", False, 1723161256321000)
    assert both_ways(TRADE, "btcusdt@trade") == expected
    agg = {k: v for k, v in TRADE.items() if k != "t"} | {"e": "aggTrade", "a": 77, "m": True}
    got = both_ways(agg, "btcusdt@aggTrade")
    assert got == expected._replace(trade_id=77, seller_is_aggressor=True)


def test_a_snapshot_carries_its_symbol_only_on_coin_futures():
    spot = parse(json.dumps(SNAPSHOT))
    assert spot == Snapshot(None, 35346513512, [["2683.80", "3.0"]], [["2683.81", "1"]])
    coin = parse(json.dumps(SNAPSHOT | {"symbol": "BTCUSD_PERP", "pair": "BTCUSD"}))
    assert coin.symbol == "BTCUSD_PERP"


@pytest.mark.parametrize("data", [SNAPSHOT, USDM_DEPTH])
def test_partial_depth_streams_are_refused_for_they_are_no_changes(data):
    got = parse(json.dumps({"stream": "btcusdt@depth20@100ms", "data": data}))
    assert isinstance(got, Refusal) and got.reason == "partial_depth"


@pytest.mark.parametrize(
    "frame",
    ['{"result":null,"id":1}', "{}", "[]", "[1]", "3", "null", '"x"']
    + ['{"e":"markPriceUpdate","s":"BTCUSDT"}', '{"stream":"!ticker@arr","data":[]}']
    + ['{"e":7}', '{"stream":"x@y","data":null}', '{"code":-1121,"msg":"Invalid symbol."}'],
)
def test_frames_of_other_kinds_are_unknown_not_bad(frame):
    got = parse(frame)
    assert isinstance(got, Refusal) and got.reason == "unknown_frame"


@pytest.mark.parametrize("text", ["", "{", '{"a":1}}', "{'a':1}", '{"e": NaN}', "x"])
def test_what_is_no_json_is_a_bad_line(text):
    got = parse(text)
    assert isinstance(got, Refusal) and got.reason == "bad_line"


def bad_frames():
    for base, fields in (
        (USDM_DEPTH, "UubasT"),
        (SPOT_DEPTH, "UubasE"),
        (TRADE, "tpqmsT"),
        (SPOT_TICKER | {"e": "bookTicker"}, "ubBaAs"),
    ):
        for field in fields:
            if not (field == "T" and "E" in base):
                yield {k: v for k, v in base.items() if k != field}
            for wrong in (None, 1.5, [1], {}, True if field != "m" else 1):
                yield base | {field: wrong}
    for field in ("lastUpdateId", "bids", "asks"):
        yield SNAPSHOT | {field: None}
    for levels in (
        [["1", "2", "3"]],
        [["1"]],
        [[]],
        ["12"],
        [["1", 2]],
        [[1, "2"]],
        [["1", None]],
        [{"1": 1, "2": 2}],
        [["1", ["2"]]],
        [1],
        "12",
        {"1": "2"},
    ):
        yield USDM_DEPTH | {"b": levels}
        yield SNAPSHOT | {"asks": levels}
    yield USDM_DEPTH | {"U": 5123107837558}
    yield USDM_DEPTH | {"pu": 5123107837557}
    yield USDM_DEPTH | {"u": -1}
    yield USDM_DEPTH | {"u": 1 << 64}
    yield {"stream": 5, "data": USDM_DEPTH}
    yield {"stream": "btcusdt@depth"}
    yield USDM_DEPTH | {"s": ""}


@pytest.mark.parametrize("frame", list(bad_frames()), ids=lambda f: json.dumps(f)[-60:])
def test_a_missing_or_wrong_field_makes_a_bad_frame(frame):
    got = parse(json.dumps(frame))
    assert isinstance(got, Refusal) and got.reason == "bad_frame", got
    assert got.detail
