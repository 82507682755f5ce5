# SPDX-License-Identifier: Apache-2.0
"""Out records of a run as tables, with the exchange's time and in the exchange's units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import (
    DECISION_DTYPE,
    NO_REASON,
    REFILL_REQUEST_DTYPE,
    VIEW_DTYPE,
    DecisionFlag,
    InFlag,
    InKind,
    OutKind,
    Reason,
    ViewFlag,
    ViewReason,
)
from host.feeds.scale import Scale
from host.feeds.symbol import SymbolFeed
from host.replay.run import Run

__all__ = ["Span", "Tables", "first_reason_names", "invalid_spans", "reason_names", "texts"]

_EVENT_DTYPE = np.dtype([("symbol", "u1"), ("update_id", "<u8"), ("time_us", "<u8")])


@dataclass(frozen=True)
class Span:
    """Book events of a symbol in a row after which its first N levels were not valid."""

    symbol: str
    first_update_id: int
    last_update_id: int
    events: int
    reasons: list[str]


@dataclass(frozen=True)
class Tables:
    """Out records by kind, in stream order.

    Attributes
    ----------
    views : ndarray of VIEW_DTYPE, shape (v,)
        Every view.
    view_time_us : ndarray of uint64, shape (v,)
        Exchange time of its event; 0 where no such event was sent.
    decisions : ndarray of DECISION_DTYPE, shape (d,)
        Every decision, accepted or refused.
    decision_time_us : ndarray of uint64, shape (d,)
        Exchange time of its event.
    refill_requests : ndarray of REFILL_REQUEST_DTYPE
        Every refill request.
    cleared : ndarray of bool, shape (v,)
        Of each view, whether the host cleared its symbol before the symbol's next view.
    end_us : int
        Newest exchange time in the stream; 0 for none.
    unknown : int
        Records of no known kind.
    unmatched : int
        Views that are not of the event sent at their place.
    feeds : dict
        `SymbolFeed` by symbol number, of the symbols with a view.
    """

    views: npt.NDArray[Any]
    view_time_us: npt.NDArray[np.uint64]
    decisions: npt.NDArray[Any]
    decision_time_us: npt.NDArray[np.uint64]
    refill_requests: npt.NDArray[Any]
    cleared: npt.NDArray[np.bool_]
    end_us: int
    unknown: int
    unmatched: int
    feeds: dict[int, SymbolFeed]

    @classmethod
    def of(cls, run: Run) -> Tables:
        """Take a run's records apart."""
        kinds = run.out[:, 0]
        views = _kind(run.out, OutKind.VIEW, VIEW_DTYPE)
        decisions = _kind(run.out, OutKind.DECISION, DECISION_DTYPE)
        requests = _kind(run.out, OutKind.REFILL_REQUEST, REFILL_REQUEST_DTYPE)
        records = run.records()
        events = _events(records)
        times = np.zeros(len(views), np.uint64)
        common = min(len(views), len(events))
        same = (views["update_id"][:common] == events["update_id"][:common]) & (
            views["symbol"][:common] == events["symbol"][:common]
        )
        times[:common] = np.where(same, events["time_us"][:common], 0)
        # a decision stands before the view of its event
        after = np.searchsorted(
            np.flatnonzero(kinds == OutKind.VIEW), np.flatnonzero(kinds == OutKind.DECISION)
        )
        feeds = {feed.instrument.symbol: feed for feed in run.session.feeds.values()}
        seen = sorted(set(np.unique(views["symbol"]).tolist()) & feeds.keys())
        return cls(
            views=views,
            view_time_us=times,
            decisions=decisions,
            decision_time_us=np.append(times, np.uint64(0))[after],
            refill_requests=requests,
            cleared=_cleared(records, len(views)),
            end_us=_newest_us(records),
            unknown=len(run.out) - len(views) - len(decisions) - len(requests),
            unmatched=int(np.count_nonzero(~same)) + abs(len(views) - len(events)),
            feeds={symbol: feeds[symbol] for symbol in seen if feeds[symbol].price_scale},
        )

    @property
    def bbo_valid(self) -> npt.NDArray[np.bool_]:
        """Of each view, whether best bid and offer are valid."""
        valid: npt.NDArray[np.bool_] = (self.views["flags"] & int(ViewFlag.BBO_VALID)) != 0
        return valid

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Of each view, whether it is valid for N levels."""
        valid: npt.NDArray[np.bool_] = (self.views["flags"] & int(ViewFlag.VALID)) != 0
        return valid

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        """Of each decision, whether the gate accepted it."""
        ok: npt.NDArray[np.bool_] = (self.decisions["flags"] & int(DecisionFlag.REFUSED)) == 0
        return ok

    @property
    def sells(self) -> npt.NDArray[np.bool_]:
        """Of each decision, whether it is a sell."""
        sells: npt.NDArray[np.bool_] = (self.decisions["flags"] & int(DecisionFlag.SIDE)) != 0
        return sells

    def names(self, symbols: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Symbol numbers as the names of the venue."""
        by_number = np.array([str(number) for number in range(256)], dtype=object)
        for number, feed in self.feeds.items():
            by_number[number] = feed.instrument.name
        named: npt.NDArray[Any] = by_number[symbols]
        return named


