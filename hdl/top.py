# SPDX-License-Identifier: Apache-2.0
"""The pipeline behind flat ports, as the simulation and the boards take it."""

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.pipeline import LAMPS, Pipeline
from hdl.regs.table import ADDRESS_BITS

__all__ = ["CORE_PORTS", "PIN_PORTS", "TOP_NAME", "Core"]

TOP_NAME = "tickgate_core"
#: Members of whatever stands in a simulated board.
CORE_PORTS = {
    "s_tdata": In(128),
    "s_tvalid": In(1),
    "s_tready": Out(1),
    "m_tdata": Out(512),
    "m_tvalid": Out(1),
    "m_tready": In(1),
    "reg_addr": In(ADDRESS_BITS),
    "reg_w_data": In(32),
    "reg_w_en": In(1),
    "reg_r_en": In(1),
    "reg_r_data": Out(32),
}
#: Members beside them on a board.
PIN_PORTS = {"kill_pin": In(1), "lamps": Out(LAMPS)}


class Core(wiring.Component):
    """`Pipeline` with members that keep their names in Verilog, and its soft reset closed.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    pins : bool
        With the members of `PIN_PORTS`; without them nothing kills from outside.

    Members
    -------
    s_tdata : In(128), s_tvalid : In(1), s_tready : Out(1)
        In records.
    m_tdata : Out(512), m_tvalid : Out(1), m_tready : In(1)
        Out records.
    reg_addr, reg_w_data, reg_w_en, reg_r_en, reg_r_data
        Register bus (`hdl.regs.bank.BANK_BUS`).
    kill_pin : In(1), lamps : Out(LAMPS)
        As in `Pipeline`.
    """

    def __init__(self, config: BuildConfig, pins: bool = False) -> None:
        self.config, self.pins = config, pins
        super().__init__(CORE_PORTS | (PIN_PORTS if pins else {}))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        soft_reset = Signal()
        pipeline = Pipeline(self.config)
        m.submodules.pipeline = ResetInserter(soft_reset)(pipeline)
        m.d.sync += soft_reset.eq(pipeline.soft_reset)
        m.d.comb += [
            pipeline.i.p.eq(self.s_tdata),
            pipeline.i.valid.eq(self.s_tvalid & ~soft_reset),
            self.s_tready.eq(pipeline.i.ready & ~soft_reset),
            self.m_tdata.eq(pipeline.o.p),
            self.m_tvalid.eq(pipeline.o.valid),
            pipeline.o.ready.eq(self.m_tready),
            pipeline.bus.addr.eq(self.reg_addr),
            pipeline.bus.w_data.eq(self.reg_w_data),
            pipeline.bus.w_en.eq(self.reg_w_en),
            pipeline.bus.r_en.eq(self.reg_r_en),
            self.reg_r_data.eq(pipeline.bus.r_data),
        ]
        if self.pins:
            m.d.comb += [pipeline.kill_pin.eq(self.kill_pin), self.lamps.eq(pipeline.lamps)]
        return m
