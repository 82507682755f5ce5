# SPDX-License-Identifier: Apache-2.0
"""Orders as the paper venue keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from host.paper.symbols import SymbolSpec

__all__ = ["BUY", "OPEN", "SELL", "Fill", "NewOrder", "Order"]

BUY, SELL = 1, -1
#: States of an order that can still trade.
OPEN = ("NEW", "PARTIALLY_FILLED")
_ZERO = Decimal(0)


@dataclass(slots=True)
class NewOrder:
    """What a client asks for, in ticks and lots.

    Attributes
    ----------
    spec : SymbolSpec
        The symbol.
    side : int
        `BUY` or `SELL`.
    kind : str
        The venue's order type.
    qty_lots : int
        Quantity; 0 with `quote_qty` or `close_position`.
    price_ticks : int
        Limit; 0 for market orders.
    tif : str
        GTC, IOC, FOK, GTX or GTD.
    client_id : str
        Empty: the venue makes one.
    quote_qty : Decimal or None
        Amount to spend or to get, market orders of spot.
    stop_ticks : int
        Trigger price, 0 for none.
    callback_bp : int
        Distance of a trailing stop, basis points, 0 for none.
    mark_trigger : bool
        The trigger looks at the mark price, not at trades.
    reduce_only, close_position : bool
        As of the venue.
    position_side : str
        BOTH, LONG or SHORT.
    stp : str
        What becomes of orders that would trade with each other.
    good_till_ms : int
        End of a GTD order, 0 for none.
    """

    spec: SymbolSpec
    side: int
    kind: str
    qty_lots: int = 0
    price_ticks: int = 0
    tif: str = "GTC"
    client_id: str = ""
    quote_qty: Decimal | None = None
    stop_ticks: int = 0
    callback_bp: int = 0
    mark_trigger: bool = False
    reduce_only: bool = False
    close_position: bool = False
    position_side: str = "BOTH"
    stp: str = "EXPIRE_MAKER"
    good_till_ms: int = 0


@dataclass(slots=True)
class Fill:
    """One execution of an order of ours."""

    trade_id: int
    price_ticks: int
    qty_lots: int
    quote: Decimal
    maker: bool
    time_us: int
    commission: Decimal = _ZERO
    commission_asset: str = ""
    realized: Decimal = _ZERO


@dataclass(slots=True)
class Order:
    """An order the venue has taken.

    Attributes
    ----------
    asked : NewOrder
        What was asked for; price and quantity follow an amendment.
    status : str
        NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH or REJECTED.
    ahead_lots : int
        Quantity of others before it in the queue at its price.
    working : bool
        False while a trigger is awaited.
    reserved : Decimal
        Spot: what is locked for it, in the asset it gives.
    """

    order_id: int
    asked: NewOrder
    created_us: int
    status: str = "NEW"
    updated_us: int = 0
    filled_lots: int = 0
    quote: Decimal = _ZERO
    ahead_lots: int = 0
    working: bool = True
    reserved: Decimal = _ZERO
    extreme_ticks: int = 0
    activated: bool = False
    old_client_id: str = ""
    algo_id: int = 0
    fills: list[Fill] = field(default_factory=list)

    @property
    def spec(self) -> SymbolSpec:
        """The symbol."""
        return self.asked.spec

    @property
    def side(self) -> int:
        """`BUY` or `SELL`."""
        return self.asked.side

    @property
    def remaining_lots(self) -> int:
        """Quantity not filled."""
        return self.asked.qty_lots - self.filled_lots

    @property
    def open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    @property
    def average(self) -> Decimal:
        """Average price of what is filled, 0 for nothing."""
        if not self.filled_lots:
            return _ZERO
        return self.quote / (self.filled_lots * self.spec.lot)
