# SPDX-License-Identifier: Apache-2.0
"""What the risk gate promises, for ever, of the RTL as it is.

For any symbol s, any stream of orders, reports and the host's other records of any symbols with no
pause between them but the clock that admission leaves beside a report, registers that change with
each clock, limits committed at any time:

1. `closed`: no order is accepted in mode 0 or 3, in a symbol's mode 0 or 3, while the kill latch is
   set, unpermitted, or when a control that cannot be waived refuses, whatever the blocks say that
   are not looked at; its limits are what one commit wrote, and before it all zero; each order gets
   one decision, three cycles after it came, and it says just what happened.
2. `size`: quantity, notional and collar refuse exactly what is beyond the limits given with it.
3. `exposure`: both worst cases are the position and everything that is open, whatever the host
   reports and in whatever order; an accepted order leaves them within `max_position`, and one that
   exits cannot take the position through zero.
4. `bucket`: of the orders accepted in any span of stream time, the n-th comes no earlier than
   (n - 1) intervals less one burst after the first: the token bucket; tokens never are below zero
   nor above the bucket.
5. `kill`: the latch, once set, stays set until both keys were written one after the other, in
   mode HALTED.
"""

from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnyConst, AnySeq
from amaranth.lib import data

from hdl.config import BuildConfig
from hdl.records import InKind, Mode, Reason
from hdl.risk.gate import MOVING, Gate
from hdl.risk.kill import REARM_KEYS, Kill
from hdl.risk.limits import in_force_layout, limit_layout
from hdl.risk.orders import order_layout
from hdl.risk.price import Price
from hdl.risk.rate import Rate
from hdl.risk.size import Size
from hdl.risk.verdict import EXITS_PASS, WAIVABLE
from hdl.types import intent_layout
from tests.formal.kit import Proof, cells, let_go, open_up, pick, start

__all__ = ["PROOFS"]

CONFIG = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=3, result_depth=32, own_orders=2)


def anything(m: Module) -> tuple[Gate, dict[str, Any], list[data.View], list[Signal]]:
    """A gate, opened, with anything on its inputs once it is swept, and its tokens of late."""
    m.submodules.gate = gate = Gate(CONFIG)
    inside = open_up(gate)
    layout = intent_layout(CONFIG)
    tokens = [Signal(layout, name=f"token{n}") for n in range(6)]
    valids = [Signal(name=f"token_valid{n}") for n in range(6)]
    # tokens[2] is on `i`; two clocks before, its symbol and tag are told.
    m.d.comb += [
        tokens[0].eq(AnySeq(layout.size)),
        valids[0].eq(AnySeq(1) & gate.init_done),
        gate.ahead.symbol.eq(tokens[0].symbol),
        gate.ahead.tag.eq(tokens[0].tag),
        gate.ahead.now_us.eq(tokens[0].now_us),
        gate.i.valid.eq(valids[2]),
        gate.i.p.eq(tokens[2]),
        Assume(tokens[0].symbol < CONFIG.symbols),
        Assume(~(tokens[0].wanted & (tokens[0].kind != InKind.EVENT_END))),
        gate.settings.eq(AnySeq(gate.settings.shape().size)),
        gate.losses.eq(AnySeq(gate.losses.shape().size)),
        gate.cycle.eq(AnySeq(64)),
        gate.shadow.eq(AnySeq(limit_layout().size)),
        gate.commit.eq(AnySeq(1)),
        gate.commit_symbol.eq(AnySeq(32)),
        gate.kill.eq(AnySeq(1)),
        gate.rearm.eq(AnySeq(1)),
        gate.word.eq(AnySeq(32)),
        gate.kill_pin.eq(AnySeq(1)),
        gate.room.eq(AnySeq(1)),
    ]
    for n in range(1, 6):
        m.d.sync += [tokens[n].eq(tokens[n - 1]), valids[n].eq(valids[n - 1])]
    return gate, inside, tokens, valids


