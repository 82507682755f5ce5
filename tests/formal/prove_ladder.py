# SPDX-License-Identifier: Apache-2.0
"""The pipeline of the book does one token after another, however close they come.

Theorem, for any row R, any tokens in any mix and at any distance, for ever: each token comes out
exactly 5 cycles after it went in, with its row as if the tokens of R had been taken one by one
on registers (`tests.formal.row`): depth, state, horizon, every price and quantity, and every
counter. What lies in the memories at reset does not matter, tokens of other rows change nothing in
R, and prices are compared as the contract compares them, for bids and asks.

Taken as given of the decoder (`prove_feed`): the row of a token is told one clock before it; where
it is another, the token is a malformed record and asks for nothing. No LEVEL of a snapshot has
quantity 0. And of the pipeline: no row is asked for before the memory is swept.

Together with `prove_side`, which speaks of that row on registers, this makes the statements made
there true of the pipeline.
"""

import operator

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnyConst, AnySeq

from hdl.book.ahead import ahead_of
from hdl.book.hazards import COMPARED
from hdl.book.ladder import LATENCY, Ladder
from hdl.book.operation import decode, operation_layout
from hdl.book.row import grouped, price_to_key, shift_of
from hdl.config import BuildConfig
from hdl.records import InKind
from hdl.types import SideState, token_layout
from tests.formal.kit import Proof, cells, open_up, pick, start
from tests.formal.row import LARGER, SMALL, Places, Row, no_zero_in_a_snapshot

__all__ = ["PROOFS"]

#: Which of the rows on registers the keys in a stage are, for a token of R in that stage; QTYS
#: likewise. They differ where a stage is mended later than it is read.
KEYS = {2: 6, 3: 6, 4: 6, 5: 6, 6: 5, 7: 6}
QTYS = {5: 6, 6: 5, 7: 6}
STATUS = {2: 5, 3: 5, 4: 5, 5: 4, 6: 5, 7: 6}
#: What a token asks for; True where it is about another bit and means nothing by itself.
ASKED = {name: name in ("zero", "whole", "n") for name in operation_layout().members}


