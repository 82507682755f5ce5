# SPDX-License-Identifier: Apache-2.0
"""What was bought and sold by fills: positions, cash, round trips, and what they are worth."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.records import InKind
from hdl.risk.product import partials
from hdl.risk.rows import Rows
from hdl.risk.sums import add, bounded, halves, total_of
from hdl.types import flow, token_layout

__all__ = ["LATENCY", "TICK_VALUE", "Holdings", "holdings_layout", "later", "signed_partials"]

TICK_VALUE = 16
#: Cycles from a token to position and cash after it, weighted.
LATENCY = 7


def holdings_layout(config: BuildConfig) -> data.StructLayout:
    """What the mark of a symbol is made of; in profit units."""
    return data.StructLayout(
        {
            "position": signed(config.qty_bits + 8 + TICK_VALUE),
            "cash": signed(config.qty_bits + 48 + TICK_VALUE),
            "adopt": 1,  # the position was taken over
            "day": 1,  # a day begins
        }
    )


def signed_partials(m: Module, a: Value, b: Value, name: str) -> tuple[list[Value], list[Value]]:
    """Words of a signed number times an unsigned one: to be added, to be subtracted."""
    # A negative number is its bits less 2^n.
    excess = Signal(len(b), name=f"{name}_excess")
    m.d.sync += excess.eq(Mux(a[-1], b, 0))
    return partials(m, a.as_unsigned(), b, name), [Cat(Const(0, len(a)), excess)]


def later(m: Module, value: Value, cycles: int, name: str) -> Value:
    """`value` so many cycles later."""
    for at in range(cycles):
        held = Signal.like(value, name=f"{name}_late{at}")
        m.d.sync += held.eq(value)
        value = held
    return value


class Holdings(wiring.Component):
    """Position and cash of each symbol, and the value of all positions.

    ::

        0 address   0 to 3 price times quantity   3 position and cash   4 products begin
        5 half of their sums   7 what they come to   8 to 10 value of all positions

    No token that needs a position stands directly behind one that changes it
    (`hdl.link.admission`).
    Latency is `LATENCY` cycles for `o`, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    tokens : In(flow(token_layout))
        Decoded records.
    commit : In(1), commit_symbol : In(32), lot_value, tick_value : In
        Values of a symbol, set with its limits.
    o : Out(holdings_layout)
        After the token.
    streak : Out(8)
        Losing round trips one after the other; `STREAK` cycles after the token.
    gross, net : Out
        Value of all positions without and with their sign; `WORTH` cycles after the token.
    init_done : Out(1)
        Memories are swept.
    """

    STREAK, WORTH = 5, 10

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "tokens": In(flow(token_layout(config))),
                "commit": In(1),
                "commit_symbol": In(32),
                "lot_value": In(32),
                "tick_value": In(TICK_VALUE),
                "o": Out(holdings_layout(config)),
                "streak": Out(8),
                "gross": Out(config.held_bits),
                "net": Out(signed(config.held_bits)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, token = self.config, self.tokens.p
        symbols = config.symbols
        m.submodules.values = values = SweptMemory(
            data.StructLayout({"lot": 32, "tick": TICK_VALUE}),
            symbols,
            style="block" if config.spaced else "distributed",
            early=config.spaced,
        )
        symbol1, symbol2, symbol3 = (Signal(8, name=f"symbol{n}") for n in (1, 2, 3))
        m.d.comb += [
            values.write_en.eq(self.commit & (self.commit_symbol < symbols)),
            values.write_addr.eq(self.commit_symbol[: len(values.write_addr)]),
            values.write_data.lot.eq(self.lot_value),
            values.write_data.tick.eq(self.tick_value),
            values.read_addr.eq(symbol2[: len(values.read_addr)]),
        ]
        lot4, tick4 = Signal(32), Signal(TICK_VALUE)
        m.d.sync += [
            symbol1.eq(token.symbol),
            symbol2.eq(symbol1),
            symbol3.eq(symbol2),
            lot4.eq(values.read_data.lot),
            tick4.eq(values.read_data.tick),
        ]
        facts = self._facts(m)
        position, cash, rows = self._rows(m, facts)

        # 4 to 7: position and cash by what a tick is worth, position by what a lot is.
        weighted, money = (
            self._product(m, each, tick4, name)
            for each, name in ((position, "weighted"), (cash, "money"))
        )
        worth = self._product(m, position, lot4, "worth")
        m.d.comb += [
            self.o.position.eq(weighted),
            self.o.cash.eq(money),
            self.o.adopt.eq(later(m, facts[4].adopt, 3, "adopt")),
            self.o.day.eq(later(m, facts[4].day, 3, "day")),
        ]
        worths = self._worth(m, worth, symbol3, later(m, facts[4].revalue, 3, "revalue"))
        m.d.comb += self.init_done.eq(values.done & rows.init_done & worths.init_done)
        return m

    def _facts(self, m: Module) -> list[Signal]:
        """What kind of token it is, in stages 0 to 4."""
        token, qty_bits = self.tokens.p, self.config.qty_bits
        fact = data.StructLayout(
            {"fill": 1, "adopt": 1, "day": 1, "side": 1, "revalue": 1, "qty": qty_bits}
        )
        facts = [Signal(fact, name=f"fact{n}") for n in range(5)]
        valid, kind, first = self.tokens.valid, token.kind, facts[0]
        m.d.comb += [
            first.fill.eq(valid & (kind == InKind.FILL)),
            first.adopt.eq(valid & (kind == InKind.RECONCILE) & token.adopt),
            first.day.eq(valid & (kind == InKind.DAY)),
            first.side.eq(token.side),
            first.revalue.eq(first.fill | first.adopt | (valid & token.book)),
            first.qty.eq(token.value[:qty_bits]),
        ]
        for n in range(1, 5):
            m.d.sync += facts[n].eq(facts[n - 1])
        return facts

    def _rows(self, m: Module, facts: list[Signal]) -> tuple[Value, Value, Rows]:
        """Position and cash in stage 4, after the token; and round trips."""
        config, token, fill = self.config, self.tokens.p, facts[3]
        position_bits, cash_bits = config.qty_bits + 8, config.qty_bits + 48
        row = data.StructLayout(
            {
                "position": signed(position_bits),
                "cash": signed(cash_bits),
                "trip": signed(cash_bits),
            }
        )
        m.submodules.book_rows = rows = Rows(row, config.symbols, config.spaced)

        # 0 to 3: price times quantity, complemented where it is paid: -x is ~x and one.
        paid = Signal(signed(config.notional_bits + 1))
        words = [
            Signal(config.notional_bits, name=f"amount{at}", reset_less=True) for at in range(2)
        ]
        sums = halves(m, partials(m, facts[0].qty, token.price, "amount"), [], len(words[0]))
        m.d.sync += [word.eq(each) for word, each in zip(words, sums, strict=False)]
        bought = ~facts[2].side
        amount = add(words[0], words[1], len(words[0]))
        lots = Signal(signed(config.qty_bits + 1))
        m.d.sync += [
            paid.eq(Mux(bought, ~Cat(amount, Const(0, 1)), amount).as_signed()),
            lots.eq(Mux(facts[2].side, -facts[2].qty, facts[2].qty)),
        ]
        pays = Signal()

        # 3: a buy pays; a position taken over was paid for at its price, and nothing was before it.
        now, new, before = Signal(row, name="now3"), rows.new2, rows.row1
        bits = facts[2].qty | Const(0, position_bits)
        held = before.position.as_unsigned()
        opposite = (held ^ bits) == Cat(Const(0, 1), held | bits)[:position_bits]
        flat, trip = Signal(), Signal(signed(cash_bits))
        m.d.sync += [
            now.eq(before),
            pays.eq(bought),
            flat.eq(Mux(facts[2].side, held == bits, opposite) & ~facts[2].adopt),
        ]
        with m.If(facts[2].adopt):
            m.d.sync += now.eq(0)
        m.d.comb += [
            trip.eq(bounded(add(now.trip, paid, cash_bits + 1, pays).as_signed(), cash_bits)),
            rows.index.eq(token.symbol[: len(rows.index)]),
            rows.write2.eq(fill.fill | fill.adopt),
            rows.write_index2.eq(rows.index2),
            new.position.eq(bounded(now.position + lots, position_bits)),
            new.cash.eq(bounded(add(now.cash, paid, cash_bits + 1, pays).as_signed(), cash_bits)),
            new.trip.eq(Mux(flat, 0, trip)),
        ]

        # 4: after it. A round trip ends when the position is flat.
        wrote, new4, now4 = Signal(), Signal(row), Signal(row)
        ends, trip4 = Signal(), Signal(signed(cash_bits))
        m.d.sync += [
            wrote.eq(rows.write2),
            new4.eq(new),
            now4.eq(now),
            ends.eq(fill.fill & flat),
            trip4.eq(trip),
        ]
        with m.If(ends & trip4[-1] & ~self.streak.all()):
            m.d.sync += self.streak.eq(self.streak + 1)
        with m.If((ends & ~trip4[-1] & trip4.any()) | facts[4].day):
            m.d.sync += self.streak.eq(0)
        return (
            Mux(wrote, new4.position, now4.position),
            Mux(wrote, new4.cash, now4.cash),
            rows,
        )

    def _product(self, m: Module, a: Value, b: Value, name: str) -> Value:
        """A product three cycles later: its parts, half of their sum, the sum."""
        bits = len(a) + len(b)
        plus, minus = signed_partials(m, a, b, name)
        words = [Signal(bits, name=f"{name}{at}", reset_less=True) for at in range(2)]
        total = Signal(signed(bits), name=name)
        for word, each in zip(words, halves(m, plus, minus, bits), strict=False):
            m.d.sync += word.eq(each)
        m.d.sync += total.eq(add(words[0], words[1], bits))
        return total

    def _worth(self, m: Module, worth: Value, symbol3: Value, revalue: Value) -> Rows:
        """7 to 10: value of all positions, each counted anew by a token of its symbol."""
        size = self.config.held_bits
        m.submodules.worth_rows = worths = Rows(
            data.StructLayout({"net": signed(len(worth))}),
            self.config.symbols,
            self.config.spaced,
        )
        before, after = worths.row2.net, Signal(signed(len(worth)), name="after8")
        was = Signal(signed(len(worth)), name="was8")
        change, grows = Signal(signed(size)), Signal(signed(size))
        counts8, counts9 = Signal(), Signal()
        # A value without its sign is its complement and one where it is negative.
        up, down = (each[:] ^ each[-1].replicate(len(each)) for each in (after, was))
        m.d.comb += [
            worths.index.eq(later(m, symbol3, 1, "symbol")[: len(worths.index)]),
            worths.write2.eq(revalue),
            worths.write_index2.eq(worths.index2),
            worths.new2.net.eq(worth),
        ]
        m.d.sync += [
            was.eq(before),
            after.eq(worth),
            counts8.eq(revalue),
            counts9.eq(counts8),
            change.eq(after - was),
            grows.eq(total_of(m, [up, after[-1]], [down, was[-1]], size)),
        ]
        with m.If(counts9):
            m.d.sync += [
                self.net.eq(add(self.net, change, size).as_signed()),
                self.gross.eq(add(self.gross, grows, size)),
            ]
        return worths
