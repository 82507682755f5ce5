# SPDX-License-Identifier: Apache-2.0
"""Features and quotes of captures, as a board gives them: the one place features come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.features import FEATURE_NAMES, FEATURES_PER_RECORD
from host.contract.records import FEATURES_DTYPE, FeaturesFlag, OutKind
from host.links.base import Link
from host.model.table import FeatureTable
from host.model.trees import ModelError
from host.replay.run import Options, replay
from host.replay.tables import Tables
from host.settings import ReplaySettings, Write

__all__ = ["FeatureSettings", "features_of"]

_REPORT_VIEWS, _REPORT_FEATURES = 1, 4


@dataclass(frozen=True)
class FeatureSettings:
    """Registers that shape the features; a model must run with those it was trained with.

    Parameters
    ----------
    levels : int
        N, levels of a side that are summed.
    trade_window : int
        w: trades of the last 8 x 2^w microseconds count.
    flow_decay, average_decay : int
        k of the leaky sums and of the averages.
    bar_log2_us : int
        Bars of the true range are of 2^this microseconds.
    """

    levels: int = 10
    trade_window: int = 17
    flow_decay: int = 4
    average_decay: int = 6
    bar_log2_us: int = 20

    def writes(self, symbols: int) -> list[Write]:
        """Registers for all symbols of a board."""
        held = {
            "strategy_flow_decay": self.flow_decay,
            "strategy_average_decay": self.average_decay,
            "strategy_bar_log2_us": self.bar_log2_us,
        }
        return [
            Write("trade_window", self.trade_window),
            *(Write(name, value) for name, value in held.items()),
            *(Write("strategy_commit", symbol) for symbol in range(symbols)),
        ]

    def as_notes(self) -> dict[str, int]:
        """The same by name, for the image."""
        return dict(asdict(self))


def features_of(
    link: Link,
    captures: Sequence[str],
    settings: FeatureSettings,
    symbol: str | None = None,
    tick: Decimal | None = None,
    lot: Decimal | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FeatureTable:
    """Replay captures through a board and take its FEATURES and VIEW records.

    Parameters
    ----------
    link : Link
        The board.
    captures : sequence of str
        Files that follow each other.
    settings : FeatureSettings
        What shapes the features.
    symbol : str or None
        The symbol to take; None: the only one there is.
    tick, lot : Decimal or None
        Price and quantity step; None: from the snapshot.
    progress : callable
        Called with bytes done and in all.

    Returns
    -------
    FeatureTable
        Every book event of the symbol.

    Raises
    ------
    ModelError
        The captures hold no event of the symbol, or events of several symbols and none is named.
    ReplayError, CaptureError, LinkError, SettingError
        As of `host.replay.run.replay`.
    """
    symbols = link.identify().symbols
    if not link.parts().vectors:
        raise ModelError("board: expected one that tells features, was one without (build_parts)")
    options = Options(
        captures=captures,
        settings=ReplaySettings(levels=settings.levels),
        symbols=[symbol] if symbol else [],
        tick=tick,
        lot=lot,
        fills=False,
        writes=[
            *settings.writes(symbols),
            Write("rule_enable", 0),
            Write("report", _REPORT_VIEWS | _REPORT_FEATURES),
        ],
    )
    run = replay(options, link, progress)
    if run.capture_error is not None:
        raise run.capture_error
    tables = Tables.of(run)
    if tables.unmatched:
        raise ModelError(f"board: expected a view of each event, was {tables.unmatched} apart")
    names = sorted(feed.instrument.name for feed in tables.feeds.values())
    if not names:
        raise ModelError(f"captures: expected book events of {symbol or 'a symbol'}, was none")
    if len(names) > 1:
        raise ModelError(f"captures: expected one symbol, was {', '.join(names)}; use --symbol")
    (number, feed), *_ = tables.feeds.items()
    assert feed.price_scale is not None
    own = tables.views["symbol"] == number
    views, times = tables.views[own], tables.view_time_us[own].astype(np.int64)
    rows, usable = _rows(run.out, number, views["update_id"])
    return FeatureTable(
        names[0],
        feed.price_scale.step,
        np.maximum.accumulate(times),
        rows,
        usable,
        views["bid_price_ticks"].astype(np.int64),
        views["ask_price_ticks"].astype(np.int64),
    )


def _rows(
    out: npt.NDArray[np.uint8], symbol: int, update_ids: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Features of each event from the pages they come in, and whether they are data."""
    records = np.ascontiguousarray(out[out[:, 0] == OutKind.FEATURES]).view(FEATURES_DTYPE)
    records = records.reshape(-1)
    records = records[records["symbol"] == symbol]
    count = len(FEATURE_NAMES)
    columns = []
    for page in range(-(-count // FEATURES_PER_RECORD)):
        part = records[records["page"] == page]
        if not np.array_equal(part["update_id"], update_ids):
            raise ModelError(f"board: expected page {page} of each event's features, was another")
        columns += [part[f"value{at}"] for at in range(FEATURES_PER_RECORD)]
        usable = (part["flags"] & int(FeaturesFlag.USABLE)) != 0
    return np.stack(columns[:count], axis=1).astype(np.int32), usable
