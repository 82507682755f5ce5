# SPDX-License-Identifier: Apache-2.0
"""The stream of frames and records, expanded in software, is the stream of records."""

import gzip
import json
from decimal import Decimal

import numpy as np
import pytest

from host.contract.records import IN_DTYPE, InFlag, InKind, Protocol
from host.feeds.capture import CaptureReader
from host.feeds.messages import Instrument
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.feeds.venues import BINANCE, VENUES
from host.wire.framing import (
    Carried,
    FramingError,
    frame_words,
    split,
)
from host.wire.ingress import Steps, expand, frame_counts
from host.wire.sbe_decode import decode
from host.wire.sbe_encode import SbeEncoder
from host.wire.venue import BINANCE_SBE, NotBinance, over_sbe
from host.wire.writer import FrameWriter
from tests.host.replay_helpers import SLICE
from tests.host.test_feeds_captures import CHAINS
from tests.host.wire_frames import SYMBOL, depth_bytes, trades_bytes

TICK, LOT = Decimal("0.1"), Decimal("0.001")
SETTINGS = FeedSettings(levels=4, snapshot_limit=3)
STEPS = {5: Steps(TICK, LOT)}


def both(venue=BINANCE, **kwargs):
    """A session that writes records, and one that writes frames."""
    args = [Instrument(SYMBOL, 5, TICK, LOT)], SETTINGS
    native = FeedSession(*args, venue=venue, **kwargs)
    return native, FeedSession(*args, venue=over_sbe(venue), writer=FrameWriter, **kwargs)


def feed(sessions, payload):
    for session in sessions:
        session.feed_payload(payload if isinstance(payload, bytes) else json.dumps(payload))


def snapshot(last=10):
    bids = [["10.0", "0.001"], ["9.9", "0.002"], ["9.8", "0.1"]]
    asks = [["10.1", "0.003"], ["10.3", "0.004"], ["10.4", "0.1"]]
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def event(first, last, bids=(), asks=(), time_ms=1000, **more):
    data = {"e": "depthUpdate", "E": time_ms, "s": SYMBOL, "U": first, "u": last}
    return data | {"b": list(map(list, bids)), "a": list(map(list, asks))} | more


def trade(number, price="10.0", qty="0.002"):
    data = {"e": "trade", "E": 9, "T": 7, "s": SYMBOL, "t": number, "p": price, "q": qty}
    return data | {"m": True}


def settle(sessions):
    """Records of both sessions, which must agree; the beats of the second."""
    native, beats = (session.take() for session in sessions)
    assert np.array_equal(expand(beats, STEPS), native)
    assert sessions[0].counters == sessions[1].counters
    return native, beats


def frames(beats):
    return [part for part in split(beats) if isinstance(part, Carried)]


