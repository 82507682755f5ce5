# SPDX-License-Identifier: Apache-2.0
"""State of every symbol: read ahead of a token, changed by it, whole for the next one."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.spread import SpreadMemory

__all__ = ["StateRows"]


class StateRows(wiring.Component):
    """One row a symbol, read and written once a clock.

    ::

        -2 address   -1 the row leaves the memory, or what is newer   0 `row`
        and `loop` - 1 clocks later `after`, written back a clock after that

    What is missing in the memory is what the tokens `loop`, `loop` + 1 and `loop` + 2 clocks ahead
    write; it is forwarded. Two tokens of one symbol that both need the row must be at least `loop`
    clocks apart. With 2 that holds for book events, each of which needs a record of its own to
    begin; what is written without looking at `row` may come at any time.

    In a spaced build no token comes before those ahead of it have written; then a row is read
    `hdl.spread.READ_CLOCKS` after `ahead` came to stay.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    layout : StructLayout
        A row; all zero after reset.
    loop : int
        1 or 2: stage, counted from 1, in which a token knows the new row.

    Members
    -------
    ahead : In(8)
        Symbol of the token that is in stage 0 two clocks later, or more in a spaced build.
    row : Out(layout)
        The row of the token in stage 0.
    write, symbol, after : In
        In stage `loop` - 1: the token's row becomes `after`.
    init_done : Out(1)
        Memory is swept.

    Raises
    ------
    ValueError
        The loop is neither 1 nor 2.
    """

    def __init__(self, config: BuildConfig, layout: data.StructLayout, loop: int) -> None:
        if loop not in (1, 2):
            raise ValueError(f"loop: expected 1 or 2, was {loop}")
        self.config, self.layout = config, layout
        super().__init__(
            {
                "ahead": In(8),
                "row": Out(layout),
                "write": In(1),
                "symbol": In(8),
                "after": In(layout),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self.config.spaced:
            self._spread(m)
            return m
        m.submodules.rows = rows = SweptMemory(self.layout, self.config.symbols, style="auto")
        bits = len(rows.read_addr)
        coming = Signal(bits)
        written = data.StructLayout({"write": 1, "symbol": bits, "after": self.layout})
        now, later, last = (Signal(written, name=name) for name in ("now", "later", "last"))
        m.d.comb += [
            now.write.eq(self.write),
            now.symbol.eq(self.symbol[:bits]),
            now.after.eq(self.after),
            rows.read_addr.eq(self.ahead[:bits]),
            rows.write_en.eq(later.write),
            rows.write_addr.eq(later.symbol),
            rows.write_data.eq(later.after),
            self.init_done.eq(rows.done),
        ]
        m.d.sync += [
            coming.eq(self.ahead[:bits]),
            later.eq(now),
            last.eq(later),
            self.row.eq(rows.read_data),
        ]
        for newer in (last, later, now):
            with m.If(newer.write & (newer.symbol == coming)):
                m.d.sync += self.row.eq(newer.after)
        return m

    def _spread(self, m: Module) -> None:
        """Nothing is forwarded, and there is time to read a row in parts."""
        m.submodules.rows = rows = SpreadMemory(self.layout, self.config.symbols)
        bits = len(rows.read_addr)
        m.d.comb += [
            rows.read_addr.eq(self.ahead[:bits]),
            rows.write_en.eq(self.write),
            rows.write_addr.eq(self.symbol[:bits]),
            rows.write_data.eq(self.after),
            self.row.eq(rows.read_data),
            self.init_done.eq(rows.done),
        ]
