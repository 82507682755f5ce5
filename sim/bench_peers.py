# SPDX-License-Identifier: Apache-2.0
"""Books in software that keep up with the same level updates as the board.

Each takes the updates of one symbol, refills included, in the form it likes best, and knows price
and quantity of the best bid and offer at the end of every book event.

hftbacktest changes its market depths only inside its backtest engine, so the engine is driven,
from a compiled loop that lets one event pass and reads the depth. The updates are marked for the
engine's local side alone: marked for its exchange side as well, as a backtest's data is, each would
be applied to two books.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import VIEW_DTYPE, InFlag, InKind, OutKind, ViewFlag

__all__ = [
    "HFTBACKTEST_INSTALL",
    "HFTBACKTEST_NAMES",
    "SORTED_LIST",
    "Peer",
    "PeerError",
    "Updates",
    "best_of_views",
    "book_updates",
    "hftbacktest_peers",
    "sorted_list_peer",
]

SORTED_LIST = "dict and sorted list"
HFTBACKTEST_NAMES = ("hftbacktest, hash map", "hftbacktest, ROI vector")
#: Brings hftbacktest into the environment, with numpy below 2.3; for Python 3.11 and later.
HFTBACKTEST_INSTALL = "pip install hftbacktest==2.4.4"

_END = 2
#: Time the engine starts at and time between two events, ns.
_FIRST_NS, _STEP_NS = 1000, 10
_BEST_FIELDS = ("bid_price_ticks", "bid_qty_lots", "ask_price_ticks", "ask_qty_lots")


class PeerError(RuntimeError):
    """A peer could not be loaded, or stopped before its last event."""


class Updates(NamedTuple):
    """Level updates of one symbol and the ends of its book events, in order.

    Attributes
    ----------
    sides, prices_ticks, qtys_lots : numpy.ndarray
        Shape (n,), int64: 0 bid or 1 ask, price, and quantity, of which 0 deletes.
    ends : numpy.ndarray
        Shape (m,), int64: updates before the end of each book event.
    """

    sides: npt.NDArray[np.int64]
    prices_ticks: npt.NDArray[np.int64]
    qtys_lots: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


class Peer(NamedTuple):
    """A book to be measured.

    Attributes
    ----------
    name : str
        What keeps the book.
    ready : callable
        Makes a fresh book and returns the work that is timed: it applies all updates and returns,
        for each book event, (bid price, bid quantity, ask price, ask quantity).
    """

    name: str
    ready: Callable[[], Callable[[], npt.ArrayLike]]


def book_updates(records: npt.NDArray[Any]) -> Updates:
    """Level updates and book events of a stream of one symbol.

    Parameters
    ----------
    records : numpy.ndarray
        Shape (n,) of IN_DTYPE.

    Raises
    ------
    ValueError
        The records are of more than one symbol.
    """
    symbols = np.unique(records["symbol"])
    if len(symbols) > 1:
        raise ValueError(f"records: expected one symbol, was {symbols.tolist()}")
    kinds, flags = records["kind"], records["flags"]
    is_level = kinds == InKind.LEVEL
    is_end = (kinds == InKind.EVENT_END) & (flags & int(InFlag.BOOK) != 0)
    return Updates(
        (flags[is_level] & int(InFlag.SIDE)).astype(np.int64),
        records["price_ticks"][is_level].astype(np.int64),
        records["value"][is_level].astype(np.int64),
        np.cumsum(is_level, dtype=np.int64)[is_end],
    )


def best_of_views(
    out: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Best bid and offer in the board's views, and where the board vouches for them.

    Parameters
    ----------
    out : numpy.ndarray
        Shape (n, 64) of uint8, out records with a view for each book event.

    Returns
    -------
    best : numpy.ndarray
        Shape (m, 4), int64: bid price, bid quantity, ask price, ask quantity.
    valid : numpy.ndarray
        Shape (m,), bool: BBO_VALID.
    """
    views = np.ascontiguousarray(out[out[:, 0] == OutKind.VIEW]).view(VIEW_DTYPE).reshape(-1)
    best = np.stack([views[name].astype(np.int64) for name in _BEST_FIELDS], axis=1)
    return best, views["flags"] & int(ViewFlag.BBO_VALID) != 0


