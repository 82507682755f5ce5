# SPDX-License-Identifier: Apache-2.0
"""Decision latency: least, greatest, sum, and two histograms."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.memory import SweptMemory

__all__ = ["BINS", "Histogram", "Latency"]

BINS = 32


class Histogram(wiring.Component):
    """32 saturating counters of 32 bits.

    Parameters
    ----------
    spaced : bool
        Nothing is counted in the cycle behind another, so counters lie in block RAM.

    Members
    -------
    bin : In(5), add : In(1)
        Count one in this bin, which stands for two cycles more where they are spaced.
    index : In(5), count : Out(32)
        Read a bin, combinationally; a cycle later where they are spaced.
    init_done : Out(1)
        Memory is swept; what is counted before is lost.
    """

    bin: In(range(BINS))
    add: In(1)
    index: In(range(BINS))
    count: Out(32)
    init_done: Out(1)

    def __init__(self, spaced: bool = False) -> None:
        self.spaced = spaced
        super().__init__()

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        style = "block" if self.spaced else "distributed"
        # One copy to count in and one to read.
        counted, told = (
            SweptMemory(32, BINS, style=style, at_once=not self.spaced) for _ in range(2)
        )
        m.submodules.counted, m.submodules.told = counted, told
        # Where decisions are spaced, a register behind the memory and one behind the sum.
        add = Signal.like(self.add)
        m.d["sync" if self.spaced else "comb"] += add.eq(self.add)
        adds, more = Signal(), Signal(32)
        m.d["sync" if self.spaced else "comb"] += [
            adds.eq(add & ~counted.read_data.all()),
            more.eq(counted.read_data + 1),
        ]
        m.d.comb += [
            counted.read_addr.eq(self.bin),
            told.read_addr.eq(self.index),
            self.count.eq(told.read_data),
            self.init_done.eq(counted.done),
        ]
        for copy in (counted, told):
            m.d.comb += [
                copy.write_en.eq(adds),
                copy.write_addr.eq(self.bin),
                copy.write_data.eq(more),
            ]
        return m


class Latency(wiring.Component):
    """Statistics over decisions.

    Parameters
    ----------
    spaced : bool
        No decision is made in the two cycles behind another (`BuildConfig.spaced`).

    Members
    -------
    add : In(1)
        A decision is made this cycle.
    latency : In(16)
        Cycles from accept of its EVENT_END.
    span : In(64)
        Cycles from accept of its EVENT_BEGIN.
    index : In(5)
        Bin to read.
    latency_count, span_count : Out(32)
        That bin of both histograms; a cycle later where decisions are spaced.
    least, greatest : Out(16), total : Out(64)
        Of all latencies; `least` is 65535 before the first.
    init_done : Out(1)
        Memories are swept; decisions may come.
    """

    add: In(1)
    latency: In(16)
    span: In(64)
    index: In(range(BINS))
    latency_count: Out(32)
    span_count: Out(32)
    least: Out(16, init=0xFFFF)
    greatest: Out(16)
    total: Out(64)
    init_done: Out(1)

    def __init__(self, spaced: bool = False) -> None:
        self.spaced = spaced
        super().__init__()

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.latency = latency = Histogram(self.spaced)
        m.submodules.span = span = Histogram(self.spaced)
        # Which bins, and a clock later one more in each.
        span_bits, add = Signal(range(BINS)), Signal()
        for bit in range(64):
            with m.If(self.span[bit]):
                m.d.comb += span_bits.eq(min(bit + 1, BINS - 1))
        latency_bin, span_bin = Signal(range(BINS)), Signal(range(BINS))
        m.d.sync += add.eq(self.add)
        with m.If(self.add):
            m.d.sync += [
                latency_bin.eq(Mux(self.latency >= BINS, BINS - 1, self.latency)),
                span_bin.eq(span_bits),
            ]
        m.d.comb += [
            latency.add.eq(add),
            latency.bin.eq(latency_bin),
            span.add.eq(add),
            span.bin.eq(span_bin),
            latency.index.eq(self.index),
            span.index.eq(self.index),
            self.latency_count.eq(latency.count),
            self.span_count.eq(span.count),
            self.init_done.eq(latency.init_done),
        ]
        with m.If(self.add):
            m.d.sync += self.total.eq(self.total + self.latency)
            with m.If(self.latency < self.least):
                m.d.sync += self.least.eq(self.latency)
            with m.If(self.latency > self.greatest):
                m.d.sync += self.greatest.eq(self.latency)
        return m
