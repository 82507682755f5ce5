# SPDX-License-Identifier: Apache-2.0
"""ITCH 5.0 over MoldUDP64, connected: packets in, records of the host's kind out."""

from amaranth.hdl import Cat, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.itch.clock import Microseconds
from hdl.feed.itch.config import ItchConfig
from hdl.feed.itch.decoder import Decoder
from hdl.feed.itch.engine import Engine
from hdl.feed.itch.events import Events
from hdl.feed.itch.hold import FrameHold
from hdl.feed.itch.locates import LocateMap
from hdl.feed.itch.mold import MoldSplitter
from hdl.feed.itch.registers import COUNTERS, counts
from hdl.feed.payload import payload_stream
from hdl.records import IN_RECORD

__all__ = ["LEVEL_LATENCY", "ItchFeed"]

#: Cycles from the last byte a level needs, at the splitter, to its record.
LEVEL_LATENCY = 6
_TRADES = ord("T")


class _Parts(wiring.Component):
    """Everything but the map of locates: what a restart forgets."""

    def __init__(self, config: ItchConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(payload_stream(config.width)),
                "o": Out(stream.Signature(IN_RECORD.layout())),
                "first": In(64),
                "midnight_us": In(64),
                "policy": In(3),
                "halt": In(1),
                "resting": Out(1),
                "locate": Out(16),
                "symbol": In(config.symbol_bits),
                "selected": In(1),
                "mapped": In(config.symbols),
                "lost": Out(1),
                "event": Out(8),
                "swept": Out(1),
                "counts": Out(counts(*(name for name, _ in COUNTERS if name != "mold_oversize"))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.mold = mold = MoldSplitter(config)
        m.submodules.decoder = decoder = Decoder(config)
        m.submodules.engine = engine = Engine(config)
        m.submodules.clock = clock = Microseconds()
        m.submodules.events = events = Events(config)

        wiring.connect(m, wiring.flipped(self.i), mold.i)
        wiring.connect(m, mold.o, decoder.i)
        wiring.connect(m, events.o, wiring.flipped(self.o))

        pending, lost = Signal(), Signal()
        trades = Signal(config.symbols)
        sweeps = Signal()
        rests = ~engine.busy & ~decoder.start & ~decoder.lead
        with m.If(mold.lost | decoder.lost):
            m.d.sync += [pending.eq(1), lost.eq(1)]
        with m.Elif(events.swept):
            m.d.sync += pending.eq(0)
        with m.If(pending & rests & events.free):
            m.d.sync += sweeps.eq(1)
        with m.Elif(events.swept):
            m.d.sync += sweeps.eq(0)
        with m.If(decoder.states & self.selected):
            bit = Signal(config.symbols)
            m.d.comb += bit.eq(1 << self.symbol)
            with m.If(decoder.state == _TRADES):
                m.d.sync += trades.eq(trades | bit)
            with m.Else():
                m.d.sync += trades.eq(trades & ~bit)

        m.d.comb += [
            mold.first.eq(self.first),
            mold.halt.eq(self.halt | ~engine.done),
            mold.fence.eq(pending),
            self.resting.eq(mold.resting & rests & events.free & ~pending),
            self.locate.eq(decoder.locate),
            self.lost.eq(lost),
            self.event.eq(decoder.event),
            self.swept.eq(engine.done),
            decoder.ready.eq(engine.ready),
            decoder.led.eq(engine.led),
            engine.fields.eq(decoder.fields),
            engine.symbol.eq(self.symbol),
            engine.selected.eq(self.selected),
            engine.trades.eq(trades),
            engine.policy.eq(self.policy),
            engine.free.eq(events.free),
            engine.break_all.eq(sweeps),
            clock.ns.eq(engine.ns),
            clock.midnight_us.eq(self.midnight_us),
            events.us.eq(clock.us),
            events.begin.eq(engine.begin),
            events.begin_add.eq(engine.begin_add),
            events.change.eq(engine.change),
            events.sweep.eq(sweeps),
            events.mapped.eq(self.mapped),
        ]
        for name in ("lead", "start", "whole", "cut", "print_price", "print_zero", "printable"):
            m.d.comb += getattr(engine, name).eq(getattr(decoder, name))
        for part in (mold, decoder, engine):
            for name, _ in part.counts.shape():
                if name != "itch_lengths":
                    m.d.comb += self.counts[name].eq(part.counts[name])
        m.d.comb += [
            self.counts.itch_lengths.eq(mold.counts.itch_lengths | decoder.counts.itch_lengths),
            self.counts.itch_states.eq(decoder.states & self.selected),
            self.counts.itch_losses.eq(events.swept),
        ]
        return m


class ItchFeed(wiring.Component):
    """Whole MoldUDP64 packets become events of the book, one for each message that changes it.

    A level's record stands at the output `LEVEL_LATENCY` cycles after the beat with the last byte
    it needs has come to the splitter, while nothing holds the output up. A message takes 8 cycles,
    or 2 cycles and those of its beats where that is more.

    What each message does is in ``docs/contract.md``.

    Parameters
    ----------
    config : ItchConfig
        Sizes of the build.
    hold : bool
        Frames are kept until they are known to be whole (`hdl.feed.itch.hold`). Without it a frame
        that ends with an error makes every symbol invalid.

    Members
    -------
    i : In(payload_stream)
        Packets, one a frame.
    o : Out(stream(in record))
        EVENT_BEGIN, LEVEL, TRADE, CLEAR, EVENT_END.
    first, midnight_us : In(64), policy : In(3)
        Registers `itch_first`, `itch_midnight_us`, `itch_policy`.
    restart : In(1)
        Register `itch_restart` is written: between two packets, all but the locates is forgotten.
    locate_write : In(1), written : In(32)
        Register `itch_locate` is written.
    resting : Out(1)
        No frame is under way, and no record of one is still to come.
    status : Out(16)
        Register `itch_status`.
    counts : Out
        One pulse per counter.
    """

    def __init__(self, config: ItchConfig, *, hold: bool = True) -> None:
        self.config, self.hold = config, hold
        super().__init__(
            {
                "i": In(payload_stream(config.width)),
                "o": Out(stream.Signature(IN_RECORD.layout())),
                "first": In(64),
                "midnight_us": In(64),
                "policy": In(3),
                "restart": In(1),
                "locate_write": In(1),
                "written": In(32),
                "resting": Out(1),
                "status": Out(16),
                "counts": Out(counts(*(name for name, _ in COUNTERS))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        restarts, restart = Signal(), Signal()
        parts = _Parts(config)
        m.submodules.parts = ResetInserter(restart)(parts)
        m.submodules.locates = locates = LocateMap(config)
        if self.hold:
            m.submodules.hold = hold = FrameHold(config)
            wiring.connect(m, wiring.flipped(self.i), hold.i)
            wiring.connect(m, hold.o, parts.i)
            m.d.comb += [
                self.resting.eq(parts.resting & hold.empty),
                self.counts.mold_damaged.eq(hold.counts.mold_damaged | parts.counts.mold_damaged),
                self.counts.mold_oversize.eq(hold.counts.mold_oversize),
            ]
        else:
            wiring.connect(m, wiring.flipped(self.i), parts.i)
            m.d.comb += [
                self.resting.eq(parts.resting),
                self.counts.mold_damaged.eq(parts.counts.mold_damaged),
            ]
        wiring.connect(m, parts.o, wiring.flipped(self.o))

        m.d.sync += restart.eq(restarts & parts.resting & ~restart)
        with m.If(self.restart):
            m.d.sync += restarts.eq(1)
        with m.Elif(restart):
            m.d.sync += restarts.eq(0)
        m.d.comb += [
            parts.first.eq(self.first),
            parts.midnight_us.eq(self.midnight_us),
            parts.policy.eq(self.policy),
            parts.halt.eq(restarts | restart | ~locates.done),
            locates.locate.eq(parts.locate),
            locates.write.eq(self.locate_write),
            locates.word.eq(self.written),
            parts.symbol.eq(locates.symbol),
            parts.selected.eq(locates.selected),
            parts.mapped.eq(locates.mapped),
            self.status.eq(
                Cat(parts.swept & locates.done & ~restarts, parts.lost) | (parts.event << 8)
            ),
        ]
        for name, _ in parts.counts.shape():
            if name != "mold_damaged":
                m.d.comb += self.counts[name].eq(parts.counts[name])
        return m
