# SPDX-License-Identifier: Apache-2.0
"""Payloads of the streams between the stages, all in one place.

Each function returns the layout for one build. Inside the pipeline every stream is always
ready: a stage takes a token each clock and hands it on a constant number of clocks later.
Input is admitted only when the queues at the end have room for everything in flight
(`hdl.link.admission`), so nothing inside ever has to wait.
"""

from amaranth.hdl import signed
from amaranth.lib import data, enum, stream

from hdl.config import BuildConfig
from hdl.regs.table import COUNTERS
from hdl.signal.catalogue import FEATURE_BITS, FEATURE_COUNT

__all__ = [
    "SideState",
    "count_layout",
    "decision_layout",
    "flow",
    "intent_layout",
    "level_layout",
    "side_layout",
    "token_layout",
    "touch_layout",
    "trade_layout",
    "vector_layout",
    "view_layout",
    "view_result_layout",
]


class SideState(enum.Enum, shape=2):  # type: ignore[call-arg]
    """What the fabric knows of one side of a book."""

    UNKNOWN = 0
    LOADING = 1
    KNOWN = 2


def flow(layout: data.StructLayout) -> stream.Signature:
    """Stream between stages: one token a clock, never held up."""
    return stream.Signature(layout, always_ready=True)


def count_layout(*names: str) -> data.StructLayout:
    """One pulse per counter; each name must be a counter of the register table."""
    known = {name for name, _ in COUNTERS}
    if unknown := set(names) - known:
        raise ValueError(f"counters: expected names of the register table, was {sorted(unknown)}")
    return data.StructLayout({name: 1 for name in names})


def _origin() -> dict[str, int]:
    """Fields that travel with a token from the decoder to the decision."""
    return {
        "kind": 5,  # InKind, 0 for a malformed record
        "symbol": 8,
        "tag": 8,  # slot of the own order a report is about
        "side": 1,  # ask, sell
        "book": 1,  # EVENT_END of a book event
        "now_us": 64,  # stream time
        "age_us": 32,  # stream time minus the event's time
        "cycle_first": 32,  # accept of EVENT_BEGIN, low bits
        "cycle_cause": 16,  # accept of this record, low bits
    }


def token_layout(config: BuildConfig) -> data.StructLayout:
    """Decoded record."""
    return data.StructLayout(
        {
            **_origin(),
            "adopt": 1,  # RECONCILE: take over
            "poison": 1,  # malformed: the symbol's book may have missed an update
            "refill": 1,
            "whole": 1,
            "gap": 1,
            "resync": 1,
            "forget": 1,  # the symbol is being reset
            "price": config.price_bits,  # ticks
            "value": 64,  # lots, or update id
        }
    )


def level_layout(config: BuildConfig) -> data.StructLayout:
    """Price and quantity; both 0 where there is no level."""
    return data.StructLayout({"price": config.price_bits, "qty": config.qty_bits})


def side_layout(config: BuildConfig) -> data.StructLayout:
    """What is visible of one side; all zero but `state` and `n` unless it is KNOWN."""
    return data.StructLayout(
        {
            "levels": data.ArrayLayout(level_layout(config), config.view_levels),  # best first
            "horizon": config.price_bits,  # ticks, 0 without one
            "sum": config.sum_bits,  # of the first N, lots
            "n": 4,  # N of that sum
            "depth": 7,  # levels held
            "state": SideState,
            "bounded": 1,  # there is a horizon
        }
    )


def first_layout(config: BuildConfig) -> data.StructLayout:
    """Quantities of the first levels of a row."""
    return data.StructLayout(
        {
            "row": config.row_bits,  # side, then symbol
            "shown": config.view_levels,  # place holds a level of a KNOWN side
            "counted": config.view_levels,  # and it counts towards the sum
            "qtys": data.ArrayLayout(config.qty_bits, config.view_levels),
        }
    )


def profile_layout(config: BuildConfig) -> data.StructLayout:
    """How quantity lies over the first levels of one side; all zero unless it is KNOWN."""
    return data.StructLayout(
        {
            "weighted": config.weighted_bits,  # of all visible, lots x 2^-i, whole
            "wall": level_layout(config),  # largest quantity of the first N, the first of equals
        }
    )


def profiles_layout(config: BuildConfig) -> data.StructLayout:
    """Of both sides."""
    return data.StructLayout({"bid": profile_layout(config), "ask": profile_layout(config)})


