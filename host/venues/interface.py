# SPDX-License-Identifier: Apache-2.0
"""What the driver asks of an exchange, and the four ways in which a request can end.

A request is answered, or ends in one of three errors. The difference between them is what keeps
an order from being sent twice: after `Refused` and `Busy` the venue has not taken it, after
`Unknown` it may have, and only a question by its client id tells.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

__all__ = [
    "Balance",
    "Busy",
    "Fill",
    "OrderReport",
    "OrderRequest",
    "Position",
    "Refused",
    "Status",
    "StreamLost",
    "Unknown",
    "Venue",
    "VenueFault",
]


class VenueFault(Exception):
    """A request that was not answered with what was asked for."""


class Refused(VenueFault):
    """The venue has refused; nothing has changed there.

    Attributes
    ----------
    code : str
        The venue's code, empty where it has none.
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Busy(VenueFault):
    """The venue takes no requests now; this one was not handled.

    Attributes
    ----------
    retry_after_s : float
        Seconds to wait.
    """

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unknown(VenueFault):
    """Nobody knows whether the venue has handled the request."""


class StreamLost(VenueFault):
    """A stream has ended or is silent; what it said since may be missing."""


class Status(str, Enum):
    """State of an order at the venue."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self is not Status.OPEN


@dataclass(frozen=True)
class OrderRequest:
    """An order as it is to be placed.

    Attributes
    ----------
    client_id : str
        Our name of it, unique among all sessions.
    symbol : str
        ccxt's unified symbol.
    side : str
        ``buy`` or ``sell``.
    qty, price, trigger : Decimal, Decimal or None, Decimal or None
        On the venue's grid; no price: a market order; with a trigger: a stop.
    tif : str
        GTC, IOC, FOK or GTX (post only).
    reduce_only : bool
        It may only make a position smaller; not on spot.
    """

    client_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal | None = None
    tif: str = "GTC"
    reduce_only: bool = False
    trigger: Decimal | None = None

    def __post_init__(self) -> None:
        if self.side not in ("buy", "sell"):
            raise ValueError(f"side: expected buy or sell, was {self.side!r}")
        if self.tif not in ("GTC", "IOC", "FOK", "GTX"):
            raise ValueError(f"tif: expected GTC, IOC, FOK or GTX, was {self.tif!r}")
        if self.qty <= 0:
            raise ValueError(f"qty: expected more than 0, was {self.qty}")
        if self.price is not None and self.price <= 0:
            raise ValueError(f"price: expected more than 0, was {self.price}")


@dataclass(frozen=True)
class OrderReport:
    """State of an order as the venue tells it.

    Attributes
    ----------
    filled : Decimal
        Quantity filled so far.
    cost : Decimal
        Price x quantity of the fills.
    """

    client_id: str
    venue_id: str
    symbol: str
    side: str
    status: Status
    qty: Decimal
    filled: Decimal
    cost: Decimal
    time_ms: int


@dataclass(frozen=True)
class Fill:
    """One execution as the venue tells it."""

    trade_id: str
    venue_id: str
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time_ms: int


@dataclass(frozen=True)
class Position:
    """A position; `qty` is below 0 for a short one."""

    symbol: str
    qty: Decimal
    entry: Decimal | None


@dataclass(frozen=True)
class Balance:
    """Amounts of an asset."""

    asset: str
    free: Decimal
    used: Decimal


class Venue(Protocol):
    """An exchange."""

    async def start(self) -> None:
        """Read symbols, clock and what the keys may do. Raises `VenueFault`."""

    async def close(self) -> None:
        """Close all connections."""

    async def create(self, request: OrderRequest) -> OrderReport:
        """Place an order, once. Raises `Refused`, `Busy` or `Unknown`."""

    def begin(self, request: OrderRequest) -> Awaitable[OrderReport]:
        """As `create`, but what can be sent at once is sent before this returns."""

    async def query(self, request: OrderRequest) -> OrderReport | None:
        """The order with the client id; None where the venue says that there is none."""

    async def cancel(self, request: OrderRequest) -> OrderReport | None:
        """Cancel by client id; None where the venue knows no such open order."""

    async def cancel_all(self, symbol: str, stops: bool = True) -> None:
        """Cancel all orders of a symbol, with or without stops that wait."""

    async def open_orders(self, symbol: str, stops: bool = True) -> list[OrderReport]:
        """All open orders of a symbol, those of others as well, with or without stops."""

    async def orders_since(self, symbol: str, since_ms: int) -> list[OrderReport]:
        """All orders of a symbol since a time, ended ones included."""

    async def positions(self, symbols: list[str]) -> list[Position]:
        """Positions that are not 0; of spot, what there is of the base asset."""

    async def balances(self) -> list[Balance]:
        """Balances that are not 0."""

    async def fills(self, symbol: str, since_ms: int) -> list[Fill]:
        """All fills of a symbol since a time, oldest first."""

    async def watch_orders(self, symbol: str | None) -> list[OrderReport]:
        """Wait for the next reports of the user stream, of all symbols without one.

        Raises `StreamLost`.
        """

    async def clock_offset_ms(self) -> int:
        """The venue's clock less ours."""
