# SPDX-License-Identifier: Apache-2.0
"""Tick and lot of each connection: written to a shadow, committed at once."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.feed.sbe.exact import unit_layout
from hdl.memory import SweptMemory

__all__ = ["Scales", "scale_layout"]


def scale_layout() -> data.StructLayout:
    """Scale of one connection; nothing of a connection that is not enabled is taken."""
    return data.StructLayout({"enable": 1, "price": unit_layout(), "qty": unit_layout()})


class Scales(wiring.Component):
    """Scale of the connection a message came by.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    shadow : In(scale_layout)
        Shadow registers.
    commit : In(1), commit_symbol : In(32)
        Make the shadow the scale of a symbol. A symbol this build does not have is ignored.
    tag : In(8)
        Connection; its number is that of its symbol.
    follow : In(1)
        Take up what was committed; else `scale` stands still.
    scale : Out(scale_layout)
        Its scale, two cycles later; not enabled where there is no such symbol.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "shadow": In(scale_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
                "tag": In(8),
                "follow": In(1),
                "scale": Out(scale_layout()),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbols = self.config.symbols
        m.submodules.rows = rows = SweptMemory(scale_layout(), symbols)
        bits, known = len(rows.read_addr), Signal()
        m.d.comb += [
            rows.read_addr.eq(self.tag[:bits]),
            rows.write_en.eq(self.commit & rows.done & (self.commit_symbol < symbols)),
            rows.write_addr.eq(self.commit_symbol[:bits]),
            rows.write_data.eq(self.shadow),
            self.init_done.eq(rows.done),
        ]
        m.d.sync += known.eq(self.tag < symbols)
        with m.If(self.follow):
            m.d.sync += [
                self.scale.eq(rows.read_data),
                self.scale.enable.eq(Mux(known, rows.read_data.enable, 0)),
            ]
        return m
