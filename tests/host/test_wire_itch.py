# SPDX-License-Identifier: Apache-2.0
"""The host's ITCH books and what it sends, against the feed's reference and the fabric's."""

import numpy as np
import pytest

from host.contract.records import IN_DTYPE, VIEW_DTYPE, InKind, OutKind
from host.wire.itch import (
    ItchBooks,
    MoldError,
    file_messages,
    mold_packet,
    mold_packets,
    read_packet,
)
from host.wire.itch_records import FRAME, MOLDUDP64, ItchRecords
from sim.reference import Reference
from sim.reference_itch import ItchReference, ItchSizes
from sim.stimulus_itch import FlowSettings, Packets, order_flow
from tests.unit.itch_messages import action, add, delete, execute

LOCATES = {1: 0, 3: 2}
MIDNIGHT_US = 1_700_000_000_000_000
LEVELS = 5
ROOMY = ItchSizes(symbols=4, order_sets=1 << 10, order_ways=16, level_ways=16)


def flow(messages=4_000, **options):
    settings = FlowSettings(messages, live=120, spread=15, states=True, **options)
    return list(Packets(order_flow(settings), most=6))


def reference_of_feed(policy=0):
    feed = ItchReference(ROOMY)
    feed.policy, feed.midnight_us = policy, MIDNIGHT_US
    for locate, symbol in LOCATES.items():
        feed.select(1 << 31 | symbol << 16 | locate)
    return feed


def books(**options):
    return ItchBooks(LOCATES, midnight_us=MIDNIGHT_US, **options)


@pytest.mark.parametrize(("policy", "lost"), [(0, 0), (1, 0), (0, 1)])
def test_the_host_makes_the_records_the_feed_makes(policy, lost):
    packets = flow(seed=policy, unknown_per_mille=policy, excess_per_mille=policy)
    at = len(packets) * 3 // 4
    packets[at : at + lost] = []
    feed = reference_of_feed(policy)
    sender = ItchRecords(books(keep_unknown=bool(policy)), levels=64, refill_at=0, wire="native")
    for packet in packets:
        sender.packet(packet)
        expected = np.array(feed.frame(packet), IN_DTYPE)
        assert sender.take().tolist() == expected.tolist()
    assert feed.counters["itch_adds"] > 500
    assert feed.counters["mold_gaps"] == lost


def split(records):
    """Native records, and the frames among them as bytes."""
    at = 0
    while at < len(records):
        if records[at]["kind"] != FRAME:
            yield records[at]
            at += 1
            continue
        assert records[at]["tag"] == MOLDUDP64
        size = int(records[at]["value"])
        beats = -(-size // 16)
        yield records[at + 1 : at + 1 + beats].tobytes()[:size]
        at += 1 + beats


def views(out):
    rows = np.ascontiguousarray(out[out[:, 0] == OutKind.VIEW])
    return rows.view(VIEW_DTYPE).reshape(-1)


@pytest.mark.parametrize("wire", ["itch", "native"])
def test_the_fabric_of_few_levels_shows_the_best_prices_of_the_whole_book(wire):
    feed = reference_of_feed()
    fabric = Reference(4, LEVELS, 48)
    fabric.write("report", 1)
    fabric.write("levels_n", 1)
    fabric.write("stale_us", (1 << 32) - 1)
    sender = ItchRecords(books(), levels=LEVELS, refill_at=3, wire=wire)
    truth = books()
    sender.start()
    checked = seen = 0
    for packet in flow(seed=9):
        sender.packet(packet)
        told = truth.packet(packet)
        native = []
        for item in split(sender.take()):
            native += feed.frame(item) if isinstance(item, bytes) else [item.tolist()]
        shown = views(np.asarray(fabric.feed(np.array(native, IN_DTYPE))))
        last = {change.symbol: change.sequence for change in told if change.book}
        seen += len(shown)
        for view in shown:
            symbol = int(view["symbol"])
            if view["update_id"] != last.get(symbol) or not view["flags"] & 1:
                continue
            bids, asks = truth.levels[symbol]
            assert (view["bid_price_ticks"], view["ask_price_ticks"]) == (max(bids), min(asks))
            assert view["bid_qty_lots"] == bids[max(bids)]
            assert view["ask_qty_lots"] == asks[min(asks)]
            checked += 1
    assert checked > 300 and seen > 1000
    assert sender.counters["refills"] >= 10  # 4 of them at the start
    assert ("packets" in sender.counters) and sender.counters["events"] >= seen


def test_a_restarted_feed_is_brought_to_the_host_state():
    packets = flow(seed=4)
    half = len(packets) // 2
    host, feed = books(), reference_of_feed()
    for packet in packets[:half]:
        host.packet(packet)
    for packet in host.reload_packets():
        feed.frame(packet)
    for packet in packets[half:]:
        feed.frame(packet)
        host.packet(packet)
    mine = {
        (symbol, bool(sell), price): shares
        for symbol, sides in host.levels.items()
        for sell, held in enumerate(sides)
        for price, shares in held.items()
    }
    assert mine == feed.levels
    assert feed.trading == host.trading
    assert not feed.broken and feed.counters["mold_gaps"] == 0


def test_a_symbol_that_is_lost_gets_no_refill():
    sender = ItchRecords(books(), levels=LEVELS, refill_at=3, wire="itch")
    sender.start()
    sender.packet(mold_packet(b"S" * 10, 1, [action("T"), add(1, "B", 5, 10)]))
    sender.packet(mold_packet(b"S" * 10, 9, [add(2, "B", 5, 10)]))
    sender.take()
    sender.on_refill_request(0)
    assert not len(sender.take())
    assert sender.books.counters["mold_gaps"] == 1
    assert sender.books.broken == {0, 2}


def test_packets_are_written_and_read_alike():
    messages = [add(1, "B", 5, 10), execute(1, 2), delete(1)] * 40
    packets = list(mold_packets(messages, session=b"SESSION001", sequence=7, most_bytes=200))
    assert all(len(packet) <= 200 for packet in packets)
    found, expected = [], 7
    for packet in packets:
        read = read_packet(packet)
        assert (read.session, read.sequence) == (b"SESSION001", expected)
        found += read.messages
        expected += len(read.messages)
    assert found == messages
    assert read_packet(packets[0][:-1]).cut
    with pytest.raises(MoldError, match="expected at least 20 bytes, was 19"):
        read_packet(packets[0][:19])


@pytest.mark.parametrize("prefix", ["zero", "length"])
def test_files_with_either_prefix_are_read(prefix):
    messages = [add(1, "B", 5, 10), execute(1, 2)]
    octets = b"".join((0 if prefix == "zero" else len(m)).to_bytes(2, "big") + m for m in messages)
    assert list(file_messages(octets)) == messages
    with pytest.raises(MoldError, match="expected 31 bytes, was 30"):
        list(file_messages(octets[:-1]))
    with pytest.raises(MoldError, match="byte 0: expected a type of message, was 122"):
        list(file_messages(b"\0\0zzzz"))


def test_native_records_are_of_known_kinds():
    sender = ItchRecords(books(), levels=LEVELS, refill_at=3, wire="native")
    sender.start()
    assert {int(kind) for kind in sender.take()["kind"]} == {
        int(InKind.REFILL_BEGIN),
        int(InKind.REFILL_END),
    }
    with pytest.raises(ValueError, match="wire: expected native or itch, was sbe"):
        ItchRecords(books(), levels=LEVELS, refill_at=3, wire="sbe")
    with pytest.raises(ValueError, match="refill_at: expected 0 to 5, was 6"):
        ItchRecords(books(), levels=LEVELS, refill_at=6, wire="itch")
