# SPDX-License-Identifier: Apache-2.0
"""Seeded book events one behind another: few records each, so that the strategy has most to do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, InFlag, InKind

__all__ = ["random_events"]

_NEAR = 7  # prices of a side that levels stand at
_SIDE = int(InFlag.SIDE)


def random_events(
    rng: random.Random, count: int, symbols: int, qty_bits: int, now_us: int
) -> npt.NDArray[Any]:
    """Records of so many events, beginning with a whole book of every symbol.

    Parameters
    ----------
    rng : random.Random
        Where chance comes from.
    count : int
        Book events.
    symbols, qty_bits : int
        Build parameters.
    now_us : int
        Stream time they begin at.

    Returns
    -------
    ndarray of IN_DTYPE
        Every event has one or two updates; trades, fills, cancels and statements of positions
        stand among them.
    """
    records: list[tuple[int, int, int, int, int, int]] = []
    most = (1 << qty_bits) - 1

    def qty() -> int:
        return rng.choice((1, 2, rng.randint(1, min(most, 400)), rng.randint(1, most)))

    def price(symbol: int, side: int) -> int:
        home, away = 1000 * (symbol + 1), rng.randrange(_NEAR)
        return home + 1 + away if side else home - away

    def add(kind: InKind, flags: int, symbol: int, price_ticks: int = 0, value: int = 0) -> None:
        tag = rng.randrange(4) if kind in (InKind.FILL, InKind.CANCEL, InKind.REJECT) else 0
        records.append((int(kind), flags, symbol, tag, price_ticks, value))

    for symbol in range(symbols):
        for side in (0, _SIDE):
            add(InKind.REFILL_BEGIN, side, symbol)
            home, sign = 1000 * (symbol + 1), 1 if side else -1
            for away in range(_NEAR):
                at = home + bool(side) + sign * away
                add(InKind.LEVEL, side | int(InFlag.REFILL), symbol, at, qty())
            add(InKind.REFILL_END, side | int(InFlag.WHOLE), symbol)
    for update_id in range(count):
        symbol, side = rng.randrange(symbols), rng.choice((0, _SIDE))
        now_us += rng.choice((0, 1, 1, 7, 40, 900))
        chance = rng.random()
        if chance < 0.08:
            add(InKind.FILL, side, symbol, rng.choice((price(symbol, side), 0)), qty())
        elif chance < 0.1:
            add(rng.choice((InKind.CANCEL, InKind.REJECT)), side, symbol, 0, qty())
        elif chance < 0.12:
            stated = rng.choice((0, qty()))
            add(InKind.RECONCILE, side | int(InFlag.WHOLE), symbol, price(symbol, side), stated)
        add(InKind.EVENT_BEGIN, 0, symbol, 0, now_us)
        if rng.random() < 0.3:
            add(InKind.TRADE, side, symbol, price(symbol, side), qty())
        for _ in range(rng.choice((1, 1, 1, 2))):
            side = rng.choice((0, _SIDE))
            lots = rng.choice((0, qty(), qty(), qty(), qty()))
            add(InKind.LEVEL, side, symbol, price(symbol, side), lots)
        add(InKind.EVENT_END, int(InFlag.BOOK), symbol, 0, update_id)
    return np.array(records, IN_DTYPE)
