# SPDX-License-Identifier: Apache-2.0
"""What came of a replay, as plain data for ``summary.json``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from host.contract.records import NO_REASON, Reason
from host.contract.registers import COUNTERS, VERSION
from host.execution.assumed import ASSUMPTION
from host.replay.check import ExchangeCheck, ReferenceCheck
from host.replay.model import model_summary
from host.replay.outputs import rule_name
from host.replay.run import Run
from host.replay.tables import Tables, invalid_spans
from host.settings import Write

__all__ = ["capture_entry", "summarise", "version_text"]

_MOST_SPANS = 1000


def version_text() -> str:
    """Version of tickgate: major, minor and patch."""
    return f"{VERSION >> 24}.{VERSION >> 16 & 0xFF}.{VERSION >> 8 & 0xFF}"


def capture_entry(path: str) -> dict[str, Any]:
    """Name, size in bytes and SHA-256 of a capture."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {
        "file": Path(path).name,
        "bytes": Path(path).stat().st_size,
        "sha256": digest.hexdigest(),
    }


def summarise(
    run: Run,
    tables: Tables,
    reference: ReferenceCheck | None,
    exchange: ExchangeCheck,
    latency_faults: list[str],
) -> dict[str, Any]:
    """All figures of a run but its times; `reference` None: it was not asked for."""
    counters, session = {name: run.registers[name] for name in COUNTERS}, run.session
    events = len(tables.views)
    wrong = {
        "records": None if reference is None else reference.wrong_records,
        "counters": None
        if reference is None
        else {
            name: {"expected": expected, "actual": actual}
            for name, (expected, actual) in reference.counters.items()
        },
        "latency": latency_faults,
        "exchange": exchange.wrong,
        "unknown_records": tables.unknown,
        "views_of_other_events": tables.unmatched,
    }
    return {
        "tickgate": version_text(),
        "board": {
            "version": ".".join(map(str, run.identity.version)),
            "symbols": run.identity.symbols,
            "levels": run.identity.levels,
            "qty_bits": run.identity.qty_bits,
        },
        "settings": _settings(run),
        "registers": _registers(run),
        "captures": [capture_entry(path) for path in run.options.captures],
        "exchange": session.venue.name,
        "wire": {
            "name": run.options.wire.value,
            "beats": run.beats,
            "frames": run.frames["frames"],
        },
        "capture_error": None if run.capture_error is None else str(run.capture_error),
        "symbols": {
            feed.instrument.name: {
                "number": symbol,
                "tick": f"{feed.price_scale.step:f}" if feed.price_scale else None,
                "lot": f"{feed.qty_scale.step:f}" if feed.qty_scale else None,
            }
            for symbol, feed in tables.feeds.items()
        },
        "symbols_without_events": sorted(
            name
            for name, feed in session.feeds.items()
            if feed.instrument.symbol not in tables.feeds
        ),
        "symbols_refused": dict(sorted(session.unknown_names.items())),
        "assumption": ASSUMPTION if run.options.fills else "No order is reported filled.",
        "counters": counters,
        "host": {name: count for name, count in session.counters.items() if count},
        "host_refusals": [
            {
                "reason": refusal.reason,
                "detail": refusal.detail,
                "file": Path(refusal.path).name,
                "line": refusal.line,
            }
            for refusal in session.refusals
        ],
        "depth_events": run.depth_frames,
        "depth_events_not_sent": run.depth_frames - session.counters["events"],
        "events": events,
        "events_bbo": _share(int(np.count_nonzero(tables.bbo_valid)), run.depth_frames),
        "events_valid": _share(int(np.count_nonzero(tables.valid)), run.depth_frames),
        "invalid_spans": _spans(tables),
        "decisions": _decisions(tables),
        "model": model_summary(run, tables),
        "latency_cycles": _latency(run, tables),
        "latency_histogram": run.arrays["latency_histogram"],
        "span_histogram": run.arrays["span_histogram"],
        "refills": {
            "sent": session.counters["refills"],
            "requested_by_fabric": len(tables.refill_requests),
            "requests_unanswered": session.counters["refill_requests_unanswered"],
        },
        "ticker_checked": session.counters["ticker_checked"],
        "ticker_mismatch": session.counters["ticker_mismatch"],
        "checksums": None
        if session.venue.checksum is None
        else {
            "verified": session.counters["checksums"],
            "failed": session.counters["checksum_failed"],
        },
        "exchange_quotes": None if session.venue.quotes is None else session.venue.quotes.source,
        "exchange_checked": exchange.checked,
        "exchange_equal": exchange.equal,
        "exchange_wrong": exchange.wrong,
        "exchange_unchecked": exchange.unchecked,
        "reference_records": None if reference is None else reference.records,
        "mismatches": {**wrong, "total": _total(wrong)},
    }


def _settings(run: Run) -> dict[str, Any]:
    options = run.options
    settings = options.settings.model_dump(mode="json")
    ratio = options.settings.exact_ratio
    return {
        **settings,
        "ratio_num": ratio.numerator,
        "ratio_den": ratio.denominator,
        "only_symbols": list(options.symbols),
        "refill_at": run.session.settings.refill_at,
        "fills": "assumed" if options.fills else "none",
        "fill_delay_ms": options.fill_delay_us // 1000,
    }


def _registers(run: Run) -> dict[str, Any]:
    """What was written to the board: registers, and the limits of each symbol by its number."""
    now: dict[str, int] = {}
    limits: dict[str, dict[str, int]] = {}
    for step in run.steps:
        if isinstance(step, Write):
            now[step.register] = step.value
            if step.register == "limit_commit":
                limits[str(step.value)] = {
                    name.removeprefix("limit_"): value
                    for name, value in now.items()
                    if name.startswith("limit_") and name != "limit_commit"
                }
    written = {name: value for name, value in now.items() if not name.startswith("limit_")}
    return {**written, "limits_by_symbol": limits}


def _share(count: int, of: int) -> dict[str, Any]:
    return {"count": count, "share_of_depth_events": round(count / of, 6) if of else 0.0}


def _spans(tables: Tables) -> dict[str, Any]:
    spans = invalid_spans(tables)
    return {"total": len(spans), "spans": [asdict(span) for span in spans[:_MOST_SPANS]]}


def _decisions(tables: Tables) -> dict[str, Any]:
    rows, accepted = tables.decisions, tables.accepted
    verdicts, firsts = rows["verdict"], rows["first_reason"]
    return {
        "total": len(rows),
        "accepted": int(np.count_nonzero(accepted)),
        "accepted_buys": int(np.count_nonzero(accepted & ~tables.sells)),
        "accepted_sells": int(np.count_nonzero(accepted & tables.sells)),
        "refused": int(np.count_nonzero(~accepted)),
        "by_rule": {
            rule_name(rule): count for rule, count in sorted(Counter(rows["rule"].tolist()).items())
        },
        "refused_by_reason": {
            reason.name: int(np.count_nonzero(verdicts >> int(reason) & 1)) for reason in Reason
        },
        "refused_by_first_reason": {
            reason.name: int(np.count_nonzero(firsts[firsts != NO_REASON] == int(reason)))
            for reason in Reason
        },
    }


def _latency(run: Run, tables: Tables) -> dict[str, Any] | None:
    if not len(tables.decisions):
        return None
    total = len(tables.decisions)
    return {
        "min": run.registers["latency_min"],
        "mean": run.registers["latency_sum"] / total,
        "max": run.registers["latency_max"],
    }


def _total(wrong: Mapping[str, Any]) -> int:
    """Mismatches of every kind together."""
    return sum(value if isinstance(value, int) else len(value) for value in wrong.values() if value)
