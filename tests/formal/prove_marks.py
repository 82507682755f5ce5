# SPDX-License-Identifier: Apache-2.0
"""Marks and refill requests of a symbol: each token sees what the last one left, none is lost.

Theorems, for any symbol s, any tokens of any symbols with no pause between them, for ever:

1. `in_turn`: `Marks` shows each token of s the marks as the last token of s left them, whatever
   the memory held at reset, however close they come, and whatever other symbols do.
2. `requests`: at each book event of s, `ViewAssembler` asks for levels exactly as the contract's
   "Refill request" says, from the marks of s and from both of its sides as tokens came with them
   last, kept on registers, and gives the reasons of the contract. Spelt out: no request is lost
   (the first event at which a side wants levels brings one, and each event until the next counts
   its wait down by one), and they are rate-limited (the next one comes `refill_retry` + 1 events
   later, neither sooner nor later, as long as a side wants levels at each of them).

Taken as given: `Marks` is told the symbol of a token one clock before it, `ViewAssembler` symbol
and row two. The row of a book event is that of its side and symbol (`prove_ladder`), that of other
tokens may be any.
"""

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnyConst, AnySeq

from hdl.book.marks import Marks, marks_layout
from hdl.book.row import only
from hdl.book.view import ViewAssembler
from hdl.config import BuildConfig
from hdl.memory import SweptMemory
from hdl.records import InKind, RefillFlag, ViewReason
from hdl.types import SideState, side_layout, token_layout
from tests.formal.kit import Proof, cells, open_up, pick, start

__all__ = ["PROOFS"]

CONFIG = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=2, result_depth=32)
REGISTERS = {"levels_n": 4, "refill_level": 7, "refill_retry": 8, "report": 1}


def symbols_in_turn(m: Module, done: Value, clocks: int) -> tuple[list[Signal], Signal]:
    """Symbol asked for, then so many clocks later maybe a token of it, once memories are swept.

    Returns what was asked for 0 to `clocks` clocks ago, and whether there is a token of the last.
    """
    asked = [Signal(8, name=f"asked{n}") for n in range(clocks + 1)]
    ready, valid = past(m, done, clocks, "ready"), Signal()
    m.d.comb += [
        asked[0].eq(AnySeq(8)),
        valid.eq(AnySeq(1) & ready[-1]),
        Assume(~valid | (asked[-1] < CONFIG.symbols)),
    ]
    for n in range(clocks):
        m.d.sync += asked[n + 1].eq(asked[n])
        m.d.comb += Assert(ready[n] | ~ready[n + 1])
    return asked, valid


def past(m: Module, now: Value, clocks: int, name: str) -> list[Value]:
    """`now` and what it was up to so many clocks ago."""
    values = [now]
    for n in range(1, clocks + 1):
        values.append(Signal(name=f"{name}{n}"))
        m.d.sync += values[n].eq(values[n - 1])
    return values


def hold_memory(
    m: Module, block: SweptMemory, inside: dict, row: Value, expected: Signal, name: str
) -> Signal:
    """The memory's row is as expected once swept, blank once the sweep has passed; the sweep.

    `inside` is the opened block.
    """
    swept, stored = inside["swept"], pick(m, cells(inside["rows"]), row, name)
    over, passed = inside["over"], swept > (row + 1 if block.early else row)
    m.d.comb += [
        Assert(swept <= block.depth),
        Assert(over == (swept == block.depth)),
        Assert(~block.done | (stored == expected.as_value())),
        Assert(block.done | ~passed | (stored == 0)),
    ]
    if block.early:
        on_way = inside["addr"] == swept - 1
        m.d.comb += [
            Assert(over | ~block.done),
            Assert(block.done | (inside["en"] == (swept != 0))),
            Assert(block.done | ~inside["en"] | (on_way & (inside["row"] == 0))),
        ]
    return swept


def hold_marks(
    m: Module, marks: Marks, s: Value, ours: list[Value], now: Signal, was: Signal
) -> Signal:
    """What makes `Marks` inductive: `now` are the marks of s, `was` those of a clock ago.

    Bit n of `ours` tells whether the token of n clocks ago is of s.
    """
    inside, done = open_up(marks), marks.init_done
    once = Signal.like(was)
    m.d.sync += once.eq(was)
    for n, name in ((1, "newer"), (2, "older")):
        m.d.comb += [
            Assert(ours[n] == (inside[name].valid & (inside[name].symbol == s))),
            Assert(~inside[name].valid | (inside[name].symbol < CONFIG.symbols)),
        ]
    m.d.comb += [
        *(
            Assert(~ours[0] | (inside[f"by_{name}"] == ours[n]))
            for n, name in ((1, "newer"), (2, "older"), (3, "oldest"))
        ),
        Assert(~ours[2] | (inside["left"] == now)),
        Assert(ours[2] | (was == now)),
        Assert(~ours[3] | (inside["long_left"] == was)),
        Assert(ours[3] | (once == was)),
        # What was read lacks what was written at that time, and is rubbish where that was of s.
        Assert(~ours[0] | ours[3] | (inside["rows"].read_data == once)),
        Assert(done | ~(ours[1] | ours[2] | ours[3])),
        Assert(done | (Cat(now.as_value(), was.as_value(), once.as_value()) == 0)),
    ]
    return hold_memory(m, inside["rows"], open_up(inside["rows"]), s, was, "marks")


