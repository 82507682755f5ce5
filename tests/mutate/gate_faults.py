# SPDX-License-Identifier: Apache-2.0
"""Faults of the risk gate: one for each promise that is proved, and more for its controls."""

from tests.mutate.fault import Fault

__all__ = ["GATE_FAULTS"]

GATE, SIZE, PRICE = "hdl/risk/gate.py", "hdl/risk/size.py", "hdl/risk/price.py"
EXPOSURE, ORDERS, RATE = "hdl/risk/exposure.py", "hdl/risk/orders.py", "hdl/risk/rate.py"
KILL, WINDOW, CREDIT = "hdl/risk/kill.py", "hdl/risk/window.py", "hdl/risk/credit.py"
LOSSES, DATA, ROWS = "hdl/risk/losses.py", "hdl/risk/data.py", "hdl/risk/rows.py"
EQUAL = "tests/system/test_gate.py::test_every_verdict_and_alert_is_the_references"
CLOSED, WORST = "formal:gate_closed", "formal:gate_exposure"
BEYOND, BUCKET, LATCH = "formal:gate_size", "formal:gate_bucket", "formal:gate_kill"

GATE_FAULTS: tuple[Fault, ...] = (
    Fault(
        "gate_mode_3_trades",
        "mode 3 is taken for ACTIVE",
        GATE,
        "Reason.HALTED: (mode != Mode.REDUCE_ONLY) & (mode != Mode.ACTIVE),",
        "Reason.HALTED: mode == Mode.HALTED,",
        CLOSED,
    ),
    Fault(
        "gate_kill_ignored",
        "orders pass while the kill latch is set",
        GATE,
        "Reason.KILL: kill.causes.any() | kill.loss,",
        "Reason.KILL: kill.loss,",
        CLOSED,
    ),
    Fault(
        "gate_limits_early",
        "an order is judged by the limits of the one behind it",
        GATE,
        "limits1.eq(limits0),",
        "limits1.eq(limits.limits),",
        CLOSED,
    ),
    Fault(
        "gate_refusals_silent",
        "a refused order gets no decision",
        GATE,
        "decision.wanted.eq(order),",
        "decision.wanted.eq(accept),",
        CLOSED,
    ),
    Fault(
        "gate_exits_by_mode_only",
        "an order marked reduce-only may add to a position",
        GATE,
        "Reason.REDUCE_ONLY: exits & exposure.exposes,",
        "Reason.REDUCE_ONLY: (mode == Mode.REDUCE_ONLY) & exposure.exposes,",
        WORST,
    ),
    Fault(
        "kill_one_step",
        "the second key alone clears the latch",
        KILL,
        "clears = self.rearm & half & second",
        "clears = self.rearm & second",
        LATCH,
    ),
    Fault(
        "size_top_bit",
        "the top bit of a quantity is not compared",
        SIZE,
        "(qty1 > limits.max_qty)",
        "(qty1[:-1] > limits.max_qty)",
        BEYOND,
    ),
    Fault(
        "size_notional_cut",
        "notional is compared in 32 bits",
        SIZE,
        "products.o > self.limits2.max_notional",
        "products.o[:32] > self.limits2.max_notional",
        BEYOND,
    ),
    Fault(
        "price_collar_one_way",
        "a price far under the mid passes",
        PRICE,
        "self.collar.eq(beyond(off_mid, limits.collar_ticks << 1)),",
        "self.collar.eq(off_mid > (limits.collar_ticks << 1)),",
        BEYOND,
    ),
    Fault(
        "exposure_fill_side",
        "a fill relieves its own side",
        EXPOSURE,
        "short, sells = side ^ (fill & ~self.order), side",
        "short, sells = side, side",
        WORST,
    ),
    Fault(
        "orders_any_slot",
        "a report counts whoever's order is in its slot",
        ORDERS,
        "self.true.eq(self.report & ours & possible),",
        "self.true.eq(self.report & possible),",
        WORST,
    ),
    Fault(
        "rate_forgets",
        "the bucket is full again after every order",
        RATE,
        "following = Mux(late, self.due_us + interval_us, after_us)",
        "following = after_us",
        BUCKET,
    ),
    Fault(
        "rows_stale_by_one",
        "a token does not see what the one right before it wrote",
        ROWS,
        "self.row2.eq(Mux(three.write & again2, three.row, row2)),",
        "self.row2.eq(row2),",
        "tests/unit/test_rows.py::test_every_token_sees_all_before_it[2-0]",
    ),
    Fault(
        "window_next_bucket",
        "a bucket counts on when the next one begins",
        WINDOW,
        "kept[name].eq(Mux(same, row1[name], 0)),",
        "kept[name].eq(Mux(same | next_one, row1[name], 0)),",
        EQUAL,
    ),
    Fault(
        "credit_exits_pay",
        "an exit spends credit",
        CREDIT,
        "with m.Elif(self.accept & ~self.exits):",
        "with m.Elif(self.accept):",
        EQUAL,
    ),
    Fault(
        "losses_any_fill_ends",
        "every fill at a loss counts as a losing round trip",
        LOSSES,
        "ends.eq(fill.fill & flat),",
        "ends.eq(fill.fill),",
        EQUAL,
    ),
    Fault(
        "data_pause_next_event",
        "a move of the mid pauses from the next event on",
        DATA,
        "self.paused.eq(paused | trips),",
        "self.paused.eq(paused),",
        EQUAL,
    ),
)
