# SPDX-License-Identifier: Apache-2.0
"""The record stream, read by a plain reading of the contract, against the venue's true book."""

import json
import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.feeds.capture import CaptureReader
from host.feeds.messages import Instrument
from host.feeds.mirror import SideMirror
from host.feeds.session import FeedSession
from host.feeds.settings import FeedSettings

LEVEL, TRADE, CLEAR, EVENT_BEGIN, EVENT_END, REFILL_BEGIN, REFILL_END = range(1, 8)


class Side:
    """One side of the fabric's book, as docs/contract.md words it."""

    def __init__(self, ask, depth):
        self.ask, self.depth = ask, depth
        self.state, self.levels, self.horizon = "UNKNOWN", {}, None

    def better(self, p, q):
        return p < q if self.ask else p > q

    def reset(self, state):
        self.state, self.levels, self.horizon = state, {}, None

    def store(self, p, q):
        if self.horizon is not None and not self.better(p, self.horizon):
            return
        if not q:
            self.levels.pop(p, None)
            return
        self.levels[p] = q
        if len(self.levels) > self.depth:
            worst = max(self.levels) if self.ask else min(self.levels)
            del self.levels[worst]
            self.horizon = worst

    def end(self, p, whole):
        assert self.state == "LOADING"
        self.state = "KNOWN"
        if not whole:
            assert all(self.better(held, p) for held in self.levels), "refill broken"
            if self.horizon is None or self.better(p, self.horizon):
                self.horizon = p


class Fabric:
    """One symbol of the fabric; a record that would be malformed or orphaned fails the test."""

    def __init__(self, depth):
        self.sides = Side(False, depth), Side(True, depth)
        self.frame = False

    def take(self, records):
        """Yield the update id of every book event, at its end."""
        for kind, flags, _, tag, price, value in records.tolist():
            side = self.sides[flags & 1]
            assert tag == 0
            if kind == LEVEL and flags & 2:
                assert side.state == "LOADING" and price and value
                side.store(price, value)
            elif kind == LEVEL:
                assert self.frame and price and side.state != "LOADING"
                if side.state == "KNOWN":
                    side.store(price, value)
            elif kind == CLEAR:
                assert not price and not value
                side.reset("UNKNOWN")
            elif kind == REFILL_BEGIN:
                assert not price and not value
                side.reset("LOADING")
            elif kind == REFILL_END:
                assert not value and not (flags & 4 and price)
                side.end(price, flags & 4)
            elif kind == EVENT_BEGIN:
                assert not self.frame
                self.frame = True
            elif kind == EVENT_END:
                assert self.frame and flags == 8
                self.frame = False
                yield value
            else:
                raise AssertionError(f"kind {kind}")


def agree(fabric, feed):
    """The mirrors hold what the fabric holds."""
    for side, mirror in zip(fabric.sides, (feed.bid_mirror, feed.ask_mirror), strict=True):
        assert mirror.known == (side.state == "KNOWN")
        assert mirror.prices_ticks() == sorted(side.levels, reverse=not side.ask)
        assert mirror.count == len(side.levels) and mirror.horizon_ticks == side.horizon


def exact(fabric, truth):
    """Every level better than the horizon is held with its quantity, and no other."""
    for side, book in zip(fabric.sides, truth, strict=True):
        if side.state == "KNOWN":
            inside = {
                p: q
                for p, q in book.items()
                if side.horizon is None or side.better(p, side.horizon)
            }
            assert side.levels == inside


class Venue:
    """A venue with a true book for every update id; its price walks."""

    def __init__(self, rng, futures):
        self.rng, self.futures = rng, futures
        self.id, self.mid = 100, 500
        self.book = {500 - d: 1 + d for d in range(1, 25)}, {500 + d: 1 + d for d in range(1, 25)}
        self.truth = {100: self.copy()}
        self.last_u = 100
        self.tickers = []

    def copy(self):
        return tuple(dict(side) for side in self.book)

    def change(self, ask, price, qty):
        step = 1 + (self.rng.randrange(3) if self.futures else 0)
        for between in range(1, step):
            self.truth[self.id + between] = self.copy()
        self.id += step
        if qty:
            self.book[ask][price] = qty
        else:
            self.book[ask].pop(price, None)
        self.truth[self.id] = self.copy()
        self.touched[ask][price] = str(qty)
        if all(self.book):
            bid, ask = max(self.book[0]), min(self.book[1])
            best = bid, self.book[0][bid], ask, self.book[1][ask]
            texts = dict(zip("bBaA", map(str, best), strict=True))
            self.tickers.append({"e": "bookTicker", "u": self.id, "s": "X"} | texts)

    def event(self):
        """The next depth event; the tickers of its changes are left in `tickers`."""
        rng = self.rng
        first, self.touched, self.tickers = self.id + 1, ({}, {}), []
        self.mid += rng.choice((-3, -1, 0, 0, 1, 3))
        for _ in range(rng.randint(1, 5)):
            ask = rng.random() < 0.5
            price = self.mid + (1 if ask else -1) * rng.randint(0, 18)
            qty = rng.choice((0, 0, rng.randint(1, 9)))
            other = self.book[not ask]
            for crossed in [p for p in other if (p <= price if not ask else p >= price)]:
                self.change(not ask, crossed, 0)
            self.change(ask, price, qty)
        event = {"e": "depthUpdate", "E": self.id, "s": "X", "U": first, "u": self.id}
        if self.futures:
            event["pu"] = self.last_u
        self.last_u = self.id
        for key, side in zip("ba", self.touched, strict=True):
            event[key] = [[str(price), qty] for price, qty in side.items()]
        return event

    def snapshot(self, at, limit):
        bids, asks = self.truth[at]
        levels = sorted(bids.items(), reverse=True)[:limit], sorted(asks.items())[:limit]
        texts = [[[str(p), str(q)] for p, q in side] for side in levels]
        return {"lastUpdateId": at, "bids": texts[0], "asks": texts[1]}