def closed() -> Module:
    m = start()
    gate, inside, tokens, valids = anything(m)
    for name in ("price", "size", "exposure", "orders", "window", "checks", "credit", "rate"):
        let_go(inside[name])
    two, valid2 = tokens[4], valids[4]
    order = valid2 & two.wanted
    accepted = inside["order"] & ~inside["veto"].any()

    # Limits of s as the last commit wrote them, and as they were when a token's were read.
    s = AnyConst(1)
    committed, limits = Signal(), [Signal(limit_layout(), name=f"committed{n}") for n in range(5)]
    commits = gate.commit & gate.init_done & (gate.commit_symbol == s)
    with m.If(commits):
        m.d.sync += [committed.eq(1), limits[0].eq(gate.shadow)]
    for n in range(1, 5):
        m.d.sync += limits[n].eq(limits[n - 1])
    limit, own = limits[4], order & (two.symbol == s)
    mode = gate.settings.mode
    halted = (mode == Mode.HALTED) | (mode == 3)
    out = gate.o.p
    was, took, verdict3 = Signal(), Signal(), Signal(64)
    # What was found of the order a clock before.
    told = {reason: Signal(name=f"told_{reason.name.lower()}") for reason in inside["early"]}
    m.d.sync += [told[reason].eq(finding) for reason, finding in inside["early"].items()]
    m.d.sync += [was.eq(order), took.eq(accepted), verdict3.eq(inside["judge"].verdict)]
    m.d.comb += [
        Assert(~(accepted & halted), "IN HALTED NOTHING PASSES"),
        Assert(~(accepted & (gate.kill_causes != 0)), "nor while the kill latch is set"),
        Assert(
            ~(own & accepted & ((limit.mode == Mode.HALTED) | (limit.mode == 3))),
            "nor while the symbol is halted",
        ),
        Assert(~(own & accepted) | limit.permit, "nor unpermitted"),
        *(
            Assert(~(accepted & finding), f"nor when {reason.name} refuses")
            for reason, finding in (told | inside["found"]).items()
            if reason not in WAIVABLE | EXITS_PASS
        ),
        Assert(committed | ~(own & accepted), "nothing before a commit"),
        Assert(inside["order"] == order),
        Assert(order | ~accepted, "nothing is accepted that did not come"),
        Assert((gate.counts.orders + gate.counts.refusals) == was, "accepted or refused, not both"),
        Assert(gate.counts.orders == took, "and counted as it was judged"),
        Assert(~was | (gate.o.valid & out.wanted), "A DECISION FOR EVERY ORDER, 3 cycles later"),
        Assert(was | ~(gate.o.valid & out.wanted), "and one for nothing else"),
        Assert(~was | (out.verdict == verdict3)),
        Assert(
            ~was
            | Cat(
                out[name] == tokens[5][name] for name in ("symbol", "side", "price", "qty")
            ).all(),
            "and it is of that order",
        ),
        Assert(~was | (out.slot == 255) | (out.verdict == 0)),
    ]

    # What makes it inductive: the memory and the way of its rows.
    held = open_up(inside["limits"])
    swept, told_swept = open_up(held["rows"]), open_up(held["told"])
    row = Signal(in_force_layout())
    stored = pick(m, cells(swept["rows"]), s, "limits")
    m.d.comb += [
        row.eq(stored),
        Assert(swept["swept"] <= CONFIG.symbols),
        Assert(swept["over"] == (swept["swept"] == CONFIG.symbols)),
        Assert(told_swept["over"] == swept["over"]),
        Assert(told_swept["swept"] == swept["swept"]),
        Assert(~gate.init_done | (row.limits == limits[0])),
        Assert(gate.init_done | (swept["swept"] <= s) | (stored == 0)),
        Assert(gate.init_done | ~(committed | Cat(valids).any())),
        Assert(committed | (Cat(each.as_value() for each in limits) == 0)),
    ]
    for n, name in ((2, "limits0"), (3, "limits1"), (4, "limits2")):
        mine = valids[n] & (tokens[n].symbol == s)
        m.d.comb += Assert(~mine | (inside[name].limits == limits[n]))
    m.d.comb += [
        Assert((inside["valid1"] == valids[3]) & (inside["valid2"] == valids[4])),
        Assert(~valids[3] | (inside["one"] == tokens[3])),
        Assert(~valids[4] | (inside["two"] == tokens[4])),
    ]
    for reason in Reason:
        m.d.comb += Cover(
            order & (inside["judge"].verdict == 1 << int(reason)), f"only {reason.name}"
        )
    m.d.comb += Cover(own & accepted & commits, "accepted while a commit comes")
    return m


