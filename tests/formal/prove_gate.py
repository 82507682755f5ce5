# SPDX-License-Identifier: Apache-2.0
"""The risk gate refuses and accepts exactly as the contract's table says, for ever.

Theorems, for any symbol s, any stream of orders and reports of any symbols with no pause between
them, registers that change with each clock, limits committed at any time:

1. `verdict`: each bit of a verdict is set exactly when its rule in the contract says so, with the
   limits of s as committed when the order came, and with every order and report before it counted
   in both exposures and the rate. An order is accepted exactly when no bit is set.
   Spelt out: none is accepted halted (mode 0 or 3), none before a first commit for s, and while
   the limits of s stand, no exposure passes `max_position`.
2. `bucket`: of the orders accepted in any span of stream time, the n-th comes no earlier than
   (n - 1) intervals less one burst after the first: the token bucket, and `due` never runs away.
"""

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import AnyConst, AnySeq

from hdl.config import BuildConfig
from hdl.records import NO_REASON, InKind, Mode, Reason
from hdl.risk.gate import Gate
from hdl.risk.limits import limit_layout
from hdl.risk.rate import Rate
from hdl.types import intent_layout
from tests.formal.kit import Proof, cells, open_up, pick, start

__all__ = ["PROOFS"]

CONFIG = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=3, result_depth=32)
GREATEST, LEAST = (1 << 63) - 1, -(1 << 63)
REPORTS = (InKind.ACK, InKind.FILL, InKind.CANCEL, InKind.REJECT)


def saturated(value: Value) -> Value:
    return Mux(value > GREATEST, GREATEST, Mux(value < LEAST, LEAST, value))


