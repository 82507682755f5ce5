# SPDX-License-Identifier: Apache-2.0
"""The SBE decoder against the reference model and against what is worked out by hand."""

import random
import struct
from itertools import pairwise

import pytest

from hdl.feed.sbe.decoder import LEVEL_LATENCY
from hdl.feed.sbe.schema import BUNDLED, read_schema
from host.contract.records import InFlag, InKind
from sim.reference_sbe import InRecord
from tests.unit.sbe_bench import CONFIG, PRICE, QTY, Frame, assert_decodes, decode, expected
from tests.unit.sbe_bytes import diff, header, snapshot, ticker, trades
from tests.unit.sbe_streams import Streams

WIDTHS = (4, 8, 16)
SIDE, REFILL, WHOLE, BOOK, GAP = 1, 2, 4, 8, 16
#: First 32 bytes of a depth diff that the exchange sent.
REAL_PREFIX = bytes.fromhex("1a00132701000000baa07fda784006004feb96081200000091eb960812000000")
REAL_FIRST, REAL_LAST = 0x120896EB4F, 0x120896EB91


def at(update_id, tag=1):
    """The book of the symbol is there."""
    return Frame(tag=tag, update_id=update_id)


def row(kind, flags=0, price=0, value=0):
    return InRecord(int(kind), flags, 1, 0, price, value)


CLEARED = [row(InKind.CLEAR, GAP), row(InKind.CLEAR, GAP | SIDE)]


def level(side, ticks, lots, refill=0):
    return row(InKind.LEVEL, side | refill, ticks, lots)


def event(update_id, *levels, time_us=7):
    return [
        row(InKind.EVENT_BEGIN, value=time_us),
        *levels,
        row(InKind.EVENT_END, BOOK, value=update_id),
    ]


def mantissas(*levels):
    return [(ticks * PRICE, lots * QTY) for ticks, lots in levels]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_depth_diff_becomes_an_event_with_bids_before_asks(width):
    message = diff(5, 9, mantissas((100, 3), (99, 0)), mantissas((101, 7)))
    made = assert_decodes([at(4), Frame(message)], width)
    assert made.records == event(9, level(0, 100, 3), level(0, 99, 0), level(SIDE, 101, 7))
    assert made.counts == {"sbe_messages": 1, "sbe_diffs": 1, "sbe_levels": 3}


@pytest.mark.parametrize("width", WIDTHS)
def test_the_real_prefix_is_decoded(width):
    """Block 26, template 10003, schema 1, version 0, then the time and both update ids."""
    rest = struct.pack("<bbHH", -2, -3, 16, 1) + struct.pack("<qq", 10 * PRICE, 2 * QTY)
    message = REAL_PREFIX + rest + struct.pack("<HH", 16, 0) + b"\7BTCUSDT"
    made = assert_decodes([at(REAL_FIRST - 1), Frame(message)], width)
    time_us = 0x64078DA7FA0BA
    assert made.records == event(REAL_LAST, level(0, 10, 2), time_us=time_us)
    assert time_us == int.from_bytes(REAL_PREFIX[8:16], "little")
    assert diff(REAL_FIRST, REAL_LAST, [], [], time_us=time_us)[:32] == REAL_PREFIX