def in_turn() -> Module:
    m = start()
    m.submodules.marks = marks = Marks(CONFIG)
    (ahead, symbol), valid = symbols_in_turn(m, marks.init_done, 1)
    after = Signal(marks_layout())
    m.d.comb += [
        marks.ahead.eq(ahead),
        marks.symbol.eq(symbol),
        marks.valid.eq(valid),
        after.eq(AnySeq(marks_layout().size)),
        marks.after.eq(after),
    ]

    # The marks of s, to which the token of one clock ago does anything.
    s = AnyConst(1)
    ours = past(m, valid & (symbol == s), 3, "ours")
    now, was = Signal(marks_layout()), Signal(marks_layout())
    m.d.sync += was.eq(now)
    with m.If(ours[1]):
        m.d.sync += now.eq(after)
    m.d.comb += Assert(~ours[1] | (marks.before == now), "a token sees what the last one left")
    hold_marks(m, marks, s, ours, now, was)
    other = past(m, valid & (symbol != s), 2, "other")
    m.d.comb += [
        Cover(ours[0] & ours[1] & ours[2] & (now.wait == 5) & (was.wait == 9), "three in a row"),
        Cover(ours[1] & other[2] & (now.wait == 7) & (was == now), "behind another"),
        Cover(ours[1] & ~ours[2] & ~other[2] & (now.gap == 3), "from the memory"),
    ]
    return m


