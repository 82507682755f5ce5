# SPDX-License-Identifier: Apache-2.0
"""Decoder, book and profile alone, one record a clock, compared with the reference after each.

What the fabric tells is a view at the end of an event. Here both sides are looked at after each
record, so that a short stream on a small build says which record went wrong.
"""

import random
from collections import Counter
from typing import Any

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.book import Book
from hdl.book.decide import COUNTS
from hdl.config import BuildConfig
from hdl.feed.native import TickDecoder
from hdl.records import IN_RECORD
from hdl.signal.profile import Profile
from hdl.types import flow, view_layout, view_result_layout
from host.contract.records import (
    IN_DTYPE,
    REFILL_REQUEST_DTYPE,
    VIEW_DTYPE,
    InFlag,
    OutKind,
    ViewFlag,
)
from sim.reference import Reference
from sim.reference_symbol import NO_HORIZON, Side, State
from tests.unit.simulate import run

__all__ = ["BOOK_COUNTS", "Fed", "Register", "check", "profile_of"]

BOOK_COUNTS = (*COUNTS, "events", "events_bbo", "events_valid", "refill_requests")
#: Cycles from a record at the decoder to its view.
LATENCY = 8
#: Clocks without a record after which all before it have left.
DRAIN = 12
REGISTERS = {"report": 1, "levels_n": 2, "refill_level": 2, "refill_retry": 2}


class Register(tuple):
    """A register's name and value, written between two records once the first has left."""


