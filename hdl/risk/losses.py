# SPDX-License-Identifier: Apache-2.0
"""Profit and loss: positions and cash by fills, marked to the book's mid at every event."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.records import InKind
from hdl.risk.data import bbo_valid
from hdl.risk.product import PART
from hdl.risk.rows import Rows
from hdl.risk.sums import halves, over, total_of
from hdl.types import flow, token_layout, view_layout

__all__ = ["BUCKETS", "LATENCY", "Losses", "losses_layout"]

#: Cycles from a view to what its mark makes of profit.
LATENCY = 5
#: Buckets of the loss window.
BUCKETS = 4
TICK_VALUE = 16


def losses_layout(config: BuildConfig) -> data.StructLayout:
    """What the gate is told with each token."""
    held = config.held_bits
    return data.StructLayout(
        {
            "over": 3,  # loss of the day, of the window, drawdown over their maximum
            "streak": 8,  # losing round trips one after the other
            "gross": held,  # value of all positions, account units
            "net": signed(held),
        }
    )


def bounded(value: Value, bits: int) -> Value:
    """`value` cut to the greatest or least signed number of `bits` bits."""
    top = value[bits - 1 :]
    fits = top.all() | ~top.any()
    bound = Cat((~value[-1]).replicate(bits - 1), value[-1])
    return Mux(fits, value[:bits], bound).as_signed()


def parts(m: Module, a: Value, b: Value, name: str) -> tuple[list[Value], list[Value]]:
    """Partial products of a signed and an unsigned number, registered: to be added, subtracted."""
    terms: list[Value] = []
    n = len(a)
    for low_a in range(0, n, PART):
        for low_b in range(0, len(b), PART):
            x, y = a[low_a : low_a + PART].as_unsigned(), b[low_b : low_b + PART]
            part = Signal(len(x) + len(y), name=f"{name}_{low_a}_{low_b}")
            m.d.sync += part.eq(x * y)
            terms.append(Cat(Const(0, low_a + low_b), part))
    # A negative number is its bits less 2^n.
    excess = Signal(len(b), name=f"{name}_excess")
    m.d.sync += excess.eq(Mux(a[-1], b, 0))
    return terms, [Cat(Const(0, n), excess)]


class Losses(wiring.Component):
    """Mark every position at every book event, and judge the sum by day, window and best.

    ::

        tokens  0 address   1 row, product of a fill begins  3 position and cash  4 value begins
        views   0 product of mid and position begins  2 profit of the symbol  3 of all
                4 against its limits

    Fills are seen as they leave the decoder, the mid as it leaves the book, both before the gate:
    so an order is judged with its own event marked, and no cycle is spent on it.

    Latency is `LATENCY` cycles from `views`, throughput one token a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.
    lead : int
        Cycles from a token on `tokens` to the same on `views`, at least 7.

    Members
    -------
    tokens : In(flow(token_layout))
        Decoded records.
    views : In(flow(view_layout))
        The same tokens, after the book.
    commit : In(1), commit_symbol : In(32), lot_value, tick_value : In
        Values of a symbol, set with its limits.
    max_day_loss, max_window_loss, max_drawdown, loss_window : In
        Registers.
    o : Out(losses_layout)
        As of the token.
    init_done : Out(1)
        Memories are swept.
    """

    def __init__(self, config: BuildConfig, lead: int) -> None:
        if lead < 7:
            raise ValueError(f"lead: expected at least 7, was {lead}")
        self.config, self.lead = config, lead
        super().__init__(
            {
                "tokens": In(flow(token_layout(config))),
                "views": In(flow(view_layout(config))),
                "commit": In(1),
                "commit_symbol": In(32),
                "lot_value": In(32),
                "tick_value": In(TICK_VALUE),
                "max_day_loss": In(64),
                "max_window_loss": In(64),
                "max_drawdown": In(64),
                "loss_window": In(6),
                "o": Out(losses_layout(config)),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self.config
        symbols = config.symbols
        m.submodules.values = values = SweptMemory(
            data.StructLayout({"lot": 32, "tick": TICK_VALUE}), symbols, style="distributed"
        )
        m.d.comb += [
            values.write_en.eq(self.commit & (self.commit_symbol < symbols)),
            values.write_addr.eq(self.commit_symbol[: len(values.write_addr)]),
            values.write_data.lot.eq(self.lot_value),
            values.write_data.tick.eq(self.tick_value),
        ]
        held = self._book(m, values)
        self._mark(m, held)
        return m

    def _book(self, m: Module, values: SweptMemory) -> dict[str, Value]:
        """Tokens 0 to 6: position and cash of the token's symbol, and what they are worth."""
        config, token = self.config, self.tokens.p
        qty_bits = config.qty_bits
        position_bits, cash_bits = qty_bits + 8, qty_bits + 48
        row = data.StructLayout(
            {
                "position": signed(position_bits),
                "cash": signed(cash_bits),
                "trip": signed(cash_bits),
            }
        )
        m.submodules.book_rows = rows = Rows(row, config.symbols)
        symbol_bits = len(rows.index)

        # 0 to 2: what kind of token it is; price times quantity.
        fact = data.StructLayout(
            {"fill": 1, "adopt": 1, "day": 1, "side": 1, "revalue": 1, "qty": qty_bits}
        )
        facts = [Signal(fact, name=f"fact{n}") for n in (0, 1, 2, 3, 4)]
        valid, kind = self.tokens.valid, token.kind
        m.d.comb += [
            rows.index.eq(token.symbol[:symbol_bits]),
            facts[0].fill.eq(valid & (kind == InKind.FILL)),
            facts[0].adopt.eq(valid & (kind == InKind.RECONCILE) & token.adopt),
            facts[0].day.eq(valid & (kind == InKind.DAY)),
            facts[0].side.eq(token.side),
            facts[0].revalue.eq(facts[0].fill | facts[0].adopt | (valid & token.book)),
            facts[0].qty.eq(token.value[:qty_bits]),
        ]
        for n in (1, 2, 3, 4):
            m.d.sync += facts[n].eq(facts[n - 1])
        qty, price = Cat(facts[0].qty, Const(0, 1)).as_signed(), token.price
        amount = Signal(config.notional_bits)
        signed_qty, paid = Signal(signed(qty_bits + 1)), Signal(signed(len(amount) + 1))
        m.d.sync += [
            amount.eq(total_of(m, *parts(m, qty, price, "amount"), len(amount))),
            signed_qty.eq(Mux(facts[2].side, -facts[2].qty, facts[2].qty)),
            paid.eq(Mux(facts[2].side, amount, -amount)),
        ]

        # 3: position and cash. A buy pays; a position taken over was paid for at its price.
        now, new, fill = rows.row2, rows.new2, facts[3]
        bits = fill.qty | Const(0, position_bits)
        held = now.position.as_unsigned()
        opposite = (held ^ bits) == Cat(Const(0, 1), held | bits)[:position_bits]
        flat = Mux(fill.side, held == bits, opposite)
        trip = bounded(now.trip + paid, cash_bits)
        m.d.comb += [
            rows.write2.eq(fill.fill | fill.adopt),
            rows.write_index2.eq(rows.index2),
            new.position.eq(bounded(now.position + signed_qty, position_bits)),
            new.cash.eq(bounded(now.cash + paid, cash_bits)),
            new.trip.eq(Mux(flat, 0, trip)),
        ]
        with m.If(fill.adopt):
            m.d.comb += [new.position.eq(signed_qty), new.cash.eq(paid), new.trip.eq(paid)]

        # 4: after it. A round trip ends when the position is flat.
        position, cash = Signal(signed(position_bits)), Signal(signed(cash_bits))
        ends, trip4, streak = Signal(), Signal(signed(cash_bits)), Signal(8)
        m.d.sync += [
            position.eq(Mux(rows.write2, new.position, now.position)),
            cash.eq(Mux(rows.write2, new.cash, now.cash)),
            ends.eq(fill.fill & flat),
            trip4.eq(trip),
        ]
        with m.If(ends & trip4[-1] & ~streak.all()):
            m.d.sync += streak.eq(streak + 1)
        with m.If((ends & ~trip4[-1] & trip4.any()) | facts[4].day):
            m.d.sync += streak.eq(0)

        # 4 to 6: position and cash by what a tick is worth, position by what a lot is.
        symbol1, symbol2 = Signal(8), Signal(8)
        lot4, tick4 = Signal(32), Signal(TICK_VALUE)
        m.d.sync += [
            symbol1.eq(token.symbol),
            symbol2.eq(symbol1),
            lot4.eq(values.read_data.lot),
            tick4.eq(values.read_data.tick),
        ]
        m.d.comb += values.read_addr.eq(symbol2[: len(values.read_addr)])
        weighted = Signal(signed(position_bits + TICK_VALUE))
        money = Signal(signed(cash_bits + TICK_VALUE))
        worth = Signal(signed(position_bits + 32))
        for target, factor, scale, name in (
            (weighted, position, tick4, "weighted"),
            (money, cash, tick4, "money"),
            (worth, position, lot4, "worth"),
        ):
            m.d.sync += target.eq(total_of(m, *parts(m, factor, scale, name), len(target)))

        # 6 to 7: value of all positions, each counted anew by a token of its symbol.
        m.submodules.worth_rows = worths = Rows(
            data.StructLayout({"net": signed(len(worth))}), config.symbols
        )
        symbol3, revalue5, revalue6 = Signal(8), Signal(), Signal()
        m.d.sync += [
            symbol3.eq(symbol2),
            revalue5.eq(facts[4].revalue),
            revalue6.eq(revalue5),
        ]
        size = self.o.gross.shape().width
        net, gross = Signal(signed(size)), Signal(size)
        before, was, after = worths.row2.net, Signal(signed(size)), Signal(signed(size))
        revalue7 = Signal()
        m.d.comb += [
            worths.index.eq(symbol3[:symbol_bits]),
            worths.write2.eq(revalue6),
            worths.write_index2.eq(worths.index2),
            worths.new2.net.eq(worth),
        ]
        m.d.sync += [was.eq(before), after.eq(worth), revalue7.eq(revalue6)]
        with m.If(revalue7):
            m.d.sync += [
                net.eq(net + after - was),
                gross.eq(gross + Mux(after < 0, -after, after) - Mux(was < 0, -was, was)),
            ]

        # In step with the gate's stage 2.
        end = self.lead + LATENCY
        m.d.comb += [
            self.o.streak.eq(_late(m, streak, end - 5, "streak")),
            self.o.net.eq(_late(m, net, end - 8, "net")),
            self.o.gross.eq(_late(m, gross, end - 8, "gross")),
            self.init_done.eq(values.done & rows.init_done & worths.init_done),
        ]
        return {
            "position": _late(m, weighted, self.lead - 6, "position"),
            "cash": _late(m, money, self.lead - 6, "cash"),
            "adopt": _late(m, facts[4].adopt, self.lead - 4, "adopt"),
            "day": _late(m, facts[4].day, self.lead - 4, "day"),
        }

    def _mark(self, m: Module, held: dict[str, Value]) -> None:
        """Views 0 to 4: profit, and its limits."""
        config, view = self.config, self.views.p
        position, cash = held["position"], held["cash"]
        value_bits = max(len(position) + 34, len(cash) + 2)
        total_bits = value_bits + 8

        # 0 and 1: position times twice the mid, as two numbers still to be added.
        plus: list[Value] = []
        minus: list[Value] = []
        for name in ("bid", "ask"):
            more, less = parts(m, position, view[name].levels[0].price, f"{name}_part")
            plus, minus = plus + more, minus + less
        cash1, sums = Signal.like(cash), [Signal(value_bits, name=f"sum{n}") for n in (0, 1)]
        left = halves(m, plus, minus, value_bits)
        m.d.sync += [
            cash1.eq(cash),
            *(half.eq(word) for half, word in zip(sums, left, strict=True)),
        ]

        # 2: profit of the symbol, in halves of a unit. 3: of all.
        m.submodules.mark_rows = marks = Rows(
            data.StructLayout({"profit": signed(value_bits)}), config.symbols
        )
        cash2, profit = Signal.like(cash), Signal(signed(value_bits))
        m.d.sync += [
            cash2.eq(cash1),
            profit.eq(total_of(m, [*sums, Cat(Const(0, 1), cash2).as_signed()], [], value_bits)),
        ]
        fact = data.StructLayout({"marks": 1, "adopt": 1, "day": 1, "bucket": 64})
        facts = [Signal(fact, name=f"mark{n}") for n in (0, 1, 2, 3, 4)]
        valid = self.views.valid
        m.d.comb += [
            facts[0].marks.eq(valid & view.book & bbo_valid(view.reasons)),
            facts[0].adopt.eq(held["adopt"]),
            facts[0].day.eq(held["day"]),
            facts[0].bucket.eq(view.now_us >> self.loss_window),
        ]
        for n in (1, 2, 3, 4):
            m.d.sync += facts[n].eq(facts[n - 1])
        three, four = facts[3], facts[4]
        total = Signal(signed(total_bits))
        m.d.comb += [
            marks.index.eq(view.symbol[: len(marks.index)]),
            marks.write2.eq(three.marks | three.adopt),
            marks.write_index2.eq(marks.index2),
            marks.new2.profit.eq(Mux(three.adopt, 0, profit)),
        ]
        with m.If(three.marks):
            m.d.sync += total.eq(total_of(m, [total, profit], [marks.row2.profit], total_bits))

        # 4: limits. The best of each bucket and of the day is kept once its mark is in.
        base, best = Signal(signed(total_bits)), Signal(signed(total_bits))
        doubled = {
            name: Cat(Const(0, 1), getattr(self, name))
            for name in ("max_day_loss", "max_window_loss", "max_drawdown")
        }
        below = []
        for at in range(BUCKETS):
            number, high = (
                Signal(64, name=f"bucket{at}"),
                Signal(signed(total_bits), name=f"high{at}"),
            )
            used, inside, own = (Signal(name=f"{name}{at}") for name in ("used", "inside", "own"))
            age = (three.bucket - number)[:64]
            m.d.sync += [
                inside.eq(used & (age < BUCKETS)),
                own.eq(used & (age == 0)),
            ]
            below.append(
                inside & over(m, [high, -total], doubled["max_window_loss"], total_bits + 1)
            )
            mine = four.marks & (four.bucket[:2] == at)
            with m.If(mine & (~own | (total > high))):
                m.d.sync += [used.eq(1), number.eq(four.bucket), high.eq(total)]
            with m.If(three.day):
                m.d.sync += used.eq(0)
        with m.If(four.marks & (total > best)):
            m.d.sync += best.eq(total)
        with m.If(three.day):
            m.d.sync += [base.eq(total), best.eq(total)]
        m.d.sync += self.o.over.eq(
            Cat(
                over(m, [base, -total], doubled["max_day_loss"], total_bits + 1),
                Cat(below).any(),
                over(m, [best, -total], doubled["max_drawdown"], total_bits + 1),
            )
        )


def _late(m: Module, value: Value, cycles: int, name: str) -> Value:
    """`value` so many cycles later."""
    for at in range(cycles):
        held = Signal.like(value, name=f"{name}_late{at}")
        m.d.sync += held.eq(value)
        value = held
    return value