def in_turn(config: BuildConfig = SMALL) -> Module:
    m = start()
    m.submodules.ladder = ladder = Ladder(config)
    inside = open_up(ladder)
    layout = token_layout(config)

    # Any tokens; symbol and quantity as the decoder lets them pass. The row asked for is that of
    # the token of the next clock, if there is one, and is asked for once the memory is swept.
    token, valid, levels_n = Signal(layout), Signal(), Signal(4)
    ahead, asked, ready = Signal(9), Signal(9), Signal()
    m.d.sync += [asked.eq(ahead), ready.eq(ladder.init_done)]
    m.d.comb += [
        token.eq(AnySeq(layout.size)),
        valid.eq(AnySeq(1) & ready),
        ahead.eq(AnySeq(9)),
        ladder.i.valid.eq(valid),
        ladder.i.p.eq(token),
        ladder.ahead.eq(ahead),
        levels_n.eq(AnySeq(4)),
        ladder.levels_n.eq(levels_n),
        Assume(token.symbol < config.symbols),
        Assume((token.kind != InKind.LEVEL) | (token.value < (1 << config.qty_bits))),
        Assume(no_zero_in_a_snapshot(token)),
        Assume(~valid | (asked == Cat(token.side, token.symbol)) | (token.kind == 0)),
    ]

    # The tokens in stages 1 to 7 with the rows asked for, and which are of row R. A record that is
    # malformed may come with any row; it has to leave it as it is.
    row_r = AnyConst((config.rows - 1).bit_length())
    at, here, of = {1: token}, {1: valid}, {1: asked[: len(row_r)]}
    ours, n_of = {1: valid & (of[1] == row_r)}, {1: levels_n}
    m.d.comb += Assume(row_r < config.rows)
    for n in range(2, 8):
        chains = ((at, "token"), (here, "valid"), (of, "of"), (ours, "ours"), (n_of, "n_of"))
        for chain, name in chains:
            chain[n] = Signal.like(chain[n - 1], name=f"{name}{n}")
            m.d.sync += chain[n].eq(chain[n - 1])

    # The row on registers takes the token as it is in stage 4; row[n] is R before the token in
    # stage n, that is after all that are in later stages.
    ask = row_r[0]
    serial = Row(m, config, ask)
    m.d.comb += [serial.valid.eq(ours[4]), serial.token.eq(at[4]), serial.levels_n.eq(n_of[4])]
    row: dict[int, Places] = {4: serial}
    for n in (5, 6, 7):
        row[n] = Places.registers(config, ask, f"row{n}_")
        m.d.sync += row[n].status.eq(row[n - 1].status)
        for old, new in zip(row[n - 1].prices, row[n].prices, strict=True):
            m.d.sync += new.eq(old)
        for old, new in zip(row[n - 1].qtys, row[n].qtys, strict=True):
            m.d.sync += new.eq(old)

    # The theorem.
    out, stands = ladder.o.p, row[5]
    assert LATENCY == 5
    is_own = of[6] == Cat(at[6].side, at[6].symbol)
    held = Mux(out.status.state == SideState.KNOWN, out.status.held, 0)
    used = Cat(held[place] & (out.status.n > place) for place in range(config.view_levels))
    counted = Signal.like(ladder.counts)
    m.d.sync += counted.eq(serial.decide.counts)
    m.d.comb += [
        Assert(~here[6] | (out.row == of[6]), "its row is told"),
        Assert(~here[6] | is_own | (at[6].kind == 0), "which is its own"),
        Assert(~here[6] | (out.shown == held[: config.view_levels]), "what may be shown"),
        Assert(~here[6] | (out.counted == used), "and what counts towards the sum"),
        Assert(ladder.o.valid == here[6], "a token comes out 5 cycles later, none is lost"),
        Assert(~here[6] | (out.token == at[6]), "and is the same"),
        Assert(~ours[6] | (out.status == stands.status), "its row is that of one after another"),
        Assert(~ours[5] | (ladder.counts == counted), "and so are the counters"),
    ]
    for place, told in enumerate([*out.keys, out.horizon]):
        true = price_to_key(stands.prices[place], ask)
        m.d.comb += Assert(~(ours[6] & stands.means(place)) | (told == true), "prices")
    for place in range(config.levels):
        told, true = out.qtys[place], stands.qtys[place]
        m.d.comb += Assert(~(ours[6] & stands.means(place)) | (told == true), "quantities")

    strengthen(m, config, ladder, inside, ready, row_r, row, at, here, of, ours, n_of)

    known = serial.is_state(SideState.KNOWN)
    together = Cat(ours[n] for n in (4, 5, 6, 7)).all()
    counts, full = inside["decide"].counts, serial.status.held[-1]
    apart = Signal(3)  # clocks since the last token of R, in stage 6
    m.d.sync += apart.eq(Mux(ours[6], 0, Mux(apart == 7, 7, apart + 1)))
    m.d.comb += [
        Cover(together & known & full, "four in a row on a full side"),
        Cover(together & counts.level_evicts & counts.level_inserts, "an eviction close behind"),
        Cover(together & counts.level_deletes & full, "a delete likewise"),
        Cover(ours[4] & ~ours[5] & here[5] & ours[6] & counts.level_inserts, "A B A"),
        Cover(
            ours[4] & ours[5] & (at[5].kind == 0) & (at[5].side != ask) & counts.level_inserts,
            "a malformed one ahead",
        ),
        Cover(ours[6] & (apart == 7) & known & full, "from the memory"),
    ]
    return m