class Fed(wiring.Component):
    """Decoder, book and profile as `hdl.pipeline` connects them."""

    def __init__(self, config: BuildConfig) -> None:
        self.book = Book(config)
        self.decoder = TickDecoder(config)
        self.profile = Profile(config)
        super().__init__(
            {
                "i": In(stream.Signature(IN_RECORD.layout(), always_ready=True)),
                "o": Out(flow(view_layout(config))),
                "result": Out(flow(view_result_layout(config))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = self.decoder
        m.submodules.book = book = self.book
        m.submodules.profile = profile = self.profile
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, decoder.o, book.i)
        wiring.connect(m, book.first, profile.i)
        wiring.connect(m, book.o, wiring.flipped(self.o))
        wiring.connect(m, book.result, wiring.flipped(self.result))
        m.d.comb += [
            book.ahead.eq(decoder.ahead),
            profile.side.eq(book.side),
            profile.ahead.eq(book.behind),
            self.o.p.profile.eq(profile.o),
        ]
        return m


def _fields(layout: data.Layout, bits: int) -> Any:
    """Bits as nested dicts and lists, by their layout."""
    if isinstance(layout, data.StructLayout):
        items = ((name, field) for name, field in layout)
        return {name: _fields(f.shape, bits >> f.offset) for name, f in items}
    if isinstance(layout, data.ArrayLayout):
        return [_fields(field.shape, bits >> field.offset) for _, field in layout]
    width = layout if isinstance(layout, int) else 2  # the one enum is SideState
    return bits & ((1 << width) - 1)


def _side(side: Side, config: BuildConfig) -> dict:
    """A side as the book must show it after a record."""
    shown = {"state": side.state.value, "n": side.sum_n, "depth": 0, "sum": 0}
    shown |= {"bounded": 0, "horizon": 0, "levels": [{"price": 0, "qty": 0}] * config.view_levels}
    if side.state is not State.KNOWN:
        return shown
    ranks = sorted(side.held, reverse=True)
    levels = [{"price": side.sign * rank, "qty": side.held[rank]} for rank in ranks]
    levels = levels[: config.view_levels]
    shown["depth"] = len(ranks)
    shown["sum"] = side.shown().sum_lots
    shown["levels"] = levels + shown["levels"][len(levels) :]
    if side.horizon != NO_HORIZON:
        shown |= {"bounded": 1, "horizon": side.sign * side.horizon}
    return shown


def profile_of(side: Side, visible: int) -> dict:
    """How quantity must lie over a side, of which so many levels are visible."""
    levels, (price, qty) = side.levels()[:visible], side.wall()
    weighted = sum(lots << (visible - 1 - at) for at, (_, lots) in enumerate(levels))
    return {"weighted": weighted, "wall": {"price": price, "qty": qty}}


def _told(out: np.ndarray, told: dict) -> None:
    """Fields of a book event's entry that an out record of the reference says."""
    if out[0] == OutKind.REFILL_REQUEST:
        request = out.view(REFILL_REQUEST_DTYPE)[0]
        told |= {"refill": int(request["flags"]), "reasons": int(request["reasons"])}
    elif out[0] == OutKind.VIEW:
        view = out.view(VIEW_DTYPE)[0]
        told |= {"report": 1, "reasons": int(view["reasons"]), "age_us": int(view["age_us"])}
        told["levels_n"] = int(view["levels_n"])
        for name, whole in (("bid", ViewFlag.BID_WHOLE), ("ask", ViewFlag.ASK_WHOLE)):
            told[name] = {
                "price": int(view[f"{name}_price_ticks"]),
                "qty": int(view[f"{name}_qty_lots"]),
                "sum": int(view[f"{name}_sum_lots"]),
                "depth": int(view[f"{name}_depth"]),
                "whole": bool(view["flags"] & whole),
            }


class _Expected:
    """What the reference says of a stream: after each record, of each book event, and counts."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.reference = Reference(config.symbols, config.levels, config.qty_bits)
        self.views: list[tuple[tuple, dict]] = []
        self.results: list[dict] = []

    def feed(self, record: tuple) -> None:
        out = self.reference.feed(np.array([record], IN_DTYPE))
        sides: dict = {"symbol": 0}  # of a symbol that there is not, nobody looks at the rest
        if record[2] < self.config.symbols:
            symbol, visible = self.reference._books[record[2]], self.config.view_levels
            sides = {
                "symbol": record[2],
                "bid": _side(symbol.bid, self.config),
                "ask": _side(symbol.ask, self.config),
                "profile": {
                    "bid": profile_of(symbol.bid, visible),
                    "ask": profile_of(symbol.ask, visible),
                },
            }
        self.views.append((record, sides))
        told: dict = {"refill": 0, "report": 0, "symbol": record[2], "update_id": record[5]}
        for row in out:
            _told(row, told)
        if told["refill"] or told["report"]:
            self.results.append(told)


def _result(entry: dict, expected: dict) -> dict:
    """The entry, in the terms of what is expected of it."""
    for name in ("bid", "ask"):
        side = entry[name]
        known = side["state"] == State.KNOWN.value
        entry[name] = {**side["best"], "sum": side["sum"], "depth": side["depth"]}
        entry[name]["whole"] = known and not side["bounded"]
    return {name: entry[name] for name in expected}


class _Watch:
    """One run of the book from its reset, watched clock by clock."""

    def __init__(self, dut: Fed, config: BuildConfig) -> None:
        self.dut, self.config = dut, config
        self.expected = _Expected(config)
        self.counted: Counter = Counter()
        self.views = self.results = self.clock = 0
        self.accepted: list[int] = []
        self.rng = random.Random(0)
        self.offsets = {name: field.offset for name, field in IN_RECORD.layout()}
        self.view = view_layout(config)
        self.result = view_result_layout(config)

    def packed(self, record: tuple) -> int:
        """Bits of a record."""
        parts = zip(IN_DTYPE.names, record, strict=True)
        return sum(int(part) << self.offsets[name] for name, part in parts)

    def rubbish(self) -> int:
        """What stands at the input in a clock without a record: one that never comes."""
        rng = self.rng
        symbol, side = rng.randrange(self.config.symbols), rng.getrandbits(1)
        flags = side | rng.choice((InFlag.REFILL, InFlag.GAP, InFlag.BOOK, InFlag.WHOLE, 0))
        return self.packed((rng.randint(0, 7), flags, symbol, 0, rng.choice((0, 1, 40, 50)), 0))

    def write(self, ctx, name: str, value: int) -> None:
        """Write a register."""
        ctx.set(getattr(self.dut.book, name), value)
        self.expected.reference.write(name, value)

    async def run(self, ctx, items) -> None:
        """Feed items and drain; everything must be as expected."""
        for item in items:
            if isinstance(item, Register):
                await self.drain(ctx)
                self.write(ctx, *item)
                await self.step(ctx, None)  # the book takes N over a clock later
            else:
                await self.step(ctx, item)
        await self.drain(ctx)
        assert self.views == len(self.accepted), "expected a view of each record"
        assert self.results == len(self.expected.results), "expected an entry of each event"
        wanted = {name: self.expected.reference.counters[name] for name in BOOK_COUNTS}
        assert {name: self.counted[name] for name in BOOK_COUNTS} == wanted

    async def drain(self, ctx) -> None:
        """Let all records leave."""
        for _ in range(DRAIN):
            await self.step(ctx, None)

    async def step(self, ctx, item) -> None:
        """One clock."""
        dut = self.dut
        ctx.set(dut.i.valid, item is not None)
        ctx.set(dut.i.p.as_value(), self.rubbish() if item is None else self.packed(item))
        if item is not None:
            self.accepted.append(self.clock)
            self.expected.feed(item)
        await ctx.tick()
        self.clock += 1
        if pulses := ctx.get(dut.book.counts.as_value()):
            for name, field in dut.book.counts.shape():
                self.counted[name] += pulses >> field.offset & 1
        if ctx.get(dut.o.valid):
            self.see_view(ctx.get(dut.o.p.as_value()))
        if ctx.get(dut.result.valid):
            self.see_result(ctx.get(dut.result.p.as_value()))

    def see_view(self, bits: int) -> None:
        """Compare the view of a record."""
        assert self.views < len(self.accepted), "expected no view, was one without a record"
        record, sides = self.expected.views[self.views]
        seen, told = _fields(self.view, bits), f"record {self.views} {record}: view"
        assert self.clock - self.accepted[self.views] == LATENCY, told
        assert {name: seen[name] for name in sides} == sides, told
        self.views += 1

    def see_result(self, bits: int) -> None:
        """Compare what is told of a book event."""
        seen, told = _fields(self.result, bits), f"record {self.views - 1}: entry"
        assert self.results < len(self.expected.results), told
        wanted = self.expected.results[self.results]
        assert _result(seen, wanted) == wanted, told
        self.results += 1


def check(config: BuildConfig, items, registers=None, *, after_reset=()) -> Counter:
    """Feed records one a clock and compare every view, entry and count with the reference.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    items : iterable
        Records as tuples in the order of `IN_DTYPE`; None for a clock without one, in which
        rubbish stands at the input; or a `Register`.
    registers : mapping, optional
        Registers that differ from `REGISTERS`.
    after_reset : sequence
        More items: after those before have left, the book is reset, the first of these stands
        at its input, not valid, and all of them come from the clock in which it is ready.

    Returns
    -------
    Counter
        Counts by name, of `items` alone.

    Raises
    ------
    AssertionError
        Something differs; the text names the record, counted from 0.
    """
    dut, reset = Fed(config), Signal()
    watches: list[_Watch] = []

    async def start(ctx) -> _Watch:
        watch = _Watch(dut, config)
        watches.append(watch)
        for name, value in {**REGISTERS, **(registers or {})}.items():
            watch.write(ctx, name, value)
        while not ctx.get(dut.book.init_done & dut.profile.init_done):
            await ctx.tick()
        return watch

    async def testbench(ctx):
        watch = await start(ctx)
        await watch.run(ctx, items)
        if after_reset:
            ctx.set(reset, 1)
            ctx.set(dut.i.p.as_value(), watch.packed(after_reset[0]))
            await ctx.tick()
            ctx.set(reset, 0)
            watch = await start(ctx)
            await watch.run(ctx, after_reset)

    run(ResetInserter(reset)(dut), testbench)
    return watches[0].counted
