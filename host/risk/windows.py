# SPDX-License-Identifier: Apache-2.0
"""Times of a day, UTC: windows in which nothing is entered, and where a day begins."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["DayClock", "NoTrade", "minute_of"]

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000


def minute_of(text: str) -> int:
    """Minute of the day of ``HH:MM``."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class NoTrade:
    """Windows such as ``07:55-08:05``; one that ends before it begins spans midnight."""

    def __init__(self, windows: Sequence[str]) -> None:
        self._windows = [
            (minute_of(begin), minute_of(end))
            for begin, end in (window.split("-") for window in windows)
        ]

    def closed(self, now_ms: int) -> bool:
        """Whether nothing may be entered at a time; a window's end is not in it."""
        minute = now_ms % _DAY_MS // _MINUTE_MS
        for begin, end in self._windows:
            inside = begin <= minute < end if begin < end else minute >= begin or minute < end
            if inside and begin != end:
                return True
        return False


class DayClock:
    """Says once when a new day has begun.

    Parameters
    ----------
    start : str
        ``HH:MM`` at which it begins.
    now_ms : int
        The time, which is in the first day.
    """

    def __init__(self, start: str, now_ms: int) -> None:
        self._offset_ms = minute_of(start) * _MINUTE_MS
        self._day = self._day_of(now_ms)

    def turned(self, now_ms: int) -> bool:
        """Whether a new day has begun since the last call; a clock that goes back says no."""
        day = self._day_of(now_ms)
        if day <= self._day:
            return False
        self._day = day
        return True

    def _day_of(self, now_ms: int) -> int:
        return (now_ms - self._offset_ms) // _DAY_MS
