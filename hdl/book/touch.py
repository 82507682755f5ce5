# SPDX-License-Identifier: Apache-2.0
"""What is visible of a side: its best level and the quantity of its first N."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.ladder import rung_layout
from hdl.book.slots import key_to_price
from hdl.config import BuildConfig
from hdl.types import SideState, flow, side_layout, token_layout

__all__ = ["Touch"]

#: Register stages of the adder tree.
TREE_STAGES = 2


class Touch(wiring.Component):
    """Select the slot of rank 0 and add up the slots of rank below N.

    Latency is 2 cycles, throughput one token a cycle. The last adder and the choice of what an
    unknown side shows come after the second register.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(rung_layout))
        Rows.
    levels_n : In(4)
        N.
    ahead : Out(8)
        Symbol of the token that comes out with the next clock.
    o_valid, token, side, touched : Out
        The token, its side as it is to be shown, and what became of it.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(rung_layout(config))),
                "levels_n": In(4),
                "ahead": Out(8),
                "o_valid": Out(1),
                "token": Out(token_layout(config)),
                "side": Out(side_layout(config)),
                "touched": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, row = self.config, self.i.p.row
        slots = config.levels + 1
        fan_in = next(n for n in range(2, slots + 1) if n ** (TREE_STAGES + 1) >= slots)

        best_key, best_qty = Signal(config.price_bits), Signal(config.qty_bits)
        counted = []
        for slot in range(slots):
            with m.If(row.held[slot] & (row.rank[slot] == 0)):
                m.d.comb += [best_key.eq(self.i.p.keys[slot]), best_qty.eq(self.i.p.qtys[slot])]
            inside = row.held[slot] & (row.rank[slot] < self.levels_n)
            counted.append(Mux(inside, self.i.p.qtys[slot], 0))

        def add_up(terms: list[Value], stage: int) -> list[Value]:
            sums: list[Value] = []
            for at in range(0, len(terms), fan_in):
                partial = Signal(config.sum_bits, name=f"partial{stage}_{at // fan_in}")
                m.d.sync += partial.eq(sum(terms[at : at + fan_in]))
                sums.append(partial)
            return sums

        shown = Signal(side_layout(config))
        m.d.comb += [
            shown.price.eq(key_to_price(best_key, self.i.p.token.side)),
            shown.qty.eq(best_qty),
            shown.n.eq(self.levels_n),
            shown.depth.eq(row.depth),
            shown.state.eq(row.state),
            shown.bounded.eq(row.bounded),
        ]
        with m.If(row.depth == 0):
            m.d.comb += shown.price.eq(0)

        moving: dict[str, Value] = {
            "valid": self.i.valid,
            "token": self.i.p.token,
            "side": shown,
            "touched": self.i.p.touched,
        }
        terms: list[Value] = counted
        for stage in range(TREE_STAGES):
            if stage == TREE_STAGES - 1:
                m.d.comb += self.ahead.eq(moving["token"].symbol)
            terms = add_up(terms, stage)
            for name, source in moving.items():
                moving[name] = Signal.like(source, name=f"{name}_{stage}")
                m.d.sync += moving[name].eq(source)
        side = moving["side"]
        m.d.comb += [
            self.o_valid.eq(moving["valid"]),
            self.token.eq(moving["token"]),
            self.side.eq(side),
            self.side.sum.eq(sum(terms)),
            self.touched.eq(moving["touched"]),
        ]
        with m.If(side.state != SideState.KNOWN):
            m.d.comb += [
                self.side.eq(0),
                self.side.n.eq(side.n),
                self.side.state.eq(side.state),
            ]
        return m
