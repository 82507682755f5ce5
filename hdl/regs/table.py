# SPDX-License-Identifier: Apache-2.0
"""The register table: the one place where registers are named and placed.

The bank (`hdl.regs.bank`) elaborates it; `hdl.generate` writes the host's side and the
documentation page from it. Addresses are in 32-bit words. A register of more than 32 bits
takes two words, low word first: reading the low word freezes the high word for the next read,
so that a running counter is read whole; a written low word takes effect with the high word.
"""

import hashlib
from collections.abc import Iterator

from hdl.feed import registers as feed
from hdl.feed.itch import registers as itch
from hdl.model.registers import COUNTERS as MODEL_COUNTERS
from hdl.model.registers import REGISTERS as MODEL_REGISTERS
from hdl.records import IN_FLAGS_BY_KIND, IN_RECORD, OUT_RECORDS, OutKind
from hdl.regs.register import Access, Register
from hdl.risk.registers import COUNTERS as RISK_COUNTERS
from hdl.risk.registers import REGISTERS as RISK_REGISTERS
from hdl.strategy import registers as strategy

__all__ = [
    "ADDRESS_BITS",
    "COUNTERS",
    "ID",
    "TABLE",
    "VERSION",
    "addresses",
    "contract_hash",
]

ID = 0x54474154  #: "TGAT"
VERSION = 0x00010000  #: 0.1.0 as 00 01 00 00: major, minor, patch, 0
ADDRESS_BITS = 12


#: Counter registers, in table order: name and what is counted.
COUNTERS: tuple[tuple[str, str], ...] = (
    ("records_in", "records accepted"),
    ("malformed_kind", "records of an unknown kind"),
    ("malformed_symbol", "records of a symbol this build does not have"),
    ("malformed_flags", "records with a flag that means nothing to their kind"),
    ("malformed_reserved", "records with a tag where none belongs"),
    ("malformed_price", "records with an impossible price"),
    ("malformed_qty", "records with an impossible quantity"),
    ("malformed_frame", "updates and event ends outside an event of their symbol"),
    ("events_unclosed", "events begun before the last one ended"),
    ("trades", "trades"),
    ("heartbeats", "heartbeats"),
    ("timers", "timer records"),
    ("reports", "reports on own orders"),
    ("symbol_resets", "symbols reset"),
    ("clears", "sides cleared"),
    ("refill_begins", "snapshots of a side begun"),
    ("refill_levels", "snapshot levels taken"),
    ("refill_ends", "snapshots of a side completed"),
    ("refill_orphans", "snapshot records for a side that is not loading"),
    ("refill_broken", "snapshots broken by an update, or with a level beyond their horizon"),
    ("level_inserts", "levels added"),
    ("level_changes", "levels changed"),
    ("level_deletes", "levels removed"),
    ("level_evicts", "levels dropped from a full side, moving its horizon"),
    ("level_beyond", "updates at or beyond the horizon, ignored"),
    ("level_absent", "deletes of a level that is not held"),
    ("level_unknown", "updates of a side that is unknown, ignored"),
    ("events", "book events evaluated"),
    ("events_bbo", "book events after which best bid and ask were valid"),
    ("events_valid", "book events after which N levels of both sides were valid"),
    ("refill_requests", "refill requests emitted"),
    ("intents", "orders a rule wanted"),
    *MODEL_COUNTERS,
    *RISK_COUNTERS,
    *strategy.COUNTERS,
    *feed.COUNTERS,
    *itch.COUNTERS,
)

TABLE: tuple[Register, ...] = (
    Register("id", 32, Access.RO, 'always 0x54474154, "TGAT"'),
    Register(
        "version", 32, Access.RO, "version of the fabric, one byte each: major, minor, patch, 0"
    ),
    Register("config_hash", 32, Access.RO, "hash of the record layouts and of this table"),
    Register("build_symbols", 32, Access.RO, "symbols of this build"),
    Register("build_levels", 32, Access.RO, "levels a side of this build"),
    Register("build_qty_bits", 32, Access.RO, "width of a quantity of this build, bits"),
    Register(
        "status",
        32,
        Access.RO,
        "bit 0: memories are swept, input is taken; bit 1: a symbol is being reset, input waits",
    ),
    Register("control", 32, Access.WO, "bit 0: soft reset, everything returns to the reset state"),
    Register(
        "report",
        3,
        Access.RW,
        "at each book event emit: bit 0 a view, bit 1 the trades, bit 2 the features",
    ),
    Register(
        "levels_n", 4, Access.RW, "N: levels of a side a decision rests on; above 10 acts as 10"
    ),
    Register("ratio_num", 16, Access.RW, "imbalance ratio, numerator"),
    Register("ratio_den", 16, Access.RW, "imbalance ratio, denominator"),
    Register("rule_enable", 2, Access.RW, "imbalance rule: bit 0 may buy, bit 1 may sell"),
    Register("order_qty", 64, Access.RW, "quantity of an order, lots"),
    Register("refill_level", 7, Access.RW, "a side with fewer levels asks for a refill"),
    Register("refill_retry", 8, Access.RW, "book events of a symbol between two requests"),
    Register("stale_us", 32, Access.RW, "oldest event that may be acted on, microseconds"),
    Register("trade_window", 5, Access.RW, "w: trade volumes are of 8 buckets of 2^w microseconds"),
    *RISK_REGISTERS,
    Register("symbol_reset", 32, Access.WO, "symbol number: its book and trades are forgotten"),
    Register("cycle", 64, Access.RO, "clock cycles since reset"),
    *strategy.REGISTERS,
    *(Register(name, 32, Access.RO, f"count: {doc}") for name, doc in COUNTERS),
    Register(
        "latency_min", 16, Access.RO, "least decision latency, cycles; 65535 before the first"
    ),
    Register("latency_max", 16, Access.RO, "greatest decision latency, cycles"),
    Register("latency_sum", 64, Access.RO, "sum of decision latencies, cycles"),
    Register(
        "latency_histogram",
        32,
        Access.RO,
        "decisions by latency; bin = cycles, last bin and over",
        32,
    ),
    Register(
        "span_histogram",
        32,
        Access.RO,
        "decisions by cycles from accept of EVENT_BEGIN; bin = bit length of the cycles",
        32,
    ),
    *MODEL_REGISTERS,
    *feed.REGISTERS,
    *itch.REGISTERS,
    Register(
        "build_parts",
        32,
        Access.RO,
        "parts of this build: bit 0 feature vectors, bit 1 records one at a time, "
        "bits 15 to 8 own orders the gate has room for",
    ),
)


def addresses() -> Iterator[tuple[Register, int]]:
    """Each register of the table with its first word address."""
    at = 0
    for register in TABLE:
        yield register, at
        at += register.words
    if at > 1 << ADDRESS_BITS:
        raise ValueError(f"register table: expected at most {1 << ADDRESS_BITS} words, was {at}")


def contract_hash() -> int:
    """32-bit hash of everything host and fabric must agree on."""
    records = [("in", IN_RECORD)] + [(f"out {int(kind)}", OUT_RECORDS[kind]) for kind in OutKind]
    parts = [f"{at} {f.name} {f.bits} {f.signed}" for at, record in records for f in record.fields]
    parts += [f"flags {int(kind)} {int(flags)}" for kind, flags in IN_FLAGS_BY_KIND.items()]
    parts += [f"reg {at} {r.name} {r.bits} {r.length} {r.access.name}" for r, at in addresses()]
    return int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:4], "big")
