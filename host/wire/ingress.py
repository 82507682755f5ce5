# SPDX-License-Identifier: Apache-2.0
"""The records that the board makes of a stream of beats, in software.

What the fabric's ingress and decoder of frames do, by the independent reader of frames
(`host.wire.sbe_decode`) and plain whole numbers; nothing of the way from messages to frames is
used. A replay gives the result to the reference model, so that a frame that says anything else
than the host's own records would show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, InFlag, InKind, Protocol
from host.wire.framing import Carried, FramingError, split
from host.wire.sbe_decode import SbeFrame, decode

__all__ = ["Steps", "expand", "frame_counts"]

_DEPTH_DIFF, _TRADES, _BEST_BID_ASK = 10003, 10000, 10001
_TAKEN = {10000: "sbe_trades", 10001: "sbe_tickers", 10002: "sbe_snapshots", 10003: "sbe_diffs"}
_SIDES = ("bids", "asks")
_Record = tuple[int, int, int, int, int, int]


class Steps(NamedTuple):
    """Tick and lot of a symbol."""

    tick: Decimal
    lot: Decimal


def expand(beats: npt.NDArray[Any], steps: Mapping[int, Steps]) -> npt.NDArray[Any]:
    """Turn beats into the records the book is fed with.

    Parameters
    ----------
    beats : array of IN_DTYPE, shape (n,)
        Beats in order, each frame whole.
    steps : mapping
        By symbol number.

    Returns
    -------
    array of IN_DTYPE, shape (m,)
        The same stream without frames, and without the update ids that begin a book.

    Raises
    ------
    FramingError
        As of `host.wire.framing.split`; a frame of another protocol than SBE, of a symbol
        without steps, with a number off its grid, or held where it has no EVENT_END to leave out.
    SbeError
        A frame cannot be read.
    """
    parts: list[npt.NDArray[Any]] = [np.empty(0, IN_DTYPE)]
    for part in split(beats):
        if isinstance(part, Carried):
            parts.append(np.array(_records(part, steps), IN_DTYPE))
        else:
            parts.append(part[part["kind"] != InKind.FRAME])
    return np.concatenate(parts)


def frame_counts(beats: npt.NDArray[Any]) -> Counter[str]:
    """What the board's counters of frames have to say of beats whose frames it takes.

    Parameters
    ----------
    beats : array of IN_DTYPE, shape (n,)
        Beats in order, each frame whole.

    Returns
    -------
    Counter
        By names of the register table; those of refusals are 0 and left out.

    Raises
    ------
    FramingError, SbeError
        As of `expand`.
    """
    counts: Counter[str] = Counter()
    for part in split(beats):
        if not isinstance(part, Carried):
            counts["sbe_starts"] += int(np.count_nonzero(part["kind"] == InKind.FRAME))
            continue
        frame = decode(part.payload)
        counts.update(("frames", "sbe_messages", _TAKEN[frame.template]))
        counts["sbe_levels"] += sum(map(len, (frame.groups.get(name, ()) for name in _SIDES)))
    return counts


def _records(carried: Carried, steps: Mapping[int, Steps]) -> list[_Record]:
    if carried.protocol is not Protocol.SBE:
        raise FramingError(f"frame: expected SBE, was {carried.protocol.name}")
    if carried.symbol not in steps:
        raise FramingError(f"frame: expected a symbol with tick and lot, was {carried.symbol}")
    frame, step = decode(carried.payload), steps[carried.symbol]
    prices = _Grid("price", frame.fields["priceExponent"], step.tick)
    qtys = _Grid("quantity", frame.fields["qtyExponent"], step.lot)
    if frame.template == _DEPTH_DIFF:
        return _depth(frame, carried, prices, qtys)
    if carried.hold or frame.template not in (_TRADES, _BEST_BID_ASK):
        raise FramingError(f"frame: expected a depth update, was template {frame.template}")
    symbol, time_us = carried.symbol, frame.fields.get("transactTime", 0)
    records: list[_Record] = []
    for trade_id, price, qty, seller in frame.groups.get("trades", ()):
        side = int(InFlag.SIDE) if seller else 0
        records.append((InKind.EVENT_BEGIN, 0, symbol, 0, 0, time_us))
        records.append((InKind.TRADE, side, symbol, 0, prices.units(price), qtys.units(qty)))
        records.append((InKind.EVENT_END, 0, symbol, 0, 0, trade_id))
    return records


def _depth(frame: SbeFrame, carried: Carried, prices: _Grid, qtys: _Grid) -> list[_Record]:
    symbol = carried.symbol
    records: list[_Record] = [
        (InKind.EVENT_BEGIN, 0, symbol, 0, 0, frame.fields["eventTime"]),
    ]
    for flags, name in ((0, "bids"), (int(InFlag.SIDE), "asks")):
        for price, qty in frame.groups[name]:
            level = (InKind.LEVEL, flags, symbol, 0, prices.units(price), qtys.units(qty))
            records.append(level)
    if not carried.hold:
        last = frame.fields["lastBookUpdateId"]
        records.append((InKind.EVENT_END, int(InFlag.BOOK), symbol, 0, 0, last))
    return records


class _Grid:
    """Mantissas of one exponent as multiples of a step."""

    def __init__(self, name: str, exponent: int, step: Decimal) -> None:
        self._name, self._step = name, step
        ratio = Fraction(10) ** exponent / Fraction(step)
        self._times, self._over = ratio.numerator, ratio.denominator

    def units(self, mantissa: int) -> int:
        units, rest = divmod(mantissa * self._times, self._over)
        if rest or units < 0:
            raise FramingError(
                f"{self._name}: expected a multiple of {self._step}, was mantissa {mantissa}"
            )
        return units
