# SPDX-License-Identifier: Apache-2.0
"""Backpressure in one place: a record is taken only when all it can cause has room."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.records import IN_RECORD, InFlag, InKind
from hdl.risk.gate import MOVING
from hdl.types import count_layout

__all__ = ["IN_FLIGHT", "Admission", "reserved"]

#: Upper bound of the tokens between the decoder and the queues; the pipeline checks its sum.
IN_FLIGHT = 28
#: Entries that one record under way, and kills in the clocks until `room` falls, may cause.
_ALONE = 4


def reserved(config: BuildConfig) -> int:
    """Entries of a queue that are kept for what is under way when `room` falls."""
    return _ALONE if config.spaced else IN_FLIGHT


class Admission(wiring.Component):
    """Pass records while `room`; between two of them, reset symbols.

    `ready` is a function of the queues, of resets and of the records before, never of `valid` nor
    of the record it is for. Behind a record that changes what an order is judged by, and between
    such a one and the EVENT_END before it, a clock stays free: the gate counts on it. So one that
    comes directly behind an EVENT_END waits here for a clock. A reset waits for no queue, because
    it causes no output. The symbols to be reset are marked and looked at in turn,
    one a cycle; each is sent as two records, a CLEAR of the bids and of the asks.

    In a spaced build `IN_FLIGHT` clocks stay free behind each record, so none has to wait for the
    one before it; it leaves from a register, where it stands until the next.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(stream)
        Records from the link.
    o : Out(stream, always ready)
        Admitted records.
    own : Out(1)
        The record at `o` was made here, to reset its symbol.
    coming : Out(8)
        Symbol of the record last sent, from the clock after it.
    alone : Out(1)
        No record is under way, in a spaced build.
    room : In(1)
        The queues behind can take one entry for everything in flight and one more.
    swept : In(1)
        Memories are swept: records may come.
    reset : In(1), reset_symbol : In(32)
        Reset a symbol before any record taken from this cycle on. A symbol this build does not have
        is ignored.
    busy : Out(1)
        A symbol is still to be reset.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        layout = IN_RECORD.layout()
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout, always_ready=True)),
                "own": Out(1),
                "coming": Out(8),
                "alone": Out(1),
                "room": In(1),
                "swept": In(1),
                "reset": In(1),
                "reset_symbol": In(32),
                "busy": Out(1),
                "counts": Out(count_layout("symbol_resets")),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbols = self.config.symbols
        marked, resetting = Signal(symbols), Signal()
        at, asks = Signal(range(symbols)), Signal()
        here, moves, moved, ended = Signal(), Signal(), Signal(), Signal()
        # What goes on, and whether it was made here.
        goes, made, sent = Signal(), Signal(), Signal.like(self.i.p)
        # Clocks until the next record, and whether there are none left.
        rest, free = Signal(range(IN_FLIGHT + 1)), Signal(init=1)
        taken, holds, waits, late = Signal(), Signal(), Signal(), Signal.like(self.i.p)
        if self.config.spaced:
            m.d.sync += [
                rest.eq(Mux(goes, IN_FLIGHT, rest - (rest != 0))),
                free.eq(~goes & (rest <= 1)),
                self.o.valid.eq(goes),
                self.own.eq(made),
            ]
            with m.If(goes):
                m.d.sync += self.o.p.eq(sent)
        else:
            m.d.comb += [
                free.eq(1),
                holds.eq(taken & ended & moves),
                self.o.valid.eq(goes),
                self.o.p.eq(sent),
                self.own.eq(made),
            ]
            m.d.sync += [
                moved.eq((taken & moves & ~holds) | waits),
                ended.eq(taken & (self.i.p.kind == InKind.EVENT_END)),
                waits.eq(holds),
                late.eq(self.i.p),
            ]
        m.d.comb += [
            here.eq(marked.bit_select(at, 1)),
            self.busy.eq(resetting | self.reset),
            made.eq(resetting & self.swept & here & free),
            self.i.ready.eq(self.room & self.swept & ~self.busy & ~moved & ~waits & free),
            taken.eq(self.i.valid & self.i.ready),
            moves.eq(Cat(self.i.p.kind == kind for kind in MOVING).any()),
            goes.eq((taken & ~holds) | waits | made),
            sent.eq(Mux(waits, late, self.i.p)),
            self.alone.eq(free & ~goes),
            self.counts.symbol_resets.eq(made & asks),
        ]
        with m.If(made):
            m.d.comb += [
                sent.eq(0),
                sent.kind.eq(int(InKind.CLEAR)),
                sent.flags.eq(Mux(asks, int(InFlag.SIDE), 0)),
                sent.symbol.eq(at),
            ]
            m.d.sync += asks.eq(~asks)
        with m.If(self.o.valid):
            m.d.sync += self.coming.eq(self.o.p.symbol)
        with m.If(made & asks):
            m.d.sync += marked.bit_select(at, 1).eq(0)
        with m.Elif(resetting & ~here):
            m.d.sync += at.eq(Mux(at == symbols - 1, 0, at + 1))
        with m.If(self.reset & (self.reset_symbol < symbols)):
            m.d.sync += marked.bit_select(self.reset_symbol[: len(at)], 1).eq(1)
        m.d.sync += resetting.eq(self.reset | marked.any())
        return m
