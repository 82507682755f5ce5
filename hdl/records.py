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
    "NO_SLOT",
    "ORDER_LIMIT_IOC",
    "OUT_RECORDS",
    "AlertCause",
    "AlertFlag",
    "DecisionFlag",
    "ExitCause",
    "FeaturesFlag",
    "Field",
    "InFlag",
    "InKind",
    "KillCause",
    "Mode",
    "OutKind",
    "Protocol",
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
    FRAME = 14  #: bytes of a feed's message follow, 16 in each beat
    RECONCILE = 15  #: the exchange's truth on a symbol: position, price of a difference
    CREDIT = 16  #: what may be spent from now on, account units
    DAY = 17  #: a new trading day: profit and losses are counted from here
    REARM = 18  #: the throttle of repeated executions of a symbol starts anew
    CANCELLING = 19  #: a cancel of an own order is on its way


class InFlag(IntFlag):
    """Flags of an incoming record; a flag that means nothing to the kind is malformed."""

    SIDE = 0x01  #: set: ask, sell or short; clear: bid, buy or long; TRADE: the aggressor's
    REFILL = 0x02  #: LEVEL: part of a snapshot
    #: REFILL_END: the side has no level beyond those sent; RECONCILE: take it over, nothing of the
    #: symbol is open
    WHOLE = 0x04
    BOOK = 0x08  #: EVENT_END: the event changed the book; evaluate it
    GAP = 0x10  #: CLEAR: because updates were lost
    RESYNC = 0x20  #: CLEAR: because a new snapshot is on its way
    HOLD = 0x40  #: FRAME: records that end its event follow, so it is not ended by itself
    START = 0x80  #: FRAME: no bytes follow; the update id of a snapshot that was sent as records


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
    InKind.FRAME: InFlag.HOLD | InFlag.START,
    InKind.RECONCILE: InFlag.SIDE | InFlag.WHOLE,
    InKind.CREDIT: InFlag(0),
    InKind.DAY: InFlag(0),
    InKind.REARM: InFlag(0),
    InKind.CANCELLING: InFlag.SIDE,
}


class Protocol(IntEnum):
    """Field `tag` of a FRAME: what its bytes are."""

    NONE = 0  #: nothing the fabric can read
    SBE = 1  #: one Binance SBE market-data message
    MOLDUDP64 = 2  #: one MoldUDP64 packet of ITCH 5.0 messages


class OutKind(IntEnum):
    """Kinds of the 64-byte record from fabric to host."""

    DECISION = 1  #: an order, or the refusal of one
    REFILL_REQUEST = 2  #: a side needs levels from the host's full book
    VIEW = 3  #: the book as the fabric sees it at the end of a book event
    TRADES = 4  #: the last trade and the window's volumes at the end of a book event
    FEATURES = 5  #: one page of the features at the end of a book event
    ALERT = 6  #: the gate calls for attention


class DecisionFlag(IntFlag):
    """Flags of a decision."""

    SIDE = 0x01  #: set: sell
    REFUSED = 0x02  #: the risk gate said no
    REDUCE_ONLY = 0x04  #: the order may only reduce a position


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
    """What fired, a bit for each strategy; EXIT changes what the lower bits mean (`ExitCause`)."""

    IMBALANCE = 0x01  #: depth imbalance
    VWAP = 0x02  #: reversion to the trades' average price
    FLOW = 0x04  #: momentum of traded volume
    WALL = 0x08  #: away from, or through, a large level
    MODEL = 0x10  #: a model's score
    EXIT = 0x80  #: the order leaves a position


class ExitCause(IntFlag):
    """What fired where `Rule.EXIT` is set."""

    STOP = 0x01
    TAKE = 0x02
    TRAIL = 0x04
    TIME = 0x08
    LIQUIDITY = 0x10
    FLATTEN = 0x20


class AlertFlag(IntFlag):
    """Flags of an alert."""

    SIDE = 0x01  #: of the report or position it is about: sell or short
    CANCEL_ALL = 0x02  #: cancel everything that is open


class AlertCause(IntEnum):
    """Why an alert was raised."""

    REPORT = 1  #: a report on an order that is not open, or of what cannot have happened to it
    RECONCILE = 2  #: the exchange's position differs from the fabric's by more than the tolerance
    KILL = 3  #: the kill latch was set; `kill_causes` says by what


