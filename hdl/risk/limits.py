# SPDX-License-Identifier: Apache-2.0
"""Limits by symbol: written to a shadow, committed at once."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory

__all__ = ["Limits", "limit_layout"]


def limit_layout() -> data.StructLayout:
    """Limits of one symbol; all zero refuses everything."""
    return data.StructLayout(
        {"permit": 1, "max_qty": 64, "max_notional": 64, "collar_ticks": 32, "max_position": 64}
    )


class Limits(wiring.Component):
    """Active limits of each symbol.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    shadow : In(limit_layout)
        Shadow registers.
    commit : In(1), commit_symbol : In(32)
        Make the shadow the limits of a symbol. A symbol this build does not have is ignored.
    symbol : In(8)
        Symbol whose limits are wanted.
    limits : Out(limit_layout)
        Its limits, one cycle later.
    version : Out(32)
        Commits since reset.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "shadow": In(limit_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
                "symbol": In(8),
                "limits": Out(limit_layout()),
                "version": Out(32),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = SweptMemory(limit_layout(), self.config.symbols)
        bits = len(rows.read_addr)
        commit = Signal()
        m.d.comb += [
            commit.eq(self.commit & rows.done & (self.commit_symbol < self.config.symbols)),
            rows.read_addr.eq(self.symbol[:bits]),
            self.limits.eq(rows.read_data),
            rows.write_en.eq(commit),
            rows.write_addr.eq(self.commit_symbol[:bits]),
            rows.write_data.eq(self.shadow),
            self.init_done.eq(rows.done),
        ]
        with m.If(commit):
            m.d.sync += self.version.eq(self.version + 1)
        return m
