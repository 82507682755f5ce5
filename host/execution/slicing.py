# SPDX-License-Identifier: Apache-2.0
"""Large orders in small parts: iceberg and TWAP, exact in lots.

A plan only says how much is due; `Sliced` keeps the sum of what is filled and what may still be
filled at or below the whole, whatever the venue answers and in which order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Iceberg", "Sliced", "Twap"]


@dataclass(frozen=True)
class Iceberg:
    """One part after the other, each as large as `shown_lots`.

    Parameters
    ----------
    qty_lots : int
        The whole.
    shown_lots : int
        Largest part.
    """

    qty_lots: int
    shown_lots: int

    def __post_init__(self) -> None:
        if not 1 <= self.shown_lots <= self.qty_lots:
            raise ValueError(f"shown: expected 1 to {self.qty_lots} lots, was {self.shown_lots}")

    def due_lots(self, now_ms: int, filled_lots: int, working_lots: int) -> int:
        """Quantity of the next part, 0 while one is working."""
        if working_lots:
            return 0
        return min(self.shown_lots, self.qty_lots - filled_lots)


@dataclass(frozen=True)
class Twap:
    """Equal parts at equal distances in time; parts differ by one lot at most.

    What an earlier part did not get is made up for by later ones: at each time the sum of all
    parts so far is due.

    Parameters
    ----------
    qty_lots : int
        The whole.
    parts : int
        How many.
    start_ms, duration_ms : int
        Time of the first part, and from it to the end of the last.
    """

    qty_lots: int
    parts: int
    start_ms: int
    duration_ms: int

    def __post_init__(self) -> None:
        if not 1 <= self.parts <= self.qty_lots:
            raise ValueError(f"parts: expected 1 to {self.qty_lots}, was {self.parts}")
        if self.duration_ms < self.parts:
            raise ValueError(f"duration: expected at least {self.parts} ms, was {self.duration_ms}")

    def planned_lots(self, now_ms: int) -> int:
        """Sum of the parts that have begun."""
        if now_ms < self.start_ms:
            return 0
        begun = min(self.parts, (now_ms - self.start_ms) * self.parts // self.duration_ms + 1)
        return self.qty_lots * begun // self.parts

    def due_lots(self, now_ms: int, filled_lots: int, working_lots: int) -> int:
        """Quantity that is behind the plan."""
        return max(0, self.planned_lots(now_ms) - filled_lots - working_lots)


@dataclass
class Sliced:
    """A large order under way.

    Parameters
    ----------
    plan : Iceberg or Twap
        When how much is due.
    most_lots : int
        Largest part, what makes up for earlier ones included; 0: no bound.

    Attributes
    ----------
    filled_lots : int
        Filled by all parts together.
    """

    plan: Iceberg | Twap
    most_lots: int = 0
    filled_lots: int = 0
    _working: dict[int, int] = field(default_factory=dict)
    _next: int = 0

    @property
    def working_lots(self) -> int:
        """What parts under way may still fill; one whose state is not known counts in full."""
        return sum(self._working.values())

    @property
    def done(self) -> bool:
        """Whether all of it is filled."""
        return self.filled_lots == self.plan.qty_lots

    def next_part(self, now_ms: int) -> tuple[int, int] | None:
        """Number and quantity of a part to be sent now, None for none; it counts as working."""
        lots = self.plan.due_lots(now_ms, self.filled_lots, self.working_lots)
        lots = min(lots, self.plan.qty_lots - self.filled_lots - self.working_lots)
        if lots <= 0:
            return None
        lots = min(lots, self.most_lots or lots)
        number, self._next = self._next, self._next + 1
        self._working[number] = lots
        return number, lots

    def filled(self, part: int, lots: int) -> None:
        """A part was filled by some lots.

        Raises
        ------
        ValueError
            That is more than the part has left.
        """
        left = self._working.get(part, 0)
        if not 0 <= lots <= left:
            raise ValueError(f"part {part}: expected a fill of at most {left} lots, was {lots}")
        self._working[part] = left - lots
        self.filled_lots += lots
        if not self._working[part]:
            del self._working[part]

    def ended(self, part: int) -> None:
        """A part is over; what it did not get is due again."""
        self._working.pop(part, None)
