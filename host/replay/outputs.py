# SPDX-License-Identifier: Apache-2.0
"""Files of a replay: quotes, decisions and views."""

from __future__ import annotations

import errno
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import ExitCause, Rule
from host.replay.run import ReplayError
from host.replay.tables import Tables, first_reason_names, reason_names, texts

__all__ = ["BBO_HEADER", "bbo_names", "remove_old", "rule_name", "write_bbo", "write_parquet"]

#: First line of a file of quotes.
BBO_HEADER = "update_id,bid_price,bid_qty,ask_price,ask_qty"
#: What a replay writes; an older run's files of these names are removed first.
_PATTERNS = (
    "summary.json",
    "bbo.csv",
    "bbo.*.csv",
    "decisions.parquet",
    "views.parquet",
    "report.html",
    "price*.png",
    "imbalance*.png",
    "validity*.png",
    "latency.png",
)


def remove_old(folder: Path) -> None:
    """Make the folder, and remove what an older replay left in it.

    Raises
    ------
    ReplayError
        It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in _PATTERNS:
            for path in folder.glob(pattern):
                path.unlink()
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ReplayError(
            f"--out {folder}: expected a folder to write, was {error.strerror}"
        ) from None


def bbo_names(tables: Tables) -> dict[int, str]:
    """File name of each symbol's quotes: ``bbo.csv`` where there is one symbol."""
    if len(tables.feeds) == 1:
        return {symbol: "bbo.csv" for symbol in tables.feeds}
    return {symbol: f"bbo.{feed.instrument.name}.csv" for symbol, feed in tables.feeds.items()}


def write_bbo(tables: Tables, folder: Path) -> list[Path]:
    """Write the quotes of every event after which the board's best bid and offer were valid.

    Returns
    -------
    list of pathlib.Path
        The files, one a symbol; one without rows where there is no symbol.
    """
    rows_by_name = {
        name: _bbo_rows(tables, symbol) for symbol, name in bbo_names(tables).items()
    } or {"bbo.csv": []}
    paths = []
    for name, rows in rows_by_name.items():
        path = folder / name
        path.write_text("\n".join([BBO_HEADER, *rows, ""]))
        paths.append(path)
    return paths


def _bbo_rows(tables: Tables, symbol: int) -> list[str]:
    feed = tables.feeds[symbol]
    assert feed.price_scale is not None and feed.qty_scale is not None
    rows = tables.views[tables.bbo_valid & (tables.views["symbol"] == symbol)]
    columns = (
        map(str, rows["update_id"].tolist()),
        texts(rows["bid_price_ticks"], feed.price_scale),
        texts(rows["bid_qty_lots"], feed.qty_scale),
        texts(rows["ask_price_ticks"], feed.price_scale),
        texts(rows["ask_qty_lots"], feed.qty_scale),
    )
    return [",".join(row) for row in zip(*columns, strict=True)]


def write_parquet(tables: Tables, folder: Path) -> list[Path]:
    """Write ``decisions.parquet`` and ``views.parquet``.

    Returns
    -------
    list of pathlib.Path
        The files; none where pyarrow is not installed.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        return []
    paths = []
    for name, columns in (("decisions", _decisions(tables)), ("views", _views(tables))):
        path = folder / f"{name}.parquet"
        text_type = arrow.string()
        data = {
            column: arrow.array(values, type=text_type)
            if values.dtype == object
            else arrow.array(np.ascontiguousarray(values))
            for column, values in columns.items()
        }
        parquet.write_table(arrow.table(data), path, compression="zstd")
        paths.append(path)
    return paths


def _decisions(tables: Tables) -> dict[str, npt.NDArray[Any]]:
    rows = tables.decisions
    rules = np.array([rule_name(number) for number in range(256)], dtype=object)
    verdicts, where = np.unique(rows["verdict"], return_inverse=True)
    verdict_texts = np.array(
        [" ".join(reason_names(verdict)) for verdict in verdicts.tolist()], dtype=object
    )
    columns: dict[str, npt.NDArray[Any]] = {
        "time_us": tables.decision_time_us,
        "symbol": tables.names(rows["symbol"]),
        "side": np.where(tables.sells, "sell", "buy").astype(object),
        "price": _exchange(tables, rows, "price_ticks"),
        "qty": _exchange(tables, rows, "qty_lots"),
        "accepted": tables.accepted,
        "first_reason_name": first_reason_names(rows),
        "verdict_names": verdict_texts[where.reshape(-1)] if len(rows) else verdict_texts,
        "rule_name": rules[rows["rule"]],
    }
    for name in rows.dtype.names or ():
        columns["symbol_number" if name == "symbol" else name] = rows[name]
    return columns


def _views(tables: Tables) -> dict[str, npt.NDArray[Any]]:
    rows = tables.views
    columns: dict[str, npt.NDArray[Any]] = {
        "update_id": rows["update_id"],
        "time_us": tables.view_time_us,
        "symbol": tables.names(rows["symbol"]),
        "reasons": rows["reasons"],
        "bbo_valid": tables.bbo_valid,
        "valid": tables.valid,
    }
    for name in rows.dtype.names or ():
        if name.startswith(("bid_", "ask_")) or name in ("levels_n", "age_us", "seq"):
            columns[name] = rows[name]
    return columns


def _exchange(tables: Tables, rows: npt.NDArray[Any], column: str) -> npt.NDArray[Any]:
    """A column of prices or quantities as decimal strings of each row's own symbol."""
    found = np.full(len(rows), "", dtype=object)
    for symbol, feed in tables.feeds.items():
        scale = feed.price_scale if column.endswith("_ticks") else feed.qty_scale
        mine = rows["symbol"] == symbol
        if scale is not None and mine.any():
            found[mine] = texts(rows[column][mine], scale)
    return found


def rule_name(number: int) -> str:
    """Names of what fired, the parts of a bitmap with + between them."""
    if number & Rule.EXIT:
        names = ["EXIT", *(cause.name or "" for cause in ExitCause if number & cause)]
    else:
        names = [rule.name or "" for rule in Rule if rule and number & rule]
    return "+".join(names) if names else str(number)
