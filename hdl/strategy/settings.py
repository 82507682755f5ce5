# SPDX-License-Identifier: Apache-2.0
"""Settings by symbol: written to a shadow, committed at once, read once for each event."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.regs.copier import STRATEGY_RUN, copied_layout
from hdl.spread import WordRows
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
        Shadow registers. Not in a spaced build.
    commit : In(1), commit_symbol : In(32)
        Make the shadow the settings of a symbol. A symbol this build does not have is ignored. Not
        in a spaced build.
    copied : In(copied_layout)
        Words of shadows that are committed, as run `STRATEGY_RUN`. In a spaced build, where none
        are committed while a record is under way.
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
        commits: dict[str, wiring.Member] = {
            "shadow": In(settings_layout()),
            "commit": In(1),
            "commit_symbol": In(32),
        }
        if config.spaced:
            commits = {"copied": In(copied_layout())}
        super().__init__(
            commits
            | {
                "ahead": In(8),
                "row": Out(settings_layout()),
                "version": Out(32),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbols, commit = self.config.symbols, Signal()
        if self.config.spaced:
            rows: WordRows | SweptMemory = WordRows(settings_layout(), symbols)
            copied = self.copied
            m.d.comb += [
                commit.eq(copied.done[STRATEGY_RUN]),
                rows.write_en.eq(copied.write[STRATEGY_RUN]),
                rows.write_addr.eq(copied.symbol),
                rows.write_index.eq(copied.index),
                rows.write_data.eq(copied.word),
                self.row.eq(rows.read_data),
            ]
        else:
            rows = SweptMemory(settings_layout(), symbols, style="auto")
            m.d.comb += [
                commit.eq(self.commit & rows.done & (self.commit_symbol < symbols)),
                rows.write_en.eq(commit),
                rows.write_addr.eq(self.commit_symbol[: len(rows.write_addr)]),
                rows.write_data.eq(self.shadow),
            ]
            m.d.sync += self.row.eq(rows.read_data)
        m.submodules.rows = rows
        m.d.comb += [
            rows.read_addr.eq(self.ahead[: len(rows.read_addr)]),
            self.init_done.eq(rows.done),
        ]
        with m.If(commit):
            m.d.sync += self.version.eq(self.version + 1)
        return m
