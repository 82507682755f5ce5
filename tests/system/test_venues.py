# SPDX-License-Identifier: Apache-2.0
"""Captures of six venues through the hardware book, against books rebuilt without the host."""

import csv
import json
import subprocess
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from host.contract.records import REFILL_REQUEST_DTYPE, VIEW_DTYPE, OutKind, ViewFlag
from host.feeds.cryptofeed import VenueReader
from host.feeds.messages import Refusal
from host.feeds.session import FeedSession
from host.feeds.venue import VenueFrame
from host.feeds.venues import VENUES
from sim.board import Board
from sim.compare import compare
from sim.reference import Reference
from tests.system.venue_books import N, entries, rebuild

pytestmark = pytest.mark.captures

ROOT = Path(__file__).resolve().parents[2]

REGISTERS = {
    "report": 1,
    "levels_n": N,
    "refill_level": N,
    "refill_retry": 16,
    "ratio_num": 3,
    "ratio_den": 1,
    "rule_enable": 3,
    "order_qty": 1,
    "stale_us": (1 << 32) - 1,
}

#: Of each capture: books, frames with a change of one after its snapshot begins, of these valid.
EVENTS = {
    "BINANCE": (4, 172, 172),
    "BINANCE_FUTURES": (4, 752, 752),
    "BYBIT": (6, 2148, 2148),
    "COINBASE": (2, 775, 775),
    "KRAKEN_FUTURES": (10, 7024, 7024),
    "OKX": (3, 290, 290),
}
REFUSED = [
    "bad_line",
    "bad_frame",
    "unknown_symbol",
    "gap",
    "stream_gap",
    "bad_number",
    "price_off_grid",
    "price_too_large",
    "qty_off_grid",
    "qty_too_large",
    "scale_unknown",
    "snapshot_too_old",
    "checksum_failed",
    "book_too_deep",
    "ticker_mismatch",
    "ticker_disagrees",
]


def path_of(captures, venue):
    return captures / "multi" / f"{venue}.jsonl.zst"


def session_of(path, lost=None):
    """A session that has taken a capture, but for the frame in line `lost`."""
    reader = VenueReader(path)
    session = FeedSession(adopt=True, venue=VENUES[reader.exchange])
    for entry in reader:
        if entry.line != lost:
            session.feed(entry)
    return session


@cache
def oracle_of(path):
    return rebuild(path)


def through_the_board(records):
    """Out records of the board, which are those of the reference, and its counters."""
    reference = Reference()
    with Board() as board:
        for name, value in REGISTERS.items():
            board.write(name, value)
            reference.write(name, value)
        out = board.transfer(records)
        result = compare(reference.feed(records), out)
        assert result.equal, str(result)
        counters = {name: board.read(name) for name in reference.counters}
        assert counters == reference.counters
    return out, counters


def views_of(out):
    return np.ascontiguousarray(out[out[:, 0] == OutKind.VIEW]).view(VIEW_DTYPE).reshape(-1)


def differences(session, oracle, views):
    """Valid views that do not show the oracle's book, and the number of valid ones."""
    by_symbol = {feed.instrument.symbol: (name, feed) for name, feed in session.feeds.items()}
    wrong, valid = [], 0
    for view in views:
        if not view["flags"] & ViewFlag.VALID:
            continue
        valid += 1
        name, feed = by_symbol[int(view["symbol"])]
        tick, lot = Decimal(feed.instrument.tick), Decimal(feed.instrument.lot)
        top = oracle.tops[name, int(view["update_id"])]
        shown = (
            (int(view["bid_price_ticks"]) * tick, int(view["bid_qty_lots"]) * lot),
            (int(view["ask_price_ticks"]) * tick, int(view["ask_qty_lots"]) * lot),
            int(view["bid_sum_lots"]) * lot,
            int(view["ask_sum_lots"]) * lot,
        )
        depths = int(view["bid_depth"]), int(view["ask_depth"])
        levels = top.bid_levels, top.ask_levels
        whole = view["flags"] & ViewFlag.BID_WHOLE, view["flags"] & ViewFlag.ASK_WHOLE
        held = all(
            depth == many if all_of_it else N <= depth <= many
            for depth, many, all_of_it in zip(depths, levels, whole, strict=True)
        )
        if shown != tuple(top[:4]) or not held:
            wrong.append((name, int(view["update_id"]), shown, depths, top))
    return wrong, valid


