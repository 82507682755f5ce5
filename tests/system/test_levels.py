# SPDX-License-Identifier: Apache-2.0
"""Every level the hardware holds, against OKX's own checksums over 25 levels a side."""

import json
import zlib
from itertools import chain

import numpy as np
import pytest

from hdl.config import BuildConfig
from hdl.types import SideState
from host.feeds.cryptofeed import VenueReader
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings
from host.feeds.venues import VENUES
from sim.board import Board
from tests.system.level_tap import DESIGN, TAP_DTYPE
from tests.system.venue_books import entries

pytestmark = pytest.mark.captures

#: Levels a side that OKX sums up.
SUMMED = 25
LEVELS = 32


def checksums_of(path):
    """What the recording says: name, update id (its time, ms) and checksum of each book."""
    found = []
    for entry in entries(path):
        if entry["t"] != "recv":
            continue
        frame = json.loads(entry["data"])
        for data in frame.get("data", ()):
            if "checksum" in data:
                found.append((frame["arg"]["instId"], int(data["ts"]), data["checksum"]))
    return found


def rows_of(records):
    """Books of the hardware after each event: symbol, update id, and levels of both sides."""
    with Board(BuildConfig(levels=LEVELS), design=DESIGN) as board:
        out = board.transfer(records)
    taps = np.ascontiguousarray(out).view(TAP_DTYPE).reshape(-1)
    books = []
    for tap in taps:
        if tap["side"] == tap["index"] == 0:
            books.append((int(tap["symbol"]), int(tap["update_id"]), ([], [])))
        symbol, update_id, book = books[-1]
        assert (tap["symbol"], tap["update_id"]) == (symbol, update_id)
        assert tap["state"] == SideState.KNOWN.value
        side = book[tap["side"]]
        assert len(side) == tap["index"]
        side.append((int(tap["price_ticks"]), int(tap["qty_lots"])))
        assert not tap["bounded"] or tap["depth"] >= SUMMED
    return books


def text(number, step):
    """A number of steps as a decimal string without superfluous zeros."""
    return f"{(number * step).normalize():f}"


def checksum(book, tick, lot):
    bids, asks = (
        [f"{text(price, tick)}:{text(qty, lot)}" for price, qty in side[:SUMMED]] for side in book
    )
    shared = min(len(bids), len(asks))
    pairs = chain.from_iterable(zip(bids, asks, strict=False))
    crc = zlib.crc32(":".join([*pairs, *bids[shared:], *asks[shared:]]).encode())
    return crc - (1 << 32) if crc >> 31 else crc


def test_the_hardwares_levels_have_the_checksum_the_exchange_sends(captures):
    path = captures / "multi" / "OKX.jsonl.zst"
    reader = VenueReader(path)
    settings = FeedSettings(levels=LEVELS, refill_at=SUMMED + 1)
    session = FeedSession(adopt=True, settings=settings, venue=VENUES[reader.exchange])
    for entry in reader:
        session.feed(entry)
    books = rows_of(session.take())
    expected = checksums_of(path)
    assert len(expected) == len(books) == 290
    wrong = []
    for (name, told_id, told), (symbol, update_id, book) in zip(expected, books, strict=True):
        instrument = session.feeds[name].instrument
        assert (instrument.symbol, told_id) == (symbol, update_id)
        made = checksum(book, instrument.tick, instrument.lot)
        if made != told:
            wrong.append((name, update_id, made, told))
    assert wrong == []