def size() -> Module:
    """Price and size blocks: limits and order in step, as the gate gives them."""
    m = start()
    layout, kept = intent_layout(CONFIG), limit_layout()
    m.submodules.price = price = Price(CONFIG)
    m.submodules.size = sizes = Size(CONFIG)
    limits = [Signal(kept, name=f"limits{n}") for n in range(4)]
    orders = [Signal(layout, name=f"order{n}") for n in range(3)]
    since = Signal(2)
    m.d.comb += [limits[0].eq(AnySeq(kept.size)), orders[0].eq(AnySeq(layout.size))]
    m.d.sync += [
        *(limits[n].eq(limits[n - 1]) for n in (1, 2, 3)),
        *(orders[n].eq(orders[n - 1]) for n in (1, 2)),
        since.eq(since + (since != 3)),
    ]
    for block in (price, sizes):
        m.d.comb += [
            block.ahead.eq(limits[0]),
            block.i.eq(orders[0]),
            block.limits1.eq(limits[2]),
            block.limits2.eq(limits[3]),
        ]
    # `tick_lots` comes a cycle behind what is found of an order.
    order, limit, ready = orders[1], limits[2], since == 3
    off_mid, collar = 2 * order.price - order.mid2, limit.collar_ticks << 1
    beyond = (off_mid > collar) | (-off_mid > collar)
    notional = order.price * order.qty
    m.d.comb += [
        Assert(~ready | (sizes.quantity1 == ((order.qty == 0) | (order.qty > limit.max_qty)))),
        Assert(~ready | (sizes.notional1 == (notional > limit.max_notional))),
        Assert(~ready | (sizes.tick_lots == orders[2].price * orders[2].qty)),
        Assert(~ready | (price.collar1 == beyond)),
        Cover(ready & ~sizes.notional1 & (notional == limit.max_notional) & (notional > 9)),
        Cover(ready & ~price.collar1 & (off_mid == collar) & (collar != 0)),
        Cover(ready & price.collar1 & (off_mid < 0)),
        Cover(ready & ~sizes.quantity1 & (order.qty == limit.max_qty)),
    ]
    return m