def test_an_event_is_its_frame_and_nothing_else():
    sessions = both()
    feed(sessions, snapshot())
    settle(sessions)
    feed(sessions, event(9, 12, [("10.0", "0.5")], [("10.2", "0.001"), ("10.3", "0")]))
    _, beats = settle(sessions)
    (frame,) = frames(beats)
    assert (frame.symbol, frame.protocol, frame.hold) == (5, Protocol.SBE, False)
    size = 8 + 26 + 4 + 16 + 4 + 32 + 8
    assert len(frame.payload) == size and len(beats) == 1 + -(-size // 16)


def test_a_refill_stands_inside_its_event_behind_a_held_frame():
    sessions = both()
    bids = [[f"{price}.0", "1"] for price in (10, 9, 8, 7, 6, 5)]
    feed(sessions, snapshot() | {"bids": bids})
    settle(sessions)
    # the fabric holds four of the six bids, and is left with one
    feed(sessions, event(11, 12, [("10.0", "0"), ("9.0", "0"), ("8.0", "0")]))
    native, beats = settle(sessions)
    frame, rest = split(beats)
    assert frame.hold
    kinds = [InKind.REFILL_BEGIN, *[InKind.LEVEL] * 3, InKind.REFILL_END, InKind.EVENT_END]
    assert rest["kind"].tolist() == kinds
    assert rest["price_ticks"].tolist()[1:4] == [70, 60, 50]
    assert native["kind"].tolist() == [InKind.EVENT_BEGIN, *[InKind.LEVEL] * 3, *kinds]


def starts(beats):
    """Update ids that begin a book."""
    at = (beats["kind"] == InKind.FRAME) & (beats["flags"] == InFlag.START)
    return beats["value"][at].tolist()


def test_the_board_is_told_the_update_id_of_the_snapshot_that_begins_a_book():
    sessions = both()
    feed(sessions, snapshot(10))
    feed(sessions, event(9, 12, [("10.0", "0.5")]))
    feed(sessions, event(14, 15))
    feed(sessions, snapshot(20))
    feed(sessions, event(18, 21))
    assert starts(settle(sessions)[1]) == [10, 20]


def test_a_futures_event_that_ends_where_the_snapshot_does_is_announced_by_the_id_before_it():
    sessions = both()
    feed(sessions, snapshot(10))
    feed(sessions, event(9, 10, [("10.0", "0.5")], pu=6))
    feed(sessions, event(14, 15, pu=10))
    _, beats = settle(sessions)
    assert starts(beats) == [10, 6]
    first, second = (decode(frame.payload).fields for frame in frames(beats))
    assert first["firstBookUpdateId"] == 7 and second["firstBookUpdateId"] == 11


def test_a_gap_clears_and_a_refused_event_sends_no_frame():
    sessions = both()
    feed(sessions, snapshot())
    feed(sessions, event(11, 12, [("10.0", "0.5")]))
    feed(sessions, event(14, 15, [("10.0", "0.7")]))
    feed(sessions, event(16, 17, [("10.05", "0.7")]))
    native, beats = settle(sessions)
    assert len(frames(beats)) == 1
    assert (native["kind"] == InKind.CLEAR).sum() == 2
    assert sessions[1].counters["price_off_grid"] == 1


def test_events_kept_for_a_snapshot_keep_their_frames():
    sessions = both()
    feed(sessions, event(9, 10, [("10.0", "0.5")]))
    feed(sessions, event(11, 12, [("9.9", "0.5")]))
    feed(sessions, snapshot())
    _, beats = settle(sessions)
    assert [b"BTCUSDT" in frame.payload for frame in frames(beats)] == [True]


def test_trades_go_as_frames_and_only_once():
    sessions = both()
    for number in (7, 8, 8, 7, 9):
        feed(sessions, trade(number))
    feed(sessions, trade(10, price="10.05"))
    native, beats = settle(sessions)
    assert native["value"][2::3].tolist() == [7, 8, 9]
    assert len(frames(beats)) == 3
    assert sessions[0].counters["trades_repeated"] == 2


def test_a_venue_that_numbers_its_trades_anew_is_heard():
    sessions = both()
    feed(sessions, trade(70))
    feed(sessions, trade(1) | {"T": 8})
    assert settle(sessions)[0]["value"][2::3].tolist() == [70, 1]


def test_what_has_no_exact_frame_is_refused_and_not_sent():
    session = both()[1]
    session.venue = over_sbe(BINANCE, SbeEncoder(0, 0))
    session.feed_payload(json.dumps(snapshot()))
    session.take()
    session.feed_payload(json.dumps(event(11, 12, [("10.1", "1")])))
    session.feed_payload(json.dumps(trade(5)))
    assert len(session) == 0 and session.counters["not_encoded"] == 2
    assert session.refusals[0].detail.startswith("NotExact: price")


def test_live_frames_go_on_untouched():
    sessions = both(BINANCE_SBE)
    feed(sessions, snapshot())
    frame = depth_bytes(((1_000_000_000, 50_000_000),), (), extra=b"new", version=3) + b"newer"
    feed(sessions, frame)
    entries = [(7, 1_000_000_000, 200_000, 1), (8, 1_010_000_000, 300_000, 0)]
    pair = trades_bytes(entries)
    feed(sessions, pair)
    feed(sessions, pair)
    _, beats = settle(sessions)
    assert [one.payload for one in frames(beats)] == [frame, pair]
    assert sessions[0].counters["trades"] == 2


def test_trades_of_a_frame_one_of_which_is_refused_go_as_records():
    sessions = both(BINANCE_SBE)
    feed(sessions, trades_bytes([(7, 1_000_000_000, 200_000, 1), (8, 1_005_000_000, 1, 0)]))
    native, beats = settle(sessions)
    assert not frames(beats) and native["value"].tolist()[1:] == [2, 7]


def test_frames_go_for_binance_only():
    for name in ("OKX", "BYBIT"):
        with pytest.raises(NotBinance, match=f"one of {name}"):
            over_sbe(VENUES[name])
    assert over_sbe(VENUES["BINANCE_FUTURES"]).name == "BINANCE_FUTURES"


@pytest.mark.parametrize(
    ("carried", "said"),
    [
        (frame_words(depth_bytes(), 4, Protocol.SBE), "expected a symbol"),
        (frame_words(depth_bytes(), 5, Protocol.MOLDUDP64), "expected SBE"),
        (frame_words(depth_bytes(((1, 1),)), 5, Protocol.SBE), "expected a multiple of 0.1"),
        (frame_words(depth_bytes(((-10_000_000, 0),)), 5, Protocol.SBE), "was mantissa -1"),
        (frame_words(trades_bytes([]), 5, Protocol.SBE, hold=True), "expected a depth update"),
    ],
)
def test_a_frame_the_board_could_not_take_is_refused_by_name(carried, said):
    with pytest.raises(FramingError, match=said):
        expand(np.array(carried, "<u8").view(IN_DTYPE), STEPS)


def compare(paths):
    """A capture both ways: records, beats, and the session of frames."""
    native = FeedSession(adopt=True)
    framed = FeedSession(adopt=True, venue=over_sbe(BINANCE), writer=FrameWriter)
    for frame in CaptureReader(paths):
        native.feed(frame)
        framed.feed(frame)
    (feed_,) = framed.feeds.values()
    steps = {feed_.instrument.symbol: Steps(feed_.instrument.tick, feed_.instrument.lot)}
    records, beats = native.take(), framed.take()
    assert native.counters == framed.counters
    assert np.array_equal(expand(beats, steps), records)
    return native, records, beats


def check_frames(native, records, beats):
    sent = frames(beats)
    held = sum(frame.hold for frame in sent)
    counts = frame_counts(beats)
    assert counts["sbe_diffs"] == native.counters["events"]
    assert counts["sbe_levels"] == native.counters["levels"]
    assert counts["sbe_trades"] == native.counters["trades"] > 0
    assert counts["sbe_starts"] == 1
    tickers = len(sent) - counts["sbe_diffs"] - counts["sbe_trades"]
    assert counts["sbe_tickers"] == tickers > 0
    assert counts["frames"] == counts["sbe_messages"] == len(sent)
    assert held and (beats["kind"] == InKind.FRAME).sum() >= len(sent)
    assert not np.isin(records["flags"], [InFlag.HOLD]).any()


def test_the_bundled_minute_goes_as_frames_record_for_record():
    check_frames(*compare([SLICE]))


@pytest.mark.captures
@pytest.mark.parametrize("chain", CHAINS)
def test_every_capture_goes_as_frames_record_for_record(captures, chain):
    check_frames(*compare([captures / "binance" / name for name in CHAINS[chain][0]]))


def lines(path):
    with gzip.open(path) as file:
        yield from (line.split(b" ", 1)[1] for line in file)


@pytest.mark.captures
@pytest.mark.parametrize("chain", CHAINS)
def test_every_message_of_a_capture_survives_encoding_number_for_number(captures, chain):
    encoder, kinds = SbeEncoder(), set()
    for path in [captures / "binance" / name for name in CHAINS[chain][0]]:
        for line in lines(path):
            data = json.loads(line)
            data = data.get("data", data)
            message = BINANCE.parse(line, "")
            back = BINANCE_SBE.parse(encoder.encode(message, symbol="NAME"), "")
            kinds.add(type(back).__name__)
            if "lastUpdateId" in data:
                assert back.last_id == data["lastUpdateId"]
                assert back.symbol == data.get("symbol", "NAME")
                check_levels(back, data["bids"], data["asks"])
            elif "b" in data and isinstance(data["b"], list):
                first = data["pu"] + 1 if "pu" in data else data["U"]
                assert (back.first_id, back.last_id, back.prev_id) == (first, data["u"], None)
                assert back.time_us == 1000 * data.get("T", data["E"])
                check_levels(back, data["b"], data["a"])
            elif "t" in data:
                (one,) = back.trades
                assert (one.trade_id, one.time_us) == (data["t"], 1000 * data["T"])
                assert one.seller_is_aggressor is data["m"]
                check_levels(None, [(one.price, one.qty)], [(data["p"], data["q"])])
            else:
                assert back.update_id == data["u"] and back.symbol == data["s"]
                best = [(data["b"], data["B"]), (data["a"], data["A"])]
                check_levels(None, [back[2:4], back[4:6]], best)
    assert kinds == {"Snapshot", "DepthUpdate", "Trades", "BookTicker"}


def check_levels(message, one, other):
    pairs = [(message.bids, one), (message.asks, other)] if message else [(one, other)]
    for mine, theirs in pairs:
        assert [tuple(map(Decimal, level)) for level in mine] == [
            tuple(map(Decimal, level)) for level in theirs
        ]
