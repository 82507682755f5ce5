# SPDX-License-Identifier: Apache-2.0
"""Rules by which a venue numbers its depth updates."""

from __future__ import annotations

from typing import Protocol

__all__ = ["BinanceIds", "ContiguousIds", "LinkedIds", "Numbered", "RisingIds", "SequenceRule"]


class Numbered(Protocol):
    """The ids of an update, raw or in ticks and lots."""

    @property
    def first_id(self) -> int:
        """Id of its first change."""

    @property
    def last_id(self) -> int:
        """Id of its last change."""

    @property
    def prev_id(self) -> int | None:
        """`last_id` of the update before, None where the venue does not say."""


class SequenceRule(Protocol):
    """What the ids of an update say about a snapshot or update before it."""

    def is_before(self, event: Numbered, snapshot_id: int) -> bool:
        """Whether a snapshot contains all of an event."""

    def follows(self, event: Numbered, snapshot_id: int) -> bool:
        """Whether an event can be the first one after a snapshot."""

    def continues(self, event: Numbered, last_id: int) -> bool:
        """Whether no event is missing between the one that ended with `last_id` and this one."""


class ContiguousIds:
    """Every change has the id after the last one."""

    def is_before(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        return event.last_id <= snapshot_id

    def follows(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        return event.first_id <= snapshot_id + 1 <= event.last_id

    def continues(self, event: Numbered, last_id: int) -> bool:
        """See `SequenceRule`."""
        return event.first_id == last_id + 1


class BinanceIds:
    """Contiguous ids on spot; on futures, where other symbols use ids as well, linked ones.

    An event follows a snapshot with id L if it covers the first change after L: with `prev_id`
    (futures) it does from ``prev_id <= L <= last_id``, without (spot) from
    ``first_id <= L + 1 <= last_id``. The venue words the first rule ``U <= L <= u``, which is the
    same but for an L that lies between two events; no change of the symbol lies there.
    """

    def is_before(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        if event.prev_id is None:
            return event.last_id <= snapshot_id
        return event.last_id < snapshot_id

    def follows(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        if event.prev_id is None:
            return event.first_id <= snapshot_id + 1 <= event.last_id
        return event.prev_id <= snapshot_id <= event.last_id

    def continues(self, event: Numbered, last_id: int) -> bool:
        """See `SequenceRule`."""
        if event.prev_id is None:
            return event.first_id == last_id + 1
        return event.prev_id == last_id


class RisingIds:
    """Ids of one symbol only rise; that none is missing must be known from elsewhere.

    Parameters
    ----------
    repeat : bool
        Neighbours may have the same id, such as a time.
    """

    def __init__(self, repeat: bool = False) -> None:
        self._least = 0 if repeat else 1

    def is_before(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        return event.last_id < snapshot_id + self._least

    def follows(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        return event.first_id >= snapshot_id + self._least

    def continues(self, event: Numbered, last_id: int) -> bool:
        """See `SequenceRule`."""
        return event.first_id >= last_id + self._least


class LinkedIds:
    """Every update names the one before it, a snapshot as well; without a name, ids rise.

    The id of a named update may be lower than the one before: the venue begins to count anew.
    """

    def __init__(self) -> None:
        self._unnamed = RisingIds(repeat=True)

    def is_before(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        return event.prev_id is None and self._unnamed.is_before(event, snapshot_id)

    def follows(self, event: Numbered, snapshot_id: int) -> bool:
        """See `SequenceRule`."""
        return self.continues(event, snapshot_id)

    def continues(self, event: Numbered, last_id: int) -> bool:
        """See `SequenceRule`."""
        if event.prev_id is None:
            return self._unnamed.continues(event, last_id)
        return event.prev_id == last_id
