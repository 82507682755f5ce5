# SPDX-License-Identifier: Apache-2.0
"""The records host and fabric exchange: one description, two renderings.

Every record is a list of `Field`; `Record.layout` renders it for Amaranth and
`hdl.generate` renders the same list as a numpy dtype for the host. What each field
means, and what the fabric does with each kind, is written in ``docs/contract.md``.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from amaranth.lib import data

from hdl.signal.catalogue import FEATURES_PER_RECORD

__all__ = [
    "IN_FLAGS_BY_KIND",
    "IN_RECORD",
    "NO_REASON",
    "ORDER_LIMIT_IOC",
    "OUT_RECORDS",
    "DecisionFlag",
    "ExitCause",
    "FeaturesFlag",
    "Field",
    "InFlag",
    "InKind",
    "Mode",
    "OutKind",
    "Reason",
    "Record",
    "RefillFlag",
    "Rule",
    "TradesFlag",
    "ViewFlag",
    "ViewReason",
]


class InKind(IntEnum):
    """Kinds of the 16-byte record from host to fabric."""

    LEVEL = 1  #: absolute quantity at a price; zero deletes
    TRADE = 2  #: a print on the tape
    CLEAR = 3  #: one side of a book becomes unknown
    EVENT_BEGIN = 4  #: opens an event of one symbol, carries its exchange time
    EVENT_END = 5  #: closes it, carries its update id; a book event is evaluated here
    REFILL_BEGIN = 6  #: one side is emptied and loads a snapshot
    REFILL_END = 7  #: the snapshot ends; carries its horizon
    ACK = 8  #: own order acknowledged
    FILL = 9  #: own order filled, in part or whole
    CANCEL = 10  #: rest of an own order is gone
    REJECT = 11  #: own order never lived
    HEARTBEAT = 12  #: the host is alive
    TIMER = 13  #: the host's clock
    RECONCILE = 15  #: the host states the position of a symbol


class InFlag(IntFlag):
    """Flags of an incoming record; a flag that means nothing to the kind is malformed."""

    SIDE = 0x01  #: set: ask or sell; clear: bid or buy; TRADE: what the aggressor did
    REFILL = 0x02  #: LEVEL: part of a snapshot
    WHOLE = 0x04  #: REFILL_END: the side has no level beyond those sent
    BOOK = 0x08  #: EVENT_END: the event changed the book; evaluate it
    GAP = 0x10  #: CLEAR: because updates were lost
    RESYNC = 0x20  #: CLEAR: because a new snapshot is on its way


#: Flags that are allowed for each kind.
IN_FLAGS_BY_KIND: dict[InKind, InFlag] = {
    InKind.LEVEL: InFlag.SIDE | InFlag.REFILL,
    InKind.TRADE: InFlag.SIDE,
    InKind.CLEAR: InFlag.SIDE | InFlag.GAP | InFlag.RESYNC,
    InKind.EVENT_BEGIN: InFlag(0),
    InKind.EVENT_END: InFlag.BOOK,
    InKind.REFILL_BEGIN: InFlag.SIDE,
    InKind.REFILL_END: InFlag.SIDE | InFlag.WHOLE,
    InKind.ACK: InFlag.SIDE,
    InKind.FILL: InFlag.SIDE,
    InKind.CANCEL: InFlag.SIDE,
    InKind.REJECT: InFlag.SIDE,
    InKind.HEARTBEAT: InFlag(0),
    InKind.TIMER: InFlag(0),
    InKind.RECONCILE: InFlag.SIDE,
}


class OutKind(IntEnum):
    """Kinds of the 64-byte record from fabric to host."""

    DECISION = 1  #: an order, or the refusal of one
    REFILL_REQUEST = 2  #: a side needs levels from the host's full book
    VIEW = 3  #: the book as the fabric sees it at the end of a book event
    TRADES = 4  #: the last trade and the window's volumes at the end of a book event
    FEATURES = 5  #: one page of the features at the end of a book event


class DecisionFlag(IntFlag):
    """Flags of a decision."""

    SIDE = 0x01  #: set: sell
    REFUSED = 0x02  #: the risk gate said no


class RefillFlag(IntFlag):
    """Flags of a refill request."""

    BID = 0x01  #: bids are wanted
    ASK = 0x02  #: asks are wanted
    BID_UNKNOWN = 0x04  #: nothing is known of the bids: a snapshot, not a top-up
    ASK_UNKNOWN = 0x08  #: nothing is known of the asks


class ViewFlag(IntFlag):
    """Flags of a view."""

    BBO_VALID = 0x01  #: best bid and ask are exact
    VALID = 0x02  #: the first N levels of both sides are exact
    BID_WHOLE = 0x04  #: the bid side is known to its end
    ASK_WHOLE = 0x08  #: the ask side is known to its end


class TradesFlag(IntFlag):
    """Flags of a trades record."""

    SIDE = 0x01  #: set: the last trade's aggressor sold
    KNOWN = 0x02  #: there was a trade since reset


class FeaturesFlag(IntFlag):
    """Flags of a features record."""

    USABLE = 0x01  #: best bid and ask are exact; else all features are 0


class ViewReason(IntFlag):
    """Why a book is not valid for N levels."""

    UNKNOWN = 0x01  #: a side was never loaded, was cleared, or is loading
    SHALLOW = 0x02  #: a side holds fewer than N levels and is not known whole
    CROSSED = 0x04  #: best bid at or above best ask
    GAP = 0x08  #: updates were lost or malformed since a side was loaded
    RESYNC = 0x10  #: the host is fetching a new snapshot
    STALE = 0x20  #: the event is older than the register `stale_us`
    EMPTY = 0x40  #: a side holds no level
    RETUNE = 0x80  #: a side's sums were made with another N


class Mode(IntEnum):
    """What the risk gate lets through; 3 acts as HALTED."""

    HALTED = 0
    REDUCE_ONLY = 1
    ACTIVE = 2


class Rule(IntFlag):
    """What fired; EXIT changes what the lower bits mean, see `ExitCause`."""

    NONE = 0
    IMBALANCE = 0x01
    VWAP = 0x02
    FLOW = 0x04
    WALL = 0x08
    MODEL = 0x10
    EXIT = 0x80


class ExitCause(IntFlag):
    """What fired where `Rule.EXIT` is set."""

    STOP = 0x01
    TAKE = 0x02
    TRAIL = 0x04
    TIME = 0x08
    LIQUIDITY = 0x10
    FLATTEN = 0x20


class Reason(IntEnum):
    """Bits of the risk gate's verdict; the numbers never change."""

    HALTED = 0  #: the mode is HALTED
    REDUCE_ONLY = 1  #: the mode is REDUCE_ONLY and the order could add exposure
    PERMISSION = 2  #: the symbol is not permitted
    QUANTITY = 3  #: quantity is zero or over its maximum
    NOTIONAL = 4  #: price times quantity is over its maximum
    COLLAR = 5  #: price is further from the mid than the collar
    POSITION = 6  #: worst-case position would pass its maximum
    RATE = 7  #: too many messages
    STALE = 8  #: the event is older than the limit
    BOOK = 9  #: the book is not valid


