# SPDX-License-Identifier: Apache-2.0
"""One request, REST or WebSocket: its parameters and who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from host.paper.auth import ApiKey
from host.paper.errors import refusal

__all__ = ["KEY", "NONE", "SIGNED", "TRADE", "Call", "Endpoint", "Table"]

#: What a request has to bring: nothing, a key, a signature, a signature of a key that may trade.
NONE, KEY, SIGNED, TRADE = "NONE", "KEY", "SIGNED", "TRADE"


@dataclass
class Call:
    """A request whose signature has been checked.

    Attributes
    ----------
    params : mapping
        Parameters by name, decoded.
    now_ms : int
        The server's clock.
    key : ApiKey or None
        Who asks.
    """

    params: Mapping[str, str]
    now_ms: int
    key: ApiKey | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def maybe(self, name: str) -> str | None:
        """A parameter, None where it was not sent or is empty."""
        return self.params.get(name) or None

    def text(self, name: str) -> str:
        """A parameter that must be there.

        Raises
        ------
        VenueError
            -1102.
        """
        found = self.maybe(name)
        if found is None:
            raise refusal("missing", name=name)
        return found

    def whole(self, name: str, otherwise: int | None = None) -> int | None:
        """A whole number.

        Raises
        ------
        VenueError
            -1100.
        """
        found = self.maybe(name)
        if found is None:
            return otherwise
        if not found.isdigit() or not found.isascii() or len(found) > 20:
            raise refusal("illegal", name=name, rule="^[0-9]{1,20}$")
        return int(found)

    def flag(self, name: str) -> bool:
        """`true` or `false`, false where it was not sent.

        Raises
        ------
        VenueError
            -1130.
        """
        found = (self.maybe(name) or "false").lower()
        if found not in ("true", "false"):
            raise refusal("parameter", name=name)
        return found == "true"

    def decimal(self, name: str) -> Decimal | None:
        """A decimal number above 0.

        Raises
        ------
        VenueError
            -1100.
        """
        found = self.maybe(name)
        if found is None:
            return None
        try:
            value = Decimal(found)
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or value <= 0:
            raise refusal("illegal", name=name, rule="^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        return value

    def one_of(self, name: str, choices: tuple[str, ...], otherwise: str | None, error: str) -> str:
        """One of some words.

        Raises
        ------
        VenueError
            -1102, or what `error` names.
        """
        found = self.maybe(name)
        if found is None:
            if otherwise is None:
                raise refusal("missing", name=name)
            return otherwise
        if found not in choices:
            raise refusal(error)
        return found


class Endpoint(NamedTuple):
    """What answers a request."""

    answer: Callable[[Call], object]
    weight: int | Callable[[Call], int] = 1
    security: str = NONE
    #: orders it counts as
    orders: int = 0
    #: it reaches the matching engine, after the latency of an order
    engine: bool = False


#: Endpoints by method and path.
Table = dict[tuple[str, str], Endpoint]
