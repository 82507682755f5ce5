# SPDX-License-Identifier: Apache-2.0
"""One bit a control: which may be waived, which exits pass, and what comes of all together."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.records import NO_REASON, Reason

__all__ = ["BITS", "EXITS_PASS", "UNSETTLED", "WAIVABLE", "Verdict", "first_reason"]

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


class Verdict(wiring.Component):
    """Collect the findings of all controls.

    What an order is spared is told a cycle before its findings; all else is combinational.

    Members
    -------
    waived1 : In(64)
        Bit n: control n is not judged.
    exits1 : In(1)
        The order can only reduce a position, or is refused for that.
    crowded1 : In(1)
        Something stood one clock before it, and is not settled.
    found : In(64)
        Bit n: control n would refuse.
    verdict : Out(64)
        What refuses it.
    """

    waived1: In(BITS)
    exits1: In(1)
    crowded1: In(1)
    found: In(BITS)
    verdict: Out(BITS)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        for reason in Reason:
            at = int(reason)
            causes = [self.waived1[at]] if reason in WAIVABLE else []
            causes += [self.exits1] if reason in EXITS_PASS else []
            causes += [self.crowded1] if reason in UNSETTLED else []
            spared = Signal(name=f"spared_{reason.name.lower()}")
            m.d.sync += spared.eq(Cat(causes).any())
            m.d.comb += self.verdict[at].eq(self.found[at] & ~spared)
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
