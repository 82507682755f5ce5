# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite: the register bus as a slave of the host's processor."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.regs.bank import BANK_BUS

__all__ = ["LITE_PORTS", "LiteSlave"]

_OKAY, _SLVERR = 0, 2
#: Members of a slave with 16 address bits, without the prefix that a top puts before them.
LITE_PORTS = {
    "awaddr": In(16),
    "awprot": In(3),
    "awvalid": In(1),
    "awready": Out(1),
    "wdata": In(32),
    "wstrb": In(4),
    "wvalid": In(1),
    "wready": Out(1),
    "bresp": Out(2),
    "bvalid": Out(1),
    "bready": In(1),
    "araddr": In(16),
    "arprot": In(3),
    "arvalid": In(1),
    "arready": Out(1),
    "rdata": Out(32),
    "rresp": Out(2),
    "rvalid": Out(1),
    "rready": In(1),
}


class LiteSlave(wiring.Component):
    """Word address is byte address by 4; one access at a time, writes first.

    A write of part of a word is answered with SLVERR and changes nothing. Addresses behind the
    register table read 0 and ignore writes, as on every link.

    Members
    -------
    those of `LITE_PORTS` : the slave
    bus : Out(BANK_BUS)
        To the registers.
    hold : In(1)
        Writes wait; reads do not.

    Latency
    -------
    Three cycles from an address to its data, two from a write to its response, where none waits.
    """

    def __init__(self) -> None:
        super().__init__(LITE_PORTS | {"bus": Out(BANK_BUS), "hold": In(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        words = len(self.bus.addr)
        write_word, read_word = self.awaddr[2:], self.araddr[2:]
        writes, reads, reading, found = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            writes.eq(self.awvalid & self.wvalid & ~self.bvalid & ~self.hold),
            reads.eq(self.arvalid & ~self.rvalid & ~reading & ~writes),
            self.awready.eq(writes),
            self.wready.eq(writes),
            self.arready.eq(reads),
            self.bus.addr.eq(Mux(writes, write_word, read_word)),
            self.bus.w_data.eq(self.wdata),
            self.bus.w_en.eq(writes & (write_word[words:] == 0) & self.wstrb.all()),
            self.bus.r_en.eq(reads),
        ]
        m.d.sync += [reading.eq(reads), found.eq(read_word[words:] == 0)]
        with m.If(writes):
            whole = self.wstrb.all() | (self.wstrb == 0)
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(Mux(whole, _OKAY, _SLVERR))]
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(reading):
            m.d.sync += [self.rvalid.eq(1), self.rdata.eq(Mux(found, self.bus.r_data, 0))]
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)
        return m
