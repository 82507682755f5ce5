# SPDX-License-Identifier: Apache-2.0
"""Records per clock: how they are counted, and a stream that is hard on the fabric."""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from host.contract.records import IN_DTYPE, InFlag, InKind
from sim.board import Board
from sim.compare import Latency, latency

__all__ = ["KEPT_LEVELS", "Sustained", "mix_records", "sustained"]

#: Levels that an event of the mix leaves on a side; over 10, so that the view is still valid.
KEPT_LEVELS = 12

#: Records after a measured stream, more than the answers the fabric can hold back.
_TAIL_RECORDS = 256
_BID, _ASK = 0, 1
_HOME_TICKS = 1_000_000
#: Distance of a refill's best level from home; the inserts ahead of it must not cross.
_SPREAD_TICKS = 32
_INSERTS, _SAME, _SHORT_EVENTS = 8, 8, 16
#: Quantities that make the imbalance rule fire at each event.
_QTY_LOTS = (50, 5)

#: One record, fields in the order of `IN_DTYPE`.
Row = tuple[int, int, int, int, int, int]


class Sustained(NamedTuple):
    """Clocks in which the fabric took a stream that was offered without a pause.

    Attributes
    ----------
    on : str
        Which stream.
    records : int
        Records it took.
    updates : int
        Level updates among them.
    cycles : int
        Clock cycles from the first accept to the one that follows the last. What the pipeline
        takes to drain is left out.
    latency : sim.compare.Latency
        Of the decisions made meanwhile, cycles.
    """

    on: str
    records: int
    updates: int
    cycles: int
    latency: Latency

    @property
    def unbroken(self) -> bool:
        """A record was taken in every cycle, and every decision took as many cycles."""
        return self.records == self.cycles and self.latency.minimum == self.latency.maximum


def sustained(
    on: str, board: Board, records: npt.NDArray[Any], prepare: Callable[[], None]
) -> tuple[Sustained, npt.NDArray[np.uint8]]:
    """Count the cycles in which a board takes a stream, exactly.

    The same heartbeats are sent alone and after the stream. Both runs begin after a reset and end
    with the same drain, so that their difference is the stream's own cycles.

    Parameters
    ----------
    on : str
        Name of the stream.
    board : Board
        Without pauses on its streams.
    records : numpy.ndarray
        Shape (n,) of IN_DTYPE.
    prepare : callable
        Resets the board and writes its settings.

    Returns
    -------
    Sustained
    numpy.ndarray
        Shape (m, 64) of uint8: the answers.
    """
    tail = np.zeros(_TAIL_RECORDS, IN_DTYPE)
    tail["kind"] = InKind.HEARTBEAT
    alone, _ = _cycles(board, tail, prepare)
    whole, out = _cycles(board, np.concatenate([records, tail]), prepare)
    updates = int(np.count_nonzero(records["kind"] == InKind.LEVEL))
    return Sustained(on, len(records), updates, whole - alone, latency(out)), out


def _cycles(
    board: Board, records: npt.NDArray[Any], prepare: Callable[[], None]
) -> tuple[int, npt.NDArray[np.uint8]]:
    prepare()
    before = board.cycles
    out = board.transfer(records)
    return board.cycles - before, out


