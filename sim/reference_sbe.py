# SPDX-License-Identifier: Apache-2.0
"""Reference model of the SBE decoder: message bytes to in-records, in plain Python.

Written from ``docs/contract.md`` and the exchange's table of offsets, which stands below as
numbers: the schema file, the hardware's generator and the host's encoder are not used. Nothing here
knows of beats or cycles.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from host.contract.records import InFlag, InKind
from host.contract.registers import REGISTERS

__all__ = ["InRecord", "SbeReference", "Ticker"]

TRADES, TICKER, SNAPSHOT, DIFF = 10000, 10001, 10002, 10003
#: Bytes of each root, of its groups' dimensions and of their entries.
ROOT_BYTES = {TRADES: 18, TICKER: 50, SNAPSHOT: 18, DIFF: 26}
DIMENSION_BYTES = {TRADES: (6,), TICKER: (), SNAPSHOT: (4, 4), DIFF: (4, 4)}
ENTRY_BYTES = {TRADES: 25, SNAPSHOT: 16, DIFF: 16}
TAKEN = {TRADES: "trades", TICKER: "tickers", SNAPSHOT: "snapshots", DIFF: "diffs"}
LIMIT = 1 << 63
MAX_U32 = (1 << 32) - 1


class InRecord(NamedTuple):
    """An in-record, fields in the order of `IN_DTYPE`."""

    kind: int
    flags: int
    symbol: int
    tag: int
    price_ticks: int
    value: int


class Ticker(NamedTuple):
    """Best bid and ask as the exchange states them."""

    symbol: int
    update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class Unit(NamedTuple):
    """What one tick or lot is."""

    exponent: int  # two's complement, 8 bits
    shift: int
    inverse: int
    bound: int
    limit: int

    def units(self, mantissa: int) -> int | None:
        """Whole units, None where it is no whole number of them, or too many."""
        quotient = mantissa * self.inverse % (1 << 64)
        if mantissa < 0 or quotient > self.bound or quotient % (1 << self.shift):
            return None
        units = quotient >> self.shift
        return units if units < self.limit else None


class Refused(Exception):
    """The message breaks a rule; the text is the counter's name without ``sbe_``."""


