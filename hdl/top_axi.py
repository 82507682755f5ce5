# SPDX-License-Identifier: Apache-2.0
"""The fabric behind AXI, as it stands beside a processor: registers, a stream in, a stream out."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetInserter, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.link.axi.lite import LITE_PORTS, LiteSlave
from hdl.link.axi.width import Narrow, Widen
from hdl.link.batch import Batches
from hdl.regs.copier import COMMIT_CLOCKS
from hdl.regs.table import addresses
from hdl.top import PIN_PORTS, Core

__all__ = ["STREAM_BITS", "TOP_NAME", "AxiTop"]

TOP_NAME = "tickgate_axi"
#: Width of both streams, that of a Zynq's memory ports.
STREAM_BITS = 64
_COMMITS = ("limit_commit", "strategy_commit")
_AXIS = {"tdata": STREAM_BITS, "tkeep": STREAM_BITS // 8, "tlast": 1, "tvalid": 1}


class AxiTop(wiring.Component):
    """`Core` behind `LiteSlave` and `Batches`; the names are those that AXI tools infer buses from.

    A write of bit 0 to register ``control`` resets the core, and with it the ends of the streams.
    In a spaced build a write behind a commit waits until that has been made (`hdl.regs.copier`).

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    aclk : In(1), aresetn : In(1)
        Clock; reset, low resets, in step with the clock.
    s_axi_* : AXI4-Lite slave
        Registers, word address times 4.
    s_axis_* : AXI stream slave
        Batches of ``docs/batches.md``.
    m_axis_* : AXI stream master
        Their answers.
    kill_pin : In(1), lamps : Out(LAMPS)
        As in `hdl.pipeline.Pipeline`.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                **{f"s_axi_{name}": member for name, member in LITE_PORTS.items()},
                **{f"s_axis_{name}": In(bits) for name, bits in _AXIS.items()},
                "s_axis_tready": Out(1),
                **{f"m_axis_{name}": Out(bits) for name, bits in _AXIS.items()},
                "m_axis_tready": In(1),
                **PIN_PORTS,
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.submodules.core = core = Core(self.config, pins=True)
        m.submodules.lite = lite = LiteSlave()
        self._hold(m, lite)
        asked, again = Signal(), Signal()
        widen, batches, narrow = Widen(STREAM_BITS), Batches(self.config), Narrow(STREAM_BITS)
        for name, part in (("widen", widen), ("batches", batches), ("narrow", narrow)):
            m.submodules[name] = ResetInserter(asked | again)(part)
        wiring.connect(m, widen.o, batches.i)
        wiring.connect(m, batches.o, narrow.i)

        control = next(at for register, at in addresses() if register.name == "control")
        # For two clocks, until the core is in reset as well and offers nothing more.
        m.d.sync += asked.eq(lite.bus.w_en & (lite.bus.addr == control) & lite.bus.w_data[0])
        m.d.sync += again.eq(asked)
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        for name, member in LITE_PORTS.items():
            outer, inner = getattr(self, f"s_axi_{name}"), getattr(lite, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.d.comb += [
            widen.i.valid.eq(self.s_axis_tvalid),
            widen.i.p.data.eq(self.s_axis_tdata),
            widen.i.p.keep.eq(self.s_axis_tkeep),
            widen.i.p.last.eq(self.s_axis_tlast),
            self.s_axis_tready.eq(widen.i.ready),
            self.m_axis_tvalid.eq(narrow.o.valid),
            self.m_axis_tdata.eq(narrow.o.p.data),
            self.m_axis_tkeep.eq(narrow.o.p.keep),
            self.m_axis_tlast.eq(narrow.o.p.last),
            narrow.o.ready.eq(self.m_axis_tready),
            core.s_tdata.eq(batches.records.p),
            core.s_tvalid.eq(batches.records.valid),
            batches.records.ready.eq(core.s_tready),
            batches.results.p.eq(core.m_tdata),
            batches.results.valid.eq(core.m_tvalid),
            core.m_tready.eq(batches.results.ready),
            core.reg_addr.eq(lite.bus.addr),
            core.reg_w_data.eq(lite.bus.w_data),
            core.reg_w_en.eq(lite.bus.w_en),
            core.reg_r_en.eq(lite.bus.r_en),
            lite.bus.r_data.eq(core.reg_r_data),
            core.kill_pin.eq(self.kill_pin),
            self.lamps.eq(core.lamps),
        ]
        return m

    def _hold(self, m: Module, lite: LiteSlave) -> None:
        """Writes wait for a commit, where one takes its time."""
        if not self.config.spaced:
            return
        commits = [at for register, at in addresses() if register.name in _COMMITS]
        left = Signal(range(COMMIT_CLOCKS + 1))
        m.d.comb += lite.hold.eq(left != 0)
        with m.If(lite.bus.w_en & Cat(lite.bus.addr == at for at in commits).any()):
            m.d.sync += left.eq(COMMIT_CLOCKS)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
