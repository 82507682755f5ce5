# SPDX-License-Identifier: Apache-2.0
"""The pipeline of the book does one token after another, however close they come.

Theorem, for any row R, any tokens in any mix and at any distance, for ever: each token comes out
exactly 4 cycles after it went in, with its row as if the tokens of R had been executed one by one
on registers (`tests.formal.row`): ranks, depth, state, horizon, every price and quantity, and every
counter. What lies in the memories at reset does not matter, tokens of other rows change nothing in
R, and prices are compared as the contract compares them, for bids and asks.

Together with `prove_execute`, which speaks of that row on registers, this makes the statements made
there true of the pipeline.
"""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Signal
from amaranth.hdl._ast import AnyConst, AnySeq

from hdl.book.ladder import Ladder
from hdl.book.slots import clear_row, price_to_key
from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.types import SideState, token_layout
from tests.formal.kit import Proof, cells, open_up, pick, start
from tests.formal.row import SMALL, Row

__all__ = ["PROOFS"]


def in_turn(config: BuildConfig = SMALL) -> Module:
    m = start()
    m.submodules.ladder = ladder = Ladder(config)
    inside = open_up(ladder)
    slots, levels = range(config.levels + 1), config.levels
    layout = token_layout(config)

    # Any tokens, once the memory is swept; a symbol and a quantity as the decoder lets them pass.
    token = Signal(layout)
    valid = Signal()
    m.d.comb += [
        token.eq(AnySeq(layout.size)),
        valid.eq(AnySeq(1) & ladder.init_done),
        ladder.i.valid.eq(valid),
        ladder.i.p.eq(token),
        Assume(token.symbol < config.symbols),
        Assume((token.kind != InKind.LEVEL) | (token.value < (1 << config.qty_bits))),
    ]

    # The tokens 1 to 6 clocks ago, and which were of row R.
    row_r = AnyConst((config.rows - 1).bit_length())
    past, ours = [token], [valid & (Cat(token.side, token.symbol) == row_r)]
    past_valid = [valid]
    for n in range(1, 7):
        past.append(Signal(layout, name=f"token{n}"))
        past_valid.append(Signal(name=f"valid{n}"))
        ours.append(Signal(name=f"ours{n}"))
        m.d.sync += [
            past[n].eq(past[n - 1]),
            past_valid[n].eq(past_valid[n - 1]),
            ours[n].eq(ours[n - 1]),
        ]

    # The row on registers executes the token of 3 clocks ago.
    ask = row_r[0]
    serial = Row(m, config, ask)
    m.d.comb += [serial.execute.valid.eq(ours[3]), serial.execute.token.eq(past[3])]
    key = [price_to_key(serial.prices[s], ask) for s in slots]
    means = [
        serial.row.held[s] | (serial.row.bounded & (serial.row.rank[s] == levels)) for s in slots
    ]

    # The theorem.
    out = ladder.o.p
    m.d.comb += [
        Assert(ladder.o.valid == past_valid[4], "a token comes out 4 cycles later, none is lost"),
        Assert(~past_valid[4] | (out.token == past[4]), "and is the same"),
        Assert(~ours[4] | (out.row == serial.row), "its row is that of one token after another"),
        Assert(~ours[3] | (ladder.counts == serial.execute.counts), "and so are the counters"),
    ]
    for s in slots:
        m.d.comb += [
            Assert(~(ours[4] & means[s]) | (out.keys[s] == key[s]), "prices"),
            Assert(~(ours[4] & serial.row.held[s]) | (out.qtys[s] == serial.qtys[s]), "quantities"),
        ]

    # What makes it inductive: a memory holds the row as it was when stage 4 was last written back.
    # Of the pipeline between, only what enters stage 3 is said: k clocks fill the rest anew.
    m.d.comb += [Assert(holds, text) for text, holds in serial.invariant().items()]
    back = Signal.like(serial.row, name="written_row")
    back_key = [Signal(config.price_bits, name=f"written_key{s}") for s in slots]
    back_qty = [Signal(config.qty_bits, name=f"written_qty{s}") for s in slots]
    m.d.sync += back.eq(serial.row)
    swept = open_up(inside["rows"])
    held_rows = pick(m, cells(swept["rows"]), row_r, "rows")
    blank = clear_row(config)
    idle = ~Cat(past_valid[1:]).any()
    m.d.comb += [
        Assert(ladder.init_done | (idle & (serial.row.as_value() == blank))),
        Assert(swept["swept"] <= config.rows),
        Assert((swept["swept"] <= row_r) | ladder.init_done | (held_rows == blank)),
        Assert(~ladder.init_done | (held_rows == back.as_value())),
    ]
    m.d.comb += Assert(~ours[3] | (inside["row3"] == serial.row))
    for s in slots:
        for name in ("better", "equal"):
            told, true = inside[f"{name}3"][s], getattr(serial.execute, name)[s]
            m.d.comb += Assert(~(ours[3] & means[s]) | (told == true))
    for name, back_value in (("keys", back_key), ("shown_keys", back_key), ("qtys", back_qty)):
        stored = pick(m, cells(inside[name]), row_r, name)
        for s in slots:
            counts_here = back.held[s]
            if name != "qtys":
                counts_here |= back.bounded & (back.rank[s] == levels)
            bits = len(back_value[s])
            m.d.comb += Assert(~counts_here | (stored[s * bits : (s + 1) * bits] == back_value[s]))
    for s in slots:
        m.d.sync += [back_key[s].eq(key[s]), back_qty[s].eq(serial.qtys[s])]

    known = serial.is_state(SideState.KNOWN)
    together = Cat(ours[3:7]).all()
    counts = ladder.counts
    m.d.comb += [
        Cover(together & known & (serial.row.depth == levels), "four in a row on a full side"),
        Cover(together & counts.level_evicts & counts.level_inserts, "an eviction close behind"),
        Cover(together & counts.level_deletes & (serial.row.depth == levels), "a delete likewise"),
        Cover(ours[3] & ~ours[4] & past_valid[4] & ours[5] & counts.level_inserts, "A B A"),
        Cover(ours[4] & ~ours[5] & ~ours[6] & known & (out.row.depth == levels), "from the memory"),
    ]
    return m


TWO_SYMBOLS = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=2, result_depth=32)

PROOFS = [
    Proof(
        "ladder_in_turn",
        "the pipeline gives each token's row as if tokens were executed one by one (2 rows)",
        in_turn,
        *("induction", 9, 20, True),
    ),
    Proof(
        "ladder_in_turn_4_rows",
        "the same with 4 rows",
        lambda: in_turn(TWO_SYMBOLS),
        *("induction", 4, 22, False),
    ),
]