def strengthen(
    m: Module,
    config: BuildConfig,
    ladder: Ladder,
    inside: dict,
    ready: Signal,
    row_r: Value,
    row: dict[int, Places],
    at: dict[int, Signal],
    here: dict[int, Signal],
    of: dict[int, Signal],
    ours: dict[int, Signal],
    n_of: dict[int, Signal],
) -> None:
    """Say what each stage holds for a token of R, which makes the theorem inductive.

    A row on its way is mended with those that stood by then: which of `row` it is, is said below.
    """
    levels, places = config.levels, range(config.levels + 1)
    serial: Row = row[4]
    ask = row_r[0]
    m.d.comb += [Assert(holds, text) for text, holds in serial.invariant().items()]

    def keys_of(n: int) -> list[Value]:
        return [price_to_key(price, ask) for price in row[n].prices]

    # Stage n holds the token of n - 1 clocks ago, and knows which ones ahead are of its row.
    stage, hazards = inside["stage"], open_up(inside["hazards"])
    asks = {n: Signal.like(stage[2].operation, name=f"asks{n}") for n in range(2, 7)}
    for n in range(2, 7):
        decode(m, asks[n], here[n], at[n], n_of[n])
        m.d.comb += [
            Assert(stage[n].valid == here[n]),
            Assert(~here[n] | (stage[n].token == at[n])),
            Assert(stage[n].addr == of[n]),
            Assert(~here[n] | (of[n] == Cat(at[n].side, at[n].symbol)) | (at[n].kind == 0)),
            Assert(~here[n] | (at[n].symbol < config.symbols)),
            Assert(~here[n] | (stage[n].key == price_to_key(at[n].price, at[n].side))),
            Assert(~here[n] | (at[n].kind != InKind.LEVEL) | (at[n].value < 1 << config.qty_bits)),
            Assert(~here[n] | no_zero_in_a_snapshot(at[n])),
            Assert(ours[n] == (here[n] & (of[n] == row_r))),
            *(
                Assert((stage[n].operation[name] == asks[n][name]) | (about & ~here[n]))
                for name, about in ASKED.items()
            ),
            *(Assert(hazards[name][n] == stage[n][name]) for name in ("addr", "valid", "key")),
        ]
    m.d.comb += [
        Assert(stage[1].addr == of[1]),
        Assert(hazards["addr"][1] == of[1]),
        *(Assert(open_up(each)["token"] == stage[2].key) for each in inside["compares"]),
    ]
    for n in range(1, 6):
        for ahead in range(n + 1, 8):
            m.d.comb += Assert(~ours[n] | (inside["same"][n][ahead] == ours[ahead]))
    block = inside["hazards"]
    found = [(3, ahead, block.better3[ahead], block.equal3[ahead]) for ahead in COMPARED]
    found.append((4, 5, inside["near_better"], inside["near_equal"]))
    for n, ahead, is_better, is_equal in found:
        both = ours[n] & ours[ahead]
        m.d.comb += [
            Assert(~both | (is_better == (stage[ahead].key < stage[n].key))),
            Assert(~both | (is_equal == (stage[ahead].key == stage[n].key))),
        ]

    # The moves are those of the row on registers; of an empty place, a resize means nothing.
    put = inside["steps"].adds.replicate(levels)
    m.d.comb += [
        Assert(inside["shift"].as_value() == shift_of(inside["steps"])),
        Assert(inside["lifts"] == (inside["shift"].behind & put)),
    ]
    moves, true = {5: inside["moves"]}, {4: serial.decide.moves}
    moves[6] = Signal.like(moves[5], name="moves6")
    m.d.sync += moves[6].eq(moves[5])
    for n in (5, 6):
        true[n] = Signal.like(moves[n], name=f"true_moves{n}")
        m.d.sync += true[n].eq(true[n - 1])
        held = row[n].status.held
        for name, _ in moves[n].shape():
            mask = held if name == "resize" else ~0
            agrees = (moves[n][name] & mask) == (true[n][name] & mask)
            m.d.comb += Assert(~ours[n] | agrees)
        m.d.comb += Assert(ours[n] | (true[n].as_value() == 0))
    shift, true_shift = {5: shift_of(inside["steps"])}, {4: shift_of(serial.decide.steps)}
    shift[6] = Signal.like(shift[5], name="shift6")
    m.d.sync += shift[6].eq(shift[5])
    for n in (5, 6):
        true_shift[n] = Signal.like(shift[n], name=f"true_shift{n}")
        m.d.sync += true_shift[n].eq(true_shift[n - 1])
        m.d.comb += Assert(~ours[n] | (shift[n] == true_shift[n]))
    for ahead, near in inside["near"].items():
        mine, theirs = (ours[4], 5) if ahead == 4 else (ours[3], ahead)
        expected = Mux(ours[theirs], shift[theirs], 0)
        m.d.comb += Assert(~mine | (near.as_value() == expected))
    told = ahead_of(moves[5], inside["near_better"], inside["near_equal"])
    m.d.comb += Assert(~ours[4] | (inside["meant"].as_value() == Mux(ours[5], told, 0)))

    # Rows and findings on their way.
    status, keys, qtys = inside["status"], inside["keys"], inside["qtys"]
    better, equal = inside["better"], inside["equal"]
    m.d.comb += [
        Assert(~ours[n] | (status[n] == row[is_that].status)) for n, is_that in STATUS.items()
    ]
    for name in ("held", "depth", "bounded"):
        m.d.comb += Assert(~ours[5] | (inside["left"][name] == row[5].status[name]))
    swept = open_up(inside["statuses"])
    cell = {
        name: pick(m, cells(mem), row_r, name)
        for name, mem in (
            ("status", swept["rows"]),
            ("keys", inside["key_rows"]),
            ("qtys", inside["qty_rows"]),
        )
    }

    def split(memory_row: Value, bits: int) -> list[Value]:
        return [memory_row[low : low + bits] for low in range(0, len(memory_row), bits)]

    # Which row the keys (and quantities) are in each stage, out of the memory, and in it. What is
    # read in the clock of a write to R may be anything.
    clear = {n: ours[n] & ~ours[7] for n in (1, 4)}
    one = Value.cast(1)
    lies = [(ours[n], keys[n], keys_of(is_that), is_that) for n, is_that in KEYS.items()]
    lies += [(ours[n], qtys[n], row[is_that].qtys, is_that) for n, is_that in QTYS.items()]
    lies += [
        (clear[1], split(inside["read_keys"].data.as_value(), config.price_bits), keys_of(7), 7),
        (clear[4], split(inside["read_qtys"].data.as_value(), config.qty_bits), row[7].qtys, 7),
        (one, split(cell["keys"], config.price_bits), keys_of(6), 6),
        (one, split(cell["qtys"], config.qty_bits), row[6].qtys, 6),
    ]
    for when, contents, true_contents, is_that in lies:
        for place, (told, content) in enumerate(zip(contents, true_contents, strict=True)):
            m.d.comb += Assert(~(when & row[is_that].means(place)) | (told == content))
    for place in places:
        for found, compare in ((better, operator.lt), (equal, operator.eq)):
            true3 = compare(keys_of(6)[place], stage[3].key)
            true4 = row[5].means(place) & compare(keys_of(5)[place], stage[4].key)
            m.d.comb += [
                Assert(~(ours[3] & row[6].means(place)) | (found[3][place] == true3)),
                Assert(~ours[4] | (found[4][place] == true4)),
            ]
    equal5, worse5 = Signal(levels), Signal(levels)
    for place in range(levels):
        key = keys_of(5)[place]
        m.d.comb += [
            equal5[place].eq(row[5].means(place) & (key == stage[4].key)),
            worse5[place].eq(row[5].means(place) & ~(key < stage[4].key)),
        ]
    reached5 = Cat(row[5].means(at) & ~(stage[4].key < keys_of(5)[at]) for at in places[-2:])
    for found, true in (
        ("reached", reached5),
        ("hits", grouped(equal5)),
        ("worse", grouped(worse5[: levels - 1])),
        ("worst", worse5[levels - 1]),
    ):
        m.d.comb += Assert(~ours[4] | (inside["found"][found] == true))

    # Until the memory is swept nothing is under way, and the row is an unknown one.
    idle = ~Cat(here[n] for n in range(2, 8)).any()
    blank = Cat(row[n].status.as_value() for n in (4, 5, 6, 7)) == 0
    read_status = inside["statuses"].read_data.as_value()
    m.d.comb += [
        Assert(ladder.init_done | (idle & blank & ~ready)),
        Assert(swept["swept"] <= config.rows),
        Assert(ladder.init_done == (swept["swept"] == config.rows)),
        Assert((swept["swept"] <= row_r) | ladder.init_done | (cell["status"] == 0)),
        Assert(~ladder.init_done | (cell["status"] == row[6].status.as_value())),
        Assert(~ours[1] | ours[7] | (read_status == row[7].status.as_value())),
    ]


TWO_SYMBOLS = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=2, result_depth=32)
THREE_SYMBOLS = BuildConfig(symbols=3, levels=3, price_bits=3, qty_bits=2, result_depth=32)

PROOFS = [
    Proof(
        "ladder_in_turn",
        "the pipeline gives each token's row as if tokens were taken one by one (2 rows)",
        in_turn,
        *("induction", 3, 26, True),
    ),
    Proof(
        "ladder_in_turn_4_rows",
        "the same with 4 rows",
        lambda: in_turn(TWO_SYMBOLS),
        *("induction", 3, 28, False),
    ),
    Proof(
        "ladder_in_turn_6_rows",
        "the same with 6 rows, so that some addresses are of none",
        lambda: in_turn(THREE_SYMBOLS),
        *("induction", 3, 30, False),
    ),
    Proof(
        "ladder_in_turn_larger",
        "the same with K=4 and larger prices and quantities",
        lambda: in_turn(LARGER),
        *("induction", 3, 28, False),
    ),
]
