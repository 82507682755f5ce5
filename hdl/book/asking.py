# SPDX-License-Identifier: Apache-2.0
"""What becomes of a symbol's marks with each token, and when levels are asked for."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.marks import Marks, marks_layout
from hdl.book.row import only
from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.types import token_layout

__all__ = ["Asking", "asked_layout", "wanted"]


def asked_layout() -> data.StructLayout:
    """What a side lacks; bit 0 is the bid's, bit 1 the ask's."""
    return data.StructLayout(
        {
            "low": 2,  # KNOWN, with fewer levels than it should have
            "loading": 2,  # a snapshot is under way
            "unknown": 2,
        }
    )


def wanted(marks: data.View, lacks: data.View) -> tuple[Value, Value]:
    """Sides of which levels are wanted, and those of them that need a snapshot."""
    lost = ~lacks.loading & (lacks.unknown | marks.gap | marks.resync)
    return lacks.low | lost, lost


class Asking(wiring.Component):
    """The marks of each symbol, renewed by its tokens.

    ::

        0 token      1 `marks` are those before it; renewed

    Marks are a loop of one clock, and what is told of them leads far away. So the loop has copies
    of all it needs, and is mapped alone.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the token that is in stage 0 with the next clock.
    valid, token : In
        In stage 0.
    lacks : In(asked_layout)
        In stage 0: what the sides of its symbol lack, this token's own among them.
    refill_retry : In(8)
        Register.
    marks : Out(marks_layout)
        In stage 1: the marks before that token.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(8),
                "valid": In(1),
                "token": In(token_layout(config)),
                "lacks": In(asked_layout()),
                "refill_retry": In(8),
                "marks": Out(marks_layout()),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        token = self.token
        m.submodules.rows = rows = Marks(self.config)
        event, retry = Signal(), Signal(8)
        lacks: Any = Signal(asked_layout())
        gap, resync, drop, here = (Signal(2, name=n) for n in ("gap", "resync", "drop", "here"))
        clear = ~token.poison & (token.kind == InKind.CLEAR)
        begin = ~token.poison & (token.kind == InKind.REFILL_BEGIN)
        m.d.comb += here.eq(Mux(token.side, 0b10, 0b01))
        m.d.sync += [
            event.eq(self.valid & token.book),
            retry.eq(self.refill_retry),
            lacks.eq(self.lacks),
            gap.eq(Mux(token.poison, 0b11, only(clear & token.gap, here))),
            resync.eq(only(clear & token.resync, here)),
            drop.eq(only(begin, here)),
        ]
        before, after = rows.before, rows.after
        want, _ = wanted(before, lacks)
        m.d.comb += [
            rows.ahead.eq(self.ahead),
            rows.symbol.eq(token.symbol),
            rows.valid.eq(self.valid),
            after.gap.eq((before.gap & ~drop) | gap),
            after.resync.eq((before.resync & ~drop) | resync),
            after.wait.eq(before.wait),
            self.marks.eq(before),
            self.init_done.eq(rows.init_done),
        ]
        with m.If(event):
            m.d.comb += after.wait.eq(
                Mux(want.any(), Mux(before.wait == 0, retry, before.wait - 1), 0)
            )
        return m
