# SPDX-License-Identifier: Apache-2.0
"""A side of the book without a pipeline: registers, `Decide`, and comparisons of true prices."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.hdl._ast import AnySeq
from amaranth.lib import data

from hdl.book.decide import Decide
from hdl.book.operation import decode
from hdl.book.row import grouped, moved, status_layout
from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.types import SideState, token_layout

__all__ = [
    "LARGER",
    "SMALL",
    "Places",
    "Row",
    "any_token",
    "better",
    "no_zero_in_a_snapshot",
    "tell",
]

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


def no_zero_in_a_snapshot(token: data.View) -> Value:
    """What the pipeline relies on beside: the decoder counts such a LEVEL as malformed."""
    return (token.kind != InKind.LEVEL) | ~token.refill | (token.value != 0)


class Places:
    """What lies in a row: prices of K levels and of the horizon, quantities, and the status.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    ask : Value
        Which side it is.
    prices, qtys : sequence of values
        K + 1 and K of them.
    status : view of status_layout
        What is known beside.
    """

    def __init__(
        self,
        config: BuildConfig,
        ask: Value,
        prices: Sequence[Signal],
        qtys: Sequence[Signal],
        status: data.View,
    ) -> None:
        self.config, self.ask, self.status = config, ask, status
        self.prices, self.qtys, self.places = list(prices), list(qtys), range(config.levels)

    @classmethod
    def registers(cls, config: BuildConfig, ask: Value, name: str) -> "Places":
        """A row in registers: an unknown side, anything in its places."""
        anything = {"attrs": {"arbitrary": 1}}
        return cls(
            config,
            ask,
            [
                Signal(config.price_bits, name=f"{name}price{at}", **anything)
                for at in range(config.levels + 1)
            ],
            [
                Signal(config.qty_bits, name=f"{name}qty{at}", **anything)
                for at in range(config.levels)
            ],
            Signal(status_layout(config), name=f"{name}status"),
        )

    # What the row stands for: a set of levels and a horizon.

    def means(self, at: int) -> Value:
        """Place `at` holds something: a level or, the last one, the horizon."""
        return self.status.bounded if at == self.config.levels else self.status.held[at]

    def is_state(self, state: SideState) -> Value:
        """State of the side."""
        return self.status.state == state

    def holds(self, price: Value) -> Value:
        """There is a level at `price`."""
        return Cat(self.status.held[at] & (self.prices[at] == price) for at in self.places).any()

    def qty_at(self, price: Value) -> Value:
        """Quantity at `price`, 0 without a level."""
        found: Value = Value.cast(0)
        for at in self.places:
            found |= Mux(self.status.held[at] & (self.prices[at] == price), self.qtys[at], 0)
        return found

    def count(self) -> Value:
        """Levels held."""
        return sum(self.status.held[at] for at in self.places)

    def is_worst(self, place: int) -> Value:
        """The level in `place` is held and none is worse; found by price, not by place."""
        return (
            self.status.held[place]
            & ~Cat(
                self.status.held[at] & better(self.prices[place], self.prices[at], self.ask)
                for at in self.places
                if at != place
            ).any()
        )

    def worst(self) -> Value:
        """Price of the worst level."""
        found: Value = Value.cast(0)
        for at in self.places:
            found |= Mux(self.is_worst(at), self.prices[at], 0)
        return found

    def horizon(self) -> Value:
        """Price in the place behind the levels."""
        return self.prices[self.config.levels]

    def invariant(self) -> dict[str, Value]:
        """What is true of every row (the text at the top of `hdl.book.row`)."""
        status, levels, places = self.status, self.config.levels, self.places
        return {
            "the levels held are in the places below depth": Cat(
                status.held[at] == (at < status.depth) for at in places
            ).all(),
            "at most K levels are held": status.depth <= levels,
            "levels are strictly sorted, best first": Cat(
                ~(status.held[at] & status.held[at + 1])
                | better(self.prices[at], self.prices[at + 1], self.ask)
                for at in places[:-1]
            ).all(),
            "every level is strictly better than the horizon": Cat(
                ~(status.bounded & status.held[at])
                | better(self.prices[at], self.horizon(), self.ask)
                for at in places
            ).all(),
            "no level has quantity 0": Cat(
                ~status.held[at] | (self.qtys[at] != 0) for at in places
            ).all(),
            "an unknown side holds nothing and has no horizon": (status.state != SideState.UNKNOWN)
            | ((status.depth == 0) & ~status.bounded),
            "the state is one of three": Cat(status.state == state for state in SideState).any(),
        }


def tell(m: Module, decide: Decide, row: Places, token: data.View) -> None:
    """Tell `decide` the truth about a row: which places hold a better, an equal, a worse price."""
    for at in range(row.config.levels + 1):
        m.d.comb += [
            decide.better[at].eq(row.means(at) & better(row.prices[at], token.price, row.ask)),
            decide.equal[at].eq(row.means(at) & (row.prices[at] == token.price)),
        ]
    worse = Cat(row.means(at) & ~better(row.prices[at], token.price, row.ask) for at in row.places)
    m.d.comb += [
        decide.reached.eq((decide.better | decide.equal)[row.config.levels - 1 :]),
        decide.hits.eq(grouped(decide.equal[: row.config.levels])),
        decide.worse.eq(grouped(worse[:-1])),
        decide.worst.eq(worse[-1]),
    ]


class Row(Places):
    """State of one side; `decide` changes it with each clock.

    Attributes
    ----------
    decide : Decide
        The block under test, told the truth about the row, with no token ahead.
    valid, token, levels_n : Signal
        The token and N; nothing happens without `valid`. For the harness to drive.
    status, prices, qtys
        Registers. Prices and quantities begin arbitrary, the status as the sweep leaves it.
    """

    def __init__(self, m: Module, config: BuildConfig, ask: Value) -> None:
        row = Places.registers(config, ask, "")
        super().__init__(config, ask, row.prices, row.qtys, row.status)
        self.valid, self.token = Signal(), Signal(token_layout(config))
        self.levels_n = Signal(4)
        m.submodules.decide = self.decide = decide = Decide(config)
        decode(m, decide.operation, self.valid, self.token, self.levels_n)
        tell(m, decide, self, self.token)
        m.d.comb += [decide.status.eq(self.status), decide.near.eq(0), decide.ahead.eq(0)]
        m.d.sync += self.status.eq(decide.after)
        prices = moved(self.prices, decide.moves, self.token.price)
        value = self.token.value[: config.qty_bits]
        qtys = moved(self.qtys, decide.moves, value, value)
        for register, after in zip(self.prices + self.qtys, prices + qtys, strict=True):
            m.d.sync += register.eq(after)