def requests() -> Module:
    m = start()
    m.submodules.view = view = ViewAssembler(CONFIG)
    inside = open_up(view)
    done = view.init_done
    (ahead, coming, symbol), valid = symbols_in_turn(m, done, 2)

    # Any tokens with any side, registers that change with each clock. Only an event may be a book
    # event, and a malformed record is nothing else.
    token, shows = Signal(token_layout(CONFIG)), Signal(side_layout(CONFIG))
    row, row_ahead, row_asked = (Signal(CONFIG.row_bits, name=n) for n in ("row", "ahead", "soon"))
    m.d.sync += [row_asked.eq(row_ahead), row.eq(row_asked)]
    m.d.comb += [
        token.eq(AnySeq(token_layout(CONFIG).size)),
        shows.eq(AnySeq(side_layout(CONFIG).size)),
        row_ahead.eq(AnySeq(CONFIG.row_bits)),
        view.ahead.symbol.eq(ahead),
        view.ahead.row.eq(row_ahead),
        view.row.eq(row),
        view.i_valid.eq(valid),
        view.token.eq(token),
        view.side.eq(shows),
        *(getattr(view, name).eq(AnySeq(bits)) for name, bits in REGISTERS.items()),
        Assume(token.symbol == symbol),
        Assume(~token.book | ((token.kind == InKind.EVENT_END) & ~token.poison)),
        Assume(~token.book | (row == Cat(token.side, token.symbol)[: CONFIG.row_bits])),
        Assume(row < CONFIG.rows),
    ]

    # Both sides of s as tokens came with them last; its marks before the token of one clock ago.
    s = AnyConst(1)
    ours = past(m, valid & (symbol == s), 3, "ours")
    one, one_valid, one_row = Signal(token_layout(CONFIG)), Signal(), Signal.like(row)
    m.d.sync += [one.eq(token), one_valid.eq(valid), one_row.eq(row)]
    sides, were, once, brings = [], [], [], []
    for side in (0, 1):
        sides.append(Signal(side_layout(CONFIG), name=f"side{side}"))
        were.append(Signal(side_layout(CONFIG), name=f"side_was{side}"))
        once.append(Signal(side_layout(CONFIG), name=f"side_once{side}"))
        brings.append(past(m, valid & (row == Cat(Const(side, 1), s)), 2, f"brings{side}"))
        m.d.sync += [were[side].eq(sides[side]), once[side].eq(were[side])]
        with m.If(brings[side][0]):
            m.d.sync += sides[side].eq(shows)
    now, was = Signal(marks_layout()), Signal(marks_layout())
    m.d.sync += was.eq(now)
    mine = Mux(one.side, 0b10, 0b01)
    with m.If(ours[1]):
        with m.If(one.poison):
            m.d.sync += now.gap.eq(0b11)
        with m.Elif(one.kind == InKind.CLEAR):
            with m.If(one.gap):
                m.d.sync += now.gap.eq(now.gap | mine)
            with m.If(one.resync):
                m.d.sync += now.resync.eq(now.resync | mine)
        with m.Elif(one.kind == InKind.REFILL_BEGIN):
            m.d.sync += [now.gap.eq(now.gap & ~mine), now.resync.eq(now.resync & ~mine)]

    # The contract's paragraph "Refill request", with the registers of one clock ago.
    event = ours[1] & one.book
    held = {name: Signal(bits, name=f"was_{name}") for name, bits in REGISTERS.items()}
    for name, register in held.items():
        m.d.sync += register.eq(getattr(view, name))
        if name in ("levels_n", "report"):
            m.d.comb += Assert(inside[name] == register)
    flags, level_n = Signal(4), held["levels_n"]
    wants = []
    for side, shown in enumerate(sides):
        snapshot, levels = Signal(name=f"snapshot{side}"), Signal(name=f"levels{side}")
        marked = now.gap[side] | now.resync[side]
        m.d.comb += [
            levels.eq(
                (shown.state == SideState.KNOWN)
                & shown.bounded
                & (shown.depth < held["refill_level"])
            ),
            snapshot.eq(
                (shown.state == SideState.UNKNOWN) | (marked & (shown.state != SideState.LOADING))
            ),
        ]
        wants.append(levels | snapshot)
        unknown = (RefillFlag.BID_UNKNOWN, RefillFlag.ASK_UNKNOWN)[side]
        named = (RefillFlag.BID, RefillFlag.ASK)[side]
        m.d.comb += flags[int(unknown).bit_length() - 1].eq(snapshot)
        m.d.comb += flags[int(named).bit_length() - 1].eq(levels | snapshot)
    want, request = Signal(), Signal()
    m.d.comb += [want.eq(Cat(wants).any()), request.eq(event & want & (now.wait == 0))]
    with m.If(event & ~want):
        m.d.sync += now.wait.eq(0)
    with m.Elif(request):
        m.d.sync += now.wait.eq(held["refill_retry"])
    with m.Elif(event):
        m.d.sync += now.wait.eq(now.wait - 1)

    # Seen from outside: since the last request, as long as every event wanted levels.
    since, events, retry = Signal(), Signal(9), Signal(8)
    with m.If(event):
        m.d.sync += [since.eq(want), events.eq(events + 1)]
    with m.If(request):
        m.d.sync += [events.eq(0), retry.eq(held["refill_retry"])]
    told = view.result.valid & (view.result.p.refill != 0)
    known = [shown.state == SideState.KNOWN for shown in sides]
    some = [shown.depth != 0 for shown in sides]
    bid, ask = sides
    reasons: dict[ViewReason, Value] = {
        ViewReason.UNKNOWN: ~known[0] | ~known[1],
        ViewReason.SHALLOW: Cat(
            k & shown.bounded & (shown.depth < level_n)
            for k, shown in zip(known, sides, strict=True)
        ).any(),
        ViewReason.CROSSED: Cat(known).all()
        & Cat(some).all()
        & (bid.levels[0].price >= ask.levels[0].price),
        ViewReason.GAP: now.gap != 0,
        ViewReason.RESYNC: now.resync != 0,
        ViewReason.EMPTY: (known[0] & ~some[0]) | (known[1] & ~some[1]),
        ViewReason.RETUNE: Cat(
            k & (shown.n != level_n) for k, shown in zip(known, sides, strict=True)
        ).any(),
    }
    m.d.comb += [
        Assert(~ours[1] | (told == request), "a request exactly when the contract says so"),
        Assert(~ours[1] | (view.counts.refill_requests == request), "and it is counted"),
        Assert(~request | (view.result.p.refill == flags), "for the sides that want it"),
        Assert(one_valid | ~view.result.valid, "nothing is told without a token"),
        Assert(~(event & want & (~since | (events == retry))) | told, "NONE IS LOST"),
        Assert(~(event & since & (events != retry)) | ~told, "NONE TOO EARLY"),
        Assert(~since | (now.wait + events == retry)),
        Assert(since | (now.wait == 0)),
        *(
            Assert(~event | ((view.o.p.reasons & int(reason)).any() == holds), reason.name)
            for reason, holds in reasons.items()
        ),
    ]

    # What makes it inductive.
    asking, both = open_up(inside["asking"]), open_up(inside["both"])
    marks, newer = asking["rows"], both["newer"]
    here = only(~one.poison & (one.kind == InKind.CLEAR), mine)
    for told_of in (inside["lacks"], asking["lacks"]):
        for side, shown in enumerate(sides):
            known_low = (shown.state == SideState.KNOWN) & shown.bounded
            m.d.comb += [
                Assert(~(one_valid & (one_row[1:] == s)) | (told_of[name][side] == holds))
                for name, holds in (
                    ("low", known_low & (shown.depth < held["refill_level"])),
                    ("loading", shown.state == SideState.LOADING),
                    ("unknown", shown.state == SideState.UNKNOWN),
                )
            ]
    m.d.comb += [
        Assert(asking["retry"] == held["refill_retry"]),
        Assert(asking["event"] == (one_valid & one.book)),
        Assert(~one_valid | (asking["gap"] == Mux(one.poison, 0b11, only(one.gap, here)))),
        Assert(~one_valid | (asking["resync"] == only(one.resync, here))),
        Assert(
            ~one_valid
            | (asking["drop"] == only(~one.poison & (one.kind == InKind.REFILL_BEGIN), mine))
        ),
    ]
    done_then = past(m, done, 1, "done_then")[1]
    sweep = hold_marks(m, marks, s, ours, now, was)
    m.d.comb += [
        Assert(~ours[1] | (marks.before == now)),
        Assert(inside["valid"] == one_valid),
        Assert(~one_valid | (inside["token"] == one)),
        Assert(ours[1] == (one_valid & (one.symbol == s))),
        Assert(inside["coming"] == coming),
        Assert(~one_valid | ~one.book | ((one.kind == InKind.EVENT_END) & ~one.poison)),
        Assert(done | ~one_valid),
        Assert(~one_valid | ~one.book | (one_row == Cat(one.side, one.symbol)[: len(row)])),
        Assert(both["soon"] == row_asked),
        Assert(newer.valid == one_valid),
        Assert(~one_valid | (newer.row == one_row)),
    ]
    rows = both["rows"]
    rows_inside = open_up(rows)
    m.d.comb += [
        Assert(~rows.done | (rows_inside["en"] == one_valid)),
        Assert(~one_valid | (rows_inside["addr"] == one_row)),
    ]
    for side in (0, 1):
        shown, before, first = (was[side].as_value() for was in (sides, were, once))
        _, brings_it, brought_it = brings[side]
        mine = Cat(Const(side, 1), s)
        elsewhere, bounded = ~one_valid | (one_row[1:] != s), sides[side].bounded
        other_of, other_soon = valid & (row ^ 1 == mine), row_asked ^ 1 == mine
        m.d.comb += [
            Assert(brings_it == (one_valid & (one_row == mine))),
            Assert(~brings_it | (both["newest"] == shown)),
            Assert(brings_it | (before == shown)),
            Assert(~brought_it | (both["older"] == before)),
            Assert(brought_it | (first == before)),
            Assert(~other_soon | ~done_then | brought_it | (rows.read_data == first)),
            Assert(~other_soon | (both["by_newer"] == brings_it)),
            Assert(~other_soon | (both["by_older"] == brought_it)),
            Assert(~other_of | (both["stored"] == before)),
            Assert(~other_of | (both["by_newest"] == brings_it)),
            Assert(elsewhere | (both["sides"][side] == shown)),
            Assert(elsewhere | (inside["retuned"][side] == (sides[side].n != level_n))),
            Assert(
                elsewhere | (inside["shallow"][side] == bounded & (sides[side].depth < level_n))
            ),
            Assert(done | (Cat(shown, before, first) == 0)),
        ]
        swept = hold_memory(m, rows, rows_inside, mine, were[side], f"side{side}")
    m.d.comb += Assert(sweep == Mux(swept < CONFIG.symbols, swept, CONFIG.symbols))

    close = ours[0] & ours[1] & ours[2]
    m.d.comb += [
        Cover(close & told & (events == 3) & since & (retry == 3), "asks again after three"),
        Cover(event & want & since & ~told & (now.wait == 2) & (flags == 0b0001), "low, waits"),
        Cover(event & ~want & since & (now.wait == 2) & known[0] & known[1], "wants no more"),
        Cover(told & (flags == 0b1111) & (now.gap == 0b10) & known[0] & known[1], "both, marked"),
        Cover(told & (flags == 0b0101) & known[0] & known[1] & ~ours[2], "from the memories"),
        Cover(event & (view.o.p.reasons == 0) & brings[0][1] & ~told, "a view that may be used"),
    ]
    return m


PROOFS = [
    Proof(
        "marks_in_turn",
        "a token sees the marks of its symbol as the last one left them (2 symbols)",
        in_turn,
        *("induction", 2, 12, True),
    ),
    Proof(
        "marks_requests",
        "a refill request comes exactly when the contract says: none lost, none too early",
        requests,
        *("induction", 2, 16, True),
    ),
]