@pytest.mark.parametrize("venue", EVENTS)
def test_the_hardware_shows_the_venues_book_after_every_event(captures, venue, capsys):
    path = path_of(captures, venue)
    session, oracle = session_of(path), oracle_of(path)
    assert {name: session.counters[name] for name in REFUSED} == dict.fromkeys(REFUSED, 0)
    out, counters = through_the_board(session.take())
    views = views_of(out)
    wrong, valid = differences(session, oracle, views)
    with capsys.disabled():
        print(f"\n{venue}: {len(views)} events, {valid} valid ({valid / len(views):.1%})")
    assert wrong == [], wrong[:3]
    assert (len(session.feeds), len(views), valid) == EVENTS[venue]
    assert (counters["events"], counters["events_valid"]) == (len(views), valid)
    shown = {(int(view["symbol"]), int(view["update_id"])) for view in views}
    assert shown == {(session.feeds[name].instrument.symbol, at) for name, at in oracle.tops}
    assert session.needs_snapshot == set()
    assert not (out[:, 0] == OutKind.REFILL_REQUEST).any()
    assert sum(n for name, n in counters.items() if name.startswith("malformed")) == 0
    assert oracle.counts["crossed"] == 0


def quotes_of(path, oracle):
    """Events the venue's own quotes can be compared with, counted from the recording.

    Binance: those from the first to the last bookTicker of their symbol. Kraken: a ticker each.
    OKX vouches for each book with a checksum. The tickers of the others are no measure.
    """
    found, tickers = 0, {}
    for entry in entries(path):
        frame = json.loads(entry["data"]) if entry["t"] == "recv" else {}
        if frame.get("stream", "").endswith("@bookTicker"):
            tickers.setdefault(frame["data"]["s"], []).append(frame["data"]["u"])
        found += frame.get("feed") == "ticker_lite" and "bid" in frame
    for name, at in oracle.tops:
        found += min(tickers.get(name, [at + 1])) <= at <= max(tickers.get(name, [0]))
    return found + oracle.counts["checksums"]


