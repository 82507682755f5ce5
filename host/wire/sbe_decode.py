# SPDX-License-Identifier: Apache-2.0
"""Frames of Binance's binary market-data streams read, by the rules of SBE.

Written from the venue's ``stream_1_0.xml`` (schema 1, version 0) and the rules of Simple Binary
Encoding for later versions: fields are appended to the root and to group entries, whose lengths
the frame tells, and what follows the symbol is new. Nothing of it is shared with the encoder.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from host.feeds import binance
from host.feeds.messages import (
    BookTicker,
    DepthUpdate,
    Message,
    Parsed,
    Refusal,
    Snapshot,
    Trade,
    Trades,
)

__all__ = [
    "BadFlag",
    "BadRange",
    "BadSymbol",
    "SbeError",
    "SbeFrame",
    "ShortBlock",
    "Surplus",
    "Template",
    "Truncated",
    "UnknownSchema",
    "UnknownTemplate",
    "decode",
    "messages",
    "parse_sbe",
]


class SbeError(ValueError):
    """A frame that cannot be read; its class says why."""


class Truncated(SbeError):
    """The frame ends before what it announces."""


class UnknownSchema(SbeError):
    """The schema is another one."""


class UnknownTemplate(SbeError):
    """The schema has no message of this number."""


class ShortBlock(SbeError):
    """A root or group entry is shorter than version 0 of the schema has it."""


class BadRange(SbeError):
    """An id, a time or a count lies where the schema allows none."""


class BadFlag(SbeError):
    """A boolean is neither 0 nor 1."""


class BadSymbol(SbeError):
    """The symbol is empty or no UTF-8."""


class Surplus(SbeError):
    """Bytes follow the symbol of a frame of version 0."""


class Group(NamedTuple):
    """A repeating group: its name, the format of its dimension, and of an entry."""

    name: str
    dimension: str
    #: name and format of each field
    fields: tuple[tuple[str, str], ...]


class Template(NamedTuple):
    """A message of the schema: fields and groups in the order of the bytes, formats of `struct`."""

    name: str
    fields: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]


_EXPONENTS = (("priceExponent", "b"), ("qtyExponent", "b"))
_LEVEL = (("price", "q"), ("qty", "q"))
_SIDES = (Group("bids", "HH", _LEVEL), Group("asks", "HH", _LEVEL))

#: The messages of schema 1, version 0.
TEMPLATES: dict[int, Template] = {
    10000: Template(
        "TradesStreamEvent",
        (("eventTime", "q"), ("transactTime", "q"), *_EXPONENTS),
        (Group("trades", "HI", (("id", "q"), *_LEVEL, ("isBuyerMaker", "B"))),),
    ),
    10001: Template(
        "BestBidAskStreamEvent",
        (
            ("eventTime", "q"),
            ("bookUpdateId", "q"),
            *_EXPONENTS,
            ("bidPrice", "q"),
            ("bidQty", "q"),
            ("askPrice", "q"),
            ("askQty", "q"),
        ),
        (),
    ),
    10002: Template(
        "DepthSnapshotStreamEvent",
        (("eventTime", "q"), ("bookUpdateId", "q"), *_EXPONENTS),
        _SIDES,
    ),
    10003: Template(
        "DepthDiffStreamEvent",
        (
            ("eventTime", "q"),
            ("firstBookUpdateId", "q"),
            ("lastBookUpdateId", "q"),
            *_EXPONENTS,
        ),
        _SIDES,
    ),
}
_SCHEMA = 1
_HEADER = struct.Struct("<HHHH")
_MOST_WIDE_ENTRIES = 2147483647
_POSITIVE = ("eventTime", "transactTime", "bookUpdateId", "firstBookUpdateId", "lastBookUpdateId")


def _layout(fields: tuple[tuple[str, str], ...]) -> struct.Struct:
    return struct.Struct("<" + "".join(code for _, code in fields))


_ROOTS = {number: _layout(template.fields) for number, template in TEMPLATES.items()}
_DIMENSIONS = {"HH": struct.Struct("<HH"), "HI": struct.Struct("<HI")}
_ENTRIES = {
    group.fields: _layout(group.fields)
    for template in TEMPLATES.values()
    for group in template.groups
}


class SbeFrame(NamedTuple):
    """What a frame holds, as whole numbers.

    Attributes
    ----------
    template, version : int
        Of the header.
    fields : dict
        Fields of the root by their names in the schema.
    groups : dict
        By name a list of entries, each a tuple of its fields.
    symbol : str
        Whose it is.
    """

    template: int
    version: int
    fields: dict[str, int]
    groups: dict[str, list[tuple[int, ...]]]
    symbol: str


def decode(payload: bytes) -> SbeFrame:
    """Read a frame whole.

    Raises
    ------
    SbeError
        `Truncated`, `UnknownSchema`, `UnknownTemplate`, `ShortBlock`, `BadRange`, `BadFlag`,
        `BadSymbol` or `Surplus`; the first of these in the order of the bytes.
    """
    size = len(payload)
    if size < _HEADER.size:
        raise Truncated(f"header: expected {_HEADER.size} bytes, was {size}")
    length, number, schema, version = _HEADER.unpack_from(payload)
    if schema != _SCHEMA:
        raise UnknownSchema(f"schema: expected {_SCHEMA}, was {schema}")
    template = TEMPLATES.get(number)
    if template is None:
        expected = f"{min(TEMPLATES)} to {max(TEMPLATES)}"
        raise UnknownTemplate(f"template: expected {expected}, was {number}")
    root = _ROOTS[number]
    if length < root.size:
        raise ShortBlock(f"{template.name}: expected a root of {root.size} bytes, was {length}")
    at = _HEADER.size + length
    if at > size:
        raise Truncated(f"{template.name}: expected {at} bytes or more, was {size}")
    values = root.unpack_from(payload, _HEADER.size)
    fields = {name: value for (name, _), value in zip(template.fields, values, strict=True)}
    for name in _POSITIVE:
        if fields.get(name, 0) < 0:
            raise BadRange(f"{name}: expected 0 or more, was {fields[name]}")
    groups: dict[str, list[tuple[int, ...]]] = {}
    for group in template.groups:
        groups[group.name], at = _entries(payload, at, group)
    for trade_id, _, _, maker in groups.get("trades", ()):
        if trade_id < 0:
            raise BadRange(f"trade id: expected 0 or more, was {trade_id}")
        if maker not in (0, 1):
            raise BadFlag(f"isBuyerMaker: expected 0 or 1, was {maker}")
    return SbeFrame(number, version, fields, groups, _symbol(payload, at, version))


def _entries(payload: bytes, at: int, group: Group) -> tuple[list[tuple[int, ...]], int]:
    dimension = _DIMENSIONS[group.dimension]
    if at + dimension.size > len(payload):
        raise Truncated(f"{group.name}: expected {at + dimension.size} bytes, was {len(payload)}")
    length, count = dimension.unpack_from(payload, at)
    entry = _ENTRIES[group.fields]
    if count and length < entry.size:
        raise ShortBlock(f"{group.name}: expected entries of {entry.size} bytes, was {length}")
    if count > _MOST_WIDE_ENTRIES:
        raise BadRange(f"{group.name}: expected at most {_MOST_WIDE_ENTRIES}, was {count}")
    at += dimension.size
    end = at + length * count
    if end > len(payload):
        raise Truncated(f"{group.name}: expected {end} bytes or more, was {len(payload)}")
    if not count or length == entry.size:
        return list(entry.iter_unpack(memoryview(payload)[at:end])), end
    return [entry.unpack_from(payload, place) for place in range(at, end, length)], end


def _symbol(payload: bytes, at: int, version: int) -> str:
    if at >= len(payload):
        raise Truncated(f"symbol: expected {at + 1} bytes or more, was {len(payload)}")
    end = at + 1 + payload[at]
    if end > len(payload):
        raise Truncated(f"symbol: expected {end} bytes or more, was {len(payload)}")
    try:
        name = payload[at + 1 : end].decode()
    except UnicodeDecodeError:
        raise BadSymbol(f"symbol: expected UTF-8, was {payload[at + 1 : end]!r}") from None
    if not name:
        raise BadSymbol("symbol: expected a name, was none")
    if version == 0 and end != len(payload):
        raise Surplus(f"frame: expected {end} bytes, was {len(payload)}")
    return name


class _Texts(dict[int, str]):
    """Decimal strings of mantissas of one exponent, as they were made lately."""

    _MOST = 1 << 16

    def __init__(self, exponent: int) -> None:
        super().__init__()
        self._exponent = exponent

    def __missing__(self, mantissa: int) -> str:
        digits, places = str(abs(mantissa)), -self._exponent
        if places > 0:
            digits = digits.rjust(places + 1, "0")
            digits = f"{digits[:-places]}.{digits[-places:]}"
        elif mantissa:
            digits += "0" * -places
        if len(self) >= self._MOST:
            self.clear()
        self[mantissa] = text = f"-{digits}" if mantissa < 0 else digits
        return text


_TEXTS = {exponent: _Texts(exponent) for exponent in range(-128, 128)}


def messages(payload: bytes) -> Message | Trades:
    """Read a frame as the message it is, its numbers as exact decimal strings.

    All but a snapshot keep the frame, as it came, for a board that reads it itself. The
    venue's numbering is that of spot: an update has no `prev_id`. A snapshot counts as cut to the
    longer of its sides, for it does not say to what depth it was asked.

    Raises
    ------
    SbeError
        As `decode`; `BadRange` also for a first update id over the last one.
    """
    template, _, fields, groups, symbol = decode(payload)
    prices, qtys = _TEXTS[fields["priceExponent"]], _TEXTS[fields["qtyExponent"]]
    if template == 10003:
        first, last = fields["firstBookUpdateId"], fields["lastBookUpdateId"]
        if first > last:
            raise BadRange(f"update ids: expected rising ones, was {first} to {last}")
        bids = [(prices[price], qtys[qty]) for price, qty in groups["bids"]]
        asks = [(prices[price], qtys[qty]) for price, qty in groups["asks"]]
        time_us = fields["eventTime"]
        return DepthUpdate(symbol, first, last, None, time_us, bids, asks, frame=payload)
    if template == 10002:
        bids = [(prices[price], qtys[qty]) for price, qty in groups["bids"]]
        asks = [(prices[price], qtys[qty]) for price, qty in groups["asks"]]
        depth = max(1, len(bids), len(asks))
        return Snapshot(
            symbol, fields["bookUpdateId"], bids, asks, fields["eventTime"], depth=depth
        )
    if template == 10001:
        return BookTicker(
            symbol,
            fields["bookUpdateId"],
            prices[fields["bidPrice"]],
            qtys[fields["bidQty"]],
            prices[fields["askPrice"]],
            qtys[fields["askQty"]],
            fields["eventTime"],
            payload,
        )
    time_us = fields["transactTime"]
    trades = tuple(
        Trade(symbol, trade_id, prices[price], qtys[qty], bool(maker), time_us)
        for trade_id, price, qty, maker in groups["trades"]
    )
    return Trades(symbol, trades, payload)


def parse_sbe(payload: bytes | str, address: str = "") -> Parsed | list[Parsed]:
    """Read one frame of a connection: bytes are SBE, text is JSON.

    Returns
    -------
    Parsed or list of Parsed
        Refusals: `unknown_frame` (a schema or template that is not known), `bad_frame` (any other
        `SbeError`), and those of `host.feeds.binance.parse` for text.
    """
    if isinstance(payload, str):
        return binance.parse(payload)
    try:
        return messages(payload)
    except (UnknownSchema, UnknownTemplate) as error:
        return Refusal("unknown_frame", f"{type(error).__name__}: {error}")
    except SbeError as error:
        return Refusal("bad_frame", f"{type(error).__name__}: {error}")
