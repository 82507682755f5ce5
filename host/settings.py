# SPDX-License-Identifier: Apache-2.0
"""Settings of a replay, and the register values they become."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from host.contract.records import Mode
from host.contract.registers import REGISTERS
from host.feeds.scale import Scale, ScaleError

__all__ = ["DEFAULT_ORDER_LOTS", "ReplaySettings", "SettingError", "Write"]

#: Size of an order where none is given, lots.
DEFAULT_ORDER_LOTS = 10
#: Largest position where none is given, orders.
DEFAULT_POSITION_ORDERS = 10
#: Book events of a symbol between two refill requests of the fabric.
REFILL_RETRY_EVENTS = 16

_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_MAX_U32 = (1 << 32) - 1
_MAX_U64 = (1 << 64) - 1
_RATIO_LIMIT = 1 << REGISTERS["ratio_num"].bits


class SettingError(ValueError):
    """A setting that cannot be; the text begins with its option."""


class Write(NamedTuple):
    """One register write."""

    register: str
    value: int


class ReplaySettings(BaseModel):
    """What the rule wants and what the gate lets through; the units are those of the exchange.

    Attributes
    ----------
    levels : int
        Levels of a side that the rule sums (N), 1 to 10.
    ratio : Decimal
        A side whose sum is at least this many times the other's makes an intent; above 1.
    order_qty : Decimal or None
        Quantity of an order; None: `DEFAULT_ORDER_LOTS` lots.
    max_qty : Decimal or None
        Largest quantity of an order; None: the quantity of an order.
    max_notional : Decimal or None
        Largest price x quantity of an order; None: no limit.
    max_position : Decimal or None
        Largest worst-case position on either side; None: `DEFAULT_POSITION_ORDERS` orders.
    collar_ticks : int
        Largest distance of an order's price from the mid, ticks.
    rate : Decimal
        Messages a second of stream time; 0 refuses all.
    burst : int
        Messages that may go out at one moment after a quiet time.
    stale_ms : int
        Oldest event that is acted on, milliseconds of stream time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: int = 10
    ratio: Decimal = Decimal("2.5")
    order_qty: Decimal | None = None
    max_qty: Decimal | None = None
    max_notional: Decimal | None = None
    max_position: Decimal | None = None
    collar_ticks: int = 50
    rate: Decimal = Decimal(10)
    burst: int = 5
    stale_ms: int = 1000

    @field_validator("levels", "collar_ticks", "burst", "stale_ms", mode="before")
    @classmethod
    def _integer(cls, value: object, info: ValidationInfo) -> int:
        low, high = {
            "levels": (1, 10),
            "collar_ticks": (0, _MAX_U32 >> 1),
            "burst": (1, 1 << 16),
            "stale_ms": (0, _MAX_U32 // 1000),
        }[str(info.field_name)]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"expected {low} to {high}, was {value}")
        return value

    @field_validator(
        "ratio", "order_qty", "max_qty", "max_notional", "max_position", "rate", mode="before"
    )
    @classmethod
    def _decimal(cls, value: object) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, float) or not _DECIMAL.fullmatch(str(value)):
            raise ValueError(f"expected a plain decimal such as 2.5, was {value!r}")
        return Decimal(str(value))

    @field_validator("ratio")
    @classmethod
    def _ratio(cls, value: Decimal) -> Decimal:
        exact = Fraction(value)
        if exact <= 1:
            raise ValueError(f"expected a ratio above 1, was {value}")
        if exact.numerator >= _RATIO_LIMIT or exact.denominator >= _RATIO_LIMIT:
            raise ValueError(
                f"expected a fraction of two whole numbers below {_RATIO_LIMIT}, "
                f"was {exact.numerator}/{exact.denominator}"
            )
        return value

    @field_validator("rate")
    @classmethod
    def _rate(cls, value: Decimal, info: ValidationInfo) -> Decimal:
        if value and not Decimal("0.001") <= value <= 1_000_000:
            raise ValueError(f"expected 0, or 0.001 to 1000000, was {value}")
        return value

    @field_validator("burst")
    @classmethod
    def _burst(cls, value: int, info: ValidationInfo) -> int:
        rate = info.data.get("rate")
        if rate and (value - 1) * _interval_us(rate) > _MAX_U32:
            raise ValueError(
                f"expected a burst of at most {_MAX_U32 // _interval_us(rate) + 1} "
                f"at {rate} messages/s, was {value}"
            )
        return value

    @classmethod
    def checked(cls, option: Callable[[str], str] = str, **values: Any) -> ReplaySettings:
        """Make settings.

        Parameters
        ----------
        option : callable
            Gives a field the name the user knows it by.
        **values
            Fields.

        Raises
        ------
        SettingError
            The first field that is wrong.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = option(str(first["loc"][0])) if first["loc"] else "settings"
            said = first["msg"].removeprefix("Value error, ")
            raise SettingError(f"{name}: {said}") from None

    @property
    def exact_ratio(self) -> Fraction:
        """The ratio as the registers hold it."""
        return Fraction(self.ratio)

    def writes(self) -> list[Write]:
        """Registers that hold for all symbols, in the order they are written.

        Rates are rounded so that never more messages pass than asked for.
        """
        interval_us = _interval_us(self.rate)
        return [
            Write("report", 1),
            Write("levels_n", self.levels),
            Write("ratio_num", self.exact_ratio.numerator),
            Write("ratio_den", self.exact_ratio.denominator),
            Write("rule_enable", 3),
            Write("refill_level", self.levels),
            Write("refill_retry", REFILL_RETRY_EVENTS),
            Write("rate_interval_us", interval_us),
            Write("rate_burst_us", (self.burst - 1) * interval_us),
            Write("stale_us", self.stale_ms * 1000),
            Write("mode", int(Mode.ACTIVE)),
        ]

    def order_lots(self, qty: Scale) -> int:
        """Quantity of an order, lots.

        Raises
        ------
        SettingError
            It is no whole number of lots, is 0, or does not fit a quantity of the fabric.
        """
        if self.order_qty is None:
            return DEFAULT_ORDER_LOTS
        try:
            lots = qty.units(str(self.order_qty))
        except ScaleError as error:
            raise SettingError(f"--order-qty: {error}") from None
        if not lots:
            raise SettingError("--order-qty: expected more than 0, was 0")
        return lots

    def symbol_writes(
        self, symbol: int, price: Scale, qty: Scale, exits: bool = False
    ) -> list[Write]:
        """Limits of a symbol, and the commit that puts them in force.

        A limit between two lots is rounded down, which refuses the same orders.

        Parameters
        ----------
        symbol : int
            Symbol number.
        price, qty : Scale
            Tick and lot of the symbol.
        exits : bool
            An order may leave a whole position: where `max_qty` is None, the largest position is
            what an order may be.

        Raises
        ------
        SettingError
            As `order_lots`.
        """
        order = self.order_lots(qty)
        notional = price.step * qty.step
        position = _floor(self.max_position, qty.step, DEFAULT_POSITION_ORDERS * order)
        most = max(order, position) if exits else order
        return [
            Write("limit_permit", 1),
            Write("limit_mode", int(Mode.ACTIVE)),
            Write("limit_waive", _MAX_U64),
            Write("limit_max_qty", _floor(self.max_qty, qty.step, most)),
            Write("limit_max_notional", _floor(self.max_notional, notional, _MAX_U64)),
            Write("limit_collar_ticks", self.collar_ticks),
            Write("limit_max_position", position),
            Write("limit_commit", symbol),
        ]


def _interval_us(rate: Decimal) -> int:
    """Stream time of one message, rounded up; 0 for none at all."""
    return -(-1_000_000 * rate.as_integer_ratio()[1] // rate.as_integer_ratio()[0]) if rate else 0


def _floor(limit: Decimal | None, step: Decimal, otherwise: int) -> int:
    """A limit in whole steps, cut to what a register holds."""
    if limit is None:
        return min(otherwise, _MAX_U64)
    return min(int(Fraction(limit) / Fraction(step)), _MAX_U64)
