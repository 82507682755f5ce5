# SPDX-License-Identifier: Apache-2.0
"""Features of the tape: who trades, how much more than usual, how far from the VWAP."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.product import partials
from hdl.signal.average import DECAY_BITS, GROWTH_BITS, Average
from hdl.signal.catalogue import FEATURE_BITS, LOG_FRACTION_BITS
from hdl.signal.log import LOG_BITS, curved, log_layout, normalise, signed_log, straight
from hdl.sums import add_up
from hdl.types import view_layout

__all__ = ["TAPE_FEATURES", "TapeFlow", "distance_bits", "print_row", "tape_row"]

TAPE_FEATURES = ("trade_flow", "print_flow", "volume_spike", "vwap_distance", "print_offset")
#: Octaves of half a tick that the distance from the VWAP resolves below 1.
_BELOW_ONE = 8


def distance_bits(config: BuildConfig) -> int:
    """Width of D, signed: m V and 2 P are less than 2^(price + Q + 5)."""
    return config.price_bits + config.qty_bits + 6


def print_row(config: BuildConfig) -> data.StructLayout:
    """Lots bought and sold since the last event."""
    return data.StructLayout({"bought": config.qty_bits, "sold": config.qty_bits})


def tape_row(config: BuildConfig) -> data.StructLayout:
    """What the tape's features keep of a symbol."""
    return data.StructLayout(
        {
            "volume": config.qty_bits + 4 + GROWTH_BITS,
            "distance": signed(distance_bits(config)),
            "over": config.qty_bits + 4,
        }
    )


class TapeFlow(wiring.Component):
    """Features of trades (``docs/signals.md``, prints and tape).

    The mid is compared with the VWAP by cross-multiplying: D = (a + b) V - 2 P, where V is the
    window's volume and P its notional. Its logarithm needs one event more than there are clocks. ::

        0 leading ones, (a + b) V   1 D, `after`, logarithms   2 differences   3 features

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    view : In(view_layout)
        In stage 0; in a spaced build its sides stand since the clock before.
    prints : In(print_row)
        Trades since the last event, in stage 0.
    before : In(tape_row)
        State in stage 0.
    begun : In(1)
        There was a usable event, in stage 0.
    decay : In(4)
        k of averages, at most 8, in stage 0.
    after : Out(tape_row)
        State that follows a usable event, in stage 1.
    features : Out
        In stage 3, by name.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        row = tape_row(config)
        super().__init__(
            {
                "view": In(view_layout(config)),
                "prints": In(print_row(config)),
                "before": In(row),
                "begun": In(1),
                "decay": In(DECAY_BITS),
                "after": Out(row),
                "features": Out(
                    data.StructLayout({name: signed(FEATURE_BITS) for name in TAPE_FEATURES})
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, features, tape, before = self.config, self.features, self.view.trades, self.before
        bid, ask = self.view.bid.levels[0].price, self.view.ask.levels[0].price

        def later(value: Value, name: str) -> Signal:
            held = Signal(value.shape(), name=name)
            m.d.sync += held.eq(value)
            return held

        def seen_later(value: Value, name: str) -> Signal:
            """Leading one of a number, a clock later."""
            seen = Signal(log_layout(), name=name)
            m.d.sync += seen.eq(normalise(m, value, f"{name}_ones"))
            return seen

        # Volumes of the window.
        logs = []
        for name, volume in (("bought", tape.buy_volume), ("sold", tape.sell_volume)):
            log = Signal(LOG_BITS, name=f"{name}2")
            m.d.sync += log.eq(curved(m, seen_later(volume, f"{name}1"), f"{name}_curve"))
            logs.append(log)
        volume1 = later(tape.buy_volume + tape.sell_volume, "volume1")
        volume2 = seen_later(volume1, "volume2")
        m.submodules.usual = usual = Average(len(volume1), by_table=True)
        m.d.comb += [
            usual.decay.eq(self.decay),
            usual.before.eq(before.volume),
            usual.begun.eq(self.begun),
            usual.x.eq(volume1),
            self.after.volume.eq(usual.after),
        ]

        # D of this event.
        notional, mid2 = later(tape.notional, "notional1"), bid + ask
        volumes = {"bought": tape.buy_volume, "sold": tape.sell_volume}
        if config.spaced:  # as one sum of terms that come from registers
            mid2, bits = later(mid2, "mid2"), len(self.after.distance)
            terms = [
                term
                for name, volume in volumes.items()
                for term in partials(m, mid2, volume, f"{name}_part")
            ]
            terms += [~(Const(0, bits) | (notional << 1))[:bits], Const(1, bits)]
            m.d.comb += self.after.distance.eq(add_up(terms, bits))
        else:
            bought, sold = (
                later(mid2 * volume, f"{name}_part") for name, volume in volumes.items()
            )
            m.d.comb += self.after.distance.eq(bought + sold - (notional << 1))
        m.d.comb += self.after.over.eq(volume1)

        # Distances: S of two small ones and of D before.
        last = Signal(signed(config.price_bits + 2))
        m.d.comb += last.eq((tape.price << 1) - (bid + ask))
        signs, sizes = {}, {}
        for name, value in (
            ("print_flow", self.prints.bought - self.prints.sold),
            ("print_offset", Mux(tape.known, last, 0)),
            ("vwap_distance", before.distance),
        ):
            size1 = later(Mux(value < 0, -value, value)[: len(value)], f"{name}_size1")
            signs[name] = later(later(value < 0, f"{name}_sign1"), f"{name}_sign2")
            sizes[name] = seen_later(size1, f"{name}2")
        over2 = Signal(log_layout())
        m.d.sync += over2.eq(seen_later(before.over, "over1"))
        some2 = later(later(before.distance.any(), "some1"), "some2")

        # Stage 2.
        away = Signal(signed(LOG_BITS + 2))
        m.d.comb += away.eq(
            straight(sizes["vwap_distance"])
            - straight(over2)
            + Const(_BELOW_ONE << LOG_FRACTION_BITS)
        )
        none = ~some2 | (away < 0)
        m.d.sync += [
            features.trade_flow.eq(logs[0] - logs[1]),
            features.volume_spike.eq(curved(m, volume2, "volume_curve") - usual.level),
            features.vwap_distance.eq(Mux(none, 0, Mux(signs["vwap_distance"], -away, away))),
        ]
        for name in ("print_flow", "print_offset"):
            m.d.sync += features[name].eq(signed_log(m, signs[name], sizes[name], f"{name}_log"))
        return m
