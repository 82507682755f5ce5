# SPDX-License-Identifier: Apache-2.0
import struct
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.feeds.messages import BookTicker, DepthUpdate, Refusal, Snapshot, Trade, Trades
from host.wire import sbe_decode
from host.wire.sbe_decode import (
    BadFlag,
    BadRange,
    BadSymbol,
    SbeError,
    ShortBlock,
    Surplus,
    Truncated,
    UnknownSchema,
    UnknownTemplate,
    decode,
    messages,
    parse_sbe,
)
from host.wire.sbe_encode import SbeEncoder
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

CODES = {"int64": "q", "int8": "b", "uint8": "B", "uint16": "H", "uint32": "I"}


def test_a_depth_update_is_read_with_exact_decimals():
    frame = depth_bytes()
    assert messages(frame) == DepthUpdate(
        "BTCUSDT",
        11,
        20,
        None,
        DEPTH.time_us,
        [("61800.30000000", "0.00600000"), ("61800.20000000", "0.00000000")],
        [("61800.40000000", "12.00000000")],
        frame=frame,
    )


def test_the_prefix_of_a_frame_of_the_live_stream_is_read():
    rest = struct.pack("<bb", -8, -8) + side([(150_000_000, 1)]) + side([]) + NAME
    update = messages(REAL_PREFIX + rest)
    assert (update.first_id, update.last_id) == (0x120896EB4F, 0x120896EB91)
    assert update.time_us == 0x00064078DA7FA0BA  # in October 2025
    assert update.bids == [("1.50000000", "0.00000001")]
    with pytest.raises(Truncated, match="expected 34 bytes"):
        decode(REAL_PREFIX)


def test_trades_are_read_with_the_time_of_the_transaction():
    frame = trades_bytes([(77, 150_000_000, 2, 1), (78, 3, 4, 0)])
    first = Trade("BTCUSDT", 77, "1.50000000", "0.00000002", True, 2)
    second = Trade("BTCUSDT", 78, "0.00000003", "0.00000004", False, 2)
    assert messages(frame) == Trades("BTCUSDT", (first, second), frame)


def test_a_snapshot_counts_as_cut_to_its_longer_side():
    encoder = SbeEncoder()
    snapshot = messages(encoder.encode(SNAPSHOT))
    assert snapshot.last_id == 9 and snapshot.depth == 2
    assert messages(encoder.encode(SNAPSHOT._replace(bids=[], asks=[]))).depth == 1


@pytest.mark.parametrize(
    ("exponent", "text"),
    [(0, "15"), (-1, "1.5"), (-3, "0.015"), (2, "1500"), (-20, "0." + "0" * 18 + "15")],
)
def test_any_exponent_gives_plain_digits(exponent, text):
    update = messages(depth_bytes(((15, 15), (-15, 0)), (), exponents=(exponent, exponent)))
    assert update.bids[0] == (text, text)
    assert update.bids[1][0] == "-" + text and set(update.bids[1][1]) <= set("0.")


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(1, 65535), st.binary(max_size=9))
def test_a_later_version_with_appended_fields_says_the_same(extra, entry_extra, version, rest):
    more = {"extra": extra, "entry_extra": entry_extra, "version": version}
    plain = messages(depth_bytes())
    frame = depth_bytes(**more) + rest
    assert messages(frame) == plain._replace(frame=frame)
    entries = [(77, 150_000_000, 2, 1), (78, 3, 4, 0)]
    grown = messages(trades_bytes(entries, **more) + rest)
    assert grown.trades == messages(trades_bytes(entries)).trades


@pytest.mark.parametrize("kind", [DEPTH, SNAPSHOT, TICKER, TRADE])
def test_every_cut_of_a_frame_is_refused_as_truncated(kind):
    frame = SbeEncoder().encode(kind)
    for size in range(len(frame)):
        with pytest.raises(Truncated):
            decode(frame[:size])


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (header(26, 10003, schema=2) + bytes(80), UnknownSchema, "expected 1, was 2"),
        (header(26, 9999) + bytes(80), UnknownTemplate, "was 9999"),
        (header(26, 10004) + bytes(80), UnknownTemplate, "was 10004"),
        (header(25, 10003) + depth_bytes()[8:], ShortBlock, "root of 26 bytes, was 25"),
        (header(17, 10000) + bytes(80), ShortBlock, "root of 18 bytes, was 17"),
        (depth_bytes()[:34] + b"\x0f" + depth_bytes()[35:], ShortBlock, "bids: expected entries"),
        (depth_bytes((), ())[:34] + bytes([0, 0, 1, 0]) + NAME, ShortBlock, "bids"),
        (trades_bytes([])[:26] + struct.pack("<HI", 24, 1) + NAME, ShortBlock, "trades"),
        (trades_bytes([])[:26] + struct.pack("<HI", 25, 1 << 31) + NAME, BadRange, "trades"),
        (trades_bytes([(1, 1, 1, 2)]), BadFlag, "isBuyerMaker"),
        (trades_bytes([(-1, 1, 1, 1)]), BadRange, "trade id"),
        (depth_bytes(first=21), BadRange, "rising"),
        (depth_bytes(first=-1), BadRange, "firstBookUpdateId"),
        (depth_bytes(time_us=-(1 << 63)), BadRange, "eventTime"),
        (depth_bytes(name=b"\x00"), BadSymbol, "expected a name"),
        (depth_bytes(name=b"\x02\xff\xfe"), BadSymbol, "UTF-8"),
        (depth_bytes() + b"\x00", Surplus, "expected"),
    ],
)
def test_a_malformed_frame_is_refused_by_name(frame, error, said):
    with pytest.raises(error, match=said) as raised:
        messages(frame)
    assert type(raised.value) is error
    refusal = parse_sbe(frame)
    unknown = error in (UnknownSchema, UnknownTemplate)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == ("unknown_frame" if unknown else "bad_frame")
    assert refusal.detail.startswith(error.__name__)