def exposure() -> Module:
    m = start()
    gate, inside, tokens, valids = anything(m)
    for name in ("price", "size", "window", "checks", "credit", "rate", "limits", "kill"):
        let_go(inside[name])
    two, valid2 = tokens[4], valids[4]
    accepted = inside["order"] & ~inside["veto"].any()
    parts = {name: open_up(inside[name]) for name in ("exposure", "orders")}
    rows = {name: open_up(part["rows"]) for name, part in parts.items()}
    memories = {name: open_up(part["rows"]) for name, part in rows.items()}

    # What admission keeps (`tests/formal/prove_admission.py`): behind a record that changes what an
    # order is judged by a clock stays free, and between such a one and an EVENT_END before it.
    def touches(n: int) -> tuple[Value, Value]:
        moves = valids[n] & Cat(tokens[n].kind == kind for kind in MOVING).any()
        return moves, moves | (valids[n] & (tokens[n].kind == InKind.EVENT_END))

    def apart(n: int) -> Value:
        (moves, any_here), (moved, any_before) = touches(n), touches(n + 1)
        return ~(moves & any_before) & ~(any_here & moved)

    m.d.comb += [Assume(apart(0)), *(Assert(apart(n)) for n in range(1, 5))]

    # Rows: what a token has read is what is stored, but for what is being written.
    settled: dict[str, list[Signal]] = {}
    for name, part in parts.items():
        row, way, memory = part["rows"], rows[name], memories[name]
        depth = CONFIG.symbols if name == "exposure" else CONFIG.own_orders
        three = way["three"]
        settled[name] = [Signal(row.layout.size, name=f"{name}_settled{at}") for at in range(depth)]
        stored = cells(memory["rows"])
        for at, cell in enumerate(settled[name]):
            hit = way["writes3"] & (three.index == at)
            m.d.comb += cell.eq(Mux(hit, three.row.as_value(), Value.cast(stored[at])))
        # A token that stands directly behind one that may write has not, and needs not.
        for at, shown, index in (
            (1, row.row1.as_value(), way["index1"]),
            (2, row.row2.as_value(), row.index2),
        ):
            behind = valids[3 + at] & (tokens[3 + at].wanted | touches(3 + at)[0])
            m.d.comb += Assert(
                ~valids[2 + at]
                | (behind if at == 2 else 0)
                | (pick(m, settled[name], index, f"{name}{at}") == shown),
                f"{name}: a token in stage {at} has the row as it is",
            )
        m.d.comb += [
            Assert(gate.init_done | ~three.write),
            Assert(way["again0"] == (three.write & (three.index == way["index0"]))),
            Assert(way["again1"] == (three.write & (three.index == way["index1"]))),
            Assert(memory["swept"] <= depth),
            Assert(memory["over"] == (memory["swept"] == depth)),
            Assert(memory["over"] | (three.row.as_value() == 0)),
            *(
                Assert(gate.init_done | (memory["swept"] <= at) | (Value.cast(cell) == 0))
                for at, cell in enumerate(stored)
            ),
        ]

    # Taken as given here: no order of 0 is accepted, which `closed` and `size` prove.
    m.d.comb += Assume(~(valid2 & accepted) | (two.qty != 0))

    # Symbol s: the position, and all that is open of it.
    s = AnyConst(1)
    kept = Signal(inside["exposure"].row.shape())
    m.d.comb += kept.eq(pick(m, settled["exposure"], s, "kept"))
    # The order in stage 3 has its slot with the next clock.
    table = parts["orders"]
    next_slot, accept3, held = table["slot"], table["accept3"], table["taken"]
    taken = Signal(CONFIG.own_orders)
    m.d.comb += taken.eq(held | (accept3 << next_slot))
    owners = [
        Mux(accept3 & (next_slot == at), tokens[5].symbol, owner)
        for at, owner in enumerate(table["owners"])
    ]
    slots = [Signal(order_layout(CONFIG), name=f"slot{at}") for at in range(CONFIG.own_orders)]
    open_lots = {side: Signal(8, name=f"open{side}") for side in (0, 1)}
    mine = []
    for at, cell in enumerate(settled["orders"]):
        m.d.comb += slots[at].eq(cell)
        mine.append(taken[at] & (slots[at].symbol == s))
        m.d.comb += [
            Assert(~taken[at] | (slots[at].symbol == owners[at])),
            Assert(~taken[at] | (slots[at].left != 0)),
            Assert(~taken[at] | (slots[at].symbol < CONFIG.symbols)),
        ]
    for side, lots in open_lots.items():
        m.d.comb += lots.eq(
            sum(
                Mux(own & (slots[at].side == side), slots[at].left, 0)
                for at, own in enumerate(mine)
            )
        )
    # 2^62 lots are never reached in a life; beyond them the numbers saturate.
    far = Signal()
    bound = 1 << 62
    with m.If((kept.position > bound) | (kept.position < -bound)):
        m.d.sync += far.eq(1)
    near = gate.init_done & ~far & (kept.position <= bound) & (kept.position >= -bound)

    own = valid2 & (two.symbol == s)
    limit = inside["limits2"].limits
    long, short = kept.position + open_lots[0], open_lots[1] - kept.position
    worst = Mux(two.side, short, long) + two.qty
    exits = inside["exits"]
    m.d.comb += [
        Assert(~near | (kept.long == long), "worst long is the position and all open buys"),
        Assert(~near | (kept.short == short), "worst short is all open sells less the position"),
        Assert(
            ~(near & own & accepted & ~exits) | (worst <= limit.max_position),
            "AN ORDER LEAVES THE WORST CASE WITHIN ITS LIMIT, whatever fills and in what order",
        ),
        Assert(
            ~(near & own & accepted & exits) | (worst <= 0),
            "AN EXIT CANNOT ADD TO A POSITION, even if all that is open fills before it",
        ),
        Assert(
            ~(own & accepted & two.reduce_only) | exits, "and reduce-only is an exit in every mode"
        ),
        Assert(~(valid2 & accepted) | ~taken.bit_select(next_slot, 1)),
        Assert(~accept3 | ~held.bit_select(next_slot, 1)),
        Assert(table["after"] == (next_slot + 1)[: len(next_slot)]),
        Assert(inside["order"] == (valid2 & two.wanted)),
        Assert(inside["accept3"] == accept3),
        Assert(
            ~(valids[5] & (tokens[5].wanted | Cat(tokens[5].kind == k for k in MOVING).any()))
            | open_up(inside["judge"])["short"],
            "what stands directly behind an order or a report is refused",
        ),
        Assert(~accept3 | (valids[5] & tokens[5].wanted)),
        Assert(gate.init_done | ~accept3),
        # The way of the tokens.
        Assert((inside["valid1"] == valids[3]) & (inside["valid2"] == valids[4])),
        Assert(~valids[3] | (inside["one"] == tokens[3])),
        Assert(~valids[4] | (inside["two"] == tokens[4])),
        Assert(gate.init_done | ~Cat(valids).any()),
        Assert(gate.init_done | (taken == 0)),
        *(
            Assert(~valids[n] | (index == tokens[n][name][:1]))
            for block, name in (("exposure", "symbol"), ("orders", "tag"))
            for n, index in (
                (2, rows[block]["index0"]),
                (3, rows[block]["index1"]),
                (4, parts[block]["rows"].index2),
            )
        ),
        *(Assert(~valids[n] | (tokens[n].symbol < CONFIG.symbols)) for n in range(1, 6)),
        *(
            Assert(~(valids[n] & tokens[n].wanted) | (tokens[n].kind == InKind.EVENT_END))
            for n in range(1, 6)
        ),
        Assert(~valids[1] | (inside["symbol"] == tokens[1].symbol)),
        Assert(~valids[1] | (inside["tag"] == tokens[1].tag)),
    ]
    true = inside["orders"].true
    m.d.comb += [
        Cover(own & accepted & (open_lots[0] != 0) & ~two.side, "a second order on one side"),
        Cover(own & true & (two.kind == InKind.FILL) & (kept.position < 0)),
        Cover(own & true & (two.kind == InKind.REJECT)),
        Cover(own & accepted & exits & (kept.position > 0), "an exit"),
        Cover(own & inside["untrue"] & (open_lots[1] != 0), "an untrue report"),
        Cover(own & inside["adopt"] & (open_lots[0] != 0), "a reconciliation with orders open"),
    ]
    return m