class SbeReference:
    """The SBE rules of the contract.

    Parameters
    ----------
    symbols, qty_bits : int
        Build parameters S and Q.

    Attributes
    ----------
    counts : Counter
        Counters by name, not saturated.
    """

    def __init__(self, symbols: int = 16, qty_bits: int = 48) -> None:
        self.symbols = symbols
        self.qty_bits = qty_bits
        self.counts: Counter[str] = Counter()
        self._register = {name: 0 for name in REGISTERS if name.startswith("sbe_")}
        self._scales: dict[int, tuple[Unit, Unit]] = {}
        self._last: dict[int, int] = {}  # last update id of the symbols that are in step

    def write(self, name: str, value: int) -> None:
        """Write a register ``sbe_``, between two messages."""
        if name != "sbe_commit":
            self._register[name] = value & ((1 << REGISTERS[name].bits) - 1)
        elif value < self.symbols:
            if self._register["sbe_enable"]:
                self._scales[value] = (
                    self._unit("price", 1 << 32),
                    self._unit("qty", 1 << self.qty_bits),
                )
            else:
                self._scales.pop(value, None)

    def _unit(self, name: str, limit: int) -> Unit:
        exponent, shift, inverse, bound = (
            self._register[f"sbe_{name}_{field}"]
            for field in ("exponent", "shift", "inverse", "bound")
        )
        return Unit(exponent, shift, inverse, bound, limit)

    def native(self, record: InRecord) -> None:
        """Follow a record that was sent beside the frames."""
        if record.symbol >= self.symbols:
            return
        if record.kind == InKind.EVENT_END and record.flags == InFlag.BOOK:
            self._note(record.symbol, record.value)
        elif record.kind == InKind.CLEAR and record.flags & InFlag.GAP:
            self._last.pop(record.symbol, None)

    def start(self, symbol: int, update_id: int) -> None:
        """Follow a FRAME with START."""
        self._note(symbol, update_id)
        self.counts["sbe_starts"] += 1

    def _note(self, symbol: int, update_id: int) -> None:
        if update_id < LIMIT:
            self._last[symbol] = update_id
        else:
            self._last.pop(symbol, None)

    def message(
        self, symbol: int, data: bytes, *, hold: bool = False, damaged: bool = False
    ) -> tuple[list[InRecord], Ticker | None]:
        """Take one message.

        Parameters
        ----------
        symbol : int
            Connection it came by.
        data : bytes
            The frame.
        hold : bool
            The event of a depth diff is not ended.
        damaged : bool
            The frame's error mark.

        Returns
        -------
        records, ticker
            The records that are made of it, and the best bid and ask it is.
        """
        one = _Message(self, symbol, data, hold)
        reason = ""
        try:
            for record in one.records():
                one.made.append(record)
        except Refused as refused:
            reason = str(refused)
        if damaged and reason in ("", "short", "long"):
            reason = "damaged"
        self.counts["sbe_messages"] += 1
        if not reason:
            self.counts[f"sbe_{TAKEN[one.template]}"] += 1
            one.made += one.ending()
            if one.template in (DIFF, SNAPSHOT):
                self._last[symbol] = one.update_id
            return one.made, one.ticker
        self.counts[f"sbe_{reason}"] += 1
        harmless = ("tag", "unsynced", "stale")
        missing = one.template == DIFF and reason not in harmless
        if symbol in self._scales and (one.made or missing):
            self.counts["sbe_marks"] += 1
            self._last.pop(symbol, None)
            one.made += [
                InRecord(InKind.CLEAR, flags | InFlag.GAP, symbol, 0, 0, 0)
                for flags in (0, InFlag.SIDE)
            ]
        return one.made, None


