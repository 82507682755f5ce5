# SPDX-License-Identifier: Apache-2.0
"""What a replay with a model has to say of its trades."""

from __future__ import annotations

from typing import Any

import numpy as np

from host.model.trips import trips_of
from host.replay.run import Run
from host.replay.tables import Tables

__all__ = ["model_rows", "model_summary"]


def model_summary(run: Run, tables: Tables) -> dict[str, Any] | None:
    """Round trips by symbol; None for a replay without a model."""
    rule = run.options.model
    if rule is None:
        return None
    costs, symbols = rule.costs, {}
    for symbol, feed in tables.feeds.items():
        trips = trips_of(tables, symbol, costs)
        trades = trips.trades
        own = tables.decisions["symbol"] == symbol
        symbols[feed.instrument.name] = {
            "scored_decisions": int(np.count_nonzero(tables.decisions["score"][own])),
            "trips": len(trades),
            "lots_open_at_the_end": trips.open,
            "hit_rate": trips.hit_rate,
            "base_hit_rate": trips.base_hit_rate,
            "mean_ticks": None
            if not len(trades)
            else {
                "mid": float(trades.gross_ticks.mean()),
                "after_spread": float(trades.after_spread_ticks.mean()),
                "net": trades.mean,
                "net_standard_error": trades.standard_error if len(trades) > 1 else None,
                **{name.replace(" ", "_"): each.mean for name, each in trips.always.items()},
            },
            "verdict": trades.verdict(),
            "in_sample": sorted(
                {entry for entry in map(str, rule.image.notes.get("captures", []))}
                & {path.rsplit("/", 1)[-1] for path in run.options.captures}
            ),
        }
    return {
        "id": rule.image.identity,
        "trees": rule.image.trees,
        "horizon_us": rule.horizon_us,
        "fee_bps": str(costs.fee_bps),
        "slippage_ticks": str(costs.slippage_ticks),
        "symbols": symbols,
    }


def model_rows(model: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Name and text of each figure worth a line."""
    if model is None:
        return []
    lines = [
        (
            "model",
            (
                f"{model['id']:#010x}, {model['trees']} trees, "
                f"held {model['horizon_us'] / 1e6:g} s; fee {model['fee_bps']} bps and "
                f"{model['slippage_ticks']} ticks a side"
            ),
        )
    ]
    for name, found in model["symbols"].items():
        mark = "" if len(model["symbols"]) == 1 else f"{name}: "
        if found["in_sample"]:
            lines.append((f"{mark}in sample", f"trained on {', '.join(found['in_sample'])} too"))
        means = found["mean_ticks"]
        if means is not None:
            rates = [found["hit_rate"], found["base_hit_rate"]]
            told = ["none" if rate is None else f"{rate:.2%}" for rate in rates]
            lines += [
                (
                    f"{mark}hit rate",
                    (
                        f"{told[0]} of {found['trips']:,} round trips with a move; always naming "
                        f"the commoner side {told[1]}"
                    ),
                ),
                (
                    f"{mark}a round trip",
                    (
                        f"mid {means['mid']:+.2f} ticks, after the spread "
                        f"{means['after_spread']:+.2f}, after all costs {means['net']:+.2f}; "
                        f"always long {means['always_long']:+.2f}, "
                        f"always short {means['always_short']:+.2f}"
                    ),
                ),
            ]
        lines.append((f"{mark}verdict", found["verdict"]))
    return lines