def bucket() -> Module:
    m = start()
    m.submodules.rate = rate = Rate()
    interval, burst = AnyConst(32), AnyConst(32)
    # Times of the messages on `i` and in stages 1 to 3.
    now = [Signal(64, name=f"time{n}") for n in range(4)]
    accepted, accepted3, due, after = Signal(), Signal(), Signal(64), Signal(64)
    kept = Mux(accepted3, after, due)
    m.d.comb += [
        now[0].eq(AnySeq(64)),
        rate.now_us.eq(now[0]),
        rate.interval_us.eq(interval),
        rate.burst_us.eq(burst),
        rate.due_us.eq(due),
        rate.other_us.eq(after),
        rate.other.eq(accepted3),
        # An order that stands directly behind one that is accepted is refused.
        accepted.eq(AnySeq(1) & ~rate.refuse & ~accepted3),
        Assume(now[0] >= now[1]),  # stream time never goes back
        Assume(now[0] < 1 << 63),  # and ends in 292,000 years
    ]
    m.d.sync += [
        *(now[n].eq(now[n - 1]) for n in (1, 2, 3)),
        accepted3.eq(accepted),
        after.eq(rate.next_us),
        due.eq(kept),
    ]

    # A span that begins with any order: its time, and one interval for each order of it so far.
    inside = open_up(rate)
    running, since, spent, started = Signal(), Signal(64), Signal(65), Signal(2)
    m.d.sync += started.eq(started + ~started.all())
    begins = AnySeq(1) & accepted & ~running
    with m.If(begins):
        m.d.sync += [running.eq(1), since.eq(now[2]), spent.eq(interval)]
    with m.Elif(running & accepted):
        m.d.sync += spent.eq(spent + interval)
    many = Signal(4)
    m.d.sync += many.eq(many + (accepted & (many != 15)))
    due2, once, twice = inside["due2"], started != 0, started >= 2
    m.d.comb += [
        Assume(twice | ~accepted),
        Assert(
            ~(running & accepted) | (since + spent <= now[2] + burst),
            "THE BUCKET: n - 1 intervals before the n-th order are at most the time and a burst",
        ),
        Assert(~accepted | (interval != 0), "an interval of 0 refuses everything"),
        Assert(
            kept <= now[3] + burst + interval, "TOKENS ARE NEVER BELOW ZERO: due never runs away"
        ),
        Assert(~accepted | (rate.next_us >= now[2] + interval), "nor above the bucket"),
        Assert(~running | (since + spent <= kept)),
        Assert(~running | (since <= now[3])),
        Assert((now[3] <= now[2]) & (now[2] <= now[1]) & (now[1] < 1 << 63)),
        Assert(~once | (inside["now1"] == now[1])),
        Assert(~once | (inside["interval1"] == interval)),
        Assert(~once | (inside["ahead1"] == now[1] + burst)),
        Assert(~once | (inside["after1"] == now[1] + interval)),
        Assert(~twice | (inside["interval2"] == interval)),
        Assert(~twice | (inside["after2"] == now[2] + interval)),
        Assert(~twice | (inside["late2"] == (due2 > now[2]))),
        Assert(~twice | (rate.refuse == ((interval == 0) | (now[2] + burst < due2)))),
        Assert(~twice | accepted3 | (due2 == kept)),
        Assert(twice | ((kept == 0) & ~running & ~accepted3)),
        Cover((many == 5) & (burst < 4 * interval) & (now[3] - since < burst) & rate.refuse),
        Cover(accepted & running & (kept > now[2]), "inside the burst"),
    ]
    return m


