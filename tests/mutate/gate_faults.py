# SPDX-License-Identifier: Apache-2.0
"""Faults of the risk gate: one for each promise that is proved, and more for its controls."""

from tests.mutate.fault import Fault

__all__ = ["GATE_FAULTS"]

GATE, SIZE, PRICE = "hdl/risk/gate.py", "hdl/risk/size.py", "hdl/risk/price.py"
EXPOSURE, ORDERS, RATE = "hdl/risk/exposure.py", "hdl/risk/orders.py", "hdl/risk/rate.py"
KILL, WINDOW, CREDIT = "hdl/risk/kill.py", "hdl/risk/window.py", "hdl/risk/credit.py"
HOLDINGS, ADMISSION = "hdl/risk/holdings.py", "hdl/link/admission.py"
LOSSES, DATA, ROWS = "hdl/risk/losses.py", "hdl/risk/data.py", "hdl/risk/rows.py"
EQUAL = "tests/system/test_gate.py::test_every_verdict_and_alert_is_the_references"
MODEL = (
    "tests/unit/test_strategy_streams.py"
    "::test_with_a_model_every_rule_and_every_exit_decides_and_equals_the_reference"
)
CLOSED, WORST = "formal:gate_closed", "formal:gate_exposure"
SPACED = "formal:admission_spaced"
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
        "decision.wanted.eq(order & ~parts.judge.verdict.any()),",
        CLOSED,
    ),
    Fault(
        "gate_exits_by_mode_only",
        "an order marked reduce-only may add to a position",
        GATE,
        "Reason.REDUCE_ONLY: exits1 & exposure.exposes1,",
        "Reason.REDUCE_ONLY: (settings.mode == Mode.REDUCE_ONLY) & exposure.exposes1,",
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
        "notional is compared with 32 bits of its limit",
        SIZE,
        "[limits.max_notional], words, max(wide, 64) + 1)[-1]",
        "[limits.max_notional[:32]], words, max(wide, 64) + 1)[-1]",
        BEYOND,
    ),
    Fault(
        "price_collar_one_way",
        "a price far under the mid passes",
        PRICE,
        "self.collar1.eq(beyond(off_mid, limits.collar_ticks << 1)),",
        "self.collar1.eq(off_mid > (limits.collar_ticks << 1)),",
        BEYOND,
    ),
    Fault(
        "exposure_fill_side",
        "a fill relieves its own side",
        EXPOSURE,
        "short.eq(one.side ^ fill1),",
        "short.eq(one.side),",
        WORST,
    ),
    Fault(
        "orders_any_slot",
        "a report counts whoever's order is in its slot",
        ORDERS,
        "return ours & kinds.any()",
        "return kinds.any()",
        WORST,
    ),
    Fault(
        "rate_forgets",
        "the bucket is full again after every order",
        RATE,
        "following = Mux(late2, due2 + interval2, after2)",
        "following = after2",
        BUCKET,
    ),
    Fault(
        "rows_stale_by_one",
        "a token does not see what the one two before it wrote",
        ROWS,
        "self.row1.eq(Mux(self.same1, three.row, self.held1)),",
        "self.row1.eq(self.held1),",
        "tests/unit/test_rows.py::test_every_token_sees_all_but_the_one_before_it[2-0]",
    ),
    Fault(
        "window_next_bucket",
        "a bucket counts on when the next one begins",
        WINDOW,
        "return Cat(\n                    Mux(same[written], row[name], 0),",
        "return Cat(\n                    Mux(same[written] | next_one[written], row[name], 0),",
        EQUAL,
    ),
    Fault(
        "credit_exits_pay",
        "an exit spends credit",
        CREDIT,
        "paid.eq(self.order & ~self.exits),",
        "paid.eq(self.order),",
        EQUAL,
    ),
    Fault(
        "losses_any_fill_ends",
        "every fill at a loss counts as a losing round trip",
        HOLDINGS,
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
    Fault(
        "gate_reports_not_crowded",
        "an order directly behind a report is judged by what was before it",
        GATE,
        "Reason.CROWDED: moves,",
        "Reason.CROWDED: order,",
        WORST,
    ),
    Fault(
        "gate_bucket_one_late",
        "an order two clocks behind another sees the bucket as it was before that",
        GATE,
        "rate.other.eq(accept3),",
        "rate.other.eq(0),",
        EQUAL,
    ),
    Fault(
        "credit_totals_one_late",
        "an order two clocks behind another does not count it among what is open",
        CREDIT,
        "return Mux(total.moved & ~veto3, judge(total.after), judge(total.before))",
        "return judge(total.before)",
        EQUAL,
    ),
    Fault(
        "losses_best_one_late",
        "a floor is made of the best before the last mark",
        LOSSES,
        "m.d.sync += floor.eq(risen)",
        "m.d.sync += floor.eq(kept)",
        EQUAL,
    ),
    Fault(
        "losses_floor_falls_back",
        "a floor is made anew of the best before the last mark, a clock too early",
        LOSSES,
        "with m.Elif(~rose):",
        "with m.Else():",
        EQUAL,
    ),
    Fault(
        "losses_day_keeps_best",
        "drawdown is counted from the best of the day before",
        LOSSES,
        "total5, four.marks, day)",
        "total5, four.marks, four.marks & 0)",
        EQUAL,
    ),
    Fault(
        "admission_reports_close",
        "a record may come directly behind a report",
        ADMISSION,
        "~self.busy & ~moved & ~waits",
        "~self.busy & ~waits",
        SPACED,
    ),
    Fault(
        "admission_report_behind_order",
        "a report may come directly behind an order",
        ADMISSION,
        "holds.eq(taken & ended & moves),",
        "holds.eq(0),",
        SPACED,
    ),
    Fault(
        "gate_losses_a_clock_early",
        "an order is judged by a losing round trip of the token behind it",
        GATE,
        "Reason.LOSSES: streak1,",
        "Reason.LOSSES: self.losses.streak >= settings.max_losses,",
        MODEL,
    ),
    Fault(
        "gate_finding_in_the_other_stage",
        "what is told early is judged as if it came with the verdict: it refuses nothing",
        GATE,
        "if reason in TOLD_EARLY:\n                m.d.comb += judge.found1[int(reason)]",
        "if reason in TOLD_EARLY:\n                m.d.comb += judge.found[int(reason)]",
        EQUAL,
    ),
    Fault(
        "gate_veto_ignored",
        "what needs a product refuses an order that changes the state all the same",
        ROWS,
        "veto3.eq(self.veto2),",
        "veto3.eq(0),",
        WORST,
    ),
)