def touch_layout(config: BuildConfig) -> data.StructLayout:
    """What is told of one side."""
    return data.StructLayout(
        {
            "best": level_layout(config),
            "sum": config.sum_bits,
            "depth": 7,
            "state": SideState,
            "bounded": 1,
        }
    )


def trade_layout(config: BuildConfig) -> data.StructLayout:
    """The tape of a symbol after a token; zeros without a trade."""
    return data.StructLayout(
        {
            "known": 1,  # there was a trade
            "side": 1,  # the aggressor of the last one sold
            "price": config.price_bits,  # of the last one, ticks
            "qty": config.qty_bits,  # of the last one, lots
            "buy_volume": config.qty_bits + 3,  # of the window's 8 buckets, lots
            "sell_volume": config.qty_bits + 3,
            "notional": config.bucket_bits + 3,  # of both, price x lots
            "window": 5,  # register trade_window
        }
    )


def view_layout(config: BuildConfig) -> data.StructLayout:
    """Both sides of a symbol's book after a token, and the token."""
    return data.StructLayout(
        {
            **_origin(),
            "value": 64,  # update id, or lots of a trade or a report
            "price": config.price_bits,  # of a trade or a report, ticks
            "adopt": 1,
            "forget": 1,  # the symbol is being reset
            "report": 3,  # register report at the event
            "bid": side_layout(config),
            "ask": side_layout(config),
            "profile": profiles_layout(config),
            "trades": trade_layout(config),
            "reasons": 8,  # ViewReason
            "has_view": 1,  # an entry waits in the view queue
        }
    )


def vector_layout() -> data.StructLayout:
    """The features of a book event."""
    return data.StructLayout(
        {
            "symbol": 8,
            "usable": 1,  # best bid and offer are valid; else all features are 0
            "report": 3,  # register report at the event
            "features": data.ArrayLayout(signed(FEATURE_BITS), FEATURE_COUNT),
        }
    )


def view_result_layout(config: BuildConfig) -> data.StructLayout:
    """Entry of the view queue: what is told of a book event apart from its decision."""
    return data.StructLayout(
        {
            "symbol": 8,
            "update_id": 64,
            "age_us": 32,
            "reasons": 8,
            "refill": 4,  # RefillFlag; 0: no request
            "report": 3,  # emit the view itself, the trades, the features
            "levels_n": 4,
            "bid": touch_layout(config),
            "ask": touch_layout(config),
            "trades": trade_layout(config),
        }
    )


def intent_layout(config: BuildConfig) -> data.StructLayout:
    """An order a rule wants, or a report, on its way to the gate."""
    return data.StructLayout(
        {
            **_origin(),
            "update_id": 64,  # or the value of a record that is no event
            "adopt": 1,
            "has_view": 1,
            "valid": 1,  # the view is valid; of an exit, its best bid and offer
            "reasons": 8,  # ViewReason against that
            "bid_price": 32,
            "ask_price": 32,
            "mid2": 33,  # best bid + best ask
            "last_known": 1,  # there was a trade
            "last_price": 32,
            "wanted": 1,  # there is an order to judge; `side` is the order's
            "price": 32,  # limit price, or price of a report, ticks
            "qty": config.qty_bits,  # of the order or the report, lots
            "reduce_only": 1,  # an exit: may take from the position, never add
            "order": 8,  # low nibble: type, high nibble: time in force
            "strategy": 8,  # Rule: strategies that want it, a bit each
            "score": signed(32),
        }
    )


def decision_layout(config: BuildConfig) -> data.StructLayout:
    """Entry of the result queue: the decision, if any, and whether a view follows."""
    return data.StructLayout(
        {
            "wanted": 1,
            "has_view": 1,
            "symbol": 8,
            "side": 1,
            "update_id": 64,
            "price": 32,
            "qty": config.qty_bits,
            "reduce_only": 1,
            "order": 8,
            "strategy": 8,
            "score": signed(32),
            "slot": 8,  # of the own order, NO_SLOT for a refused one
            "verdict": 64,
            "first_reason": 8,
            "cycle_first": 32,
            "cycle": 64,
            "latency": 16,
            "limits_version": 16,
            "limits_checksum": 16,
            "alert": 4,  # AlertCause, 0 for none
            "alert_kind": 5,
            "alert_tag": 8,
            "kill_causes": 4,
        }
    )
