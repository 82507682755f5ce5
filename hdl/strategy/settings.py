# SPDX-License-Identifier: Apache-2.0
"""Settings by symbol: written to a shadow, committed at once, read once for each event."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import FEW, SweptMemory
from hdl.strategy.registers import SETTINGS

__all__ = ["ALWAYS", "Settings", "settings_layout"]

#: Settings that hold whether or not the symbol's are active.
ALWAYS = ("flow_decay", "average_decay", "bar_log2_us", "micro_bank")


def settings_layout() -> data.StructLayout:
    """Settings of one symbol; all zero leaves the rule to the registers for all symbols."""
    return data.StructLayout({name: bits for name, bits, _ in SETTINGS})


class Settings(wiring.Component):
    """Active settings of each symbol.

    A view finds the row that stood in the memory two clocks before it, and carries it from there
    on: whatever is judged of the event is judged by that row.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    shadow : In(settings_layout)
        Shadow registers.
    commit : In(1), commit_symbol : In(32)
        Make the shadow the settings of a symbol. A symbol this build does not have is ignored.
    ahead : In(8)
        Symbol of the view that comes two clocks later.
    row : Out(settings_layout)
        Its settings, with the view.
    version : Out(32)
        Commits since reset.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "shadow": In(settings_layout()),
                "commit": In(1),
                "commit_symbol": In(32),
                "ahead": In(8),
                "row": Out(settings_layout()),
                "version": Out(32),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        spaced = self.config.spaced
        m.submodules.rows = rows = SweptMemory(
            settings_layout(),
            self.config.symbols,
            style="distributed" if spaced and self.config.symbols <= FEW else "auto",
        )
        bits = len(rows.read_addr)
        commit = Signal()
        m.d.comb += [
            commit.eq(self.commit & rows.done & (self.commit_symbol < self.config.symbols)),
            rows.read_addr.eq(self.ahead[:bits]),
            rows.write_en.eq(commit),
            rows.write_addr.eq(self.commit_symbol[:bits]),
            rows.write_data.eq(self.shadow),
            self.init_done.eq(rows.done),
        ]
        m.d.sync += self.row.eq(rows.read_data)
        with m.If(commit):
            m.d.sync += self.version.eq(self.version + 1)
        return m