def verdict() -> Module:
    m = start()
    m.submodules.gate = gate = Gate(CONFIG)
    inside = open_up(gate)
    layout = intent_layout(CONFIG)

    # Anything at all, once the memories are swept; only an event can want an order.
    intent, valid = Signal(layout), Signal()
    m.d.comb += [
        intent.eq(AnySeq(layout.size)),
        valid.eq(AnySeq(1) & gate.init_done),
        gate.i.valid.eq(valid),
        gate.i.p.eq(intent),
        Assume(intent.symbol < CONFIG.symbols),
        Assume(~(intent.wanted & Cat(intent.kind == kind for kind in REPORTS).any())),
        gate.mode.eq(AnySeq(2)),
        gate.rate_interval_us.eq(AnySeq(32)),
        gate.rate_burst_us.eq(AnySeq(32)),
        gate.stale_us.eq(AnySeq(32)),
        gate.cycle.eq(AnySeq(64)),
        gate.commit.eq(AnySeq(1)),
        gate.commit_symbol.eq(AnySeq(32)),
        gate.shadow.eq(AnySeq(limit_layout().size)),
    ]

    # Symbol s: its limits, its exposures; and the rate, which is one for all symbols.
    s = AnyConst(1)
    limits = [Signal(limit_layout(), name=f"limits{n}") for n in range(3)]
    committed, changed = Signal(), Signal()
    commits = gate.commit & gate.init_done & (gate.commit_symbol == s)
    with m.If(commits):
        m.d.sync += [
            limits[0].eq(gate.shadow),
            committed.eq(1),
            changed.eq(changed | (committed & (limits[0] != gate.shadow))),
        ]
    long, short, due = Signal(signed(64)), Signal(signed(64)), Signal(64)

    # Judged two clocks after it came, with the limits of when it came.
    past, was = [intent], [valid]
    for n in (1, 2, 3):
        past.append(Signal(layout, name=f"intent{n}"))
        was.append(Signal(name=f"valid{n}"))
        m.d.sync += [past[n].eq(past[n - 1]), was[n].eq(was[n - 1])]
    m.d.sync += [limits[1].eq(limits[0]), limits[2].eq(limits[1])]
    now, limit = past[2], limits[2]
    own = was[2] & (now.symbol == s)
    worst = Signal(signed(64))
    m.d.comb += worst.eq(Mux(now.side, short, long))
    off_mid = 2 * now.price - (now.bid_price + now.ask_price)
    rules: dict[Reason, Value] = {
        Reason.HALTED: (gate.mode == Mode.HALTED) | (gate.mode == 3),
        Reason.REDUCE_ONLY: (gate.mode == Mode.REDUCE_ONLY) & (worst + now.qty > 0),
        Reason.PERMISSION: limit.permit == 0,
        Reason.QUANTITY: (now.qty == 0) | (now.qty > limit.max_qty),
        Reason.NOTIONAL: now.price * now.qty > limit.max_notional,
        Reason.COLLAR: (off_mid > 2 * limit.collar_ticks) | (-off_mid > 2 * limit.collar_ticks),
        Reason.POSITION: worst + now.qty > limit.max_position,
        Reason.RATE: (gate.rate_interval_us == 0) | (now.now_us + gate.rate_burst_us < due),
        Reason.STALE: now.age_us > gate.stale_us,
        Reason.BOOK: ~now.valid,
    }
    judged = Signal(32)
    m.d.comb += [judged[int(reason)].eq(refuses) for reason, refuses in rules.items()]
    order, accepts = own & now.wanted, Signal()
    m.d.comb += accepts.eq(order & (judged == 0))

    # What follows from it.
    fill = now.kind == InKind.FILL
    gone = (now.kind == InKind.CANCEL) | (now.kind == InKind.REJECT)
    with m.If(accepts & ~now.side):
        m.d.sync += long.eq(saturated(long + now.qty))
    with m.If(accepts & now.side):
        m.d.sync += short.eq(saturated(short + now.qty))
    with m.If(own & ((fill & ~now.side) | (gone & now.side))):
        m.d.sync += short.eq(saturated(short - now.qty))
    with m.If(own & ((fill & now.side) | (gone & ~now.side))):
        m.d.sync += long.eq(saturated(long - now.qty))
    next_due = Mux(now.now_us > due, now.now_us, due) + gate.rate_interval_us
    with m.If(gate.counts.orders):  # of any symbol
        m.d.sync += due.eq(Mux(next_due > (1 << 64) - 1, (1 << 64) - 1, next_due))

    # The theorem: in the cycle of the verdict, and of the decision one clock later.
    judged_3, order_3, cycle_3 = Signal(32), Signal(), Signal(64)
    m.d.sync += [judged_3.eq(judged), order_3.eq(order), cycle_3.eq(gate.cycle + 1)]
    out = gate.o.p
    first: Value = Const(NO_REASON)
    for reason in sorted(rules, reverse=True):
        first = Mux(judged_3[int(reason)], int(reason), first)
    passed = Cat(
        out[name] == past[3][name]
        for name in ("wanted", "has_view", "symbol", "side", "update_id", "price", "qty", "rule")
    ).all()
    m.d.comb += [
        Assert(~own | (gate.counts.orders == accepts), "accepted when no rule refuses"),
        Assert(~own | (gate.counts.refusals == (order & ~accepts)), "else refused"),
        Assert(was[2] | ~gate.counts.orders, "nothing is accepted that did not come"),
        Assert(~order_3 | (out.verdict == judged_3), "the verdict, bit by bit"),
        Assert(~order_3 | (out.first_reason == first), "its lowest bit"),
        Assert(
            gate.o.valid == (was[3] & (past[3].wanted | past[3].has_view)),
            "a decision comes out 3 cycles later, none is lost",
        ),
        Assert(~was[3] | passed, "and is of that order"),
        Assert(~was[3] | (out.cycle == cycle_3), "stamped with the cycle in which it stands"),
        Assert(~(gate.counts.orders & ((gate.mode == 0) | (gate.mode == 3))), "none when halted"),
        Assert(committed | ~(own & gate.counts.orders), "none before a commit"),
        Assert(changed | (long <= limits[0].max_position), "long stays within its limit"),
        Assert(changed | (short <= limits[0].max_position), "short stays within its limit"),
    ]

    # What makes it inductive: memories and registers hold what is said above.
    limit_rows = open_up(open_up(inside["limits"])["rows"])
    exposure_rows = open_up(open_up(inside["exposure"])["rows"])
    pair = Cat(long, short)
    for swept, expected, name in (
        (limit_rows, limits[0].as_value(), "limits"),
        (exposure_rows, pair, "exposures"),
    ):
        stored = pick(m, cells(swept["rows"]), s, name)
        m.d.comb += [
            Assert(swept["swept"] <= CONFIG.symbols),
            Assert(swept["self"].done == (swept["swept"] == CONFIG.symbols)),
            Assert(~gate.init_done | (stored == expected)),
            Assert(gate.init_done | (swept["swept"] <= s) | (stored == 0)),
        ]
    quiet = ~(committed | changed | Cat(was[1:]).any()) & (pair == 0) & (due == 0)
    blank = Cat(limit.as_value() for limit in limits) == 0
    m.d.comb += [
        Assert(limit_rows["swept"] == exposure_rows["swept"]),
        Assert(gate.init_done | (quiet & blank)),
        Assert(committed | (blank & ~changed)),
        Assert(changed | ~limits[1].permit | (limits[1] == limits[0])),
        Assert(changed | ~limits[2].permit | (limits[2] == limits[0])),
        Assert(open_up(inside["rate"])["due"] == due),
    ]

    accepted_3 = Signal()
    m.d.sync += accepted_3.eq(accepts)
    m.d.comb += [
        Cover(accepts & accepted_3 & (long == 7), "two accepted back to back"),
        Cover(accepted_3 & (out.symbol == s) & own & fill & (short < 0), "a fill right behind"),
        Cover(order & accepted_3 & (judged == 1 << Reason.POSITION), "only the position refuses"),
        Cover(order & accepted_3 & (judged == 1 << Reason.RATE), "only the rate refuses"),
        Cover(accepts & (gate.mode == Mode.REDUCE_ONLY), "accepted, reduce only"),
        Cover(accepts & ~changed & now.side & commits, "a commit while an order is judged"),
        *(Cover(order & (judged == 1 << int(reason)), f"only {reason.name}") for reason in rules),
    ]
    return m