def kill() -> Module:
    m = start()
    m.submodules.kill = latch = Kill()
    inputs = {
        name: Signal.like(getattr(latch, name), name=f"some_{name}")
        for name in ("mode", "kill", "rearm", "word", "pin", "loss", "heartbeat", "told")
    }
    for name, value in inputs.items():
        m.d.comb += [value.eq(AnySeq(len(value))), getattr(latch, name).eq(value)]
    m.d.comb += [
        latch.late_cycles.eq(AnyConst(32)),
        latch.dead_cycles.eq(AnyConst(32)),
    ]
    halted = (inputs["mode"] == Mode.HALTED) | (inputs["mode"] == 3)
    writes = inputs["rearm"]
    # 1: the first key was the last write, and the mode was HALTED ever since.
    keyed, causes, cleared = Signal(), Signal(4), Signal()
    with m.If(writes):
        m.d.sync += keyed.eq(halted & (inputs["word"] == REARM_KEYS[0]) & ~inputs["kill"])
    with m.Elif(~halted | inputs["kill"]):
        m.d.sync += keyed.eq(0)
    complete = writes & keyed & halted & (inputs["word"] == REARM_KEYS[1])
    m.d.sync += [causes.eq(latch.causes), cleared.eq(complete)]
    m.d.comb += [
        Assert((causes == 0) | (latch.causes != 0) | cleared, "SET UNTIL BOTH KEYS WERE WRITTEN"),
        Assert(open_up(latch)["half"] == keyed),
        Cover((causes != 0) & (latch.causes == 0), "cleared"),
        Cover(latch.causes == 0b1001, "by register and loss"),
        Cover(latch.causes[1], "by the watchdog"),
        Cover(latch.causes[2], "by the pin"),
    ]
    past = Signal()
    m.d.sync += past.eq(inputs["kill"] | inputs["loss"])
    m.d.comb += Assert(~past | (latch.causes != 0), "a kill is latched")
    return m


PROOFS = [
    Proof(
        "gate_closed",
        "halted, killed, unpermitted or refused nothing passes; one decision for every order, with "
        "limits of one commit",
        closed,
        *("induction", 4, 12, False),
    ),
    Proof(
        "gate_size",
        "quantity, notional and collar refuse exactly what is beyond their limits",
        size,
        *("induction", 5, 8, False),
    ),
    Proof(
        "gate_exposure",
        "worst cases are position and all that is open, within their limit; exits never add",
        exposure,
        *("induction", 3, 20, False),
    ),
    Proof(
        "gate_bucket",
        "accepted orders never pass the token bucket of stream time",
        bucket,
        *("induction", 2, 14, True),
    ),
    Proof(
        "gate_kill",
        "the kill latch stays set until both keys were written, in HALTED",
        kill,
        *("induction", 2, 12, True),
    ),
]
