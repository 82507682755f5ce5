# SPDX-License-Identifier: Apache-2.0
"""Order flow: what the best levels gained and lost since the last event, and what was cancelled."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.signal.average import DECAY_BITS, FRACTION_BITS, GROWTH_BITS, decayed
from hdl.signal.catalogue import FEATURE_BITS
from hdl.signal.log import curved, log_layout, normalise, signed_log
from hdl.sums import add_up
from hdl.types import view_layout

__all__ = ["FLOW_LEVELS", "OrderFlow", "flow_row"]

#: Levels whose flow is added up.
FLOW_LEVELS = 5


def _levels(config: BuildConfig) -> int:
    """Levels whose flow is added up; the strategy asks for the best alone."""
    return min(FLOW_LEVELS, config.view_levels) if config.vectors else 1


def flow_row(config: BuildConfig) -> data.StructLayout:
    """What order flow keeps of a symbol.

    The widths follow from `GROWTH_BITS`: a level gains or loses less than 2^Q lots a side, both
    sides less than 2^(Q + 1), five levels weighted 16, 8, 4, 2, 1 less than 2^(Q + 6).
    """
    keyed = data.StructLayout({"key": config.price_bits, "qty": config.qty_bits})
    return data.StructLayout(
        {
            "sides": data.ArrayLayout(data.ArrayLayout(keyed, _levels(config)), 2),
            "ofi": signed(config.qty_bits + 1 + GROWTH_BITS + 1),
            "ofi_multi": signed(config.qty_bits + 6 + GROWTH_BITS + 1),
            "removed": config.qty_bits + 1 + GROWTH_BITS,
            "traded": config.qty_bits + 1 + GROWTH_BITS,
        }
    )


class OrderFlow(wiring.Component):
    """`ofi_event`, `ofi`, `ofi_multi` and `cancel_share` (``docs/signals.md``, order flow).

    With keys k (greater is better) and quantities q of one level, before and after: gain
    g = [k >= k'] q - [k <= k'] q'; flow e = g(bid) - g(ask). ::

        0 compare, gains, decay   1 sums, `after`   2 logarithms   3 features

    Source: Cont, Kukanov, Stoikov, The Price Impact of Order Book Events, 2014; for several levels
    Xu, Gould, Howison, Multi-Level Order-Flow Imbalance in a Limit Order Book, 2018.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view : In(view_layout)
        In stage 0; in a spaced build it stands since the clock before.
    before : In(flow_row)
        State in stage 0.
    primed : In(1)
        The state is of the event just before, in stage 0.
    printed : In
        Lots in the prints, bought and sold, in stage 0.
    decay : In(4)
        k, at most 8, in stage 0.
    after : Out(flow_row)
        State that follows a usable event, in stage 1.
    ofi2 : Out
        Leaky sum with this event, in stage 2.
    ofi_event, ofi, ofi_multi, cancel_share : Out(signed 18)
        In stage 3.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        row, feature = flow_row(config), signed(FEATURE_BITS)
        super().__init__(
            {
                "view": In(view_layout(config)),
                "before": In(row),
                "primed": In(1),
                "printed": In(config.qty_bits + 1),
                "decay": In(DECAY_BITS),
                "after": Out(row),
                "ofi2": Out(row["ofi"].shape),
                "ofi_event": Out(feature),
                "ofi": Out(feature),
                "ofi_multi": Out(feature),
                "cancel_share": Out(feature),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, before = self.config, self.before
        most = (1 << config.price_bits) - 1
        now = Signal(before.sides.shape())
        gains: list[tuple[Value, Value]] = []
        lefts = []

        # Stage 0.
        for at in range(_levels(config)):
            pair = []
            for side, shown in enumerate((self.view.bid, self.view.ask)):
                level, was, is_ = shown.levels[at], before.sides[side][at], now[side][at]
                m.d.comb += [
                    is_.qty.eq(level.qty),
                    is_.key.eq(
                        Mux(level.qty.any(), most - level.price, 0) if side else level.price
                    ),
                ]
                better, worse = Signal(name=f"better{side}{at}"), Signal(name=f"worse{side}{at}")
                gain = Signal(signed(config.qty_bits + 1), name=f"gain{side}{at}")
                m.d["sync" if config.spaced else "comb"] += [
                    better.eq(is_.key > was.key),
                    worse.eq(is_.key < was.key),
                ]
                m.d.sync += gain.eq(
                    Mux(self.primed & ~worse, is_.qty, 0) - Mux(self.primed & ~better, was.qty, 0)
                )
                pair.append(gain)
                if at == 0:
                    left = Signal(config.qty_bits, name=f"left{side}")
                    less = Signal(signed(config.qty_bits + 1), name=f"less{side}")
                    m.d.comb += less.eq(was.qty - is_.qty)
                    m.d.sync += left.eq(
                        Mux(
                            ~self.primed | better,
                            0,
                            Mux(worse, was.qty, Mux(less < 0, 0, less[: config.qty_bits])),
                        )
                    )
                    lefts.append(left)
            gains.append((pair[0], pair[1]))

        def kept(name: str, value: Value) -> Signal:
            """A register of what stage 0 makes."""
            held = Signal(value.shape(), name=f"{name}1")
            m.d.sync += held.eq(value)
            return held

        now1 = kept("now", now.as_value())
        sums = {
            name: kept(name, decayed(before[name], self.decay))
            for name in ("ofi", "ofi_multi", "removed", "traded")
        }
        printed = kept("printed", Mux(self.primed, self.printed, 0))
        cancels = [
            kept(name, normalise(m, before[name], f"log_{name}").as_value())
            for name in ("removed", "traded")
        ]

        # Stage 1: each sum and its negative, so that the magnitude is a choice.
        after = self.after

        def add_signed(terms: list[Value], width: int, name: str) -> tuple[Signal, Signal]:
            """The sum of signed terms, and minus it."""
            whole = []
            for at, term in enumerate(terms):
                whole.append(Signal(width, name=f"{name}_term{at}"))
                m.d.comb += whole[-1].eq(term)
            plus, minus = Signal(signed(width), name=name), Signal(width, name=f"{name}_negative")
            m.d.comb += [
                plus.eq(add_up(whole, width)),
                minus.eq(add_up([*(~term for term in whole), Const(len(whole), width)], width)),
            ]
            return plus, minus

        bid, ask = gains[0]
        multi = [
            term << (FRACTION_BITS + FLOW_LEVELS - 1 - at)
            for at, (gain_bid, gain_ask) in enumerate(gains)
            for term in (gain_bid, ~gain_ask)  # -x is ~x + 1
        ]
        ones = sum(1 << (FRACTION_BITS + FLOW_LEVELS - 1 - at) for at in range(len(gains)))
        totals = {
            "ofi_event": add_signed([bid, -ask], config.qty_bits + 2, "flow_event"),
            "ofi": add_signed(
                [
                    sums["ofi"],
                    bid << FRACTION_BITS,
                    ~ask << FRACTION_BITS,
                    Const(1 << FRACTION_BITS, FRACTION_BITS + 2),
                ],
                len(after.ofi),
                "flow_best",
            ),
            "ofi_multi": add_signed(
                [sums["ofi_multi"], *multi, Const(ones, ones.bit_length() + 1)],
                len(after.ofi_multi),
                "flow_multi",
            ),
        }
        m.d.comb += [
            after.sides.eq(now1),
            after.ofi.eq(totals["ofi"][0]),
            after.ofi_multi.eq(totals["ofi_multi"][0]),
            after.removed.eq(sums["removed"] + ((lefts[0] + lefts[1]) << FRACTION_BITS)),
            after.traded.eq(sums["traded"] + (printed << FRACTION_BITS)),
        ]
        m.d.sync += self.ofi2.eq(totals["ofi"][0])

        # Stages 2 and 3.
        for name, (plus, minus) in totals.items():
            plus2, minus2 = Signal.like(plus, name=f"{name}_plus2"), Signal.like(minus)
            m.d.sync += [plus2.eq(plus), minus2.eq(minus)]
            size = normalise(m, Mux(plus2 < 0, minus2, plus2[: len(plus2)]), f"{name}_size")
            size3, negative3 = (
                Signal(log_layout(), name=f"{name}_size3"),
                Signal(name=f"{name}_sign3"),
            )
            m.d.sync += [size3.eq(size), negative3.eq(plus2 < 0)]
            m.d.comb += getattr(self, name).eq(signed_log(m, negative3, size3, f"{name}_log"))
        shares = []
        for name, seen in zip(("removed", "traded"), cancels, strict=True):
            share = Signal(FEATURE_BITS, name=f"{name}2")
            m.d.sync += share.eq(curved(m, data.View(log_layout(), seen), f"{name}_curve"))
            shares.append(share)
        m.d.sync += self.cancel_share.eq(shares[0] - shares[1])
        return m
