# SPDX-License-Identifier: Apache-2.0
"""What is visible of a side: its first levels, and the quantity of the first N."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.book.ladder import rung_layout
from hdl.book.row import key_to_price, only
from hdl.config import BuildConfig
from hdl.sums import halves
from hdl.types import SideState, flow, side_layout, token_layout

__all__ = ["LATENCY", "Touch"]

#: Cycles from a row to what is visible of it.
LATENCY = 1


class Touch(wiring.Component):
    """Show the first levels of a KNOWN side, add up the first N.

    Latency is `LATENCY` cycle, throughput one token a cycle. Half of the additions come after the
    register.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build.

    Members
    -------
    i : In(flow(rung_layout))
        Rows.
    o_valid, token, row, side : Out
        The token, its row, and that side as it is to be shown.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(flow(rung_layout(config))),
                "o_valid": Out(1),
                "token": Out(token_layout(config)),
                "row": Out(config.row_bits),
                "side": Out(side_layout(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, row, status = self.config, self.i.p, self.i.p.status
        known = status.state == SideState.KNOWN

        shown, side = Signal(side_layout(config)), self.side
        m.d.comb += [
            shown.n.eq(status.n),
            shown.state.eq(status.state),
            shown.depth.eq(only(known, status.depth)),
            shown.bounded.eq(known & status.bounded),
            shown.sum.eq(0),
        ]
        # What is kept of it is the row's: a malformed token need not be of the row it comes with.
        ask = row.row[0]
        horizon = key_to_price(row.horizon, ask)
        m.d.comb += shown.horizon.eq(only(known & status.bounded, horizon))
        counted = []
        for at in range(config.view_levels):
            held = row.shown[at]
            m.d.comb += [
                shown.levels[at].price.eq(only(held, key_to_price(row.keys[at], ask))),
                shown.levels[at].qty.eq(only(held, row.qtys[at])),
            ]
            counted.append(only(row.counted[at], row.qtys[at]))

        later = Signal(side_layout(config), reset_less=True)
        m.d.sync += [
            later.eq(shown),
            self.o_valid.eq(self.i.valid),
            self.row.eq(row.row),
        ]
        m.d["comb" if config.spaced else "sync"] += self.token.eq(row.token)
        m.d.comb += [
            side.eq(later),
            side.sum.eq(halves(m, counted, config.sum_bits, "partial")),
        ]
        return m
