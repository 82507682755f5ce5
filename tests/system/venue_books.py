# SPDX-License-Identifier: Apache-2.0
"""Books of the venues' captures, rebuilt without any of the code under test: plain dicts.

Nothing is imported from the host. Prices and quantities are Decimals, and each venue's frames
are read here anew.
"""

import io
import json
import zlib
from collections import Counter
from decimal import Decimal
from typing import NamedTuple

import zstandard

N = 10
_OKX_LEVELS = 25


class Top(NamedTuple):
    """A book after one event: best levels, sums of the first N quantities, levels held."""

    bid: tuple
    ask: tuple
    bid_sum: Decimal
    ask_sum: Decimal
    bid_levels: int
    ask_levels: int


class Oracle:
    """What each book is after each of its events, by symbol and id.

    Attributes
    ----------
    tops : dict
        `Top` by (name, id).
    counts : Counter
        Checksums compared, snapshots and updates seen, and what is odd about the data.
    waiting : dict
        Updates that came before the snapshot, by name, where that is asked for.
    kept : dict
        Whole books as [price, quantity] texts, by those of `keep` = (name, id).
    """

    def __init__(self, keep=()):
        self.tops = {}
        self.counts = Counter()
        self.waiting = {}
        self.kept = dict.fromkeys(keep)
        self._books = {}
        self._ids = {}

    def snapshot(self, name, at, bids, asks, shown=True):
        self.counts["snapshots"] += 1
        self.counts["snapshots_again"] += name in self._books
        self._books[name] = ({}, {})
        self._change(name, at, bids, asks, shown)

    def update(self, name, at, bids, asks):
        if name not in self._books:
            self.counts["updates_before"] += 1
            return
        self.counts["updates"] += 1
        self._change(name, at, bids, asks, True)

    def id_of(self, name):
        return self._ids.get(name)

    def texts(self, name, count):
        """Best levels of both sides as they were written, best first."""
        bids, asks = self._books[name]
        bids, asks = sorted(bids, reverse=True)[:count], sorted(asks)[:count]
        sides = ((bids, self._books[name][0]), (asks, self._books[name][1]))
        return [[side[price] for price in prices] for prices, side in sides]

    def _change(self, name, at, bids, asks, shown):
        self._ids[name] = at
        for side, levels in zip(self._books[name], (bids, asks), strict=True):
            for price, qty in levels:
                if Decimal(qty):
                    side[Decimal(price)] = (price, qty)
                else:
                    self.counts["absent"] += side.pop(Decimal(price), None) is None
        if not shown:
            return
        shape = []
        for side, better in zip(self._books[name], (True, False), strict=True):
            best = sorted(side, reverse=better)[:N] if len(side) < 2000 else _best(side, better)
            qtys = [Decimal(side[price][1]) for price in best]
            shape.append(((best[0], qtys[0]) if best else None, sum(qtys, Decimal(0)), len(side)))
        (bid, bid_sum, bid_levels), (ask, ask_sum, ask_levels) = shape
        self.counts["crossed"] += bool(bid and ask and bid[0] >= ask[0])
        assert (name, at) not in self.tops, "an id names one event"
        self.tops[name, at] = Top(bid, ask, bid_sum, ask_sum, bid_levels, ask_levels)
        if (name, at) in self.kept:
            self.kept[name, at] = [list(map(list, side)) for side in self.texts(name, None)]


def _best(side, better):
    """Best N prices of a very deep side: those near its best one."""
    best = max(side) if better else min(side)
    for share in (Decimal("0.001"), Decimal("0.01"), Decimal(10)):
        near = [price for price in side if abs(price - best) <= best * share]
        if len(near) >= N:
            break
    return sorted(near, reverse=better)[:N]


def entries(path):
    """The lines of a capture after its header, in the order of their times."""
    with zstandard.open(path) as file:
        lines = io.TextIOWrapper(file, "utf-8").read().splitlines()[1:]
    return sorted((json.loads(line) for line in lines), key=lambda entry: entry["ts"])