@pytest.mark.parametrize("width", WIDTHS)
def test_a_snapshot_becomes_refills_that_end_beyond_their_last_level(width):
    message = snapshot(9, mantissas((100, 3), (99, 1)), mantissas((101, 7)))
    made = assert_decodes([Frame(message), Frame(diff(10, 10, [], []))], width)
    assert made.records == [
        row(InKind.REFILL_BEGIN),
        level(0, 100, 3, REFILL),
        level(0, 99, 1, REFILL),
        row(InKind.REFILL_END, price=98),
        row(InKind.REFILL_BEGIN, SIDE),
        level(SIDE, 101, 7, REFILL),
        row(InKind.REFILL_END, SIDE, price=102),
        *event(10),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_groups_without_entries_have_tests_of_their_own(width):
    """A side without levels in a snapshot is known whole; a diff may change nothing."""
    frames = [
        Frame(snapshot(9, [], [])),
        Frame(diff(10, 11, [], [])),
        Frame(diff(12, 12, [], mantissas((5, 1)))),
        Frame(diff(13, 13, mantissas((4, 1)), [])),
        Frame(trades([])),
        Frame(snapshot(14, [], mantissas((5, 1)), symbol=b"")),
    ]
    made = assert_decodes(frames, width)
    assert made.records[:6] == [
        row(InKind.REFILL_BEGIN),
        row(InKind.REFILL_END, WHOLE),
        row(InKind.REFILL_BEGIN, SIDE),
        row(InKind.REFILL_END, SIDE | WHOLE),
        *event(11),
    ]
    assert made.counts["sbe_diffs"] == 3


@pytest.mark.parametrize("width", WIDTHS)
def test_trades_become_an_event_each_and_one_without_a_place_is_left_out(width):
    entries = [
        (5, 100 * PRICE, 3 * QTY, 1),
        (6, 100 * PRICE + 1, 3 * QTY, 0),
        (7, 101 * PRICE, 0, 0),
        (8, 101 * PRICE, QTY, 2),
        (-9, 101 * PRICE, QTY, 0),
        (10, 101 * PRICE, 4 * QTY, 0),
    ]
    made = assert_decodes([Frame(trades(entries, transact_us=77))], width)
    assert made.records == [
        row(InKind.EVENT_BEGIN, value=77),
        row(InKind.TRADE, SIDE, 100, 3),
        row(InKind.EVENT_END, value=5),
        row(InKind.EVENT_BEGIN, value=77),
        row(InKind.TRADE, 0, 101, 4),
        row(InKind.EVENT_END, value=10),
    ]
    assert made.counts == {"sbe_messages": 1, "sbe_trades": 1, "sbe_trades_refused": 4}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_ticker_makes_no_record_and_is_told_to_the_oracle(width):
    message = ticker(9, (100 * PRICE, 3 * QTY), (101 * PRICE, 4 * QTY))
    made = assert_decodes([Frame(message), Frame(message, tag=0)], width)
    assert (made.records, made.tickers) == ([], [(1, 9, 100, 3, 101, 4)])
    assert made.counts == {"sbe_messages": 2, "sbe_tickers": 1, "sbe_tag": 1}


def refusals():
    """Messages that may make no tick, and the counter of each; whether its symbol is marked."""
    one = mantissas((100, 1))
    good = diff(5, 5, one, one)
    yield "schema", diff(5, 5, one, one, schema=2), False
    yield "template", header(9999, 26) + good[8:], False
    yield "template", header(10004, 26) + good[8:], False
    yield "block", diff(5, 5, one, one, block=25), True
    yield "block", snapshot(5, one, one, block=17), False
    yield "exponent", diff(5, 5, one, one, exponents=(-8, -3)), True
    yield "exponent", diff(5, 5, one, one, exponents=(-2, -2)), True
    yield "exponent", trades([(1, *one[0], 0)], exponents=(-2, 0)), False
    yield "exponent", snapshot(5, one, one, exponents=(0, -3)), False
    yield "exponent", ticker(5, one[0], one[0], exponents=(0, -3)), False
    yield "root", diff(5, 5, one, one, time_us=-1), True
    yield "root", diff(-5, 5, one, one), True
    yield "root", diff(6, 5, one, one), True
    yield "root", snapshot(-1, one, one), False
    yield "root", trades([(1, *one[0], 0)], transact_us=-1), False
    yield "stale", diff(3, 4, one, one), False
    yield "stale", snapshot(3, one, one), False
    yield "gap", diff(6, 7, one, one), True
    yield "short", b"", False
    yield "short", good[:7], False
    yield "short", good[:8], True
    yield "short", good[:33], True
    yield "short", trades([(1, *one[0], 0)])[:20], False
    yield "short", ticker(5, one[0], one[0])[:-1], False
    yield "long", ticker(5, one[0], one[0]) + b"x", False
    yield "value", ticker(5, (1, 0), one[0]), False


REFUSALS = [case for case in refusals() if case[1]]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_message_refused_before_its_first_record_makes_no_tick(width):
    """Each from the same state; the next good diff tells what became of the book."""
    frames, records = [], []
    for reason, message, marks in REFUSALS:
        here = [at(4), Frame(message), Frame(diff(5, 5, [], []))]
        by_hand = CLEARED if marks else event(5)
        told, counts, _ = expected(here)
        assert told == by_hand, (reason, message)
        assert counts[f"sbe_{reason}"] == 1, (reason, message)
        assert counts.get("sbe_marks", 0) == marks
        frames += here
        records += by_hand
    assert assert_decodes(frames, width).records == records


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_found_out_late_marks_the_symbol_and_ends_no_event(width):
    one, two = mantissas((100, 1)), mantissas((100, 1), (99, 2))
    good = diff(5, 5, two, one)
    late = [
        ("short", Frame(good[:-1]), 3),
        ("short", Frame(good[:-8]), 3),
        ("long", Frame(good + b"x"), 3),
        ("long", Frame(good + bytes(40)), 3),
        ("damaged", Frame(good, error=True), 3),
        ("damaged", Frame(good[:-8], error=True), 3),
        ("value", Frame(diff(5, 5, [two[0], (PRICE + 1, QTY)], one)), 1),
        ("value", Frame(diff(5, 5, [two[0], (PRICE, QTY - 1)], one)), 1),
        ("value", Frame(diff(5, 5, [two[0], (-PRICE, QTY)], one)), 1),
        ("value", Frame(diff(5, 5, [two[0], (PRICE, -QTY)], one)), 1),
        ("value", Frame(diff(5, 5, [two[0], (0, QTY)], one)), 1),
        ("value", Frame(diff(5, 5, [two[0], (PRICE << 32, QTY)], one)), 1),
        ("value", Frame(diff(5, 5, [two[0], (PRICE, QTY << CONFIG.qty_bits)], one)), 1),
    ]
    frames = []
    for reason, frame, levels in late:
        here = [at(4), frame, Frame(diff(6, 6, [], []))]
        records, counts, _ = expected(here)
        assert counts[f"sbe_{reason}"] == 1
        assert counts["sbe_unsynced"] == 1
        kinds = [record.kind for record in records]
        assert kinds == [InKind.EVENT_BEGIN, *[InKind.LEVEL] * levels, *[InKind.CLEAR] * 2]
        assert records[-2:] == CLEARED
        frames += here
    assert_decodes(frames, width)


def test_a_group_whose_entries_are_too_short_or_without_end_is_refused():
    root = diff(5, 5, [], [])[:34]
    entries = struct.pack("<qq", PRICE, QTY) * 6
    frames = []
    for block, count, reason in (
        (0, 1, "block"),
        (15, 1, "block"),
        (0, 0xFFFF, "block"),
        (16, 0xFFFF, "short"),
        (0xFFFF, 1, "short"),
        (0xFFFF, 0xFFFF, "short"),
    ):
        message = root + struct.pack("<HH", block, count) + entries
        here = [at(4), Frame(message), at(4), Frame(diff(5, 5, [], []))]
        records, counts, _ = expected(here)
        assert counts[f"sbe_{reason}"] == 1
        assert records[-4:] == CLEARED + event(5)
        frames += here
    assert_decodes(frames)


def test_the_block_of_a_group_without_entries_says_nothing():
    message = diff(5, 5, [], [])[:34] + struct.pack("<HHHH", 0, 0, 3, 0) + b"\0"
    assert assert_decodes([at(4), Frame(message)]).records == event(5)


@pytest.mark.parametrize("hold", [False, True])
def test_hold_leaves_the_event_open_and_counts_its_id_all_the_same(hold):
    frames = [at(4), Frame(diff(5, 6, [], []), hold=hold), Frame(diff(7, 7, [], []))]
    made = assert_decodes(frames)
    assert made.records == (event(6)[:1] if hold else event(6)) + event(7)


def test_the_sequence_continues_overlaps_repeats_and_breaks_as_the_rule_says():
    """Book at 10: first <= 11 <= last is taken."""
    frames = []
    for first, last, kind in (
        (11, 11, "diffs"),
        (11, 15, "diffs"),
        (1, 11, "diffs"),
        (11, (1 << 63) - 1, "diffs"),
        (9, 10, "stale"),
        (10, 10, "stale"),
        (0, 0, "stale"),
        (12, 12, "gap"),
        ((1 << 63) - 1, (1 << 63) - 1, "gap"),
    ):
        here = [at(10), Frame(diff(first, last, [], []))]
        assert expected(here)[1][f"sbe_{kind}"] == 1, (first, last)
        frames += here
    assert_decodes(frames)


def test_a_symbol_waits_for_a_snapshot_at_first_and_after_a_gap():
    frames = [
        Frame(diff(1, 1, [], [])),
        Frame(snapshot(5, [], [])),
        Frame(snapshot(4, [], [])),
        Frame(snapshot(5, [], [])),
        Frame(diff(7, 7, [], [])),
        Frame(diff(8, 8, [], [])),
        Frame(snapshot(2, [], [])),
        Frame(diff(3, 9, [], [])),
    ]
    counts = assert_decodes(frames).counts
    assert counts["sbe_unsynced"] == 2
    assert (counts["sbe_gap"], counts["sbe_stale"]) == (1, 1)
    assert (counts["sbe_snapshots"], counts["sbe_diffs"]) == (3, 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_blocks_with_appended_fields_decode_unchanged(width):
    """Every offset of every element to the beats, by appending to root and entries."""
    two, one = mantissas((100, 1), (99, 2)), mantissas((101, 3))
    plain = [
        *(row(InKind.REFILL_BEGIN), level(0, 100, 1, REFILL), level(0, 99, 2, REFILL)),
        *(row(InKind.REFILL_END, price=98), row(InKind.REFILL_BEGIN, SIDE)),
        *(level(SIDE, 101, 3, REFILL), row(InKind.REFILL_END, SIDE, 102)),
        *event(5, level(0, 100, 1), level(0, 99, 2), level(SIDE, 101, 3)),
        *(row(InKind.EVENT_BEGIN, value=8), row(InKind.TRADE, SIDE, 100, 1)),
        row(InKind.EVENT_END, value=3),
    ]
    frames = []
    for extra in range(width):
        for more in (0, 1, 24):
            later = {"extra": extra, "version": 1 + extra}
            frames += [
                at(3),
                Frame(snapshot(4, two, one, more=more, **later)),
                Frame(diff(5, 5, two, one, more=more, **later)),
                Frame(trades([(3, *two[0], 1)], more=more, **later)),
                Frame(ticker(5, two[0], one[0], **later)),
            ]
    made = assert_decodes(frames, width)
    assert made.records == 3 * width * plain
    assert made.tickers == 3 * width * [(1, 5, 100, 1, 101, 3)]


def test_a_decoder_made_from_a_later_schema_takes_both_versions(tmp_path):
    """Its appended fields are not asked of messages of the first version."""
    text = BUNDLED.read_text(encoding="utf-8")
    text = text.replace(
        'name="qty" type="mantissa64" mbx:exponent="qtyExponent"/>',
        'name="qty" type="mantissa64" mbx:exponent="qtyExponent"/>'
        '<field id="9" name="orders" type="int64" sinceVersion="1"/>',
    )
    path = tmp_path / "later.xml"
    path.write_text(text, encoding="utf-8")
    schema = read_schema(path)
    assert "orders" in schema.messages["DepthDiffStreamEvent"].groups[1].fields
    one = mantissas((100, 1))
    frames = [at(4), Frame(diff(5, 5, one, [])), Frame(diff(6, 6, one, [], more=8, version=1))]
    records = decode(frames, schema=schema).records
    assert records == event(5, level(0, 100, 1)) + event(6, level(0, 100, 1))


def test_a_message_under_way_is_decoded_by_one_scale():
    """Another tick is committed while its levels come in; the next message has it."""
    pairs = mantissas(*((100 + 2 * n, 1) for n in range(8)))
    frames = [at(0), Frame(diff(1, 1, pairs, pairs), price=2 * PRICE), Frame(diff(2, 2, pairs, []))]
    made = decode(frames)
    ticks = [record.price_ticks for record in made.records if record.kind == InKind.LEVEL]
    assert ticks == [100 + 2 * n for n in range(8)] * 2 + [50 + n for n in range(8)]


def last_bytes(bids, asks, extra, more):
    """Offset of the last byte that each level of a diff needs, by hand."""
    begin = 8 + 26 + extra + 4
    for entry in range(bids):
        yield begin + entry * (16 + more) + 15
    begin += bids * (16 + more) + 4
    for entry in range(asks):
        yield begin + entry * (16 + more) + 15


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("gaps", [False, True])
def test_a_level_leaves_a_constant_number_of_cycles_after_its_last_byte(width, gaps):
    """Start: accept of the beat with that byte. Stop: the record is at the output."""
    assert LEVEL_LATENCY <= 4
    levels = mantissas(*((100 + n, 1 + n) for n in range(3)))
    appended = [(extra, more) for extra in range(width) for more in (0, 3, 8)]
    frames = [at(0)]
    for number, (extra, more) in enumerate(appended, 1):
        message = diff(number, number, levels, levels[:2], extra=extra, more=more)
        frames.append(Frame(message))
    made = decode(frames, width, seed=5 if gaps else None, output_pauses=False)
    cycles = [
        cycle
        for record, cycle in zip(made.records, made.record_cycles, strict=True)
        if record.kind == InKind.LEVEL
    ]
    needed = [
        beats[byte // width]
        for beats, blocks in zip(made.beat_cycles, appended, strict=True)
        for byte in last_bytes(3, 2, *blocks)
    ]
    waits = {cycle - need for cycle, need in zip(cycles, needed, strict=True)}
    assert waits == {LEVEL_LATENCY}


@pytest.mark.parametrize(("width", "clocks"), [(16, 1), (8, 2), (4, 4)])
def test_levels_of_a_group_leave_at_the_speed_of_their_bytes(width, clocks):
    levels = mantissas(*((100 + n, 1) for n in range(12)))
    frames = [Frame(diff(1 + extra, 1 + extra, levels, [], extra=extra)) for extra in range(width)]
    made = decode([at(0), *frames], width)
    for number in range(width):
        cycles = made.record_cycles[14 * number :][1:13]
        assert {b - a for a, b in pairwise(cycles)} == {clocks}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("seed", range(2))
def test_random_and_broken_messages_give_what_the_reference_gives(width, seed):
    source = Streams(seed + 10 * width, 2, PRICE, QTY)
    rng, frames = random.Random(seed), []
    for _ in range(30):
        symbol = rng.choice([1, 1, 1, 0])
        if rng.random() < 0.3:
            frames.append(at(source.last[symbol], symbol))
        message = source.message(symbol)
        if rng.random() < 0.3:
            message = source._break(message)
        if message:
            frames.append(Frame(message, symbol, rng.random() < 0.2, rng.random() < 0.05))
    made = assert_decodes(frames, width, seed)
    assert made.counts["sbe_messages"] == sum(frame.update_id is None for frame in frames)
    reasons = sum(
        count
        for name, count in made.counts.items()
        if name not in ("sbe_messages", "sbe_levels", "sbe_trades_refused", "sbe_marks")
    )
    assert reasons == made.counts["sbe_messages"]


def test_units_of_any_size_are_exact_or_refused():
    """Ticks and lots that are odd, even, prime, powers of two and of ten."""
    rng = random.Random(4)
    for price, qty in ((1, 1), (3, 10**8), (1 << 20, 7), (10**7, 1 << 40), (99991, 10**9 + 7)):
        levels = []
        for _ in range(30):
            ticks, lots = rng.randrange(1, 1 << 32), rng.randrange(1 << CONFIG.qty_bits)
            levels.append((min(ticks, ((1 << 63) - 1) // price) * price, lots * qty))
        frames = [at(0), Frame(diff(1, 1, levels, []))]
        wrong = [-levels[0][0], price * (1 << 32)] + ([levels[0][0] + 1] if price > 1 else [])
        for mantissa in wrong:
            frames += [at(0), Frame(diff(1, 1, [(mantissa, 0)], []))]
        made = assert_decodes(frames, price=price, qty=qty)
        assert made.counts["sbe_levels"] == 30
        assert made.counts["sbe_value"] == len(wrong)


def test_flags_are_those_of_the_contract():
    flags = InFlag.SIDE, InFlag.REFILL, InFlag.WHOLE, InFlag.BOOK, InFlag.GAP
    assert tuple(map(int, flags)) == (SIDE, REFILL, WHOLE, BOOK, GAP)