def replay(seed, futures, limit):
    """Feed a disturbed stream and check everything after every message; returns the session."""
    rng = random.Random(seed)
    settings = FeedSettings(levels=4, snapshot_limit=limit, buffer_events=6)
    session = FeedSession([Instrument("X", 0, Decimal(1), Decimal(1))], settings)
    feed = session.feeds["X"]
    venue, fabric = Venue(rng, futures), Fabric(4)
    ahead = [(venue.event(), venue.tickers) for _ in range(3)]

    def send(message):
        session.feed_payload(json.dumps(message))
        for update_id in fabric.take(session.take()):
            exact(fabric, venue.truth[update_id])
        agree(fabric, feed)
        assert feed.synced == (fabric.sides[0].state == "KNOWN")
        if feed.synced:
            exact(fabric, venue.truth[feed.book.last_id])
            for side, truth in zip(
                (feed.book.bids, feed.book.asks), venue.truth[feed.book.last_id], strict=True
            ):
                assert all(truth.get(p) == q for p, q in side.levels.items())
                assert all(p in side.levels for p in truth if side.reaches(p))
                assert side.known == sum(map(side.reaches, truth))

    for _ in range(60):
        ahead.append((venue.event(), venue.tickers))
        event, tickers = ahead.pop(0)
        late = []
        for ticker in tickers:
            (send if rng.random() < 0.8 else late.append)(ticker)
        luck = rng.random()
        if luck < 0.04:
            event["b"].append(["1.5", "1"])
        if luck < 0.08 or luck > 0.1:
            send(event)
        if luck > 0.97:
            send(event)
        for ticker in late:
            send(ticker)
        if rng.random() < (0.1 if feed.synced else 0.4):
            at = rng.randint(max(100, venue.id - 60), venue.id)
            send(venue.snapshot(at, limit))
    return session


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([3, 8, 20, 1000]))
def test_the_fabric_and_the_host_hold_the_true_book_whatever_happens_to_the_stream(
    seed, futures, limit
):
    replay(seed, futures, limit)


@pytest.mark.parametrize("futures", [False, True])
def test_the_disturbed_streams_reach_every_rule(futures):
    total = sum((replay(seed, futures, 8).counters for seed in range(40)), start=Counter())
    for name in (
        "events",
        "gap",
        "price_off_grid",
        "buffer_overflow",
        "events_repeated",
        "events_before_snapshot",
        "snapshots_held",
        "snapshots_joined",
        "snapshot_too_old",
        "horizon_extended",
        "ticker_disagrees",
        "ticker_checked",
        "refills",
    ):
        assert total[name] > 5, name
    assert total["snapshot_disagrees"] == 0


@given(
    st.booleans(),
    st.integers(1, 5),
    st.lists(st.integers(1, 20), max_size=5, unique=True),
    st.none() | st.integers(1, 20),
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 2)), max_size=60),
)
def test_a_mirror_follows_the_contract_through_any_updates(ask, depth, held, horizon, updates):
    side, mirror = Side(ask, depth), SideMirror(ask, depth)
    mirror.update([1], [1])
    assert not mirror.known and mirror.count == 0
    if horizon is not None:
        held = [p for p in held if side.better(p, horizon)]
    held = held[:depth]
    side.reset("LOADING")
    for price in held:
        side.store(price, 1)
    side.end(horizon, horizon is None)
    mirror.load(held, horizon)
    for cut in range(0, len(updates), 7):
        part = updates[cut : cut + 7]
        for price, qty in part:
            side.store(price, qty)
        mirror.update([p for p, _ in part], [q for _, q in part])
        assert mirror.prices_ticks() == sorted(side.levels, reverse=not ask)
        assert mirror.horizon_ticks == side.horizon
    mirror.clear()
    assert not mirror.known and mirror.count == 0 and mirror.horizon_ticks is None


@pytest.mark.captures
@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808.gz", "spot_ethusdt_20240808.gz"])
def test_on_a_capture_the_fabric_holds_the_head_of_the_hosts_book_after_every_event(captures, name):
    session = FeedSession(adopt=True)
    fabric = Fabric(32)
    checked = 0
    for frame in CaptureReader([captures / "binance" / name]):
        if b"trade" in frame.payload[:60]:
            continue
        session.feed(frame)
        sent = list(fabric.take(session.take()))
        if sent:
            (feed,) = session.feeds.values()
            agree(fabric, feed)
            for side, book in zip(fabric.sides, (feed.book.bids, feed.book.asks), strict=True):
                held = sorted(side.levels.items(), reverse=not side.ask)
                assert book.top(len(held)) == held
        checked += len(sent)
    assert checked > 3000
