# SPDX-License-Identifier: Apache-2.0
"""Limits by symbol: written to a shadow, committed at once, numbered and summed."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import FEW, SweptMemory
from hdl.risk.registers import LIMITS

__all__ = ["Limits", "checksum", "in_force_layout", "limit_layout"]


def limit_layout() -> data.StructLayout:
    """Limits of one symbol; all zero refuses everything."""
    return data.StructLayout({name: bits for name, bits, _ in LIMITS})


def in_force_layout() -> data.StructLayout:
    """Committed limits, their checksum, and the number of their commit."""
    return data.StructLayout({"limits": limit_layout(), "checksum": 16, "version": 16})


def checksum(limits: data.View) -> Value:
    """Fields in 16-bit words, low word first; the n-th is rotated left by n; exclusive or."""
    words = []
    for name, bits, _ in LIMITS:
        words += [limits[name][at : at + 16] for at in range(0, bits, 16)]
    total: Value = Const(0, 16)
    for at, word in enumerate(words):
        total = total ^ (word | Const(0, 16))[:16].rotate_left(at % 16)
    return total


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
    limits : Out(in_force_layout)
        Its limits, one cycle later.
    version : Out(32)
        Commits since reset.
    select : In(8), in_force : Out(32)
        Symbol the host asks about; checksum and number of its commit, one cycle later, 0 for a
        symbol this build does not have.
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
                "limits": Out(in_force_layout()),
                "version": Out(32),
                "select": In(8),
                "in_force": Out(32),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        symbols = self.config.symbols
        style = "distributed" if symbols <= FEW else "block"
        m.submodules.rows = rows = SweptMemory(in_force_layout(), symbols, style=style)
        m.submodules.told = told = SweptMemory(32, symbols, style=style)
        bits = len(rows.read_addr)
        commit, known = Signal(), Signal()
        after = (self.version + 1)[:32]
        m.d.comb += [
            commit.eq(self.commit & rows.done & (self.commit_symbol < symbols)),
            rows.read_addr.eq(self.symbol[:bits]),
            self.limits.eq(rows.read_data),
            rows.write_data.limits.eq(self.shadow),
            rows.write_data.checksum.eq(checksum(self.shadow)),
            rows.write_data.version.eq(after[:16]),
            told.read_addr.eq(self.select[:bits]),
            told.write_data.eq(Cat(rows.write_data.checksum, after[:16])),
            self.in_force.eq(told.read_data & known.replicate(32)),
            self.init_done.eq(rows.done),
        ]
        for memory in (rows, told):
            m.d.comb += [
                memory.write_en.eq(commit),
                memory.write_addr.eq(self.commit_symbol[:bits]),
            ]
        m.d.sync += known.eq(self.select < symbols)
        with m.If(commit):
            m.d.sync += self.version.eq(after)
        return m