def mix_records(rounds: int, *, symbols: int = 16, levels: int = 32) -> npt.NDArray[Any]:
    """A stream in which records meet in the pipeline as badly as they can.

    In each round two symbols take turns:

    1. a refill, its sides alternating, worst level first: each goes to the front of its row;
    2. a long event, woven record by record with the refill of the other symbol;
    3. the same event of the other symbol, not woven;
    4. short events of both symbols by turns: one update each, then a decision and a view.

    A long event changes one price back to back, deletes and adds it back to back, adds ahead of
    the best of full sides so that each drops its worst, and deletes the best again and again,
    sides alternating. It leaves `KEPT_LEVELS` a side.

    Parameters
    ----------
    rounds : int
        Length of the stream.
    symbols, levels : int
        Build parameters.

    Returns
    -------
    numpy.ndarray
        Shape (n,) of IN_DTYPE.

    Raises
    ------
    ValueError
        Fewer than 2 symbols, or than `KEPT_LEVELS` levels.
    """
    for name, value, least in (("symbols", symbols, 2), ("levels", levels, KEPT_LEVELS)):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, was {value}")
    rows: list[Row] = []
    events = 0
    for number in range(rounds):
        one, other = (2 * number) % symbols, (2 * number + 1) % symbols
        rows += _refill(one, levels)
        woven = zip_longest(_event(one, levels, events), _refill(other, levels))
        rows += [row for pair in woven for row in pair if row is not None]
        rows += _event(other, levels, events + 1)
        rows += _short_events((one, other), levels, events + 2)
        events += 2 + _SHORT_EVENTS
    return np.array(rows, IN_DTYPE)


def _price(side: int, distance: int) -> int:
    """Price so many ticks behind the best level of a refill; below 0: ahead of it."""
    behind = _SPREAD_TICKS + distance
    return _HOME_TICKS + behind if side else _HOME_TICKS - behind


def _level(symbol: int, side: int, distance: int, qty: int, flags: int = 0) -> Row:
    return (int(InKind.LEVEL), side | flags, symbol, 0, _price(side, distance), qty)


def _frame(symbol: int, number: int, updates: Iterator[Row]) -> Iterator[Row]:
    """An event: updates between its begin, at a time of its own, and its end."""
    yield (int(InKind.EVENT_BEGIN), 0, symbol, 0, 0, 1_000_000 + number)
    yield from updates
    yield (int(InKind.EVENT_END), int(InFlag.BOOK), symbol, 0, 0, number)


def _refill(symbol: int, levels: int) -> Iterator[Row]:
    """A full snapshot of both sides, levels two ticks apart."""
    for side in (_BID, _ASK):
        yield (int(InKind.REFILL_BEGIN), side, symbol, 0, 0, 0)
    for level in reversed(range(levels)):
        for side in (_BID, _ASK):
            yield _level(symbol, side, 2 * level, _QTY_LOTS[side], int(InFlag.REFILL))
    for side in (_BID, _ASK):
        yield (int(InKind.REFILL_END), side, symbol, 0, _price(side, 2 * levels), 0)


def _event(symbol: int, levels: int, number: int) -> Iterator[Row]:
    return _frame(symbol, number, _long_updates(symbol, levels))


def _long_updates(symbol: int, levels: int) -> Iterator[Row]:
    for side in (_BID, _ASK):
        for turn in range(_SAME):
            yield _level(symbol, side, 0, _QTY_LOTS[side] + turn)
        for turn in range(_SAME):
            yield _level(symbol, side, 0, _QTY_LOTS[side] * (turn % 2))
    for turn in range(_INSERTS):
        for side in (_BID, _ASK):
            yield _level(symbol, side, -1 - turn, _QTY_LOTS[side])
    inserted = [-1 - turn for turn in reversed(range(_INSERTS))]
    held = [*inserted, *(2 * level for level in range(levels - _INSERTS))]
    for distance in held[: levels - KEPT_LEVELS]:
        for side in (_BID, _ASK):
            yield _level(symbol, side, distance, 0)


def _short_events(pair: tuple[int, int], levels: int, number: int) -> Iterator[Row]:
    """By turns on two symbols and both sides: change, delete, add and change the best."""
    best = 2 * (levels - _INSERTS - KEPT_LEVELS)
    for turn in range(_SHORT_EVENTS):
        side, step = turn >> 1 & 1, turn >> 2
        qty = 0 if step == 1 else _QTY_LOTS[side] + step
        update = _level(pair[turn & 1], side, best, qty)
        yield from _frame(pair[turn & 1], number + turn, iter([update]))
