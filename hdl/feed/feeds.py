# SPDX-License-Identifier: Apache-2.0
"""The feeds of a build, connected: ingress, decoders, and the check of the book by a feed."""

from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.ingress import BEAT_BYTES, Ingress
from hdl.feed.itch.config import LARGE, SMALL
from hdl.feed.itch.feed import ItchFeed
from hdl.feed.oracle import Oracle
from hdl.feed.sbe.decoder import SbeDecoder
from hdl.feed.sbe.scales import scale_layout
from hdl.records import IN_RECORD
from hdl.types import count_layout, flow, view_layout

__all__ = ["Feeds"]

_ITCH_LAYOUT = data.StructLayout(
    {
        "first": 64,
        "midnight_us": 64,
        "policy": 3,
        "restart": 1,
        "locate_write": 1,
        "written": 32,
    }
)


class Feeds(wiring.Component):
    """Records and frames in, records out, in the order in which they came.

    Latency of a record is 0 cycles, of a level in a frame `hdl.feed.sbe.decoder.LEVEL_LATENCY`, of
    one in a packet `hdl.feed.itch.feed.LEVEL_LATENCY` once the packet is known to be whole.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build, and which decoders it has; a frame without its decoder is refused.
    view_delay : int
        Cycles from a record at `o` to its token at `view`.

    Members
    -------
    i : In(stream(in record)), o : Out(stream(in record))
        Records and frames; records.
    view : In(flow(view_layout))
        What the book shows.
    shadow, commit, commit_symbol : In
        SBE scales (`hdl.feed.sbe.scales.Scales`).
    itch : In
        Registers of the ITCH feed (`hdl.feed.itch.feed.ItchFeed`).
    itch_status : Out(16)
        Register `itch_status`; 0 in a build without it.
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept; stays so while the ITCH feed restarts, whose packets wait.
    """

    def __init__(self, config: BuildConfig, view_delay: int) -> None:
        self.config = config
        record = stream.Signature(IN_RECORD.layout())
        self._ingress = Ingress(config)
        self._sbe = (
            (SbeDecoder(config, BEAT_BYTES), Oracle(config, view_delay)) if config.sbe else ()
        )
        sizes = replace(
            LARGE if config.itch_large else SMALL,
            symbols=config.symbols,
            qty_bits=config.qty_bits if config.itch else SMALL.qty_bits,
            width=BEAT_BYTES,
        )
        self._itch = (ItchFeed(sizes),) if config.itch else ()
        self._counting = (self._ingress, *self._sbe, *self._itch)
        super().__init__(
            {
                "i": In(record),
                "o": Out(record),
                "view": In(flow(view_layout(config))),
                "shadow": In(scale_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
                "itch": In(_ITCH_LAYOUT),
                "itch_status": Out(16),
                "counts": Out(
                    count_layout(*(n for part in self._counting for n, _ in part.counts.shape()))
                ),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.ingress = ingress = self._ingress
        wiring.connect(m, wiring.flipped(self.i), ingress.i)
        wiring.connect(m, ingress.o, wiring.flipped(self.o))
        rests: list[Value] = [Const(1, 1)]
        done: list[Value] = [Const(1, 1)]
        decoded = ingress.decoded
        if self._sbe:
            decoder, oracle = self._sbe
            m.submodules.sbe = decoder
            m.submodules.oracle = oracle
            wiring.connect(m, ingress.sbe, decoder.i)
            wiring.connect(m, wiring.flipped(self.view), oracle.view)
            m.d.comb += [
                decoded.p.eq(decoder.o.p),
                decoded.valid.eq(decoder.o.valid),
                decoder.o.ready.eq(decoded.ready),
                decoder.hold.eq(ingress.hold),
                decoder.note.eq(ingress.note),
                decoder.shadow.eq(self.shadow),
                decoder.commit.eq(self.commit),
                decoder.commit_symbol.eq(self.commit_symbol),
                oracle.ticker.eq(decoder.ticker),
                oracle.ticker_valid.eq(decoder.ticker_valid),
            ]
            rests.append(decoder.at_rest)
            done += [decoder.init_done, oracle.init_done]
        if self._itch:
            (itch,) = self._itch
            m.submodules.itch = itch
            wiring.connect(m, ingress.itch, itch.i)
            swept = Signal()
            m.d.sync += swept.eq(swept | itch.status[0])
            # A frame is taken when all decoders rest, so one of them has records at most.
            with m.If(itch.o.valid):
                m.d.comb += [decoded.p.eq(itch.o.p), decoded.valid.eq(1)]
            m.d.comb += [itch.o.ready.eq(decoded.ready), self.itch_status.eq(itch.status)]
            m.d.comb += [getattr(itch, name).eq(self.itch[name]) for name, _ in _ITCH_LAYOUT]
            rests.append(itch.resting)
            done.append(swept)
        m.d.comb += [ingress.at_rest.eq(Cat(rests).all()), self.init_done.eq(Cat(done).all())]
        for part in self._counting:
            for name, _ in part.counts.shape():
                m.d.comb += self.counts[name].eq(part.counts[name])
        return m
