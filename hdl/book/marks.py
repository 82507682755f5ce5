# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a symbol between its events: gaps, resyncs, and when to ask again."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory

__all__ = ["Marks", "marks_layout"]


def marks_layout() -> data.StructLayout:
    """Marks of a symbol; bit 0 is the bid's, bit 1 the ask's."""
    return data.StructLayout({"gap": 2, "resync": 2, "wait": 8})


class Marks(wiring.Component):
    """The marks of the token's symbol, changed once a clock.

    ::

        `ahead`: address      next clock: out of the memory, or what the last three tokens left
        the clock after: `before` stands, `after` is taken      then: written back

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the token that comes with the next clock.
    symbol : In(8)
        Symbol of the token that comes now.
    valid : In(1)
        There is one.
    before : Out(marks_layout)
        One clock later: the marks before that token.
    after : In(marks_layout)
        In the same clock as `before`: the marks after it.
    init_done : Out(1)
        The memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(8),
                "symbol": In(8),
                "valid": In(1),
                "before": Out(marks_layout()),
                "after": In(marks_layout()),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bits = (self.config.symbols - 1).bit_length()
        m.submodules.rows = rows = SweptMemory(marks_layout(), self.config.symbols, forwarded=True)
        at = data.StructLayout({"valid": 1, "symbol": 8})
        newer, older = Signal(at), Signal(at)
        left, long_left = Signal(marks_layout()), Signal(marks_layout())
        m.d.sync += [
            newer.valid.eq(self.valid),
            newer.symbol.eq(self.symbol),
            older.eq(newer),
            left.eq(self.after),
            long_left.eq(left),
        ]

        # Which of the three tokens just ahead is of the same symbol is known a clock early.
        by_newer, by_older, by_oldest = (
            Signal(name=name) for name in ("by_newer", "by_older", "by_oldest")
        )
        m.d.sync += [
            by_newer.eq(self.valid & (self.symbol == self.ahead)),
            by_older.eq(newer.valid & (newer.symbol == self.ahead)),
            by_oldest.eq(older.valid & (older.symbol == self.ahead)),
        ]
        m.d.comb += [
            rows.read_addr.eq(self.ahead[:bits]),
            rows.write_en.eq(older.valid),
            rows.write_addr.eq(older.symbol[:bits]),
            rows.write_data.eq(left),
            self.init_done.eq(rows.done),
        ]
        if self.config.spaced:
            m.d.sync += self.before.eq(rows.read_data)
            return m
        read = Mux(by_oldest, long_left.as_value(), rows.read_data.as_value())
        near = Mux(by_older, left.as_value(), read)
        m.d.sync += self.before.eq(Mux(by_newer, self.after.as_value(), near))
        return m
