# SPDX-License-Identifier: Apache-2.0
"""What the decoder reads of a schema: which messages become records, and the fields it needs."""

from dataclasses import dataclass
from math import ceil
from typing import Any

from amaranth.lib import enum

from hdl.feed.sbe.schema import Message, Schema, SchemaError

__all__ = ["Action", "Item", "Plan", "Reason", "Template"]


class Action(enum.Enum, shape=3):  # type: ignore[call-arg]
    """What a message becomes."""

    NONE = 0
    DIFF = 1  # an event of levels
    SNAPSHOT = 2  # a refill of both sides
    TRADES = 3  # an event for each trade
    TICKER = 4  # nothing; it is compared with the book


class Item(enum.Enum, shape=3):  # type: ignore[call-arg]
    """What a step of the walk has completed."""

    NONE = 0
    ROOT = 1  # the root's fields
    GROUP = 2  # the dimensions of a group
    ENTRY = 3  # the fields of an entry
    BID = 4  # a best price and quantity, as a pair to be converted
    ASK = 5
    FINISH = 6  # the frame


class Reason(enum.Enum, shape=4):  # type: ignore[call-arg]
    """Why a message was refused; by name a counter ``sbe_``."""

    NONE = 0
    SHORT = 1
    LONG = 2
    DAMAGED = 3
    SCHEMA = 4
    TEMPLATE = 5
    VERSION = 6
    BLOCK = 7
    TAG = 8
    EXPONENT = 9
    ROOT = 10
    UNSYNCED = 11
    STALE = 12
    GAP = 13
    VALUE = 14


#: Message, root fields and their bytes, groups and the fields and bytes of their entries.
_WANTED: dict[Any, tuple[str, dict[str, int], dict[str, dict[str, int]]]] = {
    Action.DIFF: (
        "DepthDiffStreamEvent",
        {"eventTime": 8, "firstBookUpdateId": 8, "lastBookUpdateId": 8},
        {"bids": {"price": 8, "qty": 8}, "asks": {"price": 8, "qty": 8}},
    ),
    Action.SNAPSHOT: (
        "DepthSnapshotStreamEvent",
        {"eventTime": 8, "bookUpdateId": 8},
        {"bids": {"price": 8, "qty": 8}, "asks": {"price": 8, "qty": 8}},
    ),
    Action.TRADES: (
        "TradesStreamEvent",
        {"eventTime": 8, "transactTime": 8},
        {"trades": {"id": 8, "price": 8, "qty": 8, "isBuyerMaker": 1}},
    ),
    Action.TICKER: (
        "BestBidAskStreamEvent",
        {
            **{"eventTime": 8, "bookUpdateId": 8},
            **{"bidPrice": 8, "bidQty": 8, "askPrice": 8, "askQty": 8},
        },
        {},
    ),
}
_EXPONENTS = {"priceExponent": 1, "qtyExponent": 1}
#: Longest length of variable data, bytes.
_MOST_LENGTH_BYTES = 2


@dataclass(frozen=True)
class Template:
    """A message that is read, and what becomes of it."""

    action: Any  # Action
    message: Message


class Plan:
    """The templates the decoder is made for.

    Parameters
    ----------
    schema : Schema
        Must have the four messages of Binance's spot streams, by name; others are left out.

    Raises
    ------
    SchemaError
        A message, group or field that is needed is not there, or has other bytes.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.templates = tuple(_template(schema, action) for action in _WANTED)
        for field in schema.header.values():
            if field.bytes > 2 or field.signed:
                raise SchemaError(f"header {field.name}: expected 2 bytes unsigned, was otherwise")

    @property
    def root_bytes(self) -> int:
        """Bytes of a root that are looked at."""
        fields = [f for t in self.templates for f in t.message.fields.values() if not f.since]
        return max(field.offset + field.bytes for field in fields)

    @property
    def entry_bytes(self) -> int:
        """Bytes of a header, dimension, entry or length that are looked at."""
        groups = [group for t in self.templates for group in t.message.groups]
        ends = [f.offset + f.bytes for g in groups for f in g.fields.values() if not f.since]
        lengths = [data.length_bytes for t in self.templates for data in t.message.data]
        return max(self.schema.header_bytes, *(g.dimension_bytes for g in groups), *ends, *lengths)

    def beats(self, width: int) -> int:
        """Most beats of `width` bytes over which bytes that are looked at may be spread."""
        return ceil((max(self.root_bytes, self.entry_bytes) + width - 1) / width)


def _template(schema: Schema, action: Any) -> Template:
    name, root, groups = _WANTED[action]
    message = schema.messages.get(name)
    if message is None:
        raise SchemaError(f"schema {schema.id}: expected a message {name}, was none")
    found = {group.name: group for group in message.groups}
    if tuple(found) != tuple(groups):
        raise SchemaError(f"message {name}: expected groups {list(groups)}, was {list(found)}")
    blocks = [(f"message {name}", root | _EXPONENTS, message.fields)]
    blocks += [
        (f"message {name} group {group}", fields, found[group].fields)
        for group, fields in groups.items()
    ]
    for where, wanted, fields in blocks:
        for field, size in wanted.items():
            if field not in fields or fields[field].since:
                raise SchemaError(f"{where}: expected a field {field}, was none")
            if fields[field].bytes != size:
                raise SchemaError(
                    f"{where} field {field}: expected {size} bytes, was {fields[field].bytes}"
                )
    for data in message.data:
        if not 1 <= data.length_bytes <= _MOST_LENGTH_BYTES:
            raise SchemaError(
                f"message {name} data {data.name}: expected a length of 1 or 2 bytes, "
                f"was {data.length_bytes}"
            )
    return Template(action, message)
