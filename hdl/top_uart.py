# SPDX-License-Identifier: Apache-2.0
"""The fabric behind a serial link: two wires are all there is."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.link.uart.endpoint import UartEndpoint
from hdl.top import PIN_PORTS, Core

__all__ = ["TOP_NAME", "UartTop", "brief_top"]

TOP_NAME = "tickgate_uart"


class UartTop(wiring.Component):
    """`Core` and `UartEndpoint`.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    clock_hz, baud : int
        Rates; they must divide to 4 clocks a bit at least.
    pins : bool
        With the members of `hdl.top.PIN_PORTS`.

    Members
    -------
    rx : In(1), tx : Out(1)
        The wires, seen from the board.
    kill_pin : In(1), lamps : Out(LAMPS)
        As in `hdl.pipeline.Pipeline`.
    """

    def __init__(
        self,
        config: BuildConfig,
        clock_hz: int = 75_000_000,
        baud: int = 3_000_000,
        pins: bool = False,
    ) -> None:
        self.config, self.clock_hz, self.baud, self.pins = config, clock_hz, baud, pins
        super().__init__({"rx": In(1), "tx": Out(1)} | (PIN_PORTS if pins else {}))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.core = core = Core(self.config, self.pins)
        m.submodules.endpoint = endpoint = UartEndpoint(
            self.clock_hz, self.baud, self.config.symbols
        )
        m.d.comb += [
            endpoint.rx.eq(self.rx),
            self.tx.eq(endpoint.tx),
            core.s_tdata.eq(endpoint.records.p),
            core.s_tvalid.eq(endpoint.records.valid),
            endpoint.records.ready.eq(core.s_tready),
            endpoint.results.p.eq(core.m_tdata),
            endpoint.results.valid.eq(core.m_tvalid),
            core.m_tready.eq(endpoint.results.ready),
            core.reg_addr.eq(endpoint.bus.addr),
            core.reg_w_data.eq(endpoint.bus.w_data),
            core.reg_w_en.eq(endpoint.bus.w_en),
            core.reg_r_en.eq(endpoint.bus.r_en),
            endpoint.bus.r_data.eq(core.reg_r_data),
        ]
        if self.pins:
            m.d.comb += [core.kill_pin.eq(self.kill_pin), self.lamps.eq(core.lamps)]
        return m


def brief_top(config: BuildConfig) -> UartTop:
    """The board with as few clocks a bit as its receiver takes: half the time to simulate."""
    return UartTop(config, clock_hz=12_000_000, baud=3_000_000)
