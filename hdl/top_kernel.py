# SPDX-License-Identifier: Apache-2.0
"""The fabric as a kernel of an Alveo card: batches from the card's memory, answers back into it."""

from collections.abc import Callable

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.link.axi.control import KernelControl
from hdl.link.axi.lite import LITE_PORTS
from hdl.link.axi.reader import READ_PORTS, Reader
from hdl.link.axi.writer import WRITE_PORTS, Writer
from hdl.link.batch import Batches
from hdl.top import Core

__all__ = ["TOP_NAME", "KernelTop"]

TOP_NAME = "tickgate_kernel"


class KernelTop(wiring.Component):
    """`Core` behind `Batches`, which carry the registers as well: XRT reaches none of a kernel's.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    core : callable
        What makes the core; benches of the ends put something small there.

    Members
    -------
    ap_clk : In(1), ap_rst_n : In(1)
        Clock; reset, low resets, in step with the clock.
    interrupt : Out(1)
        A run is over.
    s_axi_* : AXI4-Lite slave
        `KernelControl`.
    m_axi_gmem_* : AXI4 master, 512 bits
        The card's memory.
    """

    def __init__(
        self, config: BuildConfig, core: Callable[[BuildConfig], wiring.Component] = Core
    ) -> None:
        self.config, self.core = config, core
        super().__init__(
            {
                "ap_clk": In(1),
                "ap_rst_n": In(1),
                "interrupt": Out(1),
                **{f"s_axi_{name}": member for name, member in LITE_PORTS.items()},
                **{
                    f"m_axi_gmem_{name}": member
                    for name, member in (READ_PORTS | WRITE_PORTS).items()
                },
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.submodules.core = core = self.core(self.config)
        m.submodules.control = control = KernelControl()
        m.submodules.reader = reader = Reader()
        m.submodules.writer = writer = Writer()
        m.submodules.batches = batches = Batches(self.config, registers=True)
        wiring.connect(m, reader.o, batches.i)
        wiring.connect(m, batches.o, writer.i)

        m.d.comb += [ClockSignal().eq(self.ap_clk), ResetSignal().eq(~self.ap_rst_n)]
        for prefix, part, ports in (
            ("s_axi", control, LITE_PORTS),
            ("m_axi_gmem", reader, READ_PORTS),
            ("m_axi_gmem", writer, WRITE_PORTS),
        ):
            for name, member in ports.items():
                outer, inner = getattr(self, f"{prefix}_{name}"), getattr(part, name)
                m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        faults, asked = Signal(32), control.arguments
        m.d.sync += faults.eq(faults + reader.fault + writer.fault)
        m.d.comb += [
            self.interrupt.eq(control.interrupt),
            control.finished.eq(writer.finished),
            reader.start.eq(control.start),
            reader.source.eq(asked.source),
            reader.units.eq(asked.units),
            writer.start.eq(control.start),
            writer.target.eq(asked.target),
            writer.room.eq(asked.room),
            writer.nothing.eq((asked.units == 0) & ~batches.busy),
            batches.faults.eq(faults),
            core.s_tdata.eq(batches.records.p),
            core.s_tvalid.eq(batches.records.valid),
            batches.records.ready.eq(core.s_tready),
            batches.results.p.eq(core.m_tdata),
            batches.results.valid.eq(core.m_tvalid),
            core.m_tready.eq(batches.results.ready),
            core.reg_addr.eq(batches.bus.addr),
            core.reg_w_data.eq(batches.bus.w_data),
            core.reg_w_en.eq(batches.bus.w_en),
            core.reg_r_en.eq(batches.bus.r_en),
            batches.bus.r_data.eq(core.reg_r_data),
        ]
        return m
