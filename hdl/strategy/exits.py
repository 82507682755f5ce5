# SPDX-License-Identifier: Apache-2.0
"""Exits: when a position is to be left."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BuildConfig
from hdl.risk.product import later_product
from hdl.signal.average import MOST_DECAY
from hdl.signal.motion import motion_row
from hdl.signal.rows import StateRows
from hdl.strategy.position import position_layout
from hdl.strategy.settings import settings_layout
from hdl.sums import add_up
from hdl.types import view_layout

__all__ = ["CAUSES", "Exits"]

#: Bits of `fired`: stop, take profit, trailing, time, liquidity, flatten.
CAUSES = 6
#: d = ranges x (sum >> k) >> this: sixteenths of half ticks over 256.
_RANGE_SHIFT = 13
_EIGHTHS = 3


class Exits(wiring.Component):
    """Which exits fire at a usable event (``docs/signals.md``, exits).

    Nothing is divided: with mark M, entered lots E, their notional C and a distance of d ticks,
    "the mark is d below the entry price" is M E + d E <= C. Each comparison is the sign of one
    carry-save sum, and is exact. ::

        0 distance of the stop   1 mark, products   2 `fired`

    In a spaced build settings, sums and position of the record under way stand before its view
    comes, and its sides a clock before: so shift and product of the stop are registered on the way,
    the products stand a clock early, and what is added up comes from registers of its own.

    Throughput one view a cycle.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    ahead : In(8)
        Symbol of the view that comes two clocks later.
    view, usable, row : In
        View, whether it is one of a usable event, and settings, in stage 0.
    ranges : In
        Sum behind the true range, in stage 0.
    held : In(position_layout)
        Position, in stage 1.
    fired : Out(6)
        In stage 2; 0 without a position.
    sell : Out(1)
        The way out, in stage 2.
    qty : Out
        Lots, in stage 2.
    init_done : Out(1)
        Memory is swept.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "ahead": In(8),
                "view": In(view_layout(config)),
                "usable": In(1),
                "row": In(settings_layout()),
                "ranges": In(motion_row(config)["ranges"].shape),
                "held": In(position_layout(config)),
                "fired": Out(CAUSES),
                "sell": Out(1),
                "qty": Out(config.qty_bits),
                "init_done": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, view, row, held = self.config, self.view, self.row, self.held
        price_bits = config.price_bits
        best = data.StructLayout({"known": 1, "price": price_bits})
        m.submodules.peaks = peaks = StateRows(config, best, loop=2)

        def later(value: Value, name: str) -> Signal:
            kept = Signal(value.shape(), name=name)
            m.d.sync += kept.eq(value)
            return kept

        def sooner(value: Value, name: str) -> Value:
            """A register, in a build in which the value stands a clock before it is due."""
            return later(value, name) if config.spaced else value

        # Stage 0: how far the stop is.
        decay = Mux(row.average_decay > MOST_DECAY, MOST_DECAY, row.average_decay)
        shifted = sooner(self.ranges >> decay, "shifted")
        ranged = sooner(shifted * row.stop_ranges, "ranged") >> _RANGE_SHIFT
        capped = Mux(ranged[32:].any(), (1 << 32) - 1, ranged[:32])
        stop1 = later(Mux(row.stop_ranges.any(), capped, row.stop_ticks), "stop1")
        thin1 = [
            later(side.sum < row.exit_lots, f"thin_{name}1")
            for name, side in (("bid", view.bid), ("ask", view.ask))
        ]
        usable1, symbol1 = later(self.usable, "usable1"), later(view.symbol, "symbol1")
        now1 = later(view.now_us, "now1")
        settings1 = {
            name: later(row[name], f"{name}1")
            for name in ("exits", "take_ticks", "trail_ticks", "time_us", "flatten")
        }
        eighths = Mux(row.trail_eighths > 8, 8, row.trail_eighths)
        settings1["eighths"] = later(eighths, "eighths1")

        # Stage 1: products with what was entered.
        long0 = held.lots > 0
        long1, some1 = sooner(long0, "long1"), held.lots != 0
        bid, ask = view.bid.levels[0].price, view.ask.levels[0].price
        mark1 = (
            later(Mux(long0, bid, ask), "mark1")
            if config.spaced
            else Mux(long1, later(bid, "bid1"), later(ask, "ask1"))
        )
        products: dict[str, Value] = {}
        for name, factor in (
            ("mark", mark1),
            ("peak", peaks.row.price),
            ("stop", stop1),
            ("take", settings1["take_ticks"]),
            ("trail", settings1["trail_ticks"]),
        ):
            products[name] = later_product(m, factor, held.entered, f"{name}2", config.spaced)
            if name != "mark":  # all else stands before the view comes
                products[name] = sooner(products[name], f"{name}_product")
        notional, long2 = later(held.notional, "notional2"), later(long1, "long2")
        some2 = later(usable1 & some1, "some2")
        usable2, symbol2 = later(usable1, "usable2"), later(symbol1, "symbol2")
        blind, mark2 = later(held.blind, "blind2"), later(mark1, "mark2")
        peak2 = later(peaks.row.price, "peak_price2")
        peak_known = later(peaks.row.known & ~held.fresh, "peak_known2")
        size = Mux(held.lots < 0, -held.lots, held.lots)
        limit = (1 << config.qty_bits) - 1
        m.d.sync += self.qty.eq(Mux(size > limit, limit, size))
        timed = later((now1 - held.opened_us)[:64] >= settings1["time_us"], "timed2")
        thin = later(Mux(long1, thin1[0], thin1[1]), "thin2")
        settings2 = {name: later(value, f"{name}2_set") for name, value in settings1.items()}

        # Stage 2: signs.
        bits = len(products["mark"]) + 6  # eight gains, and their sign

        def sign(terms: list[Value], less: list[Value], name: str) -> Value:
            """Whether the terms less the others come to less than 0."""
            whole = []
            for at, term in enumerate([*terms, *(~(Const(0, bits) | x)[:bits] for x in less)]):
                whole.append(Signal(bits, name=f"{name}_term{at}"))
                m.d.comb += whole[-1].eq(term)
            total = Signal(signed(bits), name=f"{name}_total")
            m.d.comb += total.eq(add_up([*whole, Const(len(less), bits)], bits))
            return total < 0

        kept = settings2["eighths"]

        def parts(value: Value, name: str) -> list[Value]:
            """What comes to so many eighths of it, in a spaced build already added up."""
            terms: list[Value] = [Mux(kept[n], value << n, 0) for n in range(_EIGHTHS + 1)]
            return [later(sum(terms[1:], terms[0]), name)] if config.spaced else terms

        up = sooner(Mux(long2, products["mark"], notional), "up")  # gain = up - down
        down = sooner(Mux(long2, notional, products["mark"]), "down")
        peak_up = Mux(long2, products["peak"], notional)
        peak_down = Mux(long2, notional, products["peak"])
        part_up, part_down = parts(peak_up, "peak_up_part"), parts(peak_down, "peak_down_part")
        peak_up, peak_down = sooner(peak_up, "peak_up"), sooner(peak_down, "peak_down")
        stopped = ~sign([down], [up, products["stop"]], "stop")
        taken = ~sign([up], [down, products["take"]], "take")
        armed = ~sign([peak_up], [peak_down, products["trail"]], "arm")
        given_back = sign([up << _EIGHTHS, *part_down], [down << _EIGHTHS, *part_up], "given_back")
        on = settings2["exits"]
        fires = Cat(
            on[0] & (blind | stopped),
            on[1] & ~blind & taken,
            on[2] & ~blind & peak_known & armed & given_back,
            on[3] & timed,
            on[4] & thin,
            settings2["flatten"],
        )
        better = Mux(long2, mark2 > peak2, mark2 < peak2)
        m.d.comb += [
            self.fired.eq(Mux(some2, fires, 0)),
            self.sell.eq(long2),
            peaks.ahead.eq(later(self.ahead, "ahead1")),
            peaks.symbol.eq(symbol2),
            peaks.write.eq(usable2),
            peaks.after.known.eq(some2),
            peaks.after.price.eq(Mux(~peak_known | better, mark2, peak2)),
            self.init_done.eq(peaks.init_done),
        ]
        return m
