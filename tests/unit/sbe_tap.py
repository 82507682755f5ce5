# SPDX-License-Identifier: Apache-2.0
"""A core that ends behind the feeds: every record that a frame becomes, as it was made."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.feed.ingress import BEAT_BYTES, Ingress
from hdl.feed.payload import payload_stream
from hdl.feed.sbe.decoder import SbeDecoder
from hdl.regs.bank import Bank
from hdl.stats.counters import Counters
from hdl.top import CORE_PORTS
from host.contract.records import IN_DTYPE
from host.contract.registers import COUNTERS
from sim.board import Board
from sim.build import Design
from sim.reference_wire import WireReference
from tests.unit.sbe_bytes import unit

#: One Design for each width of a beat, bytes.
DESIGNS = {
    width: Design(f"tests.unit.sbe_tap:Tap{width}", ("hdl", "tests.unit.sbe_tap"), "sbe_tap")
    for width in (4, 8, 16)
}


class Split(wiring.Component):
    """Beats of 16 bytes in, beats of `width` out."""

    def __init__(self, width):
        self.width = width
        super().__init__({"i": In(payload_stream(BEAT_BYTES)), "o": Out(payload_stream(width))})

    def elaborate(self, platform):
        m = Module()
        at, beat, width = Signal(range(BEAT_BYTES // self.width)), self.i.p, self.width
        left = beat.count - at * width
        ends = beat.last & (left <= width)
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.p.data.eq(beat.data.word_select(at, 8 * width)),
            self.o.p.count.eq(Mux(ends, left, width)),
            self.o.p.last.eq(ends),
            self.o.p.tag.eq(beat.tag),
            self.o.p.error.eq(beat.error),
            self.i.ready.eq(self.o.ready & (ends | (at == BEAT_BYTES // width - 1))),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += at.eq(Mux(self.i.ready, 0, at + 1))
        return m


class Tap(wiring.Component):
    """Ingress and decoder behind the ports of `hdl.top.Core`; a record is 16 of the bytes out."""

    width = BEAT_BYTES

    def __init__(self, config):
        self.config = config
        super().__init__(CORE_PORTS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = Bank()
        m.submodules.counters = counters = Counters()
        m.submodules.ingress = ingress = Ingress(self.config)
        m.submodules.decoder = decoder = SbeDecoder(self.config, self.width)
        if self.width == BEAT_BYTES:
            wiring.connect(m, ingress.sbe, decoder.i)
        else:
            m.submodules.split = split = Split(self.width)
            wiring.connect(m, ingress.sbe, split.i)
            wiring.connect(m, split.o, decoder.i)
        wiring.connect(m, decoder.o, ingress.decoded)
        held = bank.held
        m.d.comb += [
            decoder.shadow[side][name].eq(held[f"sbe_{side}_{name}"])
            for side in ("price", "qty")
            for name in ("exponent", "shift", "inverse", "bound")
        ]
        m.d.comb += [
            ingress.i.p.eq(self.s_tdata),
            ingress.i.valid.eq(self.s_tvalid),
            self.s_tready.eq(ingress.i.ready),
            self.m_tdata.eq(ingress.o.p),
            self.m_tvalid.eq(ingress.o.valid),
            ingress.o.ready.eq(self.m_tready & decoder.init_done),
            ingress.at_rest.eq(decoder.at_rest),
            decoder.hold.eq(ingress.hold),
            decoder.note.eq(ingress.note),
            decoder.shadow.enable.eq(held.sbe_enable),
            decoder.commit.eq(bank.strobes.sbe_commit),
            decoder.commit_symbol.eq(bank.written),
            bank.bus.addr.eq(self.reg_addr),
            bank.bus.w_data.eq(self.reg_w_data),
            bank.bus.w_en.eq(self.reg_w_en),
            bank.bus.r_en.eq(self.reg_r_en),
            self.reg_r_data.eq(bank.bus.r_data),
            bank.shown.status.eq(Cat(decoder.init_done)),
        ]
        for part in (ingress, decoder):
            for name, _ in part.counts.shape():
                m.d.comb += counters.pulses[name].eq(part.counts[name])
        for name, _ in counters.values.shape():
            m.d.comb += bank.shown[name].eq(counters.values[name])
        return m


class Tap4(Tap):
    width = 4


class Tap8(Tap):
    width = 8


class Tap16(Tap):
    width = 16


def settings(symbol, price=(10, -2), qty=(1000, -3), enable=1):
    """Register writes that give a symbol its tick and lot, mantissas and their exponent each."""
    yield "sbe_enable", enable
    for side, (mantissas, exponent) in (("price", price), ("qty", qty)):
        for name, value in unit(mantissas, exponent).items():
            yield f"sbe_{side}_{name}", value
    yield "sbe_commit", symbol


def assert_taps(board: Board, reference: WireReference, beats):
    """Feed both; every record and every counter of the feeds must agree. The records."""
    reference.records.clear()
    reference.feed(beats)
    out = board.transfer(np.frombuffer(beats, np.uint8).reshape(-1, BEAT_BYTES))
    actual = out[:, : IN_DTYPE.itemsize].copy().view(IN_DTYPE).reshape(-1)
    expected = np.array(reference.records, IN_DTYPE)
    common = min(len(actual), len(expected))
    differ = np.flatnonzero(actual[:common] != expected[:common])
    assert not len(differ), (
        f"record {differ[0]} of {common}: expected {expected[differ[0]]}, was {actual[differ[0]]}"
    )
    assert len(actual) == len(expected)
    names = [n for n in COUNTERS if n.startswith(("sbe_", "frames")) and "bbo" not in n]
    counted = {name: board.read(name) for name in names}
    assert counted == {name: reference.counters[name] for name in names}
    assert board.protocol_errors == 0
    return actual
