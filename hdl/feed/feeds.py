# SPDX-License-Identifier: Apache-2.0
"""The feeds of a build, connected: ingress, decoders, and the check of the book by a feed."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.ingress import BEAT_BYTES, Ingress
from hdl.feed.oracle import Oracle
from hdl.feed.sbe.decoder import SbeDecoder
from hdl.feed.sbe.scales import scale_layout
from hdl.records import IN_RECORD
from hdl.types import count_layout, flow, view_layout

__all__ = ["Feeds"]


class Feeds(wiring.Component):
    """Records and frames in, records out, in the order in which they came.

    Latency of a record is 0 cycles, of a level in a frame `hdl.feed.sbe.decoder.LEVEL_LATENCY`.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build, and whether it has the SBE decoder; without, every frame is refused.
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
    counts : Out
        One pulse per counter.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig, view_delay: int) -> None:
        self.config = config
        record = stream.Signature(IN_RECORD.layout())
        self._ingress = Ingress(config)
        self._sbe = (
            (SbeDecoder(config, BEAT_BYTES), Oracle(config, view_delay)) if config.sbe else ()
        )
        self._counting = (self._ingress, *self._sbe)
        super().__init__(
            {
                "i": In(record),
                "o": Out(record),
                "view": In(flow(view_layout(config))),
                "shadow": In(scale_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
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
        if self._sbe:
            decoder, oracle = self._sbe
            m.submodules.sbe = decoder
            m.submodules.oracle = oracle
            wiring.connect(m, ingress.sbe, decoder.i)
            wiring.connect(m, decoder.o, ingress.decoded)
            wiring.connect(m, wiring.flipped(self.view), oracle.view)
            m.d.comb += [
                ingress.at_rest.eq(decoder.at_rest),
                decoder.hold.eq(ingress.hold),
                decoder.note.eq(ingress.note),
                decoder.shadow.eq(self.shadow),
                decoder.commit.eq(self.commit),
                decoder.commit_symbol.eq(self.commit_symbol),
                oracle.ticker.eq(decoder.ticker),
                oracle.ticker_valid.eq(decoder.ticker_valid),
                self.init_done.eq(decoder.init_done & oracle.init_done),
            ]
        else:
            m.d.comb += [ingress.at_rest.eq(1), self.init_done.eq(1)]
        for part in self._counting:
            for name, _ in part.counts.shape():
                m.d.comb += self.counts[name].eq(part.counts[name])
        return m
