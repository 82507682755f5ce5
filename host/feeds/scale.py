# SPDX-License-Identifier: Apache-2.0
"""Decimal strings to ticks and lots and back, exact or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

__all__ = [
    "PRICE_LIMIT",
    "BadNumber",
    "Negative",
    "OffGrid",
    "Scale",
    "ScaleError",
    "TooLarge",
    "Zero",
    "infer_lot",
    "infer_tick",
    "lot_scale",
    "tick_scale",
]

#: Prices are below this, ticks.
PRICE_LIMIT = 1 << 32
_CACHE_ENTRIES = 1 << 16
_MOST_DIGITS = 64
_DECIMAL = re.compile(r"[0-9]+(?:\.([0-9]+))?")


class ScaleError(ValueError):
    """A decimal string that has no place on a scale.

    Attributes
    ----------
    text : object
        What was to be converted.
    step : Decimal
        Step of the scale.
    reason : str
        Name of the counter it belongs to.
    """

    expected = "a number on the scale"

    def __init__(self, text: object, step: Decimal, name: str) -> None:
        shown = repr(text if not isinstance(text, str) or len(text) < 80 else text[:80] + "...")
        super().__init__(f"{name}: expected {self.expected} (step {step}), was {shown}")
        self.text = text
        self.step = step
        self.reason = self._reason(name)

    def _reason(self, name: str) -> str:
        return "bad_number"


class OffGrid(ScaleError):
    """The number is no whole multiple of the step."""

    expected = "a multiple of the step"

    def _reason(self, name: str) -> str:
        return f"{name}_off_grid"


class TooLarge(ScaleError):
    """The number does not fit the record's field."""

    expected = "a number below the scale's limit"

    def _reason(self, name: str) -> str:
        return f"{name}_too_large"


class BadNumber(ScaleError):
    """Not digits with at most one point between them: NaN, an exponent, a sign, no string."""

    expected = "plain decimal digits"


class Negative(BadNumber):
    """A number below zero."""

    expected = "no sign"


class Zero(BadNumber):
    """Zero where only a positive number means something."""

    expected = "a positive number"


class _ByText(dict[str, int]):
    """Conversions made lately: `[text]` is `Scale.units` at the price of a lookup."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self._scale = scale

    def __missing__(self, text: str) -> int:
        value = self._scale.units(text)
        if len(self) >= _CACHE_ENTRIES:
            self.clear()
        self[text] = value
        return value


class Scale:
    """Whole numbers of one step.

    Parameters
    ----------
    step : Decimal
        Size of one unit, above 0; any decimal.
    name : str
        "price" or "qty", for messages and counters.
    limit : int
        Conversions stay below it, units.
    lowest : int
        Least value allowed, 0 or 1, units.

    Raises
    ------
    ValueError
        The step is not a finite decimal above 0.
    """

    __slots__ = ("_multiple", "_places", "by_text", "limit", "lowest", "name", "step")

    def __init__(self, step: Decimal, *, name: str, limit: int, lowest: int = 0) -> None:
        try:
            step = Decimal(step)
        except InvalidOperation:
            raise ValueError(f"{name}: expected a decimal step, was {step!r}") from None
        if not step.is_finite() or step <= 0:
            raise ValueError(f"{name}: expected a step above 0, was {step}")
        _, digits, exponent = step.as_tuple()
        assert isinstance(exponent, int)
        number = int("".join(map(str, digits)))
        while number % 10 == 0:
            number, exponent = number // 10, exponent + 1
        self.step = step
        self.name = name
        self.limit = limit
        self.lowest = lowest
        self._places = max(0, -exponent)
        self._multiple = number * 10 ** max(0, exponent)
        #: mapping from text to units, filled as it is asked; raises as `units` does
        self.by_text = _ByText(self)

    def units(self, text: str) -> int:
        """Convert a decimal string.

        Returns
        -------
        int
            Units, `lowest` to `limit` - 1.

        Raises
        ------
        ScaleError
            `OffGrid`, `TooLarge`, `BadNumber`, `Negative` or `Zero`.
        """
        if type(text) is not str:
            raise BadNumber(text, self.step, self.name)
        whole, point, part = text.partition(".")
        digits = whole + part
        if not (digits.isdigit() and digits.isascii()) or not whole or (point and not part):
            kind = Negative if text[:1] == "-" and _DECIMAL.fullmatch(text[1:]) else BadNumber
            raise kind(text, self.step, self.name)
        extra = len(part) - self._places
        if extra > 0:
            if digits[-extra:].strip("0"):
                raise OffGrid(text, self.step, self.name)
            digits = digits[:-extra]
        elif extra < 0:
            digits += "0" * -extra
        if len(digits) > _MOST_DIGITS:
            digits = digits.lstrip("0") or "0"
            if len(digits) > _MOST_DIGITS:
                raise TooLarge(text[:80], self.step, self.name)
        value = int(digits)
        if self._multiple != 1:
            value, rest = divmod(value, self._multiple)
            if rest:
                raise OffGrid(text, self.step, self.name)
        if value >= self.limit:
            raise TooLarge(text, self.step, self.name)
        if value < self.lowest:
            raise Zero(text, self.step, self.name)
        return value

    def text(self, units: int) -> str:
        """Decimal string of a number of units, with as many places as the step has.

        Raises
        ------
        ValueError
            `units` is below 0.
        """
        if units < 0:
            raise ValueError(f"{self.name}: expected units of at least 0, was {units}")
        digits = str(units * self._multiple)
        places = self._places
        if not places:
            return digits
        digits = digits.rjust(places + 1, "0")
        return f"{digits[:-places]}.{digits[-places:]}"


def tick_scale(tick: Decimal) -> Scale:
    """Scale of prices: positive, below 2^32 ticks."""
    return Scale(tick, name="price", limit=PRICE_LIMIT, lowest=1)


def lot_scale(lot: Decimal, qty_bits: int = 48) -> Scale:
    """Scale of quantities: below 2^`qty_bits` lots, zero allowed."""
    return Scale(lot, name="qty", limit=1 << qty_bits)


def infer_tick(prices: Iterable[str]) -> Decimal:
    """Finest decimal place that any of the prices uses, at most 1.

    Raises
    ------
    BadNumber
        One of them is not a plain decimal.
    """
    return _finest(prices, "price", strip=True)


def infer_lot(qtys: Iterable[str]) -> Decimal:
    """Finest decimal place that any of the quantities is printed with, at most 1.

    Raises
    ------
    BadNumber
        One of them is not a plain decimal.
    """
    return _finest(qtys, "qty", strip=False)


def _finest(texts: Iterable[str], name: str, strip: bool) -> Decimal:
    places = 0
    for text in texts:
        found = _DECIMAL.fullmatch(text)
        if found is None:
            raise BadNumber(text, Decimal(1), name)
        part = found[1] or ""
        places = max(places, len(part.rstrip("0") if strip else part))
    return Decimal(1).scaleb(-places)
