# SPDX-License-Identifier: Apache-2.0
"""Checks of a run: against the reference model, the exchange's own quotes, and itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.registers import REGISTERS
from host.feeds import binance
from host.feeds.messages import BookTicker
from host.feeds.scale import ScaleError
from host.feeds.symbol import SymbolFeed
from host.replay.run import ReplayError, Run
from host.replay.tables import Tables
from host.settings import Write

__all__ = ["ExchangeCheck", "ReferenceCheck", "check_exchange", "check_latency", "check_reference"]

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
    """Best bid and offer of the board compared with the exchange's book tickers.

    Attributes
    ----------
    checked, equal, wrong : int
        Rows with a ticker to compare with, and how they compare.
    unchecked : int
        Rows before the first or after the last ticker of the capture.
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
    reference = reference_class(sizes.symbols, sizes.levels, sizes.qty_bits)
    expected = [np.empty((0, 64), np.uint8)]
    for step in run.steps:
        if isinstance(step, Write):
            reference.write(*step)
        else:
            expected.append(reference.feed(step))
    records = compare(np.concatenate(expected), run.out)
    counters = {
        name: (value, run.registers[name])
        for name, value in reference.counters.items()
        if value != run.registers[name]
    }
    return ReferenceCheck(
        records=records.expected,
        wrong_records=records.mismatches + records.missing + records.extra,
        counters=counters,
        first=records.first_mismatch,
        seconds=time.perf_counter() - began,
    )


def check_latency(run: Run, tables: Tables) -> list[str]:
    """What is wrong with the decisions' latency, and with what the board measured of it.

    Returns
    -------
    list of str
        One sentence for each fault.
    """
    cycles = tables.decisions["latency_cycles"].astype(np.int64)
    spans = (tables.decisions["cycle_decision"] - tables.decisions["cycle_first"]).astype(np.int64)
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
    """Compare every valid best bid and offer with the last book ticker up to its update id.

    An event is compared only if the capture has a ticker at or after its update id as well:
    tickers may come later than the event they belong to.
    """
    result = ExchangeCheck()
    tickers: dict[str, list[tuple[int, ...]]] = {}
    feeds = {feed.instrument.name: feed for feed in tables.feeds.values()}
    for payload in run.ticker_payloads:
        message = binance.parse(payload)
        if isinstance(message, BookTicker) and message.symbol in feeds:
            row = _ticker(message, feeds[message.symbol])
            tickers.setdefault(message.symbol, []).append(row)
    for symbol, feed in tables.feeds.items():
        name = feed.instrument.name
        rows = tables.views[tables.bbo_valid & (tables.views["symbol"] == symbol)]
        _check_symbol(name, rows, tickers.get(name, []), result)
    return result


def _ticker(ticker: BookTicker, feed: SymbolFeed) -> tuple[int, ...]:
    """Update id, then the quote in ticks and lots; -1 for what has no place on the scale."""
    assert feed.price_scale is not None and feed.qty_scale is not None
    prices, qtys = feed.price_scale.by_text, feed.qty_scale.by_text
    try:
        quote = (prices[ticker.bid], qtys[ticker.bid_qty], prices[ticker.ask], qtys[ticker.ask_qty])
    except ScaleError:
        return (ticker.update_id, -1, -1, -1, -1)
    return (ticker.update_id, *quote)


def _check_symbol(
    name: str,
    rows: npt.NDArray[Any],
    tickers: Sequence[tuple[int, ...]],
    result: ExchangeCheck,
) -> None:
    if not len(rows) or not tickers:
        result.unchecked += len(rows)
        return
    table = np.array(tickers, np.int64)
    table = table[np.argsort(table[:, 0], kind="stable")]
    ids = rows["update_id"].astype(np.int64)
    at = np.searchsorted(table[:, 0], ids, side="right") - 1
    quotes = table[np.maximum(at, 0), 1:]
    known = (at >= 0) & (ids <= table[-1, 0]) & (quotes[:, 0] >= 0)
    seen = np.stack([rows[column].astype(np.int64) for column in _QUOTE], axis=1)
    equal = known & (seen == quotes).all(axis=1)
    wrong = np.flatnonzero(known & ~equal)
    result.checked += int(np.count_nonzero(known))
    result.equal += int(np.count_nonzero(equal))
    result.wrong += len(wrong)
    result.unchecked += int(np.count_nonzero(~known))
    if len(wrong) and not result.first:
        first = int(wrong[0])
        result.first = (
            f"{name} event {ids[first]}: expected the exchange's {quotes[first].tolist()} "
            f"(bid ticks, lots, ask ticks, lots), was {seen[first].tolist()}"
        )