def _kind(out: npt.NDArray[np.uint8], kind: OutKind, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(out[out[:, 0] == kind]).view(dtype).reshape(-1)


def _events(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Symbol, update id and time of every book event sent, shape (n,)."""
    at = np.arange(len(records))
    begun = np.maximum.accumulate(np.where(records["kind"] == InKind.EVENT_BEGIN, at, -1))
    book = (records["kind"] == InKind.EVENT_END) & ((records["flags"] & int(InFlag.BOOK)) != 0)
    ends = np.flatnonzero(book)
    events = np.zeros(len(ends), _EVENT_DTYPE)
    events["symbol"] = records["symbol"][ends]
    events["update_id"] = records["value"][ends]
    events["time_us"] = records["value"][begun[ends]]
    return events


def _newest_us(records: npt.NDArray[Any]) -> int:
    begins = records["value"][records["kind"] == InKind.EVENT_BEGIN]
    return int(begins.max(initial=0))


def _cleared(records: npt.NDArray[Any], views: int) -> npt.NDArray[np.bool_]:
    """Of each book event, whether a CLEAR of its symbol stands before the symbol's next one."""
    book = (records["kind"] == InKind.EVENT_END) & ((records["flags"] & int(InFlag.BOOK)) != 0)
    ends = np.flatnonzero(book)
    clears = np.flatnonzero(records["kind"] == InKind.CLEAR)
    cleared = np.zeros(max(views, len(ends)), np.bool_)
    for symbol in np.unique(records["symbol"][clears]).tolist():
        mine = np.flatnonzero(records["symbol"][ends] == symbol)
        last = np.searchsorted(ends[mine], clears[records["symbol"][clears] == symbol]) - 1
        cleared[mine[last[last >= 0]]] = True
    return cleared[:views]


def texts(units: npt.NDArray[Any], scale: Scale) -> npt.NDArray[Any]:
    """Ticks or lots as decimal strings with the places of the scale, shape as given."""
    values, where = np.unique(units, return_inverse=True)
    strings = np.array([scale.text(value) for value in values.tolist()], dtype=object)
    found: npt.NDArray[Any] = strings[where.reshape(-1)] if len(values) else strings
    return found


def reason_names(verdict: int) -> list[str]:
    """Names of the reasons in a verdict; a bit without a name by its number."""
    known = {int(reason): reason.name for reason in Reason}
    return [known.get(bit, f"bit {bit}") for bit in range(64) if verdict >> bit & 1]


def first_reason_names(decisions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Name of each decision's first reason, "" for an accepted order."""
    names = np.array([str(number) for number in range(256)], dtype=object)
    for reason in Reason:
        names[int(reason)] = reason.name
    names[NO_REASON] = ""
    found: npt.NDArray[Any] = names[decisions["first_reason"]]
    return found


def invalid_spans(tables: Tables) -> list[Span]:
    """Where the first N levels were not valid, symbol by symbol."""
    spans: list[Span] = []
    for symbol, feed in tables.feeds.items():
        views = tables.views[tables.views["symbol"] == symbol]
        bad = (views["flags"] & int(ViewFlag.VALID)) == 0
        edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8)))
        for first, end in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
            bits = int(np.bitwise_or.reduce(views["reasons"][first:end]))
            spans.append(
                Span(
                    feed.instrument.name,
                    int(views["update_id"][first]),
                    int(views["update_id"][end - 1]),
                    end - first,
                    [str(reason.name) for reason in ViewReason if bits & reason],
                )
            )
    return spans
