# SPDX-License-Identifier: Apache-2.0
"""Features of time and of the mid's way: changes, bars and their true range, rate of events."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.signal.average import DECAY_BITS, GROWTH_BITS, Average
from hdl.signal.catalogue import FEATURE_BITS, LOG_FRACTION_BITS
from hdl.signal.log import log_layout, normalise, signed_log, straight
from hdl.types import view_layout

__all__ = ["BAR_BITS", "MOTION_FEATURES", "Motion", "motion_row"]

MOTION_FEATURES = ("mid_change", "mid_change_mean", "true_range", "update_rate", "event_gap")
#: Width of the setting that says how long a bar is.
BAR_BITS = 6
_GAP_BITS = 32
_RATE_OF_NOTHING = 32 << LOG_FRACTION_BITS


def motion_row(config: BuildConfig) -> data.StructLayout:
    """What is kept of a symbol; mids are doubled."""
    mid = config.price_bits + 1
    return data.StructLayout(
        {
            "mid": mid,
            "last_us": 64,
            "moved": 1,  # `moves` and `gaps` have begun
            "moves": mid + GROWTH_BITS,
            "gaps": _GAP_BITS + GROWTH_BITS,
            "bar": 64,
            "high": mid,
            "low": mid,
            "close": mid,
            "closed": 1,  # a bar was closed: `close_before` and `ranges` hold something
            "close_before": mid,
            "ranges": mid + GROWTH_BITS,
        }
    )


class Motion(wiring.Component):
    """How far and how fast (``docs/signals.md``, motion and true range).

    ::

        0 change, gap, number of the bar   1 averages, bar, `after`   2 logarithms   3 features

    Source of the true range: Wilder, New Concepts in Technical Trading Systems, 1978.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view : In(view_layout)
        In stage 0.
    before : In(motion_row)
        State in stage 0.
    primed : In(1)
        The state is of the event just before, in stage 0.
    begun : In(1)
        There was a usable event, in stage 0.
    decay : In(4)
        k of averages, at most 8, in stage 0.
    bar_log2_us : In(6)
        Setting, in stage 0.
    after : Out(motion_row)
        State that follows a usable event, in stage 1.
    features : Out
        In stage 3, by name.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        row = motion_row(config)
        super().__init__(
            {
                "view": In(view_layout(config)),
                "before": In(row),
                "primed": In(1),
                "begun": In(1),
                "decay": In(DECAY_BITS),
                "bar_log2_us": In(BAR_BITS),
                "after": Out(row),
                "features": Out(
                    data.StructLayout({name: signed(FEATURE_BITS) for name in MOTION_FEATURES})
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        view, before, after = self.view, self.before, self.after
        features, mid_bits = self.features, self.config.price_bits + 1

        def later(value: Value, name: str) -> Signal:
            held = Signal(value.shape(), name=name)
            m.d.sync += held.eq(value)
            return held

        # Stage 0.
        mid = view.bid.levels[0].price + view.ask.levels[0].price
        change = Signal(signed(mid_bits + 1))
        m.d.comb += change.eq(mid - before.mid)
        rise = later(Mux(self.primed, change, 0), "rise")
        fall = later(Mux(self.primed, -change, 0)[: mid_bits + 1], "fall")
        waited = later(view.now_us - before.last_us, "waited")
        primed1, begun1 = later(self.primed, "primed1"), later(self.begun, "begun1")
        now1 = later(view.now_us, "now1")
        mid1, bar1 = later(mid, "mid1"), later(view.now_us >> self.bar_log2_us, "bar1")
        before1 = Signal.like(before)
        high, low = Signal(mid_bits), Signal(mid_bits)
        m.d.sync += before1.eq(before)
        passed = before.closed & (before.close_before > before.high)
        short = before.closed & (before.close_before < before.low)
        m.d.sync += [
            high.eq(Mux(passed, before.close_before, before.high)),
            low.eq(Mux(short, before.close_before, before.low)),
        ]

        # Stage 1.
        moved, gap = Signal(mid_bits), Signal(_GAP_BITS)
        m.d.comb += [
            moved.eq(Mux(rise < 0, fall, rise)),
            gap.eq(waited[:_GAP_BITS] | waited[_GAP_BITS:64].any().replicate(_GAP_BITS)),
        ]
        same = begun1 & (before1.bar == bar1)
        averages = {}
        for name, bits, begun, x in (
            ("moves", mid_bits, before.moved, moved),
            ("gaps", _GAP_BITS, before.moved, gap),
            ("ranges", mid_bits, before.closed, (high - low)[:mid_bits]),
        ):
            m.submodules[name] = average = Average(bits, by_table=False)
            m.d.comb += [
                average.decay.eq(self.decay),
                average.before.eq(before[name]),
                average.begun.eq(begun),
                average.x.eq(x),
            ]
            averages[name] = average
        m.d.comb += [
            after.eq(before1),
            after.mid.eq(mid1),
            after.last_us.eq(now1),
            after.bar.eq(bar1),
            after.close.eq(mid1),
        ]
        with m.If(primed1):
            m.d.comb += [
                after.moved.eq(1),
                after.moves.eq(averages["moves"].after),
                after.gaps.eq(averages["gaps"].after),
            ]
        with m.If(~same | (mid1 > before1.high)):
            m.d.comb += after.high.eq(mid1)
        with m.If(~same | (mid1 < before1.low)):
            m.d.comb += after.low.eq(mid1)
        with m.If(begun1 & ~same):
            m.d.comb += [
                after.closed.eq(1),
                after.close_before.eq(before1.close),
                after.ranges.eq(averages["ranges"].after),
            ]
        down2, size2, gap2 = Signal(), Signal(log_layout()), Signal(log_layout())
        m.d.sync += [
            down2.eq(rise < 0),
            size2.eq(normalise(m, moved, "moved_ones")),
            gap2.eq(normalise(m, Mux(primed1, gap, 0), "gap_ones")),
        ]

        # Stage 2.
        m.d.sync += [
            features.mid_change.eq(signed_log(m, down2, size2, "change_log")),
            features.event_gap.eq(straight(gap2)),
            features.mid_change_mean.eq(averages["moves"].level),
            features.true_range.eq(averages["ranges"].level),
            features.update_rate.eq(Const(_RATE_OF_NOTHING) - averages["gaps"].level),
        ]
        return m