def bucket() -> Module:
    m = start()
    m.submodules.rate = rate = Rate()
    due = open_up(rate)["due"]
    interval, burst = AnyConst(32), AnyConst(32)
    now, before, accepted = Signal(64), Signal(64), Signal()
    m.d.comb += [
        now.eq(AnySeq(64)),
        rate.now_us.eq(now),
        rate.interval_us.eq(interval),
        rate.burst_us.eq(burst),
        accepted.eq(AnySeq(1) & ~rate.refuse),
        rate.accept.eq(accepted),
        Assume(now >= before),  # stream time never goes back
        Assume(now < 1 << 63),  # and ends in 292,000 years
    ]
    m.d.sync += before.eq(now)

    # A span that begins with any order: its time, and one interval for each order of it so far.
    running, since, spent = Signal(), Signal(64), Signal(65)
    begins = AnySeq(1) & accepted & ~running
    with m.If(begins):
        m.d.sync += [running.eq(1), since.eq(now), spent.eq(interval)]
    with m.Elif(running & accepted):
        m.d.sync += spent.eq(spent + interval)
    many = Signal(4)
    m.d.sync += many.eq(many + (accepted & (many != 15)))
    m.d.comb += [
        Assert(
            ~(running & accepted) | (since + spent <= now + burst),
            "THE BUCKET: n - 1 intervals before the n-th order are at most the time and a burst",
        ),
        Assert(~accepted | (interval != 0), "an interval of 0 refuses everything"),
        Assert(due <= before + burst + interval, "due never runs away"),
        Assert(~running | (since + spent <= due)),
        Assert(~running | (since <= before)),
        Assert(before < 1 << 63),
        Cover((many == 5) & (burst < 4 * interval) & (before - since < burst) & rate.refuse),
        Cover(accepted & running & (due > now), "inside the burst"),
    ]
    return m


PROOFS = [
    Proof(
        "gate_verdict",
        "every bit of every verdict, both exposures and the rate are as the contract says",
        verdict,
        *("induction", 4, 12, True),
    ),
    Proof(
        "gate_bucket",
        "accepted orders never pass the token bucket of stream time",
        bucket,
        *("induction", 2, 12, True),
    ),
]