#: `first_reason` of an accepted order.
NO_REASON = 255
#: Byte `order` of a decision: limit order, immediate or cancel.
ORDER_LIMIT_IOC = 0x11


@dataclass(frozen=True)
class Field:
    """One field of a record: name, width in bits, and what it holds."""

    name: str
    bits: int
    doc: str
    signed: bool = False


@dataclass(frozen=True)
class Record:
    """A little-endian record of fixed size, its fields in order, without holes."""

    name: str
    doc: str
    bytes: int
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        total = sum(field.bits for field in self.fields)
        if total != 8 * self.bytes:
            raise ValueError(f"record {self.name}: expected {8 * self.bytes} bits, was {total}")
        offset = 0
        for field in self.fields:
            if field.bits not in (8, 16, 32, 64) or offset % field.bits:
                raise ValueError(f"record {self.name}: field {field.name} is not aligned")
            offset += field.bits

    def offsets(self) -> dict[str, int]:
        """Byte offset of each field by name."""
        offsets, at = {}, 0
        for field in self.fields:
            offsets[field.name] = at // 8
            at += field.bits
        return offsets

    def layout(self) -> data.StructLayout:
        """Amaranth layout; the first field holds the least significant bits."""
        return data.StructLayout({field.name: field.bits for field in self.fields})


