# SPDX-License-Identifier: Apache-2.0
"""Checks of a run: against the reference model, the exchange's own quotes, and itself."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.registers import COUNTERS, REGISTERS
from host.feeds.scale import ScaleError
from host.feeds.symbol import SymbolFeed
from host.feeds.venue import Quote
from host.replay.run import ReplayError, Run
from host.replay.tables import Tables
from host.settings import Write

__all__ = ["ExchangeCheck", "ReferenceCheck", "check_exchange", "check_latency", "check_reference"]

#: Of a quote: one of its numbers has no place on the scale; the exchange does not tell this one.
_NO_PLACE, _NOT_TOLD = -1, -2
#: How many tickers the board found a view for is its own affair; that one differed is not.
_OF_TICKERS = "sbe_bbo_checked"
_QUOTE = ("bid_price_ticks", "bid_qty_lots", "ask_price_ticks", "ask_qty_lots")


@dataclass
class ReferenceCheck:
    """A run compared with the reference model.

    Attributes
    ----------
    records : int
        Out records the model expects.
    wrong_records : int
        Positions that differ, and records missing or too many.
    counters : dict
        Counters that differ: name to what was expected and what the board has.
    first : str
        The first record that differs, both sides; empty where none does.
    seconds : float
        Time the model took.
    """

    records: int = 0
    wrong_records: int = 0
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    first: str = ""
    seconds: float = 0.0


@dataclass
class ExchangeCheck:
    """Best bid and offer of the board compared with the exchange's own quotes.

    Attributes
    ----------
    checked, equal, wrong : int
        Comparisons of a row with a quote, and how they came out.
    unchecked : int
        Rows without a quote to compare with.
    first : str
        The first row that differs; empty where none does.
    """

    checked: int = 0
    equal: int = 0
    wrong: int = 0
    unchecked: int = 0
    first: str = ""


def check_reference(run: Run) -> ReferenceCheck:
    """Do to the reference model what was done to the board, and compare all that came of it.

    Raises
    ------
    ReplayError
        The reference model is not installed.
    """
    began = time.perf_counter()
    try:
        reference_class = import_module("sim.reference").Reference
        compare = import_module("sim.compare").compare
    except ModuleNotFoundError as error:
        raise ReplayError(
            f"reference: expected the package {error.name}, was not found; use --no-reference"
        ) from None
    sizes = run.identity
    reference = reference_class(
        sizes.symbols,
        sizes.levels,
        sizes.qty_bits,
        run.parts.own_orders,
        trees=run.trees,
        vectors=run.parts.vectors,
    )
    expected = [np.empty((0, 64), np.uint8)]
    for step in run.steps:
        if isinstance(step, Write):
            reference.write(*step)
        else:
            expected.append(reference.feed(step))
    records = compare(np.concatenate(expected), run.out)
    told = {**reference.counters, **_frame_counters(run)}
    del told[_OF_TICKERS]
    counters = {
        name: (value, run.registers[name])
        for name, value in told.items()
        if value != run.registers[name]
    }
    return ReferenceCheck(
        records=records.expected,
        wrong_records=records.mismatches + records.missing + records.extra,
        counters=counters,
        first=records.first_mismatch,
        seconds=time.perf_counter() - began,
    )


def _frame_counters(run: Run) -> dict[str, int]:
    """Counters of what the board's decoder of frames has to have taken, and refused nothing."""
    names = [name for name in COUNTERS if name.startswith(("frames", "sbe_"))]
    return {name: run.frames[name] for name in names}


def check_latency(run: Run, tables: Tables) -> list[str]:
    """What is wrong with the decisions' latency, and with what the board measured of it.

    Returns
    -------
    list of str
        One sentence for each fault.
    """
    cycles = tables.decisions["latency_cycles"].astype(np.int64)
    spans = tables.decisions["span_cycles"].astype(np.int64)
    faults: list[str] = []
    if not len(cycles):
        return faults
    if cycles.min() != cycles.max():
        faults.append(
            f"latency: expected a constant number of cycles, was {cycles.min()} to {cycles.max()}"
        )
    expected = {
        "latency_min": int(cycles.min()),
        "latency_max": int(cycles.max()),
        "latency_sum": int(cycles.sum()),
        "latency_histogram": _bins("latency_histogram", cycles),
        "span_histogram": _bins(
            "span_histogram", np.array([int(span).bit_length() for span in spans.tolist()])
        ),
    }
    for name, value in expected.items():
        found = run.arrays[name] if name in run.arrays else run.registers[name]
        if found != value:
            faults.append(f"register {name}: expected {value} from the decisions, was {found}")
    return faults


def _bins(register: str, values: npt.NDArray[Any]) -> list[int]:
    """Histogram with a bin a value, the last one for what is over."""
    length = REGISTERS[register].length
    counts: list[int] = np.bincount(np.minimum(values, length - 1), minlength=length).tolist()
    return counts