DIGITS = st.integers(0, (1 << 63) - 1).map(lambda n: f"{n // 10**8}.{n % 10**8:08d}")
LEVELS = st.lists(st.tuples(DIGITS, DIGITS), max_size=30)
IDS = st.integers(0, (1 << 63) - 1)
NAMES = st.text(min_size=1, max_size=12)


@given(NAMES, IDS, IDS, IDS, LEVELS, LEVELS)
def test_what_was_encoded_is_read_as_it_was(name, one, other, time_us, bids, asks):
    encoder = SbeEncoder()
    first, last = sorted((one, other))
    update = DepthUpdate(name, first, last, None, time_us, bids, asks)
    assert messages(encoder.encode(update))._replace(frame=None) == update
    depth = max(1, len(bids), len(asks))
    snapshot = Snapshot(name, first, bids, asks, time_us, depth=depth)
    assert messages(encoder.encode(snapshot)) == snapshot


@given(NAMES, IDS, IDS, st.lists(st.tuples(IDS, DIGITS, DIGITS, st.booleans()), min_size=1))
def test_trades_and_tickers_come_back_as_they_were(name, number, time_us, entries):
    encoder = SbeEncoder()
    trades = tuple(Trade(name, *entry, time_us) for entry in entries)
    assert messages(encoder.trades(trades)).trades == trades
    _, price, qty, _ = entries[0]
    ticker = BookTicker(name, number, price, qty, qty, price, time_us)
    assert messages(encoder.encode(ticker))._replace(frame=None) == ticker


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(payload):
    assert not isinstance(parse_sbe(payload), list)
    for template in (10000, 10001, 10002, 10003):
        parse_sbe(header(len(payload) // 2, template) + payload)


@given(st.data())
def test_a_frame_with_one_wrong_byte_is_read_or_refused(data):
    frame = bytearray(SbeEncoder().encode(data.draw(st.sampled_from([DEPTH, TRADE, TICKER]))))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        messages(bytes(frame))
    except SbeError as error:
        assert "expected" in str(error)


def test_the_length_of_entries_that_are_not_there_does_not_matter():
    frame = depth_bytes((), ())
    assert messages(frame[:34] + bytes(8) + NAME).bids == []


def test_text_frames_are_json():
    assert parse_sbe('{"result":null,"id":1}').reason == "unknown_frame"
    snapshot = parse_sbe('{"lastUpdateId":7,"bids":[["1.5","2"]],"asks":[]}')
    assert snapshot == Snapshot(None, 7, [["1.5", "2"]], [])


def test_the_layouts_are_those_of_the_venues_schema(captures):
    tree = ElementTree.parse(captures / "schemas" / "stream_1_0.xml").getroot()
    types = {one.get("name"): CODES[one.get("primitiveType")] for one in tree.iter("type")}
    types |= {one.get("name"): CODES[one.get("encodingType")] for one in tree.iter("enum")}
    dimensions = {"groupSizeEncoding": "HI", "groupSize16Encoding": "HH"}

    def fields(parent):
        return tuple(
            (one.get("name"), types[one.get("type")])
            for one in parent.findall("field")
            if one.get("presence") != "constant"
        )

    expected = {}
    for message in tree.findall("{http://fixprotocol.io/2016/sbe}message"):
        groups = tuple(
            (
                one.get("name"),
                dimensions[one.get("dimensionType", "groupSizeEncoding")],
                fields(one),
            )
            for one in message.findall("group")
        )
        expected[int(message.get("id"))] = (message.get("name"), fields(message), groups)
    assert expected == sbe_decode.TEMPLATES