def rebuild(path, keep=()):
    """The `Oracle` of a capture."""
    oracle = Oracle(keep)
    take = _TAKE[path.name.split(".")[0]]
    addresses = {}
    for entry in entries(path):
        if entry["t"] == "connect":
            addresses[entry["conn"]] = entry["addr"]
        elif entry["t"] in ("recv", "http"):
            data = json.loads(entry["data"], parse_float=str)
            take(oracle, data, entry.get("url", addresses.get(entry["conn"])))
    return oracle


def _bybit(oracle, frame, address):
    if frame.get("topic", "").startswith("orderbook"):
        data = frame["data"]
        name = address.rsplit("/", 1)[1].upper() + ":" + data["s"]
        if frame["type"] == "snapshot":
            oracle.snapshot(name, data["u"], data["b"], data["a"])
        else:
            assert data["u"] == oracle.id_of(name) + 1
            oracle.update(name, data["u"], data["b"], data["a"])


def _okx(oracle, frame, address):
    arg = frame.get("arg")
    if not isinstance(arg, dict) or arg["channel"] != "books" or "event" in frame:
        return
    (data,) = frame["data"]
    sides = [[level[:2] for level in data[side]] for side in ("bids", "asks")]
    name = arg["instId"]
    change = oracle.snapshot if frame["action"] == "snapshot" else oracle.update
    change(name, int(data["ts"]), *sides)
    texts = []
    bids, asks = oracle.texts(name, _OKX_LEVELS)
    for n in range(_OKX_LEVELS):
        texts += [*bids[n : n + 1], *asks[n : n + 1]]
    crc = zlib.crc32(":".join(":".join(level) for level in texts).encode())
    assert crc == data["checksum"] & 0xFFFFFFFF
    oracle.counts["checksums"] += 1


def _coinbase(oracle, frame, address):
    if "sequence_num" in frame:
        assert frame["sequence_num"] == oracle.counts["frames"]
        oracle.counts["frames"] += 1
    if frame.get("channel") != "l2_data":
        return
    (event,) = frame["events"]
    sides = [
        [(u["price_level"], u["new_quantity"]) for u in event["updates"] if u["side"] == side]
        for side in ("bid", "offer")
    ]
    change = oracle.snapshot if event["type"] == "snapshot" else oracle.update
    change(event["product_id"], frame["sequence_num"], *sides)


def _kraken_futures(oracle, frame, address):
    if frame.get("feed") == "book_snapshot":
        sides = [[(e["price"], e["qty"]) for e in frame[side]] for side in ("bids", "asks")]
        oracle.snapshot(frame["product_id"], frame["seq"], *sides)
    elif frame.get("feed") == "book" and "event" not in frame:
        level = [(frame["price"], frame["qty"])]
        sides = ([], level) if frame["side"] == "sell" else (level, [])
        assert frame["seq"] == oracle.id_of(frame["product_id"]) + 1
        oracle.update(frame["product_id"], frame["seq"], *sides)


def _binance(oracle, frame, address):
    if "/depth?" in address:
        name = address.split("symbol=")[1].split("&")[0]
        last = frame["lastUpdateId"]
        # the snapshot was asked for after the stream had begun: the updates wait for it
        oracle.snapshot(name, last, frame["bids"], frame["asks"], shown=False)
        for data in oracle.waiting.pop(name, []):
            _binance_update(oracle, name, data)
        return
    data = frame.get("data", {})
    if data.get("e") == "depthUpdate":
        if oracle.id_of(data["s"]) is None:
            oracle.waiting.setdefault(data["s"], []).append(data)
        else:
            _binance_update(oracle, data["s"], data)


def _binance_update(oracle, name, data):
    last, futures = oracle.id_of(name), "pu" in data
    if data["u"] < last or (data["u"] == last and not futures):
        oracle.counts["updates_before"] += 1
        return
    oracle.update(name, data["u"], data["b"], data["a"])


_TAKE = {
    "BINANCE": _binance,
    "BINANCE_FUTURES": _binance,
    "BYBIT": _bybit,
    "COINBASE": _coinbase,
    "KRAKEN_FUTURES": _kraken_futures,
    "OKX": _okx,
}