class _Message:
    """One message under way; `at` is how far it has been read."""

    def __init__(self, model: SbeReference, symbol: int, data: bytes, hold: bool) -> None:
        self.model, self.symbol, self.data, self.hold = model, symbol, data, hold
        self.at = 0
        self.template = 0
        self.update_id = 0
        self.made: list[InRecord] = []
        self.ticker: Ticker | None = None
        self._side_end: InRecord | None = None

    def _record(self, kind: int, flags: int = 0, price: int = 0, value: int = 0) -> InRecord:
        return InRecord(int(kind), int(flags), self.symbol, 0, price, value)

    def _take(self, count: int) -> bytes:
        """The next bytes."""
        if self.at + count > len(self.data):
            raise Refused("short")
        self.at += count
        return self.data[self.at - count : self.at]

    def records(self) -> Iterator[InRecord]:
        """Records up to the message's end."""
        block, template, schema, version = struct.unpack("<HHHH", self._take(8))
        if schema != 1:
            raise Refused("schema")
        if template not in ROOT_BYTES:
            raise Refused("template")
        if version < 0:  # the first version is 0
            raise Refused("version")
        self.template = template
        if block < ROOT_BYTES[template]:
            raise Refused("block")
        root = self._take(block)
        price, qty = self._judge(root)
        time_us = struct.unpack_from("<q", root, 8 if template == TRADES else 0)[0]
        if template == DIFF:
            yield self._record(InKind.EVENT_BEGIN, value=time_us)
        for side, dimension_bytes in enumerate(DIMENSION_BYTES[template]):
            yield from self._group(side, dimension_bytes, time_us, price, qty)
        self._take(self._take(1)[0])
        if self.at < len(self.data):
            raise Refused("long")
        if template == TICKER:
            mantissas = struct.unpack_from("<qqqq", root, 18)
            levels = [(price.units(p), qty.units(q)) for p, q in _pairs(mantissas)]
            known = [(p, q) for p, q in levels if p and q is not None]
            if len(known) < 2:
                raise Refused("value")
            self.ticker = Ticker(self.symbol, self.update_id, *known[0], *known[1])

    def _judge(self, root: bytes) -> tuple[Unit, Unit]:
        """The rules of a root; tick and lot."""
        scale = self.model._scales.get(self.symbol)
        if scale is None:
            raise Refused("tag")
        exponents = {TRADES: 16, TICKER: 16, SNAPSHOT: 16, DIFF: 24}[self.template]
        if root[exponents] != scale[0].exponent or root[exponents + 1] != scale[1].exponent:
            raise Refused("exponent")
        numbers = struct.unpack_from("<qqq" if self.template == DIFF else "<qq", root)
        if min(numbers) < 0:
            raise Refused("root")
        last = self.model._last.get(self.symbol)
        if self.template == DIFF:
            _, first_id, last_id = numbers
            self.update_id = last_id
            if first_id > last_id:
                raise Refused("root")
            if last is None:
                raise Refused("unsynced")
            if last_id <= last:
                raise Refused("stale")
            if first_id > last + 1:
                raise Refused("gap")
        elif self.template != TRADES:
            self.update_id = numbers[1]
            if self.template == SNAPSHOT and last is not None and self.update_id < last:
                raise Refused("stale")
        return scale

    def _group(
        self, side: int, dimension_bytes: int, time_us: int, price: Unit, qty: Unit
    ) -> Iterator[InRecord]:
        layout = "<HH" if dimension_bytes == 4 else "<HI"
        block, count = struct.unpack(layout, self._take(dimension_bytes))
        if count and block < ENTRY_BYTES[self.template]:
            raise Refused("block")
        flag = int(InFlag.SIDE) if side else 0
        if self.template == SNAPSHOT:
            if self._side_end is not None:
                yield self._side_end
            yield self._record(InKind.REFILL_BEGIN, flag)
            self._side_end = self._record(InKind.REFILL_END, flag | InFlag.WHOLE)
        for _ in range(count):
            begin = self.at
            entry = self._take(ENTRY_BYTES[self.template])
            if self.template == TRADES:
                yield from self._trade(entry, time_us, price, qty)
            else:
                yield self._level(entry, flag, price, qty)
            self.at = begin
            self._take(block)

    def _level(self, entry: bytes, flag: int, price: Unit, qty: Unit) -> InRecord:
        ticks, lots = (
            unit.units(mantissa)
            for unit, mantissa in zip((price, qty), struct.unpack("<qq", entry), strict=True)
        )
        refill = self.template == SNAPSHOT
        if not ticks or lots is None or (refill and not lots):
            raise Refused("value")
        if refill:
            beyond = min(ticks + 1, MAX_U32) if flag else ticks - 1
            self._side_end = self._record(InKind.REFILL_END, flag, beyond)
        self.model.counts["sbe_levels"] += 1
        flags = flag | (InFlag.REFILL if refill else 0)
        return self._record(InKind.LEVEL, flags, ticks, lots)

    def _trade(self, entry: bytes, time_us: int, price: Unit, qty: Unit) -> Iterator[InRecord]:
        number, price_mantissa, qty_mantissa, maker = struct.unpack("<qqqB", entry)
        ticks, lots = price.units(price_mantissa), qty.units(qty_mantissa)
        if number < 0 or maker > 1 or not ticks or not lots:
            self.model.counts["sbe_trades_refused"] += 1
            return
        yield self._record(InKind.EVENT_BEGIN, value=time_us)
        yield self._record(InKind.TRADE, InFlag.SIDE if maker else 0, ticks, lots)
        yield self._record(InKind.EVENT_END, value=number)

    def ending(self) -> list[InRecord]:
        """What a message that is taken ends with."""
        if self.template == SNAPSHOT and self._side_end is not None:
            return [self._side_end]
        if self.template == DIFF and not self.hold:
            return [self._record(InKind.EVENT_END, InFlag.BOOK, value=self.update_id)]
        return []


def _pairs(numbers: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return zip(numbers[0::2], numbers[1::2], strict=True)