def check_exchange(run: Run, tables: Tables) -> ExchangeCheck:
    """Compare every valid best bid and offer with the exchange's own, where it tells them exactly.

    Where a quote lasts (`host.feeds.venue.Quotes`), an event is compared with the last one up to
    its update id, and only if the capture has one at or after its update id as well: quotes may
    come later than the event they belong to. Otherwise an event is compared with the quotes of
    its own update id.
    """
    result = ExchangeCheck()
    rule = run.session.venue.quotes
    quotes: dict[str, list[tuple[int, ...]]] = {}
    feeds = {feed.instrument.name: feed for feed in tables.feeds.values()}
    for quote in run.session.quotes if rule is not None else ():
        if quote.symbol in feeds:
            quotes.setdefault(quote.symbol, []).append(_units(quote, feeds[quote.symbol]))
    for symbol, feed in tables.feeds.items():
        name = feed.instrument.name
        at = tables.views["symbol"] == symbol
        views, valid = tables.views[at], tables.bbo_valid[at]
        mine = quotes.get(name, [])
        if not valid.any() or not mine:
            result.unchecked += int(np.count_nonzero(valid))
        elif rule is not None and rule.lasting:
            _check_lasting(name, views[valid], mine, result)
        else:
            _check_momentary(name, views, valid, mine, result)
    return result


def _units(quote: Quote, feed: SymbolFeed) -> tuple[int, ...]:
    """Update id, then the quote in ticks and lots, or `_NO_PLACE` for all of it."""
    assert feed.price_scale is not None and feed.qty_scale is not None
    prices, qtys = feed.price_scale.by_text, feed.qty_scale.by_text
    _, update_id, bid, bid_qty, ask, ask_qty = quote
    try:
        return (
            update_id,
            prices[bid],
            _NOT_TOLD if bid_qty is None else qtys[bid_qty],
            prices[ask],
            _NOT_TOLD if ask_qty is None else qtys[ask_qty],
        )
    except ScaleError:
        return (update_id, *[_NO_PLACE] * len(_QUOTE))


def _check_lasting(
    name: str,
    rows: npt.NDArray[Any],
    quotes: Sequence[tuple[int, ...]],
    result: ExchangeCheck,
) -> None:
    table = np.array(quotes, np.int64)
    table = table[np.argsort(table[:, 0], kind="stable")]
    ids = rows["update_id"].astype(np.int64)
    at = np.searchsorted(table[:, 0], ids, side="right") - 1
    known = (at >= 0) & (ids <= table[-1, 0])
    _compare(name, rows, table[np.maximum(at, 0), 1:], known, result)


def _check_momentary(
    name: str,
    views: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    quotes: Sequence[tuple[int, ...]],
    result: ExchangeCheck,
) -> None:
    """Views and quotes are walked in their order: where a venue counts anew an id comes again."""
    places: dict[int, list[int]] = {}
    for place, update_id in enumerate(views["update_id"].tolist()):
        places.setdefault(update_id, []).append(place)
    found: list[int] = []
    told: list[tuple[int, ...]] = []
    at = 0
    for update_id, *quote in quotes:
        mine = places.get(update_id, [])
        next_one = bisect_left(mine, at)
        if next_one < len(mine):
            at = mine[next_one]
            found.append(at)
            told.append(tuple(quote))
    rows = np.array(found, np.int64)
    without = valid.copy()
    without[rows] = False
    result.unchecked += int(np.count_nonzero(without))
    _compare(
        name, views[rows], np.array(told, np.int64).reshape(-1, len(_QUOTE)), valid[rows], result
    )


def _compare(
    name: str,
    rows: npt.NDArray[Any],
    quotes: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
    result: ExchangeCheck,
) -> None:
    """Compare rows with the quotes at the same places, where those are known."""
    known = known & (quotes != _NO_PLACE).all(axis=1)
    seen = np.stack([rows[column].astype(np.int64) for column in _QUOTE], axis=1)
    equal = known & ((seen == quotes) | (quotes == _NOT_TOLD)).all(axis=1)
    wrong = np.flatnonzero(known & ~equal)
    result.checked += int(np.count_nonzero(known))
    result.equal += int(np.count_nonzero(equal))
    result.wrong += len(wrong)
    result.unchecked += int(np.count_nonzero(~known))
    if len(wrong) and not result.first:
        first = int(wrong[0])
        told = ["not told" if value == _NOT_TOLD else value for value in quotes[first].tolist()]
        result.first = (
            f"{name} event {int(rows['update_id'][first])}: expected the exchange's {told} "
            f"(bid ticks, lots, ask ticks, lots), was {seen[first].tolist()}"
        )
