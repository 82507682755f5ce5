# SPDX-License-Identifier: Apache-2.0
"""A budget of request weight that stays below the venue's, read from the venue's own headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["WeightBudget"]

_MINUTE_MS = 60_000


class WeightBudget:
    """Weight used in the running minute, as the venue says and as we count.

    Whichever of the two is larger holds: the header also knows what others have used from this
    address, our count knows what is on its way. A request that reduces risk may use the whole of
    the budget, any other only a share of it.

    Parameters
    ----------
    limit : int
        Weight a minute the venue allows.
    now_ms : callable
        Our clock.
    share : float
        Part of the limit that is ours; the rest is never touched.
    spare : float
        Part of ours kept for requests that reduce risk.

    Attributes
    ----------
    refused : int
        Requests that were not sent for lack of weight.
    """

    def __init__(
        self, limit: int, now_ms: Callable[[], int], share: float = 0.8, spare: float = 0.25
    ) -> None:
        if limit < 1 or not 0 < share <= 1 or not 0 <= spare < 1:
            raise ValueError(
                f"expected a limit above 0 and shares of 0 to 1, was {limit}, {share}, {spare}"
            )
        self._now_ms = now_ms
        self._ours = int(limit * share)
        self._normal = int(self._ours * (1 - spare))
        self._window = -1
        self._used = 0
        self._blocked_until_ms = 0
        self.refused = 0

    @property
    def used(self) -> int:
        """Weight used in the running minute."""
        self._roll()
        return self._used

    def wait_ms(self, weight: int, reduces_risk: bool = False) -> int:
        """Milliseconds until a request may be sent, 0: now, and it is counted.

        A request that has to wait is counted in `refused`.
        """
        self._roll()
        now_ms = self._now_ms()
        if now_ms < self._blocked_until_ms:
            self.refused += 1
            return self._blocked_until_ms - now_ms
        if self._used + weight > (self._ours if reduces_risk else self._normal):
            self.refused += 1
            return _MINUTE_MS - now_ms % _MINUTE_MS
        self._used += weight
        return 0

    def heard(self, headers: Mapping[str, str] | None) -> None:
        """Take the headers of an answer."""
        for name, value in (headers or {}).items():
            if name.lower() == "x-mbx-used-weight-1m" and value.isdigit():
                self._roll()
                self._used = max(self._used, int(value))

    def block(self, seconds: float) -> None:
        """Send nothing for some time: the venue has said so."""
        until_ms = self._now_ms() + int(seconds * 1000)
        self._blocked_until_ms = max(self._blocked_until_ms, until_ms)

    def _roll(self) -> None:
        window = self._now_ms() // _MINUTE_MS
        if window != self._window:
            self._window, self._used = window, 0
