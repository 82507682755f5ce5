# SPDX-License-Identifier: Apache-2.0
"""What stands in place of the fabric in benches of a link's ends."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, wiring

from hdl.config import BuildConfig
from hdl.top import CORE_PORTS
from hdl.top_kernel import KernelTop

#: Registers it has.
WORDS = 16


class Mirror(wiring.Component):
    """Each in record comes back as one out record: the record, then its number since reset."""

    def __init__(self, _config):
        super().__init__(CORE_PORTS)

    def elaborate(self, _platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=32, depth=WORDS, init=[])
        write, read = words.write_port(), words.read_port()
        number, told = Signal(32), Signal(data.StructLayout({"record": 128, "number": 32}))
        waits = Signal()
        m.d.comb += [
            write.addr.eq(self.reg_addr),
            write.data.eq(self.reg_w_data),
            write.en.eq(self.reg_w_en),
            read.addr.eq(self.reg_addr),
            read.en.eq(self.reg_r_en),
            self.reg_r_data.eq(read.data),
            self.s_tready.eq(~waits | self.m_tready),
            self.m_tvalid.eq(waits),
            self.m_tdata.eq(Cat(told)),
        ]
        with m.If(self.m_tready):
            m.d.sync += waits.eq(0)
        with m.If(self.s_tvalid & self.s_tready):
            m.d.sync += [
                waits.eq(1),
                told.record.eq(self.s_tdata),
                told.number.eq(number),
                number.eq(number + 1),
            ]
        return m


def kernel():
    """A kernel with a `Mirror` in it."""
    return KernelTop(BuildConfig(symbols=2), core=Mirror)
