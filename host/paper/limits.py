# SPDX-License-Identifier: Apache-2.0
"""Request weights and order counts: headers, 429, and 418 for those who go on."""

from __future__ import annotations

from dataclasses import dataclass, field

from host.paper.errors import refusal
from host.paper.symbols import SPOT

__all__ = ["Limiter", "Limits"]

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_LONGEST_BAN_MS = 3 * _DAY_MS
_INTERVALS = {
    "10S": (10_000, "SECOND", 10),
    "1M": (_MINUTE_MS, "MINUTE", 1),
    "1D": (_DAY_MS, "DAY", 1),
}


@dataclass(frozen=True)
class Limits:
    """What a client may do.

    Attributes
    ----------
    weight : int
        Request weight a minute.
    orders : dict
        Orders by interval: ``10S``, ``1M`` or ``1D``.
    strikes : int
        Requests answered with 429 before a ban.
    ban_ms : int
        Length of the first ban; each further one is twice as long, up to three days.
    """

    weight: int
    orders: dict[str, int]
    strikes: int = 10
    ban_ms: int = 120_000

    @classmethod
    def of(cls, market: str) -> Limits:
        """The venue's own."""
        if market == SPOT:
            return cls(6000, {"10S": 100, "1D": 200_000})
        return cls(2400, {"10S": 300, "1M": 1200})

    def rate_limits(self) -> list[dict[str, object]]:
        """As exchangeInfo states them."""
        found: list[dict[str, object]] = [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self.weight,
            }
        ]
        for name, limit in self.orders.items():
            _, interval, number = _INTERVALS[name]
            found.append(
                {
                    "rateLimitType": "ORDERS",
                    "interval": interval,
                    "intervalNum": number,
                    "limit": limit,
                }
            )
        return found


@dataclass
class Limiter:
    """Counts of one client in fixed windows of the server's clock.

    Attributes
    ----------
    limits : Limits
        What is allowed.
    banned_until_ms : int
        End of the ban, 0 for none.
    """

    limits: Limits
    banned_until_ms: int = 0
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    _strikes: int = 0
    _bans: int = 0

    def request(self, weight: int, now_ms: int) -> None:
        """Count a request.

        Raises
        ------
        VenueError
            418 while banned, 429 above the limit.
        """
        if now_ms < self.banned_until_ms:
            rest_s = -(-(self.banned_until_ms - now_ms) // 1000)
            raise refusal("banned", retry_after_s=rest_s, until_ms=self.banned_until_ms)
        used = self._count("weight", _MINUTE_MS, now_ms, weight)
        if used <= self.limits.weight:
            self._strikes = 0
            return
        self._strikes += 1
        if self._strikes > self.limits.strikes:
            length_ms = min(self.limits.ban_ms << self._bans, _LONGEST_BAN_MS)
            self._bans += 1
            self._strikes = 0
            self.banned_until_ms = now_ms + length_ms
            raise refusal("banned", retry_after_s=length_ms // 1000, until_ms=self.banned_until_ms)
        rest_s = -(-(_MINUTE_MS - now_ms % _MINUTE_MS) // 1000)
        raise refusal("too_many", retry_after_s=rest_s, limit=self.limits.weight)

    def order(self, now_ms: int, number: int = 1) -> None:
        """Count orders.

        Raises
        ------
        VenueError
            -1015.
        """
        for name, limit in self.limits.orders.items():
            length_ms, interval, count = _INTERVALS[name]
            if self._count(name, length_ms, now_ms, number) > limit:
                rest_s = -(-(length_ms - now_ms % length_ms) // 1000)
                raise refusal(
                    "too_many_orders",
                    retry_after_s=rest_s,
                    limit=limit,
                    interval=f"{count} {interval}",
                )

    def used(self, now_ms: int) -> int:
        """Weight used in the running minute."""
        return self._count("weight", _MINUTE_MS, now_ms, 0)

    def headers(self, now_ms: int, order: bool) -> dict[str, str]:
        """Headers of an answer."""
        used = str(self._count("weight", _MINUTE_MS, now_ms, 0))
        found = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if order:
            for name in self.limits.orders:
                count = self._count(name, _INTERVALS[name][0], now_ms, 0)
                found[f"X-MBX-ORDER-COUNT-{name}"] = str(count)
        return found

    def _count(self, name: str, length_ms: int, now_ms: int, add: int) -> int:
        window = now_ms // length_ms
        old, count = self._counts.get(name, (window, 0))
        count = add if old != window else count + add
        self._counts[name] = (window, count)
        return count