class KillCause(IntFlag):
    """What set the kill latch."""

    REGISTER = 0x01  #: the register `kill`
    WATCHDOG = 0x02  #: no heartbeat for `watchdog_dead_cycles`
    PIN = 0x04  #: the external pin
    LOSS = 0x08  #: a loss limit named in `loss_kill`


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
    KILL = 10  #: the kill latch is set
    SYMBOL_HALTED = 11  #: the symbol's mode is HALTED
    STRATEGY = 12  #: a strategy behind the order is not permitted, or none is named
    QUANTITY_MIN = 13  #: quantity is under its minimum
    QUANTITY_STEP = 14  #: quantity is no multiple of its step
    COLLAR_PPM = 15  #: price is further from the mid than its share of it
    COLLAR_LAST = 16  #: price is further from the last trade than its collar, or there was none
    COLLAR_LAST_PPM = 17  #: price is further from the last trade than its share, or none
    PRICE = 18  #: price is 0 or out of its range
    TICK = 19  #: price is no multiple of its step
    ORDER_TYPE = 20  #: type or time in force is not one the fabric knows
    DUPLICATE = 21  #: the last order of the side is the same and too recent
    SELF_TRADE = 22  #: it could trade with an own order
    RATE_SYMBOL = 23  #: too many messages of the symbol
    WINDOW_QTY = 24  #: quantity over the window would pass its maximum
    WINDOW_NOTIONAL = 25  #: notional over the window would pass its maximum
    DRIFT = 26  #: prices of orders moved too far within their window
    REPEAT = 27  #: too many orders since the throttle was re-armed
    ORDER_TRADE = 28  #: too many orders for the fills there were
    GROSS = 29  #: gross value over all symbols would pass its maximum
    NET = 30  #: net value over all symbols would pass its maximum
    OPEN_ORDERS = 31  #: too many orders are open
    CREDIT = 32  #: the order's value is over the credit that is left
    CREDIT_STALE = 33  #: the credit was never told, or too long ago
    LOSSES = 34  #: too many losing round trips one after the other
    LOSS_DAY = 35  #: the day's loss is over its maximum
    LOSS_WINDOW = 36  #: the window's loss is over its maximum
    DRAWDOWN = 37  #: the fall from the day's best is over its maximum
    SPREAD = 38  #: the spread is over its maximum
    VOLATILITY = 39  #: the mid moved too far too fast: pause
    CLOCK = 40  #: stream time and the device's clock part too far
    GAP = 41  #: updates of the book were lost
    CROSSED = 42  #: best bid at or above best ask
    SHALLOW = 43  #: a side holds fewer than N levels
    RESYNC = 44  #: a new snapshot is awaited
    WATCHDOG = 45  #: the host's heartbeat is late
    OWN_ORDERS = 46  #: the table of own orders has no room
    REPORT = 47  #: an unknown or impossible report; until a reconciliation takes over
    RECONCILE = 48  #: the exchange's position differs
    CROWDED = 49  #: an order one clock behind another or behind a report


#: `first_reason` of an accepted order.
NO_REASON = 255
#: Byte `order` of a decision: limit order, immediate or cancel.
ORDER_LIMIT_IOC = 0x11
#: Low byte of the `decision_id` of a refused order: it has no slot.
NO_SLOT = 255


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
        Field(
            "tag",
            8,
            "slot of the own order of a report or CANCELLING; `Protocol` of a FRAME; else 0",
        ),
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
                "low nibble 1: limit, 2: protected market; high one 1: IOC, 2: FOK, 3: post-only",
            ),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "update id of the event it acted on"),
            Field("qty_lots", 64, "quantity, lots"),
            Field("price_ticks", 32, "limit price, ticks"),
            Field(
                "decision_id",
                32,
                "low byte: slot of the own order or 255; above it: number since reset, from 1",
            ),
            Field("verdict", 64, "bit n set: `Reason` n refuses; 0: accepted"),
            Field("cycle_decision", 64, "cycle of the verdict"),
            Field("first_reason", 8, "lowest set bit of the verdict, 255 for none"),
            Field("rule", 8, "`Rule` that fired, with EXIT `ExitCause`"),
            Field("latency_cycles", 16, "cycles from accept of EVENT_END to the verdict"),
            Field("span_cycles", 32, "cycles from accept of EVENT_BEGIN to the verdict, low bits"),
            Field("score", 32, "score of a model; 0 for a rule that has none", signed=True),
            Field("limits_version", 16, "number of the commit its limits came from, low bits"),
            Field("limits_checksum", 16, "checksum of these limits"),
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
    OutKind.ALERT: Record(
        "alert",
        "the gate calls for attention",
        64,
        (
            *_HEADER,
            Field("cause", 8, "`AlertCause`"),
            Field("seq", 32, "number of the out record since reset, from 0"),
            Field("update_id", 64, "0"),
            Field("value", 64, "lots of the report, or of the exchange's position"),
            Field("price_ticks", 32, "price of the report"),
            Field("tag", 8, "slot the report named"),
            Field("kind_in", 8, "`InKind` of the record it is about, 0 for none"),
            Field("kill_causes", 8, "`KillCause` bits that are latched"),
            Field("reserved", 8, "0"),
            *(Field(f"zero{n}", 64, "0") for n in range(4)),
        ),
    ),
}