IN_RECORD = Record(
    "in",
    "host to fabric",
    16,
    (
        Field("kind", 8, "`InKind`"),
        Field("flags", 8, "`InFlag`"),
        Field("symbol", 8, "symbol number, below the build's `symbols`"),
        Field("tag", 8, "own-order tag of ACK, FILL, CANCEL, REJECT; else 0"),
        Field("price_ticks", 32, "price, ticks"),
        Field(
            "value",
            64,
            "lots; EVENT_BEGIN and TIMER: microseconds since the epoch; EVENT_END: update id",
        ),
    ),
)

_HEADER = (
    Field("kind", 8, "`OutKind`"),
    Field("flags", 8, "flags of the kind"),
    Field("symbol", 8, "symbol number"),
)

OUT_RECORDS: dict[OutKind, Record] = {
    OutKind.DECISION: Record(
        "decision",
        "an order that passed the gate, or its refusal",
        64,
        (
            *_HEADER,
            Field(
                "order",
                8,
                "low nibble 1 limit, 2 market-on-limit; high nibble 1 IOC, 2 FOK, 3 GTC post-only",
            ),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "update id of the event it acted on"),
            Field("qty_lots", 64, "quantity, lots"),
            Field("price_ticks", 32, "limit price, ticks"),
            Field("decision_id", 32, "number of the decision since reset, from 1"),
            Field("verdict", 32, "bit n set: `Reason` n refuses; 0: accepted"),
            Field("first_reason", 8, "lowest set bit of the verdict, 255 for none"),
            Field("rule", 8, "`Rule` that fired, with EXIT `ExitCause`"),
            Field("latency_cycles", 16, "cycles from accept of EVENT_END to the verdict"),
            Field("cycle_first", 64, "cycle in which EVENT_BEGIN was accepted"),
            Field("cycle_decision", 64, "cycle of the verdict"),
            Field("score", 32, "score of a model; 0 for a rule that has none", signed=True),
            Field("limits_version", 32, "number of limit commits at the verdict"),
        ),
    ),
    OutKind.REFILL_REQUEST: Record(
        "refill_request",
        "the fabric's backstop: it ran low on levels, or knows nothing",
        64,
        (
            *_HEADER,
            Field("reasons", 8, "`ViewReason` at that event"),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "update id of the event"),
            Field("bid_depth", 8, "bid levels held"),
            Field("ask_depth", 8, "ask levels held"),
            *(Field(f"reserved{n}", 16, "0") for n in range(3)),
            *(Field(f"zero{n}", 64, "0") for n in range(5)),
        ),
    ),
    OutKind.VIEW: Record(
        "view",
        "the book at the end of a book event; zero where a side is not known",
        64,
        (
            *_HEADER,
            Field("reasons", 8, "`ViewReason`; 0: valid for N levels"),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "update id of the event"),
            Field("bid_qty_lots", 64, "quantity at the best bid, lots"),
            Field("ask_qty_lots", 64, "quantity at the best ask, lots"),
            Field("bid_price_ticks", 32, "best bid, ticks"),
            Field("ask_price_ticks", 32, "best ask, ticks"),
            Field("bid_sum_lots", 64, "quantity of the first N bids, lots"),
            Field("ask_sum_lots", 64, "quantity of the first N asks, lots"),
            Field("bid_depth", 8, "bid levels held"),
            Field("ask_depth", 8, "ask levels held"),
            Field("levels_n", 8, "N at the event"),
            Field("reserved", 8, "0"),
            Field("age_us", 32, "stream time minus the event's time, microseconds, saturated"),
        ),
    ),
    OutKind.TRADES: Record(
        "trades",
        "the tape at the end of a book event; zero where there was no trade",
        64,
        (
            *_HEADER,
            Field("window", 8, "register `trade_window` at the event"),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "update id of the event"),
            Field("qty_lots", 64, "quantity of the last trade, lots"),
            Field("buy_lots", 64, "volume the aggressors bought in the window, lots"),
            Field("sell_lots", 64, "volume the aggressors sold in the window, lots"),
            Field("price_ticks", 32, "price of the last trade, ticks"),
            Field("reserved", 32, "0"),
            *(Field(f"zero{n}", 64, "0") for n in range(2)),
        ),
    ),
    OutKind.FEATURES: Record(
        "features",
        "one page of the features at the end of a book event, in the order of features.md",
        64,
        (
            *_HEADER,
            Field("page", 8, "features 12 x page and on"),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "update id of the event"),
            *(
                Field(f"value{n}", 32, f"feature 12 x page + {n}; 0 beyond the last", signed=True)
                for n in range(FEATURES_PER_RECORD)
            ),
        ),
    ),
}
