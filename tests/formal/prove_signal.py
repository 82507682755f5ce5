# SPDX-License-Identifier: Apache-2.0
"""Signals: no sum wraps, and a row of state is whole whenever it is read.

1. `average`: a leaky sum within its bound stays within it for every k, and the RTL's narrow sum is
   that of unlimited width. The bound fits the width, so nothing is ever cut.
2. `flow`: the same for the signed sums of order flow, through the block itself, for every book.
3. `rows`: with a loop of one and of two clocks the row of a token is what the last token of its
   symbol before it left, however close they follow, as far as the loop allows.
"""

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, signed
from amaranth.hdl._ast import AnyConst, AnySeq
from amaranth.lib import data

from hdl.config import BuildConfig
from hdl.signal.average import FRACTION_BITS, MOST_DECAY, Average
from hdl.signal.flow import OrderFlow
from hdl.signal.rows import StateRows
from tests.formal.kit import Proof, start

__all__ = ["PROOFS"]

X_BITS = 5
CONFIG = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=2)


def average() -> Module:
    m = start()
    m.submodules.average = dut = Average(X_BITS, by_table=True)
    most = (1 << X_BITS) - 1
    bound = ((most << FRACTION_BITS) + 1) << MOST_DECAY
    assert bound < 1 << len(dut.after)
    before, x, decay, begun = AnySeq(len(dut.before)), AnySeq(X_BITS), AnySeq(4), AnySeq(1)
    before1, decay1, begun1 = Signal.like(dut.before), Signal(4), Signal()
    m.d.comb += [
        dut.before.eq(before),
        dut.decay.eq(decay),
        dut.begun.eq(begun),
        dut.x.eq(x),
        Assume(before <= bound),
        Assume(decay <= MOST_DECAY),
    ]
    known = Signal()
    m.d.sync += [before1.eq(before), decay1.eq(decay), begun1.eq(begun), known.eq(1)]
    wide = before1 - (before1 >> decay1) + (x << FRACTION_BITS)
    first = x << (FRACTION_BITS + decay1)
    m.d.comb += [
        Assert(~known | (dut.after == Mux(begun1, wide, first)), "nothing is cut"),
        Assert(~known | (dut.after <= bound), "and it stays within its bound"),
        Cover(known & begun1 & (dut.after > (bound >> 1)) & (x == most), "near the bound"),
    ]
    return m


def flow_sums() -> Module:
    m = start()
    m.submodules.flow = dut = OrderFlow(CONFIG)
    most = (1 << CONFIG.qty_bits) - 1
    weights = sum(1 << (4 - at) for at in range(CONFIG.view_levels))
    bounds = {
        name: ((by << FRACTION_BITS) + 1) << MOST_DECAY
        for name, by in (
            ("ofi", 2 * most),
            ("ofi_multi", 2 * most * weights),
            ("removed", 2 * most),
            ("traded", 2 * most),
        )
    }
    before, view = Signal(dut.before.shape()), Signal(dut.view.shape())
    m.d.comb += [
        before.eq(AnySeq(before.shape().size)),
        view.eq(AnySeq(view.shape().size)),
        dut.before.eq(before),
        dut.view.eq(view),
        dut.primed.eq(AnySeq(1)),
        dut.printed.eq(AnySeq(CONFIG.qty_bits + 1)),
        dut.decay.eq(AnySeq(4)),
        Assume(dut.decay <= MOST_DECAY),
        Assume(dut.printed <= 2 * most),
    ]
    known = Signal()
    m.d.sync += known.eq(1)
    for name, bound in bounds.items():
        sum_, after = before[name], dut.after[name]
        least = -bound if name.startswith("ofi") else 0
        assert bound < 1 << (len(after) - name.startswith("ofi"))
        m.d.comb += [
            Assume((sum_ <= bound) & (sum_ >= least)),
            Assert(~known | ((after <= bound) & (after >= least)), f"{name} within its bound"),
            Cover(known & (after > (bound >> 1)), f"{name} large"),
        ]
    # What the sum gained is what its levels gained: computed here in full width.
    gains = Signal(signed(32))
    m.d.comb += gains.eq(_gain(before, view, 0) - _gain(before, view, 1))
    expected, decayed = Signal(signed(32)), Signal(signed(64))
    m.d.sync += [
        expected.eq(Mux(dut.primed, gains, 0)),
        decayed.eq(before.ofi - (before.ofi >> dut.decay)),
    ]
    m.d.comb += Assert(
        ~known | (dut.after.ofi == decayed + (expected << FRACTION_BITS)), "nothing is cut"
    )
    return m


def _gain(before: data.View, view: data.View, side: int) -> Signal:
    """What the best level of a side gained since the last event."""
    now, was = (view.ask if side else view.bid).levels[0], before.sides[side][0]
    most = (1 << CONFIG.price_bits) - 1
    key = Mux(now.qty.any(), most - now.price, 0) if side else now.price
    return Mux(key >= was.key, now.qty, 0) - Mux(key <= was.key, was.qty, 0)


def rows(loop: int) -> Module:
    m = start()
    layout = data.StructLayout({"number": 3})
    m.submodules.rows = dut = StateRows(CONFIG, layout, loop)
    symbol, watched = AnySeq(1), AnyConst(1)
    stage = [symbol]
    writes = [AnySeq(1)]
    for n in range(1, 3 + loop):
        stage.append(Signal(1, name=f"symbol{n}"))
        writes.append(Signal(name=f"write{n}"))
        m.d.sync += [stage[n].eq(stage[n - 1]), writes[n].eq(writes[n - 1])]
    number = AnySeq(3)
    at = 1 + loop  # of `stage`, where `after` is given; a token is in stage 0 at index 2
    m.d.comb += [
        dut.ahead.eq(symbol),
        dut.symbol.eq(stage[at]),
        dut.write.eq(writes[at] & dut.init_done),
        dut.after.number.eq(number),
    ]
    # Tokens that write come no closer than the loop allows.
    if loop == 2:
        m.d.comb += Assume(~(writes[0] & writes[1] & (stage[0] == stage[1])))
    held = Signal(3)
    with m.If(dut.write & (stage[at] == watched)):
        m.d.sync += held.eq(number)
    quiet = Signal(range(8))
    with m.If(dut.init_done & (quiet != 7)):
        m.d.sync += quiet.eq(quiet + 1)
    swept = Signal()
    m.d.comb += swept.eq(quiet == 7)
    m.d.comb += [
        Assert(~swept | (stage[2] != watched) | (dut.row.number == held), "the last row"),
        Cover(
            swept & (stage[2] == watched) & (dut.row.number == 5) & writes[2], "read and written"
        ),
        Cover(swept & writes[at] & (stage[at] == stage[2]) & (dut.row.number != number), "hazard"),
    ]
    return m


PROOFS = [
    Proof(
        "signal_average",
        "a leaky sum within its bound stays there, so an average never wraps",
        average,
        *("step", 2, 3, True),
    ),
    Proof(
        "signal_flow",
        "leaky sums of order flow stay within their bounds, whatever the book",
        flow_sums,
        *("step", 2, 3, True),
    ),
    Proof(
        "signal_rows_one",
        "a row read is the last one written, tokens in every clock",
        lambda: rows(1),
        *("bounded", 16, 16, True),
    ),
    Proof(
        "signal_rows_two",
        "a row read is the last one written, events two clocks apart",
        lambda: rows(2),
        *("bounded", 16, 16, True),
    ),
]