@pytest.mark.parametrize("venue", EVENTS)
def test_a_recording_replays_through_the_command_and_every_quote_is_the_venues(
    captures, tmp_path, venue
):
    path, out = path_of(captures, venue), tmp_path / "out"
    command = [sys.executable, "-m", "host.cli", "replay", str(path), "--out", str(out)]
    command += ["--stale-ms", "4000000"]
    if venue != "OKX":
        command.append("--no-report")
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    summary = json.loads((out / "summary.json").read_text())
    books, events, _ = EVENTS[venue]
    assert summary["exchange"] == venue and len(summary["symbols"]) == books
    assert summary["mismatches"]["total"] == summary["mismatches"]["records"] == 0
    assert summary["reference_records"] > events
    assert summary["events_valid"]["count"] == summary["events_bbo"]["count"] == events
    oracle, seen = oracle_of(path), set()
    compared = quotes_of(path, oracle)
    assert summary["exchange_checked"] == summary["exchange_equal"] == compared
    assert (compared == 0) == (venue in ("BYBIT", "COINBASE")) == (not summary["exchange_quotes"])
    assert summary["checksums"] == ({"verified": 290, "failed": 0} if venue == "OKX" else None)
    assert (out / "report.html").exists() == (venue == "OKX")
    for name in summary["symbols"]:
        with (out / f"bbo.{name}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                at = name, int(row["update_id"])
                columns = ("bid_price", "bid_qty", "ask_price", "ask_qty")
                bid, bid_qty, ask, ask_qty = (Decimal(row[column]) for column in columns)
                assert ((bid, bid_qty), (ask, ask_qty)) == (
                    oracle.tops[at].bid,
                    oracle.tops[at].ask,
                )
                seen.add(at)
    assert seen == set(oracle.tops)


def test_all_checksums_of_okx_verify_on_the_hosts_book(captures):
    path = path_of(captures, "OKX")
    session, oracle = session_of(path), oracle_of(path)
    assert session.counters["checksums"] == oracle.counts["checksums"] == 290


@pytest.mark.parametrize(
    ("venue", "whole"),
    [
        ("KRAKEN_FUTURES", 20),  # every side of ten books
        ("OKX", 4),  # the two that have fewer than 400 levels
        ("COINBASE", 2),  # the bids: some asks have no price in a record
        ("BYBIT", 0),
    ],
)
def test_sides_the_venue_shows_to_their_end_are_whole_on_the_host(captures, venue, whole):
    session = session_of(path_of(captures, venue))
    books = [feed.book for feed in session.feeds.values()]
    assert sum(side.whole for book in books for side in (book.bids, book.asks)) == whole


def test_a_thin_market_is_whole_in_the_hardware(captures):
    """The smallest Kraken books never have more than 32 levels a side."""
    session = session_of(path_of(captures, "KRAKEN_FUTURES"))
    out, _ = through_the_board(session.take())
    views = views_of(out)
    for name in ("FI_BCHUSD_210730", "FI_BCHUSD_210924", "FI_XRPUSD_210924"):
        mine = views[views["symbol"] == session.feeds[name].instrument.symbol]
        both = ViewFlag.BID_WHOLE | ViewFlag.ASK_WHOLE
        assert len(mine) > 10 and ((mine["flags"] & both) == both).all()


def book_line(path, venue, number):
    """Line of the `number`-th frame with a change of a book, and the name of its symbol."""
    reader = VenueReader(path)
    for entry in reader:
        if isinstance(entry, VenueFrame):
            parsed = VENUES[venue].parse(entry.payload, entry.address)
            for message in parsed if isinstance(parsed, list) else [parsed]:
                if not isinstance(message, Refusal) and type(message).__name__ == "DepthUpdate":
                    number -= 1
                    if not number:
                        return entry.line, message.symbol
    raise AssertionError("no such frame")


@pytest.mark.parametrize(
    ("venue", "counter", "lost_books"),
    [
        ("BINANCE", "gap", 1),
        ("BINANCE_FUTURES", "gap", 1),
        ("BYBIT", "gap", 1),
        ("COINBASE", "stream_gap", 2),
        ("KRAKEN_FUTURES", "gap", 1),
        ("OKX", "checksum_failed", 1),
    ],
)
def test_a_lost_frame_clears_its_book_and_is_never_seen_as_a_wrong_one(
    captures, venue, counter, lost_books
):
    path = path_of(captures, venue)
    line, name = book_line(path, venue, 100)
    session = session_of(path, lost=line)
    out, counters = through_the_board(session.take())
    wrong, valid = differences(session, oracle_of(path), views_of(out))
    assert wrong == [], wrong[:3]
    assert session.counters[counter] == 1
    assert counters["clears"] == 2 * lost_books
    assert name in session.needs_snapshot and len(session.needs_snapshot) == lost_books
    assert 0 < valid < EVENTS[venue][2]
    assert session.feeds[name].synced is False


BYBIT_BOOKS = ("LINEAR:BTCUSDT", "LINEAR:ETHUSDT")


def bybit_frames(path, name):
    """Lines and data of the book frames of one linear symbol."""
    for entry in VenueReader(path):
        if isinstance(entry, VenueFrame) and entry.address.endswith("linear"):
            frame = json.loads(entry.payload)
            if frame.get("topic") == f"orderbook.200.{name.partition(':')[2]}":
                yield entry.line, frame


def test_a_snapshot_in_mid_stream_takes_the_place_of_a_lost_book(captures):
    """No capture has one, so it is made of the book rebuilt here, as the venue would send it.

    Two books lose their 100th frame. Instead of the 120th they get a snapshot whose id is 1, as
    after a restart of the venue's service, and the frames after it are numbered from there.
    """
    path = path_of(captures, "BYBIT")
    frames = {name: list(bybit_frames(path, name)) for name in BYBIT_BOOKS}
    places = {name: (name, found[119][1]["data"]["u"]) for name, found in frames.items()}
    oracle = rebuild(path, keep=places.values())
    changed = {}
    for name, found in frames.items():
        changed[found[99][0]] = None
        (bids, asks), restart = oracle.kept[places[name]], places[name][1] - 1
        assert (len(bids), len(asks)) == (200, 200)
        for line, frame in found[119:]:
            if line == found[119][0]:
                frame = frame | {"type": "snapshot", "data": frame["data"] | {"b": bids, "a": asks}}
            old = frame["data"]["u"]
            frame["data"]["u"] = old - restart
            oracle.tops[name, old - restart] = oracle.tops[name, old]
            changed[line] = json.dumps(frame).encode()
    session = FeedSession(adopt=True, venue=VENUES["BYBIT"])
    for entry in VenueReader(path):
        if entry.line not in changed:
            session.feed(entry)
        elif changed[entry.line] is not None:
            session.feed(entry._replace(payload=changed[entry.line]))
    out, counters = through_the_board(session.take())
    wrong, valid = differences(session, oracle, views_of(out))
    assert wrong == [], wrong[:3]
    # of each book: the lost one, the one that shows the gap, and 18 that wait for the snapshot
    assert valid == counters["events"] == EVENTS["BYBIT"][2] - 2 * 20
    assert session.counters["gap"] == 2 and session.counters["snapshots"] == 8
    assert session.counters["events_before_snapshot"] == 2 * 18
    assert counters["clears"] == 4 and session.needs_snapshot == set()


def test_the_fabric_asks_for_a_snapshot_of_a_book_that_lost_a_frame(captures):
    """No event of the book follows the loss, so an empty one is added at the end."""
    path = path_of(captures, "KRAKEN_FUTURES")
    line, name = book_line(path, "KRAKEN_FUTURES", 100)
    session = session_of(path, lost=line)
    feed = session.feeds[name]
    records = session.take()
    mark = np.zeros(2, records.dtype)
    mark["kind"], mark["symbol"] = (4, 5), feed.instrument.symbol
    mark["flags"][1] = 8
    out, counters = through_the_board(np.concatenate([records, mark]))
    requests = np.ascontiguousarray(out[out[:, 0] == OutKind.REFILL_REQUEST])
    (request,) = requests.view(REFILL_REQUEST_DTYPE).reshape(-1)
    assert request["symbol"] == feed.instrument.symbol and request["flags"] == 0x0F
    assert counters["refill_requests"] == 1
