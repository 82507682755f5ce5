# SPDX-License-Identifier: Apache-2.0
"""A side of the book without a pipeline: registers, `Execute`, and comparisons of true prices."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.hdl._ast import AnySeq
from amaranth.lib import data

from hdl.book.execute import Execute
from hdl.book.slots import clear_row, row_layout
from hdl.config import BuildConfig
from hdl.types import SideState

__all__ = ["LARGER", "SMALL", "Row", "any_token", "better"]

#: Levels, prices and quantities just large enough for every case of the contract.
SMALL = BuildConfig(symbols=1, levels=3, price_bits=3, qty_bits=2, result_depth=32)
#: One size up in everything.
LARGER = BuildConfig(symbols=1, levels=4, price_bits=4, qty_bits=3, result_depth=32)


def better(price: Value, other: Value, ask: ValueLike) -> Value:
    """Strictly better, as the contract says: higher for bids, lower for asks."""
    return Mux(ask, price < other, price > other)


def any_token(m: Module, token: data.View, config: BuildConfig) -> None:
    """Drive `token` with anything the decoder lets through: a quantity fits its width."""
    m.d.comb += [
        token.kind.eq(AnySeq(4)),
        token.refill.eq(AnySeq(1)),
        token.whole.eq(AnySeq(1)),
        token.price.eq(AnySeq(config.price_bits)),
        token.value.eq(AnySeq(config.qty_bits)),
    ]


class Row:
    """State of one side; `execute` changes it with each clock.

    Attributes
    ----------
    execute : Execute
        The block under test, told the truth about which prices are better and equal.
    row, prices, qtys
        Registers. Prices and quantities begin arbitrary, the row as the sweep leaves it.
    after_prices, after_qtys
        Slots as they will be after this clock.
    """

    def __init__(self, m: Module, config: BuildConfig, ask: Value) -> None:
        slots = config.levels + 1
        self.config, self.ask, self.slots = config, ask, range(slots)
        layout = row_layout(config)
        self.row = Signal(layout, init=layout.from_bits(clear_row(config)))
        self.prices = [
            Signal(config.price_bits, name=f"price{s}", attrs={"arbitrary": 1}) for s in self.slots
        ]
        self.qtys = [
            Signal(config.qty_bits, name=f"qty{s}", attrs={"arbitrary": 1}) for s in self.slots
        ]
        self.after_prices = [Signal(config.price_bits, name=f"after_price{s}") for s in self.slots]
        self.after_qtys = [Signal(config.qty_bits, name=f"after_qty{s}") for s in self.slots]
        m.submodules.execute = self.execute = execute = Execute(config)
        token = execute.token
        m.d.comb += execute.row.eq(self.row)
        m.d.sync += self.row.eq(execute.after)
        for slot in self.slots:
            m.d.comb += [
                execute.better[slot].eq(better(self.prices[slot], token.price, ask)),
                execute.equal[slot].eq(self.prices[slot] == token.price),
                self.after_prices[slot].eq(
                    Mux(execute.write_key[slot], token.price, self.prices[slot])
                ),
                self.after_qtys[slot].eq(
                    Mux(execute.write_qty[slot], token.value, self.qtys[slot])
                ),
            ]
            m.d.sync += [
                self.prices[slot].eq(self.after_prices[slot]),
                self.qtys[slot].eq(self.after_qtys[slot]),
            ]

    # What the row stands for: a set of levels and a horizon.

    def is_state(self, state: SideState) -> Value:
        """State of the side."""
        return self.row.state == state

    def holds(self, price: Value) -> Value:
        """There is a level at `price`."""
        return Cat(self.row.held[s] & (self.prices[s] == price) for s in self.slots).any()

    def qty_at(self, price: Value) -> Value:
        """Quantity at `price`, 0 without a level."""
        found: Value = Value.cast(0)
        for s in self.slots:
            found |= Mux(self.row.held[s] & (self.prices[s] == price), self.qtys[s], 0)
        return found

    def count(self) -> Value:
        """Levels held."""
        return sum(self.row.held[s] for s in self.slots)

    def is_worst(self, slot: int) -> Value:
        """The level in `slot` is held and none is worse; found by price, not by rank."""
        return (
            self.row.held[slot]
            & ~Cat(
                self.row.held[s] & better(self.prices[slot], self.prices[s], self.ask)
                for s in self.slots
                if s != slot
            ).any()
        )

    def worst(self) -> Value:
        """Price of the worst level."""
        found: Value = Value.cast(0)
        for s in self.slots:
            found |= Mux(self.is_worst(s), self.prices[s], 0)
        return found

    def horizon(self) -> Value:
        """Price in the slot of rank K."""
        found: Value = Value.cast(0)
        for s in self.slots:
            found |= Mux(self.row.rank[s] == self.config.levels, self.prices[s], 0)
        return found

    def invariant(self) -> dict[str, Value]:
        """What is true of every row (the text at the top of `hdl.book.slots`)."""
        row, levels, slots = self.row, self.config.levels, self.slots
        pairs = [(s, t) for s in slots for t in slots if s != t]
        return {
            "the ranks are a permutation of 0 to K": Cat(
                Cat(row.rank[s] == rank for s in slots).any() for rank in range(levels + 1)
            ).all(),
            "the levels held have the ranks below depth": Cat(
                row.held[s] == (row.rank[s] < row.depth) for s in slots
            ).all(),
            "at most K levels are held": row.depth <= levels,
            "levels are strictly sorted by rank": Cat(
                ~(row.held[s] & row.held[t] & (row.rank[s] < row.rank[t]))
                | better(self.prices[s], self.prices[t], self.ask)
                for s, t in pairs
            ).all(),
            "every level is strictly better than the horizon": Cat(
                ~(row.bounded & row.held[s] & (row.rank[t] == levels))
                | better(self.prices[s], self.prices[t], self.ask)
                for s, t in pairs
            ).all(),
            "no level has quantity 0": Cat(~row.held[s] | (self.qtys[s] != 0) for s in slots).all(),
            "an unknown side holds nothing and has no horizon": (row.state != SideState.UNKNOWN)
            | ((row.depth == 0) & ~row.bounded),
            "the state is one of three": Cat(row.state == state for state in SideState).any(),
        }
