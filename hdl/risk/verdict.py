# SPDX-License-Identifier: Apache-2.0
"""One bit a control: which may be waived, which exits pass, and what comes of all together."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.records import NO_REASON, Reason
from hdl.risk.rows import VETOES

__all__ = ["BITS", "EXITS_PASS", "TOLD_EARLY", "UNSETTLED", "WAIVABLE", "Verdict", "first_reason"]

#: Bits of a verdict.
BITS = 64
#: Controls that guard against new risk: an order that can only reduce a position passes them.
EXITS_PASS = frozenset(
    {
        Reason.POSITION,
        Reason.WINDOW_QTY,
        Reason.WINDOW_NOTIONAL,
        Reason.REPEAT,
        Reason.ORDER_TRADE,
        Reason.GROSS,
        Reason.NET,
        Reason.OPEN_ORDERS,
        Reason.CREDIT,
        Reason.CREDIT_STALE,
        Reason.LOSSES,
        Reason.LOSS_DAY,
        Reason.LOSS_WINDOW,
        Reason.DRAWDOWN,
        Reason.SPREAD,
        Reason.VOLATILITY,
        Reason.REPORT,
        Reason.RECONCILE,
    }
)
_NEVER_WAIVED = frozenset(
    {
        Reason.KILL,
        Reason.SYMBOL_HALTED,
        Reason.ORDER_TYPE,
        Reason.OWN_ORDERS,
        Reason.CROWDED,
    }
)
#: Controls that `limit_waive` can take off a symbol.
WAIVABLE = frozenset(reason for reason in Reason if reason > Reason.BOOK) - _NEVER_WAIVED
#: Controls on what orders and records before this one came to.
UNSETTLED = frozenset(
    {
        *(Reason.REDUCE_ONLY, Reason.POSITION, Reason.RATE, Reason.DUPLICATE, Reason.SELF_TRADE),
        *(Reason.RATE_SYMBOL, Reason.WINDOW_QTY, Reason.WINDOW_NOTIONAL, Reason.DRIFT),
        *(Reason.REPEAT, Reason.ORDER_TRADE, Reason.GROSS, Reason.NET, Reason.OPEN_ORDERS),
        *(Reason.CREDIT, Reason.CREDIT_STALE, Reason.VOLATILITY, Reason.WATCHDOG),
        *(Reason.OWN_ORDERS, Reason.REPORT, Reason.RECONCILE),
    }
)


#: Controls whose finding stands a clock before the verdict, in stage 1 of the gate.
TOLD_EARLY = frozenset(
    {
        *(Reason.REDUCE_ONLY, Reason.PERMISSION, Reason.QUANTITY, Reason.NOTIONAL, Reason.COLLAR),
        *(Reason.POSITION, Reason.STALE, Reason.BOOK, Reason.SYMBOL_HALTED, Reason.STRATEGY),
        *(Reason.QUANTITY_MIN, Reason.COLLAR_LAST, Reason.PRICE, Reason.ORDER_TYPE),
        *(Reason.SELF_TRADE, Reason.WINDOW_QTY, Reason.REPEAT, Reason.ORDER_TRADE),
        *(Reason.CREDIT_STALE, Reason.LOSSES, Reason.SPREAD, Reason.CLOCK),
        *(Reason.GAP, Reason.CROSSED, Reason.SHALLOW, Reason.RESYNC),
        *(Reason.OWN_ORDERS, Reason.REPORT, Reason.RECONCILE, Reason.CROWDED),
    }
)
#: Those of them that are a few bits of the token or of its limits: one register has all of these.
_SHORT = (
    *(Reason.PERMISSION, Reason.BOOK, Reason.SYMBOL_HALTED, Reason.STRATEGY, Reason.ORDER_TYPE),
    *(Reason.GAP, Reason.CROSSED, Reason.SHALLOW, Reason.RESYNC, Reason.CROWDED),
)
#: What takes most of stage 2 to be found, by the place in which it is found.
_LATE = (
    (Reason.QUANTITY_STEP, Reason.TICK, Reason.COLLAR_PPM, Reason.COLLAR_LAST_PPM),
    (Reason.GROSS, Reason.NET, Reason.CREDIT, Reason.WINDOW_NOTIONAL),
)


class Verdict(wiring.Component):
    """Collect the findings of all controls.

    What an order is spared is told in stage 1 of the gate, and so are the findings of
    `TOLD_EARLY`: what is left of those stands in registers with the verdict. The others are found
    in stage 2, and the verdict follows them in the same clock.

    Members
    -------
    waived1 : In(64)
        Bit n: control n is not judged.
    exits1 : In(1)
        The order can only reduce a position, or is refused for that.
    crowded1 : In(1)
        Something stood one clock before it, and is not settled.
    found1, found : In(64)
        Bit n: control n would refuse; a clock before the verdict, and with it.
    verdict : Out(64)
        What refuses it.
    refuses : Out(VETOES)
        Something does: what stands in registers or comes to it soon; what is found of the price and
        of steps; what is found of the order's value.
    """

    waived1: In(BITS)
    exits1: In(1)
    crowded1: In(1)
    found1: In(BITS)
    found: In(BITS)
    verdict: Out(BITS)
    refuses: Out(VETOES)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        short1, short = Signal(len(_SHORT)), Signal()
        parts: list[list[Value]] = [[short], [], []]
        for reason in Reason:
            at, name = int(reason), reason.name.lower()
            causes = [self.waived1[at]] if reason in WAIVABLE else []
            causes += [self.exits1] if reason in EXITS_PASS else []
            causes += [self.crowded1] if reason in UNSETTLED else []
            spared1 = Cat(causes).any()
            if reason in TOLD_EARLY:
                refused1, refused = self.found1[at] & ~spared1, Signal(name=f"refused_{name}")
                m.d.sync += refused.eq(refused1)
                m.d.comb += self.verdict[at].eq(refused)
            else:
                spared = Signal(name=f"spared_{name}")
                m.d.sync += spared.eq(spared1)
                m.d.comb += self.verdict[at].eq(self.found[at] & ~spared)
            if reason in _SHORT:
                m.d.comb += short1[_SHORT.index(reason)].eq(refused1)
            else:
                part = next((n for n, late in enumerate(_LATE, 1) if reason in late), 0)
                parts[part].append(self.verdict[at])
        m.d.sync += short.eq(short1.any())
        m.d.comb += self.refuses.eq(Cat(Cat(bits).any() for bits in parts))
        return m


def first_reason(m: Module, verdict: Value) -> Signal:
    """Number of the lowest set bit of a verdict, `NO_REASON` for none."""
    first = Signal(8)
    m.d.comb += first.eq(NO_REASON)
    groups = [(at, verdict[at : at + 8]) for at in range(0, BITS, 8)]
    for at, group in reversed(groups):
        inner = Signal(8, name=f"first_from_{at}")
        for bit in reversed(range(8)):
            with m.If(group[bit]):
                m.d.comb += inner.eq(at + bit)
        with m.If(group.any()):
            m.d.comb += first.eq(inner)
    return first
