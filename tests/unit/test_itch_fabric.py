# SPDX-License-Identifier: Apache-2.0
"""Packets of ITCH, frames of SBE and records in one stream through the whole fabric."""

import random

import numpy as np
import pytest

from hdl.config import BuildConfig
from host.contract.records import InFlag, InKind, Protocol
from host.contract.registers import COUNTERS
from sim.board import Board, Stalls
from sim.compare import compare
from sim.reference_itch import ItchSizes
from sim.reference_wire import WireReference
from sim.stimulus_itch import FlowSettings, Packets, order_flow, packet
from tests.unit.fabric import OPEN
from tests.unit.itch_messages import action, add, delete
from tests.unit.sbe_streams import Streams, record
from tests.unit.sbe_tap import settings

CONFIG = BuildConfig(symbols=3, levels=3, qty_bits=40, sbe=True, itch=True)
SIZES = ItchSizes(symbols=3, qty_bits=40, width=16)
PRICE, QTY = 10, 1000
LOCATES = {1: 0, 2: 2}
MIDNIGHT_US = 1_700_000_000_000_000
SIDE, WHOLE = InFlag.SIDE, InFlag.WHOLE


@pytest.fixture(scope="module")
def board():
    with Board(CONFIG, random_init=3) as board:
        yield board


def mold(octets, flags=0, symbol=0):
    """Beats of a packet."""
    head = record(InKind.FRAME, flags, symbol, Protocol.MOLDUDP64, value=len(octets))
    return head + octets + bytes(-len(octets) % 16)


class Pair:
    """Board and reference from reset; what one is given the other is given."""

    def __init__(self, board, stalls=(0, 0, 0), policy=4):
        board.reset()
        board.set_stalls(Stalls(*stalls))
        self.board, self.reference = board, WireReference(3, 3, 40, sbe=True, itch=SIZES)
        for name, value in (*OPEN, ("report", 3), ("itch_policy", policy)):
            self.write(name, value)
        self.write("itch_midnight_us", MIDNIGHT_US)
        for locate, symbol in LOCATES.items():
            self.write("itch_locate", 1 << 31 | symbol << 16 | locate)
        for name, value in settings(1, (PRICE, -2), (QTY, -3)):
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


def begun():
    """Records after which the books of both symbols are whole, and empty."""
    return [
        record(kind, flags, symbol)
        for symbol in LOCATES.values()
        for side in (0, SIDE)
        for kind, flags in ((InKind.REFILL_BEGIN, side), (InKind.REFILL_END, side | WHOLE))
    ]


def flow(messages, seed, **options):
    options = {"live": 40, "spread": 5, "unknown_per_mille": 10, **options}
    settings = FlowSettings(messages, locates=(1, 2, 3), seed=seed, states=True, **options)
    return list(Packets(order_flow(settings), most=6, seed=seed))


@pytest.mark.parametrize("stalls", [(0, 0), (300, 0), (0, 600), (200, 300)])
def test_packets_among_frames_and_records_give_what_the_reference_gives(board, stalls):
    chance = random.Random(sum(stalls))
    pair = Pair(board, (7, *stalls), policy=5)
    packets, counts = flow(1200, seed=5), {}
    streams = Streams(5, 3, PRICE, QTY, broken=0.1)
    for at in range(0, len(packets), 60):
        beats = begun()
        for octets in packets[at : at + 60]:
            beats.append(mold(octets))
            if chance.random() < 0.3:
                beats.append(streams.beats(300))
            if chance.random() < 0.1:
                beats.append(record(InKind.HEARTBEAT))
        counts = pair.feed(*beats)
        # Some of the broken frames say that they are packets: of another session, a loss.
        pair.write("itch_restart", 1)
    assert counts["itch_adds"] > 200 and counts["itch_unknown"] > 0
    assert counts["sbe_diffs"] > 5 and counts["itch_losses"] > 0
    assert counts["frames"] > counts["sbe_messages"] + 100


def test_a_book_from_packets_shows_its_best_prices(board):
    pair = Pair(board, policy=0)
    messages = [action("T"), add(1, "B", 100, 5), add(2, "S", 102, 7), delete(2)]
    counts = pair.feed(*begun(), mold(packet(1, messages)))
    assert (counts["mold_packets"], counts["itch_messages"]) == (1, 4)
    assert counts["events"] == 3 and counts["events_bbo"] == 1
    assert pair.board.read("build_feeds") == 3


def test_a_gap_makes_every_book_unknown_and_a_restart_brings_them_back(board):
    pair = Pair(board)
    first = [add(1, "B", 100, 5), add(2, "S", 102, 7)]
    counts = pair.feed(*begun(), mold(packet(1, first)), mold(packet(9, first)))
    assert (counts["mold_gaps"], counts["itch_losses"]) == (1, 1)
    assert pair.board.read("itch_status") & 3 == 3
    pair.write("itch_restart", 1)
    # No wait: the packet waits in the feed, and the records behind it too.
    counts = pair.feed(mold(packet(20, [])), *begun(), mold(packet(20, first)))
    assert (counts["mold_gaps"], counts["mold_heartbeats"]) == (1, 1)
    assert pair.board.read("itch_status") & 3 == 1
    assert counts["events_bbo"] == 2


@pytest.mark.parametrize(
    "refused",
    [
        mold(b"x" * 40, InFlag.HOLD),
        mold(b"x" * 40, symbol=3),
        record(InKind.FRAME, InFlag.START, 0, Protocol.MOLDUDP64),
        record(InKind.FRAME, 0, 0, Protocol.MOLDUDP64),
        record(InKind.FRAME, 0, 0, 3, value=20) + bytes(32),
    ],
)
def test_a_frame_that_breaks_a_rule_is_refused_whole(board, refused):
    counts = Pair(board).feed(*begun(), refused, mold(packet(1, [add(1, "B", 100, 5)])))
    assert (counts["frames"], counts["frames_refused"], counts["itch_adds"]) == (1, 1, 1)


def test_a_build_without_room_for_two_orders_in_a_level_is_refused():
    with pytest.raises(ValueError, match="qty_bits: expected 33 to 64 with ITCH, was 32"):
        BuildConfig(qty_bits=32, itch=True)
    with pytest.raises(ValueError, match="itch_large: expected a build with ITCH"):
        BuildConfig(itch_large=True)
