# SPDX-License-Identifier: Apache-2.0
"""Strategy: a position and the comparisons of its exits never wrap.

1. `position`: a row within its bounds stays within them whatever token comes, and what it becomes
   is what unlimited numbers would become, cut where the contract cuts it.
2. `exits`: stop, take profit and arming compare as unlimited numbers do, for all products of
   prices and lots, and the sum of the trailing stop fits its width. A stop has 32 bits in every
   build; where prices have fewer, as here, it is taken for no greater than they can be.
"""

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.hdl._ast import AnySeq
from amaranth.lib import data

from hdl.config import BuildConfig
from hdl.strategy.exits import Exits
from hdl.strategy.position import Position
from tests.formal.kit import Proof, let_go, open_up, start

__all__ = ["PROOFS"]

SMALL = BuildConfig(symbols=2, levels=3, price_bits=3, qty_bits=2)


def _within(row: data.View, most: int) -> Value:
    """The bounds of a position's row."""
    most_price = (1 << SMALL.price_bits) - 1
    return (
        (row.lots <= most)
        & (row.lots >= -most)
        & (row.entered <= most)
        & (row.notional <= row.entered * most_price)
    )


def position() -> Module:
    m = start()
    m.submodules.position = dut = Position(SMALL)
    inside = open_up(dut)
    let_go(inside["rows"])
    view = Signal(dut.view.shape())
    m.d.comb += [
        view.eq(AnySeq(view.shape().size)),
        dut.view.eq(view),
        dut.valid.eq(AnySeq(1)),
        dut.usable.eq(AnySeq(1)),
        dut.ahead.eq(AnySeq(8)),
    ]
    held, after, fill = dut.held, inside["after"], inside["fill"]
    along, cost, qty = inside["along"], inside["cost"], inside["qty"]
    most = (1 << SMALL.qty_bits + 8) - 1
    assert most < 1 << len(held.entered)
    wide = Signal(range(-2 * most - 2, 2 * most + 2))
    m.d.comb += wide.eq(held.lots + Mux(inside["side"], -qty, qty))
    whole = (held.entered + qty) <= most
    m.d.comb += [
        Assume(_within(held, most)),
        Assert(~inside["rows"].write | _within(after, most), "within its bounds"),
        Assert(
            ~fill | (after.lots == Mux(wide > most, most, Mux(wide < -most, -most, wide))),
            "lots are those of unlimited numbers, cut",
        ),
        Assert(
            ~(fill & along & whole) | (after.notional == held.notional + cost), "nothing is cut"
        ),
        Assert(~(fill & along & ~whole) | after.blind, "a price that is lost is known to be"),
        Cover(fill & along & ~whole),
        Cover(fill & (wide > most)),
        Cover(fill & (held.lots > 0) & (after.lots < 0)),
    ]
    return m


def exits() -> Module:
    m = start()
    m.submodules.exits = dut = Exits(SMALL)
    inside = open_up(dut)
    let_go(inside["peaks"])
    products = inside["products"]
    kept, notional, long = inside["kept"], inside["notional"], inside["long2"]
    # Registers of stage 2 begin as anything, so that their products need not be found.
    for register in (*products.values(), kept, notional, long):
        register.attrs["arbitrary"] = 1
    for name in ("view", "row", "held", "ranges", "usable", "ahead"):
        port = Value.cast(getattr(dut, name))
        m.d.comb += port.eq(AnySeq(len(port)))
    up = Mux(long, products["mark"], notional)
    down = Mux(long, notional, products["mark"])
    peak_up = Mux(long, products["peak"], notional)
    peak_down = Mux(long, notional, products["peak"])
    for product in products.values():
        m.d.comb += Assume(product < 1 << len(products["mark"]))
    expected = {
        "stopped": up + products["stop"] <= down,
        "taken": up >= down + products["take"],
        "armed": peak_up >= peak_down + products["trail"],
    }
    for name, value in expected.items():
        m.d.comb += [
            Assert(inside[name] == value, f"{name} as in unlimited numbers"),
            Cover(inside[name] & (products["mark"] > 1 << len(products["mark"]) - 1)),
        ]
    given_back = ((up - down) << 3) - kept * (peak_up - peak_down)
    most = 1 << inside["bits"] - 1
    m.d.comb += [
        Assume(kept <= 8),
        Assert((given_back < most) & (given_back >= -most), "the trailing stop's sum fits"),
        Cover(given_back < -most // 8),
    ]
    return m


PROOFS = [
    Proof(
        "strategy_position",
        "a position, its entered lots and their notional stay within their widths",
        position,
        *("step", 2, 3, True),
    ),
    Proof(
        "strategy_exits",
        "no comparison of an exit wraps, whatever the prices and the position",
        exits,
        *("step", 1, 1, True),
    ),
]
