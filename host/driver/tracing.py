# SPDX-License-Identifier: Apache-2.0
"""An order's whole way by its id: the frame, the decision, the journal, the fills."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from host.driver.trail import read_lines
from host.settings import SettingError

__all__ = ["follow"]


def follow(folder: Path, name: str) -> dict[str, Any]:
    """Everything that is known of an order.

    Parameters
    ----------
    folder : Path
        The session's folder; a running session is not disturbed.
    name : str
        Client id.

    Returns
    -------
    dict
        ``decision`` (None for an order of the host's own), ``order``, ``events``, ``fills``, and
        ``lines`` that say it in words.

    Raises
    ------
    SettingError
        The journal has no such order, or cannot be read.
    """
    decision = next((entry for entry in read_lines(folder) if entry.get("id") == name), None)
    order, events, fills = _journal(folder / "journal.db", name)
    if order is None and decision is None:
        raise SettingError(f"{folder}: expected the client id of an order, was {name!r}")
    lines = []
    if decision is not None:
        lines += _decided(decision)
    if order is not None:
        lines.append(
            f"order     {name}: {order['state']}, filled {order['filled']} of {order['qty']}, "
            f"id {order['venue_id'] or 'none'} at the venue"
        )
    lines += [f"{_time(event['time_ms'])}  {event['kind']} {event['detail']}" for event in events]
    lines += [
        f"{_time(fill['time_ms'])}  fill {fill['trade_id']}: {fill['qty']} at {fill['price']}, "
        f"fee {fill['fee']} {fill['fee_asset']}"
        for fill in fills
    ]
    return {"decision": decision, "order": order, "events": events, "fills": fills, "lines": lines}


def _decided(found: dict[str, Any]) -> list[str]:
    frame = str(found["frame"])
    order = f"{found['side']} {found['qty']} {found['symbol']} at {found['price']} {found['tif']}"
    passage = (
        f"normaliser {found['normalise_us']} us, link {found['link_us']} us, "
        f"order {found['order_us']} us"
    )
    return [
        f"frame     {len(frame)} bytes: {frame[:160]}{'...' if len(frame) > 160 else ''}",
        f"decision  number {found['decision']}, slot {found['slot']}: {order}",
        f"book      of update {found['update_id']}",
        f"passage   {passage}",
    ]


def _journal(
    path: Path, name: str
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], list[dict[str, Any]]]:
    if not path.is_file():
        raise SettingError(f"{path}: expected a journal, was none")
    found: list[list[dict[str, Any]]] = []
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)
        db.row_factory = sqlite3.Row
        for sql in (
            "SELECT * FROM orders WHERE client_id = ?",
            "SELECT time_ms, kind, detail FROM events WHERE client_id = ? ORDER BY number",
            "SELECT * FROM fills WHERE client_id = ? ORDER BY time_ms",
        ):
            found.append([dict(row) for row in db.execute(sql, (name,))])
        db.close()
    except sqlite3.Error as error:
        raise SettingError(f"{path}: expected a journal nobody has open, was {error}") from None
    return (found[0][0] if found[0] else None), found[1], found[2]


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, timezone.utc):%H:%M:%S.%f}"[:-3]