def sorted_list_peer(updates: Updates) -> Peer:
    """A side is a dict of quantities and a sorted list of prices; plain Python."""
    rows: list[tuple[int, int, int]] = []
    columns = (updates.sides, updates.prices_ticks, updates.qtys_lots)
    levels = list(zip(*(column.tolist() for column in columns), strict=True))
    start = 0
    for end in updates.ends.tolist():
        rows += [*levels[start:end], (_END, 0, 0)]
        start = end
    rows += levels[start:]
    return Peer(SORTED_LIST, lambda: lambda: _sorted_list_book(rows))


def _sorted_list_book(rows: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    bid_qtys: dict[int, int] = {}
    ask_qtys: dict[int, int] = {}
    bid_prices: list[int] = []
    ask_prices: list[int] = []
    sides = ((bid_qtys, bid_prices), (ask_qtys, ask_prices))
    best: list[tuple[int, int, int, int]] = []
    for side, price, qty in rows:
        if side == _END:
            bid = bid_prices[-1] if bid_prices else 0
            ask = ask_prices[0] if ask_prices else 0
            best.append((bid, bid_qtys.get(bid, 0), ask, ask_qtys.get(ask, 0)))
            continue
        qtys, prices = sides[side]
        if qty:
            if price not in qtys:
                prices.insert(bisect_left(prices, price), price)
            qtys[price] = qty
        elif qtys.pop(price, 0):
            del prices[bisect_left(prices, price)]
    return best


def hftbacktest_peers(updates: Updates) -> list[Peer]:
    """The two market depths of hftbacktest, in the order of `HFTBACKTEST_NAMES`.

    Returns
    -------
    list of Peer
        Empty where hftbacktest is not installed. The first use of each compiles its loop.

    Raises
    ------
    PeerError
        hftbacktest is installed and cannot be loaded.
    """
    if find_spec("hftbacktest") is None:
        return []
    try:
        hft: Any = import_module("hftbacktest")
        walk = import_module("numba").njit(_walk)
    except ImportError as error:
        raise PeerError(f"hftbacktest: expected a package to load, was {error}") from error
    data = _engine_data(hft, updates)
    makers = (hft.HashMapMarketDepthBacktest, hft.ROIVectorMarketDepthBacktest)

    def ready(make: Any) -> Callable[[], npt.ArrayLike]:
        backtest = make([_engine_asset(hft, data, updates)])
        best = np.zeros((len(updates.ends), 4), np.int64)

        def work() -> npt.ArrayLike:
            walked = walk(backtest, best, _STEP_NS)
            if walked != len(best):
                raise PeerError(f"hftbacktest: expected {len(best)} events, was {walked}")
            return best

        return work

    return [
        Peer(name, partial(ready, make))
        for name, make in zip(HFTBACKTEST_NAMES, makers, strict=True)
    ]


def _walk(backtest: Any, best: Any, step_ns: Any) -> Any:
    """Let events pass one by one, each with a look at the depth; how many did. Compiled."""
    depth = backtest.depth(0)
    for event in range(len(best)):
        if backtest.elapse(step_ns):
            return event
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        best[event, 0] = bid
        best[event, 1] = depth.bid_qty_at_tick(bid)
        best[event, 2] = ask
        best[event, 3] = depth.ask_qty_at_tick(ask)
    return len(best)


def _engine_data(hft: Any, updates: Updates) -> npt.NDArray[Any]:
    """Updates as the engine reads them, all of an event at one time.

    One more before them and one after, which remove nothing, start the engine's time a step before
    the first event and keep the data from ending at the last.
    """
    events = np.searchsorted(updates.ends, np.arange(len(updates.sides)), side="right")
    data = np.zeros(len(events) + 2, hft.types.event_dtype)
    marks = hft.DEPTH_EVENT | hft.LOCAL_EVENT
    inner = data[1:-1]
    data["ev"], data["px"] = marks | hft.BUY_EVENT, 1
    inner["ev"] = marks | np.where(updates.sides == 1, hft.SELL_EVENT, hft.BUY_EVENT)
    inner["px"], inner["qty"] = updates.prices_ticks, updates.qtys_lots
    data["local_ts"] = _FIRST_NS
    inner["local_ts"] += _STEP_NS * (1 + events)
    data["local_ts"][-1] += _STEP_NS * (2 + len(updates.ends))
    data["exch_ts"] = data["local_ts"]
    return data


def _engine_asset(hft: Any, data: npt.NDArray[Any], updates: Updates) -> Any:
    """An asset of tick 1 and lot 1 whose range of interest takes in every price."""
    return (
        hft.BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(1.0)
        .lot_size(1.0)
        .roi_lb(float(updates.prices_ticks.min()))
        .roi_ub(float(updates.prices_ticks.max()))
        .last_trades_capacity(0)
    )
